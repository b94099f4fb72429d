use tsc_core::{Assignment, Label};

/// Why a fallback gave no cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// Farther from the training samples than the winning cluster's cap.
    TooFar,
    /// The winner's share is below `min_strength`.
    TooUnsure,
}

/// What a fallback found for one sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detail {
    /// Cluster, or noise if it abstained.
    pub label: Label,
    /// How sure, 0..=1; 0 if it abstained.
    pub strength: f64,
    /// The distance the cap was compared with: to the `n_neighbors`-th nearest training sample, or to
    /// the nearest centroid.
    pub kth_distance: f64,
    /// Why it abstained; `None` if it did not.
    pub reason: Option<Reason>,
}

impl Detail {
    /// No cluster and no reason: what fills a column before it is assigned.
    pub const NOISE: Detail =
        Detail { label: Label::NOISE, strength: 0.0, kth_distance: f64::INFINITY, reason: None };

    /// Applies cap and least strength to a winner.
    pub(crate) fn decide(
        winner: Label,
        strength: f64,
        kth_distance: f64,
        cap: f64,
        min_strength: f64,
    ) -> Self {
        let reason = if kth_distance > cap {
            Some(Reason::TooFar)
        } else if strength < min_strength {
            Some(Reason::TooUnsure)
        } else {
            None
        };
        match reason {
            None => Self { label: winner, strength, kth_distance, reason },
            Some(_) => Self { label: Label::NOISE, strength: 0.0, kth_distance, reason },
        }
    }
}

impl From<Detail> for Assignment {
    fn from(detail: Detail) -> Self {
        Assignment { label: detail.label, strength: detail.strength }
    }
}
