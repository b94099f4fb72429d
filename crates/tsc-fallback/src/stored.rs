//! Parts of stored forms that both fallbacks share, version 1.

use serde::{Deserialize, Serialize};
use tsc_core::{Label, MaxDistance, Result, damaged};
use tsc_neighbors::Metric;

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
