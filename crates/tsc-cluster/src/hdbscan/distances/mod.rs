//! Samples that are known by their distances only: a matrix, a sparse matrix, or a function of pairs.

mod matrix;
mod pairs;
mod sparse;

use std::fmt;

use tsc_core::Result;

pub use self::pairs::PairDistance;
use super::mst::Mst;
use super::params::HdbscanParams;

/// Relative difference up to which two distances of one pair count as equal; the first sample's decides.
const ASYMMETRY: f64 = 1e-9;

/// Distances between samples whose features are not known, such as DTW between series.
///
/// # Examples
///
/// The same three samples in all forms:
///
/// ```
/// use tsc_cluster::{Distances, Hdbscan, HdbscanParams};
/// let dense = Distances::Dense { values: &[0.0, 1.0, 5.0, 1.0, 0.0, 4.0, 5.0, 4.0, 0.0], n_samples: 3 };
/// let condensed = Distances::Condensed { values: &[1.0, 5.0, 4.0], n_samples: 3 };
/// let sparse = Distances::Sparse {
///     starts: &[0, 2, 4, 6],
///     columns: &[1, 2, 0, 2, 0, 1],
///     values: &[1.0, 5.0, 1.0, 4.0, 5.0, 4.0],
/// };
/// let positions = [0.0f64, 1.0, 5.0];
/// let pairs = |a: usize, b: usize| (positions[a] - positions[b]).abs();
/// let hdbscan = Hdbscan::new(HdbscanParams { min_cluster_size: 2, min_samples: Some(1), ..Default::default() })?;
/// let tree = hdbscan.fit_distances(dense)?;
/// assert_eq!(tree.core_distances(), [1.0, 1.0, 4.0]);
/// for same in [condensed, sparse, Distances::Pairs { n_samples: 3, pairs: &pairs }] {
///     assert_eq!(hdbscan.fit_distances(same)?, tree);
/// }
/// # Ok::<(), tsc_cluster::Error>(())
/// ```
#[derive(Clone, Copy)]
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
    /// Rows of the known distances (SciPy's CSR layout), both triangles; the upper one decides.
    ///
    /// A pair that is absent is infinitely far apart; one that is present with 0 is not. Groups that no
    /// distance joins meet at lambda 0, and a sample with fewer than `min_samples` distances is noise.
    Sparse {
        /// Where the row of each sample starts, and one past the end of the last: `n_samples + 1` positions.
        starts: &'a [usize],
        /// The other sample of each distance, ascending within a row.
        columns: &'a [u32],
        /// The distances.
        values: &'a [f64],
    },
    /// A function of two samples. Each pair is asked for at most once while all of them fit
    /// [`max_matrix_bytes`](HdbscanParams::max_matrix_bytes), else at most twice; in parallel with feature
    /// `rayon`.
    ///
    /// Up to 64 pairs are asked for in both orders beforehand, to see that the function is symmetric.
    Pairs {
        /// Number of samples.
        n_samples: usize,
        /// The distance, and a bound below it if there is a cheap one.
        pairs: &'a dyn PairDistance,
    },
}

impl fmt::Debug for Distances<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self {
            Distances::Dense { .. } => "Dense",
            Distances::Condensed { .. } => "Condensed",
            Distances::Sparse { .. } => "Sparse",
            Distances::Pairs { .. } => "Pairs",
        };
        f.debug_struct(form).field("n_samples", &self.n_samples()).finish_non_exhaustive()
    }
}

impl Distances<'_> {
    /// Number of samples.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        match *self {
            Distances::Dense { n_samples, .. }
            | Distances::Condensed { n_samples, .. }
            | Distances::Pairs { n_samples, .. } => n_samples,
            Distances::Sparse { starts, .. } => starts.len().saturating_sub(1),
        }
    }

    /// Core distances and spanning tree.
    pub(crate) fn measure(&self, params: &HdbscanParams) -> Result<(Vec<f64>, Mst)> {
        match *self {
            Distances::Dense { values, n_samples } => {
                matrix::Matrix::square(values, n_samples)?.measure(params)
            }
            Distances::Condensed { values, n_samples } => {
                matrix::Matrix::triangle(values, n_samples)?.measure(params)
            }
            Distances::Sparse { starts, columns, values } => {
                sparse::Sparse::new(starts, columns, values)?.measure(params)
            }
            Distances::Pairs { n_samples, pairs } => pairs::measure(n_samples, pairs, params),
        }
    }
}

fn bad_value(v: f64) -> Option<&'static str> {
    if v.is_nan() {
        Some("NaN")
    } else if v.is_infinite() {
        Some("infinite")
    } else if v < 0.0 {
        Some("negative")
    } else {
        None
    }
}

/// Whether two distances of one pair differ by more than rounding.
fn differ(a: f64, b: f64) -> bool {
    (a - b).abs() > ASYMMETRY * a.max(b)
}
