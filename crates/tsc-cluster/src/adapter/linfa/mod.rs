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
use tsc_core::{Features, Label, Result, damaged};

use crate::adapter::canonical;
use crate::adapter::stored::FILE;

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

/// Label of each part of a model: every cluster once, the rest noise.
fn names(ids: &[i32], n_clusters: usize) -> Result<Vec<Label>> {
    let mut named: Vec<i32> = ids.iter().copied().filter(|&id| id != -1).collect();
    named.sort_unstable();
    if ids.is_empty() || !named.iter().copied().eq(0..n_clusters as i32) {
        return Err(damaged(FILE, format!("its parts do not stand for {n_clusters} clusters")));
    }
    Ok(Label::from_ids(ids))
}
