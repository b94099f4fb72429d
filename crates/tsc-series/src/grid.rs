//! Bins of equal length or of the calendar, and one value per bin.

use serde::{Deserialize, Serialize};
use tsc_core::Millis;

use crate::aggregate::Aggregate;
use crate::calendar::{DAY_MS, days_since_1970, iso_week, monday_of, year_and_month};

/// Width of the bins into which a series is cut. Bin k covers its start, and not its end.
///
/// In configuration a duration such as `1h`, `week` or `month`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// Bins of this width, counted from time 0: admission, or 1970-01-01 00:00 UTC.
    Every(Millis),
    /// ISO weeks, from Monday.
    Week,
    /// Calendar months.
    Month,
}

impl std::fmt::Display for Grid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Grid::Every(width) => width.fmt(f),
            Grid::Week => f.write_str("week"),
            Grid::Month => f.write_str("month"),
        }
    }
}

impl Serialize for Grid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Grid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "week" => Ok(Grid::Week),
            "month" => Ok(Grid::Month),
            text => text.parse().map(Grid::Every).map_err(|error: String| {
                serde::de::Error::custom(format!("{error}; or \"week\" or \"month\""))
            }),
        }
    }
}

impl Grid {
    /// Whether its bins are those of the calendar, so that times must be too.
    pub(crate) fn is_calendar(self) -> bool {
        !matches!(self, Grid::Every(_))
    }

    /// The bin of a time.
    pub(crate) fn bin(self, time: i64) -> i64 {
        match self {
            // Checked settings fit i64.
            Grid::Every(width) => time.div_euclid(width.0 as i64),
            Grid::Week => iso_week(time.div_euclid(DAY_MS)),
            Grid::Month => {
                let (year, month) = year_and_month(time.div_euclid(DAY_MS));
                year * 12 + month - 1
            }
        }
    }

    /// The time at which a bin starts.
    pub(crate) fn start(self, bin: i64) -> i64 {
        match self {
            Grid::Every(width) => bin.saturating_mul(width.0 as i64),
            Grid::Week => monday_of(bin) * DAY_MS,
            Grid::Month => days_since_1970(bin.div_euclid(12), bin.rem_euclid(12) + 1, 1) * DAY_MS,
        }
    }

    /// What `bins` bins in a row last at most.
    pub(crate) fn longest(self, bins: usize) -> Millis {
        let bins = bins as u64;
        match self {
            Grid::Every(width) => Millis(width.0.saturating_mul(bins)),
            Grid::Week => Millis(bins.saturating_mul(7 * DAY_MS as u64)),
            Grid::Month => Millis(bins.saturating_mul(31 * DAY_MS as u64)),
        }
    }
}

impl Aggregate {
    /// One value of those of a bin, in the order of time; NaN if there is none.
    pub(crate) fn of(self, values: &[f64]) -> f64 {
        let (Some(&first), Some(&last)) = (values.first(), values.last()) else { return f64::NAN };
        let value = match self {
            Aggregate::Mean => values.iter().sum::<f64>() / values.len() as f64,
            Aggregate::Last => last,
            Aggregate::First => first,
            Aggregate::Min => values.iter().copied().fold(first, f64::min),
            Aggregate::Max => values.iter().copied().fold(first, f64::max),
            Aggregate::Sum => values.iter().sum(),
            Aggregate::Count => values.len() as f64,
            Aggregate::Any => f64::from(u8::from(values.iter().any(|&value| value != 0.0))),
        };
        // An overflow is missing.
        if value.is_finite() { value } else { f64::NAN }
    }
}

/// One value per bin of `first..first + out.len()`, NaN where a bin is empty; other values are passed over.
pub(crate) fn bin_into(
    grid: Grid,
    aggregate: Aggregate,
    (times, values): (&[i64], &[f64]),
    first: i64,
    out: &mut [f64],
) {
    out.fill(f64::NAN);
    let mut start = times.partition_point(|&time| time < grid.start(first));
    while let Some(&time) = times.get(start) {
        let bin = grid.bin(time);
        let Some(cell) = usize::try_from(bin - first).ok().and_then(|at| out.get_mut(at)) else { return };
        let end_time = grid.start(bin + 1);
        // Bins are short: looking one by one beats a search over the rest.
        let mut end = start + 1;
        while times.get(end).is_some_and(|&time| time < end_time) {
            end += 1;
        }
        *cell = aggregate.of(&values[start..end]);
        start = end;
    }
}

/// Carries each value forward over at most `limit` empty bins. Never backward.
pub(crate) fn carry(values: &mut [f64], limit: usize) {
    let mut last = f64::NAN;
    let mut age = 0;
    for value in values {
        age += 1;
        if !value.is_nan() {
            last = *value;
            age = 0;
        } else if age <= limit {
            *value = last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn binned(grid: Grid, aggregate: Aggregate, times: &[i64], values: &[f64], bins: usize) -> Vec<f64> {
        let mut out = vec![0.0; bins];
        bin_into(grid, aggregate, (times, values), grid.bin(times[0]), &mut out);
        out
    }

    // S-14.
    #[test]
    fn a_bin_ends_before_the_next_starts_and_a_value_at_48_hours_is_in_no_bin_of_48() {
        let hourly = Grid::Every(Millis(HOUR as u64));
        let times = [0, HOUR - 1, HOUR, 47 * HOUR, 48 * HOUR];
        let means = binned(hourly, Aggregate::Mean, &times, &[1.0, 3.0, 5.0, 7.0, 1000.0], 48);
        assert_eq!((means[0], means[1], means[47]), (2.0, 5.0, 7.0));
        assert!(means[2..47].iter().all(|mean| mean.is_nan()));
    }

    #[test]
    fn each_aggregate_is_what_its_name_says() {
        for (aggregate, expected) in [
            (Aggregate::Mean, 2.0),
            (Aggregate::Last, 3.0),
            (Aggregate::First, 2.0),
            (Aggregate::Min, 1.0),
            (Aggregate::Max, 3.0),
            (Aggregate::Sum, 6.0),
            (Aggregate::Count, 3.0),
            (Aggregate::Any, 1.0),
        ] {
            assert_eq!(aggregate.of(&[2.0, 1.0, 3.0]), expected, "{aggregate:?}");
            assert!(aggregate.of(&[]).is_nan());
        }
        assert_eq!(Aggregate::Any.of(&[0.0, 0.0]), 0.0);
        assert!(Aggregate::Sum.of(&[f64::MAX, f64::MAX]).is_nan());
    }

    // S-14, trap: hospitals whose weeks are dated Friday in one year and Sunday in another.
    #[test]
    fn friday_and_sunday_of_one_iso_week_share_a_bin() {
        let day = |year, month, day| days_since_1970(year, month, day) * DAY_MS;
        let (friday, sunday) = (day(2020, 7, 31), day(2020, 8, 2));
        assert_eq!(Grid::Week.bin(friday), Grid::Week.bin(sunday));
        assert_eq!(Grid::Week.start(Grid::Week.bin(sunday)), day(2020, 7, 27));
        let sums =
            binned(Grid::Week, Aggregate::Sum, &[friday, sunday, day(2020, 8, 7)], &[1.0, 2.0, 4.0], 2);
        assert_eq!(sums, [3.0, 4.0]);
        assert_eq!(Grid::Month.start(Grid::Month.bin(sunday)), day(2020, 8, 1));
        assert_eq!(Grid::Month.bin(sunday) - Grid::Month.bin(friday), 1);
    }

    #[test]
    fn a_value_is_carried_forward_up_to_the_limit_and_never_backward() {
        let nan = f64::NAN;
        let mut values = [nan, 1.0, nan, nan, nan, 2.0, nan];
        carry(&mut values, 2);
        assert!(values[0].is_nan() && values[4].is_nan());
        assert_eq!((&values[1..4], &values[5..]), (&[1.0; 3][..], &[2.0; 2][..]));
        let mut values = [1.0, nan];
        carry(&mut values, 0);
        assert!(values[1].is_nan());
    }

    #[test]
    fn a_grid_is_written_as_in_the_configuration() {
        for text in ["\"1h\"", "\"week\"", "\"month\""] {
            let grid: Grid = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&grid).unwrap(), text);
        }
        assert!(serde_json::from_str::<Grid>("\"year\"").is_err());
    }
}
