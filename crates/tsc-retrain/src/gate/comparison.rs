//! Two versions on the same held-out rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::stats::{benjamini_hochberg, normal_quantile};
use tsc_core::{
    ClusterId, GroupId, Label, PredictionSource, Predictions, RegressionScores, Result, noise_ratio,
};

use super::loss_test::{Interval, LossTest, loss_test};
use crate::GateParams;
use crate::clusters::{adjusted_rand, cheapest_assignment, id};
use crate::error::RetrainError;

/// Held-out rows in time order, scored by both versions; neither has been fitted on them.
#[derive(Clone, Copy, Debug)]
pub struct Holdout<'a> {
    /// True target of each row, NaN where unknown.
    pub truth: &'a [f64],
    /// Group of each row: losses are summed by group, because rows of one patient are not independent.
    pub groups: Option<&'a [GroupId]>,
    /// The served version.
    pub champion: Scored<'a>,
    /// The candidate.
    pub challenger: Scored<'a>,
}

/// What one version makes of the held-out rows.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    /// One entry per row.
    pub predictions: &'a Predictions,
    /// Clusters of the version's model.
    pub n_clusters: usize,
}

/// A metric of which both versions have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ComparedMetric {
    /// Mean squared error: the loss the gate decides on.
    MeanSquaredError,
    /// Root mean squared error.
    Rmse,
    /// Mean absolute error.
    Mae,
    /// Coefficient of determination.
    R2,
    /// Share of noise before the fallback.
    NoiseRatio,
    /// Share of rows without a prediction.
    UnavailableRatio,
    /// Number of clusters.
    ClusterCount,
}

impl ComparedMetric {
    /// Which way is better.
    #[must_use]
    pub fn direction(self) -> Direction {
        match self {
            Self::R2 => Direction::HigherIsBetter,
            Self::ClusterCount => Direction::Neutral,
            _ => Direction::LowerIsBetter,
        }
    }

    /// Name in files and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MeanSquaredError => "mean_squared_error",
            Self::Rmse => "rmse",
            Self::Mae => "mae",
            Self::R2 => "r2",
            Self::NoiseRatio => "noise_ratio",
            Self::UnavailableRatio => "unavailable_ratio",
            Self::ClusterCount => "cluster_count",
        }
    }
}

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Losses, noise.
    LowerIsBetter,
    /// R2.
    HigherIsBetter,
    /// A cluster count: more is neither better nor worse.
    Neutral,
}

/// What a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// The challenger is better.
    Better,
    /// The challenger is worse.
    Worse,
    /// No difference, or one that its interval does not tell from 0.
    Same,
    /// The metric has no direction, or a side has no value.
    Undecided,
}

/// One metric of both versions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MetricComparison {
    /// Which.
    pub metric: ComparedMetric,
    /// The champion's value; `None` if undefined.
    pub champion: Option<f64>,
    /// The challenger's value; `None` if undefined.
    pub challenger: Option<f64>,
    /// Challenger minus champion.
    pub difference: Option<f64>,
    /// 95 % interval of the difference, where there is a test.
    pub interval: Option<Interval>,
    /// Which way is better.
    pub direction: Direction,
    /// What the difference means.
    pub verdict: Verdict,
}

impl MetricComparison {
    fn new(
        metric: ComparedMetric,
        champion: Option<f64>,
        challenger: Option<f64>,
        interval: Option<Interval>,
    ) -> Self {
        let difference = champion.zip(challenger).map(|(old, new)| new - old);
        let direction = metric.direction();
        let verdict = verdict(difference, interval, direction);
        Self { metric, champion, challenger, difference, interval, direction, verdict }
    }
}

fn verdict(difference: Option<f64>, interval: Option<Interval>, direction: Direction) -> Verdict {
    let Some(difference) = difference.filter(|d| d.is_finite()) else { return Verdict::Undecided };
    let lower_is_better = match direction {
        Direction::Neutral => return Verdict::Undecided,
        Direction::LowerIsBetter => true,
        Direction::HigherIsBetter => false,
    };
    let unclear = interval.is_some_and(|i| i.lower <= 0.0 && i.upper >= 0.0);
    if difference == 0.0 || unclear {
        return Verdict::Same;
    }
    if (difference < 0.0) == lower_is_better { Verdict::Better } else { Verdict::Worse }
}

/// The rows of one of the champion's clusters, under both versions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SegmentComparison {
    /// The champion's final label of the rows.
    pub segment: Label,
    /// Rows that both versions predict and whose truth is known.
    pub n: u64,
    /// Mean squared error of the champion.
    pub champion: f64,
    /// Mean squared error of the challenger.
    pub challenger: f64,
    /// p of "the challenger's loss is larger", adjusted over all segments (Benjamini-Hochberg).
    pub p_worse: f64,
}

impl SegmentComparison {
    /// Challenger's loss over the champion's.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        loss_ratio(self.champion, self.challenger)
    }
}

/// How the clusters of two versions correspond, by the held-out rows they share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClusterComparison {
    /// Pairs (champion's, challenger's) with the largest total overlap.
    pub matched: Vec<(ClusterId, ClusterId)>,
    /// Clusters of the champion without a partner.
    pub vanished: Vec<ClusterId>,
    /// Clusters of the challenger without a partner.
    pub born: Vec<ClusterId>,
    /// Adjusted Rand index of the density labels, noise as a cluster.
    pub adjusted_rand: Option<f64>,
    /// Rows whose cluster is not the partner of the one they had; noise is its own partner.
    pub reassigned: u64,
}

/// Two versions on the same held-out rows: for the gate, reports and tags.
#[doc(alias = "compare_model_versions")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VersionComparison {
    /// Held-out rows.
    pub n_rows: u64,
    /// Rows whose truth is known and that both versions predict; losses are over these.
    pub n_scored: u64,
    /// Every metric, in a fixed order.
    pub metrics: Vec<MetricComparison>,
    /// Test of the loss difference.
    pub loss: LossTest,
    /// The champion's clusters with enough rows.
    pub segments: Vec<SegmentComparison>,
    /// Matched, vanished and born clusters.
    pub clusters: ClusterComparison,
}

impl VersionComparison {
    /// The comparison of one metric.
    ///
    /// # Panics
    ///
    /// Never: every comparison holds every metric.
    #[must_use]
    pub fn metric(&self, metric: ComparedMetric) -> &MetricComparison {
        self.metrics.iter().find(|m| m.metric == metric).expect("a comparison holds every metric")
    }

    /// Challenger's mean squared error over the champion's; `None` without a scored row.
    #[must_use]
    pub fn loss_ratio(&self) -> Option<f64> {
        let loss = self.metrics.iter().find(|m| m.metric == ComparedMetric::MeanSquaredError)?;
        loss.champion.zip(loss.challenger).map(|(old, new)| loss_ratio(old, new))
    }
}

fn loss_ratio(champion: f64, challenger: f64) -> f64 {
    if champion == 0.0 && challenger == 0.0 { 1.0 } else { challenger / champion }
}

pub(super) fn compare(holdout: &Holdout<'_>, params: &GateParams) -> Result<VersionComparison> {
    check_shape(holdout)?;
    let (old, new) = (holdout.champion.predictions, holdout.challenger.predictions);
    let scored: Vec<usize> = (0..holdout.truth.len())
        .filter(|&i| holdout.truth[i].is_finite() && old.values[i].is_finite() && new.values[i].is_finite())
        .collect();
    let loss_of = |p: &Predictions, i: usize| (holdout.truth[i] - p.values[i]).powi(2);
    let differences: Vec<f64> = scored.iter().map(|&i| loss_of(old, i) - loss_of(new, i)).collect();
    let groups: Option<Vec<GroupId>> = holdout.groups.map(|g| scored.iter().map(|&i| g[i]).collect());
    let loss = loss_test(&differences, groups.as_deref(), params.bootstrap_below);
    let segments = segments(holdout, &scored, params);
    Ok(VersionComparison {
        n_rows: holdout.truth.len() as u64,
        n_scored: scored.len() as u64,
        metrics: metrics(holdout, &scored, loss.interval),
        loss,
        segments,
        clusters: clusters(holdout),
    })
}

fn check_shape(holdout: &Holdout<'_>) -> Result<()> {
    let expected = holdout.truth.len();
    let check = |what, found| {
        if found == expected { Ok(()) } else { Err(RetrainError::HoldoutShape { what, found, expected }) }
    };
    check("groups", holdout.groups.map_or(expected, <[GroupId]>::len))?;
    for (scored, names) in [
        (
            holdout.champion,
            ["champion's values", "champion's labels", "champion's density labels", "champion's sources"],
        ),
        (
            holdout.challenger,
            [
                "challenger's values",
                "challenger's labels",
                "challenger's density labels",
                "challenger's sources",
            ],
        ),
    ] {
        let p = scored.predictions;
        check(names[0], p.values.len())?;
        check(names[1], p.labels.len())?;
        check(names[2], p.density_labels.len())?;
        check(names[3], p.sources.len())?;
    }
    Ok(())
}

fn metrics(holdout: &Holdout<'_>, scored: &[usize], loss: Option<Interval>) -> Vec<MetricComparison> {
    use ComparedMetric as M;
    let truth: Vec<f64> = scored.iter().map(|&i| holdout.truth[i]).collect();
    let scores = [holdout.champion, holdout.challenger].map(|version| {
        let values: Vec<f64> = scored.iter().map(|&i| version.predictions.values[i]).collect();
        RegressionScores::of(&truth, &values)
    });
    let [old, new] = scores;
    let noise = [holdout.champion, holdout.challenger].map(|v| noise_ratio(&v.predictions.density_labels));
    let missing = [holdout.champion, holdout.challenger].map(|v| unavailable_ratio(v.predictions));
    let counts = [holdout.champion, holdout.challenger].map(|v| v.n_clusters as f64);
    let square = |rmse: Option<f64>| rmse.map(|r| r * r);
    // The loss test measures champion minus challenger.
    let loss = loss.map(|i| Interval { lower: -i.upper, upper: -i.lower });
    let share = |values: [f64; 2]| share_interval(values, holdout.truth.len());
    let both = |metric, values: [f64; 2], interval| {
        let defined = (!holdout.truth.is_empty()).then_some(values);
        MetricComparison::new(metric, defined.map(|v| v[0]), defined.map(|v| v[1]), interval)
    };
    vec![
        MetricComparison::new(M::MeanSquaredError, square(old.rmse), square(new.rmse), loss),
        MetricComparison::new(M::Rmse, old.rmse, new.rmse, None),
        MetricComparison::new(M::Mae, old.mae, new.mae, None),
        MetricComparison::new(M::R2, old.r2, new.r2, None),
        both(M::NoiseRatio, noise, share(noise)),
        both(M::UnavailableRatio, missing, share(missing)),
        MetricComparison::new(M::ClusterCount, Some(counts[0]), Some(counts[1]), None),
    ]
}

fn unavailable_ratio(predictions: &Predictions) -> f64 {
    let missing = predictions.sources.iter().filter(|s| **s == PredictionSource::Unavailable).count();
    if predictions.is_empty() { 0.0 } else { missing as f64 / predictions.len() as f64 }
}

// Wald's interval of the difference of two shares.
fn share_interval([old, new]: [f64; 2], n: usize) -> Option<Interval> {
    if n == 0 {
        return None;
    }
    let variance = (old * (1.0 - old) + new * (1.0 - new)) / n as f64;
    let half = normal_quantile(0.975) * variance.sqrt();
    Some(Interval { lower: new - old - half, upper: new - old + half })
}

fn segments(holdout: &Holdout<'_>, scored: &[usize], params: &GateParams) -> Vec<SegmentComparison> {
    let mut rows_of: BTreeMap<Label, Vec<usize>> = BTreeMap::new();
    for &i in scored {
        rows_of.entry(holdout.champion.predictions.labels[i]).or_default().push(i);
    }
    let mut found: Vec<SegmentComparison> = rows_of
        .iter()
        .filter(|(_, rows)| rows.len() as u64 >= params.segment_rows)
        .map(|(&segment, rows)| segment_comparison(holdout, segment, rows, params))
        .collect();
    let p: Vec<f64> = found.iter().map(|s| s.p_worse).collect();
    for (segment, adjusted) in found.iter_mut().zip(benjamini_hochberg(&p)) {
        segment.p_worse = adjusted;
    }
    found
}

fn segment_comparison(
    holdout: &Holdout<'_>,
    segment: Label,
    rows: &[usize],
    params: &GateParams,
) -> SegmentComparison {
    let losses = |p: &Predictions| -> Vec<f64> {
        rows.iter().map(|&i| (holdout.truth[i] - p.values[i]).powi(2)).collect()
    };
    let (old, new) = (losses(holdout.champion.predictions), losses(holdout.challenger.predictions));
    let differences: Vec<f64> = old.iter().zip(&new).map(|(a, b)| a - b).collect();
    let groups: Option<Vec<GroupId>> = holdout.groups.map(|g| rows.iter().map(|&i| g[i]).collect());
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    SegmentComparison {
        segment,
        n: rows.len() as u64,
        champion: mean(&old),
        challenger: mean(&new),
        p_worse: loss_test(&differences, groups.as_deref(), params.bootstrap_below).p_worse,
    }
}

fn clusters(holdout: &Holdout<'_>) -> ClusterComparison {
    let (old, new) =
        (&holdout.champion.predictions.density_labels, &holdout.challenger.predictions.density_labels);
    let (k_old, k_new) = (holdout.champion.n_clusters, holdout.challenger.n_clusters);
    let position = |label: &Label| label.cluster().map(|c| c.0 as usize);
    let mut overlap = vec![vec![0.0; k_new]; k_old];
    for (a, b) in old.iter().zip(new) {
        if let (Some(i), Some(j)) = (position(a), position(b))
            && i < k_old
            && j < k_new
        {
            overlap[i][j] += 1.0;
        }
    }
    let cost: Vec<Vec<f64>> = overlap.iter().map(|row| row.iter().map(|n| -n).collect()).collect();
    let partners: Vec<Option<usize>> = cheapest_assignment(&cost, k_new)
        .into_iter()
        .enumerate()
        // Two clusters without a common row are not the same one.
        .map(|(i, partner)| partner.filter(|&j| overlap[i][j] > 0.0))
        .collect();
    let reassigned = old.iter().zip(new).filter(|(a, b)| {
        let expected = position(a).map(|i| partners.get(i).copied().flatten());
        match (expected, position(b)) {
            (None, j) => j.is_some(),
            (Some(partner), j) => partner.is_none() || partner != j,
        }
    });
    ClusterComparison {
        reassigned: reassigned.count() as u64,
        matched: partners.iter().enumerate().filter_map(|(i, p)| p.map(|j| (id(i), id(j)))).collect(),
        vanished: (0..k_old).filter(|&i| partners[i].is_none()).map(id).collect(),
        born: (0..k_new).filter(|&j| !partners.contains(&Some(j))).map(id).collect(),
        adjusted_rand: adjusted_rand(old, new),
    }
}
