//! Control charts: one update per batch, with a false-alarm rate that is asked for.
//!
//! The caller says how many batches may pass between two false alarms, [`FalseAlarms`]; the limit of each
//! chart is solved from that by a Markov chain, on the normal law or on the binomial law of the batch.

mod baseline;
mod cusum;
mod law;
mod proportion;
mod run_length;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use tsc_core::Result;

use crate::detectors::parameter;

pub(crate) use baseline::Baseline;
pub(crate) use cusum::{Cusum, CusumParams, Sides};
pub use law::Law;
pub use proportion::{ProportionChart, ProportionChartParams, Scheme};
pub(crate) use run_length::one_sided_limit;
pub use run_length::{cusum_limit, cusum_run_length, ewma_limit, ewma_run_length};

/// Batches between two false alarms, on average, while nothing changes: what a user sets.
///
/// # Examples
///
/// ```
/// use tsc_monitor::FalseAlarms;
/// // Five charts that together give one false alarm in 2,000 batches.
/// assert_eq!(FalseAlarms::default().split(5).batches(), 10_000.0);
/// assert!(FalseAlarms::one_in(1.0).is_err());
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FalseAlarms(f64);

impl Default for FalseAlarms {
    fn default() -> Self {
        Self(2_000.0)
    }
}

impl FalseAlarms {
    /// One false alarm in this many batches.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` outside 10..=1e6.
    pub fn one_in(batches: f64) -> Result<Self> {
        parameter((10.0..=1e6).contains(&batches), "false_alarms", batches, "lie in 10..=1e6")?;
        Ok(Self(batches))
    }

    /// The share of one of `charts` charts, so that all together keep the rate.
    #[must_use]
    pub fn split(self, charts: usize) -> Self {
        Self((self.0 * charts.max(1) as f64).min(1e6))
    }

    /// Mean number of batches.
    #[must_use]
    pub fn batches(self) -> f64 {
        self.0
    }
}

/// Factor by which serial correlation inflates the variance of a mean: (1 + phi) / (1 - phi).
///
/// phi is the correlation of neighbouring reference batches, estimated with [`serial_correlation`]. 1 for
/// a phi that is not above 0: negative correlation would make a chart more eager on an estimate. phi is
/// kept to 0.9.
///
/// # Examples
///
/// ```
/// assert!((tsc_monitor::variance_inflation(0.5) - 3.0).abs() < 1e-12);
/// assert_eq!(tsc_monitor::variance_inflation(-0.5), 1.0);
/// ```
#[must_use]
pub fn variance_inflation(phi: f64) -> f64 {
    let phi = if phi.is_nan() { 0.0 } else { phi.clamp(0.0, 0.9) };
    (1.0 + phi) / (1.0 - phi)
}

/// Correlation of neighbouring values, by their deviations from the mean; `None` with fewer than 20, too
/// few to tell, or if all are equal.
///
/// # Examples
///
/// ```
/// let alternating: Vec<f64> = (0..40).map(|i| f64::from(i % 2)).collect();
/// assert!(tsc_monitor::serial_correlation(&alternating).unwrap() < -0.9);
/// assert_eq!(tsc_monitor::serial_correlation(&alternating[..19]), None);
/// ```
#[must_use]
pub fn serial_correlation(values: &[f64]) -> Option<f64> {
    const FEWEST: usize = 20;
    if values.len() < FEWEST {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let all: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let neighbours: f64 = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    (all > 0.0).then(|| neighbours / all)
}
