use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tsc_core::{Features, Result, Stage, check_width};

use crate::error::NeighborError;
use crate::kernel::Kernel;
use crate::knn::surroundings;
use crate::search::{self, Scratch};
use crate::spanning::spanning_tree;
use crate::tree::Tree;
use crate::{Distance, Metric, Neighbor, Neighborhoods, for_each_chunk, pairs};

/// Rows a thread takes at a time.
const CHUNK: usize = 64;
/// Most neighbours a row remembers for the spanning tree; fewer searches against more memory.
const LISTED: usize = 16;

/// How the neighbours are searched; never changes a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Plan {
    /// The tree: where its boxes exclude nothing it visits the same blocks as `tiled`, a few percent slower.
    #[default]
    Auto,
    /// Blocks of rows below a k-d tree of boxes.
    KdTree,
    /// Every block of rows.
    Tiled,
}

/// An edge of a spanning tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// Smaller row.
    pub a: u32,
    /// Larger row.
    pub b: u32,
    /// `max(core a, core b, distance / alpha)`.
    pub weight: f64,
}

/// Core distances and a minimum spanning tree of the mutual reachability distances.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanningTree {
    /// Distance of each row to its k-th nearest other row.
    pub core_distances: Vec<f64>,
    /// The n - 1 edges, in no particular order.
    pub edges: Vec<Edge>,
}

/// An exact index over the rows of a feature matrix; owns its copy.
#[derive(Clone, Debug)]
pub struct NeighborIndex {
    metric: Metric,
    /// The rows as they came, row-major.
    values: Vec<f64>,
    n_features: usize,
    search: Search,
}

#[derive(Clone, Debug)]
enum Search {
    Blocks {
        kernel: Kernel,
        /// The rows of unit length that cosine measures.
        units: Option<Vec<f64>>,
        tree: Box<Tree>,
    },
    /// A metric of the caller's, measured pair by pair.
    Pairs(Arc<dyn Distance>),
}

impl NeighborIndex {
    /// Indexes the rows of `x`, `(n_samples, n_features)`. O(n d log n) time, twice the memory of `x`.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` for minkowski p below 1. `InvalidData` if cosine meets a row of zeros, haversine
    /// another width than 2, a distance would overflow, there are more than `u32::MAX - 1` rows, or a
    /// metric of the caller's gives a negative, infinite or asymmetric distance for one of some pairs.
    pub fn build(x: Features<'_>, metric: &Metric, plan: Plan) -> Result<Self> {
        check_rows(x, metric)?;
        let values = x.as_slice().to_vec();
        let search = match Kernel::of(metric) {
            Ok(kernel) => {
                let units = (kernel == Kernel::Cosine).then(|| {
                    let mut units = values.clone();
                    units.chunks_exact_mut(x.n_features()).for_each(|row| kernel.prepare(row));
                    units
                });
                let prepared = match &units {
                    Some(units) => Features::new(units, x.n_features())?,
                    None => x,
                };
                let tree = Box::new(Tree::new(prepared, kernel, plan != Plan::Tiled));
                Search::Blocks { kernel, units, tree }
            }
            Err(distance) => Search::Pairs(Arc::clone(distance)),
        };
        Ok(Self { metric: metric.clone(), values, n_features: x.n_features(), search })
    }

    /// Number of rows.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.values.len() / self.n_features
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
        match self.metric {
            Metric::Cosine => q.rows().enumerate().try_for_each(|(row, values)| check_direction(row, values)),
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
        match &self.search {
            Search::Pairs(distance) => {
                pairs::within(&**distance, self.rows(), row, radius, &mut scratch.found)
            }
            Search::Blocks { kernel, tree, .. } => {
                let prepared = prepared(*kernel, row, scratch);
                search::within(tree, *kernel, &prepared, radius, scratch);
                scratch.row = prepared;
            }
        }
        Ok(&scratch.found)
    }

    /// Distance from one row to every row of the index, in the order of the rows. O(n d).
    ///
    /// # Errors
    ///
    /// As [`query_one`](Self::query_one).
    ///
    /// # Panics
    ///
    /// If `out.len() != n_samples`.
    pub fn distances_into(&self, row: &[f64], out: &mut [f64]) -> Result<()> {
        assert_eq!(out.len(), self.n_samples(), "one distance a row");
        self.check_row(row)?;
        match &self.search {
            Search::Pairs(distance) => {
                out.iter_mut()
                    .enumerate()
                    .for_each(|(other, out)| *out = distance.distance(row, self.row(other)));
            }
            Search::Blocks { kernel, tree, .. } => {
                let mut row = row.to_vec();
                kernel.prepare(&mut row);
                search::all(tree, *kernel, &row, out);
            }
        }
        Ok(())
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
        let k = k.min(self.n_samples() - 1);
        match &self.search {
            _ if k == 0 => vec![0.0; self.n_samples()],
            Search::Blocks { kernel, tree, .. } => by_row(&surroundings(tree, *kernel, k, 0).kth, &tree.rows),
            Search::Pairs(distance) => pairs::kth_distances(&**distance, self.rows(), k),
        }
    }

    /// Core distances (to the `k`-th nearest other row) and a minimum spanning tree of the weights
    /// `max(core a, core b, distance / alpha)`.
    ///
    /// Borůvka's algorithm on the tree: O(n log n) searches for rows of few dimensions, O(n² d) where
    /// boxes exclude nothing and for a metric of the caller's. At most 120 bytes a row beside the index. The
    /// sorted weights are those of every minimum spanning tree; the same edges for any number of threads.
    ///
    /// # Panics
    ///
    /// If `alpha` is not above 0.
    #[must_use]
    pub fn spanning_tree(&self, k: usize, alpha: f64) -> SpanningTree {
        assert!(alpha > 0.0, "alpha divides distances");
        let k = k.min(self.n_samples() - 1);
        match &self.search {
            _ if k == 0 => SpanningTree { core_distances: vec![0.0; self.n_samples()], edges: Vec::new() },
            Search::Pairs(distance) => pairs::spanning_tree(&**distance, self.rows(), k, alpha),
            Search::Blocks { kernel, tree, .. } => {
                // Below 1, alpha can make an edge to a near neighbour heavier than the core distance; lists
                // then say nothing, and every row searches.
                let listed = if alpha < 1.0 { 0 } else { k.min(LISTED) };
                let around = surroundings(tree, *kernel, k, listed);
                let (core, mut edges) = spanning_tree(tree, *kernel, around, alpha);
                for edge in &mut edges {
                    let (a, b) = (tree.rows[edge.a as usize], tree.rows[edge.b as usize]);
                    (edge.a, edge.b) = (a.min(b), a.max(b));
                }
                SpanningTree { core_distances: by_row(&core, &tree.rows), edges }
            }
        }
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
        let range = row * self.n_features..(row + 1) * self.n_features;
        let skip = Some(row as u32);
        match &self.search {
            Search::Pairs(distance) => {
                pairs::nearest(&**distance, self.rows(), self.row(row), k, skip, &mut scratch.found);
            }
            Search::Blocks { kernel, units, tree } => {
                let rows = units.as_ref().unwrap_or(&self.values);
                search::nearest(tree, *kernel, &rows[range], k, skip, scratch);
            }
        }
    }

    fn search(&self, row: &[f64], k: usize, scratch: &mut Scratch) {
        match &self.search {
            Search::Pairs(distance) => {
                pairs::nearest(&**distance, self.rows(), row, k, None, &mut scratch.found);
            }
            Search::Blocks { kernel, tree, .. } => {
                let prepared = prepared(*kernel, row, scratch);
                search::nearest(tree, *kernel, &prepared, k, None, scratch);
                scratch.row = prepared;
            }
        }
    }

    fn rows(&self) -> Rows<'_> {
        Rows { values: &self.values, width: self.n_features }
    }

    fn check_row(&self, row: &[f64]) -> Result<()> {
        if row.len() != self.n_features {
            return Err(NeighborError::Width { got: row.len(), expected: self.n_features }.into());
        }
        if let Some(feature) = row.iter().position(|v| !v.is_finite()) {
            return Err(NeighborError::NotFinite { feature }.into());
        }
        if self.metric == Metric::Cosine { check_direction(0, row) } else { Ok(()) }
    }
}

/// The row in the kernel's form, in a buffer that goes back into the scratch.
fn prepared(kernel: Kernel, row: &[f64], scratch: &mut Scratch) -> Vec<f64> {
    let mut prepared = std::mem::take(&mut scratch.row);
    prepared.clear();
    prepared.extend_from_slice(row);
    kernel.prepare(&mut prepared);
    prepared
}

/// Values by position in the tree, brought into the order of the rows.
fn by_row(values: &[f64], rows: &[u32]) -> Vec<f64> {
    let mut out = vec![0.0; values.len()];
    rows.iter().zip(values).for_each(|(&row, &value)| out[row as usize] = value);
    out
}

/// The rows of an index, row-major.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    values: &'a [f64],
    width: usize,
}

impl<'a> Rows<'a> {
    pub(crate) fn n(self) -> usize {
        self.values.len() / self.width
    }

    pub(crate) fn row(self, row: usize) -> &'a [f64] {
        &self.values[row * self.width..(row + 1) * self.width]
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
    let kernel = match Kernel::of(metric) {
        Ok(kernel) => kernel,
        Err(distance) => {
            return pairs::check(&**distance, Rows { values: x.as_slice(), width: x.n_features() });
        }
    };
    let mut low = x.row(0).to_vec();
    let mut high = low.clone();
    for row in x.rows() {
        for ((low, high), &value) in low.iter_mut().zip(&mut high).zip(row) {
            *low = low.min(value);
            *high = high.max(value);
        }
    }
    // No pair is farther apart than the corners of the box, rounding included.
    if kernel.reduced(&low, &high).is_finite() {
        return Ok(());
    }
    let feature = (0..low.len())
        .max_by(|&a, &b| (high[a] - low[a]).total_cmp(&(high[b] - low[b])).then(b.cmp(&a)))
        .unwrap_or(0);
    Err(NeighborError::Overflow { feature, metric: metric.name() }.into())
}
