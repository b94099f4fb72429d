//! Parts of stored forms that both fallbacks share, version 1.

use serde::{Deserialize, Serialize};
use tsc_core::{Label, Result, damaged};
use tsc_neighbors::Metric;

use crate::cap::MaxDistance;
use crate::evaluation::{FallbackEvaluation, LabelScore};

#[derive(Serialize, Deserialize)]
pub(crate) enum MetricV1 {
    Euclidean,
    Manhattan,
    Chebyshev,
    Minkowski(f64),
    Cosine,
    Haversine,
}

impl MetricV1 {
    /// `None` for a metric added later without a stored form.
    pub(crate) fn of(metric: &Metric) -> Option<Self> {
        Some(match *metric {
            Metric::Euclidean => Self::Euclidean,
            Metric::Manhattan => Self::Manhattan,
            Metric::Chebyshev => Self::Chebyshev,
            Metric::Minkowski(p) => Self::Minkowski(p),
            Metric::Cosine => Self::Cosine,
            Metric::Haversine => Self::Haversine,
            _ => return None,
        })
    }

    pub(crate) fn metric(self) -> Metric {
        match self {
            Self::Euclidean => Metric::Euclidean,
            Self::Manhattan => Metric::Manhattan,
            Self::Chebyshev => Metric::Chebyshev,
            Self::Minkowski(p) => Metric::Minkowski(p),
            Self::Cosine => Metric::Cosine,
            Self::Haversine => Metric::Haversine,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) enum CapV1 {
    Auto,
    None,
    Value(f64),
}

impl CapV1 {
    pub(crate) fn of(cap: MaxDistance) -> Self {
        match cap {
            MaxDistance::Auto => Self::Auto,
            MaxDistance::None => Self::None,
            MaxDistance::Value(v) => Self::Value(v),
        }
    }
}

impl From<CapV1> for MaxDistance {
    fn from(cap: CapV1) -> Self {
        match cap {
            CapV1::Auto => MaxDistance::Auto,
            CapV1::None => MaxDistance::None,
            CapV1::Value(v) => MaxDistance::Value(v),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct EvaluationV1 {
    n_samples: u64,
    stride: u64,
    accuracy: f64,
    abstain_ratio: f64,
    per_label: Vec<(i32, u64, Option<f64>, Option<f64>)>,
    confusion: Vec<Vec<u64>>,
}

impl EvaluationV1 {
    pub(crate) fn of(e: &FallbackEvaluation) -> Self {
        let row = |row: &Vec<usize>| row.iter().map(|&v| v as u64).collect();
        Self {
            n_samples: e.n_samples as u64,
            stride: e.stride as u64,
            accuracy: e.accuracy,
            abstain_ratio: e.abstain_ratio,
            per_label: e
                .per_label
                .iter()
                .map(|s| (s.label.id(), s.n_samples as u64, s.precision, s.recall))
                .collect(),
            confusion: e.confusion.iter().map(row).collect(),
        }
    }

    pub(crate) fn evaluation(self, file: &str, labels: &[Label]) -> Result<FallbackEvaluation> {
        let k = labels.len();
        let named = self.per_label.iter().map(|s| s.0).eq(labels.iter().map(|l| l.id()));
        if !named || self.confusion.len() != k || self.confusion.iter().any(|row| row.len() != k) {
            return Err(damaged(file, "its evaluation does not have one row per label"));
        }
        let count =
            |v: u64| usize::try_from(v).map_err(|_| damaged(file, "a number is too large for this machine"));
        let per_label = self.per_label.iter().zip(labels).map(|(&(_, n, precision, recall), &label)| {
            Ok(LabelScore { label, n_samples: count(n)?, precision, recall })
        });
        let row = |row: &Vec<u64>| row.iter().map(|&v| count(v)).collect::<Result<Vec<usize>>>();
        Ok(FallbackEvaluation {
            n_samples: count(self.n_samples)?,
            stride: count(self.stride)?,
            accuracy: self.accuracy,
            abstain_ratio: self.abstain_ratio,
            per_label: per_label.collect::<Result<_>>()?,
            confusion: self.confusion.iter().map(row).collect::<Result<_>>()?,
        })
    }
}

/// Labels ascending and not noise, a cap for each, every code inside.
pub(crate) fn check_codes(file: &str, labels: &[i32], codes: &[u32], caps: &[f64]) -> Result<Vec<Label>> {
    if labels.is_empty() || labels[0] < 0 || !labels.windows(2).all(|w| w[0] < w[1]) {
        return Err(damaged(file, "its labels are not ascending cluster numbers"));
    }
    if caps.len() != labels.len() || !caps.iter().all(|&cap| cap >= 0.0) {
        return Err(damaged(file, format!("{} distance caps for {} labels", caps.len(), labels.len())));
    }
    if codes.iter().any(|&code| code as usize >= labels.len()) {
        return Err(damaged(file, "a sample has a label that is not listed"));
    }
    Ok(Label::from_ids(labels))
}
