//! `cargo xtask test` and its parts.
//!
//! Every cargo call that compiles the product uses the release profile, starts in the virtual root
//! and takes the default members with the same features: LightGBM's C++ is then compiled once.

use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::{Cmd, Shell};

use crate::{
    metadata::{self, Package},
    mlflow,
    setup::{self, Source},
    steps::{Outcome, Steps},
    tidy,
    workspace::{cargo, in_ci, root, shell, tool_dir},
};

/// The flags of `cargo xtask test`.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) full: bool,
    pub(crate) offline: bool,
    pub(crate) no_lightgbm: bool,
}

/// Sets up and passes every check.
pub(crate) fn run(options: &Options) -> Result<()> {
    let sh = shell()?;
    if options.offline {
        // Cargo and pip both obey their variable in whatever process asks for a download.
        sh.set_var("CARGO_NET_OFFLINE", "true");
        sh.set_var("PIP_NO_INDEX", "1");
    }
    if options.full {
        // Slow tests look for it.
        sh.set_var("TSC_FULL", "true");
    }
    let mut steps = Steps::default();
    steps.run_or_skip("data", data)?;
    steps.run("setup", || set_up(options))?;
    // Before the tests: they find the interpreter in a variable.
    steps.run_or_skip("mlflow", || mlflow::install_step(options.offline))?;
    let packages = metadata::packages(&sh)?;
    let features = Features::new(&packages, options.no_lightgbm);
    checks(&sh, &mut steps, &features)?;
    steps.run("tests without LightGBM", || tests_without_lightgbm(&sh))?;
    for example in features.examples(&packages) {
        let flags = ["run", "--release", "--example", &example];
        steps.run(&format!("example {example}"), || Ok(features.cargo(&sh, &flags).run()?))?;
    }
    steps.run_or_skip("benches, each once", || benches(&sh, &packages, &features))?;
    if options.full {
        other_mlflows(&sh, &mut steps, options.offline)?;
        spark(&sh, &mut steps, options.offline)?;
        single_features(&sh, &mut steps, &packages)?;
    }
    steps.finish();
    Ok(())
}

/// The checks that need no network and no Python.
pub(crate) fn ci() -> Result<()> {
    let sh = shell()?;
    let mut steps = Steps::default();
    checks(&sh, &mut steps, &Features::new(&[], false))?;
    steps.finish();
    Ok(())
}

/// The tests with the real MLflow; nothing is skipped here.
pub(crate) fn conformance() -> Result<()> {
    let sh = shell()?;
    let mut steps = Steps::default();
    steps.run("mlflow", || mlflow::install().map(drop))?;
    steps.run("tests", || tests(&sh, &Features::new(&[], false)))?;
    steps.finish();
    Ok(())
}

/// Sets up as the flags ask: without LightGBM nothing but a C compiler is needed.
pub(crate) fn set_up(options: &Options) -> Result<()> {
    if options.no_lightgbm {
        return setup::compiler_only();
    }
    setup::run(&tool_dir(), &Source { wheels: None, offline: options.offline })
}

fn checks(sh: &Shell, steps: &mut Steps, features: &Features) -> Result<()> {
    steps.run("fmt", || Ok(cargo(sh, ["fmt", "--all", "--check"]).run()?))?;
    steps.run("clippy", || {
        let flags = ["clippy", "--release", "--workspace", "--all-targets"];
        Ok(features.cargo(sh, &flags).args(["--", "-D", "warnings"]).run()?)
    })?;
    steps.run("tidy", || tidy::run(sh))?;
    steps.run("tests", || tests(sh, features))?;
    // Already compiled for this very process, in its own profile.
    steps.run("tests of xtask", || Ok(cargo(sh, ["test", "--package", "xtask"]).run()?))?;
    steps.run("doc tests", || Ok(with_python(features.cargo(sh, &["test", "--release", "--doc"])).run()?))?;
    steps.run("docs", || {
        let doc = features.cargo(sh, &["doc", "--release", "--no-deps"]);
        Ok(doc.env("RUSTDOCFLAGS", "-D warnings").run()?)
    })
}

fn tests(sh: &Shell, features: &Features) -> Result<()> {
    let command = if has_nextest(sh) {
        features.cargo(sh, &["nextest", "run", "--release"])
    } else {
        // Not the doc tests: they are a step of their own.
        features.cargo(sh, &["test", "--release", "--lib", "--bins", "--tests", "--examples"])
    };
    Ok(with_python(command).run()?)
}

/// E-03: compiles and tests with no C or C++ compiler and no cmake.
///
/// Rust's own linker is `cc`, so only the variables are spoilt. Tests of the rest of the product
/// are features away; what this build must not contain at all is in `tidy`.
fn tests_without_lightgbm(sh: &Shell) -> Result<()> {
    let flags = ["test", "--release", "-p", "tsc-pipeline", "--no-default-features", "--features", "linear"];
    let mut command = cargo(sh, flags);
    for variable in ["CC", "CXX", "CMAKE"] {
        command = command.env(variable, "/bin/false");
    }
    Ok(with_python(command).run()?)
}

fn benches(sh: &Shell, packages: &[Package], features: &Features) -> Result<Outcome> {
    let benches = packages.iter().filter(|it| it.is_member).flat_map(|it| it.targets("bench"));
    if benches.count() == 0 {
        return Ok(Outcome::Skipped("there is no bench yet".into()));
    }
    // By name pattern: `--benches` would run the unit tests of every library once more.
    features.cargo(sh, &["test", "--release", "--bench", "*"]).run()?;
    Ok(Outcome::Passed)
}

/// The database that we and MLflow write in turn, with other releases of MLflow than the pinned one.
fn other_mlflows(sh: &Shell, steps: &mut Steps, offline: bool) -> Result<()> {
    if offline {
        return steps.run_or_skip("other releases of MLflow", || {
            Ok(Outcome::Skipped("they may have to be downloaded".into()))
        });
    }
    let mut others = Vec::new();
    steps.run("other releases of MLflow", || {
        others = mlflow::install_others()?;
        Ok(())
    })?;
    for (name, python) in others {
        steps.run(&format!("versions with {name}"), || {
            let flags = ["test", "--release", "--test", "versions"];
            Ok(cargo(sh, flags).env(mlflow::PYTHON_VARIABLE, python).run()?)
        })?;
    }
    // Not promised, so it may fail; how is printed above.
    steps.run_or_skip("MLflow 2, which may fail", || {
        let passed = mlflow::install_old().and_then(|python| {
            let flags = ["test", "--release", "--package", "tsc-mlflow", "--test", "mlflow_2"];
            Ok(cargo(sh, flags).env(mlflow::OLD_VARIABLE, python).run()?)
        });
        Ok(passed.map_or_else(|error| Outcome::Skipped(format!("{error:#}")), |()| Outcome::Passed))
    })
}

/// A registered pipeline as a function of a Spark on this machine.
fn spark(sh: &Shell, steps: &mut Steps, offline: bool) -> Result<()> {
    if offline {
        return steps.run_or_skip("Spark", || Ok(Outcome::Skipped("it may have to be downloaded".into())));
    }
    steps.run("Spark", || {
        let python = mlflow::install_spark()?;
        let flags = ["test", "--release", "--test", "python_function", "spark"];
        Ok(cargo(sh, flags).env(mlflow::PYTHON_VARIABLE, python).env("TSC_SPARK", "true").run()?)
    })
}

/// Builds each crate with no feature and with every single one.
fn single_features(sh: &Shell, steps: &mut Steps, packages: &[Package]) -> Result<()> {
    for package in packages.iter().filter(|it| it.is_member && it.name.starts_with("tsc-")) {
        let none = std::iter::once("");
        let single = package.features.keys().map(String::as_str).filter(|it| *it != "default");
        for feature in none.chain(single) {
            let name = format!("check {} --features '{feature}'", package.name);
            let flags =
                ["check", "--release", "-p", &package.name, "--no-default-features", "--features", feature];
            steps.run(&name, || Ok(cargo(sh, flags).run()?))?;
        }
    }
    Ok(())
}

/// The one set of features of a run.
#[derive(Debug)]
struct Features {
    /// Flags for cargo: none for the defaults.
    flags: Vec<String>,
    lightgbm: bool,
}

impl Features {
    /// The defaults; without LightGBM the other defaults and `linear` instead.
    fn new(packages: &[Package], no_lightgbm: bool) -> Self {
        if !no_lightgbm {
            return Self { flags: Vec::new(), lightgbm: true };
        }
        // Each with its package: an optional dependency of another may bear a feature's name.
        let mut names = Vec::new();
        for package in packages.iter().filter(|it| it.is_member) {
            let defaults = package.features.get("default").into_iter().flatten().map(String::as_str);
            let linear = package.features.contains_key("linear").then_some("linear");
            let wanted = defaults.filter(|it| *it != "lightgbm").chain(linear);
            names.extend(wanted.map(|feature| format!("{}/{feature}", package.name)));
        }
        Self {
            flags: vec!["--no-default-features".into(), "--features".into(), names.join(",")],
            lightgbm: false,
        }
    }

    fn cargo<'a>(&self, sh: &'a Shell, arguments: &[&str]) -> Cmd<'a> {
        cargo(sh, arguments).args(&self.flags)
    }

    /// The examples that this set of features can build.
    fn examples(&self, packages: &[Package]) -> Vec<String> {
        let examples = packages.iter().filter(|it| it.is_member).flat_map(|it| it.targets("example"));
        let built =
            examples.filter(|it| self.lightgbm || !it.required_features.iter().any(|it| it == "lightgbm"));
        built.map(|it| it.name.clone()).collect()
    }
}

/// The flags that build the product as every other step does.
pub(crate) fn product<'a>(sh: &'a Shell, arguments: &[&str], no_lightgbm: bool) -> Result<Cmd<'a>> {
    let packages = if no_lightgbm { metadata::packages(sh)? } else { Vec::new() };
    Ok(Features::new(&packages, no_lightgbm).cargo(sh, arguments))
}

fn with_python(command: Cmd<'_>) -> Cmd<'_> {
    match mlflow::python() {
        Some(python) => command.env(mlflow::PYTHON_VARIABLE, python),
        None => command,
    }
}

fn has_nextest(sh: &Shell) -> bool {
    cargo(sh, ["nextest", "--version"]).quiet().ignore_stdout().ignore_stderr().run().is_ok()
}

/// Tests on real data skip where it is absent; in CI that would hide them.
fn data() -> Result<Outcome> {
    let named = std::env::var_os("TSC_DATA").map(std::path::PathBuf::from);
    let dir = named.unwrap_or_else(|| root().join("../shared/data"));
    check_data(&dir, in_ci())
}

fn check_data(dir: &Path, in_ci: bool) -> Result<Outcome> {
    match (dir.is_dir(), in_ci) {
        (true, _) => Ok(Outcome::Passed),
        (false, false) => {
            Ok(Outcome::Skipped(format!("{} is absent, tests on real data skip", dir.display())))
        }
        (false, true) => {
            bail!("{} is absent, and CI is set: set TSC_DATA to the folder of the data", dir.display())
        }
    }
}

/// Runs cargo-deny where it is installed.
pub(crate) fn deny() -> Result<()> {
    let sh = shell()?;
    if cargo(&sh, ["deny", "--version"]).quiet().ignore_stdout().ignore_stderr().run().is_err() {
        println!("skipped: deny: cargo-deny is not installed; type: cargo install cargo-deny");
        return Ok(());
    }
    cargo(&sh, ["deny", "check"]).run().context("cargo deny")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Target;

    fn packages() -> Vec<Package> {
        let package = |name: &str, defaults: &[&str]| Package {
            name: name.into(),
            is_member: true,
            features: [("default".to_owned(), defaults.iter().map(|it| (*it).to_owned()).collect())].into(),
            ..Package::default()
        };
        let mut packages = vec![package("tsc-models", &["lightgbm"]), package("tsc-series", &["archive"])];
        packages[0].features.insert("linear".into(), Vec::new());
        packages[0].targets = vec![
            Target {
                name: "boosted".into(),
                kind: "example".into(),
                required_features: vec!["lightgbm".into()],
                ..Target::default()
            },
            Target { name: "plain".into(), kind: "example".into(), ..Target::default() },
        ];
        packages
    }

    #[test]
    fn without_lightgbm_the_other_defaults_and_linear_stay() {
        let features = Features::new(&packages(), true);
        assert_eq!(
            features.flags,
            ["--no-default-features", "--features", "tsc-models/linear,tsc-series/archive"]
        );
        assert_eq!(features.examples(&packages()), ["plain"]);
        assert_eq!(Features::new(&packages(), false).examples(&packages()), ["boosted", "plain"]);
    }

    #[test]
    fn missing_data_skips_on_a_desk_and_fails_in_ci() {
        let absent = Path::new("absent/data");
        assert!(matches!(check_data(absent, false), Ok(Outcome::Skipped(_))));
        let error = check_data(absent, true).unwrap_err().to_string();
        assert!(error.contains("absent/data") && error.contains("TSC_DATA"), "{error}");
        assert!(matches!(check_data(Path::new("src"), true), Ok(Outcome::Passed)));
    }
}
