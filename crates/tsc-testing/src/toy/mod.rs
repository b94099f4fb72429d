//! Smallest honest implementation of each stage trait, to test suites and pipelines with.

mod bytes;
mod clusterer;
mod detector;
mod fallback;
mod policy;
mod regressor;

pub use clusterer::{FittedToyClusterer, ToyClusterer};
pub use detector::ToyDetector;
pub use fallback::{FittedToyFallback, ToyFallback};
pub use policy::ToyPolicy;
pub use regressor::{FittedToyRegressor, ToyRegressor};
