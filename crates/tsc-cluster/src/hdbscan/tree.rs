use tsc_core::{ClusterId, Label, Result, Stage, all_valid};

use super::condense::CondensedTree;
use super::extract::Extraction;
use super::hierarchy::{DisjointSets, Hierarchy};
use super::mst::Mst;
use super::params::Selection;
use crate::error::ClusterError;

/// Core distances and spanning tree: all that choosing clusters needs, without feature rows.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterTree {
    core_distances: Vec<f64>,
    mst: Mst,
}

impl ClusterTree {
    pub(crate) fn new(core_distances: Vec<f64>, mst: Mst) -> Self {
        Self { core_distances, mst }
    }

    /// Number of samples.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.core_distances.len()
    }

    /// Distance of each sample to its `min_samples`-th nearest other.
    #[must_use]
    pub fn core_distances(&self) -> &[f64] {
        &self.core_distances
    }

    /// The minimum spanning tree of the mutual reachability distances.
    #[must_use]
    pub fn mst(&self) -> &Mst {
        &self.mst
    }

    /// Chooses clusters; the only code that does. O(n log n), no distance is measured again.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation of the selection; `Training` with fewer samples than
    /// `min_cluster_size`.
    pub fn extract(&self, selection: &Selection) -> Result<Extraction> {
        all_valid(&selection.check(), Stage::Clustering, "TSC-CLU-002")?;
        let (n_samples, min_cluster_size) = (self.n_samples(), selection.min_cluster_size);
        if n_samples < min_cluster_size {
            return Err(ClusterError::TooFewSamples { n_samples, min_cluster_size }.into());
        }
        let hierarchy = Hierarchy::new(self.mst.edges(), n_samples);
        let mut tree = CondensedTree::new(&hierarchy, min_cluster_size);
        if selection.persistence > 0.0 {
            tree = tree.without_weak_splits(selection.persistence);
        }
        Ok(Extraction::new(tree, selection))
    }

    /// DBSCAN* at one distance: samples joined by edges below `epsilon`; components smaller than
    /// `min_cluster_size` are noise. Numbered by smallest member.
    #[must_use]
    pub fn dbscan_cut(&self, epsilon: f64, min_cluster_size: usize) -> Vec<Label> {
        let n = self.n_samples();
        let mut sets = DisjointSets::new(n);
        for edge in self.mst.edges().iter().take_while(|e| e.weight < epsilon) {
            sets.join(edge.a, edge.b);
        }
        let mut number: Vec<Option<ClusterId>> = vec![None; n];
        let mut next = 0;
        let mut label = |row: u32| {
            if (sets.size(row) as usize) < min_cluster_size {
                return Label::NOISE;
            }
            let id = number[sets.find(row) as usize].get_or_insert_with(|| {
                next += 1;
                ClusterId(next - 1)
            });
            Label::of(*id)
        };
        (0..n as u32).map(&mut label).collect()
    }
}
