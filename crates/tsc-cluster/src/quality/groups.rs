use tsc_core::{Features, Label, Result};

use crate::error::ClusterError;
use crate::range::check_squares;

/// Samples that are not noise, a cluster after the other.
#[derive(Debug)]
pub(crate) struct Groups {
    values: Vec<f64>,
    n_features: usize,
    sizes: Vec<usize>,
}

impl Groups {
    /// Refuses values whose squared distances would overflow.
    pub(crate) fn of(x: Features<'_>, labels: &[Label]) -> Result<Self> {
        if labels.len() != x.n_samples() {
            return Err(ClusterError::LabelCount { labels: labels.len(), n_samples: x.n_samples() }.into());
        }
        let mut rows: Vec<usize> = (0..labels.len()).filter(|&row| !labels[row].is_noise()).collect();
        rows.sort_by_key(|&row| labels[row]);
        let sizes = rows.chunk_by(|&a, &b| labels[a] == labels[b]).map(<[usize]>::len).collect();
        let values: Vec<f64> = rows.iter().flat_map(|&row| x.row(row).iter().copied()).collect();
        let groups = Self { values, n_features: x.n_features(), sizes };
        check_squares(&groups.values, groups.n_features)?;
        Ok(groups)
    }

    pub(crate) fn n(&self) -> usize {
        self.values.len() / self.n_features
    }

    pub(crate) fn n_features(&self) -> usize {
        self.n_features
    }

    /// Samples of each cluster.
    pub(crate) fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    pub(crate) fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.n_features..(i + 1) * self.n_features]
    }

    /// Samples of each cluster, as a range of [`row`](Self::row)s.
    pub(crate) fn ranges(&self) -> Vec<std::ops::Range<usize>> {
        let mut first = 0;
        let range = |&size: &usize| {
            first += size;
            first - size..first
        };
        self.sizes.iter().map(range).collect()
    }

    /// Values of some samples, row-major.
    pub(crate) fn rows(&self, range: std::ops::Range<usize>) -> &[f64] {
        &self.values[range.start * self.n_features..range.end * self.n_features]
    }
}
