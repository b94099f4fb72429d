//! How unlike two series are, whatever their lengths.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::fourier::{Complex, transform};
use crate::table::{PatientIx, SeriesTable, VariableIx};

/// A distance between the values of two series, in their order; their times do not count.
///
/// # Examples
///
/// ```
/// use tsc_series::SeriesDistance;
/// // The same shape, later and larger.
/// let early = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
/// let late = [2.0, 2.0, 2.0, 2.0, 4.0, 2.0];
/// assert!(SeriesDistance::Sbd.between(&early, &late) < 0.2);
/// assert!(SeriesDistance::Sbd.between(&early, &early).abs() < 1e-12);
/// assert!(SeriesDistance::Sbd.between(&early, &[1.0, 1.0]).is_nan()); // nothing varies
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SeriesDistance {
    /// Shape-based distance, from 0 to 2: one less the largest normalised cross-correlation of the two standardised
    /// series over all shifts (Paparrizos and Gravano, SIGMOD 2015). O(n log n).
    Sbd,
    /// Dynamic time warping in the variable's unit: root of the smallest sum of squared differences along a path
    /// that may stretch both (Sakoe and Chiba, 1978). O(n m).
    #[cfg(feature = "dtw")]
    Dtw,
}

impl SeriesDistance {
    pub(crate) fn name(self) -> &'static str {
        match self {
            SeriesDistance::Sbd => "sbd",
            #[cfg(feature = "dtw")]
            SeriesDistance::Dtw => "dtw",
        }
    }

    /// Distance of two series; NaN where one is empty, or for `sbd` does not vary.
    #[must_use]
    pub fn between(self, x: &[f64], y: &[f64]) -> f64 {
        match self {
            _ if x.is_empty() || y.is_empty() => f64::NAN,
            SeriesDistance::Sbd => shape_based(x, y),
            #[cfg(feature = "dtw")]
            SeriesDistance::Dtw => augurs_dtw::Dtw::euclidean().distance(x, y),
        }
    }

    /// Distances of all pairs of patients in one variable: the upper triangle row by row, as SciPy's `pdist`.
    ///
    /// `(n_patients * (n_patients - 1) / 2,)`, for a clusterer that takes distances; NaN where a patient has too few
    /// values. Parallel over rows, the same bits for any number of threads.
    ///
    /// # Examples
    ///
    /// ```
    /// use tsc_series::{PatientIx, SeriesDistance, SeriesTable, VariableSpec, VariableTable};
    /// let mut builder = SeriesTable::builder(VariableTable::new(vec![VariableSpec::new("HR")])?);
    /// for (patient, values) in [("A", [1.0, 2.0, 3.0]), ("B", [5.0, 6.0, 7.0]), ("C", [3.0, 2.0, 1.0])] {
    ///     values.iter().zip(0..).for_each(|(value, hour)| builder.push(patient, hour * 3_600_000, "HR", *value));
    /// }
    /// let table = builder.finish()?;
    /// let distances = SeriesDistance::Sbd.condensed(&table, table.variable("HR").unwrap());
    /// assert_eq!(distances.len(), 3); // A-B, A-C, B-C
    /// assert!(distances[0] < 1e-12 && distances[1] > 0.4);
    /// # Ok::<(), tsc_core::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the table has not that variable.
    #[must_use]
    pub fn condensed(self, table: &SeriesTable, variable: VariableIx) -> Vec<f64> {
        let n = table.n_patients();
        let values = |patient| table.series(PatientIx(patient), variable).1;
        let row = |first: usize| {
            (first + 1..n).map(|second| self.between(values(first), values(second))).collect::<Vec<f64>>()
        };
        (0..n).into_par_iter().map(row).collect::<Vec<_>>().concat()
    }
}

fn shape_based(x: &[f64], y: &[f64]) -> f64 {
    let length = (x.len() + y.len() - 1).next_power_of_two();
    let (Some((mut x, x_norm)), Some((y, y_norm))) = (spectrum(x, length), spectrum(y, length)) else {
        return f64::NAN;
    };
    // The inverse of a real correlation's spectrum is the forward transform of its conjugate.
    x.iter_mut().zip(&y).for_each(|(x, y)| *x = x.conj() * y);
    transform(&mut x, &mut Vec::new());
    let largest = x.iter().map(|product| product.re).fold(f64::NEG_INFINITY, f64::max);
    // Rounding may leave a correlation just above 1.
    (1.0 - largest / (length as f64 * x_norm * y_norm)).max(0.0)
}

/// Transform of the centred series padded with zeros, and its norm; `None` if nothing varies.
///
/// Standardising would divide values and norm alike.
fn spectrum(values: &[f64], length: usize) -> Option<(Vec<Complex<f64>>, f64)> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let norm = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>().sqrt();
    if !(norm > 0.0 && norm.is_finite()) {
        return None;
    }
    let mut spectrum: Vec<Complex<f64>> =
        values.iter().map(|value| Complex::new(value - mean, 0.0)).collect();
    spectrum.resize(length, Complex::default());
    transform(&mut spectrum, &mut Vec::new());
    Some((spectrum, norm))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, speed: f64) -> Vec<f64> {
        (0..n).map(|t| (t as f64 * speed).sin() + 0.01 * (t * t % 7) as f64).collect()
    }

    /// The largest normalised sum over all shifts, one by one.
    fn direct(x: &[f64], y: &[f64]) -> f64 {
        let centred = |v: &[f64]| {
            let mean = v.iter().sum::<f64>() / v.len() as f64;
            v.iter().map(|value| value - mean).collect::<Vec<f64>>()
        };
        let (x, y) = (centred(x), centred(y));
        let norm = |v: &[f64]| v.iter().map(|value| value * value).sum::<f64>().sqrt();
        let shift = |by: i64| {
            let pairs =
                x.iter().zip(0i64..).filter_map(|(x, t)| Some(x * y.get(usize::try_from(t - by).ok()?)?));
            pairs.sum::<f64>()
        };
        let largest = (-(y.len() as i64)..x.len() as i64).map(shift).fold(f64::NEG_INFINITY, f64::max);
        1.0 - largest / (norm(&x) * norm(&y))
    }

    #[test]
    fn the_shape_based_distance_equals_the_direct_sum() {
        for (n, m) in [(2, 2), (5, 9), (42, 42), (100, 31), (200, 257)] {
            for speed in [0.1, 0.5, 2.5] {
                let (x, y) = (wave(n, 0.4), wave(m, speed));
                let (got, expected) = (SeriesDistance::Sbd.between(&x, &y), direct(&x, &y));
                assert!((got - expected).abs() < 1e-10, "{n} {m} {speed}: {got}, expected {expected}");
                assert!((0.0..=2.0).contains(&got));
                assert!(SeriesDistance::Sbd.between(&x, &x) < 1e-12);
            }
        }
        assert!(SeriesDistance::Sbd.between(&[], &[1.0]).is_nan());
    }

    #[cfg(feature = "dtw")]
    #[test]
    fn warping_equals_the_published_value() {
        assert_eq!(SeriesDistance::Dtw.between(&[0.0, 1.0, 2.0], &[3.0, 4.0, 5.0]), 26f64.sqrt());
        // A value held longer costs nothing.
        assert_eq!(SeriesDistance::Dtw.between(&[1.0, 2.0, 3.0], &[1.0, 2.0, 2.0, 2.0, 3.0]), 0.0);
        assert!(SeriesDistance::Dtw.between(&[], &[1.0]).is_nan());
    }
}
