//! Noise and loss of the last batches together, against the frozen held-out reference.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use tsc_core::stats::{normal_sf, two_proportion_z};

use crate::{Reference, ring};

/// One false alarm in 2,000 clean batches, where every batch is one test.
const ALPHA: f64 = 1.0 / 2_000.0;
const BATCHES: usize = 50;
/// With fewer rows the normal law is too coarse in the tail at small shares.
const MIN_ROWS: u64 = 200;
const LOSS_BATCHES: usize = 10;
/// Variance of a squared error in units of its mean squared: 2 for normal errors, 5 for Laplace ones.
const LOSS_SPREAD: f64 = 5.0;

/// Noise and rows of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct NoiseCount {
    sequence: u64,
    noise: u64,
    rows: u64,
}

/// A rise over the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rise {
    /// In ratio points, or relative for a loss.
    pub(crate) effect: f64,
    /// One-sided.
    pub(crate) p_value: f64,
    pub(crate) rows: u64,
    /// First batch behind it.
    pub(crate) since: u64,
}

impl Rise {
    /// Whether the test agrees that there is a rise at all.
    pub(crate) fn is_significant(&self) -> bool {
        self.p_value < ALPHA
    }
}

/// Noise of the last 50 batches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct NoiseTrend {
    batches: VecDeque<NoiseCount>,
}

impl NoiseTrend {
    pub(crate) fn push(&mut self, sequence: u64, noise: u64, rows: u64) {
        ring::push(&mut self.batches, NoiseCount { sequence, noise, rows }, BATCHES);
    }

    pub(crate) fn clear(&mut self) {
        self.batches.clear();
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.batches.len() <= BATCHES
            && self.batches.iter().all(|b| b.noise <= b.rows && b.rows <= u64::from(u32::MAX))
    }

    /// `None` with fewer than 200 rows on this side, or none on the other.
    pub(crate) fn rise(&self, reference: &Reference) -> Option<Rise> {
        let noise = self.batches.iter().map(|b| b.noise).sum();
        let rows = self.batches.iter().map(|b| b.rows).sum();
        let held_out = reference.holdout_counts();
        if rows < MIN_ROWS || held_out.1 == 0 {
            return None;
        }
        // Undefined only where both shares are 0 or both are 1: no rise.
        let z = two_proportion_z(held_out, (noise, rows)).unwrap_or(0.0);
        let effect = noise as f64 / rows as f64 - held_out.0 as f64 / held_out.1 as f64;
        let since = self.batches.front().map_or(0, |b| b.sequence);
        Some(Rise { effect, p_value: normal_sf(z), rows, since })
    }
}

/// Whether a batch of this noise says more than chance about a reference of this noise.
///
/// True without a held-out row: then there is nothing to hold against the batch.
pub(crate) fn exceeds(held_out: (u64, u64), batch: (u64, u64)) -> bool {
    held_out.1 == 0 || two_proportion_z(held_out, batch).is_some_and(|z| normal_sf(z) < ALPHA)
}

/// Labelled rows and mean squared error of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct LossOfBatch {
    sequence: u64,
    rows: u64,
    mse: f64,
}

/// Loss of the last 10 batches that had targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LossTrend {
    batches: VecDeque<LossOfBatch>,
}

impl LossTrend {
    pub(crate) fn push(&mut self, sequence: u64, rows: u64, rmse: f64) {
        ring::push(&mut self.batches, LossOfBatch { sequence, rows, mse: rmse * rmse }, LOSS_BATCHES);
    }

    pub(crate) fn clear(&mut self) {
        self.batches.clear();
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.batches.len() <= LOSS_BATCHES
            && self.batches.iter().all(|b| b.rows <= u64::from(u32::MAX) && b.mse.is_finite() && b.mse >= 0.0)
    }

    /// Relative rise of the RMSE; the logarithm of the mean squared errors' ratio is tested.
    ///
    /// `None` with fewer than 200 labelled rows, or without a held-out loss above 0.
    pub(crate) fn rise(&self, reference: &Reference) -> Option<Rise> {
        let held_out = reference.holdout_rmse().filter(|rmse| *rmse > 0.0)?;
        let rows: u64 = self.batches.iter().map(|b| b.rows).sum();
        let n_holdout = reference.n_holdout();
        if rows < MIN_ROWS || n_holdout == 0 {
            return None;
        }
        let mse = self.batches.iter().map(|b| b.mse * b.rows as f64).sum::<f64>() / rows as f64;
        let ratio = mse / (held_out * held_out);
        let variance = self.spread(mse) * (1.0 / rows as f64 + 1.0 / n_holdout as f64);
        let z = ratio.ln() / variance.sqrt();
        let since = self.batches.front().map_or(0, |b| b.sequence);
        ratio.is_finite().then(|| Rise { effect: ratio.sqrt() - 1.0, p_value: normal_sf(z), rows, since })
    }

    // Heavier tails than Laplace's show in how the batches differ from each other.
    fn spread(&self, mse: f64) -> f64 {
        if self.batches.len() < LOSS_BATCHES || mse <= 0.0 {
            return LOSS_SPREAD;
        }
        let between: f64 = self.batches.iter().map(|b| b.rows as f64 * (b.mse / mse - 1.0).powi(2)).sum();
        LOSS_SPREAD.max(between / (LOSS_BATCHES - 1) as f64)
    }
}
