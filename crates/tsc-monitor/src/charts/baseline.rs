use serde::{Deserialize, Serialize};

/// Counted rows and all rows that a share is known from: held-out ones, then batches that joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    pub(crate) counted: u64,
    pub(crate) rows: u64,
}

impl Baseline {
    /// Share with half a row of each kind added: never 0 or 1, so that a first noise row is judged.
    pub(crate) fn share(self) -> f64 {
        (self.counted as f64 + 0.5) / (self.rows as f64 + 1.0)
    }

    /// Deviations of the share of a batch from this one: the error of both is in the variance,
    /// q (1 - q) (1/n + 1/M).
    pub(crate) fn standardise(self, counted: u64, rows: u64, inflation: f64) -> f64 {
        let q = self.share();
        let variance = q * (1.0 - q) * (1.0 / rows as f64 + 1.0 / self.rows as f64) * inflation;
        (counted as f64 / rows as f64 - q) / variance.sqrt()
    }

    pub(crate) fn join(&mut self, counted: u64, rows: u64) {
        self.counted = self.counted.saturating_add(counted);
        self.rows = self.rows.saturating_add(rows);
    }
}
