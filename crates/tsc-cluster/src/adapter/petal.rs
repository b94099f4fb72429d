//! Adapter to petal-clustering's HDBSCAN, a second implementation behind the same trait.

use ndarray::Array2;
use petal_clustering::Fit as _;
use petal_neighbors::distance::Euclidean;
use serde::{Deserialize, Serialize};
use std::fmt;
use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Assignment, Clusterer, Features, FittedClusterer, Label,
    Load, Result, Save, Stage, StoredKind, Violation, all_valid, check_width, damaged,
};
use tsc_neighbors::{Metric, NeighborIndex, Plan, Scratch, for_each_chunk};

use crate::adapter::canonical;
use crate::adapter::stored::{self, FILE};
use crate::error::ClusterError;

/// Samples a thread takes at a time.
const CHUNK: usize = 64;

/// Settings of [`PetalHdbscan`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PetalParams {
    /// Fewest samples of a cluster, at least 2, default 5.
    pub min_cluster_size: usize,
    /// Other samples that make one dense, at least 1, default 3. The backend counts the sample itself
    /// and is given one more.
    pub min_samples: usize,
    /// Divides distances, above 0, default 1.
    pub alpha: f64,
}

impl Default for PetalParams {
    fn default() -> Self {
        Self { min_cluster_size: 5, min_samples: 3, alpha: 1.0 }
    }
}

impl PetalParams {
    /// All violations, sorted by key; empty if the parameters can be used.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut out = Vec::new();
        if !(self.alpha > 0.0 && self.alpha.is_finite()) {
            out.push(Violation::new("alpha", format!("is {}, must be above 0", self.alpha)));
        }
        if self.min_cluster_size < 2 {
            let message = format!("is {}, must be at least 2", self.min_cluster_size);
            out.push(Violation::new("min_cluster_size", message));
        }
        if self.min_samples < 1 {
            out.push(Violation::new("min_samples", "is 0, must be at least 1"));
        }
        out
    }
}

/// HDBSCAN* by petal-clustering: euclidean, excess of mass.
///
/// Tied distances are merged one after the other, so where edges weigh the same the clusters can be other
/// than those of [`Hdbscan`](crate::Hdbscan), and wrong; equal samples get one label here. O(n² d) time.
/// A new sample takes the label of the nearest training sample if it lies within that sample's core
/// distance, with strength `1 - distance / core`; else it is noise.
#[derive(Clone, Debug)]
pub struct PetalHdbscan {
    params: PetalParams,
}

impl PetalHdbscan {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation of [`PetalParams::check`].
    pub fn new(params: PetalParams) -> Result<Self> {
        all_valid(&params.check(), Stage::Clustering, "TSC-CLU-002")?;
        Ok(Self { params })
    }

    /// The checked parameters.
    #[must_use]
    pub fn params(&self) -> &PetalParams {
        &self.params
    }
}

impl Clusterer for PetalHdbscan {
    type Fitted = FittedPetal;

    fn fit(&self, x: Features<'_>) -> Result<FittedPetal> {
        let (n, min_cluster_size) = (x.n_samples(), self.params.min_cluster_size);
        if n < min_cluster_size {
            return Err(ClusterError::TooFewSamples { n_samples: n, min_cluster_size }.into());
        }
        let order = canonical::order(x);
        let mut values = Vec::with_capacity(x.as_slice().len());
        let sorted = x.gather(&order, &mut values);
        let index = NeighborIndex::build(sorted, &Metric::Euclidean, Plan::Auto)?;
        let neighbors = self.params.min_samples.min(n - 1);
        let core = index.kth_distances(neighbors);
        let mut backend = petal_clustering::HDbscan {
            alpha: self.params.alpha,
            min_samples: neighbors + 1,
            min_cluster_size,
            metric: Euclidean::default(),
            boruvka: false,
        };
        let matrix = Array2::from_shape_vec((n, x.n_features()), values)
            .expect("the length is n_samples x n_features by construction");
        let (clusters, _, _) = backend.fit(&matrix, None);
        let n_groups = clusters.len();
        let mut groups = vec![None; n];
        for (group, rows) in clusters.into_values().enumerate() {
            for row in rows {
                groups[row] = Some(group);
            }
        }
        // Equal samples lie side by side and take the group of the first: a label follows from the values.
        for row in 1..n {
            if canonical::compare(index.row(row - 1), index.row(row)).is_eq() {
                groups[row] = groups[row - 1];
            }
        }
        let mut unsorted = vec![None; n];
        order.iter().zip(&groups).for_each(|(&row, &group)| unsorted[row] = group);
        let (training_labels, _) = canonical::numbered(&unsorted, n_groups);
        let labels = order.iter().map(|&row| training_labels[row]).collect();
        Ok(FittedPetal { index, core, labels, training_labels })
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedPetal> {
        tsc_core::restore(stored, source)
    }
}

/// Training samples with their labels and core distances.
#[derive(Clone)]
pub struct FittedPetal {
    /// Sorted by value, so that of two training samples at one distance the order given does not decide.
    index: NeighborIndex,
    core: Vec<f64>,
    /// Of the rows of the index.
    labels: Vec<Label>,
    /// In the order the samples came.
    training_labels: Vec<Label>,
}

/// Without the samples.
impl fmt::Debug for FittedPetal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FittedPetal")
            .field("n_samples", &self.labels.len())
            .field("n_clusters", &self.n_clusters())
            .finish_non_exhaustive()
    }
}

impl FittedPetal {
    fn assign_one(&self, row: &[f64], scratch: &mut Scratch) -> Assignment {
        let near = self.index.query_one(row, 1, scratch).expect("width and values were checked")[0];
        let (label, core) = (self.labels[near.row as usize], self.core[near.row as usize]);
        if near.distance > core || label.is_noise() {
            return Assignment::NOISE;
        }
        let strength = if core > 0.0 { 1.0 - near.distance / core } else { 1.0 };
        Assignment { label, strength }
    }
}

impl FittedClusterer for FittedPetal {
    fn training_labels(&self) -> &[Label] {
        &self.training_labels
    }

    fn n_clusters(&self) -> usize {
        self.labels.iter().filter_map(|l| l.cluster()).map(|c| c.0 as usize + 1).max().unwrap_or(0)
    }

    fn n_features(&self) -> usize {
        self.index.n_features()
    }

    fn assign_into(&self, x: Features<'_>, out: &mut [Assignment]) -> Result<()> {
        assert_eq!(out.len(), x.n_samples(), "one assignment per sample");
        check_width(x, self.n_features(), Stage::Clustering)?;
        for_each_chunk(out, CHUNK, |first, out| {
            let mut scratch = Scratch::new();
            for (i, out) in out.iter_mut().enumerate() {
                *out = self.assign_one(x.row(first + i), &mut scratch);
            }
        });
        Ok(())
    }
}

/// Stored form, version 1.
#[derive(Serialize, Deserialize)]
struct ModelV1 {
    n_features: u64,
    rows: Vec<f64>,
    core_distances: Vec<f64>,
    row_labels: Vec<i32>,
    labels: Vec<i32>,
}

impl Save for FittedPetal {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        let model = ModelV1 {
            n_features: self.n_features() as u64,
            rows: self.index.as_slice().to_vec(),
            core_distances: self.core.clone(),
            row_labels: stored::ids(&self.labels),
            labels: stored::ids(&self.training_labels),
        };
        stored::put(&model, sink)
    }
}

impl Load for FittedPetal {
    const KIND: ArtifactKind = ArtifactKind { name: "petal_hdbscan", version: 1 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let m: ModelV1 = stored::get(source)?;
        let n = m.labels.len();
        let n_features = stored::size(m.n_features)?;
        let (training_labels, _) = stored::labels(&m.labels)?;
        stored::check_length("values", m.rows.len(), n.checked_mul(n_features))?;
        stored::check_length("core distances", m.core_distances.len(), Some(n))?;
        if !m.core_distances.iter().all(|&core| core >= 0.0 && core.is_finite()) {
            return Err(damaged(FILE, "a core distance is negative or not finite"));
        }
        let (mut given, mut own) = (m.labels, m.row_labels.clone());
        given.sort_unstable();
        own.sort_unstable();
        if given != own {
            return Err(damaged(FILE, "its rows and its training samples have different labels"));
        }
        let x = Features::new(&m.rows, n_features).map_err(|e| damaged(FILE, e))?;
        let index = NeighborIndex::build(x, &Metric::Euclidean, Plan::Auto).map_err(|e| damaged(FILE, e))?;
        let labels = Label::from_ids(&m.row_labels);
        Ok(Self { index, core: m.core_distances, labels, training_labels })
    }
}
