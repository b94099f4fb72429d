use std::fmt;

use linfa::DatasetBase;
use linfa::ParamGuard as _;
use linfa::traits::Fit as _;
use linfa_clustering::{GaussianMixtureModel, GmmError};
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng as _;
use serde::{Deserialize, Serialize};
use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Assignment, Clusterer, Features, FittedClusterer, Label,
    Load, Result, Save, Stage, StoredKind, Violation, all_valid, check_width, damaged,
};
use tsc_neighbors::for_each_chunk;

use super::gaussian::{Gaussian, triangle};
use super::{names, sorted, unsorted};
use crate::adapter::canonical;
use crate::adapter::stored::{self, FILE};
use crate::error::ClusterError;
use crate::range::check_squares;

/// Samples a thread takes at a time.
const CHUNK: usize = 64;
const METHOD: &str = "the gaussian mixture";

/// Settings of [`GaussianMixture`], with scikit-learn's key names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianMixtureParams {
    /// Gaussians to mix, at least 1, default 2. One that is the likeliest of no sample is no cluster.
    pub n_components: usize,
    /// Gain of the mean log likelihood at which the fit ends; above 0, default 1e-3.
    pub tol: f64,
    /// Added to each variance, in the square of the features' unit; at least 0, default 1e-6. Larger
    /// keeps components apart from single places.
    pub reg_covar: f64,
    /// Most iterations, at least 1, default 100.
    pub max_iter: u64,
    /// Least posterior, 0..=1, default 0. Larger leaves more samples noise.
    pub min_strength: f64,
    /// Seed of the k-means that starts the fit, default 42.
    pub random_state: u64,
}

impl Default for GaussianMixtureParams {
    fn default() -> Self {
        Self {
            n_components: 2,
            tol: 1e-3,
            reg_covar: 1e-6,
            max_iter: 100,
            min_strength: 0.0,
            random_state: 42,
        }
    }
}

impl GaussianMixtureParams {
    /// All violations, sorted by key; empty if the parameters can be used.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut out = Vec::new();
        if self.max_iter == 0 {
            out.push(Violation::new("max_iter", "is 0, must be at least 1"));
        }
        if !(0.0..=1.0).contains(&self.min_strength) {
            out.push(Violation::new("min_strength", format!("is {}, must be in 0..=1", self.min_strength)));
        }
        if self.n_components == 0 {
            out.push(Violation::new("n_components", "is 0, must be at least 1"));
        }
        if !(self.reg_covar >= 0.0 && self.reg_covar.is_finite()) {
            let message = format!("is {}, must be at least 0 and finite", self.reg_covar);
            out.push(Violation::new("reg_covar", message));
        }
        if !(self.tol > 0.0 && self.tol.is_finite()) {
            out.push(Violation::new("tol", format!("is {}, must be above 0 and finite", self.tol)));
        }
        out
    }
}

/// A mixture of Gaussians by linfa-clustering: every sample joins the component most likely to have it.
///
/// Full covariances, started by k-means, fitted by expectation maximisation: O(n k d²) time per
/// iteration. Strength is the posterior of the component; below `min_strength` a sample is noise, a
/// training sample too. With the default of 0 only a sample beyond the range of f64 is. The backend works
/// with densities, not their logarithms: a training sample some 38 deviations from every component makes
/// the fit fail.
///
/// # Examples
///
/// ```
/// use tsc_cluster::{Clusterer, Features, FittedClusterer, GaussianMixture, GaussianMixtureParams, Label};
/// let x = [0.0, 1.0, 2.0, 10.0, 11.0, 12.0];
/// let mixture = GaussianMixture::new(GaussianMixtureParams::default())?;
/// let fitted = mixture.fit(Features::new(&x, 1)?)?;
/// assert_eq!(fitted.training_labels(), Label::from_ids(&[0, 0, 0, 1, 1, 1]));
/// assert!((fitted.means()[0] - 1.0).abs() < 1e-6);
/// # Ok::<(), tsc_cluster::Error>(())
/// ```
///
/// Source: Dempster, Laird and Rubin, J. R. Stat. Soc. B 39 (1977), 1-38.
#[derive(Clone, Debug)]
pub struct GaussianMixture {
    params: GaussianMixtureParams,
}

impl GaussianMixture {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation of [`GaussianMixtureParams::check`].
    pub fn new(params: GaussianMixtureParams) -> Result<Self> {
        all_valid(&params.check(), Stage::Clustering, "TSC-CLU-002")?;
        Ok(Self { params })
    }

    /// The checked parameters.
    #[must_use]
    pub fn params(&self) -> &GaussianMixtureParams {
        &self.params
    }
}

impl Clusterer for GaussianMixture {
    type Fitted = FittedGaussianMixture;

    /// # Errors
    ///
    /// `Training` with fewer samples than `n_components`, without convergence in `max_iter` iterations,
    /// or if a covariance is singular or a component loses its samples; `InvalidData` if a squared
    /// distance would overflow.
    fn fit(&self, x: Features<'_>) -> Result<FittedGaussianMixture> {
        let (p, n_samples, d) = (&self.params, x.n_samples(), x.n_features());
        if n_samples < p.n_components {
            return Err(ClusterError::TooManyClusters { n_clusters: p.n_components, n_samples }.into());
        }
        check_squares(x.as_slice(), d)?;
        let (order, matrix) = sorted(x);
        let random = Xoshiro256Plus::seed_from_u64(p.random_state);
        let backend = GaussianMixtureModel::params_with_rng(p.n_components, random)
            .tolerance(p.tol)
            .reg_covariance(p.reg_covar)
            .max_n_iterations(p.max_iter)
            .check()
            .map_err(|error| cannot_fit(&error, p.max_iter))?;
        let dataset = DatasetBase::from(matrix);
        let found = backend.fit(&dataset).map_err(|error| cannot_fit(&error, p.max_iter))?;
        let component = |c: usize| {
            let covariance: Vec<f64> = found.covariances().outer_iter().nth(c)?.iter().copied().collect();
            Gaussian::of(found.weights()[c], found.means().row(c).to_vec(), &covariance)
        };
        let components: Option<Vec<Gaussian>> = (0..p.n_components).map(component).collect();
        let components = components
            .ok_or(ClusterError::CannotFit { method: METHOD, problem: "a covariance is singular" })?;
        let values = dataset.records.as_slice().expect("the matrix was made in this layout");
        Ok(FittedGaussianMixture::of(values, &order, components, d, p.min_strength))
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedGaussianMixture> {
        tsc_core::restore(stored, source)
    }
}

fn cannot_fit(error: &GmmError, max_iter: u64) -> ClusterError {
    let problem = match error {
        GmmError::NotConverged(_) => return ClusterError::NoConvergence { method: METHOD, max_iter },
        GmmError::LinalgError(_) => "a covariance is singular",
        GmmError::EmptyCluster(_) => "a component has no sample left",
        GmmError::MinMaxError(_) | GmmError::LowerBoundError(_) => {
            "a sample is too far from every component to have a likelihood"
        }
        _ => "its settings are refused",
    };
    ClusterError::CannotFit { method: METHOD, problem }
}

/// Components with the cluster that each stands for.
#[derive(Clone)]
pub struct FittedGaussianMixture {
    n_features: usize,
    /// In the backend's order: of two equally likely ones the first wins, in fit and assignment.
    components: Vec<Gaussian>,
    /// Label of each component; noise if it won no training sample.
    names: Vec<Label>,
    min_strength: f64,
    n_clusters: usize,
    training_labels: Vec<Label>,
}

/// Without the samples.
impl fmt::Debug for FittedGaussianMixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FittedGaussianMixture")
            .field("n_clusters", &self.n_clusters)
            .field("names", &self.names)
            .field("min_strength", &self.min_strength)
            .finish_non_exhaustive()
    }
}

/// Log densities of one sample, and room to work in.
#[derive(Default)]
struct Buffers {
    ln: Vec<f64>,
    work: Vec<f64>,
}

/// The likeliest of the components that `may_win`, and its posterior; `None` beyond the range of f64.
fn likeliest(
    components: &[Gaussian],
    row: &[f64],
    may_win: impl Fn(usize) -> bool,
    buffers: &mut Buffers,
) -> Option<(usize, f64)> {
    let Buffers { ln, work } = buffers;
    ln.clear();
    ln.extend(components.iter().map(|c| c.ln_density(row, work)));
    let mut winner = None;
    for (i, &value) in ln.iter().enumerate() {
        if value > f64::NEG_INFINITY && may_win(i) && winner.is_none_or(|(_, best)| value > best) {
            winner = Some((i, value));
        }
    }
    let (winner, best) = winner?;
    // Relative to the largest of all, so that nothing overflows and the sum is at least 1.
    let largest = ln.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = ln.iter().map(|value| (value - largest).exp()).sum();
    Some((winner, ((best - largest).exp() / total).min(1.0)))
}

impl FittedGaussianMixture {
    fn of(sorted: &[f64], order: &[usize], components: Vec<Gaussian>, d: usize, min_strength: f64) -> Self {
        let mut groups = vec![None; order.len()];
        for_each_chunk(&mut groups, CHUNK, |first, groups| {
            let mut buffers = Buffers::default();
            for (group, row) in groups.iter_mut().zip(sorted[first * d..].chunks_exact(d)) {
                let found = likeliest(&components, row, |_| true, &mut buffers);
                *group = found.filter(|&(_, posterior)| posterior >= min_strength).map(|(winner, _)| winner);
            }
        });
        let (training_labels, found) = canonical::numbered(&unsorted(order, &groups), components.len());
        let id = |c: usize| found.iter().position(|&f| f == c).map_or(-1, |id| id as i32);
        let ids: Vec<i32> = (0..components.len()).map(id).collect();
        Self {
            n_features: d,
            names: Label::from_ids(&ids),
            components,
            min_strength,
            n_clusters: found.len(),
            training_labels,
        }
    }

    /// Mean of each cluster's component, row-major, by label.
    #[must_use]
    pub fn means(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.n_clusters * self.n_features];
        for (component, name) in self.components.iter().zip(&self.names) {
            if let Some(cluster) = name.cluster() {
                let at = cluster.0 as usize * self.n_features;
                out[at..at + self.n_features].copy_from_slice(&component.mean);
            }
        }
        out
    }

    fn assign_one(&self, row: &[f64], buffers: &mut Buffers) -> Assignment {
        // A component that won no training sample has no label to give, but keeps its share.
        match likeliest(&self.components, row, |c| !self.names[c].is_noise(), buffers) {
            Some((winner, strength)) if strength >= self.min_strength => {
                Assignment { label: self.names[winner], strength }
            }
            _ => Assignment::NOISE,
        }
    }
}

impl FittedClusterer for FittedGaussianMixture {
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
            let mut buffers = Buffers::default();
            for (i, out) in out.iter_mut().enumerate() {
                *out = self.assign_one(x.row(first + i), &mut buffers);
            }
        });
        Ok(())
    }
}

/// Stored form, version 1.
#[derive(Serialize, Deserialize)]
struct ModelV1 {
    n_features: u64,
    min_strength: f64,
    weights: Vec<f64>,
    means: Vec<f64>,
    factors: Vec<f64>,
    names: Vec<i32>,
    labels: Vec<i32>,
}

impl Save for FittedGaussianMixture {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        let model = ModelV1 {
            n_features: self.n_features as u64,
            min_strength: self.min_strength,
            weights: self.components.iter().map(|c| c.weight).collect(),
            means: self.components.iter().flat_map(|c| c.mean.iter().copied()).collect(),
            factors: self.components.iter().flat_map(|c| c.factor.iter().copied()).collect(),
            names: stored::ids(&self.names),
            labels: stored::ids(&self.training_labels),
        };
        stored::put(&model, sink)
    }
}

impl Load for FittedGaussianMixture {
    const KIND: ArtifactKind = ArtifactKind { name: "gaussian_mixture", version: 1 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let m: ModelV1 = stored::get(source)?;
        let n_features = stored::size(m.n_features)?;
        let (training_labels, n_clusters) = stored::labels(&m.labels)?;
        let names = names(&m.names, n_clusters)?;
        let size = triangle(n_features).filter(|&size| size > 0);
        let size = size.ok_or_else(|| damaged(FILE, format!("it has {n_features} features")))?;
        stored::check_length("weights", m.weights.len(), Some(names.len()))?;
        stored::check_length("means", m.means.len(), names.len().checked_mul(n_features))?;
        stored::check_length("factors", m.factors.len(), names.len().checked_mul(size))?;
        if !(0.0..=1.0).contains(&m.min_strength) {
            return Err(damaged(FILE, format!("min_strength is {}", m.min_strength)));
        }
        let parts = m.weights.iter().zip(m.means.chunks_exact(n_features)).zip(m.factors.chunks_exact(size));
        let components: Option<Vec<Gaussian>> = parts
            .map(|((&w, mean), factor)| Gaussian::from_factor(w, mean.to_vec(), factor.to_vec()))
            .collect();
        let components = components.ok_or_else(|| damaged(FILE, "a component is not a gaussian"))?;
        Ok(Self { n_features, components, names, min_strength: m.min_strength, n_clusters, training_labels })
    }
}
