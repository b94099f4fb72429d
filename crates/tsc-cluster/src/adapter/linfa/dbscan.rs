use std::fmt;
use std::sync::Arc;

use linfa::ParamGuard as _;
use linfa::traits::Transformer as _;
use linfa_nn::distance::L2Dist;
use serde::{Deserialize, Serialize};
use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Assignment, Clusterer, Features, FittedClusterer, Label,
    Load, Result, Save, Stage, StoredKind, Violation, all_valid, check_width, damaged,
};
use tsc_neighbors::{Metric, NeighborIndex, Plan, Scratch, for_each_chunk};

use super::exact::Exact;
use super::{sorted, unsorted};
use crate::adapter::canonical;
use crate::adapter::stored::{self, FILE};
use crate::error::ClusterError;

/// Samples a thread takes at a time.
const CHUNK: usize = 64;

/// Settings of [`Dbscan`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DbscanParams {
    /// Farthest a neighbour may be, itself included, in the unit of the features; above 0, default 0.5.
    /// Larger merges clusters.
    pub eps: f64,
    /// Neighbours that make a sample core, the sample itself counted as scikit-learn does; at least 2,
    /// default 5. Larger leaves more noise.
    pub min_points: usize,
}

impl Default for DbscanParams {
    fn default() -> Self {
        Self { eps: 0.5, min_points: 5 }
    }
}

impl DbscanParams {
    /// All violations, sorted by key; empty if the parameters can be used.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut out = Vec::new();
        if !(self.eps > 0.0 && self.eps.is_finite()) {
            out.push(Violation::new("eps", format!("is {}, must be above 0 and finite", self.eps)));
        }
        if self.min_points < 2 {
            let message = format!("is {}, must be at least 2: it counts the sample itself", self.min_points);
            out.push(Violation::new("min_points", message));
        }
        out
    }
}

/// DBSCAN by linfa-clustering: core samples joined through neighbours at most `eps` away.
///
/// Euclidean. A sample that is not core takes the label of the nearest core sample within `eps`, else it
/// is noise, in training as later. Other implementations give a border sample to whichever cluster
/// reaches it first, so there a border sample between two clusters may differ. Strength is
/// `1 - distance / eps`. One density for all clusters: [`Hdbscan`](crate::Hdbscan) needs none.
///
/// # Examples
///
/// ```
/// use tsc_cluster::{Clusterer, Dbscan, DbscanParams, Features, FittedClusterer, FittedClustererExt, Label};
/// let x = Features::new(&[0.0, 1.0, 2.0, 10.0, 11.0, 12.0, 50.0], 1)?;
/// let fitted = Dbscan::new(DbscanParams { eps: 1.0, min_points: 3 })?.fit(x)?;
/// assert_eq!(fitted.training_labels(), Label::from_ids(&[0, 0, 0, 1, 1, 1, -1]));
/// let new = fitted.assign(Features::new(&[1.25, 2.5], 1)?)?;
/// assert_eq!((new[0].label.id(), new[0].strength), (0, 0.75)); // a quarter of eps from the core at 1
/// assert!(new[1].label.is_noise()); // its nearest is not core
/// # Ok::<(), tsc_cluster::Error>(())
/// ```
///
/// Source: Ester et al., KDD 1996.
#[derive(Clone, Debug)]
pub struct Dbscan {
    params: DbscanParams,
}

impl Dbscan {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation of [`DbscanParams::check`].
    pub fn new(params: DbscanParams) -> Result<Self> {
        all_valid(&params.check(), Stage::Clustering, "TSC-CLU-002")?;
        Ok(Self { params })
    }

    /// The checked parameters.
    #[must_use]
    pub fn params(&self) -> &DbscanParams {
        &self.params
    }
}

impl Clusterer for Dbscan {
    type Fitted = FittedDbscan;

    /// # Errors
    ///
    /// `InvalidData` if a squared distance would overflow.
    fn fit(&self, x: Features<'_>) -> Result<FittedDbscan> {
        let DbscanParams { eps, min_points } = self.params;
        let (order, matrix) = sorted(x);
        let values = matrix.as_slice().expect("the matrix was made in this layout");
        let index =
            NeighborIndex::build(Features::new(values, x.n_features())?, &Metric::Euclidean, Plan::Auto)?;
        let index = Arc::new(index);
        let groups = linfa_clustering::Dbscan::params_with(min_points, L2Dist, Exact(Arc::clone(&index)))
            .tolerance(eps)
            .check()
            .map_err(|_| ClusterError::CannotFit { method: "dbscan", problem: "its settings are refused" })?
            .transform(&matrix);
        let others = index.kth_distances(min_points - 1);
        let is_core = |&row: &usize| x.n_samples() >= min_points && others[row] <= eps;
        let core: Vec<usize> = (0..x.n_samples()).filter(is_core).collect();
        let core_groups: Vec<usize> = core.iter().filter_map(|&row| groups[row]).collect();
        let n_groups = core_groups.iter().max().map_or(0, |last| last + 1);
        let core = match core[..] {
            [] => None,
            _ => Some(build(x.n_features(), core.iter().flat_map(|&row| index.row(row)).copied().collect())?),
        };
        let mut joined: Vec<Option<usize>> = vec![None; x.n_samples()];
        for_each_chunk(&mut joined, CHUNK, |first, joined| {
            let mut scratch = Scratch::new();
            for (i, joined) in joined.iter_mut().enumerate() {
                let near = nearest_core(core.as_ref(), eps, index.row(first + i), &mut scratch);
                *joined = near.map(|(row, _)| core_groups[row]);
            }
        });
        let (training_labels, found) = canonical::numbered(&unsorted(&order, &joined), n_groups);
        let mut label_of = vec![-1; n_groups];
        found.iter().enumerate().for_each(|(id, &group)| label_of[group] = id as i32);
        let core_ids: Vec<i32> = core_groups.iter().map(|&group| label_of[group]).collect();
        Ok(FittedDbscan {
            n_features: x.n_features(),
            eps,
            core,
            core_labels: Label::from_ids(&core_ids),
            n_clusters: found.len(),
            training_labels,
        })
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedDbscan> {
        tsc_core::restore(stored, source)
    }
}

fn build(n_features: usize, values: Vec<f64>) -> Result<NeighborIndex> {
    NeighborIndex::build(Features::new(&values, n_features)?, &Metric::Euclidean, Plan::Auto)
}

/// The nearest core sample within `eps`, of several the smallest by value.
fn nearest_core(
    core: Option<&NeighborIndex>,
    eps: f64,
    row: &[f64],
    scratch: &mut Scratch,
) -> Option<(usize, f64)> {
    let near = core?.query_one(row, 1, scratch).expect("width and values were checked")[0];
    (near.distance <= eps).then_some((near.row as usize, near.distance))
}

/// Core samples with their labels.
#[derive(Clone)]
pub struct FittedDbscan {
    n_features: usize,
    eps: f64,
    /// `None` if no sample is core. Rows are sorted by value.
    core: Option<NeighborIndex>,
    core_labels: Vec<Label>,
    n_clusters: usize,
    training_labels: Vec<Label>,
}

/// Without the samples.
impl fmt::Debug for FittedDbscan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FittedDbscan")
            .field("n_clusters", &self.n_clusters)
            .field("n_core_samples", &self.core_labels.len())
            .field("eps", &self.eps)
            .finish_non_exhaustive()
    }
}

impl FittedDbscan {
    /// Number of core samples.
    #[must_use]
    pub fn n_core_samples(&self) -> usize {
        self.core_labels.len()
    }
}

impl FittedClusterer for FittedDbscan {
    fn training_labels(&self) -> &[Label] {
        &self.training_labels
    }

    fn n_clusters(&self) -> usize {
        self.n_clusters
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn assign_into(&self, x: Features<'_>, out: &mut [Assignment]) -> Result<()> {
        assert_eq!(out.len(), x.n_samples(), "one assignment per sample");
        check_width(x, self.n_features, Stage::Clustering)?;
        for_each_chunk(out, CHUNK, |first, out| {
            let mut scratch = Scratch::new();
            for (i, out) in out.iter_mut().enumerate() {
                let near = nearest_core(self.core.as_ref(), self.eps, x.row(first + i), &mut scratch);
                *out = near.map_or(Assignment::NOISE, |(row, distance)| Assignment {
                    label: self.core_labels[row],
                    strength: 1.0 - distance / self.eps,
                });
            }
        });
        Ok(())
    }
}

/// Stored form, version 1.
#[derive(Serialize, Deserialize)]
struct ModelV1 {
    n_features: u64,
    eps: f64,
    core_rows: Vec<f64>,
    core_labels: Vec<i32>,
    labels: Vec<i32>,
}

impl Save for FittedDbscan {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        let model = ModelV1 {
            n_features: self.n_features as u64,
            eps: self.eps,
            core_rows: self.core.as_ref().map_or(Vec::new(), |core| core.as_slice().to_vec()),
            core_labels: stored::ids(&self.core_labels),
            labels: stored::ids(&self.training_labels),
        };
        stored::put(&model, sink)
    }
}

impl Load for FittedDbscan {
    const KIND: ArtifactKind = ArtifactKind { name: "dbscan", version: 1 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let m: ModelV1 = stored::get(source)?;
        let n_features = stored::size(m.n_features)?;
        let (training_labels, n_clusters) = stored::labels(&m.labels)?;
        stored::check_length("core values", m.core_rows.len(), m.core_labels.len().checked_mul(n_features))?;
        let mut named = m.core_labels.clone();
        named.sort_unstable();
        named.dedup();
        if n_features == 0 || !named.into_iter().eq(0..n_clusters as i32) {
            return Err(damaged(FILE, format!("its core samples do not stand for {n_clusters} clusters")));
        }
        if !(m.eps > 0.0 && m.eps.is_finite()) {
            return Err(damaged(FILE, format!("eps is {}", m.eps)));
        }
        let core = match m.core_labels[..] {
            [] => None,
            _ => Some(build(n_features, m.core_rows).map_err(|e| damaged(FILE, e))?),
        };
        let core_labels = Label::from_ids(&m.core_labels);
        Ok(Self { n_features, eps: m.eps, core, core_labels, n_clusters, training_labels })
    }
}
