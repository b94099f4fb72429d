#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "mlflow")]
mod boosters;
mod bundle;
mod clock;
mod config;
mod error;
mod featurize;
mod fit;
mod fitted;
mod html;
mod logging;
mod observers;
mod pipeline;
mod reports;
mod retrain;
mod rollback;
mod screen;
mod segments;
mod served;
mod tracking;

pub use bundle::BundleSource;
pub use config::{
    Backend, ConfigErrors, ConfigWarning, DataParams, DegradationParams, ModelParams, OnInvalid,
    PipelineConfig, Preset, ReportOn, ReportParams, ResourceSource, TrackingParams, TrainingParams,
};
pub use fitted::FittedPipeline;
pub use pipeline::{Pipeline, PipelineBuilder, regressor};
pub use reports::{
    BatchReport, ClusteringReport, FallbackReport, ResourceSummary, RetrainReport, Skipped, Timings,
    TrainingReport,
};
pub use screen::Rejected;
pub use segments::{Agreement, SegmentParams, SegmentStability};
pub use served::{Models, ResourcePredictions};
pub use tracking::{replay_tracking, tracking_status};

pub use tsc_cluster as cluster;
pub use tsc_core as core;
pub use tsc_fallback as fallback;
#[cfg(feature = "mlflow")]
pub use tsc_mlflow as mlflow;
pub use tsc_models as models;
pub use tsc_monitor as monitor;
#[cfg(feature = "report")]
pub use tsc_report as report;
pub use tsc_retrain as retraining;
pub use tsc_series as series;

/// What the quick start needs.
pub mod prelude {
    pub use tsc_core::{
        Batch, Clusterer, ClustererExt, Error, Features, NoiseFallback, NoiseFallbackExt, Regressor,
        RegressorExt, Result, Targets,
    };

    pub use crate::{FittedPipeline, Pipeline, PipelineConfig};
}

/// Peak resident memory of this process in MiB; `None` where the system does not say.
#[must_use]
pub fn peak_memory_mib() -> Option<f64> {
    clock::memory_mib().1
}
