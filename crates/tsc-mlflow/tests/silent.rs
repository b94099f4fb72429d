//! A server that takes connections and never answers: nobody waits for it.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use tsc_mlflow::{
    DeploymentStage, Experiment, MlflowConfig, MlflowTracker, ModelRegistry, RunStatus, Tracker, VersionInfo,
};

/// Far more than the second that a caller may wait, far less than the timeout of one request.
const SOON: Duration = Duration::from_secs(15);

#[test]
#[expect(clippy::disallowed_methods, reason = "the test is about waiting")]
fn a_caller_does_not_wait_for_a_server_that_never_answers() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tracker = MlflowTracker::open(&MlflowConfig {
        uri: Some(format!("http://{}", listener.local_addr().unwrap())),
        spool: Some(folder.path().join("spool")),
        ..MlflowConfig::default()
    })
    .unwrap();
    let package = folder.path().join("package");
    std::fs::create_dir(&package).unwrap();
    std::fs::write(package.join("MLmodel"), "flavors: {}").unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    let model = run.log_model("pipeline", &package).unwrap();

    let start = Instant::now();
    let info = VersionInfo::default();
    for _ in 0..3 {
        let error = tracker.register("a", &model, &info).unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("does not answer"), "{error}");
    }
    assert!(tracker.latest("a", DeploymentStage::Staging).unwrap_err().is_transient());
    assert!(tracker.register_later("a", &model, &info, DeploymentStage::Staging).unwrap());
    run.finish(RunStatus::Finished).unwrap();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    // Everything but what the request in flight carries is on disk; that request has its own copy there.
    drop(tracker);
    assert!(std::fs::read_dir(folder.path().join("spool")).unwrap().next().is_some());
}
