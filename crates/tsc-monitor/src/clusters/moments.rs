use serde::{Deserialize, Serialize};

/// Running count, mean and sum of squared deviations; batches are merged whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Moments {
    pub(super) n: f64,
    pub(super) mean: f64,
    squares: f64,
}

impl Moments {
    /// Values beyond 1e100 count as 1e100, so that every sum stays finite.
    pub(super) fn push(&mut self, x: f64) {
        let x = x.clamp(-1e100, 1e100);
        self.n += 1.0;
        let off = x - self.mean;
        self.mean += off / self.n;
        self.squares += off * (x - self.mean);
    }

    // Chan, Golub, LeVeque, Am. Stat. 37 (1983), 242-247.
    pub(super) fn merge(&mut self, other: &Self) {
        let n = self.n + other.n;
        if other.n == 0.0 {
            return;
        }
        let off = other.mean - self.mean;
        self.mean += off * other.n / n;
        self.squares += other.squares + off * off * self.n * other.n / n;
        self.n = n;
    }

    /// Unbiased variance; 0 with fewer than two values.
    pub(super) fn variance(&self) -> f64 {
        if self.n > 1.0 { (self.squares / (self.n - 1.0)).max(0.0) } else { 0.0 }
    }

    /// Sum of squared deviations.
    pub(super) fn squares(&self) -> f64 {
        self.squares
    }

    pub(super) fn is_valid(&self) -> bool {
        self.n >= 0.0 && self.n <= 1e15 && self.mean.is_finite() && self.squares.is_finite()
    }
}
