use serde::{Deserialize, Serialize};
use tsc_core::stats::ln_gamma;

use super::Sample;
use super::sample::merged;

/// Largest distance between two empirical distribution functions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KolmogorovSmirnov {
    /// The distance, 0..=1.
    pub statistic: f64,
    /// The smallest value at which it is reached.
    pub location: f64,
    /// 1 if the first sample lies below the second there, -1 if above.
    pub sign: i8,
    n: (usize, usize),
    /// The distance as the integer |i n2 - j n1|.
    difference: usize,
}

/// Two-sample Kolmogorov-Smirnov statistic: the largest |F1(x) - F2(x)|.
///
/// O(n1 + n2) on sorted samples.
///
/// # Examples
///
/// ```
/// use tsc_monitor::statistics::{Sample, kolmogorov_smirnov};
/// let ks = kolmogorov_smirnov(&Sample::new(&[1.0, 2.0])?, &Sample::new(&[3.0, 4.0])?);
/// assert_eq!((ks.statistic, ks.location, ks.sign), (1.0, 2.0, 1));
/// assert!((ks.p_exact() - 1.0 / 3.0).abs() < 1e-15); // 2 of the C(4, 2) orders
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: as scipy.stats.ks_2samp.
#[must_use]
pub fn kolmogorov_smirnov(first: &Sample, second: &Sample) -> KolmogorovSmirnov {
    let (n1, n2) = (first.len(), second.len());
    let (mut i, mut j) = (0_usize, 0_usize);
    // Largest F1 - F2 and F2 - F1 in floating point, which decides among equal distances as scipy does.
    let mut extremes = [(f64::NEG_INFINITY, 0, 0.0); 2];
    for (at, from_first, from_second) in merged(first, second) {
        i += from_first;
        j += from_second;
        let height = i as f64 / n1 as f64 - j as f64 / n2 as f64;
        for (extreme, height) in extremes.iter_mut().zip([height, -height]) {
            if height > extreme.0 {
                *extreme = (height, (i * n2).abs_diff(j * n1), at);
            }
        }
    }
    let [above, below] = extremes;
    let (largest, sign) = if below.0 > above.0 { (below, -1) } else { (above, 1) };
    let (_, difference, location) = largest;
    let statistic = difference as f64 / (n1 as f64 * n2 as f64);
    KolmogorovSmirnov { statistic, location, sign, n: (n1, n2), difference }
}

impl KolmogorovSmirnov {
    /// Two-sided p-value, exact for continuous distributions and conservative with ties. O(n1 n2) time,
    /// O(n2) memory.
    #[must_use]
    pub fn p_exact(&self) -> f64 {
        exact_p(self.n.0, self.n.1, self.difference)
    }

    /// Two-sided p-value from the one-sample law at n1 n2 / (n1 + n2) values, rounded.
    ///
    /// As scipy's `method="asymp"`: exact (Durbin) or twice the one-sided law up to 140 values, beyond
    /// that twice the one-sided law in the tail and Pelz-Good in the middle, good to 5 digits.
    #[must_use]
    pub fn p_asymptotic(&self) -> f64 {
        let (n1, n2) = (self.n.0 as f64, self.n.1 as f64);
        one_sample_sf((n1 * n2 / (n1 + n2)).round_ties_even(), self.statistic)
    }
}

/// Probability that a random path from (0, 0) to (m, n) leaves |i n - j m| < `difference`.
///
/// All terms are positive, so that small probabilities keep their digits.
pub(crate) fn exact_p(m: usize, n: usize, difference: usize) -> f64 {
    if difference == 0 {
        return 1.0;
    }
    // left[j]: probability that a random path to (i, j) has been outside.
    let mut left = vec![0.0_f64; n + 1];
    for i in 0..=m {
        for j in 0..=n {
            left[j] = if (i * n).abs_diff(j * m) >= difference {
                1.0
            } else if i + j == 0 {
                0.0
            } else {
                let steps = (i + j) as f64;
                let from_left = if j > 0 { j as f64 / steps * left[j - 1] } else { 0.0 };
                let from_below = if i > 0 { i as f64 / steps * left[j] } else { 0.0 };
                from_left + from_below
            };
        }
    }
    left[n]
}

/// Probability that the one-sample statistic of `n` values is at least `d`.
///
/// Source: Simard, L'Ecuyer, J. Stat. Softw. 39 (2011), 11, with scipy's limits between the methods.
pub(super) fn one_sample_sf(n: f64, d: f64) -> f64 {
    let t = n * d;
    let square = t * d;
    let p = match () {
        () if d >= 1.0 => 0.0,
        () if t <= 0.5 => 1.0,
        () if t <= 1.0 => 1.0 - (ln_gamma(n + 1.0) - n * n.ln() + n * (2.0 * t - 1.0).ln()).exp(),
        () if t >= n - 1.0 => 2.0 * (1.0 - d).powf(n),
        () if d >= 0.5 => 2.0 * one_sided_sf(n, d),
        () if n <= 140.0 && square <= 4.0 => 1.0 - durbin(n as u32, d),
        () if n <= 140.0 || square >= 2.2 => 2.0 * one_sided_sf(n, d),
        () if n <= 100_000.0 && n * d.powf(1.5) <= 1.4 => 1.0 - durbin(n as u32, d),
        () => 1.0 - pelz_good(n, d),
    };
    p.clamp(0.0, 1.0)
}

// Smirnov: d sum over j <= n (1 - d) of C(n, j) (d + j/n)^(j-1) (1 - d - j/n)^(n-j).
fn one_sided_sf(n: f64, d: f64) -> f64 {
    if n * d * d >= 370.0 {
        return 0.0;
    }
    let mut sum = 0.0;
    let mut j = 0.0;
    while j <= (n * (1.0 - d)).floor() {
        let (a, b) = (d + j / n, 1.0 - d - j / n);
        if b > 0.0 {
            let choose = ln_gamma(n + 1.0) - ln_gamma(j + 1.0) - ln_gamma(n - j + 1.0);
            sum += (choose + (j - 1.0) * a.ln() + (n - j) * b.ln()).exp();
        }
        j += 1.0;
    }
    d * sum
}

// Durbin's matrix in the form of Marsaglia, Tsang, Wang, J. Stat. Softw. 8 (2003), 18: P(D < d).
fn durbin(n: u32, d: f64) -> f64 {
    let nd = f64::from(n) * d;
    let k = nd.ceil() as usize;
    let h = k as f64 - nd;
    let size = 2 * k - 1;
    let mut factorial = vec![1.0_f64; size + 1];
    for i in 1..=size {
        factorial[i] = factorial[i - 1] * i as f64;
    }
    let power = |i: usize| h.powi(i32::try_from(i).unwrap_or(i32::MAX));
    let mut matrix = vec![0.0; size * size];
    for i in 0..size {
        for j in 0..size.min(i + 2) {
            let steps = i + 1 - j;
            let mut value = 1.0;
            if j == 0 {
                value -= power(i + 1);
            }
            if i == size - 1 {
                value -= power(size - j);
            }
            if j == 0 && i == size - 1 && 2.0 * h > 1.0 {
                value += (2.0 * h - 1.0).powi(i32::try_from(size).unwrap_or(i32::MAX));
            }
            matrix[i * size + j] = value / factorial[steps];
        }
    }
    let mut result = Scaled::identity(size);
    let mut base = Scaled { matrix, exponent: 0 };
    let mut left = n;
    while left > 0 {
        if left % 2 == 1 {
            result = result.times(&base, size);
        }
        base = base.times(&base, size);
        left /= 2;
    }
    let corner = result.matrix[(k - 1) * size + k - 1];
    let n = f64::from(n);
    let scale = f64::from(result.exponent) * std::f64::consts::LN_2;
    (corner.ln() + scale + ln_gamma(n + 1.0) - n * n.ln()).exp()
}

/// A matrix times a power of two.
struct Scaled {
    matrix: Vec<f64>,
    exponent: i32,
}

impl Scaled {
    fn identity(size: usize) -> Self {
        let matrix = (0..size * size).map(|at| f64::from(u8::from(at % (size + 1) == 0))).collect();
        Self { matrix, exponent: 0 }
    }

    fn times(&self, other: &Self, size: usize) -> Self {
        let mut matrix = vec![0.0; size * size];
        for i in 0..size {
            for l in 0..size {
                let a = self.matrix[i * size + l];
                for j in 0..size {
                    matrix[i * size + j] += a * other.matrix[l * size + j];
                }
            }
        }
        let mut exponent = self.exponent + other.exponent;
        let largest = matrix.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        if largest > 2.0_f64.powi(128) {
            matrix.iter_mut().for_each(|v| *v *= 2.0_f64.powi(-256));
            exponent += 256;
        }
        Self { matrix, exponent }
    }
}

// Pelz, Good, J. R. Stat. Soc. B 38 (1976), 152-156: K0 + K1/n^(1/2) + K2/n + K3/n^(3/2) at z = d n^(1/2).
fn pelz_good(n: f64, d: f64) -> f64 {
    let z = n.sqrt() * d;
    let pi2 = std::f64::consts::PI.powi(2);
    if pi2 / (8.0 * z * z) > 700.0 {
        return 0.0;
    }
    let (z2, z4, z6) = (z.powi(2), z.powi(4), z.powi(6));
    let terms = (16.0 * z / std::f64::consts::PI).ceil() as i32;
    let mut k = [0.0; 4];
    for i in (0..terms).rev() {
        let m = f64::from(2 * i + 1);
        let (m2, m4, m6) = (m * m, m.powi(4), m.powi(6));
        let q = (-pi2 * m2 / (8.0 * z2)).exp();
        k[0] += q;
        k[1] += q * (pi2 / 4.0 * m2 - z2);
        k[2] += q
            * (6.0 * z6
                + 2.0 * z4
                + pi2 / 4.0 * (2.0 * z4 - 5.0 * z2) * m2
                + pi2 * pi2 / 16.0 * (1.0 - 2.0 * z2) * m4);
        k[3] += q
            * (-30.0 * z6 - 90.0 * z2 * z6
                + pi2 / 4.0 * (135.0 * z4 - 96.0 * z6) * m2
                + pi2 * pi2 / 16.0 * (212.0 * z4 - 60.0 * z2) * m4
                + pi2.powi(3) / 64.0 * (5.0 - 30.0 * z2) * m6);
    }
    let root = std::f64::consts::TAU.sqrt();
    let (mut extra2, mut extra3) = (0.0, 0.0);
    for i in (1..=terms).rev() {
        let i2 = f64::from(i * i);
        let q = (-pi2 * i2 / (2.0 * z2)).exp();
        extra2 += i2 * q;
        extra3 += (3.0 * z2 - pi2 * i2) * i2 * q;
    }
    let k0 = k[0] / z;
    let k1 = k[1] / (6.0 * z4);
    let k2 = k[2] / (72.0 * z.powi(7)) - extra2 * pi2 / (36.0 * z.powi(3));
    let k3 = k[3] / (6_480.0 * z.powi(10)) + extra3 * pi2 / (216.0 * z6);
    root * (k0 + k1 / n.sqrt() + k2 / n + k3 / (n * n.sqrt()))
}
