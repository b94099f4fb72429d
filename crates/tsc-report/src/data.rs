use serde::{Deserialize, Serialize};
use tsc_core::{
    AlertEvent, ClusterId, Degraded, HealthStatus, RegressionScores, RetrainOutcome, Timestamp,
    TrackingReport, Trigger,
};

use crate::plot::{ClusterMap, CondensedTree, Importance, NoiseTrend};

/// Everything a report shows, as plain columns; what is not known stays empty and is said to be so.
///
/// No field takes an identifier of a patient or a row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportData {
    /// What was done, such as `Initial training`.
    pub title: String,
    /// For whom, such as a hospital profile.
    pub subject: Option<String>,
    /// When, as the caller knows it; the report reads no clock.
    pub at: Option<Timestamp>,
    /// Version of the served models.
    pub model_version: Option<u64>,
    /// State of the running pipeline.
    pub health: Option<HealthStatus>,
    /// Name of the predicted value.
    pub target: Option<String>,
    /// Its unit, as shown behind errors.
    pub unit: Option<String>,
    /// What came in, what was used, and what was refused.
    pub data: DataFindings,
    /// Clusters of the training samples.
    pub clusters: Option<ClusterSummary>,
    /// Held-out scores of the whole pipeline first, then of what it must beat: a global model, the last value.
    pub models: Vec<ModelScores>,
    /// Held-out scores per cluster.
    pub cluster_scores: Vec<ClusterScores>,
    /// What the pipeline is worth beside plainer predictions of the same held-out rows.
    pub value: Option<Value>,
    /// Clusters and stages without a model of their own.
    pub skipped: Vec<Skipped>,
    /// Feature importance per model.
    pub importances: Vec<Importance>,
    /// Training samples in the plane.
    pub cluster_map: Option<ClusterMap>,
    /// How the clusters come apart.
    pub condensed_tree: Option<CondensedTree>,
    /// Noise per batch.
    pub noise_trend: Option<NoiseTrend>,
    /// Retrains in order.
    pub retrains: Vec<Retrain>,
    /// Transitions of alerts in order.
    pub alerts: Vec<AlertEvent>,
    /// What the pipeline went on without.
    pub degraded: Vec<Degraded>,
    /// What happened to everything logged.
    pub tracking: Option<TrackingReport>,
    /// Why a plot is not shown, where the caller knows better than "no data".
    pub absent: Vec<Absent>,
    /// The resolved configuration.
    pub configuration: Vec<Setting>,
    /// What makes the result reproducible: versions, hashes, seed.
    pub provenance: Vec<Setting>,
}

/// Rows and values that came in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataFindings {
    /// Rows handed in.
    pub rows_in: u64,
    /// Rows used.
    pub rows_used: u64,
    /// Features per row.
    pub n_features: u64,
    /// Patients, where groups are known.
    pub n_groups: Option<u64>,
    /// What was refused and why.
    pub rejections: Vec<Rejection>,
    /// Anything else a person should know, one sentence each.
    pub notes: Vec<String>,
}

/// Values or rows that were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    /// In which variable or feature; `None` for whole rows.
    pub feature: Option<String>,
    /// Why, such as `outside 20..300 bpm`.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// Sizes and quality of the clusters of the training samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterSummary {
    /// Clustered samples and noise together.
    pub n_samples: u64,
    /// Samples without a cluster, before the fallback.
    pub n_noise: u64,
    /// Mean silhouette, -1..=1; `None` with fewer than two clusters.
    pub silhouette: Option<f64>,
    /// Each cluster.
    pub clusters: Vec<ClusterSize>,
}

/// One cluster of the training samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSize {
    /// Which.
    pub cluster: ClusterId,
    /// Training samples in it.
    pub size: u64,
    /// How long it lasts over the densities, 0..=1.
    pub persistence: Option<f64>,
}

/// What the pipeline is worth beside plainer predictions of the same held-out rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Value {
    /// Whether segmentation helped, in one sentence.
    pub sentence: String,
    /// Name of the loss, such as `RMSE`; smaller is better.
    pub measure: String,
    /// Against each plainer way.
    pub rivals: Vec<Compared>,
    /// Against one global model, by segment.
    pub segments: Vec<Compared>,
    /// Prediction intervals.
    pub coverage: Vec<CoverageRow>,
}

/// Losses of the pipeline and of another way on the same rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// The other way, or the segment.
    pub name: String,
    /// Held-out rows.
    pub rows: u64,
    /// Their patients or series.
    pub groups: u64,
    /// Loss of the pipeline.
    pub pipeline: f64,
    /// Loss of the other.
    pub other: f64,
    /// 95 % interval of pipeline minus other.
    pub interval: Option<[f64; 2]>,
}

/// How often held-out truth fell inside its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageRow {
    /// `all rows` or the segment.
    pub name: String,
    /// Nominal coverage.
    pub level: f64,
    /// Held-out rows.
    pub rows: u64,
    /// Share inside.
    pub share: f64,
    /// 95 % interval of the share.
    pub interval: Option<[f64; 2]>,
    /// Mean width of the intervals.
    pub mean_width: f64,
}

/// Held-out scores under a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelScores {
    /// Such as `pipeline`, `global model`, `last value`.
    pub model: String,
    /// Scores on the same held-out rows.
    pub scores: RegressionScores,
}

/// Held-out scores of the rows of one cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterScores {
    /// Which; `None` for noise.
    pub cluster: Option<ClusterId>,
    /// What served them, such as `own model` or `pooled model`.
    pub served_by: String,
    /// Scores as served.
    pub scores: RegressionScores,
    /// Scores of the global model on the same rows.
    pub global: Option<RegressionScores>,
}

/// Something that was not fitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// What, such as `cluster 3` or `resource heads`.
    pub what: String,
    /// Why, such as `has 6 samples, needs 10; the pooled model serves it`.
    pub reason: String,
}

/// One decision of the retraining.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retrain {
    /// When.
    pub at: Timestamp,
    /// After which batch.
    pub batch: u64,
    /// Why it started.
    pub trigger: Trigger,
    /// How it ended.
    pub outcome: RetrainOutcome,
    /// Held-out loss of the served models.
    #[serde(default)]
    pub champion: Option<f64>,
    /// Held-out loss of the candidate.
    #[serde(default)]
    pub challenger: Option<f64>,
    /// p of the gate's test.
    #[serde(default)]
    pub p_value: Option<f64>,
    /// The gate's or the error's words.
    #[serde(default)]
    pub reason: String,
    /// Version that serves afterwards.
    #[serde(default)]
    pub model_version: Option<u64>,
}

impl Retrain {
    /// A decision without losses.
    #[must_use]
    pub fn new(at: Timestamp, batch: u64, trigger: Trigger, outcome: RetrainOutcome) -> Self {
        let (champion, challenger, p_value, model_version) = (None, None, None, None);
        Self {
            at,
            batch,
            trigger,
            outcome,
            champion,
            challenger,
            p_value,
            reason: String::new(),
            model_version,
        }
    }
}

/// A plot that is not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// Which: `cluster map`, `noise trend` or `importance`.
    pub plot: String,
    /// Continues "not shown, because".
    pub reason: String,
}

/// One key with its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Key path such as `hdbscan_params.min_cluster_size`.
    pub key: String,
    /// Value as text.
    pub value: String,
}

impl Setting {
    /// `key` with anything that can be shown.
    #[must_use]
    pub fn new(key: impl Into<String>, value: impl ToString) -> Self {
        Self { key: key.into(), value: value.to_string() }
    }
}
