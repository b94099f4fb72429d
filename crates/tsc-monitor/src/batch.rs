use tsc_core::{AlertEvent, Features, Finding, PredictionSource, Predictions, RegressionScores};

use crate::error::MonitorError;

/// A scored batch as the monitor sees it.
#[derive(Clone, Copy, Debug)]
pub struct BatchView<'a> {
    /// Number of the batch.
    pub sequence: u64,
    /// Models that served it.
    pub model_version: u64,
    /// The scored rows, in the units of the reference.
    pub x: Features<'a>,
    /// Their predictions.
    pub predictions: &'a Predictions,
    /// Scores, where targets were known.
    pub scores: Option<RegressionScores>,
    /// Rows refused at the border, not among `x`.
    pub n_rejected: u64,
    /// Wall time of the batch.
    pub seconds: f64,
    /// Resident memory of the process in MiB; `None` where it cannot be read.
    pub memory_mib: Option<f64>,
}

impl BatchView<'_> {
    pub(crate) fn check(&self) -> Result<(), MonitorError> {
        let n_samples = self.x.n_samples();
        let columns = [
            ("density_labels", self.predictions.density_labels.len()),
            ("sources", self.predictions.sources.len()),
        ];
        match columns.into_iter().find(|&(_, got)| got != n_samples) {
            Some((column, got)) => Err(MonitorError::PredictionCount { column, got, n_samples }),
            None => Ok(()),
        }
    }

    /// Noise before the fallback, in rows.
    pub(crate) fn noise(&self) -> u64 {
        self.predictions.density_labels.iter().filter(|label| label.is_noise()).count() as u64
    }

    pub(crate) fn unavailable_ratio(&self) -> f64 {
        let sources = &self.predictions.sources;
        let missing = sources.iter().filter(|s| **s == PredictionSource::Unavailable).count();
        missing as f64 / sources.len() as f64
    }

    pub(crate) fn rejected_ratio(&self) -> f64 {
        self.n_rejected as f64 / (self.n_rejected as f64 + self.x.n_samples() as f64)
    }
}

/// What a batch meant.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct BatchVerdict {
    /// Drift that the batch is evidence of: noise trend, features, performance.
    pub findings: Vec<Finding>,
    /// Alerts that changed.
    pub alerts: Vec<AlertEvent>,
    /// Whether the batch was the last one again; then nothing was observed.
    pub repeated: bool,
}
