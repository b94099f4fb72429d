use tsc_core::Result;
use tsc_core::stats::chi_square_sf;

use super::Test;
use crate::error::MonitorError;

/// Two rows of counts over the same cells: the reference and the current one.
///
/// Each statistic is O(cells). Shares are smoothed (0.5 rows per cell, Jeffreys) only where a share of 0
/// would be infinite: in PSI and KL.
///
/// # Examples
///
/// ```
/// use tsc_monitor::statistics::Counts;
/// let counts = Counts::new(&[90, 10], &[70, 30])?;
/// let test = counts.chi_square();
/// assert!((test.statistic - 12.5).abs() < 1e-12 && test.p_value < 0.001);
/// assert!((counts.l_infinity() - 0.2).abs() < 1e-12);
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counts<'a> {
    reference: &'a [u64],
    current: &'a [u64],
    m: f64,
    n: f64,
}

impl<'a> Counts<'a> {
    /// Checks that the rows belong together.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the rows differ in length or are empty, or one adds up to 0 or to more than 2^52.
    pub fn new(reference: &'a [u64], current: &'a [u64]) -> Result<Self> {
        if reference.len() != current.len() || reference.is_empty() {
            let (reference, current) = (reference.len(), current.len());
            return Err(MonitorError::CountCells { reference, current }.into());
        }
        let total = |row: &[u64]| -> Result<f64> {
            let total = row.iter().fold(0_u64, |sum, &n| sum.saturating_add(n));
            if total == 0 || total > 1 << 52 {
                return Err(MonitorError::CountTotal { total }.into());
            }
            Ok(total as f64)
        };
        Ok(Self { reference, current, m: total(reference)?, n: total(current)? })
    }

    /// Rows of the reference and of the current row.
    pub(crate) fn totals(&self) -> (f64, f64) {
        (self.m, self.n)
    }

    fn pairs(&self) -> impl Iterator<Item = (f64, f64)> + 'a {
        self.reference.iter().zip(self.current).map(|(&a, &b)| (a as f64, b as f64))
    }

    fn shares(&self) -> impl Iterator<Item = (f64, f64)> + 'a {
        let (m, n) = (self.m, self.n);
        self.pairs().map(move |(a, b)| (a / m, b / n))
    }

    fn smoothed(&self) -> impl Iterator<Item = (f64, f64)> + 'a {
        let half = 0.5 * self.reference.len() as f64;
        let (m, n) = (self.m + half, self.n + half);
        self.pairs().map(move |(a, b)| ((a + 0.5) / m, (b + 0.5) / n))
    }

    /// Cells that hold a row on either side.
    #[must_use]
    pub fn used_cells(&self) -> usize {
        self.pairs().filter(|(a, b)| a + b > 0.0).count()
    }

    fn tested(&self, yates: bool, term: impl Fn(f64, f64) -> f64) -> Test {
        let (m, n) = (self.m, self.n);
        let mut statistic = 0.0;
        for (a, b) in self.pairs().filter(|(a, b)| a + b > 0.0) {
            let share = (a + b) / (m + n);
            for (seen, expected) in [(a, m * share), (b, n * share)] {
                let off = expected - seen;
                let seen = if yates { seen + off.signum() * off.abs().min(0.5) } else { seen };
                statistic += term(seen, expected);
            }
        }
        let dof = self.used_cells() - 1;
        let p_value = if dof == 0 { 1.0 } else { chi_square_sf(statistic, dof as f64) };
        Test { statistic, p_value }
    }

    /// Pearson's chi-square test that both rows have the same shares; cells empty on both sides do not
    /// count. With one cell the statistic is 0 and p is 1.
    #[must_use]
    pub fn chi_square(&self) -> Test {
        self.tested(false, |seen, expected| (seen - expected).powi(2) / expected)
    }

    /// As [`Counts::chi_square`], with Yates' correction where two cells are used.
    #[must_use]
    pub fn chi_square_yates(&self) -> Test {
        let yates = self.used_cells() == 2;
        self.tested(yates, |seen, expected| (seen - expected).powi(2) / expected)
    }

    /// Likelihood-ratio test: G = 2 sum of o ln(o / e), without Yates' correction.
    #[must_use]
    pub fn g_test(&self) -> Test {
        let term = |seen: f64, expected: f64| {
            if seen > 0.0 { 2.0 * seen * (seen / expected).ln() } else { 0.0 }
        };
        self.tested(false, term)
    }

    /// Cramer's V: sqrt(chi-square / rows), 0..=1.
    #[must_use]
    pub fn cramers_v(&self) -> f64 {
        (self.chi_square().statistic / (self.m + self.n)).sqrt()
    }

    /// Population stability index, smoothed: sum of (p - q) ln(p / q).
    #[must_use]
    pub fn psi(&self) -> f64 {
        self.smoothed().map(|(p, q)| (p - q) * (p / q).ln()).sum()
    }

    /// [`Counts::psi`] less what it is on average without drift, (B - 1)(1/n + 1/m) over B used cells; may
    /// be negative.
    ///
    /// Below some hundred rows the second order counts, with the rows that smoothing adds: 8 % at 50 rows
    /// in ten cells, nothing at 10,000.
    #[must_use]
    pub fn psi_corrected(&self) -> f64 {
        self.psi_corrected_for(1.0)
    }

    /// As [`Counts::psi_corrected`], where so many rows of the current row are worth one.
    pub(crate) fn psi_corrected_for(&self, design_effect: f64) -> f64 {
        let cells = self.reference.len() as f64;
        let half = 0.5 * cells;
        // Mean of (p - Q) ln(p / Q) over the law of Q, a smoothed share of n rows around p: its expansion
        // to the fourth moment, 2nd/p - 3rd/(2 p^2) + 4th/(3 p^3).
        let mean = |n: f64, p: f64, inflation: f64| {
            let total = n + half;
            let off = (0.5 - p * half) / total;
            let second = inflation * n * p * (1.0 - p) / (total * total) + off * off;
            let third = n * p * (1.0 - p) * (1.0 - 2.0 * p) / total.powi(3);
            // Where a cell expects a few rows the expansion means nothing, and the law has few terms.
            if n * p < 5.0 {
                return mean_of_few(n / inflation, p, half);
            }
            second / p - third / (2.0 * p * p) + second * second / p.powi(3)
        };
        let bias: f64 = self
            .pairs()
            .filter(|(a, b)| a + b > 0.0)
            .map(|(a, _)| (a + 0.5) / (self.m + half))
            .map(|p| mean(self.n, p, design_effect) + mean(self.m, p, 1.0))
            .sum();
        if self.used_cells() > 1 { self.psi() - bias } else { self.psi() }
    }

    /// Jensen-Shannon divergence in nats, 0..=ln 2; the square root is the distance that scipy gives.
    #[must_use]
    pub fn jensen_shannon(&self) -> f64 {
        let part = |p: f64, mean: f64| if p > 0.0 { p * (p / mean).ln() } else { 0.0 };
        let sum: f64 = self
            .shares()
            .map(|(p, q)| {
                let mean = f64::midpoint(p, q);
                part(p, mean) + part(q, mean)
            })
            .sum();
        sum.max(0.0) / 2.0
    }

    /// [`Counts::jensen_shannon`] less (B - 1)/8 (1/n + 1/m), its mean without drift.
    #[must_use]
    pub fn jensen_shannon_corrected(&self) -> f64 {
        self.jensen_shannon() - (self.used_cells() - 1) as f64 / 8.0 * (1.0 / self.n + 1.0 / self.m)
    }

    /// Kullback-Leibler divergence of the current row from the reference, smoothed: sum of p ln(p / q),
    /// p the reference's shares.
    #[must_use]
    pub fn kullback_leibler(&self) -> f64 {
        self.smoothed().map(|(p, q)| p * (p / q).ln()).sum()
    }

    /// Half the sum of |p - q|, 0..=1.
    #[must_use]
    pub fn total_variation(&self) -> f64 {
        0.5 * self.shares().map(|(p, q)| (p - q).abs()).sum::<f64>()
    }

    /// Largest |p - q|, 0..=1.
    #[must_use]
    pub fn l_infinity(&self) -> f64 {
        self.shares().map(|(p, q)| (p - q).abs()).fold(0.0, f64::max)
    }

    /// Hellinger distance: sqrt(1/2 sum of (sqrt p - sqrt q) squared), 0..=1.
    #[must_use]
    pub fn hellinger(&self) -> f64 {
        (0.5 * self.shares().map(|(p, q)| (p.sqrt() - q.sqrt()).powi(2)).sum::<f64>()).sqrt()
    }
}

/// Mean of (p - Q) ln(p / Q) with Q = (X + 0.5) / (n + half), X a count of `n` rows at a small share `p`.
fn mean_of_few(n: f64, p: f64, half: f64) -> f64 {
    let mut weight = (n * (-p).ln_1p()).exp();
    let (mut sum, mut x) = (0.0, 0.0);
    // Fewer than 5 are expected: beyond 40 nothing is left.
    while x <= n && x < 40.0 {
        let q = (x + 0.5) / (n + half);
        sum += weight * (p - q) * (p / q).ln();
        weight *= (n - x) / (x + 1.0) * p / (1.0 - p);
        x += 1.0;
    }
    sum
}
