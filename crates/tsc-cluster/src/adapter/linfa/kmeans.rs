use std::fmt;

use linfa::DatasetBase;
use linfa::ParamGuard as _;
use linfa::traits::Fit as _;
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng as _;
use serde::{Deserialize, Serialize};
use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Assignment, Clusterer, Features, FittedClusterer, Label,
    Load, MaxDistance, Result, Save, Stage, StoredKind, Violation, all_valid, check_width, damaged,
};
use tsc_neighbors::for_each_chunk;

use super::{names, sorted, unsorted};
use crate::adapter::canonical;
use crate::adapter::stored::{self, FILE};
use crate::error::ClusterError;
use crate::range::check_squares;

/// Samples a thread takes at a time.
const CHUNK: usize = 64;

/// Settings of [`KMeans`], with scikit-learn's key names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KMeansParams {
    /// Clusters to find, at least 1, default 8. Fewer come out if samples repeat.
    pub n_clusters: usize,
    /// Starts, of which the best is kept, at least 1, default 10.
    pub n_init: usize,
    /// Most iterations of a start, at least 1, default 300.
    pub max_iter: u64,
    /// Movement of all centres together, in the unit of the features, at which a start ends; above 0,
    /// default 1e-4.
    pub tol: f64,
    /// How far a sample may be from its centre, default `none`. Smaller leaves more samples noise.
    pub max_distance: MaxDistance,
    /// Seed of the starts, default 42.
    pub random_state: u64,
}

impl Default for KMeansParams {
    fn default() -> Self {
        Self {
            n_clusters: 8,
            n_init: 10,
            max_iter: 300,
            tol: 1e-4,
            max_distance: MaxDistance::None,
            random_state: 42,
        }
    }
}

impl KMeansParams {
    /// All violations, sorted by key; empty if the parameters can be used.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut out: Vec<Violation> = self.max_distance.violation().into_iter().collect();
        let counts = [
            ("max_iter", self.max_iter == 0),
            ("n_clusters", self.n_clusters == 0),
            ("n_init", self.n_init == 0),
        ];
        for (key, _) in counts.into_iter().filter(|(_, is_zero)| *is_zero) {
            out.push(Violation::new(key, "is 0, must be at least 1"));
        }
        if !(self.tol > 0.0 && self.tol.is_finite()) {
            out.push(Violation::new("tol", format!("is {}, must be above 0 and finite", self.tol)));
        }
        out
    }
}

/// k-means by linfa-clustering: every sample joins the nearest of k centres.
///
/// Euclidean, started by k-means++. O(n k d) time per iteration. Clusters are round and of similar size
/// by construction, and there is no noise unless `max_distance` is set: then a sample beyond its centre's
/// cap is noise, a training sample too. Strength is `d2 / (d1 + d2)` of the two nearest centres. The
/// number of clusters is given, not found.
///
/// # Examples
///
/// ```
/// use tsc_cluster::{Clusterer, Features, FittedClusterer, FittedClustererExt, KMeans, KMeansParams, Label};
/// let x = Features::new(&[0.0, 2.0, 10.0, 12.0], 1)?;
/// let fitted = KMeans::new(KMeansParams { n_clusters: 2, ..Default::default() })?.fit(x)?;
/// assert_eq!(fitted.training_labels(), Label::from_ids(&[0, 0, 1, 1]));
/// let two = fitted.assign(Features::new(&[2.0], 1)?)?[0]; // 1 from one centre, 9 from the other
/// assert!(two.label == Label::from_ids(&[0])[0] && (two.strength - 0.9).abs() < 1e-4);
/// # Ok::<(), tsc_cluster::Error>(())
/// ```
///
/// Source: Lloyd, IEEE Trans. Inf. Theory 28 (1982), 129-137; Arthur and Vassilvitskii, SODA 2007.
#[derive(Clone, Debug)]
pub struct KMeans {
    params: KMeansParams,
}

impl KMeans {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation of [`KMeansParams::check`].
    pub fn new(params: KMeansParams) -> Result<Self> {
        all_valid(&params.check(), Stage::Clustering, "TSC-CLU-002")?;
        Ok(Self { params })
    }

    /// The checked parameters.
    #[must_use]
    pub fn params(&self) -> &KMeansParams {
        &self.params
    }
}

impl Clusterer for KMeans {
    type Fitted = FittedKMeans;

    /// # Errors
    ///
    /// `Training` with fewer samples than `n_clusters`; `InvalidData` if a squared distance would
    /// overflow.
    fn fit(&self, x: Features<'_>) -> Result<FittedKMeans> {
        let (p, n_samples) = (&self.params, x.n_samples());
        if n_samples < p.n_clusters {
            return Err(ClusterError::TooManyClusters { n_clusters: p.n_clusters, n_samples }.into());
        }
        check_squares(x.as_slice(), x.n_features())?;
        let (order, matrix) = sorted(x);
        let random = Xoshiro256Plus::seed_from_u64(p.random_state);
        let backend = linfa_clustering::KMeans::params_with_rng(p.n_clusters, random)
            .n_runs(p.n_init)
            .max_n_iterations(p.max_iter)
            .tolerance(p.tol)
            .check()
            .map_err(|_| ClusterError::CannotFit {
                method: "k-means",
                problem: "its settings are refused",
            })?;
        let dataset = DatasetBase::from(matrix);
        let found = backend.fit(&dataset).map_err(|_| ClusterError::CannotFit {
            method: "k-means",
            problem: "no start has a finite error",
        })?;
        let centers: Vec<f64> = found.centroids().iter().copied().collect();
        let values = dataset.records.as_slice().expect("the matrix was made in this layout");
        Ok(FittedKMeans::of(values, &order, centers, x.n_features(), p))
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedKMeans> {
        tsc_core::restore(stored, source)
    }
}

/// Centres with their caps.
#[derive(Clone)]
pub struct FittedKMeans {
    n_features: usize,
    /// Row-major, in the backend's order: of two at one distance the first wins, in fit and assignment.
    centers: Vec<f64>,
    caps: Vec<f64>,
    /// Label of each centre; noise if all its samples lie beyond its cap.
    names: Vec<Label>,
    n_clusters: usize,
    training_labels: Vec<Label>,
    is_converged: bool,
}

/// Without the samples.
impl fmt::Debug for FittedKMeans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FittedKMeans")
            .field("n_clusters", &self.n_clusters)
            .field("caps", &self.caps)
            .field("is_converged", &self.is_converged)
            .finish_non_exhaustive()
    }
}

/// The two nearest centres of a sample.
struct Near {
    center: usize,
    distance: f64,
    second: f64,
}

fn nearest(centers: &[f64], row: &[f64]) -> Near {
    let mut near = Near { center: 0, distance: f64::INFINITY, second: f64::INFINITY };
    for (i, center) in centers.chunks_exact(row.len()).enumerate() {
        let distance = row.iter().zip(center).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
        if distance < near.distance {
            near = Near { center: i, distance, second: near.distance };
        } else if distance < near.second {
            near.second = distance;
        }
    }
    near
}

impl FittedKMeans {
    /// `sorted` holds the samples in the order in which the backend saw them.
    fn of(sorted: &[f64], order: &[usize], centers: Vec<f64>, d: usize, params: &KMeansParams) -> Self {
        let mut near = vec![(0, 0.0); order.len()];
        for_each_chunk(&mut near, CHUNK, |first, near| {
            for (near, row) in near.iter_mut().zip(sorted[first * d..].chunks_exact(d)) {
                let found = nearest(&centers, row);
                *near = (found.center, found.distance);
            }
        });
        let is_converged = movement(sorted, &near, &centers, d) < params.tol;
        let n_centers = centers.len() / d;
        let caps = params.max_distance.caps(n_centers, |center| {
            let own: Vec<f64> = near.iter().filter(|n| n.0 == center).map(|n| n.1).collect();
            MaxDistance::reach(own.len(), own)
        });
        let group = |&(center, distance): &(usize, f64)| (distance <= caps[center]).then_some(center);
        let groups = unsorted(order, &near.iter().map(group).collect::<Vec<_>>());
        let (training_labels, found) = canonical::numbered(&groups, n_centers);
        // A centre that is the nearest of no sample has no part in the model; one whose samples are all
        // too far keeps its place, so that they stay noise when they come again.
        let kept: Vec<usize> = (0..n_centers).filter(|&c| near.iter().any(|n| n.0 == c)).collect();
        let ids: Vec<i32> =
            kept.iter().map(|c| found.iter().position(|f| f == c).map_or(-1, |id| id as i32)).collect();
        Self {
            n_features: d,
            centers: kept.iter().flat_map(|&c| centers[c * d..(c + 1) * d].iter().copied()).collect(),
            caps: kept.iter().map(|&c| caps[c]).collect(),
            names: Label::from_ids(&ids),
            n_clusters: found.len(),
            training_labels,
            is_converged,
        }
    }

    /// Centre of each cluster, row-major, by label.
    #[must_use]
    pub fn centroids(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.n_clusters * self.n_features];
        for (center, name) in self.centers.chunks_exact(self.n_features).zip(&self.names) {
            if let Some(cluster) = name.cluster() {
                let at = cluster.0 as usize * self.n_features;
                out[at..at + self.n_features].copy_from_slice(center);
            }
        }
        out
    }

    /// Whether one more iteration would move the centres by less than `tol`.
    #[must_use]
    pub fn is_converged(&self) -> bool {
        self.is_converged
    }

    fn assign_one(&self, row: &[f64]) -> Assignment {
        let near = nearest(&self.centers, row);
        let label = self.names[near.center];
        if label.is_noise() || near.distance > self.caps[near.center] {
            return Assignment::NOISE;
        }
        let strength = if near.second.is_infinite() {
            // One centre; or a sample so far away that all distances overflow, and none is nearer.
            if near.distance.is_infinite() && self.names.len() > 1 { 0.5 } else { 1.0 }
        } else {
            // Halves, because the sum of two distances may overflow.
            (near.second / 2.0) / (near.distance / 2.0 + near.second / 2.0)
        };
        Assignment { label, strength }
    }
}

/// How far the mean of their samples moves all centres together, the old centre counting as one sample
/// as in the backend.
fn movement(sorted: &[f64], near: &[(usize, f64)], centers: &[f64], d: usize) -> f64 {
    let (mut sums, mut counts) = (centers.to_vec(), vec![1.0; centers.len() / d]);
    for (row, &(center, _)) in sorted.chunks_exact(d).zip(near) {
        counts[center] += 1.0;
        sums[center * d..(center + 1) * d].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    let moved = |(i, sum): (usize, &f64)| (sum / counts[i / d] - centers[i]).powi(2);
    sums.iter().enumerate().map(moved).sum::<f64>().sqrt()
}

impl FittedClusterer for FittedKMeans {
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
            for (i, out) in out.iter_mut().enumerate() {
                *out = self.assign_one(x.row(first + i));
            }
        });
        Ok(())
    }
}

/// Stored form, version 1.
#[derive(Serialize, Deserialize)]
struct ModelV1 {
    n_features: u64,
    centers: Vec<f64>,
    caps: Vec<f64>,
    names: Vec<i32>,
    labels: Vec<i32>,
    is_converged: bool,
}

impl Save for FittedKMeans {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        let model = ModelV1 {
            n_features: self.n_features as u64,
            centers: self.centers.clone(),
            caps: self.caps.clone(),
            names: stored::ids(&self.names),
            labels: stored::ids(&self.training_labels),
            is_converged: self.is_converged,
        };
        stored::put(&model, sink)
    }
}

impl Load for FittedKMeans {
    const KIND: ArtifactKind = ArtifactKind { name: "kmeans", version: 1 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let m: ModelV1 = stored::get(source)?;
        let n_features = stored::size(m.n_features)?;
        let (training_labels, n_clusters) = stored::labels(&m.labels)?;
        let names = names(&m.names, n_clusters)?;
        stored::check_length("values", m.centers.len(), names.len().checked_mul(n_features))?;
        stored::check_length("caps", m.caps.len(), Some(names.len()))?;
        Features::new(&m.centers, n_features).map_err(|e| damaged(FILE, e))?;
        if !m.caps.iter().all(|&cap| cap >= 0.0) {
            return Err(damaged(FILE, "a distance cap is negative or not a number"));
        }
        Ok(Self {
            n_features,
            centers: m.centers,
            caps: m.caps,
            names,
            n_clusters,
            training_labels,
            is_converged: m.is_converged,
        })
    }
}
