//! Whether a challenger replaces the champion.

mod comparison;
mod loss_test;
mod reason;
#[cfg(test)]
mod tests;

pub use comparison::{
    ClusterComparison, ComparedMetric, Direction, Holdout, MetricComparison, Scored, SegmentComparison,
    Verdict, VersionComparison,
};
pub use loss_test::{DieboldMariano, Interval, LossTest, LossTestMethod, diebold_mariano};
pub use reason::GateReason;

use serde::{Deserialize, Serialize};
use tsc_core::stats::{normal_sf, two_proportion_z};
use tsc_core::{Predictions, Result, Stage, Trigger, all_valid};

use crate::GateParams;
use crate::params::CONFIG;

/// Decides on held-out rows that neither version was fitted on.
///
/// 1. Hard limits: loss ratio, noise, number of clusters, share without a prediction, and no cluster that
///    is clearly worse. Breaking one rejects.
/// 2. A clearly smaller loss promotes: one-sided Diebold-Mariano on losses summed by group, bootstrap
///    with few groups.
/// 3. After a structural trigger (noise), clearly less noise promotes.
/// 4. Everything else keeps the champion.
///
/// Power, by formula: at 2,000 rows a challenger with 5 % lower squared error is promoted with
/// probability .97 if the errors correlate by .95, and .83 at .9.
///
/// Zero clusters, all noise, constant targets or no scored row reject with a reason; a challenger with
/// fewer than two clusters is judged like any other where the champion has no more.
#[derive(Clone, Debug)]
pub struct Gate {
    params: GateParams,
}

/// What the gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateOutcome {
    /// The challenger replaces the champion.
    Promote,
    /// The champion serves on.
    Reject,
}

/// Outcome, why, and the figures behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GateDecision {
    /// What the gate says.
    pub outcome: GateOutcome,
    /// Why: every limit broken, or the one thing that is better. Never empty.
    pub reasons: Vec<GateReason>,
    /// The figures.
    pub comparison: VersionComparison,
}

impl Gate {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every broken bound.
    pub fn new(params: GateParams) -> Result<Self> {
        all_valid(&params.check(), Stage::Retraining, CONFIG)?;
        Ok(Self { params })
    }

    /// Both versions on the same rows, without a decision.
    ///
    /// # Errors
    ///
    /// `InvalidData` if a column has another number of rows than `truth`.
    pub fn compare(&self, holdout: &Holdout<'_>) -> Result<VersionComparison> {
        comparison::compare(holdout, &self.params)
    }

    /// Decides. Deterministic: the bootstrap has a fixed seed.
    ///
    /// # Errors
    ///
    /// `InvalidData` if a column has another number of rows than `truth`.
    pub fn decide(&self, holdout: &Holdout<'_>, trigger: &Trigger) -> Result<GateDecision> {
        let comparison = self.compare(holdout)?;
        let mut reasons = self.broken_limits(holdout, &comparison);
        let promoted =
            if reasons.is_empty() { self.improvement(holdout, &comparison, trigger) } else { None };
        let outcome = if promoted.is_some() { GateOutcome::Promote } else { GateOutcome::Reject };
        match promoted {
            Some(improvement) => reasons.push(improvement),
            None if reasons.is_empty() => reasons.push(self.not_better(&comparison)),
            None => {}
        }
        Ok(GateDecision { outcome, reasons, comparison })
    }

    fn broken_limits(&self, holdout: &Holdout<'_>, comparison: &VersionComparison) -> Vec<GateReason> {
        let mut broken = Vec::new();
        match comparison.loss_ratio() {
            None => broken.push(GateReason::NoScoredRow),
            Some(ratio) if !comparison.loss.difference.is_finite() || ratio.is_nan() => {
                broken.push(GateReason::NonFiniteLoss);
            }
            Some(ratio) if ratio > self.params.max_loss_ratio => {
                broken.push(GateReason::LossRatio { ratio, limit: self.params.max_loss_ratio });
            }
            Some(_) => {}
        }
        if comparison.n_scored > 0 && is_constant(holdout) {
            broken.push(GateReason::ConstantTargets);
        }
        let noise = comparison.metric(ComparedMetric::NoiseRatio);
        if let (Some(champion), Some(challenger)) = (noise.champion, noise.challenger) {
            // A rise of exactly the limit is allowed; f64 makes .15 - .10 a little more than .05.
            if challenger - champion > self.params.max_noise_rise + 1e-12 {
                let limit = self.params.max_noise_rise;
                broken.push(GateReason::NoiseRise { champion, challenger, limit });
            } else if challenger >= 1.0 && champion < 1.0 {
                broken.push(GateReason::AllNoise);
            }
        }
        let missing = comparison.metric(ComparedMetric::UnavailableRatio);
        if let (Some(champion), Some(challenger)) = (missing.champion, missing.challenger)
            && challenger > champion
        {
            broken.push(GateReason::MoreUnavailable { champion, challenger });
        }
        let (old, new) = (holdout.champion.n_clusters, holdout.challenger.n_clusters);
        if old >= 2 && new < 2 {
            broken.push(GateReason::TooFewClusters { challenger: new as u64 });
        } else if old > 0 && (2 * new < old || new > 2 * old) {
            broken.push(GateReason::ClusterCount { champion: old as u64, challenger: new as u64 });
        }
        broken.extend(comparison.segments.iter().filter(|s| self.is_worse(s)).map(|s| {
            GateReason::SegmentWorse { segment: s.segment, n: s.n, ratio: s.ratio(), p_value: s.p_worse }
        }));
        broken
    }

    fn is_worse(&self, segment: &SegmentComparison) -> bool {
        segment.ratio() >= 1.0 + self.params.segment_loss_rise && segment.p_worse < self.params.segment_alpha
    }

    fn improvement(
        &self,
        holdout: &Holdout<'_>,
        comparison: &VersionComparison,
        trigger: &Trigger,
    ) -> Option<GateReason> {
        let loss = comparison.loss;
        if loss.n_units >= self.params.min_groups && loss.p_better < self.params.alpha {
            let ratio = comparison.loss_ratio()?;
            return Some(GateReason::BetterLoss { ratio, p_value: loss.p_better });
        }
        if !matches!(trigger, Trigger::NoiseThresholdExceeded { .. }) {
            return None;
        }
        let counts = |p: &Predictions| {
            let noise = p.density_labels.iter().filter(|l| l.is_noise()).count() as u64;
            (noise, p.len() as u64)
        };
        // Positive if the champion has more noise.
        let z =
            two_proportion_z(counts(holdout.challenger.predictions), counts(holdout.champion.predictions))?;
        let p_value = normal_sf(z);
        let noise = comparison.metric(ComparedMetric::NoiseRatio);
        let (champion, challenger) = noise.champion.zip(noise.challenger)?;
        (p_value < self.params.noise_alpha).then_some(GateReason::LessNoise { champion, challenger, p_value })
    }

    fn not_better(&self, comparison: &VersionComparison) -> GateReason {
        let loss = comparison.loss;
        if loss.n_units < self.params.min_groups {
            return GateReason::TooFewGroups { groups: loss.n_units, need: self.params.min_groups };
        }
        GateReason::NotBetter { ratio: comparison.loss_ratio().unwrap_or(1.0), p_value: loss.p_better }
    }
}

fn is_constant(holdout: &Holdout<'_>) -> bool {
    let mut known = holdout.truth.iter().filter(|t| t.is_finite());
    known.next().is_some_and(|first| known.all(|t| t == first))
}
