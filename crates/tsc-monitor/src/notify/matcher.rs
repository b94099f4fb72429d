use serde::{Deserialize, Serialize};
use tsc_core::{AlertEvent, Severity, Signal, Timestamp};

/// Which alerts are meant: every condition that is set has to hold.
///
/// # Examples
///
/// ```
/// use tsc_core::{AlertChange, AlertEvent, Severity, Signal};
/// use tsc_monitor::AlertMatcher;
/// let event = AlertEvent::new(Signal::MemoryUsage, AlertChange::Firing, Severity::Warning, 1.0, 0.9);
/// assert!(AlertMatcher::default().matches(&event));
/// assert!(AlertMatcher { signal: Some(Signal::MemoryUsage), ..Default::default() }.matches(&event));
/// assert!(!AlertMatcher { at_least: Some(Severity::Critical), ..Default::default() }.matches(&event));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertMatcher {
    /// This signal; unset: any.
    pub signal: Option<Signal>,
    /// At least this severity; unset: any.
    pub at_least: Option<Severity>,
    /// At most this severity; unset: any.
    pub at_most: Option<Severity>,
}

impl AlertMatcher {
    /// Whether an event is meant.
    #[must_use]
    pub fn matches(&self, event: &AlertEvent) -> bool {
        self.signal.as_ref().is_none_or(|signal| *signal == event.signal)
            && self.at_least.is_none_or(|least| event.severity >= least)
            && self.at_most.is_none_or(|most| event.severity <= most)
    }
}

/// Alerts that nobody is told of for a while; they go on firing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// Which.
    pub matcher: AlertMatcher,
    /// Until then, not included.
    pub until: Timestamp,
}
