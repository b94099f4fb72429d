//! Distribution of each feature against the reference: one rule, over windows of pooled batches.

use serde::{Deserialize, Serialize};
use tsc_core::stats::benjamini_hochberg;
use tsc_core::{Features, Finding, Signal};

use crate::Reference;
use crate::divergence::compare;

const ALPHA: f64 = 0.01;
pub(crate) const MIN_EFFECT: f64 = 0.05;
const WINDOW_ROWS: u64 = 500;
const WINDOW_BATCHES: u64 = 10;
/// With fewer the tail of the chi-square law is too coarse for many features: the window waits for more.
const MIN_ROWS: u64 = 100;

/// Counts of the batches since the last test, cell by cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FeatureWindow {
    pub(crate) rows: u64,
    batches: u64,
    counts: Vec<Vec<u64>>,
}

/// A closed window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TestedWindow {
    pub(crate) rows: u64,
    /// One per feature that drifted, in the order of the schema.
    pub(crate) findings: Vec<Finding>,
}

impl FeatureWindow {
    pub(crate) fn new(reference: &Reference) -> Self {
        let counts = reference.cells.iter().map(|cells| vec![0; cells.counts.len()]).collect();
        Self { rows: 0, batches: 0, counts }
    }

    pub(crate) fn fits(&self, reference: &Reference) -> bool {
        let cells = |counts: &Vec<u64>, i: usize| counts.len() == reference.cells[i].counts.len();
        self.counts.len() == reference.n_features()
            && self.counts.iter().enumerate().all(|(i, counts)| cells(counts, i))
            && self
                .counts
                .iter()
                .all(|c| c.iter().try_fold(0_u64, |s, &n| s.checked_add(n)) == Some(self.rows))
    }

    /// Counts a batch; tests and starts anew once 500 rows, or 10 batches and 100 rows, are together. `since` of the
    /// findings is the first batch of the window.
    pub(crate) fn push(
        &mut self,
        x: Features<'_>,
        sequence: u64,
        reference: &Reference,
    ) -> Option<TestedWindow> {
        for row in x.rows() {
            for ((&value, cells), counts) in row.iter().zip(&reference.cells).zip(&mut self.counts) {
                counts[cells.position(value)] += 1;
            }
        }
        self.rows += x.n_samples() as u64;
        self.batches += 1;
        if self.rows < MIN_ROWS || (self.rows < WINDOW_ROWS && self.batches < WINDOW_BATCHES) {
            return None;
        }
        let since = sequence.saturating_sub(self.batches - 1);
        let window = std::mem::replace(self, Self::new(reference));
        Some(TestedWindow { rows: window.rows, findings: window.test(since, reference) })
    }

    fn test(&self, since: u64, reference: &Reference) -> Vec<Finding> {
        let tested: Vec<_> = reference
            .cells
            .iter()
            .zip(&self.counts)
            .map(|(cells, counts)| compare(&cells.counts, counts))
            .collect();
        let p: Vec<f64> = tested.iter().map(|t| t.p_value).collect();
        let adjusted = benjamini_hochberg(&p);
        let drifted = |i: &usize| adjusted[*i] < ALPHA && tested[*i].effect >= MIN_EFFECT;
        (0..tested.len())
            .filter(drifted)
            .map(|i| {
                let signal = Signal::Feature(reference.names[i].clone());
                let mut finding = Finding::new(signal, tested[i].effect, MIN_EFFECT);
                finding.p_value = Some(adjusted[i]);
                finding.since = Some(since);
                finding
            })
            .collect()
    }
}
