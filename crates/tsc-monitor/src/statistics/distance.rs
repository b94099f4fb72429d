use super::Sample;
use super::sample::merged;

/// First Wasserstein distance: the area between two empirical distribution functions.
///
/// In the unit of the values. O(n1 + n2) on sorted samples.
///
/// # Examples
///
/// ```
/// use tsc_monitor::statistics::{Sample, wasserstein};
/// assert_eq!(wasserstein(&Sample::new(&[0.0, 1.0])?, &Sample::new(&[5.0, 6.0])?), 5.0);
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: as scipy.stats.wasserstein_distance.
#[must_use]
pub fn wasserstein(first: &Sample, second: &Sample) -> f64 {
    area(first, second, f64::abs)
}

/// Energy distance: the square root of twice the integral of (F1 - F2) squared.
///
/// In the square root of the unit of the values. O(n1 + n2) on sorted samples.
///
/// # Examples
///
/// ```
/// use tsc_monitor::statistics::{Sample, energy};
/// assert_eq!(energy(&Sample::new(&[0.0])?, &Sample::new(&[2.0])?), 2.0);
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: Szekely, Rizzo, J. Stat. Plan. Inference 143 (2013), 1249-1272; as
/// scipy.stats.energy_distance.
#[must_use]
pub fn energy(first: &Sample, second: &Sample) -> f64 {
    (2.0 * area(first, second, |difference| difference * difference)).sqrt()
}

fn area(first: &Sample, second: &Sample, height: impl Fn(f64) -> f64) -> f64 {
    let (n1, n2) = (first.len() as f64, second.len() as f64);
    let (mut i, mut j) = (0, 0);
    let mut sum = 0.0;
    let mut before: Option<f64> = None;
    for (at, from_first, from_second) in merged(first, second) {
        if let Some(before) = before {
            sum += (at - before) * height(i as f64 / n1 - j as f64 / n2);
        }
        i += from_first;
        j += from_second;
        before = Some(at);
    }
    sum
}
