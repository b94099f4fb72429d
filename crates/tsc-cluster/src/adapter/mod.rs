//! Other libraries' clusterers behind our trait.
//!
//! A backend gets the samples in an order that follows from their values, so that permuted samples give
//! permuted labels; its types stay in here.

mod canonical;
#[cfg(feature = "linfa")]
mod linfa;
#[cfg(feature = "petal")]
mod petal;
mod stored;

#[cfg(feature = "linfa")]
pub use self::linfa::{
    Dbscan, DbscanParams, FittedDbscan, FittedGaussianMixture, FittedKMeans, GaussianMixture,
    GaussianMixtureParams, KMeans, KMeansParams,
};
#[cfg(feature = "petal")]
pub use self::petal::{FittedPetal, PetalHdbscan, PetalParams};
