//! Features of one series before a row time.

use serde::{Deserialize, Serialize};
use tsc_core::Unit;

pub(crate) const MS_PER_HOUR: f64 = 3_600_000.0;

/// One number about a series, over the raw values before the row time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stat {
    Mean,
    Std,
    Min,
    Max,
    First,
    Last,
    Slope,
    Count,
    HoursSinceLast,
    LogCount,
}

impl Stat {
    pub(crate) const BASE: [Stat; 8] =
        [Stat::Mean, Stat::Std, Stat::Min, Stat::Max, Stat::First, Stat::Last, Stat::Slope, Stat::Count];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Stat::Mean => "mean",
            Stat::Std => "std",
            Stat::Min => "min",
            Stat::Max => "max",
            Stat::First => "first",
            Stat::Last => "last",
            Stat::Slope => "slope",
            Stat::Count => "count",
            Stat::HoursSinceLast => "hours_since_last",
            Stat::LogCount => "log_count",
        }
    }

    pub(crate) fn unit(self, variable: Option<&Unit>) -> Option<Unit> {
        match self {
            Stat::Slope => variable.map(|unit| Unit::Other(format!("{unit}/h"))),
            Stat::Count => Some(Unit::Count),
            Stat::HoursSinceLast => Some(Unit::Hours),
            Stat::LogCount => None,
            _ => variable.cloned(),
        }
    }
}

/// The values of one series with `from` <= time < `at`.
pub(crate) fn between<'a>(
    (times, values): (&'a [i64], &'a [f64]),
    from: i64,
    at: i64,
) -> (&'a [i64], &'a [f64]) {
    let end = times.partition_point(|&time| time < at);
    let start = times[..end].partition_point(|&time| time < from);
    (&times[start..end], &values[start..end])
}

/// Everything about one series, NaN where it has too few values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    count: usize,
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
    first: f64,
    last: f64,
    slope: f64,
    hours_since_last: f64,
}

impl Summary {
    /// `series` must already end before `at`.
    pub(crate) fn of((times, values): (&[i64], &[f64]), at: i64) -> Self {
        let n = values.len();
        let nan = f64::NAN;
        let mut summary = Self {
            count: n,
            mean: nan,
            std: nan,
            min: nan,
            max: nan,
            first: nan,
            last: nan,
            slope: nan,
            hours_since_last: nan,
        };
        let (Some(&first), Some(&last), Some(&last_time)) = (values.first(), values.last(), times.last())
        else {
            return summary;
        };
        let origin = times[0] as f64;
        let hours = |time: i64| (time as f64 - origin) / MS_PER_HOUR;
        let (mut sum, mut hours_sum, mut min, mut max) = (0.0, 0.0, first, first);
        for (&time, &value) in times.iter().zip(values) {
            sum += value;
            hours_sum += hours(time);
            min = min.min(value);
            max = max.max(value);
        }
        let mean = sum / n as f64;
        summary.mean = mean;
        summary.first = first;
        summary.last = last;
        summary.hours_since_last = (at as f64 - last_time as f64) / MS_PER_HOUR;
        summary.min = min;
        summary.max = max;
        if n < 2 {
            return summary;
        }
        // Two passes: sums of squares around zero lose digits on values far from zero.
        let mean_hours = hours_sum / n as f64;
        let (mut square, mut cross, mut time_square) = (0.0, 0.0, 0.0);
        for (&time, &value) in times.iter().zip(values) {
            let (t, y) = (hours(time) - mean_hours, value - mean);
            square += y * y;
            cross += t * y;
            time_square += t * t;
        }
        summary.std = (square / (n - 1) as f64).sqrt();
        if time_square > 0.0 {
            summary.slope = cross / time_square;
        }
        summary
    }

    /// NaN where missing; never infinite.
    pub(crate) fn get(&self, stat: Stat) -> f64 {
        let value = match stat {
            Stat::Mean => self.mean,
            Stat::Std => self.std,
            Stat::Min => self.min,
            Stat::Max => self.max,
            Stat::First => self.first,
            Stat::Last => self.last,
            Stat::Slope => self.slope,
            Stat::Count => self.count as f64,
            Stat::HoursSinceLast => self.hours_since_last,
            Stat::LogCount => (self.count as f64).ln_1p(),
        };
        // Sums of values near the largest double overflow; that is as good as not measured.
        if value.is_finite() { value } else { f64::NAN }
    }

    /// What is known of a variable whose absence means zero.
    pub(crate) fn known_zero(self) -> Self {
        if self.count > 0 {
            return self;
        }
        Self { mean: 0.0, std: 0.0, min: 0.0, max: 0.0, first: 0.0, last: 0.0, slope: 0.0, ..self }
    }
}

/// A summary that takes one value after another (Welford 1962, also for the slope).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Running {
    count: usize,
    mean: f64,
    square: f64,
    mean_hours: f64,
    time_square: f64,
    cross: f64,
    min: f64,
    max: f64,
    first: f64,
    last: f64,
    first_time: i64,
    last_time: i64,
}

impl Running {
    pub(crate) fn first(time: i64, value: f64) -> Self {
        Self {
            count: 1,
            mean: value,
            square: 0.0,
            mean_hours: 0.0,
            time_square: 0.0,
            cross: 0.0,
            min: value,
            max: value,
            first: value,
            last: value,
            first_time: time,
            last_time: time,
        }
    }

    /// With a value after all others.
    pub(crate) fn with(self, time: i64, value: f64) -> Self {
        let count = self.count + 1;
        let hours = (time as f64 - self.first_time as f64) / MS_PER_HOUR;
        let (time_off, off) = (hours - self.mean_hours, value - self.mean);
        let mean = self.mean + off / count as f64;
        let mean_hours = self.mean_hours + time_off / count as f64;
        Self {
            count,
            mean,
            square: self.square + off * (value - mean),
            mean_hours,
            time_square: self.time_square + time_off * (hours - mean_hours),
            cross: self.cross + time_off * (value - mean),
            min: self.min.min(value),
            max: self.max.max(value),
            last: value,
            last_time: time,
            ..self
        }
    }

    /// Time of the last value.
    pub(crate) fn newest(&self) -> i64 {
        self.last_time
    }

    /// The summary of the values so far, if there is one, at a row time.
    pub(crate) fn summary(running: Option<&Self>, at: i64) -> Summary {
        let Some(own) = running else { return Summary::of((&[], &[]), at) };
        let several = |value: f64| if own.count < 2 { f64::NAN } else { value };
        Summary {
            count: own.count,
            mean: own.mean,
            std: several((own.square / (own.count as f64 - 1.0)).sqrt()),
            min: own.min,
            max: own.max,
            first: own.first,
            last: own.last,
            // Times rise, so they differ.
            slope: several(own.cross / own.time_square),
            hours_since_last: (at as f64 - own.last_time as f64) / MS_PER_HOUR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[track_caller]
    fn check(times: &[i64], values: &[f64], stat: Stat, expected: f64) {
        let got = Summary::of((times, values), 10 * HOUR).get(stat);
        let close = (got - expected).abs() <= 1e-12 * expected.abs() || (got.is_nan() && expected.is_nan());
        assert!(close, "{}: {got}, expected {expected}", stat.name());
    }

    // S-19. NumPy 2.4.6: y = [82, 90, 85, 97, 91], t = [0, .5, 2, 2.25, 7]; y.mean(), y.std(ddof=1),
    // np.polyfit(t, y, 1)[0].
    #[test]
    fn statistics_equal_numpy() {
        let times = [0, HOUR / 2, 2 * HOUR, 2 * HOUR + HOUR / 4, 7 * HOUR];
        let values = [82.0, 90.0, 85.0, 97.0, 91.0];
        check(&times, &values, Stat::Mean, 89.0);
        check(&times, &values, Stat::Std, 5.787_918_451_395_113);
        check(&times, &values, Stat::Slope, 0.798_045_602_605_863_1);
        check(&times, &values, Stat::Min, 82.0);
        check(&times, &values, Stat::Max, 97.0);
        check(&times, &values, Stat::First, 82.0);
        check(&times, &values, Stat::Last, 91.0);
        check(&times, &values, Stat::Count, 5.0);
        check(&times, &values, Stat::HoursSinceLast, 3.0);
    }

    #[test]
    fn too_few_values_are_missing_and_a_count_never_is() {
        for stat in [Stat::Mean, Stat::Min, Stat::Last, Stat::HoursSinceLast, Stat::Std, Stat::Slope] {
            check(&[], &[], stat, f64::NAN);
        }
        check(&[], &[], Stat::Count, 0.0);
        check(&[], &[], Stat::LogCount, 0.0);
        check(&[HOUR], &[5.0], Stat::Mean, 5.0);
        check(&[HOUR], &[5.0], Stat::Std, f64::NAN);
        check(&[HOUR], &[5.0], Stat::Slope, f64::NAN);
    }

    #[test]
    fn an_overflow_is_missing_instead_of_infinite() {
        check(&[0, HOUR], &[f64::MAX, f64::MAX], Stat::Mean, f64::NAN);
        check(&[0, HOUR], &[f64::MAX, f64::MAX], Stat::Max, f64::MAX);
    }

    // S-12: a device recorded only while on.
    #[test]
    fn absence_that_means_zero_is_zero_and_not_imputed() {
        let none = Summary::of((&[], &[]), HOUR).known_zero();
        assert_eq!((none.get(Stat::Mean), none.get(Stat::Last), none.get(Stat::Count)), (0.0, 0.0, 0.0));
        assert!(none.get(Stat::HoursSinceLast).is_nan());
    }

    // S-14: half-open, so a value at the row time is not seen.
    #[test]
    fn a_value_at_the_row_time_is_not_before_it() {
        let series = (&[0, HOUR, 2 * HOUR][..], &[1.0, 2.0, 3.0][..]);
        assert_eq!(between(series, 0, 2 * HOUR).1, [1.0, 2.0]);
        assert_eq!(between(series, HOUR, 2 * HOUR + 1).1, [2.0, 3.0]);
    }
}
