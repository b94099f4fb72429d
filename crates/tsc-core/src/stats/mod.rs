//! Distributions and tests that monitoring and retraining both decide on.
//!
//! Tails are computed directly, so that small p-values keep their relative accuracy. Every function is
//! pure and deterministic; none allocates but [`benjamini_hochberg`].

mod beta;
mod gamma;
#[cfg(test)]
mod tests;

use beta::regularised_beta;
use gamma::regularised_gamma_upper;

/// Probability that a chi-square variable with `dof` degrees of freedom exceeds `x`.
///
/// 1 for `x <= 0`. NaN if `dof` is not positive or an argument is NaN.
///
/// # Examples
///
/// ```
/// // Two degrees of freedom: exp(-x / 2).
/// assert!((tsc_core::stats::chi_square_sf(3.0, 2.0) - (-1.5_f64).exp()).abs() < 1e-15);
/// ```
#[must_use]
pub fn chi_square_sf(x: f64, dof: f64) -> f64 {
    regularised_gamma_upper(dof / 2.0, x.max(0.0) / 2.0)
}

/// Probability that a standard normal variable exceeds `z`.
#[must_use]
pub fn normal_sf(z: f64) -> f64 {
    let tail = 0.5 * regularised_gamma_upper(0.5, z * z / 2.0);
    if z < 0.0 { 1.0 - tail } else { tail }
}

/// Probability that an F variable with `d1` and `d2` degrees of freedom exceeds `x`.
///
/// 1 for `x <= 0`. NaN if a degree of freedom is not positive or an argument is NaN.
///
/// # Examples
///
/// ```
/// // F(2, 2): 1 / (1 + x).
/// assert!((tsc_core::stats::f_sf(3.0, 2.0, 2.0) - 0.25).abs() < 1e-14);
/// ```
#[must_use]
pub fn f_sf(x: f64, d1: f64, d2: f64) -> f64 {
    if x.is_nan() {
        return f64::NAN;
    }
    let x = x.max(0.0);
    if x.is_infinite() {
        return 0.0;
    }
    let total = d1 * x + d2;
    regularised_beta(d2 / 2.0, d1 / 2.0, d2 / total, d1 * x / total)
}

/// Natural logarithm of the gamma function, for `x > 0`; about 1e-15 relative.
///
/// # Examples
///
/// ```
/// assert!((tsc_core::stats::ln_gamma(5.0) - 24_f64.ln()).abs() < 1e-14);
/// ```
#[must_use]
pub fn ln_gamma(x: f64) -> f64 {
    gamma::ln_gamma(x)
}

/// The value a standard normal variable stays below with probability `p`.
///
/// Infinite at 0 and 1, NaN outside 0..=1.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    quantile(p, normal_sf)
}

/// Probability that a Student t variable with `dof` degrees of freedom exceeds `t`.
///
/// NaN if `dof` is not positive or an argument is NaN. Relative error below 1e-9 up to 1,000 degrees of
/// freedom, below 1e-8 at a million.
#[must_use]
pub fn student_t_sf(t: f64, dof: f64) -> f64 {
    if t.is_infinite() {
        return if t > 0.0 { 0.0 } else { 1.0 };
    }
    let tail = 0.5 * regularised_beta(dof / 2.0, 0.5, dof / (dof + t * t), t * t / (dof + t * t));
    if t < 0.0 { 1.0 - tail } else { tail }
}

/// The value a Student t variable with `dof` degrees of freedom stays below with probability `p`.
///
/// Infinite at 0 and 1, NaN outside 0..=1.
#[must_use]
pub fn student_t_quantile(p: f64, dof: f64) -> f64 {
    quantile(p, |t| student_t_sf(t, dof))
}

// Bisection on the upper tail of a symmetric law: about 60 evaluations, no table of coefficients.
fn quantile(p: f64, sf: impl Fn(f64) -> f64) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let tail = p.min(1.0 - p);
    if tail == 0.0 {
        return if p > 0.5 { f64::INFINITY } else { f64::NEG_INFINITY };
    }
    let (mut low, mut high) = (0.0, 1.0);
    while sf(high) > tail && high < f64::MAX / 2.0 {
        low = high;
        high *= 2.0;
    }
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return if p > 0.5 { middle } else { -middle };
        }
        if sf(middle) > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// z of the second share minus the first, with the pooled variance; positive if the second is larger.
///
/// `None` if a total is 0, or if both shares are 0 or both are 1: then there is nothing to test.
///
/// # Examples
///
/// ```
/// let z = tsc_core::stats::two_proportion_z((120, 1000), (180, 1000)).unwrap();
/// assert!((z - 0.06 / (0.15_f64 * 0.85 * 0.002).sqrt()).abs() < 1e-12);
/// ```
#[must_use]
pub fn two_proportion_z(first: (u64, u64), second: (u64, u64)) -> Option<f64> {
    let ((k1, n1), (k2, n2)) = (first, second);
    if n1 == 0 || n2 == 0 {
        return None;
    }
    let (n1, n2) = (n1 as f64, n2 as f64);
    let pooled = (k1 as f64 + k2 as f64) / (n1 + n2);
    let variance = pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2);
    (variance > 0.0).then(|| (k2 as f64 / n2 - k1 as f64 / n1) / variance.sqrt())
}

/// Wilson's interval of a share `k / n` with the given confidence, such as 0.95.
///
/// (0, 1) without any sample.
#[must_use]
pub fn wilson_interval(k: u64, n: u64, confidence: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let z = normal_quantile(0.5 + confidence / 2.0);
    let (k, n) = (k as f64, n as f64);
    let centre = (k + z * z / 2.0) / (n + z * z);
    let half = z / (n + z * z) * (k * (n - k) / n + z * z / 4.0).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// Benjamini-Hochberg adjusted p-values, in the order given.
///
/// Rejecting where the result is below `alpha` keeps the expected share of false rejections below
/// `alpha`, for independent or positively dependent tests. O(m log m).
///
/// # Examples
///
/// ```
/// let adjusted = tsc_core::stats::benjamini_hochberg(&[0.04, 0.01, 0.5]);
/// assert!((adjusted[1] - 0.03).abs() < 1e-15 && (adjusted[0] - 0.06).abs() < 1e-15);
/// ```
///
/// Source: Benjamini, Hochberg, J. R. Stat. Soc. B 57 (1995), 289-300.
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut smallest = 1.0_f64;
    for (rank, &i) in order.iter().enumerate().rev() {
        smallest = smallest.min(p[i] * p.len() as f64 / (rank + 1) as f64);
        adjusted[i] = smallest;
    }
    adjusted
}
