use serde::{Deserialize, Serialize};
use tsc_core::Timestamp;

/// A tracked number of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// Scored rows.
    Rows,
    /// Share of noise before the fallback.
    NoiseRatio,
    /// Share of scored rows without a prediction.
    UnavailableRatio,
    /// Share of rows refused at the border.
    RejectedRatio,
    /// Wall time of the batch, in seconds.
    Seconds,
    /// Resident memory in MiB.
    MemoryMib,
    /// Rise of the smoothed noise share over the reference, in ratio points.
    NoiseRise,
    /// Root mean squared error, where targets were known.
    Rmse,
    /// Mean absolute error, where targets were known.
    Mae,
    /// R2, where defined.
    R2,
    /// Relative rise of the smoothed RMSE over the reference.
    LossRise,
    /// Features that drifted, where a window was tested.
    DriftedFeatures,
}

/// One value of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricPoint {
    /// When the batch was observed.
    pub at: Timestamp,
    /// Number of the batch.
    pub batch: u64,
    /// The value; batches where it is undefined have no point.
    pub value: f64,
}

/// Which points of the history to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricQuery {
    /// Which metric.
    pub metric: Metric,
    /// From here on, included.
    pub from: Option<Timestamp>,
    /// Up to here, included.
    pub to: Option<Timestamp>,
}

impl MetricQuery {
    /// The whole kept history of one metric.
    #[must_use]
    pub fn all(metric: Metric) -> Self {
        Self { metric, from: None, to: None }
    }

    pub(crate) fn covers(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at <= to)
    }
}

/// Everything kept of one batch; an undefined number is `None`, so that JSON keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BatchRecord {
    pub(crate) at: Timestamp,
    pub(crate) batch: u64,
    pub(crate) rows: u64,
    pub(crate) noise_ratio: f64,
    pub(crate) unavailable_ratio: f64,
    pub(crate) rejected_ratio: f64,
    pub(crate) seconds: Option<f64>,
    pub(crate) memory_mib: Option<f64>,
    pub(crate) noise_rise: Option<f64>,
    pub(crate) rmse: Option<f64>,
    pub(crate) mae: Option<f64>,
    pub(crate) r2: Option<f64>,
    pub(crate) loss_rise: Option<f64>,
    pub(crate) drifted_features: Option<u64>,
}

impl BatchRecord {
    pub(crate) fn value(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Rows => Some(self.rows as f64),
            Metric::NoiseRatio => Some(self.noise_ratio),
            Metric::UnavailableRatio => Some(self.unavailable_ratio),
            Metric::RejectedRatio => Some(self.rejected_ratio),
            Metric::Seconds => self.seconds,
            Metric::MemoryMib => self.memory_mib,
            Metric::NoiseRise => self.noise_rise,
            Metric::Rmse => self.rmse,
            Metric::Mae => self.mae,
            Metric::R2 => self.r2,
            Metric::LossRise => self.loss_rise,
            Metric::DriftedFeatures => self.drifted_features.map(|n| n as f64),
        }
    }
}
