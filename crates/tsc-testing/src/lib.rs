#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![allow(clippy::missing_panics_doc, reason = "a test crate: a panic is how a check reports")]

mod agreement;
pub mod clusterer;
mod cohort;
pub mod detector;
pub mod fallback;
mod generators;
mod gz;
#[cfg(unix)]
pub mod mlflow;
pub mod npy;
pub mod npz;
pub mod policy;
pub mod registry;
pub mod regressor;
mod shared;
mod stored;
mod toy;
mod tracked;
pub mod tracker;
mod unwinding;

pub use agreement::{Tolerance, ari, assert_close, same_partition};
pub use cohort::Cohort;
pub use generators::{Labelled, Segmented, blobs, mixture, segmented_regression, shuffled};
pub use gz::read_gz;
pub use npy::{Array, Data};
pub use shared::shared;
pub use toy::{
    FittedToyClusterer, FittedToyFallback, FittedToyRegressor, ToyClusterer, ToyDetector, ToyFallback,
    ToyPolicy, ToyRegressor,
};
pub use tracked::{CountingTracker, FailingTracker, MemoryTracker, Metric, RunRecord};
