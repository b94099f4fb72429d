use tsc_core::{Features, Label, Result};

use crate::error::FallbackError;

/// Samples that have a cluster.
#[derive(Debug)]
pub(crate) struct Labelled {
    /// Their values, row-major.
    pub(crate) values: Vec<f64>,
    /// Position of each sample's label in `labels`.
    pub(crate) codes: Vec<u32>,
    /// Distinct labels, ascending.
    pub(crate) labels: Vec<Label>,
}

impl Labelled {
    pub(crate) fn of(x: Features<'_>, labels: &[Label]) -> Result<Self> {
        assert_eq!(labels.len(), x.n_samples(), "one label per sample");
        let mut distinct: Vec<Label> = labels.iter().copied().filter(|l| !l.is_noise()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.is_empty() {
            return Err(FallbackError::NoLabelledSample { n_samples: x.n_samples() }.into());
        }
        let (mut values, mut codes) = (Vec::new(), Vec::new());
        for (row, label) in x.rows().zip(labels) {
            if let Ok(code) = distinct.binary_search(label) {
                values.extend_from_slice(row);
                codes.push(code as u32);
            }
        }
        Ok(Self { values, codes, labels: distinct })
    }

    /// Values of one label's samples, row-major.
    pub(crate) fn of_code(&self, code: usize, n_features: usize) -> Vec<f64> {
        let rows = self.values.chunks_exact(n_features).zip(&self.codes);
        rows.filter(|&(_, &c)| c as usize == code).flat_map(|(row, _)| row.iter().copied()).collect()
    }
}
