use tsc_core::stats::{ln_gamma, normal_sf};

/// Law of one step of a chart while nothing changes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Law {
    /// Standard normal.
    Normal,
    /// `slope` times a count of `n` rows, each counted with probability `p`, plus `offset`.
    Binomial {
        /// Step per counted row, above 0.
        slope: f64,
        /// Step of a batch without one.
        offset: f64,
        /// P(count <= i) for i in 0..=n.
        cumulative: Vec<f64>,
    },
}

impl Law {
    /// The standardised share of `n` rows: (count / n - p) / sqrt(p (1 - p) / n).
    ///
    /// O(n). With p at 0 or 1, or without rows, the normal law.
    #[must_use]
    pub fn standardised(n: u64, p: f64) -> Self {
        let n = n.min(1_000_000);
        let deviation = (p * (1.0 - p) / n as f64).sqrt();
        if n == 0 || deviation.is_nan() || deviation <= 0.0 {
            return Self::Normal;
        }
        let (slope, offset) = (1.0 / (n as f64 * deviation), -p / deviation);
        Self::Binomial { slope, offset, cumulative: cumulative(n, p) }
    }

    /// The logarithm of the likelihood ratio of the odds `ratio` times as high: x ln(q / p) + (n - x)
    /// ln((1 - q) / (1 - p)), q the share at these odds. `ratio` above 1.
    #[must_use]
    pub fn log_likelihood(n: u64, p: f64, ratio: f64) -> Self {
        let (slope, offset) = log_likelihood_step(p, ratio);
        let n = n.min(1_000_000);
        Self::Binomial { slope, offset: offset * n as f64, cumulative: cumulative(n, p) }
    }

    /// P(step <= x).
    pub(super) fn cdf(&self, x: f64) -> f64 {
        match self {
            Self::Normal => normal_sf(-x),
            Self::Binomial { slope, offset, cumulative } => {
                // A count on the border of a cell belongs to it: without the allowance, rounding decides.
                let count = ((x - offset) / slope + 1e-9).floor();
                if count < 0.0 {
                    return 0.0;
                }
                cumulative[(count as usize).min(cumulative.len() - 1)]
            }
        }
    }

    /// The law of the negated step.
    pub(super) fn cdf_negated(&self, x: f64) -> f64 {
        match self {
            Self::Normal => normal_sf(-x),
            Self::Binomial { slope, offset, cumulative } => {
                // P(-step <= x) = P(count >= (-x - offset) / slope).
                let count = ((-x - offset) / slope - 1e-9).ceil();
                if count <= 0.0 {
                    return 1.0;
                }
                let below = (count as usize - 1).min(cumulative.len() - 1);
                1.0 - cumulative[below]
            }
        }
    }
}

/// Step of the log likelihood ratio per counted row, and per row.
pub(super) fn log_likelihood_step(p: f64, ratio: f64) -> (f64, f64) {
    // ln of the odds ratio, and ln((1 - q) / (1 - p)) with 1 - q = (1 - p) / (1 - p + ratio p).
    (ratio.ln(), -(ratio * p + (1.0 - p)).ln())
}

fn cumulative(n: u64, p: f64) -> Vec<f64> {
    let nf = n as f64;
    let whole = ln_gamma(nf + 1.0);
    let mut sum = 0.0_f64;
    (0..=n)
        .map(|i| {
            let x = i as f64;
            let log =
                whole - ln_gamma(x + 1.0) - ln_gamma(nf - x + 1.0) + x * p.ln() + (nf - x) * (1.0 - p).ln();
            sum += log.exp();
            sum.min(1.0)
        })
        .collect()
}
