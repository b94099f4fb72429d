//! Every request of a fit fails once in every way, and our own process is killed at every request:
//! nothing is lost, nothing is there twice.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod fake;

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fake::{Fake, Fault};
use serde_json::Value;
use tsc_core::Millis;
use tsc_mlflow::{
    DatasetInfo, DeploymentStage, Experiment, MlflowConfig, MlflowTracker, ModelRegistry, ModelUri, Retries,
    RunStatus, Tracker, VersionInfo,
};

const WAIT: Duration = Duration::from_secs(30);
const MODEL: &str = "TimeSeries-Clustering-Pipeline";

fn tracker(uri: &str, folder: &Path) -> MlflowTracker {
    let mut config =
        MlflowConfig { uri: Some(uri.into()), spool: Some(folder.join("spool")), ..MlflowConfig::default() };
    config.timeouts.interval = Millis(1);
    config.retries = Retries { factor: Millis(1), jitter: Millis(0), ..Retries::default() };
    MlflowTracker::open(&config).unwrap()
}

/// A parent and a child with everything a run can hold.
fn log(tracker: &MlflowTracker, folder: &Path) -> ModelUri {
    let package = folder.join("package");
    std::fs::create_dir_all(&package).unwrap();
    std::fs::write(package.join("model.lgb"), "tree").unwrap();
    let mut parent = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    parent.log_params(&[("seed", &42), ("metric", &"euclidean")]).unwrap();
    parent
        .log_dataset(&DatasetInfo {
            name: "patients".into(),
            digest: "d".into(),
            context: "training".into(),
            columns: vec!["lactate".into()],
            rows: 3,
            groups: None,
        })
        .unwrap();
    let mut child = parent.child("HDBSCAN").unwrap();
    for step in 0..5 {
        child.log_metrics(step, &[("rmse", 0.1 * step as f64), ("rows", 7.0)]).unwrap();
    }
    child.log_artifact("report.html", b"<html></html>").unwrap();
    child.finish(RunStatus::Finished).unwrap();
    let uri = parent.log_model("pipeline", &package).unwrap();
    parent.finish(RunStatus::Finished).unwrap();
    uri
}

fn info() -> VersionInfo {
    VersionInfo { description: "Initial Training".into(), ..VersionInfo::default() }
}

/// What the pipeline does: registers and promotes, or leaves it to the tracker.
fn deploy(tracker: &MlflowTracker, uri: &ModelUri) {
    let done = tracker
        .register(MODEL, uri, &info())
        .and_then(|version| tracker.promote(&version, DeploymentStage::Staging));
    if let Err(error) = done {
        assert!(error.is_transient(), "{error}");
        assert!(tracker.register_later(MODEL, uri, &info(), DeploymentStage::Staging).unwrap());
    }
}

fn deliver_all(tracker: &MlflowTracker) {
    for _ in 0..10 {
        let report = tracker.replay(WAIT);
        assert_eq!((report.rejected, report.dropped), (0, 0), "{report:?}");
        if report.queued + report.spooled == 0 {
            return;
        }
    }
    panic!("not delivered: {:?}", tracker.replay(WAIT));
}

fn uninterrupted() -> (Value, usize) {
    let folder = tempfile::tempdir().unwrap();
    let server = Fake::start();
    let tracker = tracker(&server.uri, folder.path());
    let uri = log(&tracker, folder.path());
    deploy(&tracker, &uri);
    let report = tracker.flush(WAIT);
    assert!(!report.is_degraded() && report.queued == 0, "{report:?}");
    let asked = server.state().asked;
    (server.seen(), asked)
}

#[test]
fn the_played_server_sees_a_whole_fit() {
    let (seen, asked) = uninterrupted();
    assert!((15..60).contains(&asked), "{asked} requests");
    assert_eq!(seen["runs"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&seen["runs"][0]["name"], &seen["runs"][0]["parent"]),
        (&"HDBSCAN".into(), &"Pipeline".into())
    );
    assert_eq!(seen["runs"][0]["metrics"].as_array().unwrap().len(), 10);
    assert_eq!(seen["runs"][0]["files"]["report.html"], 13);
    assert_eq!(
        (&seen["runs"][1]["datasets"][0], &seen["runs"][1]["outputs"]),
        (&"patients".into(), &1.into())
    );
    assert_eq!(seen["models"][0]["status"], "LOGGED_MODEL_READY");
    assert_eq!((&seen["versions"][0]["stage"], &seen["aliases"][0][2]), (&"Staging".into(), &1.into()));
}

#[test]
fn a_request_that_fails_in_any_way_loses_nothing_and_doubles_nothing() {
    let (expected, requests) = uninterrupted();
    for fault in [Fault::Lost, Fault::Unanswered, Fault::Busy, Fault::BusyAfterCommit] {
        // A failing run asks more: beyond the last of these the fault never happens.
        for nth in 0..requests + 5 {
            let folder = tempfile::tempdir().unwrap();
            let server = Fake::start();
            server.state().fault = Some((nth, fault));
            let tracker = tracker(&server.uri, folder.path());
            let uri = log(&tracker, folder.path());
            tracker.flush(WAIT);
            deploy(&tracker, &uri);
            deliver_all(&tracker);
            assert_eq!(server.seen(), expected, "request {nth}: {fault:?}");
            drop(tracker);
            assert!(
                !folder.path().join("spool").exists(),
                "request {nth}: {fault:?}: something stays spooled"
            );
        }
    }
}

// Started by the test below as a process of its own, which is killed at one of its requests.
#[test]
fn a_process_that_is_killed() {
    let (Ok(uri), Ok(folder)) = (std::env::var("TSC_TEST_URI"), std::env::var("TSC_TEST_FOLDER")) else {
        return;
    };
    let folder = Path::new(&folder);
    let tracker = tracker(&uri, folder);
    let uri_of_model = log(&tracker, folder);
    deploy(&tracker, &uri_of_model);
    let report = tracker.flush(WAIT);
    assert_eq!((report.sent, report.queued), (0, 0), "{report:?}");
    let mut ready = std::net::TcpStream::connect(uri.trim_start_matches("http://")).unwrap();
    ready.write_all(b"GET /ready HTTP/1.1\r\n\r\n").unwrap();
    assert!(ready.read(&mut [0; 64]).unwrap() > 0);
    deliver_all(&tracker);
}

#[test]
fn our_process_killed_at_any_request_loses_nothing_that_was_spooled_and_doubles_nothing() {
    let (expected, requests) = uninterrupted();
    for fault in [Fault::KillBefore, Fault::KillAfter] {
        for nth in 0..requests {
            let folder = tempfile::tempdir().unwrap();
            let server = Fake::start();
            {
                let mut state = server.state();
                (state.away, state.fault) = (true, Some((nth, fault)));
            }
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "a_process_that_is_killed", "--nocapture"])
                .envs([
                    ("TSC_TEST_URI", server.uri.as_str()),
                    ("TSC_TEST_FOLDER", folder.path().to_str().unwrap()),
                ])
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap();
            server.state().client = Some(child.id());
            let ended = child.wait().unwrap();
            // Replaying asks a little more or less than a fit that is not interrupted.
            assert!(!ended.success() || nth > requests / 2, "request {nth}: {fault:?}: it was not killed");
            let tracker = tracker(&server.uri, folder.path());
            deliver_all(&tracker);
            assert_eq!(server.seen(), expected, "request {nth}: {fault:?}");
        }
    }
}

#[test]
fn a_later_version_in_the_stage_is_not_displaced_by_one_that_waited() {
    let folder = tempfile::tempdir().unwrap();
    let server = Fake::start();
    let tracker = tracker(&server.uri, folder.path());
    let first = log(&tracker, folder.path());
    tracker.flush(WAIT);
    server.state().away = true;
    assert!(tracker.register_later(MODEL, &first, &info(), DeploymentStage::Staging).unwrap());
    assert_eq!(tracker.replay(WAIT).spooled, 1);
    server.state().away = false;

    let other = tempfile::tempdir().unwrap();
    let newer = self::tracker(&server.uri, other.path());
    let second = log(&newer, other.path());
    deploy(&newer, &second);
    deliver_all(&tracker);
    let staged = newer.latest(MODEL, DeploymentStage::Staging).unwrap().unwrap();
    assert_eq!((staged.version, &staged.source), (1, &second));
    let seen = server.seen();
    assert_eq!(
        (seen["versions"].as_array().unwrap().len(), &seen["versions"][1]["stage"]),
        (2, &"None".into())
    );
}

#[test]
fn a_model_that_never_arrives_is_reported_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = Fake::start();
    let tracker = tracker(&server.uri, folder.path());
    let unknown = ModelUri("models:/m-ffffffffffffffffffffffffffffffff".into());
    assert!(tracker.register_later(MODEL, &unknown, &info(), DeploymentStage::Staging).unwrap());
    let report = tracker.replay(WAIT);
    assert_eq!((report.spooled, report.rejected), (0, 1), "{report:?}");
    assert!(report.last_error.unwrap().contains("m-ffff"));
    assert!(tracker.register_later("a/b", &unknown, &info(), DeploymentStage::Staging).is_err());
}

/// Two versions, of which the first is in Staging.
fn two_versions(server: &Fake, folder: &Path) -> (MlflowTracker, [tsc_mlflow::ModelVersion; 2]) {
    let tracker = tracker(&server.uri, folder);
    let uri = log(&tracker, folder);
    let versions = [(); 2].map(|()| tracker.register(MODEL, &uri, &info()).unwrap());
    tracker.promote(&versions[0], DeploymentStage::Staging).unwrap();
    (tracker, versions)
}

#[test]
fn a_promotion_that_fails_at_any_request_is_completed_by_its_repetition() {
    let promote = |fault: Option<(usize, Fault)>| {
        let folder = tempfile::tempdir().unwrap();
        let server = Fake::start();
        let (tracker, versions) = two_versions(&server, folder.path());
        let before = server.state().asked;
        server.state().fault = fault.map(|(nth, fault)| (before + nth, fault));
        if let Err(error) = tracker.promote(&versions[1], DeploymentStage::Staging) {
            assert!(error.is_transient(), "{error}");
            tracker.promote(&versions[1], DeploymentStage::Staging).unwrap();
        }
        let mut seen = server.seen();
        let tags: Vec<Value> = (0..2).map(|n| seen["versions"][n]["tags"].take()).collect();
        let asked = server.state().asked - before;
        (seen, tags, asked)
    };
    let (expected, tags, requests) = promote(None);
    assert_eq!(
        (&expected["versions"][0]["stage"], &expected["versions"][1]["stage"]),
        (&"Archived".into(), &"Staging".into())
    );
    assert_eq!(expected["aliases"][0][2], 2);
    assert_eq!(tags[1]["tsc.previous_version"], "1");
    assert!(tags[0]["tsc.retired_at"].is_string() && tags[1]["tsc.promoted_by"].is_string(), "{tags:?}");
    assert!((8..20).contains(&requests), "{requests} requests");
    for fault in [Fault::Lost, Fault::Unanswered, Fault::Busy, Fault::BusyAfterCommit] {
        for nth in 0..requests {
            let (seen, tags, _) = promote(Some((nth, fault)));
            assert_eq!(seen, expected, "request {nth}, {fault:?}");
            assert_eq!(tags[1]["tsc.previous_version"], "1", "request {nth}, {fault:?}");
            assert!(tags[0]["tsc.retired_at"].is_string(), "request {nth}, {fault:?}: {tags:?}");
        }
    }
}

#[test]
fn a_version_whose_predecessor_is_deleted_can_be_promoted_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Fake::start();
    let (tracker, versions) = two_versions(&server, folder.path());
    tracker.promote(&versions[1], DeploymentStage::Staging).unwrap();
    assert_eq!(tracker.prune(MODEL, 1).unwrap(), [1]);
    tracker.promote(&versions[1], DeploymentStage::Staging).unwrap();
    let seen = server.seen();
    assert_eq!((&seen["versions"][0]["stage"], &seen["aliases"][0][2]), (&"Staging".into(), &2.into()));
    assert_eq!(seen["models"].as_array().unwrap().len(), 1, "both versions are made of it");
}

#[test]
fn a_pruning_that_fails_at_any_request_is_completed_by_its_repetition() {
    let prune = |fault: Option<(usize, Fault)>| {
        let folder = tempfile::tempdir().unwrap();
        let server = Fake::start();
        let tracker = tracker(&server.uri, folder.path());
        for n in 0..3 {
            let uri = log(&tracker, folder.path());
            let version = tracker.register(MODEL, &uri, &info()).unwrap();
            if n == 0 {
                tracker.promote(&version, DeploymentStage::Production).unwrap();
            }
        }
        let before = server.state().asked;
        server.state().fault = fault.map(|(nth, fault)| (before + nth, fault));
        let mut deleted = tracker.prune(MODEL, 1);
        if let Err(error) = &deleted {
            assert!(error.is_transient(), "{error}");
            deleted = tracker.prune(MODEL, 1);
        }
        (deleted.unwrap(), server.seen(), server.state().asked - before)
    };
    let (deleted, expected, requests) = prune(None);
    assert_eq!(deleted, [2], "1 is in Production, 3 is the newest");
    let numbers: Vec<&Value> =
        expected["versions"].as_array().unwrap().iter().map(|v| &v["number"]).collect();
    assert_eq!(numbers, [1, 3]);
    assert_eq!(expected["models"].as_array().unwrap().len(), 2);
    for fault in [Fault::Lost, Fault::Unanswered, Fault::Busy, Fault::BusyAfterCommit] {
        for nth in 0..requests {
            let (_, seen, _) = prune(Some((nth, fault)));
            assert_eq!(seen, expected, "request {nth}, {fault:?}");
        }
    }
}

#[test]
fn runs_without_a_parent_become_children_of_the_run_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = Fake::start();
    log(&tracker(&server.uri, folder.path()), folder.path());
    let config = |id: &str| MlflowConfig {
        parent_run: Some(id.into()),
        ..tracker(&server.uri, folder.path()).config().clone()
    };
    // The ids of the played server are r0 (Pipeline) and r1 (HDBSCAN).
    for (id, name) in [("r0", "below"), ("r9", "beside")] {
        let tracker = MlflowTracker::open(&config(id)).unwrap();
        let run = tracker.start_run(Experiment::Training, name).unwrap();
        run.child(&format!("child of {name}")).unwrap().finish(RunStatus::Finished).unwrap();
        run.finish(RunStatus::Finished).unwrap();
        let report = tracker.flush(WAIT);
        assert!(!report.is_degraded() && report.queued == 0, "{report:?}");
    }
    let seen = server.seen();
    let parent = |name: &str| {
        let runs = seen["runs"].as_array().unwrap();
        runs.iter().find(|run| run["name"] == name).unwrap()["parent"].clone()
    };
    assert_eq!((parent("below"), parent("child of below")), ("Pipeline".into(), "below".into()));
    // A run that does not exist is nobody's parent.
    assert_eq!((parent("beside"), parent("child of beside")), (Value::Null, "beside".into()));
}

#[test]
fn a_server_without_logged_models_keeps_a_model_among_the_files_of_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let server = Fake::start();
    server.state().old = true;
    let first = tracker(&server.uri, folder.path());
    let uri = log(&first, folder.path());
    deploy(&first, &uri);
    let report = first.flush(WAIT);
    assert!(!report.is_degraded() && report.rejected == 0, "{report:?}");
    // Another process knows only the address that was given out.
    let other = tracker(&server.uri, folder.path());
    assert_eq!(other.register(MODEL, &uri, &info()).unwrap().version, 2);
    let version = other.latest(MODEL, DeploymentStage::Staging).unwrap().unwrap();
    assert_eq!((version.version, &version.source), (1, &uri));
    let seen = server.seen();
    // r0 is the parent, the first run that was created.
    assert_eq!(seen["runs"][1]["files"]["pipeline/model.lgb"], 4);
    let sources: Vec<&Value> = seen["versions"].as_array().unwrap().iter().map(|v| &v["source"]).collect();
    assert_eq!(sources, ["runs:/r0/pipeline", "runs:/r0/pipeline"]);
    assert_eq!(other.prune(MODEL, 0).unwrap(), [2]);
    assert_eq!(server.seen()["runs"][1]["files"]["pipeline/model.lgb"], 4, "the files are the run's");
}
