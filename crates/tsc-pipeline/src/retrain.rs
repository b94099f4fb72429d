use std::sync::Arc;
use std::thread::JoinHandle;

use tsc_core::{
    Clusterer, Degraded, DeploymentStage, Error, ErrorKind, Event, Experiment, ModelRegistry, ModelVersion,
    NoiseFallback, Regressor, Result, RetrainOutcome, RunStatus, Stage, Timestamp, Trigger,
};
use tsc_retrain::{Admission, Gate, GateDecision, GateOutcome, Holdout, RetrainMode, Scored, Window};

use crate::clock::{self, Stopwatch};
use crate::config::PipelineConfig;
use crate::fit::{Fit, Stages, fit, refit};
use crate::fitted::{FittedPipeline, Registration};
use crate::pipeline::in_pool;
use crate::reports::{RetrainReport, Timings};
use crate::served::Models;
use crate::tracking::FitRuns;

/// A challenger that was fitted and judged.
#[derive(Debug)]
pub(crate) struct Judged<C: Clusterer, R: Regressor, N: NoiseFallback> {
    fit: Fit<C, R, N>,
    decision: GateDecision,
}

/// A retrain running on its own thread.
#[derive(Debug)]
pub(crate) struct Pending<C: Clusterer, R: Regressor, N: NoiseFallback> {
    trigger: Trigger,
    runs: FitRuns,
    window: Arc<Window>,
    work: JoinHandle<Timed<Result<Judged<C, R, N>>>>,
}

/// A result and the wall seconds it took.
type Timed<T> = (T, f64);

/// Fits a challenger on the window and judges both on the rows it did not see.
///
/// Groups are held out in the order of a hash of their own, so the models that were measured of the champion did not
/// see them either, but for a few where the share is cut: other patients in the window move that place. Rows without
/// groups are held out by their number, of which a champion may have seen any.
fn challenge<C: Clusterer, R: Regressor, N: NoiseFallback>(
    stages: &Stages<C, R, N>,
    config: &PipelineConfig,
    champion: &Models<C, R, N>,
    window: &Window,
    trigger: &Trigger,
    version: u64,
    at: Timestamp,
) -> Result<Judged<C, R, N>> {
    if window.is_empty() {
        let need = config.rows_needed();
        return Err(crate::error::too_few_rows(0, need));
    }
    let rows = window.batch()?;
    let medians = crate::screen::medians(rows.values(), rows.n_features());
    let fit = fit(stages, config, &champion.schema, &rows, medians, version, at)?;
    let Some(x) = rows.features() else { unreachable!("the window holds checked rows") };
    let (mut buffer, targets) = (Vec::new(), rows.targets().unwrap_or_default());
    let held = x.gather(&fit.split.holdout, &mut buffer);
    let old = champion.score_as_measured(held)?.predictions;
    let new = fit.models.score(held)?.predictions;
    let truth: Vec<f64> = fit.split.holdout.iter().map(|&row| targets[row]).collect();
    let groups: Option<Vec<_>> =
        rows.groups().map(|groups| fit.split.holdout.iter().map(|&row| groups[row]).collect());
    let holdout = Holdout {
        truth: &truth,
        groups: groups.as_deref(),
        champion: Scored { predictions: &old, n_clusters: champion.n_clusters() },
        challenger: Scored { predictions: &new, n_clusters: fit.models.n_clusters() },
    };
    let decision = Gate::new(config.retraining.gate.clone())?.decide(&holdout, trigger)?;
    let promoted = decision.outcome == GateOutcome::Promote;
    let fit = if promoted { refit(stages, config, &rows, fit)? } else { fit };
    Ok(Judged { fit, decision })
}

impl<C: Clusterer + 'static, R: Regressor + 'static, N: NoiseFallback + 'static> FittedPipeline<C, R, N> {
    /// Starts a retrain that a policy asked for, unless cool-down, back-off or a running one says no.
    pub(crate) fn request(&mut self, trigger: Trigger, at: Timestamp) -> Option<RetrainReport> {
        if self.pipeline.config.retraining.mode == RetrainMode::OnRequest {
            return None;
        }
        if self.queue.offer(trigger, at) != Admission::Queued {
            return None;
        }
        let trigger = self.queue.start()?;
        if self.pipeline.config.retraining.mode == RetrainMode::Background {
            self.start_in_background(trigger, at);
            return None;
        }
        Some(self.retrain_now(trigger, at))
    }

    pub(crate) fn retrain_now(&mut self, trigger: Trigger, at: Timestamp) -> RetrainReport {
        self.tell(&Event::RetrainStarted { trigger: &trigger });
        let runs = FitRuns::open(&self.tracking, Experiment::Retraining, &self.pipeline.config);
        let watch = Stopwatch::start();
        let window = Arc::new(self.window.clone());
        let version = self.next_version();
        let judged = in_pool(self.pool.as_deref(), || {
            let (stages, config) = (&self.pipeline.stages, &self.pipeline.config);
            challenge(stages, config, &self.models, &window, &trigger, version, at)
        });
        self.conclude(trigger, judged, &window, runs, watch.seconds(), at)
    }

    #[expect(clippy::disallowed_methods, reason = "the background fit owns this thread")]
    fn start_in_background(&mut self, trigger: Trigger, at: Timestamp) {
        self.tell(&Event::RetrainStarted { trigger: &trigger });
        let runs = FitRuns::open(&self.tracking, Experiment::Retraining, &self.pipeline.config);
        let window = Arc::new(self.window.clone());
        let (pipeline, champion, pool) = (self.pipeline.clone(), self.models(), self.pool.clone());
        let (snapshot, reason, version) = (Arc::clone(&window), trigger.clone(), self.next_version());
        let work = std::thread::spawn(move || {
            let watch = Stopwatch::start();
            let judged = in_pool(pool.as_deref(), || {
                challenge(&pipeline.stages, &pipeline.config, &champion, &snapshot, &reason, version, at)
            });
            (judged, watch.seconds())
        });
        self.pending = Some(Pending { trigger, runs, window, work });
    }

    /// Whether a retrain runs on its own thread.
    #[must_use]
    pub fn is_retraining(&self) -> bool {
        self.pending.is_some()
    }

    /// Waits for a retrain that runs on its own thread, and concludes it.
    pub fn finish_retrain(&mut self) -> Option<RetrainReport> {
        let Pending { trigger, runs, window, work } = self.pending.take()?;
        let (judged, seconds) = match work.join() {
            Ok(done) => done,
            Err(_) => (Err(panicked()), 0.0),
        };
        Some(self.conclude(trigger, judged, &window, runs, seconds, clock::now()))
    }

    pub(crate) fn adopt_finished_retrain(&mut self) {
        if self.pending.as_ref().is_some_and(|pending| pending.work.is_finished()) {
            self.finish_retrain();
        }
    }

    fn conclude(
        &mut self,
        trigger: Trigger,
        judged: Result<Judged<C, R, N>>,
        window: &Window,
        mut runs: FitRuns,
        seconds: f64,
        at: Timestamp,
    ) -> RetrainReport {
        let mut report = RetrainReport {
            trigger,
            outcome: RetrainOutcome::Failed,
            reasons: Vec::new(),
            old_version: self.models.version,
            new_version: None,
            comparison: None,
            window_rows: window.len(),
            timings: Timings { models: seconds, ..Timings::default() },
            run: runs.id(),
            registered: None,
            degraded: Vec::new(),
        };
        match judged {
            Ok(judged) => self.apply(judged, window, runs, &mut report, at),
            Err(error) => {
                report.outcome = if matches!(error.code(), "TSC-DAT-015" | "TSC-DAT-021") {
                    RetrainOutcome::Deferred
                } else {
                    RetrainOutcome::Failed
                };
                let error = error_of_refit(error);
                report.reasons.push(format!("{error:?}"));
                self.queue.finish(report.outcome, at);
                runs.parent(|run| run.set_tags(&[("tsc.decision", report.outcome.name())]));
                runs.fail(&error);
                if report.outcome == RetrainOutcome::Failed {
                    self.monitor.observe_failed_retrain(&error, at);
                }
            }
        }
        report.timings.total = seconds + report.timings.tracking;
        self.track_retrain(&report, at);
        self.tell(&Event::RetrainFinished { outcome: report.outcome, model_version: self.models.version });
        report
    }

    /// After a rollback the served models are not the newest, and no number is given twice.
    fn next_version(&self) -> u64 {
        self.models.version.max(self.counters.newest_version) + 1
    }

    /// Where the served version is deployed, so that a promoted challenger takes its place.
    pub(crate) fn stage_of_champion(&self) -> DeploymentStage {
        let held = |version: &ModelVersion, registry: &dyn ModelRegistry| {
            registry.latest(&version.name, DeploymentStage::Production).ok().flatten().as_ref()
                == Some(version)
        };
        match (&self.counters.registered, self.tracking.registry.as_deref()) {
            (Some(version), Some(registry)) if held(version, registry) => DeploymentStage::Production,
            _ => DeploymentStage::Staging,
        }
    }

    fn apply(
        &mut self,
        judged: Judged<C, R, N>,
        window: &Window,
        mut runs: FitRuns,
        report: &mut RetrainReport,
        at: Timestamp,
    ) {
        let Judged { fit: Fit { models, report: mut training, .. }, decision } = judged;
        let promoted = decision.outcome == GateOutcome::Promote;
        report.reasons = decision.reasons.iter().map(ToString::to_string).collect();
        let watch = Stopwatch::start();
        report.outcome = if promoted { RetrainOutcome::Promoted } else { RetrainOutcome::Rejected };
        let tags = [
            ("tsc.trigger", report.trigger.to_string()),
            ("tsc.decision", report.outcome.name().to_owned()),
            ("tsc.gate", report.reasons.join("; ")),
            ("tsc.previous_version", self.models.version.to_string()),
        ];
        runs.parent(|run| run.set_tags(&tags.each_ref().map(|(key, value)| (*key, value.as_str()))));
        let stage = self.stage_of_champion();
        let description = format!("After Retraining: {}", report.trigger);
        let comparison = Some(&decision.comparison);
        let logged = window.batch().and_then(|rows| {
            if !promoted {
                self.queue.finish(RetrainOutcome::Rejected, at);
                self.log_fit(&models, &training, &rows, &mut runs, &description, comparison);
                return Ok(None);
            }
            // Models, reference and version change together; nothing after these lines can undo or half-do it.
            self.monitor.rebase(Arc::clone(&models.reference));
            self.models = Arc::new(models);
            self.counters.newest_version = self.models.version;
            self.counters.last_success = Some(at);
            self.counters.new_samples = 0;
            self.queue.finish(RetrainOutcome::Promoted, at);
            report.new_version = Some(self.models.version);
            let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            let registration = Registration { description, tags, stage, comparison };
            self.log_and_register(&mut training, &rows, &mut runs, registration)
        });
        match logged {
            Ok(registered) => {
                if registered.is_some() {
                    self.counters.registered.clone_from(&registered);
                }
                report.registered = registered;
            }
            Err(error) => report.degraded.push(Degraded::from(&error)),
        }
        report.comparison = Some(decision.comparison);
        report.degraded.extend(runs.finish(RunStatus::Finished));
        for item in &report.degraded {
            self.tell(&Event::Degraded(item));
        }
        report.timings.tracking = watch.seconds();
        self.monitor.observe_retrain(report.outcome, at);
    }
}

#[cold]
fn error_of_refit(error: Error) -> Error {
    error.wrap(
        ErrorKind::Retraining,
        Stage::Retraining,
        "TSC-RTR-090",
        "the challenger could not be fitted; the champion serves on",
    )
}

#[cold]
fn panicked() -> Error {
    Error::new(
        ErrorKind::Retraining,
        Stage::Retraining,
        "TSC-RTR-091",
        "the background fit panicked; the champion serves on",
    )
    .with_help("report this with the output of `tsclust doctor --json`")
}
