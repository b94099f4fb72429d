//! What every [`ModelRegistry`] keeps.

use std::time::Duration;

use tsc_core::{
    DeploymentStage, ErrorKind, Experiment, ModelRegistry, ModelUri, ModelVersion, Result, RunStatus,
    Tracker, VersionInfo,
};

use crate::tracker::TestFolder;

const FILES: [(&str, &[u8]); 2] = [("MLmodel", b"flavors: {}"), ("bundle/model.bin", &[0, 1, 254, 255])];

/// Runs all checks on a registry and the tracker of the same store, which must not know `suite-a` and `suite-b`.
///
/// # Panics
///
/// At the first broken promise, naming it.
pub fn suite(registry: &dyn ModelRegistry, tracker: &dyn Tracker) {
    use DeploymentStage::{Production, Staging};
    assert_eq!(latest(registry, "suite-a", Production), None, "an unknown model has no version");

    let (first, second) = (logged(tracker), logged(tracker));
    let v1 = register(registry, "suite-a", &first);
    let v2 = register(registry, "suite-a", &second);
    let other = register(registry, "suite-b", &first);
    assert_eq!((v1.version, v2.version, other.version), (1, 2, 1), "versions count from 1 for each model");
    assert_eq!((v1.name.as_str(), &v1.source), ("suite-a", &first), "a version keeps name and source");
    assert_eq!(latest(registry, "suite-a", Production), None, "registering deploys nothing");

    let found = |number| registry.version("suite-a", number).expect("versions can be asked for");
    assert_eq!((found(2), found(3)), (Some(v2.clone()), None), "a version is found by its number alone");

    for (version, what) in [(&v1, "first"), (&v2, "next"), (&v1, "earlier")] {
        registry.promote(version, Production).unwrap_or_else(|e| panic!("a version is promoted: {e:?}"));
        let served = latest(registry, "suite-a", Production);
        assert_eq!(served.as_ref(), Some(version), "the {what} promoted version is the one in production");
    }
    assert_eq!(latest(registry, "suite-a", Staging), None, "promoting touches no other stage");
    assert_eq!(latest(registry, "suite-b", Production), None, "promoting touches no other model");
    registry.promote(&v2, Staging).expect("a version can be staged");
    assert_eq!(latest(registry, "suite-a", Staging).as_ref(), Some(&v2), "a staged version is found");
    assert_eq!(
        latest(registry, "suite-a", Production).as_ref(),
        Some(&v1),
        "staging leaves production alone"
    );

    files_come_back(registry, &v1.source);
    let missing = ModelVersion { name: "suite-a".into(), version: 99, source: first };
    refused("promoting an unknown version", registry.promote(&missing, Production));
    assert_eq!(
        latest(registry, "suite-a", Production).as_ref(),
        Some(&v1),
        "a refused promotion changes nothing"
    );
}

fn logged(tracker: &dyn Tracker) -> ModelUri {
    let folder = TestFolder::with(&FILES);
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").expect("a run can be started");
    let uri = run.log_model("pipeline", folder.path()).expect("a folder is logged as a model");
    run.finish(RunStatus::Finished).expect("a run can be finished");
    assert!(!tracker.flush(Duration::from_secs(30)).is_degraded(), "the model is stored");
    uri
}

fn register(registry: &dyn ModelRegistry, name: &str, model: &ModelUri) -> ModelVersion {
    let info = VersionInfo {
        description: "Initial Training".into(),
        run_id: None,
        tags: vec![("tsc.phase".into(), "training".into())],
    };
    registry.register(name, model, &info).unwrap_or_else(|e| panic!("a logged model is registered: {e:?}"))
}

fn latest(registry: &dyn ModelRegistry, name: &str, stage: DeploymentStage) -> Option<ModelVersion> {
    registry.latest(name, stage).unwrap_or_else(|e| panic!("stages can be asked for: {e:?}"))
}

fn files_come_back(registry: &dyn ModelRegistry, model: &ModelUri) {
    let into = TestFolder::with(&[]);
    registry.fetch(model, into.path()).unwrap_or_else(|e| panic!("a logged model is fetched: {e:?}"));
    for (path, bytes) in FILES {
        let found = std::fs::read(into.path().join(path))
            .unwrap_or_else(|e| panic!("a fetched model has the file {path}: {e}"));
        assert_eq!(found, bytes, "a fetched file has the bytes that were logged ({path})");
    }
    let unknown = ModelUri("models:/m-00000000000000000000000000000000".into());
    refused("fetching an unknown model", registry.fetch(&unknown, into.path()));
}

fn refused(what: &str, result: Result<()>) {
    let Err(error) = result else { panic!("{what} is refused") };
    assert_eq!(error.kind(), ErrorKind::Tracking, "{what} is a Tracking error: {error:?}");
}

#[cfg(test)]
mod tests;
