//! The real MLflow: an environment of its own for the tests and for showing the demo's runs.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    setup::{Host, Source, venv},
    steps::Outcome,
    workspace::tool_dir,
};

/// What the conformance tests are written against.
const REQUIREMENTS: [&str; 2] = ["mlflow==3.17.2", "lightgbm==4.7.0"];

/// The variable that hands the interpreter to the tests.
pub(crate) const PYTHON_VARIABLE: &str = "TSC_MLFLOW_PYTHON";

fn dir() -> PathBuf {
    tool_dir().join("mlflow")
}

/// The interpreter of the environment, if it is there.
pub(crate) fn python() -> Option<PathBuf> {
    venv::is_ready(&dir(), &REQUIREMENTS).then(|| venv::python(&dir()))
}

/// Installs MLflow, unless it is there already; gives its interpreter.
pub(crate) fn install() -> Result<PathBuf> {
    venv::provide(&Host::current(), &dir(), &REQUIREMENTS, &Source::default())?;
    Ok(venv::python(&dir()))
}

/// The same as a step: what is absent from the machine skips it.
pub(crate) fn install_step(offline: bool) -> Result<Outcome> {
    if python().is_some() {
        return Ok(Outcome::Passed);
    }
    if offline {
        return Ok(Outcome::Skipped("MLflow is not installed and no network is allowed".into()));
    }
    let host = Host::current();
    if host.find("python3").is_none() && host.find("uv").is_none() {
        return Ok(Outcome::Skipped("python3 not found".into()));
    }
    install().map(|_| Outcome::Passed)
}
