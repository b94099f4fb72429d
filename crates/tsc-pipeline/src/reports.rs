//! What each call reports: plain columns and numbers, serialisable, undefined values absent.

use serde::{Deserialize, Serialize};
use tsc_core::{
    AlertEvent, ClusterId, Degraded, Finding, Label, ModelVersion, Predictions, RegressionScores,
    ResourceKind, RetrainOutcome, Timestamp, Trigger, Unit,
};
use tsc_fallback::FallbackEvaluation;
use tsc_models::{ModelsReport, ResourceReport};
use tsc_retrain::VersionComparison;

use crate::config::ConfigWarning;
use crate::screen::Rejected;
use crate::segments::SegmentStability;
use crate::served::ResourcePredictions;

/// Wall seconds of each part of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Timings {
    /// Screening and scaling.
    pub preprocessing: f64,
    /// Clustering and its quality scores, or assigning.
    pub clustering: f64,
    /// The clusterer's own fit, a part of `clustering`.
    pub clusterer: f64,
    /// Fits on thirds of the rows (`segments.stability_cuts`).
    pub stability: f64,
    /// The fallback.
    pub fallback: f64,
    /// Models of the target.
    pub models: f64,
    /// Resource heads.
    pub resources: f64,
    /// The last fit, with the held-out rows.
    pub refit: f64,
    /// Monitoring.
    pub monitoring: f64,
    /// Tracking calls, registration included.
    pub tracking: f64,
    /// All of it.
    #[doc(alias = "processing_time")]
    pub total: f64,
}

/// A stage or cluster that was not fitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Skipped {
    /// What: `kNN-Fallback`, `cluster 3`.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// Outcome of a fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrainingReport {
    /// Number of the new models.
    pub model_version: u64,
    /// Usable rows.
    pub n_samples: usize,
    /// Features.
    pub n_features: usize,
    /// The segmentation.
    pub clustering: ClusteringReport,
    /// Models of the target, with held-out scores.
    pub models: ModelsReport,
    /// One report per resource column.
    pub resources: Vec<ResourceReport>,
    /// The fallback, where one was fitted.
    pub fallback: Option<FallbackReport>,
    /// What was not fitted, and why.
    pub skipped: Vec<Skipped>,
    /// What a person should look at.
    pub warnings: Vec<ConfigWarning>,
    /// Rows refused at the border.
    pub rejected: Vec<Rejected>,
    /// Share of the cells handed in that were NaN or infinite.
    #[serde(default)]
    pub missing_ratio: f64,
    /// Rows the served models were fitted on in the end; absent where what was measured serves.
    #[serde(default)]
    pub refitted_rows: Option<u64>,
    /// What went wrong beside the models.
    pub degraded: Vec<Degraded>,
    /// Run that holds the fit.
    pub run: Option<String>,
    /// Registered version, read back.
    pub registered: Option<ModelVersion>,
    /// Wall seconds.
    pub timings: Timings,
}

/// The segmentation of a fit. Scores that are not defined are absent.
#[doc(alias = "ClusteringResult")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClusteringReport {
    /// The clusterer's own label of each usable row; held-out rows were assigned, not clustered.
    pub labels: Vec<Label>,
    /// Number of clusters.
    pub n_clusters: usize,
    /// Noise rows, before the fallback.
    pub n_noise: usize,
    /// Share of noise.
    pub noise_ratio: f64,
    /// Share of noise among held-out rows.
    pub holdout_noise_ratio: f64,
    /// Rows.
    pub total_points: usize,
    /// Rows that were clustered; the others are held out and were assigned.
    #[serde(default)]
    pub fitted_points: usize,
    /// Members of each cluster.
    pub sizes: Vec<usize>,
    /// Mean of each cluster's members in original units, `n_clusters x n_features`.
    pub centers: Vec<Vec<f64>>,
    /// How stable each cluster is, 0..=1, relative to the densest row; empty for clusterers without a tree.
    #[serde(default)]
    pub persistence: Vec<f64>,
    /// Mean silhouette of the clustered rows.
    pub silhouette: Option<f64>,
    /// Calinski-Harabasz index.
    pub calinski_harabasz: Option<f64>,
    /// Davies-Bouldin index.
    pub davies_bouldin: Option<f64>,
    /// Density-based validity; absent above `segments.dbcv_max_rows` clustered rows.
    pub dbcv: Option<f64>,
    /// Share of the largest cluster among the clustered rows; 0 without a cluster.
    #[serde(default)]
    pub largest_share: f64,
    /// How far thirds of the rows agree on the segments; absent unless `segments.stability_cuts` asks.
    #[serde(default)]
    pub stability: Option<SegmentStability>,
}

/// The fallback of a fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FallbackReport {
    /// Rows it learned from.
    pub training_points: usize,
    /// Noise rows it was asked about.
    pub asked: usize,
    /// Share of them it abstained on.
    pub abstain_ratio: Option<f64>,
    /// Share of all rows that it labelled.
    #[serde(default)]
    pub fallback_ratio: f64,
    /// Mean strength of the labels it gave.
    #[serde(default)]
    pub mean_strength: Option<f64>,
    /// What it says of training rows with each left out; absent for another fallback than nearest neighbours.
    #[serde(default)]
    pub evaluation: Option<FallbackEvaluation>,
}

/// Outcome of a batch.
#[doc(alias = "BatchResult")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BatchReport {
    /// Number of the batch, from 1.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Models that served it.
    pub model_version: u64,
    /// Rows handed in.
    pub n_samples: usize,
    /// Usable rows.
    pub n_scored: usize,
    /// One entry per row handed in.
    pub predictions: Predictions,
    /// One entry per resource head.
    pub resources: Vec<ResourcePredictions>,
    /// Noise among usable rows, before the fallback.
    pub noise_ratio: f64,
    /// Usable rows the fallback labelled.
    pub fallback_ratio: f64,
    /// Usable rows without a label after the fallback.
    pub unassigned_ratio: f64,
    /// Rows refused at the border.
    pub rejected_ratio: f64,
    /// Scores, where targets were given.
    pub scores: Option<RegressionScores>,
    /// Share of known targets with a prediction.
    pub coverage: Option<f64>,
    /// Rows refused at the border.
    pub rejected: Vec<Rejected>,
    /// Cells filled with the training median (`data.on_invalid_batch = "impute_median"`).
    pub imputed: u64,
    /// What the monitor saw.
    pub findings: Vec<Finding>,
    /// Alerts that changed.
    pub alerts: Vec<AlertEvent>,
    /// What went wrong beside the models.
    pub degraded: Vec<Degraded>,
    /// Why a retrain is wanted.
    pub trigger: Option<Trigger>,
    /// The retrain, where one ran inline.
    pub retrain: Option<RetrainReport>,
    /// The batch id was seen before: scored, and not observed, windowed or tracked again.
    pub repeated: bool,
    /// Wall seconds.
    pub timings: Timings,
}

/// Summary of one resource in one cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResourceSummary {
    /// Which resource.
    pub kind: ResourceKind,
    /// Unit of the numbers.
    pub unit: Unit,
    /// Cluster of the rows; `None` for rows without a label.
    pub cluster: Option<ClusterId>,
    /// Rows with a prediction.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 95th percentile, nearest rank.
    pub p95: f64,
    /// Largest.
    pub max: f64,
}

impl BatchReport {
    /// Summary of every resource prediction by final label.
    #[doc(alias = "resource_predictions")]
    #[must_use]
    pub fn resources_by_cluster(&self) -> Vec<ResourceSummary> {
        let mut out = Vec::new();
        for resource in &self.resources {
            let mut groups: std::collections::BTreeMap<Label, Vec<f64>> = std::collections::BTreeMap::new();
            for (&label, &value) in self.predictions.labels.iter().zip(&resource.values) {
                if value.is_finite() {
                    groups.entry(label).or_default().push(value);
                }
            }
            for (label, mut values) in groups {
                values.sort_unstable_by(f64::total_cmp);
                let n = values.len();
                let rank = |q: f64| values[((q * n as f64).ceil() as usize).clamp(1, n) - 1];
                out.push(ResourceSummary {
                    kind: resource.kind.clone(),
                    unit: resource.unit.clone(),
                    cluster: label.cluster(),
                    count: n,
                    mean: values.iter().sum::<f64>() / n as f64,
                    p50: rank(0.5),
                    p95: rank(0.95),
                    max: values[n - 1],
                });
            }
        }
        out
    }
}

/// Outcome of a retrain.
#[doc(alias = "RetrainingResult")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RetrainReport {
    /// Why it ran.
    pub trigger: Trigger,
    /// How it ended.
    pub outcome: RetrainOutcome,
    /// Why it ended so.
    pub reasons: Vec<String>,
    /// Version that served before.
    pub old_version: u64,
    /// Version that serves now, if it changed.
    pub new_version: Option<u64>,
    /// Champion against challenger on the same held-out rows.
    pub comparison: Option<VersionComparison>,
    /// Rows the challenger was fitted and judged on.
    pub window_rows: usize,
    /// Wall seconds.
    pub timings: Timings,
    /// Run that holds it.
    pub run: Option<String>,
    /// Registered version, read back.
    pub registered: Option<ModelVersion>,
    /// What went wrong beside the models.
    pub degraded: Vec<Degraded>,
}

#[cfg(feature = "report")]
impl RetrainReport {
    /// The retrain after batch `batch` as the HTML report shows it.
    #[must_use]
    pub fn shown(&self, batch: u64, at: Timestamp) -> tsc_report::Retrain {
        let mut shown = tsc_report::Retrain::new(at, batch, self.trigger.clone(), self.outcome);
        if let Some(comparison) = &self.comparison {
            let rmse = comparison.metric(tsc_retrain::ComparedMetric::Rmse);
            shown.champion = rmse.champion;
            shown.challenger = rmse.challenger;
            shown.p_value = Some(comparison.loss.p_better);
        }
        shown.reason = self.reasons.join("; ");
        shown.model_version = self.new_version;
        shown
    }
}
