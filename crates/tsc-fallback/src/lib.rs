#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod centroid;
mod counts;
mod detail;
mod error;
mod evaluation;
mod knn;
mod labelled;
mod stored;

pub use centroid::{CentroidParams, FittedCentroid, NearestCentroid};
pub use counts::FallbackCounts;
pub use detail::{Detail, Reason};
pub use evaluation::{FallbackEvaluation, LabelScore};
pub use knn::{Algorithm, FittedKnn, KnnFallback, KnnParams, Weights};
pub use tsc_core::{
    Assignment, Error, Features, FittedFallback, Label, MaxDistance, NoiseFallback, NoiseFallbackExt, Result,
};
pub use tsc_neighbors::Metric;
