use serde::{Deserialize, Serialize};
use tsc_core::{Result, Violation};
use tsc_neighbors::{Metric, Plan};

use crate::error::ClusterError;

/// Settings of [`Hdbscan`](super::Hdbscan), with the key names of the Python package hdbscan.
///
/// # Examples
///
/// ```
/// use tsc_cluster::HdbscanParams;
/// let params = HdbscanParams { min_cluster_size: 1, alpha: 0.0, ..Default::default() };
/// let messages: Vec<String> = params.check().iter().map(ToString::to_string).collect();
/// assert_eq!(messages, ["alpha is 0, must be above 0", "min_cluster_size is 1, must be at least 2"]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HdbscanParams {
    /// Fewest samples of a cluster, at least 2, default 5. Larger merges small clusters or calls them noise.
    pub min_cluster_size: usize,
    /// Neighbours that make a sample dense, at least 1, default 3; `None` = `min_cluster_size`.
    /// Larger gives smoother densities and more noise. At most all other samples are used.
    pub min_samples: Option<usize>,
    /// Whether `min_samples` counts the sample itself, default `others`.
    pub min_samples_counts: Counts,
    /// Distance, default euclidean.
    pub metric: Metric,
    /// Divides distances before they meet the core distances, above 0, default 1. Larger merges more.
    pub alpha: f64,
    /// How clusters are chosen from the tree, default `eom`.
    pub cluster_selection_method: Method,
    /// Clusters born below this distance are merged into the ancestor born above it; 0 (default) = off.
    pub cluster_selection_epsilon: f64,
    /// Clusters born above this distance are not chosen (`eom` only); default none.
    pub cluster_selection_epsilon_max: Option<f64>,
    /// Splits weaker than this (in 1 / distance) are removed before selection; 0 (default) = off.
    pub cluster_selection_persistence: f64,
    /// Larger clusters are not chosen (`eom` only); default none. An epsilon may still merge beyond it.
    pub max_cluster_size: Option<usize>,
    /// Whether all samples may form the one cluster, default false. Combine with an epsilon: without
    /// one only the densest samples belong.
    pub allow_single_cluster: bool,
    /// Exactly this many clusters, those of largest total stability; default none. Takes the place of
    /// `eom`, within the same limits. Fewer available is an error that names how many there are.
    ///
    /// With an epsilon it chooses among the clusters that the epsilon would leave as they are, so the
    /// number holds; the root is among them only with `allow_single_cluster`.
    pub n_clusters: Option<usize>,
    /// Whether the fitted clusters keep the samples, which assigning new ones needs; default true.
    pub prediction_data: bool,
    /// How new samples are assigned, default `consistent`.
    pub prediction: Prediction,
    /// Neighbour search; never changes a result.
    pub plan: Plan,
    /// Bytes that distances between pairs may take while they are kept, default 1 GiB. With fewer, a pair
    /// may be measured again; never changes a result. For [`Distances::Pairs`](super::Distances) only.
    pub max_matrix_bytes: usize,
}

impl Default for HdbscanParams {
    fn default() -> Self {
        Self {
            min_cluster_size: 5,
            min_samples: Some(3),
            min_samples_counts: Counts::Others,
            metric: Metric::Euclidean,
            alpha: 1.0,
            cluster_selection_method: Method::Eom,
            cluster_selection_epsilon: 0.0,
            cluster_selection_epsilon_max: None,
            cluster_selection_persistence: 0.0,
            max_cluster_size: None,
            allow_single_cluster: false,
            n_clusters: None,
            prediction_data: true,
            prediction: Prediction::Consistent,
            plan: Plan::Auto,
            max_matrix_bytes: 1 << 30,
        }
    }
}

/// What `min_samples` counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counts {
    /// Other samples, as hdbscan, fast_hdbscan and cuML do.
    #[default]
    Others,
    /// The sample itself too, as scikit-learn and petal-clustering do.
    OthersAndSelf,
}

/// How clusters are chosen from the condensed tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Largest total stability (excess of mass).
    #[default]
    Eom,
    /// All leaves: more and smaller clusters.
    Leaf,
}

/// How new samples are assigned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// By the rule that made the tree, so a training sample given again gets its training label.
    #[default]
    Consistent,
    /// As hdbscan's `approximate_predict`, of which that does not hold: one neighbour less for the core
    /// distance of training samples, one more for the new one, the nearest 2 `min_samples` as candidates,
    /// and no alpha. Labels and strengths only; memberships stay as they are.
    #[doc(alias = "approximate_predict")]
    Hdbscan,
}

/// The part of [`HdbscanParams`] that chooses clusters from a finished tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// See [`HdbscanParams::min_cluster_size`].
    pub min_cluster_size: usize,
    /// See [`HdbscanParams::cluster_selection_method`].
    pub method: Method,
    /// See [`HdbscanParams::cluster_selection_epsilon`].
    pub epsilon: f64,
    /// See [`HdbscanParams::cluster_selection_epsilon_max`].
    pub epsilon_max: Option<f64>,
    /// See [`HdbscanParams::cluster_selection_persistence`].
    pub persistence: f64,
    /// See [`HdbscanParams::max_cluster_size`].
    pub max_cluster_size: Option<usize>,
    /// See [`HdbscanParams::allow_single_cluster`].
    pub allow_single_cluster: bool,
    /// See [`HdbscanParams::n_clusters`].
    pub n_clusters: Option<usize>,
}

impl Default for Selection {
    fn default() -> Self {
        HdbscanParams::default().selection()
    }
}

impl Selection {
    /// All violations, under the keys of [`HdbscanParams`].
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut out = Vec::new();
        let mut add = |path: &str, message: String| out.push(Violation::new(path, message));
        let at_least_0 = |v: f64| v >= 0.0 && v.is_finite();
        if self.min_cluster_size < 2 {
            add("min_cluster_size", format!("is {}, must be at least 2", self.min_cluster_size));
        }
        if !at_least_0(self.epsilon) {
            add("cluster_selection_epsilon", format!("is {}, must be at least 0 and finite", self.epsilon));
        }
        if let Some(max) = self.epsilon_max.filter(|&max| !(max.is_finite() && max >= self.epsilon)) {
            let bound =
                format!("is {max}, must be finite and at least cluster_selection_epsilon {}", self.epsilon);
            add("cluster_selection_epsilon_max", bound);
        }
        if !at_least_0(self.persistence) {
            let message = format!("is {}, must be at least 0 and finite", self.persistence);
            add("cluster_selection_persistence", message);
        }
        if let Some(max) = self.max_cluster_size.filter(|&max| max < self.min_cluster_size) {
            let message = format!("is {max}, must be at least min_cluster_size {}", self.min_cluster_size);
            add("max_cluster_size", message);
        }
        match self.n_clusters {
            Some(0) => add("n_clusters", "is 0, must be at least 1".into()),
            Some(n) if self.method == Method::Leaf => {
                let message =
                    format!("is {n}, cannot be combined with cluster_selection_method leaf, only eom");
                add("n_clusters", message);
            }
            _ => {}
        }
        out
    }
}

impl HdbscanParams {
    /// A start for data of unknown structure: `min_cluster_size` = 0.4 √`n_samples`, at least 5, and
    /// `min_samples` the same.
    ///
    /// So the smallest group that counts grows slower than the data. On the mixtures of `tsc-testing`, 20
    /// groups in 2 and 5 features, 1,000 to 8,000 samples, it comes within 0.02 of the best adjusted Rand
    /// index that any size from 5 to √n gives; on 300 samples, groups of 14, within 0.08. 4,000 samples
    /// get 25. Where the number of groups or their least size is known, that says more.
    ///
    /// ```
    /// # use tsc_cluster::HdbscanParams;
    /// assert_eq!(HdbscanParams::suggested(4000).min_cluster_size, 25);
    /// assert_eq!(HdbscanParams::suggested(100).min_cluster_size, 5);
    /// ```
    #[must_use]
    pub fn suggested(n_samples: usize) -> Self {
        let min_cluster_size = (0.4 * (n_samples as f64).sqrt()).round() as usize;
        Self { min_cluster_size: min_cluster_size.max(5), min_samples: None, ..Self::default() }
    }

    /// All violations, sorted by key; empty if the parameters can be used.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut out = self.selection().check();
        let fewest = match self.min_samples_counts {
            Counts::Others => 1,
            Counts::OthersAndSelf => 2,
        };
        if let Some(m) = self.min_samples.filter(|&m| m < fewest) {
            out.push(Violation::new("min_samples", format!("is {m}, must be at least {fewest}")));
        }
        if !(self.alpha > 0.0 && self.alpha.is_finite()) {
            out.push(Violation::new("alpha", format!("is {}, must be above 0", self.alpha)));
        }
        if let Some(message) = self.metric.violation() {
            out.push(Violation::new("metric", message));
        }
        out.sort();
        out
    }

    /// The part that chooses clusters.
    #[must_use]
    pub fn selection(&self) -> Selection {
        Selection {
            min_cluster_size: self.min_cluster_size,
            method: self.cluster_selection_method,
            epsilon: self.cluster_selection_epsilon,
            epsilon_max: self.cluster_selection_epsilon_max,
            persistence: self.cluster_selection_persistence,
            max_cluster_size: self.max_cluster_size,
            allow_single_cluster: self.allow_single_cluster,
            n_clusters: self.n_clusters,
        }
    }

    pub(crate) fn set_selection(&mut self, selection: Selection) {
        self.min_cluster_size = selection.min_cluster_size;
        self.cluster_selection_method = selection.method;
        self.cluster_selection_epsilon = selection.epsilon;
        self.cluster_selection_epsilon_max = selection.epsilon_max;
        self.cluster_selection_persistence = selection.persistence;
        self.max_cluster_size = selection.max_cluster_size;
        self.allow_single_cluster = selection.allow_single_cluster;
        self.n_clusters = selection.n_clusters;
    }

    /// Other samples that make a core distance, as asked for.
    pub(crate) fn asked_neighbors(&self) -> usize {
        let asked = self.min_samples.unwrap_or(self.min_cluster_size);
        match self.min_samples_counts {
            Counts::Others => asked,
            Counts::OthersAndSelf => asked - 1,
        }
    }

    /// The same, among `n` samples.
    pub(crate) fn neighbors(&self, n: usize) -> usize {
        self.asked_neighbors().min(n - 1)
    }

    pub(crate) fn check_samples(&self, n_samples: usize) -> Result<()> {
        let min_cluster_size = self.min_cluster_size;
        if n_samples < min_cluster_size {
            return Err(ClusterError::TooFewSamples { n_samples, min_cluster_size }.into());
        }
        Ok(())
    }
}
