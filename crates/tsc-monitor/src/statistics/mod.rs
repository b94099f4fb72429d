//! Statistics of drift by name: two columns of values, two rows of counts, two matrices.
//!
//! All are pure, take their input checked ([`Sample`], [`Counts`], [`Features`](tsc_core::Features)), and
//! give the same bits every time. Those with a p-value test the hypothesis of no change; for many at
//! once, adjust with [`benjamini_hochberg`](tsc_core::stats::benjamini_hochberg),
//! [`benjamini_yekutieli`] or [`holm`].

mod counts;
mod distance;
mod ks;
mod multiple;
mod multivariate;
mod rank_tests;
mod sample;
mod sketch;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use counts::Counts;
pub use distance::{energy, wasserstein};
pub use ks::{KolmogorovSmirnov, kolmogorov_smirnov};
pub use multiple::{benjamini_yekutieli, bonferroni, holm};
pub use multivariate::{
    Mmd, PcaReconstruction, area_under_roc, energy_multivariate, hotelling, mahalanobis, median_distance,
    mmd, mmd_permutation_p,
};
pub use rank_tests::{anderson_darling, cramer_von_mises};
pub use sample::Sample;
pub use sketch::Sketch;

pub(crate) use ks::exact_p as ks_exact_p;

/// A statistic and its p-value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// The statistic.
    pub statistic: f64,
    /// Probability of at least this statistic without a change.
    pub p_value: f64,
}
