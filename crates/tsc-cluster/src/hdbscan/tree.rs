use tsc_core::{ClusterId, Label, Result, Stage, all_valid};

use super::condense::CondensedTree;
use super::departures::Departures;
use super::disjoint_sets::DisjointSets;
use super::extract::Extraction;
use super::mst::{Edge, Mst};
use super::params::{HdbscanParams, Selection};
use super::predict::{Detail, Rule};
use crate::error::ClusterError;

/// Core distances and spanning tree: all that choosing clusters needs, without feature rows.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterTree {
    core_distances: Vec<f64>,
    mst: Mst,
    /// Neighbours that make the core distance of a new sample.
    neighbors: usize,
    alpha: f64,
}

impl ClusterTree {
    pub(crate) fn new(params: &HdbscanParams, core_distances: Vec<f64>, mst: Mst) -> Self {
        Self { core_distances, mst, neighbors: params.asked_neighbors(), alpha: params.alpha }
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

    /// Chooses clusters; the only code that does. O(n) but for finding sets, with a persistence
    /// O(n log n); no distance is measured again.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation of the selection; `Training` with fewer samples than
    /// `min_cluster_size`, or fewer clusters than `n_clusters`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tsc_cluster::{Distances, Hdbscan, HdbscanParams, Label, Selection};
    /// let steps = [0.0, 1.0, 2.0, 9.0, 10.0, 11.0, 40.0f64];
    /// let pairs = |a: usize, b: usize| (steps[a] - steps[b]).abs();
    /// let params = HdbscanParams { min_cluster_size: 3, min_samples: Some(1), ..Default::default() };
    /// let tree = Hdbscan::new(params.clone())?.fit_distances(Distances::Pairs { n_samples: 7, pairs: &pairs })?;
    /// let two = tree.extract(&params.selection())?;
    /// assert_eq!(two.labels(), Label::from_ids(&[0, 0, 0, 1, 1, 1, -1]));
    /// let one = tree.extract(&Selection { allow_single_cluster: true, epsilon: 8.0, ..params.selection() })?;
    /// assert_eq!(one.labels(), Label::from_ids(&[0, 0, 0, 0, 0, 0, -1]));
    /// # Ok::<(), tsc_cluster::Error>(())
    /// ```
    pub fn extract(&self, selection: &Selection) -> Result<Extraction> {
        all_valid(&selection.check(), Stage::Clustering, "TSC-CLU-002")?;
        let (n_samples, min_cluster_size) = (self.n_samples(), selection.min_cluster_size);
        if n_samples < min_cluster_size {
            return Err(ClusterError::TooFewSamples { n_samples, min_cluster_size }.into());
        }
        let mut departures = Departures::new(self.mst.edges(), n_samples, min_cluster_size);
        if selection.persistence > 0.0 {
            departures = departures.without_weak_splits(selection.persistence);
        }
        Extraction::new(CondensedTree::new(departures), selection)
    }

    /// Label, strength and scores of a new sample, of which the distance to every training sample is
    /// known. As [`FittedHdbscan::assign_one`](super::FittedHdbscan::assign_one); O(n).
    ///
    /// `extraction` is of this tree. An infinite distance is one that is not known, as in a sparse matrix.
    ///
    /// # Errors
    ///
    /// `InvalidData` if there is not one distance per training sample, or one is negative or NaN.
    ///
    /// # Panics
    ///
    /// If `extraction` has another number of samples.
    pub fn assign_distances(&self, extraction: &Extraction, to_training: &[f64]) -> Result<Detail> {
        let n_samples = self.n_samples();
        assert_eq!(extraction.labels().len(), n_samples, "the extraction is of this tree");
        if to_training.len() != n_samples {
            return Err(ClusterError::QueryLength { got: to_training.len(), n_samples }.into());
        }
        if let Some(sample) = to_training.iter().position(|d| d.is_nan() || *d < 0.0) {
            let problem = if to_training[sample].is_nan() { "NaN" } else { "negative" };
            return Err(ClusterError::QueryDistance { sample, problem }.into());
        }
        Ok(self.rule().assign_distances(extraction, to_training))
    }

    pub(crate) fn rule(&self) -> Rule<'_> {
        Rule { core: &self.core_distances, k: self.neighbors.min(self.n_samples()), alpha: self.alpha }
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

/// Whether `edges` join all samples without a cycle, and all numbers are distances or infinite.
pub(crate) fn check_spanning(core_distances: &[f64], edges: &[Edge]) -> Result<()> {
    let n_samples = core_distances.len();
    let is_bad = |v: f64| v.is_nan() || v < 0.0;
    if let Some(sample) = core_distances.iter().position(|&d| is_bad(d)) {
        return Err(ClusterError::CoreDistance { sample }.into());
    }
    if edges.len() + 1 != n_samples || n_samples >= u32::MAX as usize {
        return Err(ClusterError::EdgeCount { edges: edges.len(), n_samples }.into());
    }
    let mut sets = DisjointSets::new(n_samples);
    for &Edge { a, b, weight } in edges {
        let problem = if a.max(b) as usize >= n_samples {
            "names a sample that does not exist"
        } else if is_bad(weight) {
            "weighs less than 0 or NaN"
        } else if !sets.join(a, b) {
            "closes a cycle"
        } else {
            continue;
        };
        return Err(ClusterError::SpanningEdge { a, b, problem }.into());
    }
    Ok(())
}
