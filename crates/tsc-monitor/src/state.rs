use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use tsc_core::{RetrainOutcome, Timestamp};

use crate::alerts::Alerts;
use crate::error::MonitorError;
use crate::failures::Failures;
use crate::feature_drift::FeatureWindow;
use crate::history::BatchRecord;
use crate::totals::Totals;
use crate::trend::{LossTrend, NoiseTrend};
use crate::{MonitorParams, Reference, Thresholds, ring};

/// Batches the latency baseline is made of, and batches it is compared with.
pub(crate) const LATENCY_BATCHES: usize = 50;
const VERSION: u32 = 1;

/// Everything a monitor has learned since the fit, as stored beside the bundle.
///
/// Made by [`crate::Monitor::state`] and taken by [`crate::Monitor::restore`]; no number in it can be NaN
/// or infinite, so JSON keeps every bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MonitorState {
    version: u32,
    reference: String,
    pub(crate) thresholds: Option<Thresholds>,
    pub(crate) last_sequence: Option<u64>,
    pub(crate) noise: NoiseTrend,
    pub(crate) loss: LossTrend,
    pub(crate) features: FeatureWindow,
    pub(crate) alerts: Alerts,
    pub(crate) failures: Failures,
    pub(crate) retrain: RetrainRecord,
    /// Of the last batches: whether each was scored.
    pub(crate) outcomes: VecDeque<bool>,
    /// When the last good batches came.
    pub(crate) arrivals: VecDeque<Timestamp>,
    pub(crate) first_latencies: VecDeque<f64>,
    pub(crate) last_latencies: VecDeque<f64>,
    pub(crate) history: VecDeque<BatchRecord>,
    /// Of a state stored without it, counts begin anew.
    #[serde(default)]
    pub(crate) totals: Totals,
}

/// How the last retrain went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RetrainRecord {
    pub(crate) outcome: Option<RetrainOutcome>,
    pub(crate) at: Timestamp,
    pub(crate) failed_in_a_row: u64,
}

impl MonitorState {
    pub(crate) fn new(reference: &Reference) -> Self {
        Self {
            version: VERSION,
            reference: reference.fingerprint(),
            thresholds: None,
            last_sequence: None,
            noise: NoiseTrend::default(),
            loss: LossTrend::default(),
            features: FeatureWindow::new(reference),
            alerts: Alerts::default(),
            failures: Failures::default(),
            retrain: RetrainRecord::default(),
            outcomes: VecDeque::new(),
            arrivals: VecDeque::new(),
            first_latencies: VecDeque::new(),
            last_latencies: VecDeque::new(),
            history: VecDeque::new(),
            totals: Totals::default(),
        }
    }

    /// Starts everything anew that was measured against the reference.
    pub(crate) fn rebase(&mut self, reference: &Reference) {
        self.reference = reference.fingerprint();
        self.restart_drift(reference);
        self.alerts.rebase();
        self.first_latencies.clear();
        self.last_latencies.clear();
        self.totals.rebase();
    }

    pub(crate) fn restart_drift(&mut self, reference: &Reference) {
        self.noise.clear();
        self.loss.clear();
        self.features = FeatureWindow::new(reference);
    }

    pub(crate) fn check(&self, reference: &Reference) -> Result<(), MonitorError> {
        let numbers =
            |ring: &VecDeque<f64>| ring.len() <= LATENCY_BATCHES && ring.iter().all(|v| v.is_finite());
        let problem = if self.version != VERSION {
            "has another version than this build writes"
        } else if self.reference != reference.fingerprint() {
            "belongs to another reference"
        } else if !self.features.fits(reference) || !self.noise.is_valid() || !self.loss.is_valid() {
            "holds counts that do not add up"
        } else if !numbers(&self.first_latencies) || !numbers(&self.last_latencies) {
            "holds latencies that are no numbers, or too many"
        } else if self.thresholds.is_some_and(|t| !t.check().is_empty()) {
            "holds thresholds outside their bounds"
        } else if !self.totals.is_valid() {
            "holds a duration that is no number"
        } else if !self.alerts.is_valid() {
            "disagrees with itself about what fires"
        } else {
            return Ok(());
        };
        Err(MonitorError::State { problem })
    }

    pub(crate) fn trim(&mut self, params: &MonitorParams) {
        ring::trim(&mut self.outcomes, params.health_window);
        ring::trim(&mut self.arrivals, params.health_window);
        ring::trim(&mut self.history, params.metric_history);
        ring::trim(&mut self.failures.recent, params.error_history);
        self.alerts.trim(params.alert_history);
    }
}
