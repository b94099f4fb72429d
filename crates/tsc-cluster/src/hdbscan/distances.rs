use tsc_core::Result;

use super::mst::DistanceRows;
use crate::error::ClusterError;

/// Relative difference up to which a dense matrix counts as symmetric.
const ASYMMETRY: f64 = 1e-9;

/// Distances between samples whose features are not known, such as DTW between series.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Distances<'a> {
    /// The full matrix, row-major; the upper triangle decides.
    Dense {
        /// `n_samples * n_samples` distances.
        values: &'a [f64],
        /// Number of samples.
        n_samples: usize,
    },
    /// The upper triangle without the diagonal, row by row (SciPy's `pdist` layout).
    Condensed {
        /// `n_samples * (n_samples - 1) / 2` distances.
        values: &'a [f64],
        /// Number of samples.
        n_samples: usize,
    },
}

impl<'a> Distances<'a> {
    /// Number of samples.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        match *self {
            Distances::Dense { n_samples, .. } | Distances::Condensed { n_samples, .. } => n_samples,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let n = self.n_samples();
        let (values, expected) = match *self {
            Distances::Dense { values, .. } => (values, n.checked_mul(n)),
            Distances::Condensed { values, .. } => {
                (values, n.checked_mul(n.saturating_sub(1)).map(|v| v / 2))
            }
        };
        if expected != Some(values.len()) || u32::try_from(n).is_err() {
            let expected = expected.unwrap_or(usize::MAX);
            return Err(ClusterError::DistanceCount { got: values.len(), n_samples: n, expected }.into());
        }
        for row in 0..n {
            for column in row..n {
                if let Some(problem) = self.problem(row, column) {
                    return Err(ClusterError::Distance { row, column, problem }.into());
                }
            }
        }
        Ok(())
    }

    fn problem(&self, row: usize, column: usize) -> Option<&'static str> {
        let Distances::Dense { values, n_samples: n } = *self else {
            return (row != column).then(|| bad_value(self.between(row, column))).flatten();
        };
        let (above, below) = (values[row * n + column], values[column * n + row]);
        if row == column {
            return (above != 0.0).then_some("not 0 on the diagonal");
        }
        bad_value(above).or(bad_value(below)).or_else(|| {
            ((above - below).abs() > ASYMMETRY * above.max(below)).then_some("not the same in both triangles")
        })
    }

    /// Distance between two different samples.
    pub(crate) fn between(&self, a: usize, b: usize) -> f64 {
        let (low, high) = (a.min(b), a.max(b));
        match *self {
            Distances::Dense { values, n_samples: n } => values[low * n + high],
            Distances::Condensed { values, n_samples: n } => {
                values[low * n - low * (low + 1) / 2 + (high - low - 1)]
            }
        }
    }

    pub(crate) fn rows(self) -> MatrixRows<'a> {
        MatrixRows { distances: self, rows: (0..self.n_samples() as u32).collect(), taken: 0 }
    }
}

fn bad_value(v: f64) -> Option<&'static str> {
    if !v.is_finite() {
        Some("not finite")
    } else if v < 0.0 {
        Some("negative")
    } else {
        None
    }
}

/// A matrix read in the order Prim visits the samples.
#[derive(Debug)]
pub(crate) struct MatrixRows<'a> {
    distances: Distances<'a>,
    rows: Vec<u32>,
    taken: usize,
}

impl DistanceRows for MatrixRows<'_> {
    fn rows(&self) -> &[u32] {
        &self.rows
    }

    fn take(&mut self, position: usize) {
        self.taken = self.rows.swap_remove(position) as usize;
    }

    fn distances_from_taken(&self, out: &mut [f64]) {
        for (out, &row) in out.iter_mut().zip(&self.rows) {
            *out = self.distances.between(self.taken, row as usize);
        }
    }
}
