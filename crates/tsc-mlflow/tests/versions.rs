//! One database, written by us and by whatever MLflow `TSC_MLFLOW_PYTHON` has, in turn and at once.
//!
//! `cargo xtask test --full` runs this with the oldest MLflow that is supported and with one in between.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tsc_mlflow::{
    DatasetInfo, DeploymentStage, Experiment, MlflowConfig, MlflowTracker, ModelRegistry, NonFinite,
    RunStatus, Tracker, VersionInfo,
};
use tsc_testing::mlflow::{MlflowServer, Python};

const WAIT: Duration = Duration::from_secs(60);
const MODEL: &str = "TimeSeries-Clustering-Pipeline";

fn open(uri: &str, folder: &Path) -> MlflowTracker {
    let config = MlflowConfig {
        uri: Some(uri.into()),
        spool: Some(folder.join("spool")),
        non_finite: NonFinite::Store,
        ..MlflowConfig::default()
    };
    MlflowTracker::open(&config).unwrap()
}

/// A parent, a child, a dataset, a model that is registered and promoted; gives the version.
fn log(tracker: &MlflowTracker, folder: &Path, name: &str) -> u64 {
    let package = folder.join("package");
    std::fs::create_dir_all(&package).unwrap();
    std::fs::write(package.join("file.txt"), "content").unwrap();
    let mut parent = tracker.start_run(Experiment::Training, name).unwrap();
    parent.log_params(&[("seed", &42)]).unwrap();
    let dataset = DatasetInfo {
        name: "patients".into(),
        digest: "0123456789abcdef".into(),
        context: "training".into(),
        columns: vec!["lactate".into()],
        rows: 3,
        groups: None,
    };
    parent.log_dataset(&dataset).unwrap();
    let mut child = parent.child("HDBSCAN").unwrap();
    for step in 0..3 {
        child.log_metrics(step, &[("rmse", 1.0 / (step as f64 + 3.0)), ("lost", f64::NAN)]).unwrap();
    }
    child.log_artifact("report/report.html", b"<html></html>").unwrap();
    child.finish(RunStatus::Finished).unwrap();
    let model = parent.log_model("pipeline", &package).unwrap();
    parent.finish(RunStatus::Finished).unwrap();
    let version = tracker.register(MODEL, &model, &VersionInfo::default()).unwrap();
    tracker.promote(&version, DeploymentStage::Staging).unwrap();
    let report = tracker.flush(WAIT);
    assert!(!report.is_degraded() && report.queued == 0, "{name}: {report:?}");
    version.version
}

/// All parents with these names are there, whole, each with its child; the newest version is staged.
#[track_caller]
fn check(seen: &Value, names: &[&str]) {
    let runs = seen["experiments"]["TimeSeries-Clustering-Training"]["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2 * names.len());
    for name in names {
        let parent =
            runs.iter().find(|run| run["name"] == *name).unwrap_or_else(|| panic!("{name} is not there"));
        assert_eq!((&parent["status"], &parent["params"]), (&json!("FINISHED"), &json!({"seed": "42"})));
        assert_eq!(parent["datasets"][0]["digest"], "0123456789abcdef");
        let child = runs.iter().find(|run| run["parent"] == *name).unwrap();
        let points: Vec<(i64, f64)> = child["history"]["rmse"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| (point[0].as_i64().unwrap(), point[2].as_f64().unwrap()))
            .collect();
        assert_eq!(points, [(0, 1.0 / 3.0), (1, 1.0 / 4.0), (2, 1.0 / 5.0)]);
        assert_eq!(child["latest"], json!({"rmse": 0.2, "lost": "nan"}));
        assert_eq!(
            child["artifacts"].as_object().unwrap().keys().collect::<Vec<_>>(),
            ["report/report.html"]
        );
    }
    assert_eq!(seen["aliases"], json!({"staging": names.len()}));
    let stages: Vec<&str> =
        seen["versions"].as_array().unwrap().iter().map(|v| v["stage"].as_str().unwrap()).collect();
    let mut expected = vec!["Archived"; names.len()];
    expected[names.len() - 1] = "Staging";
    assert_eq!(stages, expected);
}

#[test]
fn mlflow_migrates_our_database_and_both_write_it_afterwards_also_at_once() {
    let Some(python) = Python::with_mlflow() else { return };
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("mlflow.db");
    let uri = format!("sqlite:///{}", database.display());
    let tracker = open(&uri, folder.path());
    assert_eq!(log(&tracker, folder.path(), "before"), 1);
    check(&python.read_back(&uri, Some(MODEL)), &["before"]);

    // Now MLflow has migrated it: the connection that is older than that, and a new one.
    assert_eq!(log(&tracker, folder.path(), "after"), 2);
    assert_eq!(log(&open(&uri, folder.path()), folder.path(), "anew"), 3);
    check(&python.read_back(&uri, Some(MODEL)), &["before", "after", "anew"]);

    let server = MlflowServer::start_on(&python, &database);
    assert_eq!(log(&tracker, folder.path(), "beside the server"), 4);
    let through = open(&server.uri, &folder.path().join("rest"));
    std::fs::create_dir_all(folder.path().join("rest")).unwrap();
    assert_eq!(log(&through, &folder.path().join("rest"), "through the server"), 5);
    assert_eq!(log(&tracker, folder.path(), "last"), 6);
    let names = ["before", "after", "anew", "beside the server", "through the server", "last"];
    check(&python.read_back(&server.uri, Some(MODEL)), &names);
    drop(server);
    check(&python.read_back(&uri, Some(MODEL)), &names);
}
