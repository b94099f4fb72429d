//! Adapter to petal-clustering's HDBSCAN, a second implementation behind the same trait.

use ndarray::ArrayView2;
use petal_clustering::Fit as _;
use petal_neighbors::distance::Euclidean;
use serde::{Deserialize, Serialize};
use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Assignment, ClusterId, Clusterer, Features, FittedClusterer,
    Label, Load, Result, Save, Stage, StoredKind, Violation, all_valid, check_width, damaged,
};
use tsc_neighbors::{Metric, NeighborIndex, Plan, Scratch, for_each_chunk};

use crate::error::ClusterError;

/// Samples a thread takes at a time.
const CHUNK: usize = 64;
const FILE: &str = "model.postcard";

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
/// Ties of distance are broken by the order of the samples, so equal weights can give other clusters
/// than [`Hdbscan`](crate::Hdbscan), and permuted samples other labels; equal samples get one label here.
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
        let index = NeighborIndex::build(x, &Metric::Euclidean, Plan::Auto)?;
        let neighbors = self.params.min_samples.min(n - 1);
        let core = index.kth_distances(neighbors);
        let mut backend = petal_clustering::HDbscan {
            alpha: self.params.alpha,
            min_samples: neighbors + 1,
            min_cluster_size,
            metric: Euclidean::default(),
            boruvka: false,
        };
        let view = ArrayView2::from_shape((n, x.n_features()), x.as_slice())
            .expect("the length is n_samples x n_features by construction");
        let (clusters, _, _) = backend.fit(&view.to_owned(), None);
        let mut groups = vec![None; n];
        for (group, rows) in clusters.into_values().enumerate() {
            for row in rows {
                groups[row] = Some(group);
            }
        }
        let labels = numbered(&equal_rows_together(&index, groups));
        Ok(FittedPetal { index, core, labels })
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedPetal> {
        tsc_core::restore(stored, source)
    }
}

/// Equal samples take the group of the first of them: a label must follow from the values.
fn equal_rows_together(index: &NeighborIndex, mut groups: Vec<Option<usize>>) -> Vec<Option<usize>> {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    let compare = |a: &usize, b: &usize| {
        let pairs = index.row(*a).iter().zip(index.row(*b));
        let differs = |(a, b): (&f64, &f64)| a.partial_cmp(b).filter(|o| o.is_ne());
        pairs.into_iter().find_map(differs).unwrap_or(std::cmp::Ordering::Equal)
    };
    order.sort_by(|a, b| compare(a, b).then(a.cmp(b)));
    for equal in order.chunk_by(|a, b| compare(a, b).is_eq()) {
        equal.iter().for_each(|&row| groups[row] = groups[equal[0]]);
    }
    groups
}

/// Clusters numbered by smallest member; the backend's own numbers follow the order of a hash map.
fn numbered(groups: &[Option<usize>]) -> Vec<Label> {
    let mut numbers: Vec<Option<ClusterId>> = vec![None; groups.len()];
    let mut next = 0;
    let mut number = |group: usize| {
        *numbers[group].get_or_insert_with(|| {
            next += 1;
            ClusterId(next - 1)
        })
    };
    groups.iter().map(|g| g.map_or(Label::NOISE, |g| Label::of(number(g)))).collect()
}

/// Training samples with their labels and core distances.
#[derive(Clone, Debug)]
pub struct FittedPetal {
    index: NeighborIndex,
    core: Vec<f64>,
    labels: Vec<Label>,
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
        &self.labels
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
            labels: self.labels.iter().map(|l| l.id()).collect(),
        };
        sink.put(FILE, &postcard::to_stdvec(&model).map_err(|e| damaged(FILE, e))?)
    }
}

impl Load for FittedPetal {
    const KIND: ArtifactKind = ArtifactKind { name: "petal_hdbscan", version: 1 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let bytes = source.get(FILE)?;
        let (m, rest) = postcard::take_from_bytes::<ModelV1>(&bytes).map_err(|e| damaged(FILE, e))?;
        let n = m.labels.len();
        let n_features = usize::try_from(m.n_features).map_err(|e| damaged(FILE, e))?;
        let shaped = rest.is_empty()
            && m.core_distances.len() == n
            && n.checked_mul(n_features) == Some(m.rows.len())
            && m.core_distances.iter().all(|&c| c >= 0.0 && c.is_finite());
        if !shaped {
            return Err(damaged(FILE, format!("its columns do not fit {n} samples of {n_features}")));
        }
        let mut next = 0;
        for &label in &m.labels {
            if label < -1 || label > next {
                return Err(damaged(FILE, "its clusters are not numbered by their smallest member"));
            }
            next = next.max(label + 1);
        }
        let x = Features::new(&m.rows, n_features).map_err(|e| damaged(FILE, e))?;
        let index = NeighborIndex::build(x, &Metric::Euclidean, Plan::Auto).map_err(|e| damaged(FILE, e))?;
        Ok(Self { index, core: m.core_distances, labels: Label::from_ids(&m.labels) })
    }
}
