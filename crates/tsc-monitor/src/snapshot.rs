use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::{RetrainOutcome, Severity, Timestamp};

use crate::history::BatchRecord;
use crate::{FiringAlert, HealthReport, MonitorParams, MonitorState, Reference};

/// Version of [`MonitorSnapshot`]'s form; raised when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// Batches since the fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BatchTotals {
    /// Scored.
    pub scored: u64,
    /// Failed.
    pub failed: u64,
}

/// Rows since the fit, by what gave their prediction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RowTotals {
    /// Model of their cluster.
    pub cluster: u64,
    /// Model of the cluster the fallback named.
    pub fallback: u64,
    /// Pooled model.
    pub pooled: u64,
    /// None.
    pub unavailable: u64,
    /// None: refused at the border.
    pub rejected: u64,
}

/// Wall times of batches, counted by upper bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DurationHistogram {
    /// Batches up to each bound of [`DurationHistogram::BOUNDS`] and above the one before; beyond all
    /// last.
    pub counts: Vec<u64>,
    /// All seconds.
    pub sum: f64,
}

impl Default for DurationHistogram {
    fn default() -> Self {
        Self { counts: vec![0; Self::BOUNDS.len() + 1], sum: 0.0 }
    }
}

impl DurationHistogram {
    /// Upper bounds in seconds.
    pub const BOUNDS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

    pub(crate) fn push(&mut self, seconds: f64) {
        // A state that was tampered with may hold fewer.
        self.counts.resize(Self::BOUNDS.len() + 1, 0);
        let at = Self::BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[at] = self.counts[at].saturating_add(1);
        self.sum = (self.sum + seconds).min(f64::MAX);
    }
}

/// The newest scored batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LastBatch {
    /// Its number.
    pub batch: u64,
    /// When it was observed.
    pub at: Timestamp,
    /// Scored rows.
    pub rows: u64,
    /// Share of noise before the fallback.
    pub noise_ratio: f64,
    /// Share of rows without a prediction.
    pub unavailable_ratio: f64,
    /// Share of rows refused at the border.
    pub rejected_ratio: f64,
    /// Wall time.
    pub seconds: Option<f64>,
    /// Resident memory.
    pub memory_mib: Option<f64>,
    /// Root mean squared error, where targets were known.
    pub rmse: Option<f64>,
    /// Mean absolute error, where targets were known.
    pub mae: Option<f64>,
    /// R2, where defined.
    pub r2: Option<f64>,
    /// Rows in each cluster of the model.
    pub mass: Vec<u64>,
}

/// A feature in the last window that was tested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FeatureSnapshot {
    /// Its name.
    pub feature: String,
    /// Corrected PSI.
    pub effect: f64,
    /// Adjusted p.
    pub p_value: f64,
    /// Whether it drifted.
    pub drifted: bool,
}

/// A running statistic and the limit it is compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChartSnapshot {
    /// Which.
    pub chart: String,
    /// The statistic; `None` where it is undefined yet.
    pub statistic: Option<f64>,
    /// The limit.
    pub limit: f64,
}

/// The state of a monitor for export: JSON by serde, Prometheus by
/// [`write_prometheus`](crate::write_prometheus).
///
/// Names come from the schema and from closed sets; there is no value of a row and no identifier in it.
/// Below 50 KB of JSON for 24 features. An undefined number is null.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use tsc_core::{Features, Schema, Timestamp};
/// use tsc_monitor::{Monitor, MonitorParams, Reference};
/// let x = Features::new(&[1.0, 2.0], 1)?;
/// let reference = Arc::new(Reference::fit(x, &Schema::unnamed(1), 3, 0.0, 0, None)?);
/// let monitor = Monitor::new(MonitorParams::default(), reference, 100)?;
/// let snapshot = monitor.snapshot(Timestamp(0));
/// assert_eq!((snapshot.schema, snapshot.n_clusters, snapshot.last), (1, 3, None));
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[doc(alias = "export_performance_data")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MonitorSnapshot {
    /// Version of this form.
    pub schema: u32,
    /// When it was taken.
    pub at: Timestamp,
    /// Models that served the last batch.
    pub model_version: Option<u64>,
    /// Clusters of the models.
    pub n_clusters: usize,
    /// The newest scored batch.
    pub last: Option<LastBatch>,
    /// Batches since the fit.
    pub batches: BatchTotals,
    /// Rows since the fit.
    pub rows: RowTotals,
    /// Wall times since the fit.
    pub seconds: DurationHistogram,
    /// Features in the last window that was tested, in the order of the schema.
    pub features: Vec<FeatureSnapshot>,
    /// Running statistics.
    pub charts: Vec<ChartSnapshot>,
    /// What fires now.
    pub firing: Vec<FiringAlert>,
    /// Alert events by rule and severity since the fit.
    pub alerts: BTreeMap<String, BTreeMap<Severity, u64>>,
    /// Alert events that fell out of the history.
    pub alerts_dropped: u64,
    /// Retrains by outcome.
    pub retrains: BTreeMap<String, u64>,
    /// The last retrain.
    pub last_retrain: Option<(RetrainOutcome, Timestamp)>,
    /// How the pipeline is.
    pub health: HealthReport,
}

impl MonitorSnapshot {
    pub(crate) fn of(
        state: &MonitorState,
        params: &MonitorParams,
        reference: &Reference,
        at: Timestamp,
    ) -> Self {
        let totals = &state.totals;
        let last = state.history.back();
        let summary = state.alerts.summary(Timestamp(i64::MAX));
        let feature = |(name, it): (&String, &crate::feature_drift::TestedFeature)| FeatureSnapshot {
            feature: name.clone(),
            effect: it.effect,
            p_value: it.p_value,
            drifted: it.drifted,
        };
        let chart = |name: &str, statistic, limit: crate::Threshold| ChartSnapshot {
            chart: name.into(),
            statistic,
            limit: limit.levels((1.0, 1.0)).0,
        };
        let drift = params.drift_thresholds;
        let retrain = state.retrain;
        Self {
            schema: SCHEMA,
            at,
            model_version: totals.model_version,
            n_clusters: reference.n_clusters(),
            last: last.map(|record| last_batch(record, &totals.mass)),
            batches: totals.batches,
            rows: totals.rows,
            seconds: totals.seconds.clone(),
            features: reference.names.iter().zip(&totals.features).map(feature).collect(),
            charts: vec![
                chart("noise_ratio_trend", last.and_then(|r| r.noise_rise), drift.noise_ratio_trend),
                chart(
                    "performance_degradation",
                    last.and_then(|r| r.loss_rise),
                    drift.performance_degradation,
                ),
            ],
            firing: summary.firing,
            alerts: totals.alerts.clone(),
            alerts_dropped: summary.dropped,
            retrains: totals.retrains.clone(),
            last_retrain: retrain.outcome.map(|outcome| (outcome, retrain.at)),
            health: state.health(params, at),
        }
    }
}

fn last_batch(record: &BatchRecord, mass: &[u64]) -> LastBatch {
    LastBatch {
        batch: record.batch,
        at: record.at,
        rows: record.rows,
        noise_ratio: record.noise_ratio,
        unavailable_ratio: record.unavailable_ratio,
        rejected_ratio: record.rejected_ratio,
        seconds: record.seconds,
        memory_mib: record.memory_mib,
        rmse: record.rmse,
        mae: record.mae,
        r2: record.r2,
        mass: mass.to_vec(),
    }
}
