use tsc_core::{Features, Result};

use crate::Metric;
use crate::error::NeighborError;
use crate::index::check_rows;
use crate::kernel::{BLOCK, Euclidean, Kernel, Space};
use crate::simd::{self, Work};

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
    /// Blocks of rows, each by column.
    columns: Vec<f64>,
    n_features: usize,
    rows: Vec<u32>,
}

impl ColumnSet {
    /// All rows of `x`, in order.
    ///
    /// # Errors
    ///
    /// As [`NeighborIndex::build`](crate::NeighborIndex::build); `InvalidConfig` for a metric of the
    /// caller's, which is measured by pairs.
    pub fn new(x: Features<'_>, metric: &Metric) -> Result<Self> {
        check_rows(x, metric)?;
        let kernel = Kernel::of(metric).map_err(|_| NeighborError::NoColumns)?;
        let (n, d) = (x.n_samples(), x.n_features());
        let mut columns = vec![0.0; n.div_ceil(BLOCK) * BLOCK * d];
        let mut row = vec![0.0; d];
        for (position, values) in x.rows().enumerate() {
            row.copy_from_slice(values);
            kernel.prepare(&mut row);
            for (c, &value) in row.iter().enumerate() {
                columns[place(position, c, d)] = value;
            }
        }
        Ok(Self { kernel, columns, n_features: d, rows: (0..n as u32).collect() })
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
        let (last, d) = (self.rows.len(), self.n_features);
        (0..d)
            .map(|c| {
                let value = self.columns[place(position, c, d)];
                self.columns[place(position, c, d)] = self.columns[place(last, c, d)];
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
        match self.kernel {
            Kernel::Euclidean => simd::run(Measure { space: Euclidean, columns: &self.columns, row, out }),
            space => simd::run(Measure { space, columns: &self.columns, row, out }),
        }
    }
}

/// Where a value of a position lies.
fn place(position: usize, column: usize, n_features: usize) -> usize {
    position / BLOCK * BLOCK * n_features + column * BLOCK + position % BLOCK
}

struct Measure<'a, S> {
    space: S,
    columns: &'a [f64],
    row: &'a [f64],
    out: &'a mut [f64],
}

impl<S: Space> Work for Measure<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut reduced = [0.0; BLOCK];
        let blocks = self.columns.chunks_exact(BLOCK * self.row.len());
        for (out, columns) in self.out.chunks_mut(BLOCK).zip(blocks) {
            self.space.block(self.row, columns, &mut reduced);
            reduced.iter_mut().for_each(|value| *value = self.space.finish(*value));
            out.copy_from_slice(&reduced[..out.len()]);
        }
    }
}
