//! Features of one series on its grid, as known when a period has ended.

use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::grid::{Grid, bin_into, carry};
use crate::rows::Row;
use crate::smooth::Smoothed;
use crate::trend::slope;

/// One number about the values of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowStat {
    /// Mean.
    Mean,
    /// Standard deviation, n - 1.
    Std,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
}

impl WindowStat {
    fn name(self) -> &'static str {
        match self {
            WindowStat::Mean => "mean",
            WindowStat::Std => "std",
            WindowStat::Min => "min",
            WindowStat::Max => "max",
        }
    }

    /// Over the values that are there; NaN if they are too few.
    fn of(self, values: &[f64]) -> f64 {
        let known = || values.iter().copied().filter(|value| !value.is_nan());
        let (n, sum) = known().fold((0.0, 0.0), |(n, sum), value| (n + 1.0, sum + value));
        match self {
            WindowStat::Mean => sum / n,
            WindowStat::Std => {
                let squares: f64 = known().map(|value| (value - sum / n) * (value - sum / n)).sum();
                if n < 2.0 { f64::NAN } else { (squares / (n - 1.0)).sqrt() }
            }
            // `f64::min` passes NaN over.
            WindowStat::Min => values.iter().copied().fold(f64::NAN, f64::min),
            WindowStat::Max => values.iter().copied().fold(f64::NAN, f64::max),
        }
    }
}

/// A number over the last `window` periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rolling {
    /// Periods, at least 1.
    pub window: usize,
    /// Which number.
    pub stat: WindowStat,
}

impl Rolling {
    /// The number before each end `0..=values.len()`; NaN before there are so many periods. O(values x window).
    fn of_all(self, values: &[f64]) -> Vec<f64> {
        let Rolling { window, stat } = self;
        let mut out = vec![f64::NAN; values.len() + 1];
        let Some(whole) = out.get_mut(window..) else { return out };
        // Without a branch, so that it is done in the vector registers.
        if values.iter().fold(false, |any, value| any | value.is_nan()) {
            for (cell, values) in whole.iter_mut().zip(values.windows(window)) {
                *cell = stat.of(values);
            }
            return out;
        }
        let n = window as f64;
        match stat {
            WindowStat::Mean => {
                over_windows(values, window, 0.0, whole, |sum, value| sum + value);
                whole.iter_mut().for_each(|sum| *sum /= n);
            }
            WindowStat::Std if window < 2 => (),
            WindowStat::Std => {
                let means = Rolling { window, stat: WindowStat::Mean }.of_all(values);
                let mut squares = vec![0.0; whole.len()];
                for at in 0..window {
                    for ((sum, value), mean) in squares.iter_mut().zip(&values[at..]).zip(&means[window..]) {
                        *sum += (value - mean) * (value - mean);
                    }
                }
                for (cell, sum) in whole.iter_mut().zip(squares) {
                    *cell = (sum / (n - 1.0)).sqrt();
                }
            }
            WindowStat::Min => {
                over_windows(values, window, f64::INFINITY, whole, |a, b| if b < a { b } else { a })
            }
            WindowStat::Max => {
                over_windows(values, window, -f64::INFINITY, whole, |a, b| if b > a { b } else { a })
            }
        }
        out
    }
}

/// One feature of a series at a panel row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PanelStat {
    Lag(usize),
    Rolling(Rolling),
    Ewm(f64),
    Difference(usize),
    Expanding(WindowStat),
    Trend(usize),
    /// The same period so many seasons before the latest known.
    Season(usize),
    SeasonMean,
    SeasonIndex,
    /// Exponential smoothing with the season put back, for the period that is forecast.
    Smoothed,
    Scale,
}

impl PanelStat {
    pub(crate) fn name(self) -> String {
        match self {
            PanelStat::Lag(k) => format!("lag{k}"),
            PanelStat::Rolling(Rolling { window, stat }) => format!("roll{window}_{}", stat.name()),
            PanelStat::Ewm(alpha) => format!("ewm{alpha}"),
            PanelStat::Difference(k) => format!("diff{k}"),
            PanelStat::Expanding(stat) => format!("expanding_{}", stat.name()),
            PanelStat::Trend(window) => format!("trend{window}"),
            PanelStat::Season(back) => format!("season{back}"),
            PanelStat::SeasonMean => "season_mean".into(),
            PanelStat::SeasonIndex => "season_index".into(),
            PanelStat::Smoothed => "smoothed".into(),
            PanelStat::Scale => "scale".into(),
        }
    }

    /// Whether it is in the variable's unit, and so divided by its scale.
    pub(crate) fn is_scaled(self) -> bool {
        !matches!(self, PanelStat::SeasonIndex | PanelStat::Scale)
    }
}

/// A series on its grid: one value per period from the patient's first.
#[derive(Debug)]
pub(crate) struct PanelSeries {
    /// Number of the first period.
    pub(crate) first: i64,
    /// As measured, NaN where a period has no value.
    pub(crate) observed: Vec<f64>,
    /// With values carried forward.
    pub(crate) filled: Vec<f64>,
}

impl PanelSeries {
    /// The periods `first..first + n_periods`.
    pub(crate) fn new(
        grid: Grid,
        aggregate: Aggregate,
        fill_limit: usize,
        series: (&[i64], &[f64]),
        (first, n_periods): (i64, usize),
    ) -> Self {
        let mut observed = vec![f64::NAN; n_periods];
        bin_into(grid, aggregate, series, first, &mut observed);
        let mut filled = observed.clone();
        carry(&mut filled, fill_limit);
        Self { first, observed, filled }
    }

    /// The last `window` periods before `end`; `None` if there are not so many.
    fn last(&self, end: usize, window: usize) -> Option<&[f64]> {
        Some(&self.filled[end.checked_sub(window)?..end])
    }

    /// Value `back` periods before `end`, 1 is the last; NaN if it is not there.
    pub(crate) fn lag(&self, end: usize, back: usize) -> f64 {
        end.checked_sub(back).map_or(f64::NAN, |at| self.filled[at])
    }

    /// Mean of the last `window` periods, as many as there are.
    pub(crate) fn recent_mean(&self, end: usize, window: usize) -> f64 {
        WindowStat::Mean.of(&self.filled[end.saturating_sub(window)..end])
    }

    /// The same period as that `step` ahead of `end`, `back` seasons before the latest known one (1).
    pub(crate) fn season(&self, end: usize, step: usize, season: usize, back: usize) -> f64 {
        let target = end + step - 1;
        let back = season.saturating_mul(step.div_ceil(season) + back - 1);
        target.checked_sub(back).map_or(f64::NAN, |at| self.filled[at])
    }

    /// Every known value of the period `step` ahead of `end`, the latest first, with its place.
    fn seasons(&self, end: usize, step: usize, season: usize) -> impl Iterator<Item = (usize, f64)> {
        let latest = (end + step - 1).checked_sub(season.saturating_mul(step.div_ceil(season)));
        let places = std::iter::successors(latest, move |at| at.checked_sub(season));
        places.map(|at| (at, self.filled[at])).filter(|(_, value)| !value.is_nan())
    }

    /// Writes a feature of each row to every `width`-th cell of `out`.
    pub(crate) fn column(
        &self,
        stat: PanelStat,
        season: usize,
        rows: &[Row],
        (out, width): (&mut [f64], usize),
    ) {
        let cells = rows.iter().zip(out.iter_mut().step_by(width));
        let ends = cells.map(|(row, cell)| (row.end(self.first), row.step, cell));
        match stat {
            PanelStat::Lag(k) => ends.for_each(|(end, _, cell)| *cell = self.lag(end, k)),
            PanelStat::Rolling(rolling) => {
                let rolled = rolling.of_all(&self.filled);
                ends.for_each(|(end, _, cell)| *cell = rolled[end]);
            }
            PanelStat::Ewm(alpha) => {
                let mean = |mean: f64, value| {
                    if mean.is_nan() { value } else { alpha * value + (1.0 - alpha) * mean }
                };
                self.running(f64::NAN, mean, |mean| *mean, ends);
            }
            PanelStat::Difference(k) => ends.for_each(|(end, _, cell)| {
                *cell = self.lag(end, 1) - self.lag(end, k.saturating_add(1));
            }),
            PanelStat::Expanding(stat) => {
                self.running(Moments::default(), Moments::with, |moments| moments.get(stat), ends);
            }
            PanelStat::Trend(window) => ends.for_each(|(end, _, cell)| {
                *cell = self.last(end, window).map_or(f64::NAN, slope);
            }),
            PanelStat::Season(back) => ends.for_each(|(end, step, cell)| {
                *cell = self.season(end, step, season, back);
            }),
            PanelStat::SeasonMean => ends.for_each(|(end, step, cell)| {
                *cell = mean_of(self.seasons(end, step, season).map(|(_, value)| value));
            }),
            PanelStat::SeasonIndex => ends.for_each(|(end, step, cell)| {
                let ratio = |(at, value)| {
                    let level = WindowStat::Mean.of(self.last(at + 1, season)?);
                    (level > 0.0).then_some(value / level)
                };
                *cell = mean_of(self.seasons(end, step, season).filter_map(ratio));
            }),
            PanelStat::Smoothed => {
                // Rows of one period differ in their step alone.
                let mut known: Option<(usize, Smoothed)> = None;
                for (end, step, cell) in ends {
                    if known.as_ref().is_none_or(|(at, _)| *at != end) {
                        known = Some((end, Smoothed::of(&self.filled[..end], self.first, season)));
                    }
                    let period = self.first + (end + step) as i64 - 1;
                    *cell = known.as_ref().map_or(f64::NAN, |(_, smoothed)| smoothed.at(period));
                }
            }
            // Needs the floor: written by the caller.
            PanelStat::Scale => (),
        }
    }

    /// A number that each known value changes; rows rise in time.
    fn running<'c, S>(
        &self,
        start: S,
        with: impl Fn(S, f64) -> S,
        get: impl Fn(&S) -> f64,
        ends: impl Iterator<Item = (usize, usize, &'c mut f64)>,
    ) {
        let (mut state, mut seen) = (start, 0);
        for (end, _, cell) in ends {
            for &value in self.filled[seen..end].iter().filter(|value| !value.is_nan()) {
                state = with(state, value);
            }
            seen = end;
            *cell = get(&state);
        }
    }
}

/// Folds every window of `values`. All windows take a step side by side, so that they fill the vector registers.
fn over_windows(values: &[f64], window: usize, start: f64, out: &mut [f64], with: impl Fn(f64, f64) -> f64) {
    out.fill(start);
    for at in 0..window {
        for (cell, &value) in out.iter_mut().zip(&values[at..]) {
            *cell = with(*cell, value);
        }
    }
}

fn mean_of(values: impl Iterator<Item = f64>) -> f64 {
    let (n, sum) = values.fold((0.0, 0.0), |(n, sum), value| (n + 1.0, sum + value));
    sum / n
}

/// Count, mean, centred squares, smallest and largest of the values so far (Welford 1962).
#[derive(Clone, Copy, Debug)]
struct Moments {
    n: f64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { n: 0.0, mean: 0.0, squares: 0.0, min: f64::NAN, max: f64::NAN }
    }
}

impl Moments {
    fn with(self, value: f64) -> Self {
        let n = self.n + 1.0;
        let off = value - self.mean;
        let mean = self.mean + off / n;
        Self {
            n,
            mean,
            squares: self.squares + off * (value - mean),
            min: self.min.min(value),
            max: self.max.max(value),
        }
    }

    fn get(&self, stat: WindowStat) -> f64 {
        match stat {
            WindowStat::Mean if self.n >= 1.0 => self.mean,
            WindowStat::Std if self.n >= 2.0 => (self.squares / (self.n - 1.0)).sqrt(),
            WindowStat::Min => self.min,
            WindowStat::Max => self.max,
            _ => f64::NAN,
        }
    }
}
