#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod error;
mod gbdt;
#[cfg(test)]
mod golden;
mod interval;
mod lightgbm;
mod linear;
mod params;
mod per_cluster;
mod resource;
mod transform;
mod value;

pub use gbdt::GbdtModel;
pub use interval::{Coverage, Covered, IntervalMethod, IntervalParams};
pub use lightgbm::LightGbm;
pub use linear::{FittedLinear, Linear, LinearParams};
pub use params::{Boosting, GbmParams, Head, Metric, Objective, Scalar};
pub use per_cluster::{
    ClusterReport, ComparedScores, Fault, FeatureImportance, FittedPerCluster, FoldMean, Gain, ModelFault,
    ModelReport, ModelWarning, ModelsReport, NoiseValue, PerCluster, PerClusterParams, SegmentedRows,
    Selection, SkipReason, SkippedCluster, Weight, WeightReason,
};
pub use resource::{
    FittedResources, ResourceHead, ResourceHeadParams, ResourceParams, ResourcePrediction, ResourceReport,
    fit_resources,
};
pub use transform::Transform;
pub use tsc_core::{FittedRegressor, Regressor};
pub use value::{
    GLOBAL, Measure, PERMUTED, Paired, Rival, SegmentValue, ValueReport, Verdict, permuted_labels,
};
