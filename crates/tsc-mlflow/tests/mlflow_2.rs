//! A server of MLflow 2, which has no logged models; `TSC_MLFLOW_2_PYTHON` names an interpreter with one.
//!
//! `cargo xtask test --full` runs this with 2.22, and a failure there fails nothing.
#![cfg(unix)]

use std::path::Path;
use std::time::Duration;

use tsc_mlflow::{
    DeploymentStage, Experiment, MlflowConfig, MlflowTracker, ModelRegistry, ModelUri, RunStatus, Tracker,
    VersionInfo,
};
use tsc_testing::mlflow::{MlflowServer, Python};

const WAIT: Duration = Duration::from_secs(60);

#[test]
fn a_model_is_kept_among_the_files_of_its_run_and_found_by_mlflow_and_by_the_next_process() {
    let Some(python) = Python::with_mlflow_2() else { return };
    let server = MlflowServer::start(&python);
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let spool = Some(folder.path().join("spool"));
        let config = MlflowConfig { uri: Some(server.uri.clone()), spool, ..MlflowConfig::default() };
        MlflowTracker::open(&config).unwrap()
    };
    let package = folder.path().join("package");
    std::fs::create_dir_all(&package).unwrap();
    std::fs::write(package.join("MLmodel"), "flavors: {}\n").unwrap();
    let tracker = open();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    run.log_metrics(0, &[("rmse", 0.5)]).unwrap();
    run.log_artifact("report.html", b"<html></html>").unwrap();
    let uri = run.log_model("pipeline", &package).unwrap();
    run.finish(RunStatus::Finished).unwrap();
    let version = tracker.register("Kept", &uri, &VersionInfo::default()).unwrap();
    tracker.promote(&version, DeploymentStage::Staging).unwrap();
    let report = tracker.flush(WAIT);
    assert!(!report.is_degraded() && report.queued == 0, "{report:?}");

    let other = open();
    assert_eq!(other.register("Kept", &uri, &VersionInfo::default()).unwrap().version, 2);
    for address in [uri.0.as_str(), "models:/Kept@staging", "models:/Kept/1", "models:/Kept/Staging"] {
        let into = tempfile::tempdir().unwrap();
        other.fetch(&ModelUri(address.into()), into.path()).unwrap();
        assert!(
            std::fs::read_to_string(into.path().join("MLmodel")).unwrap().contains("flavors"),
            "{address}"
        );
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/change_run.py");
    let models = || python.run(&script, &[&server.uri, "models", "Kept"]);
    assert_eq!(models().lines().last().unwrap(), r#"{"1": ["MLmodel"], "2": ["MLmodel"]}"#);
    assert_eq!(other.prune("Kept", 0).unwrap(), [2]);
    assert_eq!(models().lines().last().unwrap(), r#"{"1": ["MLmodel"]}"#, "its files are those of version 1");
}
