#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod error;
mod gbdt;
#[cfg(test)]
mod golden;
mod lightgbm;
mod linear;
mod params;
mod per_cluster;
mod resource;
mod transform;

pub use gbdt::GbdtModel;
pub use lightgbm::LightGbm;
pub use linear::{FittedLinear, Linear, LinearParams};
pub use params::{Boosting, GbmParams, Head, Metric, Objective, Scalar};
pub use per_cluster::{
    ClusterReport, ComparedScores, Fault, FeatureImportance, FittedPerCluster, Gain, ModelFault, ModelReport,
    ModelWarning, ModelsReport, NoiseValue, PerCluster, PerClusterParams, SegmentedRows, Selection,
    SkipReason, SkippedCluster, Weight, WeightReason,
};
pub use resource::{
    FittedResources, ResourceHead, ResourceHeadParams, ResourceParams, ResourcePrediction, ResourceReport,
    fit_resources,
};
pub use transform::Transform;
pub use tsc_core::{FittedRegressor, Regressor};
