use tsc_core::{Features, Result};

use crate::Metric;
use crate::index::check_rows;
use crate::kernel::Kernel;

/// Rows that are still to be visited, stored by column: one pass gives all distances to one row.
///
/// What Prim's algorithm needs: memory O(n d), no matrix of distances.
///
/// # Examples
///
/// ```
/// use tsc_core::Features;
/// use tsc_neighbors::{ColumnSet, Metric};
/// let mut rest = ColumnSet::new(Features::new(&[0.0, 2.0, 5.0], 1)?, &Metric::Euclidean)?;
/// let zero = rest.take(0); // row 2 moves into the free place
/// let mut distances = [0.0; 2];
/// rest.distances_into(&zero, &mut distances);
/// assert_eq!((rest.rows(), distances), (&[2, 1][..], [5.0, 2.0]));
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ColumnSet {
    kernel: Kernel,
    columns: Vec<f64>,
    stride: usize,
    n_features: usize,
    rows: Vec<u32>,
}

impl ColumnSet {
    /// All rows of `x`, in order.
    ///
    /// # Errors
    ///
    /// As [`NeighborIndex::build`](crate::NeighborIndex::build).
    pub fn new(x: Features<'_>, metric: &Metric) -> Result<Self> {
        check_rows(x, metric)?;
        let kernel = Kernel::of(metric);
        let (n, d) = (x.n_samples(), x.n_features());
        let mut columns = vec![0.0; n * d];
        let mut row = vec![0.0; d];
        for (j, values) in x.rows().enumerate() {
            row.copy_from_slice(values);
            kernel.prepare(&mut row);
            for (c, &value) in row.iter().enumerate() {
                columns[c * n + j] = value;
            }
        }
        Ok(Self { kernel, columns, stride: n, n_features: d, rows: (0..n as u32).collect() })
    }

    /// Rows that remain, by position.
    #[must_use]
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Removes the row at a position and returns its values; the last row takes the place.
    ///
    /// # Panics
    ///
    /// If no row is at `position`.
    pub fn take(&mut self, position: usize) -> Vec<f64> {
        self.rows.swap_remove(position);
        let last = self.rows.len();
        (0..self.n_features)
            .map(|c| {
                let at = c * self.stride;
                let value = self.columns[at + position];
                self.columns[at + position] = self.columns[at + last];
                value
            })
            .collect()
    }

    /// Distance of a row that was taken out to every row that remains, by position.
    ///
    /// # Panics
    ///
    /// If `out` and [`rows`](Self::rows), or `row` and the features, differ in length.
    pub fn distances_into(&self, row: &[f64], out: &mut [f64]) {
        assert_eq!(out.len(), self.rows.len(), "one distance a row that remains");
        assert_eq!(row.len(), self.n_features, "rows of one matrix have one width");
        self.kernel.reduced_to_columns(row, &self.columns, self.stride, out);
        out.iter_mut().for_each(|value| *value = self.kernel.finish(*value));
    }
}
