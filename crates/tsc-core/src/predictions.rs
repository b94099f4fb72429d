use serde::{Deserialize, Serialize};

use crate::Label;

/// Who made a predicted value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PredictionSource {
    /// The model of the sample's own cluster.
    Cluster,
    /// The model of the cluster the fallback named.
    Fallback,
    /// The pooled model.
    Pooled,
    /// No model: the value is NaN.
    Unavailable,
}

impl PredictionSource {
    /// Name in files and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Fallback => "fallback",
            Self::Pooled => "pooled",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Prediction intervals: a column of bounds per nominal level, NaN exactly where unavailable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Nominal coverage of each column, such as 0.9.
    pub levels: Vec<f64>,
    /// Lower bounds, `levels.len()` columns of one value per sample.
    #[serde(with = "crate::nan_as_null::columns")]
    pub lower: Vec<Vec<f64>>,
    /// Upper bounds, the same shape.
    #[serde(with = "crate::nan_as_null::columns")]
    pub upper: Vec<Vec<f64>>,
}

impl Intervals {
    /// The same bounds for `n_samples` rows, of which `rows` are these; the others have none.
    #[must_use]
    pub fn spread(&self, rows: &[usize], n_samples: usize) -> Self {
        let place = |column: &Vec<f64>| {
            let mut all = vec![f64::NAN; n_samples];
            rows.iter().zip(column).for_each(|(&row, &bound)| all[row] = bound);
            all
        };
        Self {
            levels: self.levels.clone(),
            lower: self.lower.iter().map(place).collect(),
            upper: self.upper.iter().map(place).collect(),
        }
    }

    /// Adds the bounds of further rows, of the same levels.
    ///
    /// # Panics
    ///
    /// If the levels differ.
    pub fn append(&mut self, more: Intervals) {
        assert_eq!(self.levels, more.levels, "the same levels");
        for (all, more) in self.lower.iter_mut().zip(more.lower).chain(self.upper.iter_mut().zip(more.upper))
        {
            all.extend(more);
        }
    }
}

/// Outcome of scoring, as columns with one entry per sample.
///
/// `density_labels` are the clusterer's own, `labels` the final ones: the noise ratio comes from the
/// first column, the unassigned ratio from the second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// The clusterer's labels, before the fallback.
    pub density_labels: Vec<Label>,
    /// Labels after the fallback.
    #[doc(alias = "cluster_assignments")]
    pub labels: Vec<Label>,
    /// Strength of the final label, 0..=1.
    pub strengths: Vec<f64>,
    /// Predicted target; NaN exactly where the source is `Unavailable`.
    #[doc(alias = "timeseries_predictions")]
    #[serde(with = "crate::nan_as_null")]
    pub values: Vec<f64>,
    /// Who made each value.
    pub sources: Vec<PredictionSource>,
    /// Bounds, where intervals were asked for and could be calibrated.
    pub intervals: Option<Intervals>,
}

impl Predictions {
    /// Noise, NaN and `Unavailable` for every sample: what is known before any model has answered.
    #[must_use]
    pub fn unavailable(n_samples: usize) -> Self {
        Self {
            density_labels: vec![Label::NOISE; n_samples],
            labels: vec![Label::NOISE; n_samples],
            strengths: vec![0.0; n_samples],
            values: vec![f64::NAN; n_samples],
            sources: vec![PredictionSource::Unavailable; n_samples],
            intervals: None,
        }
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}
