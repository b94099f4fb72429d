//! Two columns of counts over the same cells: how far apart, and how surely.

use tsc_core::stats::chi_square_sf;

// Below this the chi-square law of the statistic is no longer close enough in the tail.
const MIN_EXPECTED: f64 = 5.0;

/// Population stability index with Jeffreys smoothing: 0.5 rows are added to each cell.
pub(crate) fn psi(reference: &[u64], current: &[u64]) -> f64 {
    let cells = reference.len() as f64;
    let total = |counts: &[u64]| counts.iter().sum::<u64>() as f64 + 0.5 * cells;
    let (m, n) = (total(reference), total(current));
    reference
        .iter()
        .zip(current)
        .map(|(&a, &b)| {
            let (p, q) = ((a as f64 + 0.5) / m, (b as f64 + 0.5) / n);
            (p - q) * (p / q).ln()
        })
        .sum()
}

/// Pearson's statistic of the hypothesis that both columns have the same shares, and its degrees of
/// freedom; cells that are empty on both sides do not count.
pub(crate) fn chi_square(reference: &[u64], current: &[u64]) -> (f64, u64) {
    let total = |counts: &[u64]| counts.iter().sum::<u64>() as f64;
    let (m, n) = (total(reference), total(current));
    let (mut statistic, mut cells) = (0.0, 0);
    for (&a, &b) in reference.iter().zip(current) {
        if a + b == 0 {
            continue;
        }
        cells += 1;
        let share = (a + b) as f64 / (m + n);
        statistic += (a as f64 - m * share).powi(2) / (m * share);
        statistic += (b as f64 - n * share).powi(2) / (n * share);
    }
    (statistic, u64::from(cells > 0) * (cells.max(1) - 1))
}

/// Effect and p-value of one feature in one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Difference {
    /// PSI less what it is on average without drift, (B - 1)(1/n + 1/m).
    pub(crate) effect: f64,
    pub(crate) p_value: f64,
}

/// Merges neighbouring cells until each expects 5 rows on both sides, then compares.
pub(crate) fn compare(reference: &[u64], current: &[u64]) -> Difference {
    let (reference, current) = merged(reference, current);
    let (statistic, dof) = chi_square(&reference, &current);
    if dof == 0 {
        return Difference { effect: 0.0, p_value: 1.0 };
    }
    let total = |counts: &[u64]| counts.iter().sum::<u64>() as f64;
    let bias = dof as f64 * (1.0 / total(&reference) + 1.0 / total(&current));
    Difference { effect: psi(&reference, &current) - bias, p_value: chi_square_sf(statistic, dof as f64) }
}

// The pooled counts decide, so that the choice of cells does not favour either side of the test.
fn merged(reference: &[u64], current: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let (m, n) = (reference.iter().sum::<u64>() as f64, current.iter().sum::<u64>() as f64);
    let enough = |a: u64, b: u64| m.min(n) * (a + b) as f64 >= MIN_EXPECTED * (m + n);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let (mut a, mut b) = (0, 0);
    for (&x, &y) in reference.iter().zip(current) {
        a += x;
        b += y;
        if enough(a, b) {
            left.push(a);
            right.push(b);
            (a, b) = (0, 0);
        }
    }
    if a + b > 0 {
        match (left.last_mut(), right.last_mut()) {
            (Some(x), Some(y)) => {
                *x += a;
                *y += b;
            }
            _ => {
                left.push(a);
                right.push(b);
            }
        }
    }
    (left, right)
}

#[cfg(test)]
mod tests;
