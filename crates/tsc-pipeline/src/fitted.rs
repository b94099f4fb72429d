use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use tsc_core::{
    Batch, BoxClusterer, BoxFallback, BoxRegressor, Clusterer, Degradation, DeploymentStage, Error, Event,
    ModelVersion, NoiseFallback, PredictionSource, Predictions, RegressionScores, Regressor, Result,
    RetrainPolicy, Signals, Timestamp, Trigger, Vote,
};
use tsc_monitor::{BatchView, HealthReport, Monitor};
use tsc_retrain::{TriggerQueue, Window};

use tsc_series::FittedFeaturizer;

use crate::clock::{self, Stopwatch};
use crate::config::PipelineConfig;
use crate::fit::Fit;
use crate::logging::BatchRun;
use crate::pipeline::{Pipeline, in_pool};
use crate::reports::{BatchReport, Timings, TrainingReport};
use crate::retrain::Pending;
use crate::screen::{Columns, Screened, screen};
use crate::served::{Models, ResourcePredictions};
use crate::tracking::{FitRuns, Tracking};

/// A serving pipeline: the models, and everything that changes while batches come in.
///
/// All mutable state is here, behind `&mut self`; [`FittedPipeline::models`] is for readers on other threads.
pub struct FittedPipeline<
    C: Clusterer = BoxClusterer,
    R: Regressor = BoxRegressor,
    N: NoiseFallback = BoxFallback,
> {
    pub(crate) pipeline: Pipeline<C, R, N>,
    pub(crate) tracking: Tracking,
    pub(crate) pool: Option<Arc<rayon::ThreadPool>>,
    pub(crate) models: Arc<Models<C, R, N>>,
    pub(crate) monitor: Monitor,
    pub(crate) policy: Box<dyn RetrainPolicy>,
    pub(crate) queue: TriggerQueue,
    pub(crate) window: Window,
    pub(crate) counters: Counters,
    pub(crate) batch_run: Option<BatchRun>,
    pub(crate) pending: Option<Pending<C, R, N>>,
}

/// What a restart must not forget.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Counters {
    pub(crate) sequence: u64,
    pub(crate) new_samples: u64,
    pub(crate) last_success: Option<Timestamp>,
    pub(crate) recent_ids: VecDeque<String>,
    pub(crate) registered: Option<ModelVersion>,
    /// Largest number of models that ever served; 0 before the first promotion.
    #[serde(default)]
    pub(crate) newest_version: u64,
}

impl<C: Clusterer, R: Regressor, N: NoiseFallback> fmt::Debug for FittedPipeline<C, R, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FittedPipeline")
            .field("version", &self.models.version)
            .field("batches", &self.counters.sequence)
            .field("window_rows", &self.window.len())
            .finish_non_exhaustive()
    }
}

impl<C: Clusterer, R: Regressor, N: NoiseFallback> FittedPipeline<C, R, N> {
    pub(crate) fn first(
        pipeline: Pipeline<C, R, N>,
        tracking: Tracking,
        pool: Option<Arc<rayon::ThreadPool>>,
        fit: Fit<C, R, N>,
        rows: &Batch<'_>,
        runs: &mut FitRuns,
    ) -> Result<(Self, TrainingReport)> {
        let Fit { models, mut report, .. } = fit;
        let config = Arc::clone(&pipeline.config);
        let mut window = Window::new(models.schema.n_features(), config.expanding_window_size);
        window.push(rows)?;
        let mut fitted = Self {
            monitor: Monitor::new(
                config.monitoring.resolve(config.noise_threshold),
                Arc::clone(&models.reference),
                config.batch_size,
            )?,
            policy: Box::new(config.retraining.policy(config.noise_threshold)?),
            queue: TriggerQueue::new(&config.retraining)?,
            models: Arc::new(models),
            counters: Counters::default(),
            batch_run: None,
            pending: None,
            pipeline,
            tracking,
            pool,
            window,
        };
        let watch = Stopwatch::start();
        report.run = runs.id();
        let info = Registration {
            description: "Initial Training".into(),
            tags: vec![("tsc.trigger".into(), "initial".into())],
            stage: DeploymentStage::Staging,
            comparison: None,
        };
        report.registered = fitted.log_and_register(&mut report, rows, runs, info)?;
        fitted.counters.registered.clone_from(&report.registered);
        report.timings.tracking = watch.seconds();
        report.timings.total += report.timings.tracking;
        report.degraded.extend(runs.degraded.iter().cloned());
        if config.degradation.mode == Degradation::Strict
            && let Some(fault) = report.degraded.first()
        {
            return Err(crate::error::strict(fault));
        }
        Ok((fitted, report))
    }

    /// The served models; cheap, and a reader keeps its set while the pipeline swaps to another.
    #[must_use]
    pub fn models(&self) -> Arc<Models<C, R, N>> {
        Arc::clone(&self.models)
    }

    /// The configuration it was fitted with.
    #[must_use]
    pub fn config(&self) -> &PipelineConfig {
        &self.pipeline.config
    }

    /// The featurizer that made the training rows, where it was given.
    #[must_use]
    pub fn featurizer(&self) -> Option<&FittedFeaturizer> {
        self.pipeline.featurizer.as_deref()
    }

    /// The one-file HTML report of a fit on `rows`; `None` without feature `report`.
    #[must_use]
    pub fn report_html(&self, training: &TrainingReport, rows: &Batch<'_>) -> Option<String> {
        crate::html::page(&self.models, self.config(), training, rows)
    }

    /// What the HTML report of a fit on `rows` shows, to be extended before it is drawn.
    #[cfg(feature = "report")]
    #[must_use]
    pub fn report_data(&self, training: &TrainingReport, rows: &Batch<'_>) -> tsc_report::ReportData {
        crate::html::data(&self.models, self.config(), training, rows)
    }

    /// The version that is registered for the served models.
    #[must_use]
    pub fn registered(&self) -> Option<&ModelVersion> {
        self.counters.registered.as_ref()
    }

    /// Batches processed so far.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.counters.sequence
    }

    /// Labelled rows a retrain would see now.
    #[must_use]
    pub fn window_rows(&self) -> usize {
        self.window.len()
    }

    /// The monitor, for metrics, alerts and error statistics.
    #[must_use]
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// State of the running pipeline, from what happened.
    #[doc(alias = "perform_health_check")]
    #[must_use]
    pub fn health(&self) -> HealthReport {
        self.monitor.health(clock::now())
    }

    /// Replaces the thresholds of alerts and drift.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming the threshold.
    #[doc(alias = "update_performance_thresholds")]
    pub fn set_thresholds(&mut self, thresholds: tsc_monitor::Thresholds) -> Result<()> {
        self.monitor.set_thresholds(thresholds)
    }

    /// Replaces the policy that decides on retrains.
    pub fn set_policy(&mut self, policy: impl RetrainPolicy + 'static) {
        self.policy = Box::new(policy);
    }

    /// Waits until everything logged is stored, at most for the deadline, and tells the truth.
    pub fn flush_tracking(&mut self, deadline: std::time::Duration) -> tsc_core::TrackingReport {
        self.tracking.tracker.flush(deadline)
    }

    /// Command with which a person opens the runs; `None` if nothing is kept.
    #[must_use]
    pub fn view_command(&self) -> Option<String> {
        self.tracking.tracker.view_command()
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        self.pipeline.observers.tell(event);
    }
}

/// How a fit is registered.
#[derive(Debug)]
pub(crate) struct Registration<'a> {
    pub(crate) description: String,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) stage: DeploymentStage,
    pub(crate) comparison: Option<&'a tsc_retrain::VersionComparison>,
}

impl<C: Clusterer + 'static, R: Regressor + 'static, N: NoiseFallback + 'static> FittedPipeline<C, R, N> {
    /// Scores a batch, observes it, and retrains where the policy asks for it.
    ///
    /// One call is one observation. Quarantined rows get noise, NaN and `Unavailable`; rows without a target are
    /// scored and not evaluated. Predictions come from the models named in `model_version`, also when a retrain
    /// follows in the same call.
    ///
    /// # Errors
    ///
    /// `InvalidData` for another width, another schema, another unit of a resource, or no usable row; the models,
    /// the window and the monitor's charts are then as before, and the failure is counted.
    pub fn process_batch(&mut self, batch: &Batch<'_>) -> Result<BatchReport> {
        let at = batch.time().unwrap_or_else(clock::now);
        self.adopt_finished_retrain();
        let sequence = self.counters.sequence + 1;
        self.tell(&Event::BatchStarted { sequence, n_samples: batch.n_samples() });
        match self.observe_batch(batch, sequence, at) {
            Ok(report) => Ok(report),
            Err(error) => {
                self.monitor.observe_failure(&error, at);
                self.tell(&Event::BatchFailed { sequence, error: &error });
                Err(error)
            }
        }
    }

    fn observe_batch(&mut self, batch: &Batch<'_>, sequence: u64, at: Timestamp) -> Result<BatchReport> {
        let total = Stopwatch::start();
        let models = Arc::clone(&self.models);
        self.check_against_fit(batch)?;
        let schema = &models.schema;
        let name = |column: usize| schema.columns()[column].name.clone();
        let screened =
            screen(batch, self.pipeline.config.data.on_invalid_batch, || models.medians.clone(), name)?;
        let x = screened.features()?.ok_or_else(|| crate::error::no_usable_row(batch.n_samples()))?;
        let columns = Columns::of(batch, &screened);

        let watch = Stopwatch::start();
        let (scored, (resources, resource_faults)) = in_pool(self.pool.as_deref(), || {
            let scored = models.score(x)?;
            let resources = models.score_resources(x, &scored.predictions)?;
            Ok::<_, Error>((scored, resources))
        })?;
        let mut timings = Timings { models: watch.seconds(), ..Timings::default() };
        let scores =
            columns.targets.as_deref().map(|truth| RegressionScores::of(truth, &scored.predictions.values));
        let mut degraded = scored.degraded;
        degraded.extend(resource_faults);

        let mut report = BatchReport {
            sequence,
            at,
            model_version: models.version,
            n_samples: batch.n_samples(),
            n_scored: screened.n_samples(),
            noise_ratio: tsc_core::noise_ratio(&scored.predictions.density_labels),
            unassigned_ratio: tsc_core::noise_ratio(&scored.predictions.labels),
            fallback_ratio: 0.0,
            rejected_ratio: screened.rejected.len() as f64 / batch.n_samples() as f64,
            coverage: scores.and_then(|s| s.coverage),
            scores,
            rejected: screened.rejected.clone(),
            imputed: screened.imputed,
            predictions: for_every_row(&scored.predictions, &screened, batch.n_samples()),
            resources: resources
                .iter()
                .map(|r| resource_for_every_row(r, &screened, batch.n_samples()))
                .collect(),
            findings: Vec::new(),
            alerts: Vec::new(),
            degraded,
            trigger: None,
            retrain: None,
            repeated: self.was_seen(batch.batch_id()),
            timings: Timings::default(),
        };
        report.fallback_ratio = report.noise_ratio - report.unassigned_ratio;
        if report.repeated {
            report.timings = Timings { total: total.seconds(), ..timings };
            return Ok(report);
        }

        self.counters.sequence = sequence;
        self.remember(batch.batch_id());
        self.counters.new_samples += self.window.push(&columns.batch(x)?)? as u64;
        let watch = Stopwatch::start();
        let verdict = self.monitor.observe(
            &BatchView {
                sequence,
                model_version: models.version,
                x,
                predictions: &scored.predictions,
                scores,
                n_rejected: report.rejected.len() as u64,
                seconds: total.seconds(),
                memory_mib: clock::memory_mib().0,
            },
            at,
        )?;
        timings.monitoring = watch.seconds();
        report.findings = verdict.findings;
        report.alerts = verdict.alerts;

        let watch = Stopwatch::start();
        self.track(batch, &mut report, total.seconds());
        timings.tracking = watch.seconds();
        report.timings = Timings { total: total.seconds(), ..timings };
        for alert in &report.alerts {
            self.tell(&Event::Alert(alert));
        }
        for finding in &report.findings {
            self.tell(&Event::Drift(finding));
        }
        for item in &report.degraded {
            self.tell(&Event::Degraded(item));
        }
        self.tell(&Event::BatchFinished {
            sequence,
            model_version: report.model_version,
            noise_ratio: report.noise_ratio,
        });
        self.retrain_where_due(&mut report, at);
        Ok(report)
    }

    fn check_against_fit(&self, batch: &Batch<'_>) -> Result<()> {
        let schema = &self.models.schema;
        if batch.n_features() != schema.n_features() {
            return Err(Error::new(
                tsc_core::ErrorKind::InvalidData,
                tsc_core::Stage::Input,
                "TSC-DAT-007",
                format!(
                    "batch has {} features, the model was fitted on {}",
                    batch.n_features(),
                    schema.n_features()
                ),
            )
            .with_help("pass the features of the training schema, in its order"));
        }
        if batch.schema().is_some_and(|given| given != schema) {
            return Err(crate::error::schema_mismatch());
        }
        for column in batch.resources().columns() {
            if let Some(head) = self.models.resources.heads().iter().find(|head| *head.kind() == column.kind)
                && *head.unit() != column.unit
            {
                return Err(crate::error::unit_mismatch(column.kind.name(), &column.unit, head.unit()));
            }
        }
        Ok(())
    }

    fn was_seen(&self, id: Option<&str>) -> bool {
        id.is_some_and(|id| self.counters.recent_ids.iter().any(|seen| seen == id))
    }

    fn remember(&mut self, id: Option<&str>) {
        if let Some(id) = id {
            self.counters.recent_ids.push_back(id.to_owned());
            if self.counters.recent_ids.len() > self.pipeline.config.monitoring.batch_history {
                self.counters.recent_ids.pop_front();
            }
        }
    }

    fn retrain_where_due(&mut self, report: &mut BatchReport, at: Timestamp) {
        let facts = &self.models.facts;
        let mut signals = Signals::new(at, self.models.fitted_at);
        signals.last_success = self.counters.last_success;
        signals.noise_ratio = Some(report.noise_ratio);
        signals.training_noise = facts.holdout_noise;
        signals.training_samples = facts.training_samples;
        signals.new_samples = self.counters.new_samples;
        signals.scores = report.scores;
        signals.findings = &report.findings;
        let Vote::Retrain(trigger) = self.policy.decide(&signals) else { return };
        report.trigger = Some(trigger.clone());
        report.retrain = self.request(trigger, at);
    }

    /// Refits now, for a reason given in words; the same gate decides.
    ///
    /// Skips cool-down and back-off. In `background` and `on_request` mode it also runs in this call.
    ///
    /// # Errors
    ///
    /// None today: a failed fit is an outcome of the report, and the champion serves on.
    pub fn retrain(&mut self, reason: impl Into<String>) -> Result<crate::reports::RetrainReport> {
        let at = clock::now();
        self.adopt_finished_retrain();
        Ok(self.retrain_now(Trigger::ManualCommand { reason: reason.into() }, at))
    }

    /// Refits if the schedule is due at `now`.
    ///
    /// # Errors
    ///
    /// As [`FittedPipeline::retrain`].
    #[doc(alias = "check_scheduled_retraining")]
    pub fn retrain_if_due(&mut self, now: Timestamp) -> Result<Option<crate::reports::RetrainReport>> {
        self.adopt_finished_retrain();
        let mut signals = Signals::new(now, self.models.fitted_at);
        signals.last_success = self.counters.last_success;
        signals.training_noise = self.models.facts.holdout_noise;
        signals.training_samples = self.models.facts.training_samples;
        signals.new_samples = self.counters.new_samples;
        match self.policy.decide(&signals) {
            Vote::Retrain(trigger) => Ok(self.request(trigger, now)),
            _ => Ok(None),
        }
    }
}

impl<C: Clusterer, R: Regressor, N: NoiseFallback> Drop for FittedPipeline<C, R, N> {
    fn drop(&mut self) {
        self.close_batches();
    }
}

/// Predictions of the usable rows at their places; the others stay unavailable.
fn for_every_row(scored: &Predictions, screened: &Screened<'_>, n_samples: usize) -> Predictions {
    let Some(kept) = &screened.kept else { return scored.clone() };
    let mut all = Predictions::unavailable(n_samples);
    for (i, &row) in kept.iter().enumerate() {
        all.density_labels[row] = scored.density_labels[i];
        all.labels[row] = scored.labels[i];
        all.strengths[row] = scored.strengths[i];
        all.values[row] = scored.values[i];
        all.sources[row] = scored.sources[i];
    }
    all.intervals = scored.intervals.as_ref().map(|bounds| bounds.spread(kept, n_samples));
    all
}

fn resource_for_every_row(
    scored: &ResourcePredictions,
    screened: &Screened<'_>,
    n_samples: usize,
) -> ResourcePredictions {
    let Some(kept) = &screened.kept else { return scored.clone() };
    let mut all = ResourcePredictions {
        values: vec![f64::NAN; n_samples],
        sources: vec![PredictionSource::Unavailable; n_samples],
        intervals: scored.intervals.as_ref().map(|bounds| bounds.spread(kept, n_samples)),
        ..scored.clone()
    };
    for (i, &row) in kept.iter().enumerate() {
        all.values[row] = scored.values[i];
        all.sources[row] = scored.sources[i];
    }
    all
}
