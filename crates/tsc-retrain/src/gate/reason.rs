use std::fmt;

use serde::{Deserialize, Serialize};
use tsc_core::Label;

/// Why the gate promoted or rejected; its text is what people read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum GateReason {
    /// Promoted: the loss is clearly smaller.
    BetterLoss {
        /// Challenger's loss over the champion's.
        ratio: f64,
        /// One-sided p.
        p_value: f64,
    },
    /// Promoted after a structural trigger: clearly less noise at no worse a loss.
    LessNoise {
        /// Champion's noise ratio.
        champion: f64,
        /// Challenger's noise ratio.
        challenger: f64,
        /// One-sided p.
        p_value: f64,
    },
    /// Rejected: no row has a known truth and a prediction of both.
    NoScoredRow,
    /// Rejected: all held-out targets are equal, so no loss shows which version is better.
    ConstantTargets,
    /// Rejected: a loss overflowed.
    NonFiniteLoss,
    /// Rejected: the loss is larger.
    LossRatio {
        /// Challenger's loss over the champion's.
        ratio: f64,
        /// Largest ratio allowed.
        limit: f64,
    },
    /// Rejected: more noise.
    NoiseRise {
        /// Champion's noise ratio.
        champion: f64,
        /// Challenger's noise ratio.
        challenger: f64,
        /// Largest rise allowed.
        limit: f64,
    },
    /// Rejected: every held-out row is noise.
    AllNoise,
    /// Rejected: more rows without a prediction.
    MoreUnavailable {
        /// Champion's share.
        champion: f64,
        /// Challenger's share.
        challenger: f64,
    },
    /// Rejected: clusters were lost altogether.
    TooFewClusters {
        /// Challenger's clusters.
        challenger: u64,
    },
    /// Rejected: fewer than half or more than twice the clusters.
    ClusterCount {
        /// Champion's clusters.
        champion: u64,
        /// Challenger's clusters.
        challenger: u64,
    },
    /// Rejected: one of the champion's clusters is served clearly worse.
    SegmentWorse {
        /// Its label.
        segment: Label,
        /// Its held-out rows.
        n: u64,
        /// Challenger's loss over the champion's.
        ratio: f64,
        /// Adjusted one-sided p.
        p_value: f64,
    },
    /// Rejected: the loss is not clearly smaller.
    NotBetter {
        /// Challenger's loss over the champion's.
        ratio: f64,
        /// One-sided p.
        p_value: f64,
    },
    /// Rejected: too few groups to show anything.
    TooFewGroups {
        /// Groups with scored rows.
        groups: u64,
        /// Groups needed.
        need: u64,
    },
}

impl fmt::Display for GateReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BetterLoss { ratio, p_value } => {
                write!(f, "loss is {ratio:.3} of the champion's, p {p_value:.2e}")
            }
            Self::LessNoise { champion, challenger, p_value } => {
                write!(f, "noise fell from {champion:.3} to {challenger:.3}, p {p_value:.2e}")
            }
            Self::NoScoredRow => {
                f.write_str("no held-out row has a known target and a prediction of both versions")
            }
            Self::ConstantTargets => {
                f.write_str("all held-out targets are equal, no loss can tell the versions apart")
            }
            Self::NonFiniteLoss => f.write_str("a held-out loss is not finite"),
            Self::LossRatio { ratio, limit } => {
                write!(f, "loss is {ratio:.3} of the champion's, at most {limit} is allowed")
            }
            Self::NoiseRise { champion, challenger, limit } => {
                write!(
                    f,
                    "noise rose from {champion:.3} to {challenger:.3}, a rise of at most {limit} is allowed"
                )
            }
            Self::AllNoise => f.write_str("every held-out row is noise"),
            Self::MoreUnavailable { champion, challenger } => {
                write!(f, "rows without a prediction rose from {champion:.3} to {challenger:.3}")
            }
            Self::TooFewClusters { challenger } => {
                write!(f, "the challenger has {challenger} clusters, needs at least 2")
            }
            Self::ClusterCount { champion, challenger } => {
                write!(f, "clusters went from {champion} to {challenger}, half to twice as many are allowed")
            }
            Self::SegmentWorse { segment, n, ratio, p_value } => {
                let name = segment.cluster().map_or("noise".into(), |c| format!("cluster {c}"));
                write!(f, "{name} ({n} rows): loss is {ratio:.3} of the champion's, adjusted p {p_value:.2e}")
            }
            Self::NotBetter { ratio, p_value } => {
                write!(f, "loss is {ratio:.3} of the champion's, not clearly smaller (p {p_value:.3})")
            }
            Self::TooFewGroups { groups, need } => {
                write!(f, "{groups} held-out groups, at least {need} are needed to show a smaller loss")
            }
        }
    }
}
