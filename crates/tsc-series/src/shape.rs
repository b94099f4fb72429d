//! Numbers about the shape of a series: a set after catch22, written from the published descriptions.
//!
//! Lubba et al., Data Min. Knowl. Discov. 33 (2019), DOI 10.1007/s10618-019-00647-x.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::fourier::{Complex, transform};
use crate::robust::quantile;

/// One of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    Mode5,
    Mode10,
    AcfE,
    AcfMin,
    Ami2,
    Trev,
    HighFluct,
    RunHigh,
    RunFall,
    Entropy2,
    TransVar,
    AmiMin,
    Whiten,
    Err3,
    LowPower,
    FreqHalf,
    OutPos,
    OutNeg,
}

/// One value per [`Shape`], in its order; NaN where missing.
pub(crate) type Shapes = [f64; 18];

impl Shape {
    pub(crate) const ALL: [Shape; 18] = [
        Shape::Mode5,
        Shape::Mode10,
        Shape::AcfE,
        Shape::AcfMin,
        Shape::Ami2,
        Shape::Trev,
        Shape::HighFluct,
        Shape::RunHigh,
        Shape::RunFall,
        Shape::Entropy2,
        Shape::TransVar,
        Shape::AmiMin,
        Shape::Whiten,
        Shape::Err3,
        Shape::LowPower,
        Shape::FreqHalf,
        Shape::OutPos,
        Shape::OutNeg,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Shape::Mode5 => "mode5",
            Shape::Mode10 => "mode10",
            Shape::AcfE => "acf_e",
            Shape::AcfMin => "acf_min",
            Shape::Ami2 => "ami2",
            Shape::Trev => "trev",
            Shape::HighFluct => "high_fluct",
            Shape::RunHigh => "run_high",
            Shape::RunFall => "run_fall",
            Shape::Entropy2 => "entropy2",
            Shape::TransVar => "trans_var",
            Shape::AmiMin => "ami_min",
            Shape::Whiten => "whiten",
            Shape::Err3 => "err3",
            Shape::LowPower => "low_power",
            Shape::FreqHalf => "freq_half",
            Shape::OutPos => "out_pos",
            Shape::OutNeg => "out_neg",
        }
    }
}

/// Fewest values of which a shape is told.
const FEWEST: usize = 20;

/// Longest lag of `ami_min`.
const LONGEST_LAG: usize = 40;

/// Step of the thresholds of `out_pos` and `out_neg`, in standard deviations.
const THRESHOLD_STEP: f64 = 0.01;

/// Space for one series after another.
#[derive(Debug, Default)]
pub(crate) struct ShapeScratch {
    z: Vec<f64>,
    sorted: Vec<f64>,
    differences: Vec<f64>,
    acf: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    fourier: [Vec<Complex<f64>>; 2],
    outliers: Outliers,
}

/// All numbers of one series; all NaN below 20 values or if they do not vary.
///
/// Time O(n log n), and O(40 n) for `ami_min`.
pub(crate) fn shapes(values: &[f64], scratch: &mut ShapeScratch) -> Shapes {
    let ShapeScratch { z, sorted, differences, acf, spectrum, fourier, outliers } = scratch;
    let n = values.len();
    if n < FEWEST || !standardise(values, z) {
        return [f64::NAN; 18];
    }
    sorted.clone_from(z);
    sorted.sort_unstable_by(f64::total_cmp);
    differences.clear();
    differences.extend(z.windows(2).map(|pair| pair[1] - pair[0]));
    let (min, max) = (sorted[0], sorted[n - 1]);

    autocorrelations(differences, acf, spectrum, fourier);
    let whitened = first_not_positive(acf);
    // The series itself last: its spectrum is used below.
    autocorrelations(z, acf, spectrum, fourier);
    let zero = first_not_positive(acf);
    let (low_power, freq_half) = spectrum_shape(spectrum, n);

    [
        mode::<5>(z, min, max),
        mode::<10>(z, min, max),
        first_below(acf, (-1.0f64).exp()),
        first_minimum(acf).unwrap_or(n) as f64,
        mutual_information(z, min, max),
        mean(differences.iter().map(|d| d * d * d), n - 1),
        mean(differences.iter().map(|d| f64::from(u8::from(d.abs() > 0.04))), n - 1),
        longest(z.iter().map(|&value| value > 0.0)),
        longest(differences.iter().map(|&d| d <= 0.0)),
        pair_entropy(z, sorted),
        transition_variance(z, zero, sorted),
        gaussian_information_minimum(z),
        whitened as f64 / zero as f64,
        error_of_mean3(z),
        low_power,
        freq_half,
        outliers.timing(z, 1.0),
        outliers.timing(z, -1.0),
    ]
}

/// `z` = (value - mean) / sd, with n - 1; false if nothing varies.
fn standardise(values: &[f64], z: &mut Vec<f64>) -> bool {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let sd = (square / (n - 1.0)).sqrt();
    if !(sd > 0.0 && sd.is_finite()) {
        return false;
    }
    z.clear();
    z.extend(values.iter().map(|value| (value - mean) / sd));
    true
}

fn mean(values: impl Iterator<Item = f64>, n: usize) -> f64 {
    values.sum::<f64>() / n as f64
}

/// Mean centre of the fullest of `B` equal bins.
fn mode<const B: usize>(z: &[f64], min: f64, max: f64) -> f64 {
    let width = (max - min) / B as f64;
    let mut counts = [0u32; B];
    for value in z {
        counts[(((value - min) / width) as usize).min(B - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let fullest = || counts.iter().enumerate().filter(|(_, count)| **count == most);
    let centres: f64 = fullest().map(|(bin, _)| min + width * (bin as f64 + 0.5)).sum();
    centres / fullest().count() as f64
}

/// Biased autocorrelations of all lags, by the spectrum of the centred series padded to twice a power of two.
fn autocorrelations(
    values: &[f64],
    acf: &mut Vec<f64>,
    spectrum: &mut Vec<Complex<f64>>,
    [products, scratch]: &mut [Vec<Complex<f64>>; 2],
) {
    let n = values.len();
    let centre = values.iter().sum::<f64>() / n as f64;
    spectrum.clear();
    spectrum.extend(values.iter().map(|value| Complex::new(value - centre, 0.0)));
    spectrum.resize(2 * n.next_power_of_two(), Complex::default());
    transform(spectrum, scratch);
    // Powers are real and even, and so is their inverse: the forward transform gives it too.
    spectrum.iter_mut().for_each(|f| *f = Complex::new(f.norm_sqr(), 0.0));
    products.clone_from(spectrum);
    transform(products, scratch);
    acf.clear();
    acf.extend(products[..n].iter().map(|product| product.re / products[0].re));
}

/// First lag whose autocorrelation is not above 0; the number of lags if there is none.
fn first_not_positive(acf: &[f64]) -> usize {
    acf.iter().position(|r| *r <= 0.0).unwrap_or(acf.len())
}

/// Where the autocorrelation first falls below a threshold, linear between lags.
fn first_below(acf: &[f64], threshold: f64) -> f64 {
    match acf.iter().position(|r| *r < threshold) {
        Some(lag) if lag > 0 => {
            let (before, after) = (acf[lag - 1], acf[lag]);
            (lag - 1) as f64 + (before - threshold) / (before - after)
        }
        _ => acf.len() as f64,
    }
}

/// First place below both neighbours.
fn first_minimum(values: &[f64]) -> Option<usize> {
    values.windows(3).position(|w| w[1] < w[0] && w[1] < w[2]).map(|at| at + 1)
}

/// Mutual information (nats) of values two steps apart, in 5 equal bins a little wider than their range.
fn mutual_information(z: &[f64], min: f64, max: f64) -> f64 {
    const B: usize = 5;
    let width = (max - min + 0.2) / B as f64;
    let bin = |value: f64| (((value - (min - 0.1)) / width) as usize).min(B - 1);
    let mut joint = [[0.0; B]; B];
    for pair in z.windows(3) {
        joint[bin(pair[0])][bin(pair[2])] += 1.0;
    }
    let n = (z.len() - 2) as f64;
    let first = joint.map(|row| row.iter().sum::<f64>() / n);
    let mut information = 0.0;
    for column in 0..B {
        let second = joint.iter().map(|row| row[column]).sum::<f64>() / n;
        for (row, first) in joint.iter().zip(first) {
            let both = row[column] / n;
            if both > 0.0 {
                information += both * (both / (first * second)).ln();
            }
        }
    }
    information
}

/// Length of the longest run of true.
fn longest(flags: impl Iterator<Item = bool>) -> f64 {
    let (mut run, mut most) = (0u32, 0u32);
    for flag in flags {
        run = if flag { run + 1 } else { 0 };
        most = most.max(run);
    }
    f64::from(most)
}

/// Thirds of rising values: at most the first bound is 0, at most the second 1, else 2.
fn thirds(sorted: &[f64]) -> impl Fn(f64) -> usize + use<> {
    // Hazen's positions n q - 1/2 are linear positions of the inner values.
    let n = sorted.len() as f64;
    let at = |q: f64| {
        let position = (n * q - 0.5).clamp(0.0, n - 1.0);
        if n > 1.0 { quantile(sorted, position / (n - 1.0)) } else { sorted[0] }
    };
    let (low, high) = (at(1.0 / 3.0), at(2.0 / 3.0));
    move |value| usize::from(value > low) + usize::from(value > high)
}

/// Entropy (nats) of the 9 pairs of letters of neighbours.
fn pair_entropy(z: &[f64], sorted: &[f64]) -> f64 {
    let letter = thirds(sorted);
    let mut counts = [0.0; 9];
    for pair in z.windows(2) {
        counts[3 * letter(pair[0]) + letter(pair[1])] += 1.0;
    }
    let n = (z.len() - 1) as f64;
    -counts.iter().filter(|count| **count > 0.0).map(|count| (count / n) * (count / n).ln()).sum::<f64>()
}

/// Sum of the column variances of the transition matrix of letters, of every `step`-th value.
fn transition_variance(z: &[f64], step: usize, sorted: &mut Vec<f64>) -> f64 {
    let chosen = || z.iter().copied().step_by(step.max(1));
    sorted.clear();
    sorted.extend(chosen());
    sorted.sort_unstable_by(f64::total_cmp);
    let letter = thirds(sorted);
    let mut transitions = [[0.0; 3]; 3];
    for (from, to) in chosen().zip(chosen().skip(1)) {
        transitions[letter(from)][letter(to)] += 1.0;
    }
    // One value has no transition: 0 / 0 is NaN.
    let n = (sorted.len() - 1) as f64;
    let variance = |column: usize| {
        let values = transitions.map(|row| row[column] / n);
        let mean = values.iter().sum::<f64>() / 3.0;
        values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / 2.0
    };
    (0..3).map(variance).sum()
}

/// Lag before the first minimum of the Gaussian mutual information; the longest lag if there is none.
fn gaussian_information_minimum(z: &[f64]) -> f64 {
    let longest = LONGEST_LAG.min(z.len().div_ceil(2));
    let (mut before, mut last) = (f64::NAN, f64::NAN);
    for lag in 1..=longest {
        let c = correlation(&z[..z.len() - lag], &z[lag..]);
        let information = -0.5 * (1.0 - c * c).ln();
        // NaN compares false, so the first two lags are no minimum.
        if last < before && last < information {
            return (lag - 2) as f64;
        }
        (before, last) = (last, information);
    }
    longest as f64
}

fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (x_mean, y_mean) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut cross, mut x_square, mut y_square) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (x, y) = (x - x_mean, y - y_mean);
        cross += x * y;
        x_square += x * x;
        y_square += y * y;
    }
    cross / (x_square * y_square).sqrt()
}

/// Standard deviation of values less the mean of the three before.
fn error_of_mean3(z: &[f64]) -> f64 {
    let n = (z.len() - 3) as f64;
    let errors = || z.windows(4).map(|w| w[3] - (w[0] + w[1] + w[2]) / 3.0);
    let mean = errors().sum::<f64>() / n;
    (errors().map(|error| (error - mean) * (error - mean)).sum::<f64>() / (n - 1.0)).sqrt()
}

/// Power of the lowest fifth of the frequencies, and the frequency below which half of the power lies.
///
/// `powers` are those of the series padded to 2 N: every second is one of N.
fn spectrum_shape(powers: &[Complex<f64>], n: usize) -> (f64, f64) {
    let padded = powers.len() / 2;
    let n_frequencies = padded / 2 + 1;
    let power = |k: usize| {
        let doubled = if k == 0 || k == padded / 2 { 1.0 } else { 2.0 };
        doubled * powers[2 * k].re / (2.0 * PI * n as f64)
    };
    let width = 2.0 * PI / padded as f64;
    let low: f64 = (0..n_frequencies / 5).map(power).sum();
    let half = (0..n_frequencies).map(power).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    let exceeds = |k: &usize| {
        sum += power(*k);
        sum > half
    };
    let middle = (0..n_frequencies).find(exceeds).unwrap_or(0);
    (width * low, width * middle as f64)
}

/// When values beyond rising thresholds occur: positions of the values still above, as a linked list.
#[derive(Debug, Default)]
struct Outliers {
    by_value: Vec<(f64, usize)>,
    next: Vec<usize>,
    before: Vec<usize>,
    timings: Vec<f64>,
}

impl Outliers {
    /// Median over the thresholds of the median position of values at or above, from -1 (early) to 1 (late).
    ///
    /// Thresholds rise by 0.01 from 0, as long as over 2 % of the values above 0 are left, and two of them.
    fn timing(&mut self, z: &[f64], sign: f64) -> f64 {
        let max = z.iter().map(|value| sign * value).fold(f64::NEG_INFINITY, f64::max);
        if max < THRESHOLD_STEP {
            return 0.0;
        }
        self.start(z, sign);
        let (all, middle) = (self.by_value.len(), z.len() as f64 / 2.0);
        // The median lies at `median`, or between it and the one behind if the number left is even.
        let (mut left, mut removed) = (all, 0);
        let mut median = self.by_position(all);
        self.timings.clear();
        let mut last = 0;
        for step in 0..=(max / THRESHOLD_STEP) as usize {
            let threshold = THRESHOLD_STEP * step as f64;
            while removed < all && self.by_value[removed].0 < threshold {
                median = self.remove(self.by_value[removed].1, median, left);
                removed += 1;
                left -= 1;
            }
            if left < 2 || 100.0 * (left as f64 - 1.0) / all as f64 <= 2.0 {
                break;
            }
            last = step + 1;
            let upper = if left % 2 == 0 { self.next[median] } else { median };
            // Positions count from 1, and so does the list.
            self.timings.push((median + upper) as f64 / 2.0 / middle - 1.0);
        }
        self.timings.truncate(last.max(1));
        self.timings.sort_unstable_by(f64::total_cmp);
        quantile(&self.timings, 0.5)
    }

    /// Links the positions (from 1) of values at or above 0; 0 is before the first and behind the last.
    fn start(&mut self, z: &[f64], sign: f64) {
        self.by_value.clear();
        self.next.clear();
        self.next.resize(z.len() + 1, 0);
        self.before.clear();
        self.before.resize(z.len() + 1, 0);
        let mut last = 0;
        for (position, value) in z.iter().map(|value| sign * value).enumerate() {
            if value >= 0.0 {
                self.by_value.push((value, position + 1));
                self.next[last] = position + 1;
                self.before[position + 1] = last;
                last = position + 1;
            }
        }
        self.before[0] = last;
        self.by_value.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }

    /// The lower median of all positions.
    fn by_position(&self, all: usize) -> usize {
        let mut at = 0;
        for _ in 0..all.div_ceil(2) {
            at = self.next[at];
        }
        at
    }

    /// Unlinks a position of `left`; the lower median of the rest.
    fn remove(&mut self, position: usize, median: usize, left: usize) -> usize {
        let median = if left.is_multiple_of(2) {
            // Of an even number the upper one, unless that or one behind it goes.
            if position <= median { self.next[median] } else { median }
        } else if position >= median {
            self.before[median]
        } else {
            median
        };
        let (before, next) = (self.before[position], self.next[position]);
        self.next[before] = next;
        self.before[next] = before;
        median
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        versions: Vec<String>,
        series: Vec<One>,
    }

    #[derive(Deserialize)]
    struct One {
        kind: String,
        values: Vec<f64>,
        features: BTreeMap<String, f64>,
    }

    /// S-18. pycatch22 0.4.5, the two runs 1.0.2, by tests/golden/shape.py.
    #[test]
    fn shapes_equal_pycatch22() {
        let golden: Golden = serde_json::from_str(include_str!("../tests/golden/shape.json")).unwrap();
        assert_eq!(golden.versions, ["0.4.5", "1.0.2"]);
        assert_eq!(golden.series.len(), 40);
        let mut scratch = ShapeScratch::default();
        let mut wrong = Vec::new();
        for one in &golden.series {
            let ours = shapes(&one.values, &mut scratch);
            assert_eq!(one.features.len(), Shape::ALL.len());
            for shape in Shape::ALL {
                let (got, expected) = (ours[shape as usize], one.features[shape.name()]);
                if (got - expected).abs() > 1e-8 {
                    let n = one.values.len();
                    wrong.push(format!("{} {n} {}: {got}, expected {expected}", one.kind, shape.name()));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn too_few_or_equal_values_have_no_shape() {
        let mut scratch = ShapeScratch::default();
        let wave: Vec<f64> = (0..20).map(|t| f64::from(t).sin()).collect();
        assert!(shapes(&wave[..19], &mut scratch).iter().all(|value| value.is_nan()));
        assert!(shapes(&[3.0; 40], &mut scratch).iter().all(|value| value.is_nan()));
        assert!(shapes(&wave, &mut scratch).iter().all(|value| !value.is_nan()));
    }

    #[test]
    fn a_shape_does_not_depend_on_the_series_before_it() {
        let series: Vec<Vec<f64>> = (20..80)
            .map(|n| (0..n).map(|t| f64::from(t * t % 17) + f64::from(t * n % 5)).collect())
            .collect();
        let mut shared = ShapeScratch::default();
        for one in &series {
            let bits = |shapes: Shapes| shapes.map(f64::to_bits);
            assert_eq!(bits(shapes(one, &mut shared)), bits(shapes(one, &mut ShapeScratch::default())));
        }
    }
}
