//! Which crate may depend on which: invariants 1 to 3 of the architecture.

use crate::metadata::Package;

const STAGES: [&str; 8] = [
    "tsc-cluster",
    "tsc-fallback",
    "tsc-mlflow",
    "tsc-models",
    "tsc-monitor",
    "tsc-report",
    "tsc-retrain",
    "tsc-series",
];

/// Third-party packages that only the named crates may depend on; a trailing `*` is a prefix.
const ONLY_HERE: [(&str, &[&str]); 22] = [
    ("anyhow", &["xtask", "tsc-examples", "tsc-benches", "tsc-peers"]),
    ("bytes", &["tsc-series"]),
    ("augurs-*", &["tsc-series"]),
    ("clap*", &["tsc-cli"]),
    ("criterion", &["tsc-benches"]),
    ("csv", &["tsc-series", "tsc-cli"]),
    ("flate2", &["tsc-series", "tsc-testing"]),
    ("kiddo", &["tsc-peers"]),
    ("kuva", &["tsc-report"]),
    ("lightgbm3", &["tsc-benches"]),
    ("lightgbm3-sys", &["tsc-models"]),
    ("linfa*", &["tsc-models", "tsc-cluster"]),
    ("miette", &["tsc-cli"]),
    ("minijinja", &["tsc-report"]),
    ("parquet", &["tsc-series"]),
    ("peak_alloc", &["tsc-series"]),
    ("petal-*", &["tsc-cluster"]),
    ("rusqlite", &["tsc-mlflow", "tsc-examples"]),
    ("rustfft", &["tsc-series"]),
    ("tar", &["tsc-series"]),
    ("ureq", &["tsc-mlflow", "tsc-monitor"]),
    ("xflags", &["xtask"]),
];

/// Checks every dependency that a manifest declares, optional ones too.
pub(crate) fn check(packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    for package in packages.iter().filter(|it| it.is_member) {
        for dependency in &package.dependencies {
            let (name, wanted) = (package.name.as_str(), dependency.name.as_str());
            if wanted.starts_with("tsc-") {
                if !may_use(name, wanted, dependency.is_dev) {
                    let kind = if dependency.is_dev { "development dependency" } else { "dependency" };
                    problems.push(format!("{name} has the {kind} {wanted}, which its layer may not have"));
                }
            } else if !may_have(name, wanted, dependency.is_dev) {
                problems.push(format!("{name} depends on {wanted}, which belongs to another crate"));
            }
        }
    }
    problems
}

fn may_use(package: &str, dependency: &str, is_dev: bool) -> bool {
    if dependency == "tsc-testing" && package != "tsc-core" && is_dev {
        return true;
    }
    match package {
        "tsc-core" | "xtask" => false,
        "tsc-neighbors" | "tsc-testing" => dependency == "tsc-core",
        stage if STAGES.contains(&stage) => ["tsc-core", "tsc-neighbors"].contains(&dependency),
        "tsc-pipeline" => STAGES.contains(&dependency) || ["tsc-core", "tsc-neighbors"].contains(&dependency),
        "tsc-cli" => ["tsc-core", "tsc-pipeline"].contains(&dependency),
        "tsc-examples" | "tsc-benches" | "tsc-peers" => dependency != "tsc-cli",
        // A new crate gets its place here before it gets a dependency.
        _ => false,
    }
}

fn may_have(package: &str, dependency: &str, is_dev: bool) -> bool {
    match package {
        "xtask" if !["anyhow", "xflags", "xshell"].contains(&dependency) => return false,
        // No I/O, clock, thread or random number: what could bring one stays out.
        "tsc-core" if !is_dev && !["ndarray", "schemars", "serde", "thiserror"].contains(&dependency) => {
            return false;
        }
        _ => {}
    }
    ONLY_HERE.iter().all(|(pattern, owners)| !matches(pattern, dependency) || owners.contains(&package))
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Dependency;

    #[track_caller]
    fn check_one(package: &str, dependency: &str, is_dev: bool, allowed: bool) {
        let dependency = Dependency { name: dependency.into(), is_dev };
        let package = Package {
            name: package.into(),
            is_member: true,
            dependencies: vec![dependency],
            ..Package::default()
        };
        let problems = check(&[package]);
        assert_eq!(problems.is_empty(), allowed, "{problems:?}");
    }

    #[test]
    fn the_core_depends_on_no_tsc_crate_not_even_in_tests() {
        check_one("tsc-core", "tsc-series", false, false);
        check_one("tsc-core", "tsc-testing", true, false);
        check_one("tsc-core", "serde", false, true);
        check_one("tsc-core", "fastrand", false, false);
        check_one("tsc-core", "proptest", true, true);
    }

    #[test]
    fn a_stage_knows_the_core_and_the_neighbours_and_no_other_stage() {
        check_one("tsc-monitor", "tsc-core", false, true);
        check_one("tsc-fallback", "tsc-neighbors", false, true);
        check_one("tsc-monitor", "tsc-models", false, false);
        check_one("tsc-monitor", "tsc-models", true, false);
        check_one("tsc-report", "tsc-pipeline", false, false);
        check_one("tsc-models", "tsc-testing", true, true);
        check_one("tsc-models", "tsc-testing", false, false);
        check_one("tsc-unknown", "tsc-core", false, false);
    }

    #[test]
    fn third_party_crates_stay_where_their_concept_is() {
        check_one("tsc-report", "kuva", false, true);
        check_one("tsc-pipeline", "kuva", false, false);
        check_one("tsc-retrain", "rusqlite", true, false);
        check_one("tsc-pipeline", "linfa-linear", false, false);
        check_one("tsc-monitor", "petal-clustering", false, false);
        check_one("tsc-models", "lightgbm3", false, false);
        check_one("tsc-models", "lightgbm3-sys", false, true);
        check_one("tsc-series", "anyhow", false, false);
        check_one("xtask", "serde", false, false);
    }
}
