//! The typed configuration: seed keys, defaults, presets, every violation at once.

mod load;
mod presets;
mod warnings;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_cluster::{HdbscanParams, ViewParams};
use tsc_core::{Degradation, Millis, ResourceKind, Split, Unit, Violation};
use tsc_fallback::KnnParams;
use tsc_models::{
    GbmParams, IntervalMethod, IntervalParams, NoiseValue, PerClusterParams, ResourceParams, Selection,
};
use tsc_monitor::MonitorParams;
use tsc_retrain::RetrainParams;
use tsc_series::{SeriesParams, TableSpec};

use crate::segments::SegmentParams;

pub use load::ConfigErrors;
pub use presets::Preset;
pub use warnings::ConfigWarning;

/// Everything a pipeline is told. Keys keep the seed's spelling; defaults are the seed's.
///
/// # Examples
///
/// ```
/// use tsc_pipeline::PipelineConfig;
/// let config = PipelineConfig::from_toml("noise_threshold = 0.25\n[hdbscan_params]\nmin_cluster_size = 8")?;
/// assert_eq!((config.noise_threshold, config.hdbscan_params.min_cluster_size), (0.25, 8));
/// let error = PipelineConfig::from_toml("noise_treshold = 0.25").unwrap_err();
/// assert_eq!(error.to_string(), "unknown key noise_treshold, did you mean noise_threshold");
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PipelineConfig {
    /// Version of this format; 1.
    pub config_version: u32,
    /// Values that the file starts from; absent = the defaults.
    pub preset: Option<Preset>,
    /// Seed of every random choice; LightGBM's `seed` follows it unless its table sets one.
    pub random_state: u64,
    /// Threads of the pool; 0 = all cores. Never changes a result.
    pub threads: usize,
    /// Share of noise at which a batch counts toward a retrain, 0..=1; higher means fewer retrains.
    pub noise_threshold: f64,
    /// Rows scored at once, at least 1; smaller saves memory, results are the same.
    pub batch_size: usize,
    /// Newest labelled rows kept for a retrain.
    pub expanding_window_size: usize,
    /// Experiments are `<experiment_name>-Training`, `-Batch-Processing`, `-Retraining`.
    pub experiment_name: String,
    /// The registered model is `<model_registry_prefix>-Pipeline`.
    pub model_registry_prefix: String,
    /// Appended to experiment and model names, so that hospitals do not share them.
    pub hospital_profile_id: Option<String>,
    /// Segmentation.
    pub hdbscan_params: HdbscanParams,
    /// Sizes that follow the rows, and the bar that a segmentation is held against.
    pub segments: SegmentParams,
    /// What the clusterer sees of the features: clip, projection.
    pub cluster_view: ViewParams,
    /// LightGBM of the target; any LightGBM parameter or alias.
    pub lgb_timeseries_params: GbmParams,
    /// LightGBM of the resource heads.
    pub lgb_resource_params: GbmParams,
    /// Labels for noise.
    pub knn_params: KnnParams,
    /// Rows and splits of a fit.
    pub training: TrainingParams,
    /// Columns of a data file, and what happens to invalid rows.
    pub data: DataParams,
    /// Models per cluster and pooled.
    pub models: ModelParams,
    /// Prediction intervals of target and resources; none by default.
    pub intervals: IntervalParams,
    /// Per resource column: transform.
    pub resources: ResourceParams,
    /// Thresholds, drift, health, histories.
    pub monitoring: MonitorParams,
    /// Policies, back-off, gate.
    pub retraining: RetrainParams,
    /// Where runs go.
    pub tracking: TrackingParams,
    /// What happens when a part that is not the models fails.
    pub degradation: DegradationParams,
    /// When a report is written.
    pub report: ReportParams,
    /// Patient series to features; absent = the data are a feature matrix already. `preset = "icu"` fills it,
    /// and `segments` with [`SegmentParams::icu`].
    pub series: Option<SeriesParams>,
    /// How a file of patient series is read; absent = by its name.
    pub input: Option<TableSpec>,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            config_version: 1,
            preset: None,
            random_state: 42,
            threads: 0,
            noise_threshold: 0.3,
            batch_size: 1000,
            expanding_window_size: 10_000,
            experiment_name: "TimeSeries-Clustering".into(),
            model_registry_prefix: "TimeSeries-Clustering".into(),
            hospital_profile_id: None,
            hdbscan_params: HdbscanParams::default(),
            segments: SegmentParams::default(),
            cluster_view: ViewParams::default(),
            lgb_timeseries_params: GbmParams::time_series(),
            lgb_resource_params: GbmParams::resource(),
            knn_params: KnnParams::default(),
            training: TrainingParams::default(),
            data: DataParams::default(),
            models: ModelParams::default(),
            intervals: IntervalParams::default(),
            resources: ResourceParams::default(),
            monitoring: MonitorParams::default(),
            retraining: RetrainParams::default(),
            tracking: TrackingParams::default(),
            degradation: DegradationParams::default(),
            report: ReportParams::default(),
            series: None,
            input: None,
        }
    }
}

/// Rows and splits of a fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingParams {
    /// Fewest usable rows of a fit, whatever the cluster size.
    pub min_rows: usize,
    /// A fit needs this many times `hdbscan_params.min_cluster_size` rows.
    pub min_rows_factor: usize,
    /// Fewest rows of a cluster that gets its own model.
    pub min_cluster_rows: usize,
    /// Share of rows that no model sees, `(0, 0.5]`; the only source of reported scores.
    pub validation_fraction: f64,
    /// How held-out rows are told apart.
    pub split: Split,
    /// Inner folds; absent = 5 up to 20,000 rows, else 1; 0 = none.
    pub folds: Option<usize>,
    /// Rows closer than this before a time cut leave training.
    pub gap: Millis,
    /// Whether models are fitted once more with the held-out rows, after everything reported was measured. Those that
    /// were measured are stored too, and a retrain's gate judges by them.
    pub refit: bool,
}

impl Default for TrainingParams {
    fn default() -> Self {
        Self {
            min_rows: 20,
            min_rows_factor: 3,
            min_cluster_rows: 10,
            validation_fraction: 0.2,
            split: Split::Auto,
            folds: None,
            gap: Millis(0),
            refit: true,
        }
    }
}

/// Most rows with five folds by default: beyond, one fold tells as much, and five cost five fits.
const MOST_ROWS_OF_FIVE_FOLDS: usize = 20_000;

impl TrainingParams {
    /// Inner folds of a fit on so many rows.
    #[must_use]
    pub fn folds_for(&self, n_rows: usize) -> usize {
        self.folds.unwrap_or(if n_rows <= MOST_ROWS_OF_FIVE_FOLDS { 5 } else { 1 })
    }

    /// Fewest usable rows of a fit with this cluster size.
    #[must_use]
    pub fn minimum(&self, min_cluster_size: usize) -> usize {
        self.min_rows.max(self.min_rows_factor.saturating_mul(min_cluster_size))
    }
}

/// What happens to a row with a NaN or infinite cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInvalid {
    /// The call is an error naming the cells.
    Reject,
    /// The row is left out of everything, gets noise and NaN, and is listed.
    Quarantine,
    /// The cell takes the training median (at a fit: the median of the finite cells).
    ImputeMedian,
}

/// Columns of a data file, and what happens to invalid rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataParams {
    /// Invalid rows of a fit.
    pub on_invalid_fit: OnInvalid,
    /// Invalid rows of a batch.
    pub on_invalid_batch: OnInvalid,
    /// Column of the target in a feature file.
    pub target: Option<String>,
    /// Column of the row id.
    pub id: Option<String>,
    /// Column of the group (patient).
    pub group: Option<String>,
    /// Columns that are neither.
    pub ignore: Vec<String>,
    /// Resource columns by resource name.
    pub resources: BTreeMap<ResourceKind, ResourceSource>,
}

impl Default for DataParams {
    fn default() -> Self {
        Self {
            on_invalid_fit: OnInvalid::Reject,
            on_invalid_batch: OnInvalid::Quarantine,
            target: None,
            id: None,
            group: None,
            ignore: Vec::new(),
            resources: BTreeMap::new(),
        }
    }
}

/// Where a resource is found in a feature file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceSource {
    /// Column of the file.
    pub column: String,
    /// Unit of its values.
    pub unit: Unit,
}

/// Which regression backend the configuration asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// LightGBM; training needs feature `lightgbm`.
    Lightgbm,
    /// Elastic net; training needs feature `linear`.
    Linear,
}

/// Models per cluster and pooled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelParams {
    /// Regression backend of target and resources.
    pub backend: Backend,
    /// LightGBM keys that nobody set follow the training rows.
    pub auto_size: bool,
    /// Who predicts noise: the pooled model, or the model of the fallback's cluster.
    pub noise_value: NoiseValue,
    /// How much a cluster's own model counts.
    pub selection: Selection,
    /// Standard errors by which an own model must be better; larger trusts the pooled model more.
    pub selection_z: f64,
    /// Whether a fit also tries its segments shuffled among groups, as a control of what segments gain.
    pub permuted_control: bool,
}

impl Default for ModelParams {
    fn default() -> Self {
        Self {
            backend: if cfg!(feature = "lightgbm") || !cfg!(feature = "linear") {
                Backend::Lightgbm
            } else {
                Backend::Linear
            },
            auto_size: true,
            noise_value: NoiseValue::Pooled,
            selection: Selection::Shrink,
            selection_z: PerClusterParams::default().selection_z,
            permuted_control: true,
        }
    }
}

/// Where runs go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrackingParams {
    /// `sqlite:///FILE`, `http(s)://HOST`, or `off`; absent = `MLFLOW_TRACKING_URI`, else `mlflow.db` here.
    pub uri: Option<String>,
    /// Whether each LightGBM model that serves is a logged model of its own too, which `mlflow.lightgbm` loads.
    pub boosters: bool,
    /// Name of the data set that runs list as their input, 1 to 500 characters.
    pub dataset: String,
    /// Newest versions that stay registered, at least 1, beside those with an alias or a stage; absent = all.
    pub keep_versions: Option<u64>,
}

impl Default for TrackingParams {
    fn default() -> Self {
        Self { uri: None, boosters: true, dataset: "patients".into(), keep_versions: None }
    }
}

/// What happens when a part that is not the models fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DegradationParams {
    /// `strict`, `tolerant` or `best_effort`.
    pub mode: Degradation,
    /// Tries of a registration that fails for a transient reason, at least 1.
    pub max_attempts: u32,
}

impl Default for DegradationParams {
    fn default() -> Self {
        Self { mode: Degradation::Tolerant, max_attempts: 3 }
    }
}

/// When a page is written into the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportOn {
    /// After a first fit.
    Fit,
    /// When a process that scored batches ends.
    Batch,
    /// After a retrain.
    Retrain,
}

/// When a report is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportParams {
    /// Occasions.
    pub on: Vec<ReportOn>,
}

impl Default for ReportParams {
    fn default() -> Self {
        Self { on: vec![ReportOn::Fit, ReportOn::Retrain] }
    }
}

impl PipelineConfig {
    /// Fewest usable rows of a fit.
    pub(crate) fn rows_needed(&self) -> usize {
        let sized = self.segments.sized(&self.hdbscan_params, self.training.min_rows);
        self.training.minimum(sized.min_cluster_size)
    }

    /// Settings of the models per cluster.
    pub(crate) fn per_cluster(&self) -> PerClusterParams {
        PerClusterParams {
            min_cluster_rows: self.training.min_cluster_rows,
            selection: self.models.selection,
            selection_z: self.models.selection_z,
            permuted_control: self.models.permuted_control,
            intervals: self.intervals.clone(),
        }
    }

    /// Every rule that is broken, sorted by key path.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = self.own_violations();
        let mut table = |name: &str, violations: Vec<Violation>| {
            found.extend(
                violations.into_iter().map(|v| Violation::new(format!("{name}.{}", v.path), v.message)),
            );
        };
        table("hdbscan_params", self.hdbscan_params.check());
        table("segments", self.segments.check());
        table("cluster_view", self.cluster_view.check());
        table("lgb_timeseries_params", self.lgb_timeseries_params.check());
        table("lgb_resource_params", self.lgb_resource_params.check());
        table("intervals", self.intervals.check());
        table("knn_params", self.knn_params.check());
        table("monitoring", self.monitoring.check());
        table("retraining", self.retraining.check());
        if let Some(series) = &self.series {
            table("series", series.check());
        }
        found.sort();
        found
    }

    fn own_violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut rule = |ok: bool, path: &str, message: String| {
            if !ok {
                found.push(Violation::new(path, message));
            }
        };
        let unit = |v: f64| (0.0..=1.0).contains(&v);
        rule(self.config_version == 1, "config_version", format!("is {}, must be 1", self.config_version));
        rule(
            unit(self.noise_threshold),
            "noise_threshold",
            format!("is {}, must be in 0..=1", self.noise_threshold),
        );
        rule(self.batch_size >= 1, "batch_size", "is 0, must be at least 1".into());
        let needed = self.rows_needed();
        rule(
            self.expanding_window_size >= needed.max(self.batch_size),
            "expanding_window_size",
            format!(
                "is {}, must be at least batch_size ({}) and the training minimum ({needed})",
                self.expanding_window_size, self.batch_size
            ),
        );
        rule(!self.experiment_name.trim().is_empty(), "experiment_name", "is empty".into());
        rule(!self.model_registry_prefix.trim().is_empty(), "model_registry_prefix", "is empty".into());
        if let Some(id) = &self.hospital_profile_id {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
            rule(
                !id.is_empty() && id.chars().all(plain),
                "hospital_profile_id",
                format!("is {id:?}, must be letters, digits, _, . and - only, or absent"),
            );
        }
        rule(
            self.hdbscan_params.prediction_data,
            "hdbscan_params.prediction_data",
            "is false, scoring needs it".into(),
        );
        let training = &self.training;
        rule(training.min_rows >= 1, "training.min_rows", "is 0, must be at least 1".into());
        rule(training.min_rows_factor >= 1, "training.min_rows_factor", "is 0, must be at least 1".into());
        rule(
            training.min_cluster_rows >= 2,
            "training.min_cluster_rows",
            format!("is {}, must be at least 2", training.min_cluster_rows),
        );
        rule(
            training.validation_fraction > 0.0 && training.validation_fraction <= 0.5,
            "training.validation_fraction",
            format!("is {}, must be in (0, 0.5]", training.validation_fraction),
        );
        rule(
            self.models.selection_z >= 0.0 && self.models.selection_z.is_finite(),
            "models.selection_z",
            format!("is {}, must be at least 0", self.models.selection_z),
        );
        rule(
            self.degradation.max_attempts >= 1,
            "degradation.max_attempts",
            "is 0, must be at least 1".into(),
        );
        let name = self.tracking.dataset.chars().count();
        rule(
            (1..=500).contains(&name),
            "tracking.dataset",
            format!("has {name} characters, must have 1 to 500"),
        );
        rule(
            self.tracking.keep_versions != Some(0),
            "tracking.keep_versions",
            "is 0, must be at least 1; leave it out to keep all".into(),
        );
        let by_quantiles = self.intervals.method == IntervalMethod::Cqr && !self.intervals.levels.is_empty();
        rule(
            !(by_quantiles && self.models.backend == Backend::Linear),
            "intervals.method",
            "is cqr, which the linear backend cannot fit, must be residual".into(),
        );
        if self.training.folds == Some(0) && !self.intervals.levels.is_empty() {
            rule(
                false,
                "intervals.levels",
                "asks for intervals, which need training.folds of at least 1".into(),
            );
        }
        if self.training.folds == Some(0) && self.models.selection == Selection::Shrink {
            rule(false, "models.selection", "is shrink, which needs training.folds of at least 1".into());
        }
        for name in self.resources.0.keys() {
            rule(ResourceKind::named(name).is_ok(), &format!("resources.{name}"), "is no plain name".into());
        }
        found
    }
}
