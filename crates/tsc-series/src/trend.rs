//! Trend and season of one series on its grid.

use serde::{Deserialize, Serialize};

/// One number about the course of a gridded series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Trend {
    Slope,
    R2,
    Acf1,
    AcfSeason,
    SeasonalStrength,
}

impl Trend {
    /// Those that need no season, then those that do.
    pub(crate) const ALL: [Trend; 5] =
        [Trend::Slope, Trend::R2, Trend::Acf1, Trend::AcfSeason, Trend::SeasonalStrength];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Trend::Slope => "trend_slope",
            Trend::R2 => "trend_r2",
            Trend::Acf1 => "acf1",
            Trend::AcfSeason => "acf_season",
            Trend::SeasonalStrength => "seasonal_strength",
        }
    }

    pub(crate) fn needs_season(self) -> bool {
        matches!(self, Trend::AcfSeason | Trend::SeasonalStrength)
    }

    /// Of one value per bin, NaN where there is none; NaN where too few are known or nothing varies.
    pub(crate) fn of(self, values: &[f64], season: usize) -> f64 {
        match self {
            Trend::Slope => Line::through(values).slope(),
            Trend::R2 => {
                let line = Line::through(values);
                line.cross * line.cross / (line.time_square * line.square)
            }
            Trend::Acf1 => autocorrelation(values, 1),
            Trend::AcfSeason => autocorrelation(values, season),
            Trend::SeasonalStrength => seasonal_strength(values, season),
        }
    }
}

/// Centred sums of values over their places.
struct Line {
    n: f64,
    time_square: f64,
    cross: f64,
    square: f64,
}

impl Line {
    fn through(values: &[f64]) -> Self {
        Self::within(values, 1)
    }

    /// About the mean of each period of the season.
    fn within(values: &[f64], season: usize) -> Self {
        let mut line = Self { n: 0.0, time_square: 0.0, cross: 0.0, square: 0.0 };
        for period in 0..season {
            let known = || {
                let places = (period..values.len()).step_by(season);
                places.map(|place| (place as f64, values[place])).filter(|(_, value)| !value.is_nan())
            };
            let (n, time, sum) =
                known().fold((0.0, 0.0, 0.0), |(n, ts, ys), (t, y)| (n + 1.0, ts + t, ys + y));
            for (t, y) in known() {
                let (t, y) = (t - time / n, y - sum / n);
                line.time_square += t * t;
                line.cross += t * y;
                line.square += y * y;
            }
            line.n += n;
        }
        line
    }

    /// 0 / 0 is NaN: one value has no slope.
    fn slope(&self) -> f64 {
        self.cross / self.time_square
    }

    fn residual(&self) -> f64 {
        (self.square - self.cross * self.cross / self.time_square).max(0.0)
    }
}

/// Slope per place of the least squares line through the values that are there; NaN below two.
pub(crate) fn slope(values: &[f64]) -> f64 {
    Line::through(values).slope()
}

fn autocorrelation(values: &[f64], lag: usize) -> f64 {
    if values.len() <= lag {
        return f64::NAN;
    }
    let known = || values.iter().filter(|value| !value.is_nan());
    let mean = known().sum::<f64>() / known().count() as f64;
    let square: f64 = known().map(|value| (value - mean) * (value - mean)).sum();
    let pairs = values.iter().zip(&values[lag..]).filter(|(a, b)| !a.is_nan() && !b.is_nan());
    pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / square
}

/// Share of the residual variance about a line that the means of the periods explain, by degrees of freedom.
///
/// Without the degrees of freedom white noise has a season.
fn seasonal_strength(values: &[f64], season: usize) -> f64 {
    let line = Line::through(values);
    let free = line.n - season as f64 - 1.0;
    if free < 1.0 {
        return f64::NAN;
    }
    let without = line.residual() / (line.n - 2.0);
    let with = Line::within(values, season).residual() / free;
    if without == 0.0 { f64::NAN } else { (1.0 - with / without).max(0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONTHS: [f64; 40] = [
        48.4, 50.15, 54.43, 56.74, 57.8, 54.22, 50.69, 48.03, 49.57, 50.97, 49.22, 48.33, 51.68, 59.6, 58.94,
        56.04, 58.96, 55.27, 54.14, 52.22, 50.24, 52.41, 52.14, 53.22, 58.02, 61.66, 58.84, 62.59, 60.77,
        60.85, 56.42, 56.84, 55.19, 54.29, 53.77, 57.21, 58.62, 60.89, 66.18, 64.48,
    ];

    // S-19. NumPy 2.4.6: np.polyfit, np.corrcoef, sums for the ACF, np.linalg.lstsq on time and 12 period columns.
    #[test]
    fn trend_and_season_equal_numpy() {
        let expected = [
            0.244_451_219_512_195_1,
            0.378_402_367_987_226_7,
            0.730_146_187_755_994_3,
            0.373_168_335_861_691,
            0.786_912_392_324_284_9,
        ];
        for (stat, expected) in Trend::ALL.into_iter().zip(expected) {
            let got = stat.of(&MONTHS, 12);
            assert!((got - expected).abs() <= 1e-12 * expected, "{stat:?}: {got}, expected {expected}");
        }
    }

    #[test]
    fn a_line_has_no_season_and_too_few_values_have_nothing() {
        let line: Vec<f64> = (0..36).map(|t| 3.0 * f64::from(t)).collect();
        assert_eq!((Trend::Slope.of(&line, 12), Trend::R2.of(&line, 12)), (3.0, 1.0));
        for stat in Trend::ALL {
            assert!(stat.of(&[5.0], 12).is_nan() && stat.of(&[], 12).is_nan(), "{stat:?}");
        }
        assert!(Trend::SeasonalStrength.of(&MONTHS[..13], 12).is_nan());
        assert!(Trend::R2.of(&[2.0; 20], 12).is_nan());
    }

    #[test]
    fn a_gap_leaves_the_line_through_the_values_that_are_there() {
        assert_eq!(slope(&[1.0, f64::NAN, 5.0, 7.0]), 2.0);
    }
}
