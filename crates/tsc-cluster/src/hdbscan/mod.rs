//! HDBSCAN*, a file per step: core distances, spanning tree, hierarchy, condensed tree, selection, outputs.

mod condense;
mod core_distance;
mod distances;
mod extract;
mod fitted;
mod hierarchy;
mod membership;
mod mst;
mod params;
mod predict;
mod select;
mod simplify;
mod tree;
mod wire;

use std::sync::Arc;

pub use condense::{CondensedCluster, CondensedTree};
pub use distances::Distances;
pub use extract::Extraction;
pub use fitted::{FitNote, FittedHdbscan};
pub use mst::{Edge, Mst};
pub use params::{Counts, HdbscanParams, Method, Selection};
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
/// Time O(n² d) for the spanning tree, memory O(n d); the same bits for any number of threads.
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
    /// The metric of the parameters is not used. Memory O(n) beside the matrix.
    ///
    /// # Errors
    ///
    /// `InvalidData` naming the first cell that is negative, not finite, asymmetric beyond 1e-9 relative
    /// or, on the diagonal, not 0; `Training` with fewer samples than `min_cluster_size`.
    pub fn fit_distances(&self, distances: Distances<'_>) -> Result<ClusterTree> {
        distances.check()?;
        let n = distances.n_samples();
        self.params.check_samples(n)?;
        let core = core_distance::of_distances(&distances, self.params.neighbors(n));
        let mst = mst::prim(&mut distances.rows(), &core, self.params.alpha);
        Ok(ClusterTree::new(core, mst))
    }
}

impl Clusterer for Hdbscan {
    type Fitted = FittedHdbscan;

    fn fit(&self, x: Features<'_>) -> Result<FittedHdbscan> {
        let n = x.n_samples();
        self.params.check_samples(n)?;
        let index = NeighborIndex::build(x, &self.params.metric, self.params.plan)?;
        let spanning = index.spanning_tree(self.params.neighbors(n), self.params.alpha);
        let tree = ClusterTree::new(spanning.core_distances, Mst::from_edges(spanning.edges));
        FittedHdbscan::assemble(self.params.clone(), x.n_features(), Arc::new(tree), Some(Arc::new(index)))
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedHdbscan> {
        tsc_core::restore(stored, source)
    }
}
