use serde::{Deserialize, Serialize};
use tsc_core::{Features, Result, Stage, check_width};

use crate::error::NeighborError;
use crate::kernel::Kernel;
use crate::search::{self, Scratch};
use crate::tiles::Tiles;
use crate::{Metric, Neighbor, Neighborhoods, for_each_chunk};

/// Rows a thread takes at a time.
const CHUNK: usize = 64;
/// Widest matrix for which `Auto` builds the tree; above it boxes seldom exclude a leaf.
const TREE_FEATURES: usize = 12;
/// Fewest rows for which `Auto` builds the tree.
const TREE_ROWS: usize = 128;

/// How the neighbours are searched; never changes a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Plan {
    /// Tree up to 12 features, tiles above.
    #[default]
    Auto,
    /// A k-d tree.
    KdTree,
    /// Every row, tile by tile.
    Tiled,
}

/// An exact index over the rows of a feature matrix; owns its copy.
#[derive(Clone, Debug)]
pub struct NeighborIndex {
    metric: Metric,
    kernel: Kernel,
    /// The rows as they came, row-major.
    values: Vec<f64>,
    /// The rows of unit length that cosine measures.
    units: Option<Vec<f64>>,
    n_features: usize,
    tiles: Tiles,
}

impl NeighborIndex {
    /// Indexes the rows of `x`, `(n_samples, n_features)`. O(n d log n) time, twice the memory of `x`.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` for minkowski p below 1. `InvalidData` if cosine meets a row of zeros, haversine
    /// another width than 2, a distance would overflow, or there are more than `u32::MAX - 1` rows.
    pub fn build(x: Features<'_>, metric: &Metric, plan: Plan) -> Result<Self> {
        check_rows(x, metric)?;
        let kernel = Kernel::of(metric);
        let values = x.as_slice().to_vec();
        let units = (kernel == Kernel::Cosine).then(|| {
            let mut units = values.clone();
            units.chunks_exact_mut(x.n_features()).for_each(|row| kernel.prepare(row));
            units
        });
        let prepared = match &units {
            Some(units) => Features::new(units, x.n_features())?,
            None => x,
        };
        let tree = match plan {
            Plan::Auto => x.n_features() <= TREE_FEATURES && x.n_samples() >= TREE_ROWS,
            Plan::KdTree => true,
            Plan::Tiled => false,
        };
        let tiles =
            if tree && kernel.has_box_bound() { Tiles::tree(prepared) } else { Tiles::flat(prepared) };
        Ok(Self { metric: metric.clone(), kernel, n_features: x.n_features(), tiles, values, units })
    }

    /// Number of rows.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.tiles.rows.len()
    }

    /// Width of a row.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// One row as it came.
    ///
    /// # Panics
    ///
    /// If `row >= n_samples`.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.n_features..(row + 1) * self.n_features]
    }

    /// All rows as they came, row-major.
    #[must_use]
    pub fn as_slice(&self) -> &[f64] {
        &self.values
    }

    /// The metric the index was built with.
    #[must_use]
    pub fn metric(&self) -> &Metric {
        &self.metric
    }

    /// The `k` nearest rows of each row of `q`, all rows if `k` is larger.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width or, for cosine, a row of zeros; `out` is then untouched.
    pub fn query_into(&self, q: Features<'_>, k: usize, out: &mut Neighborhoods) -> Result<()> {
        self.check_queries(q)?;
        let k = k.min(self.n_samples());
        out.n_samples = q.n_samples();
        out.items.clear();
        out.items.resize(q.n_samples() * k, Neighbor { row: 0, distance: 0.0 });
        if k > 0 {
            for_each_chunk(&mut out.items, CHUNK * k, |first, items| {
                let mut scratch = Scratch::new();
                for (i, items) in items.chunks_exact_mut(k).enumerate() {
                    self.search(q.row(first / k + i), k, &mut scratch);
                    items.copy_from_slice(&scratch.found);
                }
            });
        }
        Ok(())
    }

    /// Whether every row of `q` can be asked for.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width or, for cosine, a row of zeros.
    pub fn check_queries(&self, q: Features<'_>) -> Result<()> {
        check_width(q, self.n_features, Stage::Clustering)?;
        match self.kernel {
            Kernel::Cosine => q.rows().enumerate().try_for_each(|(row, values)| check_direction(row, values)),
            _ => Ok(()),
        }
    }

    /// The `k` nearest rows of one row; allocates nothing once `scratch` has grown.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width, a value that is not finite or, for cosine, a row of zeros.
    pub fn query_one<'s>(&self, row: &[f64], k: usize, scratch: &'s mut Scratch) -> Result<&'s [Neighbor]> {
        self.check_row(row)?;
        self.search(row, k, scratch);
        Ok(&scratch.found)
    }

    /// All rows at most `radius` away from one row, nearest first.
    ///
    /// # Errors
    ///
    /// As [`query_one`](Self::query_one).
    pub fn within_one<'s>(
        &self,
        row: &[f64],
        radius: f64,
        scratch: &'s mut Scratch,
    ) -> Result<&'s [Neighbor]> {
        self.check_row(row)?;
        let prepared = self.prepared(row, scratch);
        search::within(&self.tiles, self.kernel, &prepared, radius, scratch);
        scratch.row = prepared;
        Ok(&scratch.found)
    }

    /// Every row's `k` nearest rows, itself left out (an equal row is not).
    #[must_use]
    pub fn all_knn(&self, k: usize) -> Neighborhoods {
        let n = self.n_samples();
        let k = k.min(n - 1);
        let mut items = vec![Neighbor { row: 0, distance: 0.0 }; n * k];
        if k > 0 {
            for_each_chunk(&mut items, CHUNK * k, |first, items| {
                let mut scratch = Scratch::new();
                for (i, items) in items.chunks_exact_mut(k).enumerate() {
                    let row = first / k + i;
                    self.search_others(row, k, &mut scratch);
                    items.copy_from_slice(&scratch.found);
                }
            });
        }
        Neighborhoods { items, n_samples: n }
    }

    /// Distance of every row to its `k`-th nearest other row, the farthest if there are fewer; 0 if
    /// `k` is 0 or there is no other.
    #[must_use]
    pub fn kth_distances(&self, k: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.n_samples()];
        for_each_chunk(&mut out, CHUNK, |first, out| {
            let mut scratch = Scratch::new();
            for (i, out) in out.iter_mut().enumerate() {
                self.search_others(first + i, k, &mut scratch);
                *out = scratch.found.last().map_or(0.0, |n| n.distance);
            }
        });
        out
    }

    /// The `k` nearest rows of a row of the index, itself left out (an equal row is not).
    ///
    /// # Panics
    ///
    /// If `row >= n_samples`.
    pub fn query_others<'s>(&self, row: usize, k: usize, scratch: &'s mut Scratch) -> &'s [Neighbor] {
        self.search_others(row, k, scratch);
        &scratch.found
    }

    fn search_others(&self, row: usize, k: usize, scratch: &mut Scratch) {
        let rows = self.units.as_ref().unwrap_or(&self.values);
        let values = &rows[row * self.n_features..(row + 1) * self.n_features];
        search::nearest(&self.tiles, self.kernel, values, k, Some(row as u32), scratch);
    }

    fn search(&self, row: &[f64], k: usize, scratch: &mut Scratch) {
        let prepared = self.prepared(row, scratch);
        search::nearest(&self.tiles, self.kernel, &prepared, k, None, scratch);
        scratch.row = prepared;
    }

    /// The row in the kernel's form, in a buffer that goes back into the scratch.
    fn prepared(&self, row: &[f64], scratch: &mut Scratch) -> Vec<f64> {
        let mut prepared = std::mem::take(&mut scratch.row);
        prepared.clear();
        prepared.extend_from_slice(row);
        self.kernel.prepare(&mut prepared);
        prepared
    }

    fn check_row(&self, row: &[f64]) -> Result<()> {
        if row.len() != self.n_features {
            return Err(NeighborError::Width { got: row.len(), expected: self.n_features }.into());
        }
        if let Some(feature) = row.iter().position(|v| !v.is_finite()) {
            return Err(NeighborError::NotFinite { feature }.into());
        }
        if self.kernel == Kernel::Cosine { check_direction(0, row) } else { Ok(()) }
    }
}

fn check_direction(row: usize, values: &[f64]) -> Result<()> {
    if values.iter().all(|&v| v == 0.0) { Err(NeighborError::ZeroRow { row }.into()) } else { Ok(()) }
}

/// What the metric asks of a matrix, before anything is measured.
pub(crate) fn check_rows(x: Features<'_>, metric: &Metric) -> Result<()> {
    let max = u32::MAX as usize - 1;
    if x.n_samples() > max {
        return Err(NeighborError::TooManyRows { n_samples: x.n_samples(), max }.into());
    }
    match *metric {
        Metric::Minkowski(p) if metric.violation().is_some() => {
            return Err(NeighborError::Minkowski { p }.into());
        }
        Metric::Cosine => {
            return x.rows().enumerate().try_for_each(|(row, values)| check_direction(row, values));
        }
        Metric::Haversine if x.n_features() != 2 => {
            return Err(NeighborError::HaversineWidth { n_features: x.n_features() }.into());
        }
        Metric::Haversine => return Ok(()),
        _ => {}
    }
    let mut low = x.row(0).to_vec();
    let mut high = low.clone();
    for row in x.rows() {
        for ((low, high), &value) in low.iter_mut().zip(&mut high).zip(row) {
            *low = low.min(value);
            *high = high.max(value);
        }
    }
    // No pair is farther apart than the corners of the box, rounding included.
    if Kernel::of(metric).reduced(&low, &high).is_finite() {
        return Ok(());
    }
    let feature = (0..low.len())
        .max_by(|&a, &b| (high[a] - low[a]).total_cmp(&(high[b] - low[b])).then(b.cmp(&a)))
        .unwrap_or(0);
    Err(NeighborError::Overflow { feature, metric: metric.name() }.into())
}
