use std::sync::Arc;

use tsc_core::{
    AlertChange, AlertEvent, Error, Finding, HealthStatus, Result, RetrainOutcome, Signal, Stage, Timestamp,
    all_valid, check_width,
};

use crate::alert::Limits;
use crate::alerts::Window;
use crate::error::MonitorError;
use crate::feature_drift::{MIN_EFFECT, TestedWindow};
use crate::history::BatchRecord;
use crate::state::{LATENCY_BATCHES, RetrainRecord};
use crate::trend::{Rise, exceeds};
use crate::{
    AlertSummary, BatchVerdict, BatchView, ErrorRecord, ErrorStats, FiringAlert, HealthReport, MetricPoint,
    MetricQuery, MonitorParams, MonitorSnapshot, MonitorState, Reference, Threshold, Thresholds, ring,
};

// Share of rows without a prediction, or refused: the limits of health, and of the alert.
const MISSING: (f64, f64) = (0.01, 0.05);
// As for the retrain trigger: held-out training noise plus this is where noise begins to be unusual.
const NOISE_MARGIN: f64 = 0.10;

/// Watches a running pipeline: one call a batch, no clock, no row kept.
///
/// # Signals
///
/// | signal | compared with | fires after |
/// |---|---|---|
/// | noise ratio | its thresholds, at least held-out noise + 0.10 and at most half-way to 1 | 2 of 3 batches, critical at once |
/// | processing time, memory | their thresholds | 2 of 3 batches, critical at once |
/// | unavailable, rejected rows | 1 % and 5 % | 2 of 3 batches, critical at once |
/// | noise trend | last 50 batches against held-out rows: smallest rise, and one-sided p < 1/2,000 | at once |
/// | performance | last 10 batches with targets against held-out rows: smallest rise, and p < 1/2,000 | 2 of 3 batches |
/// | features | windows of 500 rows or 10 batches, at least 50 rows: adjusted p < 0.01, and corrected PSI of 0.05 | 2 of 3 windows |
///
/// Where held-out noise raised the noise limit, the batch must also exceed it by more than chance.
///
/// An alert is resolved by three windows below 0.7 of its limit (the noise ratio: or half-way from the
/// held-out noise to its limit, if that is higher). Its severity never falls while it fires, so a value
/// that swings around a limit makes at most one event a severity.
///
/// While the noise alert is raised it speaks for trend, performance and features: their findings are
/// made, their alerts are held, and their charts start anew when it is resolved. So one step of drift is
/// one alert that fires and resolves. Features share one alert, [`Signal::FeatureDrift`]; the findings
/// name them.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use tsc_core::{Features, HealthStatus, Label, PredictionSource, Predictions, Schema, Timestamp};
/// use tsc_monitor::{BatchView, Monitor, MonitorParams, Reference};
/// let values: Vec<f64> = (0..200).map(f64::from).collect();
/// let x = Features::new(&values, 1)?;
/// let reference = Arc::new(Reference::fit(x, &Schema::unnamed(1), 1, 0.0, 100, None)?);
/// let mut monitor = Monitor::new(MonitorParams::default().resolve(0.3), reference, 1_000)?;
/// assert_eq!(monitor.health(Timestamp(0)).status, HealthStatus::Unknown);
///
/// let mut predictions = Predictions::unavailable(200); // noise in every row
/// predictions.sources.fill(PredictionSource::Pooled);
/// let batch = BatchView { sequence: 1, model_version: 1, x, predictions: &predictions, scores: None,
///     n_rejected: 0, seconds: 0.1, memory_mib: None };
/// let verdict = monitor.observe(&batch, Timestamp(0))?;
/// assert_eq!(verdict.alerts[0].limit, 0.3);
/// assert_eq!(monitor.health(Timestamp(1)).status, HealthStatus::Critical);
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[doc(alias = "PerformanceMonitor")]
#[derive(Clone, Debug)]
pub struct Monitor {
    params: MonitorParams,
    reference: Arc<Reference>,
    batch_size: usize,
    state: MonitorState,
}

impl Monitor {
    /// A monitor that has seen nothing. `batch_size` is what the processing-time limit is meant for.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every key outside its bound, or a `batch_size` of 0.
    pub fn new(params: MonitorParams, reference: Arc<Reference>, batch_size: usize) -> Result<Self> {
        all_valid(&params.check(), Stage::Monitoring, "TSC-MON-001")?;
        if batch_size == 0 {
            return Err(MonitorError::BatchSize.into());
        }
        let state = MonitorState::new(&reference);
        Ok(Self { params, reference, batch_size, state })
    }

    /// A monitor that goes on where [`Monitor::state`] was taken: the same later verdicts, bit for bit.
    ///
    /// Thresholds that were set while running hold again. Histories longer than `params` allows lose
    /// their oldest entries.
    ///
    /// # Errors
    ///
    /// As [`Monitor::new`]; `Artifact` if the state belongs to another reference or version, or is damaged.
    pub fn restore(
        params: MonitorParams,
        reference: Arc<Reference>,
        batch_size: usize,
        state: MonitorState,
    ) -> Result<Self> {
        let mut monitor = Self::new(params, reference, batch_size)?;
        state.check(&monitor.reference)?;
        monitor.state = state;
        if let Some(thresholds) = monitor.state.thresholds {
            monitor.apply(thresholds);
        }
        monitor.state.trim(&monitor.params);
        Ok(monitor)
    }

    /// Everything learned since the fit.
    #[must_use]
    pub fn state(&self) -> MonitorState {
        self.state.clone()
    }

    /// Takes one scored batch. The last sequence number again is a repeated delivery and changes nothing.
    ///
    /// Cost: one pass over the `(n_samples, n_features)` matrix.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the width is not the reference's, or a column of the predictions has another
    /// length; nothing is observed then.
    #[doc(alias = "track_batch_performance")]
    pub fn observe(&mut self, batch: &BatchView<'_>, now: Timestamp) -> Result<BatchVerdict> {
        check_width(batch.x, self.reference.n_features(), Stage::Monitoring)?;
        batch.check()?;
        if self.state.last_sequence == Some(batch.sequence) {
            return Ok(BatchVerdict { repeated: true, ..BatchVerdict::default() });
        }
        self.state.last_sequence = Some(batch.sequence);
        let mut seen = Seen::of(batch, now);
        self.step_noise(&mut seen);
        let muted = self.state.alerts.is_raised(&Signal::NoiseRatio);
        self.step_trend(&mut seen, muted);
        self.step_loss(batch, &mut seen, muted);
        self.step_features(batch, &mut seen, muted);
        self.step_service(&mut seen);
        self.remember(&seen);
        self.state.totals.count(batch, &seen.record, &seen.verdict.alerts, self.reference.n_clusters());
        Ok(seen.verdict)
    }

    fn step_noise(&mut self, seen: &mut Seen) {
        let Some(threshold) = self.params.alert_thresholds.noise_ratio else { return };
        let (limits, raised) = noise_limits(threshold, &self.reference);
        let ratio = seen.record.noise_ratio;
        let by_chance = raised
            && ratio >= limits.warning
            && !exceeds(self.reference.holdout_counts(), (seen.noise, seen.record.rows));
        if by_chance {
            return;
        }
        self.step(seen, Signal::NoiseRatio, ratio, &limits);
        let resolved = |event: &AlertEvent| event.change == AlertChange::Resolved;
        if seen.verdict.alerts.iter().any(resolved) {
            self.state.restart_drift(&self.reference);
        }
    }

    fn step_trend(&mut self, seen: &mut Seen, muted: bool) {
        self.state.noise.push(seen.window.batch, seen.noise, seen.record.rows);
        let rise = self.state.noise.rise(&self.reference);
        seen.record.noise_rise = rise.map(|rise| rise.effect);
        let threshold = self.params.drift_thresholds.noise_ratio_trend;
        // Fifty batches together are accumulated evidence.
        let limits = Limits { confirm: 1, ..effect_limits(threshold) };
        self.step_rise(seen, Signal::NoiseRatioTrend, rise, &limits, muted);
    }

    fn step_loss(&mut self, batch: &BatchView<'_>, seen: &mut Seen, muted: bool) {
        let Some(scores) = batch.scores else { return };
        let finite = |v: Option<f64>| v.filter(|v| v.is_finite());
        seen.record.rmse = finite(scores.rmse);
        seen.record.mae = finite(scores.mae);
        seen.record.r2 = finite(scores.r2);
        let Some(rmse) = seen.record.rmse.filter(|rmse| (rmse * rmse).is_finite() && scores.n > 0) else {
            return;
        };
        self.state.loss.push(seen.window.batch, scores.n.min(seen.record.rows), rmse);
        let rise = self.state.loss.rise(&self.reference);
        seen.record.loss_rise = rise.map(|rise| rise.effect);
        let limits = effect_limits(self.params.drift_thresholds.performance_degradation);
        self.step_rise(seen, Signal::PerformanceDegradation, rise, &limits, muted);
    }

    fn step_rise(
        &mut self,
        seen: &mut Seen,
        signal: Signal,
        rise: Option<Rise>,
        limits: &Limits,
        muted: bool,
    ) {
        let Some(rise) = rise else { return };
        let counts = rise.effect >= limits.warning;
        if counts && rise.is_significant() {
            let mut finding = Finding::new(signal.clone(), rise.effect, limits.warning);
            finding.p_value = Some(rise.p_value);
            finding.since = Some(rise.since);
            seen.verdict.findings.push(finding);
        }
        // An effect that may be chance neither fires nor resolves.
        if muted || (counts && !rise.is_significant()) {
            return;
        }
        let window = Window { rows: rise.rows, ..seen.window };
        seen.verdict.alerts.extend(self.state.alerts.step(signal, rise.effect, limits, window));
    }

    fn step_features(&mut self, batch: &BatchView<'_>, seen: &mut Seen, muted: bool) {
        let Some(TestedWindow { rows, tested, findings }) =
            self.state.features.push(batch.x, batch.sequence, &self.reference)
        else {
            return;
        };
        self.state.totals.features = tested;
        // Too few rows neither fire nor resolve.
        let Some(findings) = findings else { return };
        seen.record.drifted_features = Some(findings.len() as u64);
        let largest = findings.iter().map(|finding| finding.value).fold(0.0, f64::max);
        seen.verdict.findings.extend(findings);
        if !muted {
            let limits = effect_limits(Threshold::Flat(MIN_EFFECT));
            let window = Window { rows, ..seen.window };
            let event = self.state.alerts.step(Signal::FeatureDrift, largest, &limits, window);
            seen.verdict.alerts.extend(event);
        }
    }

    fn step_service(&mut self, seen: &mut Seen) {
        let alert = self.params.alert_thresholds;
        if let Some(seconds) = self.full_batch_seconds(seen) {
            let limits = Limits::new(alert.processing_time.levels((1.0, 2.0)));
            self.step(seen, Signal::ProcessingTime, seconds, &limits);
        }
        if let (Some(threshold), Some(mib)) = (alert.memory_usage, seen.record.memory_mib) {
            self.step(seen, Signal::MemoryUsage, mib, &Limits::new(threshold.levels((1.0, 1.25))));
        }
        let (unavailable, rejected) = (seen.record.unavailable_ratio, seen.record.rejected_ratio);
        self.step(seen, Signal::Unavailable, unavailable, &Limits::new(MISSING));
        self.step(seen, Signal::RejectedRows, rejected, &Limits::new(MISSING));
    }

    fn step(&mut self, seen: &mut Seen, signal: Signal, value: f64, limits: &Limits) {
        seen.verdict.alerts.extend(self.state.alerts.step(signal, value, limits, seen.window));
    }

    /// Seconds of a batch, as if a longer one had `batch_size` rows.
    fn full_batch_seconds(&self, seen: &Seen) -> Option<f64> {
        let (rows, full) = (seen.record.rows as f64, self.batch_size as f64);
        seen.record.seconds.map(|seconds| if rows <= full { seconds } else { seconds * full / rows })
    }

    fn remember(&mut self, seen: &Seen) {
        let params = &self.params;
        let state = &mut self.state;
        for event in &seen.verdict.alerts {
            state.alerts.keep(event.clone(), params.alert_history);
        }
        ring::push(&mut state.outcomes, true, params.health_window);
        ring::push(&mut state.arrivals, seen.window.at, params.health_window);
        ring::push(&mut state.history, seen.record.clone(), params.metric_history);
        state.failures.recover();
        let latency = seen.record.seconds.map(|s| s / seen.record.rows as f64 * self.batch_size as f64);
        if let Some(latency) = latency.filter(|v| v.is_finite()) {
            if state.first_latencies.len() < LATENCY_BATCHES {
                state.first_latencies.push_back(latency);
            } else {
                ring::push(&mut state.last_latencies, latency, LATENCY_BATCHES);
            }
        }
    }

    /// Takes a batch that could not be scored; one call an error, or it is counted twice.
    #[doc(alias = "handle_error")]
    pub fn observe_failure(&mut self, error: &Error, at: Timestamp) {
        self.state.failures.push(error, at, self.params.error_history);
        ring::push(&mut self.state.outcomes, false, self.params.health_window);
        self.state.totals.count_failure();
    }

    /// Takes a retrain that ended in an error; [`Monitor::observe_retrain`] is for those that did not.
    pub fn observe_failed_retrain(&mut self, error: &Error, at: Timestamp) {
        self.state.failures.push(error, at, self.params.error_history);
        self.observe_retrain(RetrainOutcome::Failed, at);
    }

    /// Takes the outcome of a retrain.
    pub fn observe_retrain(&mut self, outcome: RetrainOutcome, at: Timestamp) {
        let failed = outcome == RetrainOutcome::Failed;
        let failed_in_a_row = if failed { self.state.retrain.failed_in_a_row + 1 } else { 0 };
        self.state.retrain = RetrainRecord { outcome: Some(outcome), at, failed_in_a_row };
        self.state.totals.count_retrain(outcome);
    }

    /// Compares with another reference from now on: only at a swap of the models.
    ///
    /// Trend, performance and feature charts start anew and so does half-gathered evidence of every
    /// alert; the swap itself raises nothing. An alert that fires goes on under the new limits until
    /// three windows resolve it, so every firing event has its resolved one.
    pub fn rebase(&mut self, reference: Arc<Reference>) {
        self.state.rebase(&reference);
        self.reference = reference;
    }

    /// Replaces the thresholds; an unset noise alert leaves the one that holds.
    ///
    /// They are part of [`Monitor::state`] and hold again after a restart. An alert that fires is judged
    /// by the new limits from the next batch on.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every key outside its bound; nothing is changed then.
    #[doc(alias = "update_performance_thresholds")]
    pub fn set_thresholds(&mut self, thresholds: Thresholds) -> Result<()> {
        all_valid(&thresholds.check(), Stage::Monitoring, "TSC-MON-001")?;
        self.apply(thresholds);
        self.state.thresholds = Some(self.params.thresholds());
        Ok(())
    }

    fn apply(&mut self, thresholds: Thresholds) {
        let noise = self.params.alert_thresholds.noise_ratio;
        self.params.alert_thresholds = thresholds.alert_thresholds;
        self.params.alert_thresholds.noise_ratio = thresholds.alert_thresholds.noise_ratio.or(noise);
        self.params.drift_thresholds = thresholds.drift_thresholds;
    }

    /// The parameters that hold now.
    #[must_use]
    pub fn params(&self) -> &MonitorParams {
        &self.params
    }

    /// What batches are compared with.
    #[must_use]
    pub fn reference(&self) -> &Arc<Reference> {
        &self.reference
    }

    /// Number of alerts that fire now.
    #[must_use]
    pub fn firing(&self) -> usize {
        self.state.alerts.firing().len()
    }

    /// The alerts that fire now, by signal.
    pub fn firing_alerts(&self) -> impl ExactSizeIterator<Item = &FiringAlert> {
        self.state.alerts.firing()
    }

    /// Kept alert events, oldest first.
    pub fn alerts(&self) -> impl ExactSizeIterator<Item = &AlertEvent> {
        self.state.alerts.events.iter()
    }

    /// Counts of alert events from `since` on, and what fires now.
    #[doc(alias = "get_alert_summary")]
    #[must_use]
    pub fn alert_summary(&self, since: Timestamp) -> AlertSummary {
        self.state.alerts.summary(since)
    }

    /// Kept values of a metric, oldest first.
    #[doc(alias = "get_performance_metrics")]
    #[must_use]
    pub fn metrics(&self, query: MetricQuery) -> Vec<MetricPoint> {
        let kept = self.state.history.iter().filter(|record| query.covers(record.at));
        kept.filter_map(|record| {
            let value = record.value(query.metric)?;
            Some(MetricPoint { at: record.at, batch: record.batch, value })
        })
        .collect()
    }

    /// Counts of errors since the fit, or since they were cleared.
    #[must_use]
    pub fn error_stats(&self) -> ErrorStats {
        self.state.failures.stats.clone()
    }

    /// Kept errors, oldest first.
    pub fn recent_errors(&self) -> impl ExactSizeIterator<Item = &ErrorRecord> {
        self.state.failures.recent.iter()
    }

    /// Forgets counts and records of errors; health still remembers which batches failed.
    #[doc(alias = "clear_error_history")]
    pub fn clear_errors(&mut self) {
        self.state.failures = Default::default();
    }

    /// How the running pipeline is.
    #[doc(alias = "perform_health_check")]
    #[must_use]
    pub fn health(&self, now: Timestamp) -> HealthReport {
        self.state.health(&self.params, now)
    }

    /// Everything worth exporting, as numbers and names of the schema; no value of a row, no identifier.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> MonitorSnapshot {
        MonitorSnapshot::of(&self.state, &self.params, &self.reference, now)
    }

    /// The status of [`Monitor::health`] alone.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> HealthStatus {
        self.health(now).status
    }
}

/// One batch on its way through the signals.
struct Seen {
    noise: u64,
    window: Window,
    record: BatchRecord,
    verdict: BatchVerdict,
}

impl Seen {
    fn of(batch: &BatchView<'_>, at: Timestamp) -> Self {
        let rows = batch.x.n_samples() as u64;
        let noise = batch.noise();
        let amount = |v: f64| (v.is_finite() && v >= 0.0).then_some(v);
        let record = BatchRecord {
            at,
            batch: batch.sequence,
            rows,
            noise_ratio: noise as f64 / rows as f64,
            unavailable_ratio: batch.unavailable_ratio(),
            rejected_ratio: batch.rejected_ratio(),
            seconds: amount(batch.seconds),
            memory_mib: batch.memory_mib.and_then(amount),
            noise_rise: None,
            rmse: None,
            mae: None,
            r2: None,
            loss_rise: None,
            drifted_features: None,
        };
        let window = Window { at, batch: batch.sequence, model_version: batch.model_version, rows };
        Self { noise, window, record, verdict: BatchVerdict::default() }
    }
}

/// Limits of the noise alert, and whether held-out noise raised them.
fn noise_limits(threshold: Threshold, reference: &Reference) -> (Limits, bool) {
    let (warning, critical) = threshold.levels((0.8, 1.0));
    let mut limits = Limits::new((warning, critical));
    if reference.n_holdout() == 0 {
        return (limits, false);
    }
    let usual = reference.holdout_noise();
    let floor = (usual + NOISE_MARGIN).min(f64::midpoint(1.0, usual));
    limits.warning = warning.max(floor);
    limits.critical = Some(critical.max(floor));
    // 0.7 of the limit may lie below what is usual here: then no batch would ever resolve the alert.
    limits.clear = (0.7 * limits.warning).max(f64::midpoint(usual, limits.warning));
    (limits, warning < floor)
}

/// Smallest effects: a flat one warns and is never critical.
fn effect_limits(threshold: Threshold) -> Limits {
    let (warning, critical) = threshold.levels((1.0, 1.0));
    let critical = matches!(threshold, Threshold::Levels { .. }).then_some(critical);
    Limits { critical, ..Limits::new((warning, warning)) }
}
