//! Adapters to linfa-clustering.

mod dbscan;
mod exact;
mod gaussian;
mod kmeans;
mod mixture;

pub use dbscan::{Dbscan, DbscanParams, FittedDbscan};
pub use kmeans::{FittedKMeans, KMeans, KMeansParams};
pub use mixture::{FittedGaussianMixture, GaussianMixture, GaussianMixtureParams};
use ndarray16::Array2;
use tsc_core::Features;

use crate::adapter::canonical;

/// The samples by value, and where each came from: the one copy a backend works on.
fn sorted(x: Features<'_>) -> (Vec<usize>, Array2<f64>) {
    let order = canonical::order(x);
    let mut values = Vec::with_capacity(x.as_slice().len());
    x.gather(&order, &mut values);
    let matrix = Array2::from_shape_vec((x.n_samples(), x.n_features()), values)
        .expect("the length is n_samples x n_features by construction");
    (order, matrix)
}

/// What was found for the sorted samples, in the order they came.
fn unsorted<T: Clone>(order: &[usize], sorted: &[T]) -> Vec<T> {
    let mut out = sorted.to_vec();
    for (&row, value) in order.iter().zip(sorted) {
        out[row].clone_from(value);
    }
    out
}
