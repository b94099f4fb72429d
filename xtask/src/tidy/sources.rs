//! Rules on words in source files: unsafe code, clocks, what the core may touch.

use std::path::Path;

use super::tokens::Source;
use crate::metadata::Package;

/// The modules that may hold unsafe code: a crate and the name of a file or folder in it.
const UNSAFE_MODULES: [(&str, &str); 2] = [("tsc-core", "simd"), ("tsc-models", "ffi")];

/// The crates that may read a clock.
const CLOCKS: [&str; 3] = ["tsc-pipeline", "tsc-mlflow", "tsc-cli"];

/// Checks one source file.
pub(crate) fn check(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    let mut found = |index: usize, what: &str| problems.push(format!("{}: {what}", source.at(index)));
    for (index, token) in source.tokens.iter().enumerate() {
        match token.word() {
            Some("unsafe") if !may_be_unsafe(source) => {
                found(index, "unsafe outside tsc-core's `simd` and tsc-models' `ffi`");
            }
            Some("SystemTime" | "Instant")
                if source.library().is_some_and(|name| !CLOCKS.contains(&name))
                    && source.matches(index + 1, &[":", ":", "now"]) =>
            {
                found(index, "reads a clock, time is an argument here");
            }
            Some("std")
                if source.library() == Some("tsc-core")
                    && !source.is_test(index)
                    && names_io(source, index) =>
            {
                found(index, "tsc-core does no I/O and starts no thread");
            }
            _ => {}
        }
    }
    problems
}

/// Whether the path or group of paths that starts with `std` at `index` leads to the system.
fn names_io(source: &Source, index: usize) -> bool {
    let modules = ["env", "fs", "net", "process", "thread"];
    let start = index + 3;
    let end = if source.matches(index, &["std", ":", ":", "{"]) { source.closing(start) } else { start };
    let path = source.tokens.get(start..=end).unwrap_or_default();
    source.matches(index + 1, &[":", ":"])
        && path.iter().any(|it| it.word().is_some_and(|word| modules.contains(&word)))
}

fn may_be_unsafe(source: &Source) -> bool {
    UNSAFE_MODULES.iter().any(|(krate, module)| {
        source.library() == Some(krate)
            && source.path.iter().any(|part| Path::new(part).file_stem().is_some_and(|it| it == *module))
    })
}

/// Every crate root forbids unsafe code, or denies it where a module of it may have some.
pub(crate) fn check_roots(packages: &[Package], sources: &[Source], root: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    for package in packages.iter().filter(|it| it.is_member) {
        let may_deny = UNSAFE_MODULES.iter().any(|(krate, _)| *krate == package.name);
        for target in package.targets("lib").chain(package.targets("bin")) {
            let path = target.path.strip_prefix(root).unwrap_or(&target.path);
            let Some(source) = sources.iter().find(|it| it.path == path) else { continue };
            let says = |level: &str| {
                let pattern = ["#", "!", "[", level, "(", "unsafe_code", ")", "]"];
                (0..source.tokens.len()).any(|index| source.matches(index, &pattern))
            };
            let is_safe = says("forbid") || may_deny && says("deny");
            if !is_safe {
                problems.push(format!("{}: has no #![forbid(unsafe_code)]", path.display()));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Target;

    #[track_caller]
    fn check_text(path: &str, text: &str, problems: usize) {
        let found = check(&Source::new(Path::new(path), text));
        assert_eq!(found.len(), problems, "{found:?}");
    }

    #[test]
    fn unsafe_code_has_two_modules() {
        check_text("crates/tsc-models/src/lightgbm/ffi.rs", "unsafe { f() }", 0);
        check_text("crates/tsc-core/src/simd/avx2.rs", "unsafe { f() }", 0);
        check_text("crates/tsc-models/src/lib.rs", "fn f() { unsafe { g() } }", 1);
        check_text("crates/tsc-models/src/simd.rs", "unsafe { f() }", 1);
        check_text("crates/tsc-series/src/ffi.rs", "unsafe { f() }", 1);
        check_text("examples/examples/quick.rs", "unsafe { f() }", 1);
        check_text("crates/tsc-core/src/lib.rs", "#![forbid(unsafe_code)] // unsafe", 0);
    }

    #[test]
    fn a_clock_is_read_in_three_crates_only() {
        check_text("crates/tsc-monitor/src/lib.rs", "let t = Instant::now();", 1);
        check_text("crates/tsc-retrain/src/lib.rs", "std::time::SystemTime::now()", 1);
        check_text("crates/tsc-mlflow/src/lib.rs", "SystemTime::now()", 0);
        check_text("crates/tsc-monitor/src/lib.rs", "fn f(now: Instant) {}", 0);
    }

    #[test]
    fn the_core_does_no_io() {
        check_text("crates/tsc-core/src/lib.rs", "std::fs::read(p)", 1);
        check_text("crates/tsc-core/src/lib.rs", "use std::thread;", 1);
        check_text("crates/tsc-core/src/lib.rs", "use std::{fmt, fs};", 1);
        check_text("crates/tsc-core/src/lib.rs", "use std::{fmt, time::Duration};", 0);
        check_text("crates/tsc-core/src/lib.rs", "#[cfg(test)] mod tests { use std::fs; }", 0);
        check_text("crates/tsc-series/src/lib.rs", "std::fs::read(p)", 0);
    }

    #[test]
    fn a_crate_root_without_the_attribute_is_a_problem() {
        let target = |path: &str| Target { kind: "lib".into(), path: path.into(), ..Target::default() };
        let package = |name: &str, path: &str| Package {
            name: name.into(),
            is_member: true,
            targets: vec![target(path)],
            ..Package::default()
        };
        #[track_caller]
        fn check(package: Package, path: &str, text: &str, problems: usize) {
            let source = Source::new(Path::new(path), text);
            assert_eq!(check_roots(&[package], &[source], Path::new("/r")).len(), problems);
        }
        let path = "crates/a/src/lib.rs";
        check(package("a", "/r/crates/a/src/lib.rs"), path, "#![forbid(unsafe_code)]", 0);
        check(package("a", "/r/crates/a/src/lib.rs"), path, "#![deny(unsafe_code)]", 1);
        check(package("a", "/r/crates/a/src/lib.rs"), path, "//! Docs.", 1);
        check(package("tsc-models", "/r/crates/a/src/lib.rs"), path, "#![deny(unsafe_code)]", 0);
    }
}
