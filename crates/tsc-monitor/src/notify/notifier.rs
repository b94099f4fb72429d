use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use tsc_core::{
    AlertChange, AlertEvent, AlertSink, Millis, Result, Severity, Signal, Stage, Timestamp, Violation,
    all_valid,
};

use super::Silence;
use crate::error::MonitorError;
use crate::ring;

const HOUR_MS: i64 = 3_600_000;
const MAX_QUEUE: usize = 1_000_000;
const MAX_SILENCES: usize = 1_000;

/// How much people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotifierParams {
    /// An alert that goes on is told again after this long; default 24 hours. An acknowledged one is not.
    pub reminder: Millis,
    /// Notifications in an hour, each of all events of one window; default 60. What is over it waits.
    pub max_notifications_per_hour: usize,
    /// Events that wait for their sinks; default 256. Beyond it the oldest is dropped and counted.
    pub queue: usize,
}

impl Default for NotifierParams {
    fn default() -> Self {
        Self { reminder: Millis(86_400_000), max_notifications_per_hour: 60, queue: 256 }
    }
}

impl NotifierParams {
    /// Every broken rule.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        if self.reminder.0 == 0 {
            found.push(Violation::new("reminder", "is 0ms, must be at least 1ms"));
        }
        for (path, size) in
            [("max_notifications_per_hour", self.max_notifications_per_hour), ("queue", self.queue)]
        {
            if size == 0 || size > MAX_QUEUE {
                found.push(Violation::new(path, format!("is {size}, must lie in 1..={MAX_QUEUE}")));
            }
        }
        found
    }
}

/// What became of the events of one delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// Events that every sink took.
    pub delivered: u64,
    /// Refusals: one per event and failing sink.
    pub failed: u64,
}

/// An alert that fires, or whose end is still to be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    event: AlertEvent,
    /// Severity that was told last, and when.
    told: Option<(Severity, Timestamp)>,
    acknowledged: bool,
    resolved: bool,
}

/// Everything a [`Notifier`] knows, to be stored: after a restart nothing is told twice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NotifierState {
    #[serde(with = "listed")]
    known: BTreeMap<Signal, Known>,
    silences: Vec<Silence>,
    queue: VecDeque<AlertEvent>,
    /// When the notifications of the last hour were made.
    made: VecDeque<Timestamp>,
    dropped: u64,
    failed: u64,
    held_back: u64,
}

/// Decides which alert events are told, and hands them to sinks that may fail.
///
/// - An alert is told once when it fires, once per rise of its severity, again every `reminder` while it
///   goes on, and once when it is over, if it was told at all.
/// - Noise and the alert on all features mute the alerts of single features. Muted or silenced, an alert
///   is told as soon as that ends, if it still fires.
/// - All events of one call are one notification. Over `max_notifications_per_hour` they wait for a later
///   call, which then tells where the alerts stand.
/// - The queue is bounded; a failing sink costs its events and nothing else.
///
/// Memory: one event per signal that fires, the queue, one time per notification of an hour.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use tsc_core::{AlertChange, AlertEvent, Severity, Signal, Timestamp};
/// use tsc_monitor::{ChannelSink, Notifier, NotifierParams};
/// let mut notifier = Notifier::new(NotifierParams::default())?;
/// let firing = AlertEvent::new(Signal::NoiseRatio, AlertChange::Firing, Severity::Critical, 0.5, 0.3);
/// notifier.push(&[firing.clone()], Timestamp(0));
/// notifier.push(&[firing], Timestamp(1)); // told already
/// let (sender, receiver) = mpsc::sync_channel(8);
/// notifier.deliver(&mut [Box::new(ChannelSink::new(sender))]);
/// assert_eq!(receiver.try_iter().count(), 1);
/// notifier.push(&[], Timestamp(86_400_000));
/// assert_eq!(notifier.queued(), 1); // a reminder
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Notifier {
    params: NotifierParams,
    state: NotifierState,
}

impl Notifier {
    /// One that has told nothing.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every key outside its bound.
    pub fn new(params: NotifierParams) -> Result<Self> {
        all_valid(&params.check(), Stage::Monitoring, "TSC-MON-001")?;
        Ok(Self { params, state: NotifierState::default() })
    }

    /// Goes on where [`Notifier::state`] was taken.
    ///
    /// # Errors
    ///
    /// As [`Notifier::new`]; `Artifact` if the state holds too many silences.
    pub fn restore(params: NotifierParams, mut state: NotifierState) -> Result<Self> {
        all_valid(&params.check(), Stage::Monitoring, "TSC-MON-001")?;
        if state.silences.len() > MAX_SILENCES {
            return Err(MonitorError::State { problem: "holds more silences than may be set" }.into());
        }
        state.dropped += ring::trim(&mut state.queue, params.queue);
        ring::trim(&mut state.made, params.max_notifications_per_hour);
        Ok(Self { params, state })
    }

    /// Everything it knows.
    #[must_use]
    pub fn state(&self) -> NotifierState {
        self.state.clone()
    }

    /// Takes the events of one window, and queues what is to be told now; without events it is how
    /// reminders become due.
    pub fn push(&mut self, events: &[AlertEvent], now: Timestamp) {
        for event in events {
            self.learn(event);
        }
        self.state.silences.retain(|silence| silence.until > now);
        let due = self.due(now);
        if due.is_empty() {
            return;
        }
        self.state.made.retain(|at| now.since(*at) < HOUR_MS);
        if self.state.made.len() >= self.params.max_notifications_per_hour {
            self.state.held_back += 1;
            return;
        }
        self.state.made.push_back(now);
        for event in due {
            match event.change {
                AlertChange::Resolved => drop(self.state.known.remove(&event.signal)),
                _ => {
                    if let Some(known) = self.state.known.get_mut(&event.signal) {
                        known.told = Some((event.severity, now));
                    }
                }
            }
            self.state.dropped += ring::push(&mut self.state.queue, event, self.params.queue);
        }
    }

    fn learn(&mut self, event: &AlertEvent) {
        let known = &mut self.state.known;
        match (event.change, known.get_mut(&event.signal)) {
            (AlertChange::Resolved, Some(it)) if it.told.is_none() => drop(known.remove(&event.signal)),
            (AlertChange::Resolved, Some(it)) => (it.event, it.resolved) = (event.clone(), true),
            (AlertChange::Resolved, None) | (AlertChange::Reminder, _) => {}
            (_, Some(it)) => {
                // Worse than what was acknowledged is news.
                it.acknowledged &= event.severity <= it.event.severity;
                (it.event, it.resolved) = (event.clone(), false);
            }
            (_, None) => {
                let it = Known { event: event.clone(), told: None, acknowledged: false, resolved: false };
                known.insert(event.signal.clone(), it);
            }
        }
    }

    fn due(&self, now: Timestamp) -> Vec<AlertEvent> {
        let mut due = Vec::new();
        for (signal, known) in &self.state.known {
            if known.resolved {
                due.push(known.event.clone());
                continue;
            }
            if self.is_muted(signal) || self.is_silenced(&known.event) {
                continue;
            }
            let change = match known.told {
                None => AlertChange::Firing,
                Some((severity, _)) if severity < known.event.severity => AlertChange::Escalated,
                Some((_, at)) if !known.acknowledged && self.is_reminder_due(at, now) => {
                    AlertChange::Reminder
                }
                Some(_) => continue,
            };
            let mut event = known.event.clone();
            event.change = change;
            due.push(event);
        }
        due
    }

    fn is_reminder_due(&self, told: Timestamp, now: Timestamp) -> bool {
        now.since(told) >= i64::try_from(self.params.reminder.0).unwrap_or(i64::MAX)
    }

    // Alerts on the whole data speak for those on single features.
    fn is_muted(&self, signal: &Signal) -> bool {
        let fires = |signal: &Signal| self.state.known.get(signal).is_some_and(|known| !known.resolved);
        matches!(signal, Signal::Feature(_)) && (fires(&Signal::NoiseRatio) || fires(&Signal::FeatureDrift))
    }

    fn is_silenced(&self, event: &AlertEvent) -> bool {
        self.state.silences.iter().any(|silence| silence.matcher.matches(event))
    }

    /// Mutes alerts until a time; a silence that is over is forgotten at the next [`Notifier::push`].
    ///
    /// # Errors
    ///
    /// `InvalidConfig` with 1,000 silences at once.
    pub fn silence(&mut self, silence: Silence) -> Result<()> {
        if self.state.silences.len() >= MAX_SILENCES {
            return Err(MonitorError::Silences { most: MAX_SILENCES }.into());
        }
        self.state.silences.push(silence);
        Ok(())
    }

    /// Stops the reminders of an alert until it gets worse, or fires anew; false if it does not fire.
    pub fn acknowledge(&mut self, signal: &Signal) -> bool {
        let known = self.state.known.get_mut(signal);
        known.is_some_and(|known| {
            known.acknowledged = true;
            !known.resolved
        })
    }

    /// Hands every queued event to every sink, oldest first. An error of a sink is counted; the event is
    /// not offered again.
    pub fn deliver(&mut self, sinks: &mut [Box<dyn AlertSink>]) -> Delivery {
        let mut delivery = Delivery::default();
        while let Some(event) = self.state.queue.pop_front() {
            let failed = sinks.iter_mut().filter_map(|sink| sink.deliver(&event).err()).count() as u64;
            delivery.failed += failed;
            delivery.delivered += u64::from(failed == 0);
        }
        self.state.failed += delivery.failed;
        delivery
    }

    /// Events that wait for [`Notifier::deliver`].
    #[must_use]
    pub fn queued(&self) -> usize {
        self.state.queue.len()
    }

    /// Events that fell out of the queue since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.state.dropped
    }

    /// Calls of [`Notifier::push`] whose events had to wait for the next hour.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.state.held_back
    }
}

/// As a list: a signal that names a feature is no key of a JSON object.
mod listed {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};
    use tsc_core::Signal;

    use super::Known;

    pub(super) fn serialize<S: Serializer>(
        known: &BTreeMap<Signal, Known>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(known.values())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<Signal, Known>, D::Error> {
        let known = Vec::<Known>::deserialize(from)?;
        Ok(known.into_iter().map(|known| (known.event.signal.clone(), known)).collect())
    }
}
