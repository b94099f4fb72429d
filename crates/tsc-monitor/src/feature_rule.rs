//! Which features drifted: one rule for all of them, and for all segments, together.

use serde::{Deserialize, Serialize};
use tsc_core::Result;
use tsc_core::stats::benjamini_hochberg;

use crate::detectors::{open_unit, parameter};
use crate::divergence::compare;
use crate::statistics::{benjamini_yekutieli, holm};

/// How p-values of many features are adjusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Adjustment {
    /// Share of false findings, for tests that are independent or rise together.
    #[default]
    BenjaminiHochberg,
    /// The same, however they depend on each other; larger by 1 + 1/2 + .. + 1/m.
    BenjaminiYekutieli,
    /// Probability of any false finding.
    Holm,
}

impl Adjustment {
    fn of(self, p: &[f64]) -> Vec<f64> {
        match self {
            Self::BenjaminiHochberg => benjamini_hochberg(p),
            Self::BenjaminiYekutieli => benjamini_yekutieli(p),
            Self::Holm => holm(p),
        }
    }
}

/// When a feature counts as drifted: its adjusted p is below `alpha` **and** its effect reaches
/// `min_effect`.
///
/// p: chi-square homogeneity over the feature's frozen cells, neighbours merged until the reference leads
/// to expect 5 rows in each, and an exact test of the rows in cells too rare for that. Effect: PSI less
/// (B - 1)(1/n + 1/m), what it is on average without drift. Either alone is wrong: a cut-off on PSI fires
/// on small windows, a p-value on shifts that mean nothing in large ones.
///
/// # Examples
///
/// ```
/// use tsc_monitor::{CellCounts, FeatureRule, FeatureVerdict};
/// let pair = |reference, current| CellCounts { reference, current, design_effect: 1.0 };
/// let verdicts = FeatureRule::default().judge(&[
///     pair(&[500, 500][..], &[240, 260][..]),
///     pair(&[500, 500], &[100, 400]),
///     pair(&[0, 1_000, 0], &[0, 0, 60]), // a constant that moved
///     pair(&[500, 500], &[20, 20]),
/// ]);
/// assert!(matches!(verdicts[0], FeatureVerdict::Stable { .. }));
/// assert!(matches!(verdicts[1], FeatureVerdict::Drifted { .. }));
/// assert!(matches!(verdicts[2], FeatureVerdict::Drifted { .. }));
/// assert_eq!(verdicts[3], FeatureVerdict::Insufficient { rows: 40.0 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureRule {
    /// Level of the adjusted p-values, between 0 and 1; default 0.01. Smaller is quieter.
    pub alpha: f64,
    /// Smallest corrected PSI that counts, at least 0; default 0.05. Larger is quieter.
    pub min_effect: f64,
    /// Default Benjamini-Hochberg.
    pub adjustment: Adjustment,
    /// Rows, after the design effect, below which nothing is said, at least 1; default 50.
    pub min_rows: u64,
}

impl Default for FeatureRule {
    fn default() -> Self {
        Self { alpha: 0.01, min_effect: 0.05, adjustment: Adjustment::default(), min_rows: 50 }
    }
}

/// Counts of one feature in one segment, over the cells frozen at the fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellCounts<'a> {
    /// Rows of the reference in each cell.
    pub reference: &'a [u64],
    /// Rows of the window.
    pub current: &'a [u64],
    /// Rows of the window that are worth one independent row, at least 1: see [`design_effect`].
    pub design_effect: f64,
}

/// What is said of one feature in one segment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FeatureVerdict {
    /// Too few rows to say anything: not the same as stable.
    Insufficient {
        /// Rows, after the design effect.
        rows: f64,
    },
    /// No drift, or none that matters.
    Stable {
        /// Corrected PSI; may be negative.
        effect: f64,
        /// Adjusted p.
        p_value: f64,
    },
    /// Drift.
    Drifted {
        /// Corrected PSI.
        effect: f64,
        /// Adjusted p.
        p_value: f64,
    },
}

impl FeatureRule {
    /// Checks the bounds of its numbers.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming a number outside its bound.
    pub fn check(&self) -> Result<()> {
        open_unit("alpha", self.alpha)?;
        let effect = self.min_effect;
        parameter(effect >= 0.0 && effect.is_finite(), "min_effect", effect, "be finite and at least 0")?;
        parameter(self.min_rows >= 1, "min_rows", self.min_rows as f64, "be at least 1")
    }

    /// One verdict per pair, in the order given; all pairs of a window, of every segment, belong in one
    /// call, since their p-values are adjusted together. O(cells + m log m).
    ///
    /// A design effect below 1 or NaN counts as 1; rows of counts that do not belong together are
    /// `Insufficient`.
    #[must_use]
    pub fn judge(&self, pairs: &[CellCounts<'_>]) -> Vec<FeatureVerdict> {
        let mut verdicts = Vec::with_capacity(pairs.len());
        let (mut tested, mut p) = (Vec::new(), Vec::new());
        for (i, pair) in pairs.iter().enumerate() {
            let effect = pair.design_effect.max(1.0);
            let rows = pair.current.iter().fold(0_u64, |sum, &n| sum.saturating_add(n)) as f64 / effect;
            let belong = pair.reference.len() == pair.current.len() && pair.reference.iter().any(|&n| n > 0);
            if rows >= self.min_rows as f64 && belong {
                let difference = compare(pair.reference, pair.current, effect);
                tested.push((i, difference));
                p.push(difference.p_value);
            }
            verdicts.push(FeatureVerdict::Insufficient { rows });
        }
        for ((i, difference), p_value) in tested.into_iter().zip(self.adjustment.of(&p)) {
            let effect = difference.effect;
            verdicts[i] = if p_value < self.alpha && effect >= self.min_effect {
                FeatureVerdict::Drifted { effect, p_value }
            } else {
                FeatureVerdict::Stable { effect, p_value }
            };
        }
        verdicts
    }
}

/// Rows that are worth one independent row, where rows come in groups such as patients: 1 + (b - 1) rho.
///
/// b is the mean group size as a row sees it, sum of squares over sum; `rho` is how alike rows of a group
/// are, 0 for not at all, 1 for the same row again, which is the careful choice where it is not known.
/// 1 without rows; `rho` is kept to 0..=1.
///
/// # Examples
///
/// ```
/// use tsc_monitor::design_effect;
/// assert_eq!(design_effect([5, 5, 5], 1.0), 5.0);
/// assert_eq!(design_effect([5, 5, 5], 0.0), 1.0);
/// assert_eq!(design_effect([1, 3], 1.0), 2.5);
/// ```
///
/// Source: Kish, Survey Sampling (1965), 5.4 and 8.2.
#[must_use]
pub fn design_effect(group_sizes: impl IntoIterator<Item = u64>, rho: f64) -> f64 {
    let (mut sum, mut squares) = (0.0, 0.0);
    for size in group_sizes {
        sum += size as f64;
        squares += (size as f64).powi(2);
    }
    if sum == 0.0 {
        return 1.0;
    }
    let rho = if rho.is_nan() { 1.0 } else { rho.clamp(0.0, 1.0) };
    1.0 + (squares / sum - 1.0) * rho
}
