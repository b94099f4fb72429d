use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tsc_core::{ClusterId, Curve, FitWarning, GroupId, RegressionScores};

use super::weight::Weight;
use crate::value::ValueReport;

/// What a fit of one head's models found.
#[doc(alias = "get_training_summary")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelsReport {
    /// Rows the final models were fitted on.
    pub fit_rows: u64,
    /// Held-out rows with a known target.
    pub holdout_rows: u64,
    /// Rows without a known target, which nothing was fitted on.
    pub unknown_targets: u64,
    /// The pooled model.
    pub pooled: ModelReport,
    /// Clusters with a model of their own, ascending.
    pub clusters: Vec<ClusterReport>,
    /// The other clusters, ascending, with reasons; the pooled model serves them.
    pub skipped: Vec<SkippedCluster>,
    /// All rows the final models were fitted on.
    pub fit: ComparedScores,
    /// All held-out rows: the scores to report.
    pub holdout: ComparedScores,
    /// Served against pooled predictions on held-out rows; `None` without them.
    pub gain: Option<Gain>,
    /// What is served beside plainer predictions on held-out rows, by segment and overall; `None` without them.
    #[serde(default)]
    pub value: Option<ValueReport>,
    /// What a person should know.
    pub warnings: Vec<ModelWarning>,
}

/// One fitted model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelReport {
    /// Fit rows.
    pub rows: u64,
    /// Models whose mean is served: those of the folds, or one of all fit rows.
    pub members: u64,
    /// Rounds of each: the upper median of the folds' best; 0 for models without rounds.
    pub best_round: u32,
    /// Best round of each fold.
    pub fold_rounds: Vec<u32>,
    /// Curves of each fold on its held-out rows.
    pub curves: Vec<Vec<Curve>>,
    /// Parameters of each.
    pub params: BTreeMap<String, String>,
    /// Importance of each feature, where the backend knows it.
    #[doc(alias = "get_feature_importance")]
    pub importance: Option<FeatureImportance>,
}

/// A cluster with a model of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClusterReport {
    /// Which cluster.
    pub cluster: ClusterId,
    /// Share of the own model in what is served.
    pub weight: Weight,
    /// The own model.
    pub model: ModelReport,
    /// Scores on the cluster's fit rows.
    pub fit: ComparedScores,
    /// Scores on the cluster's held-out rows.
    pub holdout: ComparedScores,
}

/// Scores of the same rows by each prediction; all on the target's own scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ComparedScores {
    /// The pooled model.
    pub pooled: RegressionScores,
    /// The cluster's own model; over several clusters, rows without one lower `coverage`.
    pub own: RegressionScores,
    /// What is served.
    pub served: RegressionScores,
}

/// A cluster without a model of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SkippedCluster {
    /// Which cluster.
    pub cluster: ClusterId,
    /// Fit rows.
    pub rows: u64,
    /// Why.
    pub reason: SkipReason,
}

/// Why a cluster has no model of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SkipReason {
    /// Fewer fit rows than `training.min_cluster_rows`.
    TooFewRows {
        /// The bound.
        needed: u64,
    },
    /// The fit failed or panicked.
    Failed {
        /// Code of the error.
        code: String,
        /// Its message.
        message: String,
    },
}

impl std::fmt::Display for SkipReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooFewRows { needed } => write!(f, "too few rows, needs {needed}"),
            Self::Failed { message, .. } => f.write_str(message),
        }
    }
}

/// Importance of each feature; all zero for a model that never splits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureImportance {
    /// How often a feature splits (|coefficient| x sd for linear models).
    pub split: Vec<f64>,
    /// Total gain of its splits (the same for linear models).
    pub gain: Vec<f64>,
}

impl FeatureImportance {
    /// Gain as shares that sum to 1; zeros for a model that never splits.
    #[must_use]
    pub fn gain_shares(&self) -> Vec<f64> {
        shares(&self.gain)
    }

    /// Splits as shares that sum to 1; zeros for a model that never splits.
    #[must_use]
    pub fn split_shares(&self) -> Vec<f64> {
        shares(&self.split)
    }
}

fn shares(values: &[f64]) -> Vec<f64> {
    let total: f64 = values.iter().sum();
    values.iter().map(|v| if total > 0.0 { v / total } else { 0.0 }).collect()
}

/// A warning and the model it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelWarning {
    /// Cluster of the model; `None` for the pooled model or the whole head.
    pub cluster: Option<ClusterId>,
    /// What a person should know.
    pub warning: FitWarning,
}

/// Mean squared loss of served minus pooled predictions on held-out rows; below 0 the clusters help.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gain {
    /// Mean difference.
    pub difference: f64,
    /// Lower bound of the 95 % interval by group; `None` below two groups.
    pub lower: Option<f64>,
    /// Upper bound of the 95 % interval by group.
    pub upper: Option<f64>,
    /// Rows with both predictions and a known target.
    pub rows: u64,
    /// Their groups.
    pub groups: u64,
    /// RMSE of the pooled model on these rows.
    pub pooled_rmse: f64,
    /// RMSE of own models where there is one, else pooled.
    pub own_rmse: f64,
    /// RMSE of what is served.
    pub served_rmse: f64,
}

impl Gain {
    /// Whether the interval lies above 0: the pooled model alone would be better.
    #[must_use]
    pub fn is_harm(&self) -> bool {
        self.lower.is_some_and(|lower| lower > 0.0)
    }

    pub(super) fn of(rows: &[GainRow]) -> Option<Self> {
        if rows.is_empty() {
            return None;
        }
        let n = rows.len() as f64;
        let loss = |predicted: f64, row: &GainRow| (row.truth - predicted).powi(2);
        let mean = |of: &dyn Fn(&GainRow) -> f64| rows.iter().map(of).sum::<f64>() / n;
        let difference = mean(&|row| loss(row.served, row) - loss(row.pooled, row));
        let mut sums: BTreeMap<GroupId, f64> = BTreeMap::new();
        for row in rows {
            *sums.entry(row.group).or_default() += loss(row.served, row) - loss(row.pooled, row) - difference;
        }
        let groups = sums.len() as f64;
        let half = (sums.len() > 1).then(|| {
            let meat: f64 = sums.values().map(|sum| sum.powi(2)).sum();
            1.959_963_984_540_054 * (groups / (groups - 1.0) * meat).sqrt() / n
        });
        Some(Self {
            difference,
            lower: half.map(|half| difference - half),
            upper: half.map(|half| difference + half),
            rows: rows.len() as u64,
            groups: rows.iter().map(|row| row.group).collect::<BTreeSet<_>>().len() as u64,
            pooled_rmse: mean(&|row| loss(row.pooled, row)).sqrt(),
            own_rmse: mean(&|row| loss(row.own, row)).sqrt(),
            served_rmse: mean(&|row| loss(row.served, row)).sqrt(),
        })
    }
}

/// One held-out row with all predictions.
#[derive(Clone, Copy, Debug)]
pub(super) struct GainRow {
    pub(super) truth: f64,
    pub(super) pooled: f64,
    pub(super) own: f64,
    pub(super) served: f64,
    pub(super) group: GroupId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gain_has_an_interval_by_group() {
        let row = |pooled: f64, served: f64, group: u64| GainRow {
            truth: 0.0,
            pooled,
            own: served,
            served,
            group: GroupId(group),
        };
        // Loss differences -1, -3, -1, -3: mean -2, deviations +1, -1, +1, -1.
        let rows = [row(1.0, 0.0, 1), row(2.0, 1.0, 2), row(1.0, 0.0, 3), row(2.0, 1.0, 4)];
        let gain = Gain::of(&rows).unwrap();
        let half = 1.959_963_984_540_054 * (4.0_f64 / 3.0 * 4.0).sqrt() / 4.0;
        assert_eq!((gain.difference, gain.rows, gain.groups), (-2.0, 4, 4));
        assert!((gain.lower.unwrap() - (-2.0 - half)).abs() < 1e-12);
        assert!((gain.upper.unwrap() - (-2.0 + half)).abs() < 1e-12);
        assert_eq!(gain.pooled_rmse, 2.5_f64.sqrt());
        assert!(!gain.is_harm());
        let one_group: Vec<GainRow> = rows.iter().map(|r| GainRow { group: GroupId(1), ..*r }).collect();
        assert_eq!(Gain::of(&one_group).unwrap().lower, None);
        assert_eq!(Gain::of(&[]), None);
        let harm = Gain::of(&[row(0.0, 1.0, 1), row(0.0, 1.0, 2)]).unwrap();
        assert!(harm.is_harm());
    }

    /// M-15: shares sum to 1, and are zero, not NaN, for a model that never splits.
    #[test]
    fn a_model_without_splits_has_zero_shares() {
        let some = FeatureImportance { split: vec![1.0, 3.0], gain: vec![0.0, 0.0] };
        assert_eq!(some.split_shares(), [0.25, 0.75]);
        assert_eq!(some.gain_shares(), [0.0, 0.0]);
    }
}
