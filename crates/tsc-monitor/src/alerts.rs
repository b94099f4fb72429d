use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use tsc_core::{AlertChange, AlertEvent, Severity, Signal, Timestamp};

use crate::alert::{AlertState, Limits};
use crate::ring;

/// An alert that fires now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FiringAlert {
    /// What was watched.
    pub signal: Signal,
    /// How bad.
    pub severity: Severity,
    /// Batch at which it began.
    pub since_batch: u64,
    /// When it began.
    pub since: Timestamp,
}

/// Counts of alert events since a time, and what fires now.
#[doc(alias = "get_alert_summary")]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AlertSummary {
    /// Events since the time asked for, as far as they are kept.
    pub total: u64,
    /// By severity.
    pub by_severity: BTreeMap<Severity, u64>,
    /// By signal, under the signal's printed name.
    pub by_signal: BTreeMap<String, u64>,
    /// What fires now, whenever it began.
    pub firing: Vec<FiringAlert>,
    /// Events that fell out of the history, whenever they were.
    pub dropped: u64,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) at: Timestamp,
    pub(crate) batch: u64,
    pub(crate) model_version: u64,
    pub(crate) rows: u64,
}

/// All alerts, and the newest events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alerts {
    states: BTreeMap<Signal, AlertState>,
    firing: BTreeMap<Signal, FiringAlert>,
    pub(crate) events: VecDeque<AlertEvent>,
    dropped: u64,
}

impl Alerts {
    pub(crate) fn step(
        &mut self,
        signal: Signal,
        value: f64,
        limits: &Limits,
        window: Window,
    ) -> Option<AlertEvent> {
        let change = self.states.entry(signal.clone()).or_default().step(value, limits)?;
        let mut event = AlertEvent::new(signal.clone(), change.change, change.severity, value, change.limit);
        event.n = window.rows;
        event.at = window.at;
        event.batch = window.batch;
        event.model_version = window.model_version;
        match change.change {
            AlertChange::Resolved => {
                self.firing.remove(&signal);
            }
            _ => {
                let first = FiringAlert {
                    signal: signal.clone(),
                    severity: change.severity,
                    since_batch: window.batch,
                    since: window.at,
                };
                self.firing.entry(signal).or_insert(first).severity = change.severity;
            }
        }
        Some(event)
    }

    pub(crate) fn keep(&mut self, event: AlertEvent, capacity: usize) {
        self.dropped += ring::push(&mut self.events, event, capacity);
    }

    pub(crate) fn trim(&mut self, capacity: usize) {
        self.dropped += ring::trim(&mut self.events, capacity);
    }

    pub(crate) fn firing(&self) -> impl ExactSizeIterator<Item = &FiringAlert> {
        self.firing.values()
    }

    pub(crate) fn severity(&self, signal: &Signal) -> Option<Severity> {
        self.firing.get(signal).map(|alert| alert.severity)
    }

    pub(crate) fn is_raised(&self, signal: &Signal) -> bool {
        self.states.get(signal).is_some_and(AlertState::is_raised)
    }

    pub(crate) fn rebase(&mut self) {
        self.states.values_mut().for_each(AlertState::rebase);
    }

    // What fires is written twice, for the state machine and for people; a file may disagree with itself.
    pub(crate) fn is_valid(&self) -> bool {
        let machine = self.states.iter().filter_map(|(signal, state)| Some((signal, state.firing?)));
        machine.eq(self.firing.iter().map(|(signal, alert)| (signal, alert.severity)))
    }

    pub(crate) fn summary(&self, since: Timestamp) -> AlertSummary {
        let firing = self.firing.values().cloned().collect();
        let mut summary = AlertSummary { firing, dropped: self.dropped, ..AlertSummary::default() };
        for event in self.events.iter().filter(|event| event.at >= since) {
            summary.total += 1;
            *summary.by_severity.entry(event.severity).or_default() += 1;
            *summary.by_signal.entry(event.signal.to_string()).or_default() += 1;
        }
        summary
    }
}
