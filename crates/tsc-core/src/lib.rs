#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod artifact;
mod batch;
mod clusterer;
mod error;
mod event;
mod fallback;
mod features;
mod folds;
mod ids;
mod label;
mod max_distance;
mod monitoring;
pub mod nan_as_null;
mod predictions;
mod regressor;
mod resources;
mod retraining;
mod schema;
mod scores;
#[expect(unsafe_code, reason = "code for a processor's vector units is unsafe to call on another")]
pub mod simd;
pub mod stats;
mod time;
mod tracking;

pub use artifact::{
    ArtifactKind, ArtifactSink, ArtifactSource, Load, MemoryArtifacts, Prefixed, Save, StoredKind,
    check_path, damaged, restore,
};
pub use batch::{Batch, Reference};
pub use clusterer::{BoxClusterer, Clusterer, ClustererExt, FittedClusterer, FittedClustererExt};
pub use error::{Error, ErrorKind, Stage, Violation, all_valid};
pub use event::{Degradation, Degraded, Event, Observer};
pub use fallback::{BoxFallback, FittedFallback, NoiseFallback, NoiseFallbackExt};
pub use features::{Features, Targets, check_width};
pub use folds::{Fold, FoldSpec, Folds, Split, folds};
pub use ids::{GroupId, RowId};
pub use label::{Assignment, ClusterId, Label, noise_ratio};
pub use max_distance::MaxDistance;
pub use monitoring::{
    AlertChange, AlertEvent, AlertSink, DetectorState, DriftDetector, Excess, Finding, HealthStatus,
    Observation, Reading, Severity, Signal,
};
pub use predictions::{Intervals, PredictionSource, Predictions};
pub use regressor::{
    BoxRegressor, Capabilities, Curve, FitOutcome, FitWarning, FittedRegressor, FittedRegressorExt,
    Importance, Loss, Progress, Regressor, RegressorExt, StopReason, TrainingSet, Watch, check_lengths,
};
pub use resources::{ResourceColumn, ResourceKind, ResourceName, ResourceTargets, Unit};
pub use retraining::{PolicyState, RetrainOutcome, RetrainPolicy, Signals, Trigger, Vote};
pub use schema::{Column, ColumnUse, Schema};
pub use scores::RegressionScores;
pub use time::{Millis, Timestamp};
pub use tracking::{
    DatasetInfo, DeploymentStage, Experiment, ModelRegistry, ModelUri, ModelVersion, NoopTracker, Run,
    RunStatus, Tracker, TrackingReport, VersionInfo,
};

/// Result with the workspace's one error.
pub type Result<T> = std::result::Result<T, Error>;
