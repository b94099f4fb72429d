//! Minimum spanning tree of the mutual reachability distances; by Prim's algorithm where only distances are known.
//!
//! Which of several equal trees comes out does not matter: the hierarchy merges equal weights at once.

#[cfg(feature = "rayon")]
use rayon::slice::ParallelSliceMut as _;
pub use tsc_neighbors::Edge;

/// A minimum spanning tree, edges by ascending weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Mst {
    edges: Vec<Edge>,
}

impl Mst {
    /// The n - 1 edges, by (weight, a, b).
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    pub(crate) fn from_edges(mut edges: Vec<Edge>) -> Self {
        let order = |x: &Edge, y: &Edge| x.weight.total_cmp(&y.weight).then((x.a, x.b).cmp(&(y.a, y.b)));
        #[cfg(feature = "rayon")]
        edges.par_sort_unstable_by(order);
        #[cfg(not(feature = "rayon"))]
        edges.sort_unstable_by(order);
        Self { edges }
    }
}

/// Samples not yet in the tree, and the distances of the last one taken to all of them.
pub(crate) trait DistanceRows {
    fn rows(&self) -> &[u32];
    /// The last row takes the free position.
    fn take(&mut self, position: usize);
    fn distances_from_taken(&self, out: &mut [f64]);
}

/// O(n²) distances, O(n) memory.
pub(crate) fn prim(rows: &mut impl DistanceRows, core: &[f64], alpha: f64) -> Mst {
    let n = rows.rows().len();
    let mut edges = Vec::with_capacity(n - 1);
    // By position: lightest edge into the tree, its end there, and the core distance.
    let mut best = vec![f64::INFINITY; n];
    let mut from = vec![0u32; n];
    let mut rest_core = core.to_vec();
    let mut distances = vec![0.0; n];
    let (mut current, mut position) = (0u32, 0);
    for rest in (1..n).rev() {
        rows.take(position);
        best.swap_remove(position);
        from.swap_remove(position);
        rest_core.swap_remove(position);
        let distances = &mut distances[..rest];
        rows.distances_from_taken(distances);
        let core_current = core[current as usize];
        position = 0;
        for j in 0..rest {
            let weight = larger(larger(distances[j] / alpha, rest_core[j]), core_current);
            if weight < best[j] {
                best[j] = weight;
                from[j] = current;
            }
        }
        for j in 1..rest {
            if best[j] < best[position] {
                position = j;
            }
        }
        current = rows.rows()[position];
        let (a, b) = (current.min(from[position]), current.max(from[position]));
        edges.push(Edge { a, b, weight: best[position] });
    }
    Mst::from_edges(edges)
}

/// Both are finite, so one comparison is enough.
fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}
