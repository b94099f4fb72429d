use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result, Stage, Timestamp};

/// Which of the three experiments a run belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Experiment {
    /// First fits.
    Training,
    /// Scored batches.
    BatchProcessing,
    /// Retrains.
    Retraining,
}

impl Experiment {
    /// What follows the configured name: `-Training`, `-Batch-Processing`, `-Retraining`.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Experiment::Training => "-Training",
            Experiment::BatchProcessing => "-Batch-Processing",
            Experiment::Retraining => "-Retraining",
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunStatus {
    /// All was done.
    Finished,
    /// It was not.
    Failed,
}

/// A data set as a run records it; never rows, never patient identifiers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetInfo {
    /// Name such as `patients`.
    pub name: String,
    /// At most 36 characters over schema and content.
    pub digest: String,
    /// What it was used for: `training`, `batch`.
    pub context: String,
    /// Names of the columns, in order.
    pub columns: Vec<String>,
    /// Number of rows.
    pub rows: u64,
    /// Number of distinct groups, where known.
    pub groups: Option<u64>,
}

/// Address of a logged model, such as `models:/m-0123..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelUri(pub String);

impl fmt::Display for ModelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a new version is registered with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VersionInfo {
    /// Description such as `Initial Training`.
    pub description: String,
    /// Run that made it.
    pub run_id: Option<String>,
    /// Tags.
    pub tags: Vec<(String, String)>,
}

/// A registered version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModelVersion {
    /// Registered model.
    pub name: String,
    /// Number, from 1.
    pub version: u64,
    /// What it is made of.
    pub source: ModelUri,
}

/// Where a version is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DeploymentStage {
    /// Under test.
    Staging,
    /// Serving.
    Production,
}

impl DeploymentStage {
    /// MLflow's stage name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Staging => "Staging",
            Self::Production => "Production",
        }
    }

    /// The alias that goes with it.
    #[must_use]
    pub fn alias(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// What happened to everything that was logged so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrackingReport {
    /// Waiting in the queue.
    pub queued: u64,
    /// Stored.
    pub sent: u64,
    /// On disk, to be sent later.
    pub spooled: u64,
    /// Sent from disk.
    pub replayed: u64,
    /// Refused by the store.
    pub rejected: u64,
    /// Lost for want of room.
    pub dropped: u64,
    /// Cut to the store's limits.
    pub truncated: u64,
    /// NaN or infinite metrics left out.
    pub non_finite: u64,
    /// The last fault, where there was one.
    pub last_error: Option<String>,
}

impl TrackingReport {
    /// Whether something was refused, lost, or is not stored yet.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.spooled + self.rejected + self.dropped > 0 || self.last_error.is_some()
    }
}

/// Where runs are written. Calls are queued: no network or disk on the caller's thread.
pub trait Tracker: fmt::Debug + Send + Sync {
    /// Starts a run; dropping it without `finish` marks it failed.
    ///
    /// # Errors
    ///
    /// `Tracking` if the run's name or the experiment cannot be accepted.
    fn start_run(&self, experiment: Experiment, name: &str) -> Result<Box<dyn Run>>;

    /// Waits until everything logged is stored or spooled, at most until `deadline`, and tells the truth.
    fn flush(&self, deadline: Duration) -> TrackingReport;

    /// Command with which a person opens the runs; `None` if nothing is kept.
    fn view_command(&self) -> Option<String> {
        None
    }
}

/// One run. Logging never blocks on the store; faults show in [`Tracker::flush`].
pub trait Run: fmt::Debug + Send {
    /// Key of the run, 32 hex digits.
    fn id(&self) -> &str;

    /// Starts a run below this one.
    ///
    /// # Errors
    ///
    /// As [`Tracker::start_run`].
    fn child(&self, name: &str) -> Result<Box<dyn Run>>;

    /// A run below this one for work that is over: it began at `start`, and finishing it ends it at `end`.
    ///
    /// A tracker that keeps no times starts it now.
    ///
    /// # Errors
    ///
    /// As [`Tracker::start_run`].
    fn child_during(&self, name: &str, _start: Timestamp, _end: Timestamp) -> Result<Box<dyn Run>> {
        self.child(name)
    }

    /// Records parameters; a parameter cannot change its value.
    ///
    /// # Errors
    ///
    /// `Tracking` naming the key, if it is malformed or has another value already.
    fn log_params(&mut self, params: &[(&str, &dyn fmt::Display)]) -> Result<()>;

    /// Records metrics at `step`; NaN and infinity are left out and counted.
    ///
    /// # Errors
    ///
    /// `Tracking` naming the key, if it is malformed.
    fn log_metrics(&mut self, step: i64, metrics: &[(&str, f64)]) -> Result<()>;

    /// Sets tags.
    ///
    /// # Errors
    ///
    /// `Tracking` naming the key, if it is malformed.
    fn set_tags(&mut self, tags: &[(&str, &str)]) -> Result<()>;

    /// Stores a file under a relative path such as `report/report.html`.
    ///
    /// # Errors
    ///
    /// `Tracking` if the path is not plain and relative.
    fn log_artifact(&mut self, path: &str, bytes: &[u8]) -> Result<()>;

    /// Records a data set as an input.
    ///
    /// # Errors
    ///
    /// `Tracking` naming the field that is too long.
    fn log_dataset(&mut self, dataset: &DatasetInfo) -> Result<()>;

    /// Stores the folder `dir` as a logged model; the files are read before the call returns.
    ///
    /// # Errors
    ///
    /// `Tracking` if the folder cannot be read.
    fn log_model(&mut self, name: &str, dir: &Path) -> Result<ModelUri>;

    /// Ends the run, and children still open, with `status`.
    ///
    /// # Errors
    ///
    /// `Tracking`, in strict mode only, if something was not stored.
    fn finish(self: Box<Self>, status: RunStatus) -> Result<()>;
}

/// Where versions of the whole pipeline are registered.
pub trait ModelRegistry: fmt::Debug + Send + Sync {
    /// Registers a logged model as the next version of `name`, and reads it back.
    ///
    /// # Errors
    ///
    /// `Tracking` if the store refuses or cannot be reached.
    fn register(&self, name: &str, model: &ModelUri, info: &VersionInfo) -> Result<ModelVersion>;

    /// Registers the model, unless it is a version already, and promotes that to `stage`, as soon as
    /// the store answers again; `false` if nothing here keeps such a wish, which is the default.
    ///
    /// For a [`ModelRegistry::register`] or [`ModelRegistry::promote`] that failed because the store was
    /// away. A version that was promoted to the stage in the meantime stays.
    ///
    /// # Errors
    ///
    /// `Tracking` if the name or the model can never be registered.
    fn register_later(
        &self,
        _name: &str,
        _model: &ModelUri,
        _info: &VersionInfo,
        _stage: DeploymentStage,
    ) -> Result<bool> {
        Ok(false)
    }

    /// Moves a version to a stage, archives the holder, and reads it back.
    ///
    /// # Errors
    ///
    /// `Tracking` if the store refuses or cannot be reached.
    fn promote(&self, version: &ModelVersion, stage: DeploymentStage) -> Result<()>;

    /// The version in a stage.
    ///
    /// # Errors
    ///
    /// `Tracking` if the store cannot be read.
    fn latest(&self, name: &str, stage: DeploymentStage) -> Result<Option<ModelVersion>>;

    /// The version of this number; `None` if there is none.
    ///
    /// # Errors
    ///
    /// `Tracking` if the store cannot be read.
    fn version(&self, name: &str, number: u64) -> Result<Option<ModelVersion>>;

    /// Deletes the versions of `name` but the newest `keep`, each with its logged model and files, and gives their
    /// numbers. The default keeps all.
    ///
    /// A version with an alias, or in Staging or Production, stays whatever its age, and so does a model of which
    /// another version is made.
    ///
    /// # Errors
    ///
    /// `Tracking` if the store refuses or cannot be reached; versions that are deleted by then stay deleted, and the
    /// next call goes on where this one ended.
    fn prune(&self, _name: &str, _keep: u64) -> Result<Vec<u64>> {
        Ok(Vec::new())
    }

    /// Copies the files of a logged model into the folder `into`.
    ///
    /// # Errors
    ///
    /// `Tracking` if the model is not there or cannot be read.
    fn fetch(&self, model: &ModelUri, into: &Path) -> Result<()>;
}

/// Keeps nothing: the default of an embedded pipeline.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoopTracker;

#[derive(Debug)]
struct NoopRun;

const NO_RUN: &str = "00000000000000000000000000000000";

impl Tracker for NoopTracker {
    fn start_run(&self, _experiment: Experiment, _name: &str) -> Result<Box<dyn Run>> {
        Ok(Box::new(NoopRun))
    }

    fn flush(&self, _deadline: Duration) -> TrackingReport {
        TrackingReport::default()
    }
}

impl Run for NoopRun {
    fn id(&self) -> &str {
        NO_RUN
    }

    fn child(&self, _name: &str) -> Result<Box<dyn Run>> {
        Ok(Box::new(NoopRun))
    }

    fn log_params(&mut self, _params: &[(&str, &dyn fmt::Display)]) -> Result<()> {
        Ok(())
    }

    fn log_metrics(&mut self, _step: i64, _metrics: &[(&str, f64)]) -> Result<()> {
        Ok(())
    }

    fn set_tags(&mut self, _tags: &[(&str, &str)]) -> Result<()> {
        Ok(())
    }

    fn log_artifact(&mut self, _path: &str, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }

    fn log_dataset(&mut self, _dataset: &DatasetInfo) -> Result<()> {
        Ok(())
    }

    fn log_model(&mut self, _name: &str, _dir: &Path) -> Result<ModelUri> {
        Err(Error::new(ErrorKind::Tracking, Stage::Tracking, "TSC-TRK-001", "no tracker keeps the model")
            .with_help("set tracking.uri, or leave it unset for the embedded store"))
    }

    fn finish(self: Box<Self>, _status: RunStatus) -> Result<()> {
        Ok(())
    }
}

fn _dyn(_: &dyn Tracker, _: &dyn Run, _: &dyn ModelRegistry) {}
