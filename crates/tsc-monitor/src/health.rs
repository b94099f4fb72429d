//! How the running pipeline is, part by part.

use serde::{Deserialize, Serialize};
use tsc_core::{HealthStatus, RetrainOutcome, Severity, Signal, Timestamp};

use crate::MonitorParams;
use crate::state::{LATENCY_BATCHES, MonitorState};

// A longer silence is a replay of old batches, or two clocks: not staleness.
const REPLAY_MS: i64 = 30 * 86_400_000;
// Latency is compared only above this share of the processing-time limit: below, a factor harms nobody.
const LATENCY_FLOOR: f64 = 0.01;

/// A part that health looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Component {
    /// Failures among the last batches: 5 % warn, 10 % and at least two are critical.
    Batches,
    /// Time since the last good batch: 3 usual intervals warn, 10 are critical.
    Staleness,
    /// Last retrain: refused or failed warns, three failures in a row are critical.
    Model,
    /// Alerts that fire, at their severity.
    Drift,
    /// 95th percentile of seconds per row against the first 50 batches: 2 times warns, 4 times is critical.
    Latency,
    /// Resident memory against its thresholds.
    Memory,
    /// Rows without a prediction among the last batches: 1 % warns, 5 % is critical.
    Predictions,
}

/// State of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ComponentHealth {
    /// Which part.
    pub component: Component,
    /// How it is; `Unknown` where it cannot be judged yet.
    pub status: HealthStatus,
    /// What that rests on.
    pub detail: String,
}

/// How the running pipeline is.
#[doc(alias = "perform_health_check")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HealthReport {
    /// The worst of the parts that can be judged; `Unknown` before the first batch and the first failure.
    pub status: HealthStatus,
    /// Whether the process answers: always, or it could not say so.
    pub live: bool,
    /// Whether batches can be sent: not while every one of the last fails.
    pub ready: bool,
    /// When it was asked for.
    pub at: Timestamp,
    /// The parts, always all of them.
    pub components: Vec<ComponentHealth>,
}

impl MonitorState {
    pub(crate) fn health(&self, params: &MonitorParams, now: Timestamp) -> HealthReport {
        let components = vec![
            self.batches(),
            self.staleness(params, now),
            self.model(),
            self.drift(),
            self.latency(params),
            self.memory(params),
            self.predictions(params),
        ];
        let worst = components.iter().map(|c| c.status).max().unwrap_or(HealthStatus::Unknown);
        let nothing_seen = self.outcomes.is_empty() && self.retrain.outcome.is_none();
        HealthReport {
            status: if nothing_seen { HealthStatus::Unknown } else { worst },
            live: true,
            ready: self.outcomes.is_empty() || self.outcomes.contains(&true),
            at: now,
            components,
        }
    }

    fn batches(&self) -> ComponentHealth {
        let seen = self.outcomes.len();
        let failed = self.outcomes.iter().filter(|scored| !**scored).count();
        let share = failed as f64 / seen as f64;
        let status = match () {
            () if seen == 0 => HealthStatus::Unknown,
            // One failure among few batches is no rate yet.
            () if failed == seen || (share >= 0.10 && failed > 1) => HealthStatus::Critical,
            () if share >= 0.05 => HealthStatus::Warning,
            () => HealthStatus::Healthy,
        };
        component(Component::Batches, status, format!("{failed} of the last {seen} batches failed"))
    }

    fn staleness(&self, params: &MonitorParams, now: Timestamp) -> ComponentHealth {
        let mut intervals: Vec<i64> =
            self.arrivals.iter().zip(self.arrivals.iter().skip(1)).map(|(a, b)| b.since(*a).max(0)).collect();
        let (Some(last), false) = (self.arrivals.back(), intervals.is_empty()) else {
            return component(
                Component::Staleness,
                HealthStatus::Unknown,
                "fewer than two good batches".into(),
            );
        };
        intervals.sort_unstable();
        let shortest = i64::try_from(params.health_interval.0).unwrap_or(i64::MAX);
        let usual = intervals[intervals.len() / 2].max(shortest);
        let silence = now.since(*last);
        let status = match () {
            () if silence >= REPLAY_MS.max(usual.saturating_mul(100)) => HealthStatus::Unknown,
            () if silence >= usual.saturating_mul(10) => HealthStatus::Critical,
            () if silence >= usual.saturating_mul(3) => HealthStatus::Warning,
            () => HealthStatus::Healthy,
        };
        let detail = format!("{silence} ms since the last good batch, usual interval {usual} ms");
        component(Component::Staleness, status, detail)
    }

    fn model(&self) -> ComponentHealth {
        let retrain = &self.retrain;
        let (status, detail) = match retrain.outcome {
            None => (HealthStatus::Healthy, "no retrain yet".to_owned()),
            Some(RetrainOutcome::Failed) if retrain.failed_in_a_row >= 3 => {
                (HealthStatus::Critical, format!("{} retrains in a row failed", retrain.failed_in_a_row))
            }
            Some(
                outcome @ (RetrainOutcome::Failed | RetrainOutcome::Rejected | RetrainOutcome::RolledBack),
            ) => (HealthStatus::Warning, format!("the last retrain was {}", outcome.name())),
            Some(outcome) => (HealthStatus::Healthy, format!("the last retrain was {}", outcome.name())),
        };
        component(Component::Model, status, detail)
    }

    fn drift(&self) -> ComponentHealth {
        let worst = self.alerts.firing().map(|alert| alert.severity).max();
        let names: Vec<String> = self.alerts.firing().map(|alert| alert.signal.to_string()).collect();
        let detail =
            if names.is_empty() { "no alert fires".into() } else { format!("firing: {}", names.join(", ")) };
        component(Component::Drift, of_severity(worst), detail)
    }

    fn latency(&self, params: &MonitorParams) -> ComponentHealth {
        let (first, last) = (&self.first_latencies, &self.last_latencies);
        if first.len() < LATENCY_BATCHES || last.len() < LATENCY_BATCHES {
            let seen = first.len() + last.len();
            let detail = format!("{seen} of {} batches seen", 2 * LATENCY_BATCHES);
            return component(Component::Latency, HealthStatus::Unknown, detail);
        }
        let p95 = |ring: &std::collections::VecDeque<f64>| {
            let mut sorted: Vec<f64> = ring.iter().copied().collect();
            sorted.sort_by(f64::total_cmp);
            sorted[sorted.len() * 95 / 100]
        };
        let (before, now) = (p95(first), p95(last));
        let floor = LATENCY_FLOOR * params.alert_thresholds.processing_time.levels((1.0, 2.0)).0;
        let status = match () {
            () if now < floor || now < 2.0 * before => HealthStatus::Healthy,
            () if now < 4.0 * before => HealthStatus::Warning,
            () => HealthStatus::Critical,
        };
        let detail = format!("{now:.3e} s for a full batch against {before:.3e} s in the first batches");
        component(Component::Latency, status, detail)
    }

    fn memory(&self, params: &MonitorParams) -> ComponentHealth {
        let read = self.history.back().and_then(|record| record.memory_mib);
        let (status, detail) = match (params.alert_thresholds.memory_usage, read) {
            (None, _) => (HealthStatus::Unknown, "no limit is set".to_owned()),
            (Some(_), None) => (HealthStatus::Unknown, "cannot be read".to_owned()),
            (Some(_), Some(mib)) => {
                (of_severity(self.alerts.severity(&Signal::MemoryUsage)), format!("{mib:.1} MiB"))
            }
        };
        component(Component::Memory, status, detail)
    }

    fn predictions(&self, params: &MonitorParams) -> ComponentHealth {
        let recent = self.history.iter().rev().take(params.health_window);
        let (mut missing, mut rows) = (0.0, 0.0);
        for record in recent {
            missing += record.unavailable_ratio * record.rows as f64;
            rows += record.rows as f64;
        }
        let share = missing / rows;
        let status = match () {
            () if rows == 0.0 => HealthStatus::Unknown,
            () if share >= 0.05 => HealthStatus::Critical,
            () if share >= 0.01 => HealthStatus::Warning,
            () => HealthStatus::Healthy,
        };
        component(
            Component::Predictions,
            status,
            format!("{missing:.0} of {rows:.0} rows without a prediction"),
        )
    }
}

fn component(component: Component, status: HealthStatus, detail: String) -> ComponentHealth {
    ComponentHealth { component, status, detail }
}

fn of_severity(severity: Option<Severity>) -> HealthStatus {
    match severity {
        Some(Severity::Critical) => HealthStatus::Critical,
        Some(Severity::Warning) => HealthStatus::Warning,
        Some(Severity::Info) | None => HealthStatus::Healthy,
    }
}
