//! How much a cluster's own model is trusted against the pooled one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::GroupId;

/// Share of a cluster's own model in what is served, with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Weight {
    /// 0..=1; 0 serves the pooled model, 1 the cluster's own.
    pub value: f64,
    /// Slope of `y - pooled` on `own - pooled` over out-of-fold rows, where it was computed.
    pub slope: Option<f64>,
    /// Its standard error by group.
    pub standard_error: Option<f64>,
    /// Groups behind it.
    pub groups: u64,
    /// Why the value is what it is.
    pub reason: WeightReason,
}

/// Why a weight is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WeightReason {
    /// `models.selection` is own or pooled.
    Forced,
    /// Out-of-fold evidence.
    Evidence,
    /// The evidence is not larger than its error.
    WithinError,
    /// Fewer than two groups have out-of-fold predictions of both models.
    FewGroups,
    /// The cluster's model is a constant.
    NothingLearned,
    /// Both models predict the same.
    SameAsPooled,
}

impl Weight {
    pub(super) fn fixed(value: f64, groups: u64, reason: WeightReason) -> Self {
        Self { value, slope: None, standard_error: None, groups, reason }
    }
}

/// One row with out-of-fold predictions of both models.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    pub(super) pooled: f64,
    pub(super) own: f64,
    pub(super) truth: f64,
    pub(super) group: GroupId,
}

/// What training minimises decides how evidence is weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SelectionLoss {
    Squared,
    Absolute,
    Percentage,
}

impl SelectionLoss {
    /// From the backend's own parameters, as far as it tells an objective.
    pub(super) fn of(params: &[(String, String)]) -> Self {
        let objective = params.iter().find(|(name, _)| name == "objective").map(|(_, value)| value.as_str());
        match objective {
            Some("regression_l1") => Self::Absolute,
            Some("mape") => Self::Percentage,
            _ => Self::Squared,
        }
    }

    fn of_error(self, row: &Evidence, served: f64) -> f64 {
        let error = (row.truth - served).abs();
        // LightGBM's mape divides by at least 1 as well.
        if self == Self::Percentage { error / row.truth.abs().max(1.0) } else { error }
    }
}

pub(super) fn weigh(rows: &[Evidence], loss: SelectionLoss, z: f64) -> Weight {
    let mut by_group: BTreeMap<GroupId, Vec<&Evidence>> = BTreeMap::new();
    for row in rows {
        by_group.entry(row.group).or_default().push(row);
    }
    let groups = by_group.len() as u64;
    if groups < 2 {
        return Weight::fixed(0.0, groups, WeightReason::FewGroups);
    }
    let squares: f64 = rows.iter().map(|r| (r.own - r.pooled).powi(2)).sum();
    if squares == 0.0 || !squares.is_finite() {
        return Weight::fixed(0.0, groups, WeightReason::SameAsPooled);
    }
    match loss {
        SelectionLoss::Squared => by_slope(rows, &by_group, squares, z),
        SelectionLoss::Absolute | SelectionLoss::Percentage => by_grid(rows, &by_group, loss, z),
    }
}

type Groups<'a> = BTreeMap<GroupId, Vec<&'a Evidence>>;

fn by_slope(rows: &[Evidence], by_group: &Groups<'_>, squares: f64, z: f64) -> Weight {
    let products: f64 = rows.iter().map(|r| (r.own - r.pooled) * (r.truth - r.pooled)).sum();
    let slope = products / squares;
    let score = |row: &&Evidence| {
        let difference = row.own - row.pooled;
        difference * (row.truth - row.pooled - slope * difference)
    };
    let meat: f64 = by_group.values().map(|rows| rows.iter().map(score).sum::<f64>().powi(2)).sum();
    let groups = by_group.len() as f64;
    let standard_error = (groups / (groups - 1.0) * meat).sqrt() / squares;
    let value = (slope - z * standard_error).clamp(0.0, 1.0);
    // NaN: the predictions are too large to be squared, which is no evidence.
    let value = if value.is_nan() { 0.0 } else { value };
    Weight {
        value,
        slope: slope.is_finite().then_some(slope),
        standard_error: standard_error.is_finite().then_some(standard_error),
        groups: by_group.len() as u64,
        reason: if value > 0.0 { WeightReason::Evidence } else { WeightReason::WithinError },
    }
}

// Absolute losses have no closed form: the best of five weights, if its mean paired loss is better by z
// standard errors.
fn by_grid(rows: &[Evidence], by_group: &Groups<'_>, loss: SelectionLoss, z: f64) -> Weight {
    let n = rows.len() as f64;
    let gain = |weight: f64, row: &Evidence| {
        let served = (1.0 - weight) * row.pooled + weight * row.own;
        loss.of_error(row, served) - loss.of_error(row, row.pooled)
    };
    let mean = |weight: f64| rows.iter().map(|row| gain(weight, row)).sum::<f64>() / n;
    let best =
        [0.25, 0.5, 0.75, 1.0].into_iter().fold(0.0, |best, w| if mean(w) < mean(best) { w } else { best });
    let centre = mean(best);
    let meat: f64 = by_group
        .values()
        .map(|rows| rows.iter().map(|row| gain(best, row) - centre).sum::<f64>().powi(2))
        .sum();
    let groups = by_group.len() as f64;
    let standard_error = (groups / (groups - 1.0) * meat).sqrt() / n;
    let convinced = best > 0.0 && centre + z * standard_error < 0.0;
    Weight {
        value: if convinced { best } else { 0.0 },
        slope: None,
        standard_error: standard_error.is_finite().then_some(standard_error),
        groups: by_group.len() as u64,
        reason: if convinced { WeightReason::Evidence } else { WeightReason::WithinError },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(cells: &[(f64, f64, f64, u64)]) -> Vec<Evidence> {
        let row = |&(pooled, own, truth, group): &(f64, f64, f64, u64)| Evidence {
            pooled,
            own,
            truth,
            group: GroupId(group),
        };
        cells.iter().map(row).collect()
    }

    #[track_caller]
    fn check(cells: &[(f64, f64, f64, u64)], z: f64, expected: f64, reason: WeightReason) {
        let weight = weigh(&rows(cells), SelectionLoss::Squared, z);
        assert!((weight.value - expected).abs() < 1e-12, "{weight:?}");
        assert_eq!(weight.reason, reason);
    }

    // d = (1, 1, 2), e = (1, 0, 1): b = (1 + 0 + 2) / 6 = .5; u = e - b d = (.5, -.5, 0).
    const CELLS: [(f64, f64, f64, u64); 3] = [(0.0, 1.0, 1.0, 1), (0.0, 1.0, 0.0, 2), (0.0, 2.0, 1.0, 3)];

    #[test]
    fn the_slope_is_shrunk_by_its_error_by_group() {
        // Three groups: scores (.5, -.5, 0), se = sqrt(3/2 x .5) / 6 = .14433756729740643.
        check(&CELLS, 0.0, 0.5, WeightReason::Evidence);
        check(&CELLS, 1.0, 0.5 - 0.144_337_567_297_406_43, WeightReason::Evidence);
        check(&CELLS, 4.0, 0.0, WeightReason::WithinError);
        // The first two rows in one group: their scores cancel, so the error is 0.
        let mut together = CELLS;
        together[1].3 = 1;
        check(&together, 5.0, 0.5, WeightReason::Evidence);
    }

    #[test]
    fn a_better_own_model_gets_all_of_it_and_a_worse_one_nothing() {
        check(&[(0.0, 1.0, 1.0, 1), (0.0, 2.0, 2.0, 2)], 1.0, 1.0, WeightReason::Evidence);
        check(&[(0.0, 1.0, 5.0, 1), (0.0, 1.0, 5.0, 2)], 1.0, 1.0, WeightReason::Evidence);
        check(&[(0.0, 1.0, -1.0, 1), (0.0, 2.0, -2.0, 2)], 1.0, 0.0, WeightReason::WithinError);
    }

    #[test]
    fn no_evidence_is_no_weight() {
        check(&[], 1.0, 0.0, WeightReason::FewGroups);
        check(&[(0.0, 1.0, 1.0, 1), (0.0, 2.0, 2.0, 1)], 1.0, 0.0, WeightReason::FewGroups);
        check(&[(1.0, 1.0, 3.0, 1), (2.0, 2.0, 3.0, 2)], 1.0, 0.0, WeightReason::SameAsPooled);
    }

    #[test]
    fn absolute_losses_take_the_best_of_five_weights() {
        // Truth at three quarters of the way for every row: loss differences are equal, their error is 0.
        let cells = rows(&[(0.0, 4.0, 3.0, 1), (0.0, 8.0, 6.0, 2)]);
        assert_eq!(weigh(&cells, SelectionLoss::Absolute, 1.0).value, 0.75);
        let worse = rows(&[(0.0, 4.0, -3.0, 1), (0.0, 8.0, -6.0, 2)]);
        assert_eq!(weigh(&worse, SelectionLoss::Percentage, 1.0).value, 0.0);
        let objective = |name: &str| SelectionLoss::of(&[("objective".into(), name.into())]);
        assert_eq!(objective("mape"), SelectionLoss::Percentage);
        assert_eq!(objective("regression_l1"), SelectionLoss::Absolute);
        assert_eq!(SelectionLoss::of(&[]), SelectionLoss::Squared);
    }
}
