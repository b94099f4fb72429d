//! HDBSCAN*, a file per step: core distances, spanning tree, hierarchy, condensed tree, selection, outputs.

mod condense;
mod departures;
mod disjoint_sets;
mod distances;
mod exactly;
mod export;
mod extract;
mod fitted;
mod jump;
mod membership;
mod mst;
mod notes;
mod params;
mod predict;
mod representatives;
mod select;
mod simplify;
mod sweep;
mod tree;
mod wire;

use std::sync::Arc;

pub use condense::{CondensedCluster, CondensedTree};
pub use distances::{Distances, PairDistance};
pub use export::{
    AssignmentTree, ClusterRow, CondensedRow, EdgeRow, ExportRow, LinkageRow, write_csv, write_json,
};
pub use extract::Extraction;
pub use fitted::FittedHdbscan;
pub use mst::{Edge, Mst};
pub use notes::FitNote;
pub use params::{Counts, HdbscanParams, Method, Prediction, Selection};
pub use predict::Detail;
pub use tree::ClusterTree;
use tsc_core::{ArtifactSource, Clusterer, Features, Result, Stage, StoredKind, all_valid};
use tsc_neighbors::NeighborIndex;

/// Exact HDBSCAN* with one answer for tied distances.
///
/// Edges of equal weight are merged at once, so neither the order of the samples nor the choice among
/// equal spanning trees can change a label, a strength or a score. The Python packages break such ties
/// by the order of their input; where no two edges weigh the same, labels and strengths agree with them.
///
/// The spanning tree takes O(n log n) searches of a k-d tree for up to some ten features; where its boxes
/// exclude nothing (wide rows without clusters) that is O(n² d). The rest is O(n log n). Memory: the rows
/// twice, and about 120 B for each. One fit uses all threads and gives the same bits for any number.
///
/// # Examples
///
/// ```
/// use tsc_cluster::{Clusterer, Features, FittedClusterer, Hdbscan, HdbscanParams};
/// let values = [0.0, 0.1, 0.2, 0.3, 9.0, 9.1, 9.2, 9.3, 50.0];
/// let params = HdbscanParams { min_cluster_size: 3, min_samples: Some(2), ..Default::default() };
/// let fitted = Hdbscan::new(params)?.fit(Features::new(&values, 1)?)?;
/// let ids: Vec<i32> = fitted.training_labels().iter().map(|l| l.id()).collect();
/// assert_eq!(ids, [0, 0, 0, 0, 1, 1, 1, 1, -1]);
/// # Ok::<(), tsc_cluster::Error>(())
/// ```
///
/// Source: Campello, Moulavi, Sander, PAKDD 2013; Campello et al., TKDD 10 (2015).
#[doc(alias = "AdaptiveClusteringEngine")]
#[derive(Clone, Debug)]
pub struct Hdbscan {
    params: HdbscanParams,
}

impl Hdbscan {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation of [`HdbscanParams::check`].
    pub fn new(params: HdbscanParams) -> Result<Self> {
        all_valid(&params.check(), Stage::Clustering, "TSC-CLU-002")?;
        Ok(Self { params })
    }

    /// The checked parameters.
    #[must_use]
    pub fn params(&self) -> &HdbscanParams {
        &self.params
    }

    /// The tree of samples that are known by their distances only.
    ///
    /// The metric of the parameters is not used. A matrix is read where it is, O(n²) time and O(n) memory
    /// beside it; of pairs of samples up to `max_matrix_bytes` of distances are kept.
    ///
    /// # Errors
    ///
    /// `InvalidData` naming the first cell or a pair that is negative, not finite, asymmetric beyond 1e-9
    /// relative or, on the diagonal, not 0; `Training` with fewer samples than `min_cluster_size`.
    #[doc(alias = "precomputed")]
    pub fn fit_distances(&self, distances: Distances<'_>) -> Result<ClusterTree> {
        let (core, mst) = distances.measure(&self.params)?;
        Ok(ClusterTree::new(&self.params, core, mst))
    }

    /// The tree of a minimum spanning tree that was found elsewhere, with the core distances and weights
    /// of these parameters. Edges come in any order; an infinite one joins groups that nothing else does.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the edges do not span the samples, or a number is negative or NaN; `Training` with
    /// fewer samples than `min_cluster_size`.
    pub fn fit_edges(&self, core_distances: Vec<f64>, edges: Vec<Edge>) -> Result<ClusterTree> {
        self.params.check_samples(core_distances.len())?;
        tree::check_spanning(&core_distances, &edges)?;
        let ordered = edges.into_iter().map(|e| Edge { a: e.a.min(e.b), b: e.a.max(e.b), ..e }).collect();
        Ok(ClusterTree::new(&self.params, core_distances, Mst::from_edges(ordered)))
    }
}

/// Core distances and spanning tree of the rows that `index` holds.
fn measure(index: &NeighborIndex, params: &HdbscanParams) -> ClusterTree {
    let tree = index.spanning_tree(params.neighbors(index.n_samples()), params.alpha);
    ClusterTree::new(params, tree.core_distances, Mst::from_edges(tree.edges))
}

impl Clusterer for Hdbscan {
    type Fitted = FittedHdbscan;

    fn fit(&self, x: Features<'_>) -> Result<FittedHdbscan> {
        self.params.check_samples(x.n_samples())?;
        let index = NeighborIndex::build(x, &self.params.metric, self.params.plan)?;
        let tree = measure(&index, &self.params);
        FittedHdbscan::assemble(self.params.clone(), x.n_features(), Arc::new(tree), Some(Arc::new(index)))
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedHdbscan> {
        tsc_core::restore(stored, source)
    }
}
