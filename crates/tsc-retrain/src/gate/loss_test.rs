//! Is one loss smaller than the other? Paired differences, summed by group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::GroupId;
use tsc_core::stats::{student_t_quantile, student_t_sf};

/// Bounds of a 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
}

/// How a loss test was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LossTestMethod {
    /// Diebold-Mariano with the small-sample correction.
    DieboldMariano,
    /// Circular moving-block bootstrap, for few groups.
    Bootstrap,
}

/// Test of the mean paired loss difference against 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LossTest {
    /// How it was made.
    pub method: LossTestMethod,
    /// Independent units: groups, or rows where no group is known.
    pub n_units: u64,
    /// Champion's loss minus challenger's, per row: positive if the challenger is better.
    pub difference: f64,
    /// Interval of the difference; `None` with fewer than two units.
    pub interval: Option<Interval>,
    /// One-sided p of "the challenger's loss is smaller". 1 with fewer than two units.
    pub p_better: f64,
    /// One-sided p of "the challenger's loss is larger". 1 with fewer than two units.
    pub p_worse: f64,
}

/// Result of [`diebold_mariano`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct DieboldMariano {
    /// Mean over its standard error.
    pub statistic: f64,
    /// The statistic with the small-sample correction.
    pub corrected: f64,
    /// One-sided p of a positive mean, from Student's t with n - 1 degrees of freedom.
    pub p_greater: f64,
    /// One-sided p of a negative mean.
    pub p_less: f64,
    /// Half width of the 95 % interval of the mean.
    pub half_width: f64,
}

/// Diebold-Mariano test that the mean of loss differences is positive, with the correction of Harvey,
/// Leybourne and Newbold. Differences up to `horizon - 1` apart may be correlated.
///
/// `None` if there are fewer than two differences or fewer than `horizon`, if the horizon is 0, or if the
/// estimated variance of the mean is not positive (it can be negative for `horizon > 1`).
///
/// # Examples
///
/// ```
/// // By hand: mean 2, variance (divisor n) 2/3, so 2 / sqrt(2/9) = 4.2426; correction sqrt(2/3).
/// let test = tsc_retrain::diebold_mariano(&[1.0, 2.0, 3.0], 1).unwrap();
/// assert!((test.statistic - 18.0_f64.sqrt()).abs() < 1e-12);
/// assert!((test.corrected - 12.0_f64.sqrt()).abs() < 1e-12);
/// ```
///
/// Source: Harvey, Leybourne, Newbold, Int. J. Forecast. 13 (1997), 281-291.
#[must_use]
pub fn diebold_mariano(differences: &[f64], horizon: usize) -> Option<DieboldMariano> {
    if horizon == 0 || differences.len() < horizon.max(2) {
        return None;
    }
    let n = differences.len() as f64;
    let h = horizon as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let covariance = |lag: usize| {
        differences[lag..].iter().zip(differences).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / n
    };
    let variance = (covariance(0) + 2.0 * (1..horizon).map(covariance).sum::<f64>()) / n;
    let correction = ((n + 1.0 - 2.0 * h + h * (h - 1.0) / n) / n).sqrt();
    // `!(a > b)` would also be true for NaN, but hides the intent.
    if variance.is_nan() || variance <= 0.0 || correction.is_nan() || correction <= 0.0 {
        return None;
    }
    let statistic = mean / variance.sqrt();
    let corrected = statistic * correction;
    Some(DieboldMariano {
        statistic,
        corrected,
        p_greater: student_t_sf(corrected, n - 1.0),
        p_less: student_t_sf(-corrected, n - 1.0),
        half_width: student_t_quantile(0.975, n - 1.0) * variance.sqrt() / correction,
    })
}

/// Tests loss differences (champion minus challenger, one per row), summed by group.
pub(super) fn loss_test(differences: &[f64], groups: Option<&[GroupId]>, bootstrap_below: u64) -> LossTest {
    let units = by_group(differences, groups);
    let n_rows = differences.len() as f64;
    let total: f64 = units.iter().sum();
    let mut test = LossTest {
        method: LossTestMethod::DieboldMariano,
        n_units: units.len() as u64,
        difference: if differences.is_empty() { 0.0 } else { total / n_rows },
        interval: None,
        p_better: 1.0,
        p_worse: 1.0,
    };
    if units.len() < 2 {
        return test;
    }
    // A mean over units becomes one over rows.
    let per_row = units.len() as f64 / n_rows;
    let around = |half: f64| Interval { lower: test.difference - half, upper: test.difference + half };
    if test.n_units < bootstrap_below {
        let bootstrap = block_bootstrap(&units);
        test.method = LossTestMethod::Bootstrap;
        (test.p_better, test.p_worse) = (bootstrap.p_greater, bootstrap.p_less);
        test.interval = Some(around(bootstrap.half_width * per_row));
    } else if let Some(dm) = diebold_mariano(&units, 1) {
        (test.p_better, test.p_worse) = (dm.p_greater, dm.p_less);
        test.interval = Some(around(dm.half_width * per_row));
    } else {
        // Every unit differs by the same amount: nothing is random about it.
        test.interval = Some(around(0.0));
        test.p_better = if total > 0.0 { 0.0 } else { 1.0 };
        test.p_worse = if total < 0.0 { 0.0 } else { 1.0 };
    }
    test
}

// In order of first appearance, so that neighbours in time stay neighbours.
fn by_group(differences: &[f64], groups: Option<&[GroupId]>) -> Vec<f64> {
    let Some(groups) = groups else { return differences.to_vec() };
    let mut position: BTreeMap<GroupId, usize> = BTreeMap::new();
    let mut sums = Vec::new();
    for (group, difference) in groups.iter().zip(differences) {
        let at = *position.entry(*group).or_insert_with(|| {
            sums.push(0.0);
            sums.len() - 1
        });
        sums[at] += difference;
    }
    sums
}

struct Bootstrap {
    p_greater: f64,
    p_less: f64,
    half_width: f64,
}

const RESAMPLES: usize = 2_000;
const SEED: u64 = 0x7473_635f_6761_7465; // "tsc_gate": the verdict must not change between runs

// Circular moving blocks (Politis, Romano 1992) of n^(1/3) units: every unit is drawn equally often, so
// the mean of the centred units is exactly 0 under the hypothesis.
fn block_bootstrap(units: &[f64]) -> Bootstrap {
    let n = units.len();
    let mean = units.iter().sum::<f64>() / n as f64;
    // Resampled means vary by (n - 1) / n too little.
    let inflate = (n as f64 / (n as f64 - 1.0)).sqrt();
    let block = ((n as f64).cbrt().ceil() as usize).clamp(1, n);
    let mut random = SEED;
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let mut sum = 0.0;
            let mut drawn = 0;
            while drawn < n {
                let first = (next_u64(&mut random) % n as u64) as usize;
                for step in 0..block.min(n - drawn) {
                    sum += units[(first + step) % n] - mean;
                }
                drawn += block;
            }
            inflate * sum / n as f64
        })
        .collect();
    let share = |extreme: usize| (extreme + 1) as f64 / (RESAMPLES + 1) as f64;
    let p_greater = share(means.iter().filter(|m| **m >= mean).count());
    let p_less = share(means.iter().filter(|m| **m <= mean).count());
    means.iter_mut().for_each(|m| *m = m.abs());
    means.sort_by(f64::total_cmp);
    Bootstrap { p_greater, p_less, half_width: means[RESAMPLES * 95 / 100] }
}

// splitmix64.
fn next_u64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_of_one_group_are_one_unit() {
        let groups = [1, 1, 2, 1].map(GroupId);
        assert_eq!(by_group(&[1.0, 2.0, 5.0, 4.0], Some(&groups)), [7.0, 5.0]);
        let test = loss_test(&[1.0, 2.0], Some(&[GroupId(1), GroupId(1)]), 30);
        assert_eq!((test.n_units, test.p_better, test.interval), (1, 1.0, None));
        assert_eq!(test.difference, 1.5);
    }

    // gen: scipy 1.14.1, ttest_1samp(d, 0, alternative="greater").pvalue and
    // ttest_1samp(d, 0).confidence_interval(0.95).low; with horizon 1 the corrected statistic is exactly Student's.
    #[test]
    fn with_horizon_one_it_is_students_t() {
        let d = [0.3, -0.1, 0.4, 0.2, 0.0, 0.5];
        let mean = d.iter().sum::<f64>() / 6.0;
        let variance = d.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 5.0;
        let t = mean / (variance / 6.0).sqrt();
        let test = diebold_mariano(&d, 1).unwrap();
        assert!((test.corrected - t).abs() < 1e-12);
        assert!((test.p_greater - T_P).abs() < 1e-10, "{}", test.p_greater);
        assert!((mean - test.half_width - T_LOW).abs() < 1e-10);
        assert!((test.p_less + test.p_greater - 1.0).abs() < 1e-12);
    }
    const T_P: f64 = 0.035_282_817_674_419_945;
    const T_LOW: f64 = -0.026_446_298_247_250_727;

    #[test]
    fn equal_models_are_neither_better_nor_worse() {
        for n in [10, 100] {
            let test = loss_test(&vec![0.0; n], None, 30);
            assert_eq!((test.p_better, test.p_worse, test.difference), (1.0, 1.0, 0.0));
        }
    }

    #[test]
    fn a_constant_gain_over_many_units_is_certain() {
        let test = loss_test(&[0.5; 40], None, 30);
        assert_eq!((test.p_better, test.p_worse), (0.0, 1.0));
        assert_eq!(test.interval, Some(Interval { lower: 0.5, upper: 0.5 }));
    }

    #[test]
    fn degenerate_inputs_give_no_test() {
        assert_eq!(diebold_mariano(&[1.0], 1), None);
        assert_eq!(diebold_mariano(&[1.0, 2.0], 0), None);
        assert_eq!(diebold_mariano(&[1.0, 2.0], 3), None);
        assert_eq!(diebold_mariano(&[1.0, 1.0], 1), None);
        assert_eq!(diebold_mariano(&[f64::NAN, 1.0], 1), None);
        assert_eq!(loss_test(&[], None, 30).p_better, 1.0);
    }

    // The size of the bootstrap at 20 independent units, 5 % asked for. Source of the truth: the
    // differences have mean 0 by construction.
    #[test]
    fn the_bootstrap_seldom_calls_equal_models_better() {
        let mut random = 1;
        let mut uniform = || (next_u64(&mut random) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
        let runs = 400;
        let mut hits = 0;
        for _ in 0..runs {
            let d: Vec<f64> = (0..20).map(|_| uniform() + uniform()).collect();
            hits += usize::from(loss_test(&d, None, 30).p_better < 0.05);
        }
        let share = hits as f64 / runs as f64;
        assert!((0.02..=0.10).contains(&share), "{share}");
    }

    #[test]
    fn the_bootstrap_and_student_agree_where_both_hold() {
        let mut random = 7;
        let mut uniform = || (next_u64(&mut random) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
        let d: Vec<f64> = (0..200).map(|_| uniform() + uniform() + 0.03).collect();
        let (bootstrap, student) = (loss_test(&d, None, 1000), loss_test(&d, None, 30));
        assert_eq!(bootstrap.method, LossTestMethod::Bootstrap);
        assert!((bootstrap.p_better - student.p_better).abs() < 0.03, "{bootstrap:?} {student:?}");
        let width = |t: LossTest| t.interval.unwrap().upper - t.interval.unwrap().lower;
        assert!((width(bootstrap) / width(student) - 1.0).abs() < 0.15);
    }
}
