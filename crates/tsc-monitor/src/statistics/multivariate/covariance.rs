use tsc_core::stats::f_sf;
use tsc_core::{Features, Result};

use super::linear::inverse_form;
use super::{enough, mean, same_width, scatter};
use crate::error::MonitorError;
use crate::statistics::Test;

/// Hotelling's test that two matrices have the same mean row.
///
/// T2 = n m / (n + m) (difference of the means)' S^-1 (the same), S the pooled covariance; p from the F
/// law with d and n + m - d - 1 degrees of freedom. O((n + m) d^2 + d^3) time, O(d^2) memory.
///
/// # Errors
///
/// `InvalidData` if the widths differ, there are fewer than d + 2 rows together, or the pooled covariance
/// is singular.
///
/// # Examples
///
/// ```
/// use tsc_core::Features;
/// use tsc_monitor::statistics::hotelling;
/// let (a, b) = ([0.0, 1.0, 2.0], [3.0, 4.0, 5.0]);
/// // One column: the square of the t statistic, (3 / sqrt(2 / 3))^2.
/// let test = hotelling(Features::new(&a, 1)?, Features::new(&b, 1)?)?;
/// assert!((test.statistic - 13.5).abs() < 1e-12);
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: Hotelling, Ann. Math. Stat. 2 (1931), 360-378.
pub fn hotelling(first: Features<'_>, second: Features<'_>) -> Result<Test> {
    const NAME: &str = "Hotelling's T2";
    same_width(first, second)?;
    let (n, m, d) = (first.n_samples(), second.n_samples(), first.n_features());
    if n + m < d + 2 {
        return Err(MonitorError::TooFewRows { statistic: NAME, got: n + m, needed: d + 2 }.into());
    }
    let (a, b) = (mean(first), mean(second));
    let pooled: Vec<f64> = scatter(first, &a)
        .iter()
        .zip(scatter(second, &b))
        .map(|(x, y)| (x + y) / (n + m - 2) as f64)
        .collect();
    let difference: Vec<f64> = b.iter().zip(&a).map(|(b, a)| b - a).collect();
    let form = inverse_form(&pooled, &difference)
        .ok_or(MonitorError::Undefined { statistic: NAME, problem: "the pooled covariance is singular" })?;
    let (n, m, d) = (n as f64, m as f64, d as f64);
    let statistic = n * m / (n + m) * form;
    let free = n + m - d - 1.0;
    Ok(Test { statistic, p_value: f_sf(free / (d * (n + m - 2.0)) * statistic, d, free) })
}

/// Distance between the mean rows in deviations of the first matrix: sqrt(difference' S^-1 difference),
/// S its covariance.
///
/// # Errors
///
/// As [`hotelling`], with at least two rows in the first matrix.
///
/// # Examples
///
/// ```
/// use tsc_core::Features;
/// let (a, b) = ([0.0, 2.0], [4.0]);
/// let distance = tsc_monitor::statistics::mahalanobis(Features::new(&a, 1)?, Features::new(&b, 1)?)?;
/// assert!((distance - 3.0 / 2.0_f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), tsc_core::Error>(())
/// ```
pub fn mahalanobis(reference: Features<'_>, current: Features<'_>) -> Result<f64> {
    const NAME: &str = "Mahalanobis distance";
    same_width(reference, current)?;
    enough(NAME, reference, 2)?;
    let (a, b) = (mean(reference), mean(current));
    let rows = (reference.n_samples() - 1) as f64;
    let covariance: Vec<f64> = scatter(reference, &a).iter().map(|v| v / rows).collect();
    let difference: Vec<f64> = b.iter().zip(&a).map(|(b, a)| b - a).collect();
    inverse_form(&covariance, &difference).map(f64::sqrt).ok_or_else(|| {
        MonitorError::Undefined { statistic: NAME, problem: "the covariance is singular" }.into()
    })
}
