//! One alert: Inactive -> Pending -> Firing -> Resolved.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use tsc_core::{AlertChange, Severity};

use crate::ring;

const WINDOWS: usize = 3;
/// A resolved alert lies below this share of its limit.
const HYSTERESIS: f64 = 0.7;

/// Limits of one alert, and how much evidence it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    pub(crate) warning: f64,
    /// None where no value is critical.
    pub(crate) critical: Option<f64>,
    /// Below it the alert is on its way to being resolved.
    pub(crate) clear: f64,
    /// Windows of the last three at or above the warning limit that fire it.
    pub(crate) confirm: usize,
}

impl Limits {
    pub(crate) fn new((warning, critical): (f64, f64)) -> Self {
        Self { warning, critical: Some(critical), clear: HYSTERESIS * warning, confirm: 2 }
    }

    fn level(&self, value: f64) -> Option<(Severity, f64)> {
        match self.critical {
            Some(critical) if value >= critical => Some((Severity::Critical, critical)),
            _ => (value >= self.warning).then_some((Severity::Warning, self.warning)),
        }
    }
}

/// What a window meant for the alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Transition {
    pub(crate) change: AlertChange,
    pub(crate) severity: Severity,
    /// The limit that was crossed.
    pub(crate) limit: f64,
}

/// Where an alert stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AlertState {
    /// Severity while it fires.
    pub(crate) firing: Option<Severity>,
    /// Of the last windows while it does not fire: whether each reached the warning limit.
    recent: VecDeque<bool>,
    /// Windows in a row below the clearing bar, while it fires.
    below: usize,
}

impl AlertState {
    /// Takes the value of one window.
    pub(crate) fn step(&mut self, value: f64, limits: &Limits) -> Option<Transition> {
        match self.firing {
            None => self.step_inactive(value, limits),
            Some(severity) => self.step_firing(severity, value, limits),
        }
    }

    /// Whether it fires, or would with more of the same.
    pub(crate) fn is_raised(&self) -> bool {
        self.firing.is_some() || self.recent.contains(&true)
    }

    /// Forgets evidence that came from other models; an alert that fires goes on until it is resolved.
    pub(crate) fn rebase(&mut self) {
        self.recent.clear();
        self.below = 0;
    }

    fn step_inactive(&mut self, value: f64, limits: &Limits) -> Option<Transition> {
        let level = limits.level(value);
        ring::push(&mut self.recent, level.is_some(), WINDOWS);
        let (severity, limit) = level?;
        let evidence = self.recent.iter().filter(|&&reached| reached).count();
        if severity < Severity::Critical && evidence < limits.confirm {
            return None;
        }
        self.firing = Some(severity);
        self.below = 0;
        Some(Transition { change: AlertChange::Firing, severity, limit })
    }

    fn step_firing(&mut self, severity: Severity, value: f64, limits: &Limits) -> Option<Transition> {
        self.below = if value < limits.clear { self.below + 1 } else { 0 };
        if self.below >= WINDOWS {
            *self = Self::default();
            return Some(Transition { change: AlertChange::Resolved, severity, limit: limits.clear });
        }
        // The severity never falls while it fires: a value around the critical limit escalates once.
        let (reached, limit) = limits.level(value)?;
        if reached <= severity {
            return None;
        }
        self.firing = Some(reached);
        Some(Transition { change: AlertChange::Escalated, severity: reached, limit })
    }
}
