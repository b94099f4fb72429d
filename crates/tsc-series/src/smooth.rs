//! A plain forecast to learn from: exponential smoothing of what is left when the season is taken out.

/// How far the season of a series is believed: indices are drawn toward 1 by the rest.
const TRUST: f64 = 0.8;
/// No index is smaller, so that nothing is divided by almost nothing.
const LEAST_INDEX: f64 = 0.05;

/// Level and seasonal indices of a series' past.
///
/// Indices are medians of the ratios to a centred moving average over one season (classical multiplicative
/// decomposition), drawn toward 1; the level is simple exponential smoothing of the deseasonalised values, its weight
/// the one of .05, .1, .. .95 with the smallest squared one-step errors.
#[derive(Debug)]
pub(crate) struct Smoothed {
    level: f64,
    /// By period number modulo the season; empty before two whole seasons are known.
    indices: Vec<f64>,
}

impl Smoothed {
    /// Of the values from period `first` on, NaN where there is none. O(values x 19).
    pub(crate) fn of(values: &[f64], first: i64, season: usize) -> Self {
        let indices = if values.len() >= 2 * season { indices(values, first, season) } else { Vec::new() };
        let known = values.iter().enumerate().filter(|(_, value)| !value.is_nan());
        let level: Vec<f64> = known.map(|(at, value)| value / index(&indices, first + at as i64)).collect();
        let weights = (1..20).map(|step| f64::from(step) * 0.05);
        let best = weights.map(|weight| smooth(&level, weight)).min_by(|a, b| a.0.total_cmp(&b.0));
        Self { level: best.map_or(f64::NAN, |(_, level)| level), indices }
    }

    /// The forecast of a period; NaN if no value is known.
    pub(crate) fn at(&self, period: i64) -> f64 {
        self.level * index(&self.indices, period)
    }
}

fn index(indices: &[f64], period: i64) -> f64 {
    match indices.len() {
        0 => 1.0,
        season => indices[period.rem_euclid(season as i64) as usize],
    }
}

/// Sum of squared one-step errors, and the last level.
fn smooth(values: &[f64], weight: f64) -> (f64, f64) {
    let Some((&start, rest)) = values.split_first() else { return (0.0, f64::NAN) };
    rest.iter().fold((0.0, start), |(squares, level), value| {
        let error = value - level;
        (squares + error * error, level + weight * error)
    })
}

fn indices(values: &[f64], first: i64, season: usize) -> Vec<f64> {
    let half = season / 2;
    let mut ratios: Vec<Vec<f64>> = vec![Vec::new(); season];
    for at in half..values.len().saturating_sub(half) {
        // An even season has no middle: both ends count half.
        let window = &values[at - half..=at + half];
        let ends = if season.is_multiple_of(2) { (window[0] + window[2 * half]) / 2.0 } else { 0.0 };
        let inner = if season.is_multiple_of(2) { &window[1..2 * half] } else { window };
        let mean = (inner.iter().sum::<f64>() + ends) / season as f64;
        let ratio = values[at] / mean;
        if mean > 0.0 && ratio.is_finite() {
            ratios[(first + at as i64).rem_euclid(season as i64) as usize].push(ratio);
        }
    }
    let mut indices: Vec<f64> =
        ratios.iter_mut().map(|of| median(of).unwrap_or(1.0).max(LEAST_INDEX)).collect();
    let mean = indices.iter().sum::<f64>() / season as f64;
    indices.iter_mut().for_each(|index| *index = 1.0 + TRUST * (*index / mean - 1.0));
    indices
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], upper) } else { upper })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seasonal_series_is_forecast_by_its_season() {
        // Ratios to the moving average are the indices 1.5, .5, 1, 1 (mean 1) exactly.
        let pattern = [1.5, 0.5, 1.0, 1.0];
        let values: Vec<f64> = (0..24).map(|at| 10.0 * pattern[at % 4]).collect();
        let smoothed = Smoothed::of(&values, 8, 4);
        for (period, index) in (32..36).zip(pattern) {
            let believed = 1.0 + TRUST * (index - 1.0);
            assert!((smoothed.indices[period as usize % 4] - believed).abs() < 1e-12);
        }
        assert!(smoothed.at(32) > smoothed.at(34) && smoothed.at(34) > smoothed.at(33));
    }

    // Brown's recursion by hand: weight .5 on 4, 8, 6: level 6, then 6; errors 4, 0.
    #[test]
    fn smoothing_is_browns_recursion() {
        assert_eq!(smooth(&[4.0, 8.0, 6.0], 0.5), (16.0, 6.0));
    }

    #[test]
    fn a_short_or_empty_series_has_no_season() {
        assert_eq!(Smoothed::of(&[5.0, 5.0, 5.0], 0, 12).at(99), 5.0);
        assert!(Smoothed::of(&[f64::NAN], 0, 12).at(0).is_nan());
        assert!(Smoothed::of(&[], 0, 12).at(0).is_nan());
    }

    #[test]
    fn zeros_give_no_infinite_index() {
        let smoothed = Smoothed::of(&[0.0; 48], 0, 12);
        assert_eq!(smoothed.at(3), 0.0);
    }
}
