//! Mean number of batches to a false alarm, by a Markov chain over the chart's range.
//!
//! Source: Brook, Evans, Biometrika 59 (1972), 539-549.

use tsc_core::Result;

use super::Law;
use crate::detectors::parameter;

/// Cells of a one-sided CUSUM, the first of them 0 alone.
const CELLS: usize = 120;

/// Mean number of batches to an alarm of the two-sided CUSUM S = max(0, S +- step - k) at the limit `h`,
/// from S = 0, while `law` holds.
///
/// Both sides alarm at rates that add: 1/L = 1/L_up + 1/L_down. Within 0.5 % of the integral equation on
/// the normal law. O(120^3) time.
///
/// # Errors
///
/// `InvalidConfig` if `k` is negative or `h` lies outside 0.1..=200.
///
/// # Examples
///
/// ```
/// use tsc_monitor::{Law, cusum_run_length};
/// let batches = cusum_run_length(&Law::Normal, 0.5, 5.0)?;
/// assert!((465.0..469.0).contains(&batches));
/// # Ok::<(), tsc_core::Error>(())
/// ```
pub fn cusum_run_length(law: &Law, k: f64, h: f64) -> Result<f64> {
    parameter((0.0..=10.0).contains(&k), "k", k, "lie in 0..=10")?;
    parameter((0.1..=200.0).contains(&h), "h", h, "lie in 0.1..=200")?;
    Ok(two_sided(law, k, h))
}

fn two_sided(law: &Law, k: f64, h: f64) -> f64 {
    let up = one_sided(|x| law.cdf(x + k), h);
    let down = one_sided(|x| law.cdf_negated(x + k), h);
    1.0 / (1.0 / up + 1.0 / down)
}

/// The limit `h` at which [`cusum_run_length`] is `batches`.
///
/// On the normal law with k 0.5:
///
/// | batches | 465 | 1,000 | 2,000 | 9,550 |
/// |---|---|---|---|---|
/// | h | 5.00 | 5.75 | 6.44 | 8.00 |
///
/// # Errors
///
/// `InvalidConfig` if `k` is negative or `batches` lies outside 10..=1e6.
///
/// # Examples
///
/// ```
/// use tsc_monitor::{Law, cusum_limit};
/// let h = cusum_limit(&Law::Normal, 0.5, 370.4)?;
/// assert!((h - 4.77).abs() < 0.01); // Montgomery, Statistical Quality Control, table 9.4
/// # Ok::<(), tsc_core::Error>(())
/// ```
pub fn cusum_limit(law: &Law, k: f64, batches: f64) -> Result<f64> {
    parameter((0.0..=10.0).contains(&k), "k", k, "lie in 0..=10")?;
    parameter((10.0..=1e6).contains(&batches), "false_alarms", batches, "lie in 10..=1e6")?;
    Ok(solve(batches, |h| two_sided(law, k, h)))
}

/// As [`cusum_limit`], for one side.
pub(crate) fn one_sided_limit(law: &Law, k: f64, batches: f64) -> f64 {
    solve(batches, |h| one_sided(|x| law.cdf(x + k), h))
}

/// The limit of a CUSUM of log likelihood ratios, one for a rise and one for a fall, with `batches`
/// between the false alarms of both together.
pub(super) fn log_likelihood_limit(rise: &Law, fall: &Law, batches: f64) -> f64 {
    solve(batches, |h| {
        let (up, down) = (one_sided(|x| rise.cdf(x), h), one_sided(|x| fall.cdf_negated(x), h));
        1.0 / (1.0 / up + 1.0 / down)
    })
}

/// Mean number of batches to an alarm of the EWMA E = (1 - lambda) E + lambda step outside +-`limit`
/// deviations of its long run, sqrt(lambda / (2 - lambda)).
///
/// # Errors
///
/// `InvalidConfig` if `lambda` is not above 0 and at most 1, or `limit` lies outside 0.1..=20.
///
/// # Examples
///
/// ```
/// use tsc_monitor::{Law, ewma_run_length};
/// // Lucas, Saccucci, Technometrics 32 (1990), table 3: 500.
/// let batches = ewma_run_length(&Law::Normal, 0.1, 2.814)?;
/// assert!((batches - 500.0).abs() < 5.0, "{batches}");
/// # Ok::<(), tsc_core::Error>(())
/// ```
pub fn ewma_run_length(law: &Law, lambda: f64, limit: f64) -> Result<f64> {
    parameter(lambda > 0.0 && lambda <= 1.0, "lambda", lambda, "be above 0 and at most 1")?;
    parameter((0.1..=20.0).contains(&limit), "limit", limit, "lie in 0.1..=20")?;
    Ok(ewma(law, lambda, limit))
}

/// The limit at which [`ewma_run_length`] is `batches`.
///
/// # Errors
///
/// `InvalidConfig` as there, or if `batches` lies outside 10..=1e6.
///
/// # Examples
///
/// ```
/// use tsc_monitor::{Law, ewma_limit};
/// assert!((ewma_limit(&Law::Normal, 0.25, 500.0)? - 2.998).abs() < 0.01); // Lucas, Saccucci, table 3
/// # Ok::<(), tsc_core::Error>(())
/// ```
pub fn ewma_limit(law: &Law, lambda: f64, batches: f64) -> Result<f64> {
    parameter(lambda > 0.0 && lambda <= 1.0, "lambda", lambda, "be above 0 and at most 1")?;
    parameter((10.0..=1e6).contains(&batches), "false_alarms", batches, "lie in 10..=1e6")?;
    Ok(solve(batches, |limit| ewma(law, lambda, limit)))
}

/// One side: the first cell is S = 0 and its half width, as in the source.
fn one_sided(cdf: impl Fn(f64) -> f64, h: f64) -> f64 {
    let width = 2.0 * h / (2 * CELLS - 1) as f64;
    // P(from cell i to cell j) depends on j - i alone but for j = 0, which also takes all below.
    let upper: Vec<f64> = (0..2 * CELLS).map(|at| cdf((at as f64 - CELLS as f64 + 0.5) * width)).collect();
    let below = |i: usize, j: usize| upper[CELLS + j - i];
    let mut matrix = vec![0.0; CELLS * CELLS];
    for i in 0..CELLS {
        for j in 0..CELLS {
            let p = if j == 0 { below(i, 0) } else { below(i, j) - below(i, j - 1) };
            matrix[i * CELLS + j] = f64::from(u8::from(i == j)) - p;
        }
    }
    expected_steps(matrix, CELLS)[0]
}

fn ewma(law: &Law, lambda: f64, limit: f64) -> f64 {
    // Odd, so that one cell has its middle at 0, where the chart starts.
    const CELLS: usize = 161;
    let h = limit * (lambda / (2.0 - lambda)).sqrt();
    let width = 2.0 * h / CELLS as f64;
    let middle = |i: usize| -h + (i as f64 + 0.5) * width;
    let mut matrix = vec![0.0; CELLS * CELLS];
    for i in 0..CELLS {
        let kept = (1.0 - lambda) * middle(i);
        let mut before = law.cdf((-h - kept) / lambda);
        for j in 0..CELLS {
            let upto = law.cdf((middle(j) + width / 2.0 - kept) / lambda);
            matrix[i * CELLS + j] = f64::from(u8::from(i == j)) - (upto - before);
            before = upto;
        }
    }
    expected_steps(matrix, CELLS)[CELLS / 2]
}

/// Solves (I - Q) L = 1 by elimination without exchange: the matrix is diagonally dominant by columns of
/// a chain that ends.
fn expected_steps(mut a: Vec<f64>, n: usize) -> Vec<f64> {
    let mut b = vec![1.0; n];
    for pivot in 0..n {
        // A chain that never ends has a pivot of 0: its length is beyond any budget.
        let diagonal = a[pivot * n + pivot].max(1e-300);
        for row in pivot + 1..n {
            let factor = a[row * n + pivot] / diagonal;
            if factor == 0.0 {
                continue;
            }
            for column in pivot + 1..n {
                a[row * n + column] -= factor * a[pivot * n + column];
            }
            b[row] -= factor * b[pivot];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|column| a[row * n + column] * b[column]).sum();
        b[row] = ((b[row] - known) / a[row * n + row].max(1e-300)).min(1e300);
    }
    b
}

// The run length rises with the limit, about exponentially.
fn solve(batches: f64, run_length: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.1, 1.0);
    while run_length(high) < batches && high < 200.0 {
        low = high;
        high *= 1.5;
    }
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if run_length(middle) < batches {
            low = middle;
        } else {
            high = middle;
        }
        if high - low < 1e-6 * high {
            break;
        }
    }
    high
}
