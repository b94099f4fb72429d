//! What predictions are worth beside plainer ways of making them: paired losses, resampled by group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::{ClusterId, GroupId, Label};

use crate::interval::Coverage;

/// Resamples behind every interval.
const RESAMPLES: usize = 1_000;
const SEED: u64 = 42;

/// How predictions are judged; smaller is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Measure {
    /// Root of the mean squared error.
    #[default]
    Rmse,
    /// Mean absolute error.
    Mae,
}

impl Measure {
    /// Name as reports write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rmse => "RMSE",
            Self::Mae => "MAE",
        }
    }

    fn of_row(self, truth: f64, predicted: f64) -> f64 {
        match self {
            Self::Rmse => (truth - predicted).powi(2),
            Self::Mae => (truth - predicted).abs(),
        }
    }

    fn of_sum(self, sum: f64, rows: f64) -> f64 {
        match self {
            Self::Rmse => (sum / rows).sqrt(),
            Self::Mae => sum / rows,
        }
    }
}

/// Two ways of predicting, on the rows where both have a value and the truth is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Paired {
    /// Rows compared.
    pub rows: u64,
    /// Their groups.
    pub groups: u64,
    /// Loss of the first.
    pub first: f64,
    /// Loss of the second.
    pub second: f64,
    /// First minus second: below 0 the first is better.
    pub difference: f64,
    /// 95 % interval of the difference, groups resampled 1,000 times; `None` below two groups.
    pub interval: Option<[f64; 2]>,
}

impl Paired {
    /// Compares two columns of predictions; NaN in either, or in the truth, leaves the row out. `None` if no row
    /// is left.
    ///
    /// Whole groups are drawn with replacement, so rows of one patient never count as independent. The same input
    /// gives the same interval. O(rows + 1,000 x groups).
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use tsc_core::GroupId;
    /// use tsc_models::{Measure, Paired};
    /// let truth = [1.0, 2.0, 3.0, 4.0];
    /// let groups = [GroupId(1), GroupId(1), GroupId(2), GroupId(2)];
    /// let paired = Paired::of(Measure::Mae, &truth, &[1.5, 2.5, 3.5, 4.5], &[2.0, 3.0, 4.0, 5.0], &groups).unwrap();
    /// assert_eq!((paired.first, paired.second, paired.difference), (0.5, 1.0, -0.5));
    /// assert_eq!(paired.interval, Some([-0.5, -0.5]), "every group says the same");
    /// ```
    #[must_use]
    pub fn of(
        measure: Measure,
        truth: &[f64],
        first: &[f64],
        second: &[f64],
        groups: &[GroupId],
    ) -> Option<Self> {
        let n = truth.len();
        assert!(first.len() == n && second.len() == n && groups.len() == n, "one entry per row");
        let mut sums: BTreeMap<GroupId, Sums> = BTreeMap::new();
        for row in 0..n {
            let (truth, a, b) = (truth[row], first[row], second[row]);
            if truth.is_finite() && a.is_finite() && b.is_finite() {
                let sums = sums.entry(groups[row]).or_default();
                sums.rows += 1.0;
                sums.first += measure.of_row(truth, a);
                sums.second += measure.of_row(truth, b);
            }
        }
        let sums: Vec<Sums> = sums.into_values().collect();
        let all = Sums::total(sums.iter());
        if all.rows == 0.0 {
            return None;
        }
        let (a, b) = all.losses(measure);
        Some(Self {
            rows: all.rows as u64,
            groups: sums.len() as u64,
            first: a,
            second: b,
            difference: a - b,
            interval: (sums.len() > 1).then(|| interval(&sums, measure)),
        })
    }

    /// Whether the interval lies below 0: the first is better.
    #[must_use]
    pub fn is_better(&self) -> bool {
        self.interval.is_some_and(|[_, upper]| upper < 0.0)
    }

    /// Whether the interval lies above 0: the first is worse.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        self.interval.is_some_and(|[lower, _]| lower > 0.0)
    }
}

/// Losses of one group's rows.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    rows: f64,
    first: f64,
    second: f64,
}

impl Sums {
    fn total<'a>(all: impl Iterator<Item = &'a Sums>) -> Sums {
        all.fold(Sums::default(), |total, sums| Sums {
            rows: total.rows + sums.rows,
            first: total.first + sums.first,
            second: total.second + sums.second,
        })
    }

    fn losses(self, measure: Measure) -> (f64, f64) {
        (measure.of_sum(self.first, self.rows), measure.of_sum(self.second, self.rows))
    }
}

fn interval(groups: &[Sums], measure: Measure) -> [f64; 2] {
    resampled(groups, |drawn| {
        let (first, second) = drawn.losses(measure);
        first - second
    })
}

/// 95 % interval of a mean of 0 and 1 per row, groups resampled; `None` below two groups.
pub(crate) fn resampled_share(rows: &[(GroupId, f64)]) -> Option<[f64; 2]> {
    let mut sums: BTreeMap<GroupId, Sums> = BTreeMap::new();
    for (group, hit) in rows {
        let sums = sums.entry(*group).or_default();
        sums.rows += 1.0;
        sums.first += hit;
    }
    let sums: Vec<Sums> = sums.into_values().collect();
    (sums.len() > 1).then(|| resampled(&sums, |drawn| drawn.first / drawn.rows))
}

/// Percentile interval over draws of whole groups; ranks 25 and 976 of 1,000.
fn resampled(groups: &[Sums], statistic: impl Fn(Sums) -> f64) -> [f64; 2] {
    let mut state = SEED;
    let draw =
        |_| statistic(Sums::total((0..groups.len()).map(|_| &groups[below(&mut state, groups.len())])));
    let mut values: Vec<f64> = (0..RESAMPLES).map(draw).collect();
    values.sort_unstable_by(f64::total_cmp);
    let tail = RESAMPLES / 40;
    [values[tail - 1], values[RESAMPLES - tail]]
}

/// Splitmix64, then multiply-shift: uniform enough far below 2^32 groups.
fn below(state: &mut u64, n: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    ((u128::from(z) * n as u128) >> 64) as usize
}

/// A plainer way of predicting, beside the pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rival {
    /// Such as `one global model`, `last value`, `permuted segments`.
    pub name: String,
    /// The pipeline (first) against it (second), on the same held-out rows.
    pub paired: Paired,
}

/// The pipeline against one global model, on the held-out rows of one segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SegmentValue {
    /// Which; `None` is noise.
    pub cluster: Option<ClusterId>,
    /// Share of the segment's own model in what is served.
    pub weight: f64,
    /// The pipeline (first) against one global model (second).
    pub paired: Paired,
}

/// What the models are worth on held-out rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ValueReport {
    /// How predictions are judged.
    pub measure: Measure,
    /// One global model first, then the same with permuted segments, then plain forecasts.
    pub rivals: Vec<Rival>,
    /// By segment, noise last; segments without a held-out row are left out.
    pub segments: Vec<SegmentValue>,
    /// Prediction intervals: per level all rows first, then each segment; empty without intervals.
    pub coverage: Vec<Coverage>,
    /// Whether segmentation helped.
    pub verdict: Verdict,
}

/// The rival that is the pooled model alone.
pub const GLOBAL: &str = "one global model";
/// The rival that has the same segments, shuffled among groups.
pub const PERMUTED: &str = "permuted segments";

/// Whether segmentation helped on held-out rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Better than one global model beyond error, and not matched by permuted segments.
    Helps,
    /// Better than one global model beyond error, but shuffled segments do as well.
    NotTheSegments,
    /// No difference that these rows could show.
    WithinError,
    /// Worse than one global model beyond error.
    Hurts,
    /// No segment earned a model of its own, so one global model serves everybody.
    Unused,
}

impl ValueReport {
    pub(crate) fn of(
        measure: Measure,
        rivals: Vec<Rival>,
        segments: Vec<SegmentValue>,
        coverage: Vec<Coverage>,
        is_used: bool,
    ) -> Option<Self> {
        let global = rivals.iter().find(|rival| rival.name == GLOBAL)?.paired;
        let beaten =
            rivals.iter().find(|rival| rival.name == PERMUTED).is_none_or(|p| p.paired.difference < 0.0);
        let verdict = if !is_used {
            Verdict::Unused
        } else if global.is_worse() {
            Verdict::Hurts
        } else if !global.is_better() {
            Verdict::WithinError
        } else if beaten {
            Verdict::Helps
        } else {
            Verdict::NotTheSegments
        };
        Some(Self { measure, rivals, segments, coverage, verdict })
    }

    /// A rival by name.
    #[must_use]
    pub fn rival(&self, name: &str) -> Option<&Paired> {
        self.rivals.iter().find(|rival| rival.name == name).map(|rival| &rival.paired)
    }

    /// One plain sentence: whether segmentation helped here.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Some(global) = self.rival(GLOBAL) else { return "Nothing was held out.".into() };
        let figures = format!(
            "{} {:.4} with segments, {:.4} with one global model, on {} held-out rows of {} groups{}",
            self.measure.name(),
            global.first,
            global.second,
            global.rows,
            global.groups,
            global.interval.map_or(String::new(), |[lower, upper]| format!(
                "; difference {:+.4}, 95 % interval {lower:+.4} to {upper:+.4}",
                global.difference
            ))
        );
        match self.verdict {
            Verdict::Helps => format!("Segmentation helped: {figures}."),
            Verdict::NotTheSegments => {
                format!("Models of parts helped, but shuffled segments did as well: {figures}.")
            }
            Verdict::WithinError => format!("Segmentation made no difference beyond error: {figures}."),
            Verdict::Hurts => format!("Segmentation hurt, set models.selection = \"pooled\": {figures}."),
            Verdict::Unused => {
                format!("No segment earned a model of its own, one global model serves everybody: {figures}.")
            }
        }
    }
}

/// The labels shuffled among groups within each part of the rows (fit, held out), so that no size changes and the
/// rows of one group stay together.
///
/// Each group takes the labels of the group that a hash of its id draws for it, stretched over its own rows; without
/// groups each row is its own. Rows in no part keep their labels. O(rows log rows).
#[must_use]
pub fn permuted_labels(labels: &[Label], groups: Option<&[GroupId]>, parts: &[&[usize]]) -> Vec<Label> {
    let mut permuted = labels.to_vec();
    for part in parts {
        let mut rows_of: BTreeMap<GroupId, Vec<usize>> = BTreeMap::new();
        for &row in *part {
            let group = groups.map_or(GroupId(row as u64), |groups| groups[row]);
            rows_of.entry(group).or_default().push(row);
        }
        let mut drawn: Vec<&GroupId> = rows_of.keys().collect();
        drawn.sort_by_key(|group| (group.seeded(SEED), **group));
        for (takes, gives) in rows_of.keys().zip(drawn) {
            let (mine, theirs) = (&rows_of[takes], &rows_of[gives]);
            for (i, &row) in mine.iter().enumerate() {
                permuted[row] = labels[theirs[i * theirs.len() / mine.len()]];
            }
        }
    }
    permuted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(n: u64) -> Vec<GroupId> {
        (0..n).map(GroupId).collect()
    }

    // Differences of two independent columns of unit noise have a known standard error: for the mean absolute
    // loss it is sd(|a| - |b|) / sqrt(n), so the interval is about +-1.96 of it.
    #[test]
    fn the_interval_has_the_width_that_theory_gives() {
        let mut state = 7;
        let mut noise = || below(&mut state, 2001) as f64 / 1000.0 - 1.0;
        let n = 4_000;
        let (a, b): (Vec<f64>, Vec<f64>) = (0..n).map(|_| (noise(), noise())).unzip();
        let truth = vec![0.0; n];
        let paired = Paired::of(Measure::Mae, &truth, &a, &b, &groups(n as u64)).unwrap();
        // |U(-1, 1)| has variance 1/12; the difference of two 1/6.
        let half = 1.96 * (1.0_f64 / 6.0 / n as f64).sqrt();
        let [lower, upper] = paired.interval.unwrap();
        assert!((upper - lower - 2.0 * half).abs() < 0.2 * half, "{lower} {upper} {half}");
        assert!(!paired.is_better() && !paired.is_worse());
    }

    #[test]
    fn rows_of_one_group_are_drawn_together() {
        let truth = [0.0; 40];
        let first: Vec<f64> = (0..40).map(|i| if i < 20 { 1.0 } else { 0.0 }).collect();
        let alone = Paired::of(Measure::Mae, &truth, &first, &[0.5; 40], &groups(40)).unwrap();
        let halves: Vec<GroupId> = (0..40).map(|i| GroupId(i / 20)).collect();
        let together = Paired::of(Measure::Mae, &truth, &first, &[0.5; 40], &halves).unwrap();
        assert_eq!(together.interval, Some([-0.5, 0.5]));
        assert!(alone.interval.unwrap()[1] < 0.25);
        assert_eq!(
            Paired::of(Measure::Mae, &truth, &first, &[0.5; 40], &[GroupId(1); 40]).unwrap().interval,
            None
        );
    }

    #[test]
    fn a_row_without_a_value_is_left_out_of_both() {
        let nan = f64::NAN;
        let paired = Paired::of(
            Measure::Rmse,
            &[1.0, 2.0, nan, 4.0],
            &[1.0, nan, 3.0, 2.0],
            &[2.0, 2.0, 3.0, 4.0],
            &groups(4),
        );
        let paired = paired.unwrap();
        assert_eq!((paired.rows, paired.first, paired.second), (2, 2.0_f64.sqrt(), 0.5_f64.sqrt()));
        assert_eq!(Paired::of(Measure::Rmse, &[nan], &[1.0], &[1.0], &groups(1)), None);
    }

    #[test]
    fn shuffled_labels_keep_sizes_and_groups_together() {
        let ids: Vec<i32> = (0..60).map(|row| row / 6 % 3).collect();
        let groups: Vec<GroupId> = (0..60).map(|row| GroupId::of(&format!("p{}", row / 2))).collect();
        let labels = Label::from_ids(&ids);
        let (fit, held): (Vec<usize>, Vec<usize>) = (0..60).partition(|row| row % 12 < 6);
        let permuted = permuted_labels(&labels, Some(&groups), &[&fit, &held]);
        assert_ne!(permuted, labels);
        for part in [&fit, &held] {
            let sorted = |of: &[Label]| {
                let mut ids: Vec<i32> = part.iter().map(|&row| of[row].id()).collect();
                ids.sort_unstable();
                ids
            };
            assert_eq!(sorted(&permuted), sorted(&labels));
        }
        assert!((0..60).step_by(2).all(|row| permuted[row] == permuted[row + 1]));
    }

    fn report(global: [f64; 2], permuted: f64, weight: f64) -> ValueReport {
        let paired = |difference, interval| Paired {
            rows: 10,
            groups: 5,
            first: 1.0,
            second: 1.0 - difference,
            difference,
            interval: Some(interval),
        };
        let middle = f64::midpoint(global[0], global[1]);
        let rivals = vec![
            Rival { name: GLOBAL.into(), paired: paired(middle, global) },
            Rival { name: PERMUTED.into(), paired: paired(permuted, [permuted, permuted]) },
        ];
        let segments = vec![SegmentValue { cluster: None, weight, paired: paired(middle, global) }];
        ValueReport::of(Measure::Rmse, rivals, segments, Vec::new(), weight > 0.0).unwrap()
    }

    #[test]
    fn the_verdict_needs_a_gain_beyond_error_and_beyond_chance_segments() {
        assert_eq!(report([-0.3, -0.1], -0.2, 0.5).verdict, Verdict::Helps);
        assert_eq!(report([-0.3, -0.1], 0.1, 0.5).verdict, Verdict::NotTheSegments);
        assert_eq!(report([-0.3, 0.1], -0.2, 0.5).verdict, Verdict::WithinError);
        assert_eq!(report([0.1, 0.2], -0.2, 0.5).verdict, Verdict::Hurts);
        assert_eq!(report([-0.3, -0.1], -0.2, 0.0).verdict, Verdict::Unused);
        assert_eq!(
            report([-0.3, 0.1], -0.2, 0.5).sentence(),
            "Segmentation made no difference beyond error: RMSE 1.0000 with segments, 1.1000 with one global model, \
             on 10 held-out rows of 5 groups; difference -0.1000, 95 % interval -0.3000 to +0.1000."
        );
    }
}
