//! Distribution of each feature against the reference: one rule, over windows of pooled batches.

use serde::{Deserialize, Serialize};
use tsc_core::{Features, Finding, Signal};

use crate::{CellCounts, FeatureRule, FeatureVerdict, Reference};

pub(crate) const MIN_EFFECT: f64 = 0.05;
const WINDOW_ROWS: u64 = 500;
const WINDOW_BATCHES: u64 = 10;

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
    /// One per feature that drifted, in the order of the schema; `None` with too few rows to say.
    pub(crate) findings: Option<Vec<Finding>>,
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

    /// Counts a batch; tests and starts anew once 500 rows or 10 batches are together. `since` of the
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
        if self.rows < WINDOW_ROWS && self.batches < WINDOW_BATCHES {
            return None;
        }
        let since = sequence.saturating_sub(self.batches - 1);
        let window = std::mem::replace(self, Self::new(reference));
        Some(TestedWindow { rows: window.rows, findings: window.test(since, reference) })
    }

    fn test(&self, since: u64, reference: &Reference) -> Option<Vec<Finding>> {
        let rule = FeatureRule { min_effect: MIN_EFFECT, ..FeatureRule::default() };
        let pairs: Vec<CellCounts<'_>> = reference
            .cells
            .iter()
            .zip(&self.counts)
            .map(|(cells, counts)| CellCounts {
                reference: &cells.counts,
                current: counts,
                design_effect: 1.0,
            })
            .collect();
        let mut findings = Vec::new();
        for (name, verdict) in reference.names.iter().zip(rule.judge(&pairs)) {
            match verdict {
                FeatureVerdict::Insufficient { .. } => return None,
                FeatureVerdict::Stable { .. } => {}
                FeatureVerdict::Drifted { effect, p_value } => {
                    let mut finding = Finding::new(Signal::Feature(name.clone()), effect, rule.min_effect);
                    finding.p_value = Some(p_value);
                    finding.since = Some(since);
                    findings.push(finding);
                }
            }
        }
        Some(findings)
    }
}
