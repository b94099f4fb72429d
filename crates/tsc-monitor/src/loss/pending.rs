use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use tsc_core::{ClusterId, Millis, Result, RowId, Stage, Timestamp, Violation, all_valid};

use crate::error::MonitorError;

const MOST: usize = 10_000_000;

/// How many predictions wait for their targets, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PendingParams {
    /// Predictions that wait at once; default 100,000. The oldest make room.
    pub capacity: usize,
    /// Longest wait; default 90 days.
    pub max_age: Millis,
}

impl Default for PendingParams {
    fn default() -> Self {
        Self { capacity: 100_000, max_age: Millis(90 * 86_400_000) }
    }
}

/// A prediction that waits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Waiting {
    prediction: f64,
    segment: Option<ClusterId>,
    at: Timestamp,
}

/// A target that found its prediction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JoinedRow {
    /// Which row.
    pub id: RowId,
    /// Its prediction.
    pub prediction: f64,
    /// Its target.
    pub target: f64,
    /// Cluster that made the prediction; `None` for the pooled model.
    pub segment: Option<ClusterId>,
    /// When it was predicted.
    pub predicted_at: Timestamp,
}

/// What became of one delivery of targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JoinReport {
    /// Rows that found their prediction, in the order of the targets.
    pub rows: Vec<JoinedRow>,
    /// Targets whose row does not wait: unknown, given twice, or too late.
    pub unmatched: u64,
    /// Targets that are not finite.
    pub refused: u64,
}

/// State of [`PendingTargets`], to be stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PendingState {
    waiting: Vec<(RowId, Waiting)>,
    expired: u64,
    dropped: u64,
    unmatched: u64,
}

/// Predictions that wait for their targets, joined by row id and never by position.
///
/// Bounded: beyond the capacity the oldest is dropped, beyond the age it expires; both are counted. A row
/// that is predicted again waits anew with its newest prediction. O(log n) a row.
///
/// # Examples
///
/// ```
/// use tsc_core::{RowId, Timestamp};
/// use tsc_monitor::{PendingParams, PendingTargets};
/// let mut pending = PendingTargets::new(PendingParams::default())?;
/// pending.push(RowId(7), 1.5, None, Timestamp(0));
/// let report = pending.join(&[RowId(8), RowId(7)], &[9.0, 2.0], Timestamp(1))?;
/// assert_eq!((report.rows[0].prediction, report.rows[0].target, report.unmatched), (1.5, 2.0, 1));
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PendingTargets {
    params: PendingParams,
    waiting: BTreeMap<RowId, Waiting>,
    /// In order of arrival; an entry whose row was joined, or predicted again, is passed over.
    order: VecDeque<(Timestamp, RowId)>,
    expired: u64,
    dropped: u64,
    unmatched: u64,
}

impl PendingTargets {
    /// Nothing waits.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every key outside its bound.
    pub fn new(params: PendingParams) -> Result<Self> {
        let mut found = Vec::new();
        if params.capacity == 0 || params.capacity > MOST {
            let capacity = params.capacity;
            found.push(Violation::new("capacity", format!("is {capacity}, must lie in 1..={MOST}")));
        }
        if params.max_age.0 == 0 {
            found.push(Violation::new("max_age", "is 0ms, must be at least 1ms"));
        }
        all_valid(&found, Stage::Monitoring, "TSC-MON-001")?;
        Ok(Self {
            params,
            waiting: BTreeMap::new(),
            order: VecDeque::new(),
            expired: 0,
            dropped: 0,
            unmatched: 0,
        })
    }

    /// Goes on where [`PendingTargets::state`] was taken.
    ///
    /// # Errors
    ///
    /// As [`PendingTargets::new`]; `Artifact` if a stored prediction is not finite.
    pub fn restore(params: PendingParams, state: PendingState) -> Result<Self> {
        let mut restored = Self::new(params)?;
        if state.waiting.iter().any(|(_, it)| !it.prediction.is_finite()) {
            return Err(MonitorError::State { problem: "holds a prediction that is no number" }.into());
        }
        for (id, it) in state.waiting {
            restored.push(id, it.prediction, it.segment, it.at);
        }
        restored.expired = state.expired;
        restored.dropped += state.dropped;
        restored.unmatched = state.unmatched;
        Ok(restored)
    }

    /// Everything it knows, in order of arrival.
    #[must_use]
    pub fn state(&self) -> PendingState {
        let current = |(at, id): &(Timestamp, RowId)| {
            let it = self.waiting.get(id).filter(|it| it.at == *at)?;
            Some((*id, *it))
        };
        PendingState {
            waiting: self.order.iter().filter_map(current).collect(),
            expired: self.expired,
            dropped: self.dropped,
            unmatched: self.unmatched,
        }
    }

    /// Lets a prediction wait. One that is not finite is no prediction and does not.
    pub fn push(&mut self, id: RowId, prediction: f64, segment: Option<ClusterId>, at: Timestamp) {
        if !prediction.is_finite() {
            return;
        }
        self.expire(at);
        if self.waiting.insert(id, Waiting { prediction, segment, at }).is_some() {
            // Its old place in the order would let it expire too soon, or be stored twice.
            self.order.retain(|(_, other)| *other != id);
        }
        self.order.push_back((at, id));
        while self.waiting.len() > self.params.capacity {
            let Some((_, oldest)) = self.order.pop_front() else { break };
            self.dropped += u64::from(self.waiting.remove(&oldest).is_some());
        }
        self.tidy();
    }

    /// Joins targets, each with its row's id.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the lengths differ; nothing is joined then.
    pub fn join(&mut self, ids: &[RowId], targets: &[f64], now: Timestamp) -> Result<JoinReport> {
        if ids.len() != targets.len() {
            let (got, n_samples) = (targets.len(), ids.len());
            return Err(MonitorError::PredictionCount { column: "targets", got, n_samples }.into());
        }
        self.expire(now);
        let mut report = JoinReport::default();
        for (&id, &target) in ids.iter().zip(targets) {
            if !target.is_finite() {
                report.refused += 1;
                continue;
            }
            match self.waiting.remove(&id) {
                None => report.unmatched += 1,
                Some(Waiting { prediction, segment, at }) => {
                    report.rows.push(JoinedRow { id, prediction, target, segment, predicted_at: at });
                }
            }
        }
        self.unmatched += report.unmatched;
        self.tidy();
        Ok(report)
    }

    /// Drops what has waited too long; [`PendingTargets::push`] and [`PendingTargets::join`] do so too.
    pub fn expire(&mut self, now: Timestamp) {
        let longest = i64::try_from(self.params.max_age.0).unwrap_or(i64::MAX);
        while let Some(&(at, id)) = self.order.front() {
            let waits = self.waiting.get(&id).is_some_and(|it| it.at == at);
            if waits && now.since(at) <= longest {
                break;
            }
            self.order.pop_front();
            if waits {
                self.waiting.remove(&id);
                self.expired += 1;
            }
        }
    }

    // Joined rows leave their place in the order; it may not outgrow what waits.
    fn tidy(&mut self) {
        if self.order.len() > 2 * self.waiting.len() + 64 {
            let waiting = &self.waiting;
            self.order.retain(|(at, id)| waiting.get(id).is_some_and(|it| it.at == *at));
        }
    }

    /// Predictions that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Predictions that waited too long.
    #[must_use]
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// Predictions that made room for newer ones.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Targets without a prediction, of all deliveries.
    #[must_use]
    pub fn unmatched(&self) -> u64 {
        self.unmatched
    }

    /// Places kept in the order of arrival, a bound of the memory.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.order.len()
    }
}
