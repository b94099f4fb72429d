//! What our builds never contain, from `cargo tree`.

use anyhow::Result;
use xshell::Shell;

use crate::metadata::{Built, Package, tree};

/// E-02: runtimes, engines and second HTTP or TLS stacks.
const NEVER: [&str; 11] = [
    "arrow*",
    "async-std",
    "curl*",
    "hyper*",
    "native-tls",
    "openssl*",
    "parquet",
    "polars*",
    "reqwest",
    "smol",
    "tokio*",
];

/// Build programs of other languages.
const COMPILES_C: [&str; 5] = ["bindgen", "cc", "cmake", "pkg-config", "vcpkg"];

/// `links` keys that only make a package unique: no library stands behind them.
const NOT_NATIVE: [&str; 1] = ["rayon-core"];

const WHOLE_PRODUCT: [&str; 9] = [
    "--workspace",
    "--exclude",
    "tsc-benches",
    "--exclude",
    "tsc-examples",
    "--exclude",
    "tsc-peers",
    "--exclude",
    "xtask",
];

/// Asks cargo what three builds contain and checks each against its promise.
pub(crate) fn check(sh: &Shell, packages: &[Package]) -> Result<Vec<String>> {
    let mut problems = check_default(&tree(sh, &WHOLE_PRODUCT)?);
    // Apart from the rest: there another member's features would be counted in.
    for package in ["tsc-pipeline", "tsc-cli"] {
        problems.extend(check_one_ndarray(package, &tree(sh, &["-p", package])?));
        let pure = tree(sh, &["-p", package, "--no-default-features", "--features", "linear"])?;
        problems.extend(check_pure(package, &pure, packages));
    }
    Ok(problems)
}

fn check_default(built: &[Built]) -> Vec<String> {
    let is_banned = |name: &str| {
        NEVER.iter().any(|it| it.strip_suffix('*').map_or(*it == name, |prefix| name.starts_with(prefix)))
    };
    let found = built.iter().filter(|it| is_banned(&it.name));
    found.map(|it| format!("the default build contains {} {}", it.name, it.version)).collect()
}

fn check_one_ndarray(package: &str, built: &[Built]) -> Vec<String> {
    let old = built.iter().filter(|it| it.name == "ndarray" && !it.version.starts_with("0.17."));
    old.map(|it| format!("{package} contains ndarray {} without `linear` or `linfa`", it.version)).collect()
}

fn check_pure(package: &str, built: &[Built], packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    for Built { name, version } in built {
        if COMPILES_C.contains(&name.as_str()) {
            problems.push(format!("the pure-Rust build of {package} contains {name}"));
        }
        let facts = packages.iter().find(|it| it.name == *name && it.version == *version);
        let links = facts.and_then(|it| it.links.as_deref());
        if let Some(library) = links.filter(|it| !NOT_NATIVE.contains(it)) {
            problems.push(format!("the pure-Rust build of {package} links {library} through {name}"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(name: &str, version: &str) -> Vec<Built> {
        vec![Built { name: name.into(), version: version.into() }]
    }

    #[test]
    fn a_runtime_or_second_http_stack_in_the_default_build_is_a_problem() {
        for name in ["tokio", "tokio-util", "openssl-sys", "reqwest", "arrow-array", "polars", "hyper"] {
            assert_eq!(check_default(&built(name, "1.0.0")).len(), 1, "{name}");
        }
        assert!(check_default(&built("ureq", "3.0.0")).is_empty());
    }

    #[test]
    fn a_second_ndarray_is_a_problem() {
        assert_eq!(check_one_ndarray("tsc-cli", &built("ndarray", "0.16.1")).len(), 1);
        assert!(check_one_ndarray("tsc-cli", &built("ndarray", "0.17.2")).is_empty());
    }

    #[test]
    fn names_do_not_decide_what_is_pure_rust_but_links_and_build_programs_do() {
        let package = |name: &str, links: Option<&str>| Package {
            name: name.into(),
            version: "1.0.0".into(),
            links: links.map(str::to_owned),
            ..Package::default()
        };
        let packages = [
            package("linux-raw-sys", None),
            package("libsqlite3-sys", Some("sqlite3")),
            package("innocent", Some("z")),
            package("rayon-core", Some("rayon-core")),
            package("cc", None),
        ];
        let problems = |name: &str| check_pure("tsc-pipeline", &built(name, "1.0.0"), &packages).len();
        assert_eq!(problems("linux-raw-sys"), 0);
        assert_eq!(problems("rayon-core"), 0);
        assert_eq!(problems("libsqlite3-sys"), 1);
        assert_eq!(problems("innocent"), 1);
        assert_eq!(problems("cc"), 1);
    }
}
