//! Prediction intervals: bounds corrected by how far they missed on rows their models had not seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::{ClusterId, GroupId, Label, Violation};

use crate::value::resampled_share;

/// How bounds are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalMethod {
    /// Quantile models on either side, conformalised (Romano, Patterson and Candes 2019); two more models a level.
    #[default]
    Cqr,
    /// The predicted value plus and minus a quantile of absolute out-of-fold errors; no further model.
    Residual,
}

/// Settings of prediction intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntervalParams {
    /// Nominal coverages, each in (0, 1), rising; none asks for no interval. Default none.
    pub levels: Vec<f64>,
    /// How bounds are found. Default cqr.
    pub method: IntervalMethod,
    /// Out-of-fold rows a segment needs for a correction of its own; below, that of all rows serves. Default 100.
    pub min_calibration_rows: usize,
}

impl Default for IntervalParams {
    fn default() -> Self {
        Self { levels: Vec::new(), method: IntervalMethod::Cqr, min_calibration_rows: 100 }
    }
}

impl IntervalParams {
    /// Every broken rule.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let inside = |level: &f64| *level > 0.0 && *level < 1.0;
        if !self.levels.iter().all(inside) || !self.levels.is_sorted_by(|a, b| a < b) {
            let message =
                format!("is {:?}, must be rising coverages in (0, 1), such as [0.8, 0.95]", self.levels);
            found.push(Violation::new("levels", message));
        }
        if self.min_calibration_rows == 0 {
            found.push(Violation::new("min_calibration_rows", "is 0, must be at least 1"));
        }
        found
    }

    /// The quantiles that models are fitted for, a pair per level; none for the residual method.
    pub(crate) fn quantiles(&self) -> Vec<f64> {
        match self.method {
            IntervalMethod::Residual => Vec::new(),
            IntervalMethod::Cqr => self
                .levels
                .iter()
                .flat_map(|level| [(1.0 - level) / 2.0, f64::midpoint(1.0, *level)])
                .collect(),
        }
    }
}

/// By how much the bounds of one level are widened (or, below 0, narrowed).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Correction {
    pub(crate) level: f64,
    /// From all out-of-fold rows; `None` where they are too few for the level.
    all: Option<f64>,
    /// Of segments with rows enough; noise is the `None` entry.
    #[serde(with = "by_segment")]
    segments: BTreeMap<Option<ClusterId>, f64>,
}

impl Correction {
    /// From the scores of out-of-fold rows: how far the truth lies outside its bounds, below 0 inside.
    pub(crate) fn of(level: f64, scores: &[(Label, f64)], min_rows: usize) -> Self {
        let mut by_segment: BTreeMap<Option<ClusterId>, Vec<f64>> = BTreeMap::new();
        for (label, score) in scores {
            by_segment.entry(label.cluster()).or_default().push(*score);
        }
        let enough = by_segment.into_iter().filter(|(_, scores)| scores.len() >= min_rows);
        let segments = enough.filter_map(|(id, mut scores)| Some((id, rank(&mut scores, level)?))).collect();
        let mut all: Vec<f64> = scores.iter().map(|(_, score)| *score).collect();
        Self { level, all: rank(&mut all, level), segments }
    }

    pub(crate) fn for_row(&self, label: Label) -> Option<f64> {
        self.segments.get(&label.cluster()).copied().or(self.all)
    }
}

/// The `ceil((n + 1) level)`-th smallest score; `None` where there are too few for the level.
fn rank(scores: &mut [f64], level: f64) -> Option<f64> {
    scores.sort_unstable_by(f64::total_cmp);
    let rank = ((scores.len() + 1) as f64 * level).ceil() as usize;
    scores.get(rank.checked_sub(1)?).copied()
}

/// JSON has no key for noise, so segments are pairs.
mod by_segment {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tsc_core::ClusterId;

    type Map = BTreeMap<Option<ClusterId>, f64>;

    pub(super) fn serialize<S: Serializer>(map: &Map, serializer: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map, D::Error> {
        Ok(Vec::<(Option<ClusterId>, f64)>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// Rows that a coverage is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Covered {
    /// All of them.
    All,
    /// Noise of the clusterer.
    Noise,
    /// One cluster.
    Cluster(ClusterId),
}

impl Covered {
    /// The rows of a label.
    pub(crate) fn of(label: Label) -> Self {
        label.cluster().map_or(Self::Noise, Self::Cluster)
    }

    pub(crate) fn holds(self, label: Label) -> bool {
        self == Self::All || self == Self::of(label)
    }
}

/// How often held-out truth fell inside its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Coverage {
    /// Nominal coverage.
    pub level: f64,
    /// Of which rows.
    pub segment: Covered,
    /// Rows with a known truth and an interval.
    pub rows: u64,
    /// Share inside, bounds included.
    pub share: f64,
    /// 95 % interval of the share, groups resampled; `None` below two groups.
    pub interval: Option<[f64; 2]>,
    /// Mean of upper minus lower.
    pub mean_width: f64,
}

impl Coverage {
    /// `None` without a row that has a known truth and both bounds.
    pub(crate) fn of(
        level: f64,
        segment: Covered,
        rows: impl Iterator<Item = (f64, f64, f64, GroupId)>,
    ) -> Option<Self> {
        let known = |&(truth, lower, upper, _): &(f64, f64, f64, GroupId)| {
            truth.is_finite() && lower.is_finite() && upper.is_finite()
        };
        let rows: Vec<_> = rows.filter(known).collect();
        if rows.is_empty() {
            return None;
        }
        let n = rows.len() as f64;
        let inside: Vec<(GroupId, f64)> = rows
            .iter()
            .map(|&(truth, lower, upper, group)| {
                (group, f64::from(u8::from((lower..=upper).contains(&truth))))
            })
            .collect();
        Some(Self {
            level,
            segment,
            rows: rows.len() as u64,
            share: inside.iter().map(|(_, hit)| hit).sum::<f64>() / n,
            interval: resampled_share(&inside),
            mean_width: rows.iter().map(|(_, lower, upper, _)| upper - lower).sum::<f64>() / n,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(of: &[f64]) -> Vec<(Label, f64)> {
        of.iter().map(|&score| (Label::NOISE, score)).collect()
    }

    // n = 9, level .8: rank ceil(10 x .8) = 8; level .95: rank 10 > 9, so there is no correction.
    #[test]
    fn the_correction_is_the_conformal_rank_or_nothing() {
        let nine: Vec<f64> = (1..=9).rev().map(f64::from).collect();
        assert_eq!(Correction::of(0.8, &scores(&nine), 100).for_row(Label::NOISE), Some(8.0));
        assert_eq!(Correction::of(0.95, &scores(&nine), 100).for_row(Label::NOISE), None);
        assert_eq!(Correction::of(0.8, &[], 1).for_row(Label::NOISE), None);
    }

    #[test]
    fn a_segment_with_rows_enough_has_its_own_correction() {
        let zero = Label::of(ClusterId(0));
        let mut mixed = scores(&[1.0; 50]);
        mixed.extend([(zero, 5.0); 20]);
        let correction = Correction::of(0.8, &mixed, 20);
        assert_eq!(correction.for_row(zero), Some(5.0));
        assert_eq!(correction.for_row(Label::NOISE), Some(1.0));
        assert_eq!(correction.for_row(Label::of(ClusterId(7))), correction.all);
        let json = serde_json::to_string(&correction).unwrap();
        assert_eq!(serde_json::from_str::<Correction>(&json).unwrap(), correction);
    }

    /// M-24: with exchangeable rows the mean coverage over many draws is the nominal one.
    #[test]
    fn coverage_is_nominal_for_exchangeable_rows() {
        let mut state = 3_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut shares = 0.0;
        for _ in 0..100 {
            let calibration: Vec<f64> = (0..2_000).map(|_| draw().powi(3)).collect();
            let q = Correction::of(0.8, &scores(&calibration), 100).for_row(Label::NOISE).unwrap();
            shares += (0..2_000).filter(|_| draw().powi(3) <= q).count() as f64 / 2_000.0;
        }
        assert!((shares / 100.0 - 0.8).abs() < 0.01, "{}", shares / 100.0);
    }

    #[test]
    fn broken_levels_are_named() {
        let told = |levels: &[f64]| {
            let params = IntervalParams { levels: levels.to_vec(), ..IntervalParams::default() };
            params.check().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(told(&[0.8, 0.95]), "");
        assert_eq!(
            told(&[0.9, 0.8]),
            "levels is [0.9, 0.8], must be rising coverages in (0, 1), such as [0.8, 0.95]"
        );
        assert!(told(&[1.0]).starts_with("levels is [1.0]"));
    }
}
