use std::fmt;
use std::path::Path;
use std::time::Duration;

use tsc_core::{
    DatasetInfo, DeploymentStage, Error, ErrorKind, Experiment, ModelRegistry, ModelUri, ModelVersion,
    Result, Run, RunStatus, Stage, Tracker, TrackingReport, VersionInfo,
};

/// A tracker and registry that fails in every call, or in every call after `start_run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailingTracker {
    /// No run can be started.
    AtStart,
    /// Runs start; everything logged to them fails, and so does `finish`.
    AtLog,
}

#[derive(Debug)]
struct FailingRun;

fn fault<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Tracking, Stage::Tracking, "TSC-TST-005", "the store cannot be reached")
        .transient())
}

impl Tracker for FailingTracker {
    fn start_run(&self, _experiment: Experiment, _name: &str) -> Result<Box<dyn Run>> {
        match self {
            FailingTracker::AtStart => fault(),
            FailingTracker::AtLog => Ok(Box::new(FailingRun)),
        }
    }

    fn flush(&self, _deadline: Duration) -> TrackingReport {
        TrackingReport {
            dropped: 1,
            last_error: Some("the store cannot be reached".into()),
            ..Default::default()
        }
    }
}

impl Run for FailingRun {
    fn id(&self) -> &str {
        "ffffffffffffffffffffffffffffffff"
    }

    fn child(&self, _name: &str) -> Result<Box<dyn Run>> {
        fault()
    }

    fn log_params(&mut self, _params: &[(&str, &dyn fmt::Display)]) -> Result<()> {
        fault()
    }

    fn log_metrics(&mut self, _step: i64, _metrics: &[(&str, f64)]) -> Result<()> {
        fault()
    }

    fn set_tags(&mut self, _tags: &[(&str, &str)]) -> Result<()> {
        fault()
    }

    fn log_artifact(&mut self, _path: &str, _bytes: &[u8]) -> Result<()> {
        fault()
    }

    fn log_dataset(&mut self, _dataset: &DatasetInfo) -> Result<()> {
        fault()
    }

    fn log_model(&mut self, _name: &str, _dir: &Path) -> Result<ModelUri> {
        fault()
    }

    fn finish(self: Box<Self>, _status: RunStatus) -> Result<()> {
        fault()
    }
}

impl ModelRegistry for FailingTracker {
    fn register(&self, _name: &str, _model: &ModelUri, _info: &VersionInfo) -> Result<ModelVersion> {
        fault()
    }

    fn promote(&self, _version: &ModelVersion, _stage: DeploymentStage) -> Result<()> {
        fault()
    }

    fn latest(&self, _name: &str, _stage: DeploymentStage) -> Result<Option<ModelVersion>> {
        fault()
    }

    fn version(&self, _name: &str, _number: u64) -> Result<Option<ModelVersion>> {
        fault()
    }

    fn fetch(&self, _model: &ModelUri, _into: &Path) -> Result<()> {
        fault()
    }
}
