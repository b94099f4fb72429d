use std::fmt;

use serde::{Deserialize, Serialize};

/// Number of a cluster, `0..n_clusters` without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterId(pub u32);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Cluster of a sample, or noise (-1).
///
/// # Examples
///
/// ```
/// use tsc_core::{ClusterId, Label};
/// assert_eq!(Label::from_ids(&[0, -1]), [Label::of(ClusterId(0)), Label::NOISE]);
/// assert_eq!(Label::NOISE.cluster(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[repr(transparent)]
pub struct Label(i32);

impl Label {
    /// No cluster.
    pub const NOISE: Label = Label(-1);

    /// The label of a cluster.
    ///
    /// # Panics
    ///
    /// If the id is above `i32::MAX`.
    #[must_use]
    pub fn of(cluster: ClusterId) -> Self {
        Self(
            i32::try_from(cluster.0)
                .expect("cluster ids count clusters, of which there are at most i32::MAX"),
        )
    }

    /// Labels from signed ids; anything negative is noise.
    #[must_use]
    pub fn from_ids(ids: &[i32]) -> Vec<Label> {
        ids.iter().map(|&id| Label(id.max(-1))).collect()
    }

    /// The cluster, `None` for noise.
    #[must_use]
    pub fn cluster(self) -> Option<ClusterId> {
        u32::try_from(self.0).ok().map(ClusterId)
    }

    /// Whether the sample has no cluster.
    #[must_use]
    pub fn is_noise(self) -> bool {
        self.0 < 0
    }

    /// The signed id, -1 for noise.
    #[must_use]
    pub fn id(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Label of a sample and how sure it is, 0..=1 (0 for noise).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// Cluster or noise.
    pub label: Label,
    /// How sure, 0..=1.
    pub strength: f64,
}

impl Assignment {
    /// No cluster, strength 0.
    pub const NOISE: Assignment = Assignment { label: Label::NOISE, strength: 0.0 };
}

/// Share of noise among labels, 0..=1; 0 without any label.
#[must_use]
pub fn noise_ratio(labels: &[Label]) -> f64 {
    if labels.is_empty() {
        return 0.0;
    }
    labels.iter().filter(|l| l.is_noise()).count() as f64 / labels.len() as f64
}
