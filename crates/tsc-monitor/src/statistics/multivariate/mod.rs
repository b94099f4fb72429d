//! Two matrices of the same columns.

mod covariance;
mod kernel;
mod linear;
mod pca;
mod roc;

pub use covariance::{hotelling, mahalanobis};
pub use kernel::{Mmd, energy_multivariate, median_distance, mmd, mmd_permutation_p};
pub use pca::PcaReconstruction;
pub use roc::area_under_roc;

use tsc_core::{Features, Result};

use crate::error::MonitorError;

fn same_width(first: Features<'_>, second: Features<'_>) -> Result<()> {
    let (first, second) = (first.n_features(), second.n_features());
    if first == second { Ok(()) } else { Err(MonitorError::MatrixWidths { first, second }.into()) }
}

fn enough(statistic: &'static str, x: Features<'_>, needed: usize) -> Result<()> {
    let got = x.n_samples();
    if got >= needed { Ok(()) } else { Err(MonitorError::TooFewRows { statistic, got, needed }.into()) }
}

fn mean(x: Features<'_>) -> Vec<f64> {
    let mut mean = vec![0.0; x.n_features()];
    for row in x.rows() {
        mean.iter_mut().zip(row).for_each(|(m, v)| *m += v);
    }
    mean.iter_mut().for_each(|m| *m /= x.n_samples() as f64);
    mean
}

/// Sums of products of deviations from `mean`, (d, d).
fn scatter(x: Features<'_>, mean: &[f64]) -> Vec<f64> {
    let d = mean.len();
    let mut scatter = vec![0.0; d * d];
    let mut centred = vec![0.0; d];
    for row in x.rows() {
        centred.iter_mut().zip(row).zip(mean).for_each(|((c, v), m)| *c = v - m);
        for i in 0..d {
            for j in 0..=i {
                scatter[i * d + j] += centred[i] * centred[j];
            }
        }
    }
    for i in 0..d {
        for j in 0..i {
            scatter[j * d + i] = scatter[i * d + j];
        }
    }
    scatter
}
