use std::fmt;

use serde::{Deserialize, Serialize};

use super::PipelineConfig;

/// A valid configuration that probably does not do what was wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConfigWarning {
    /// `noise_threshold` above 0.5.
    RetrainsSeldom {
        /// The threshold.
        noise_threshold: f64,
    },
    /// `noise_threshold` below 0.05.
    RetrainsOften {
        /// The threshold.
        noise_threshold: f64,
    },
    /// `noise_threshold` times `severe_factor` above 1.
    SevereNeedsAllNoise,
    /// More neighbours than the smallest cluster has members.
    NeighborhoodCannotFill {
        /// Neighbours.
        n_neighbors: usize,
        /// Smallest cluster.
        min_cluster_size: usize,
    },
    /// More than 127 leaves.
    ManyLeaves {
        /// Leaves.
        num_leaves: f64,
    },
    /// Fallback and clusterer measure differently.
    MetricsDiffer,
    /// Batches above 10,000 rows cost memory; results are the same.
    LargeBatches {
        /// Rows.
        batch_size: usize,
    },
    /// Clusters below 5 samples.
    TinyClusters,
    /// `min_samples` at or above `min_cluster_size`: more noise.
    MuchNoise,
    /// More than 20 neighbours blur small clusters.
    ManyNeighbors,
    /// A learning rate above 0.3 overfits.
    FastLearning,
    /// Training noise at or above `noise_threshold`: the trigger's bar is raised.
    TrainingNoise {
        /// Held-out noise.
        noise_ratio: f64,
        /// The threshold.
        noise_threshold: f64,
    },
    /// No cluster was found: everything is noise.
    NoSegments,
    /// One cluster, or one that holds almost all clustered samples.
    OneSegment {
        /// Clusters found.
        n_clusters: usize,
        /// Largest cluster's share of the clustered samples.
        largest_share: f64,
    },
    /// Much noise among samples that were not fitted on.
    MostlyNoise {
        /// Their share of noise.
        noise_ratio: f64,
        /// `segments.max_noise`.
        max_noise: f64,
    },
    /// Segments found in two separate thirds of the samples differ on the remaining third.
    UnstableSegments {
        /// Adjusted Rand index between the two, noise as a group; the median over all cuts.
        agreement: f64,
        /// `segments.min_agreement`.
        min_agreement: f64,
    },
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RetrainsSeldom { noise_threshold } => {
                write!(f, "noise_threshold {noise_threshold} is above 0.5: retraining seldom fires")
            }
            Self::RetrainsOften { noise_threshold } => {
                write!(f, "noise_threshold {noise_threshold} is below 0.05: retraining fires often")
            }
            Self::SevereNeedsAllNoise => {
                f.write_str("noise_threshold x severe_factor is above 1: the severe rule needs 100 % noise")
            }
            Self::NeighborhoodCannotFill { n_neighbors, min_cluster_size } => write!(
                f,
                "n_neighbors {n_neighbors} exceeds min_cluster_size {min_cluster_size}: the smallest cluster cannot fill a neighbourhood"
            ),
            Self::ManyLeaves { num_leaves } => write!(f, "num_leaves {num_leaves} is above 127: overfitting"),
            Self::MetricsDiffer => f.write_str("knn_params.metric differs from hdbscan_params.metric"),
            Self::LargeBatches { batch_size } => {
                write!(f, "batch_size {batch_size} is above 10000: more memory, same results")
            }
            Self::TinyClusters => f.write_str("min_cluster_size is below 5: tiny clusters"),
            Self::MuchNoise => f.write_str("min_samples is at or above min_cluster_size: more noise"),
            Self::ManyNeighbors => f.write_str("n_neighbors is above 20: small clusters blur"),
            Self::FastLearning => f.write_str("learning_rate is above 0.3: overfitting"),
            Self::TrainingNoise { noise_ratio, noise_threshold } => write!(
                f,
                "training noise {noise_ratio:.3} is at or above noise_threshold {noise_threshold}: batches like the training data alert, the trigger's bar is raised"
            ),
            Self::NoSegments => f.write_str(
                "no cluster was found, the pooled model serves every sample: give the clusterer fewer or other columns (series.cluster_columns), fewer components (cluster_view.reduce), or a smaller min_samples and min_cluster_size"
            ),
            Self::OneSegment { n_clusters, largest_share } => write!(
                f,
                "{:.1} % of the clustered samples are in one of {n_clusters} clusters: try other cluster columns, cluster_selection_method = \"leaf\", or a smaller min_cluster_size",
                100.0 * largest_share
            ),
            Self::MostlyNoise { noise_ratio, max_noise } => write!(
                f,
                "{:.1} % of the samples that were not fitted on are noise, more than segments.max_noise {max_noise}: try a smaller min_samples, fewer cluster columns, or fewer components",
                100.0 * noise_ratio
            ),
            Self::UnstableSegments { agreement, min_agreement } => write!(
                f,
                "segments found in two separate thirds of the samples agree on the remaining third with an adjusted Rand index of {agreement:.2}, below segments.min_agreement {min_agreement}: they depend on who was fitted; try fewer cluster columns, segments.auto_size or a larger min_cluster_size, or more samples"
            ),
        }
    }
}

impl PipelineConfig {
    /// What a valid configuration probably does not want; never logs. Defaults and presets warn of nothing.
    #[must_use]
    pub fn lint(&self) -> Vec<ConfigWarning> {
        use ConfigWarning as W;
        let mut found = Vec::new();
        let mut warn = |when: bool, warning: ConfigWarning| {
            if when {
                found.push(warning);
            }
        };
        let noise_threshold = self.noise_threshold;
        let min_cluster_size = self.hdbscan_params.min_cluster_size;
        let n_neighbors = self.knn_params.n_neighbors;
        // The defaults of the column that holds the documented ones (1,000 to 9,999 rows).
        let heads = [self.lgb_timeseries_params.resolved(5000), self.lgb_resource_params.resolved(5000)];
        let largest = |key: &str| {
            heads
                .iter()
                .filter_map(|head| head.get(key)?.parse::<f64>().ok())
                .fold(f64::NEG_INFINITY, f64::max)
        };
        let num_leaves = largest("num_leaves");
        warn(noise_threshold > 0.5, W::RetrainsSeldom { noise_threshold });
        warn(noise_threshold < 0.05, W::RetrainsOften { noise_threshold });
        warn(noise_threshold * self.retraining.severe_factor > 1.0, W::SevereNeedsAllNoise);
        // Sizes that follow the rows are known at the fit only, and are at least 5.
        let fixed = !self.segments.auto_size;
        warn(
            fixed && n_neighbors > min_cluster_size,
            W::NeighborhoodCannotFill { n_neighbors, min_cluster_size },
        );
        warn(num_leaves > 127.0, W::ManyLeaves { num_leaves });
        warn(self.knn_params.metric != self.hdbscan_params.metric, W::MetricsDiffer);
        warn(self.batch_size > 10_000, W::LargeBatches { batch_size: self.batch_size });
        warn(fixed && min_cluster_size < 5, W::TinyClusters);
        let much_noise = self.hdbscan_params.min_samples.is_some_and(|m| m >= min_cluster_size);
        warn(fixed && much_noise, W::MuchNoise);
        warn(n_neighbors > 20, W::ManyNeighbors);
        warn(largest("learning_rate") > 0.3, W::FastLearning);
        found
    }
}
