use serde::{Deserialize, Serialize};
use tsc_core::{MaxDistance, Violation};
use tsc_neighbors::{Metric, Plan};

/// Settings of [`KnnFallback`](super::KnnFallback), with scikit-learn's key names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KnnParams {
    /// Neighbours that vote, at least 1, default 5. Larger blurs small clusters.
    pub n_neighbors: usize,
    /// Weight of a vote, default `distance`.
    pub weights: Weights,
    /// Neighbour search, default `auto`; never changes a result.
    pub algorithm: Algorithm,
    /// Distance, default euclidean; may differ from the clusterer's.
    pub metric: Metric,
    /// How far a sample may be, default `auto`. Smaller leaves more samples noise.
    pub max_distance: MaxDistance,
    /// Least share of the votes, 0..=1, default 0. Larger leaves more samples noise.
    pub min_strength: f64,
    /// Whether the leave-one-out accuracy can be asked for, default true.
    pub evaluate: bool,
}

impl Default for KnnParams {
    fn default() -> Self {
        Self {
            n_neighbors: 5,
            weights: Weights::Distance,
            algorithm: Algorithm::Auto,
            metric: Metric::Euclidean,
            max_distance: MaxDistance::Auto,
            min_strength: 0.0,
            evaluate: true,
        }
    }
}

/// Weight of a neighbour's vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// One each.
    Uniform,
    /// 1 / distance; if some are at distance 0, only those vote.
    #[default]
    Distance,
}

/// Neighbour search by scikit-learn's names; the answer is exact and the same for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Chosen by the shape of the data.
    #[default]
    Auto,
    /// Every sample.
    Brute,
    /// A k-d tree.
    KdTree,
    /// Accepted for the seed's configurations; a k-d tree.
    BallTree,
}

impl Algorithm {
    pub(crate) fn plan(self) -> Plan {
        match self {
            Algorithm::Auto => Plan::Auto,
            Algorithm::Brute => Plan::Tiled,
            Algorithm::KdTree | Algorithm::BallTree => Plan::KdTree,
        }
    }
}

impl KnnParams {
    /// All violations, sorted by key; empty if the parameters can be used.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut out: Vec<Violation> = self.max_distance.violation().into_iter().collect();
        if let Some(message) = self.metric.violation() {
            out.push(Violation::new("metric", message));
        }
        if !(0.0..=1.0).contains(&self.min_strength) {
            out.push(Violation::new("min_strength", format!("is {}, must be in 0..=1", self.min_strength)));
        }
        if self.n_neighbors == 0 {
            out.push(Violation::new("n_neighbors", "is 0, must be at least 1"));
        }
        out
    }
}
