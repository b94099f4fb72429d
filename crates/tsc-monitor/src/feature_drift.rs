//! Distribution of each feature against the reference: one rule, over windows of pooled batches.

use serde::{Deserialize, Serialize};
use tsc_core::{Features, Finding, Signal};

use crate::{Adjustment, CellCounts, FeatureRule, FeatureVerdict, Reference};

pub(crate) const MIN_EFFECT: f64 = 0.05;
const RULE: FeatureRule = FeatureRule {
    alpha: 0.01,
    min_effect: MIN_EFFECT,
    adjustment: Adjustment::BenjaminiHochberg,
    min_rows: 50,
};
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
    /// One per feature, in the order of the schema; none with too few rows.
    pub(crate) tested: Vec<TestedFeature>,
    /// One per feature that drifted, in the order of the schema; `None` with too few rows to say.
    pub(crate) findings: Option<Vec<Finding>>,
}

/// Effect and adjusted p of one feature.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TestedFeature {
    pub(crate) effect: f64,
    pub(crate) p_value: f64,
    pub(crate) drifted: bool,
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
        let tested = window.test(reference);
        let findings = (!tested.is_empty()).then(|| findings(&tested, since, reference));
        Some(TestedWindow { rows: window.rows, tested, findings })
    }

    // Empty with too few rows: all features have as many.
    fn test(&self, reference: &Reference) -> Vec<TestedFeature> {
        let pairs: Vec<CellCounts<'_>> = reference
            .cells
            .iter()
            .zip(&self.counts)
            .map(|(cells, current)| CellCounts { reference: &cells.counts, current, design_effect: 1.0 })
            .collect();
        let tested = RULE.judge(&pairs).into_iter().map(|verdict| match verdict {
            FeatureVerdict::Insufficient { .. } => None,
            FeatureVerdict::Stable { effect, p_value } => Some((effect, p_value, false)),
            FeatureVerdict::Drifted { effect, p_value } => Some((effect, p_value, true)),
        });
        let tested: Option<Vec<_>> = tested.collect();
        let named = |(effect, p_value, drifted)| TestedFeature { effect, p_value, drifted };
        tested.unwrap_or_default().into_iter().map(named).collect()
    }
}

fn findings(tested: &[TestedFeature], since: u64, reference: &Reference) -> Vec<Finding> {
    let drifted = reference.names.iter().zip(tested).filter(|(_, tested)| tested.drifted);
    drifted
        .map(|(name, tested)| {
            let mut finding = Finding::new(Signal::Feature(name.clone()), tested.effect, MIN_EFFECT);
            finding.p_value = Some(tested.p_value);
            finding.since = Some(since);
            finding
        })
        .collect()
}
