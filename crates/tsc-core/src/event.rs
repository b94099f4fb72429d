use serde::{Deserialize, Serialize};

use crate::{AlertEvent, Error, Finding, RetrainOutcome, Stage, Trigger};

/// What happens when a part that is not the models fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Degradation {
    /// Any fault is an error.
    Strict,
    /// Faults of tracking, registry, sinks and single models are recorded; the pipeline goes on.
    #[default]
    Tolerant,
    /// Also a failing fallback, head or clusterer is recorded; the pooled model serves.
    BestEffort,
}

/// Something the pipeline went on without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Degraded {
    /// What failed.
    pub stage: Stage,
    /// Stable code of the error.
    pub code: String,
    /// Its message.
    pub message: String,
}

impl Degraded {
    /// A fault that is not an error of the call.
    #[must_use]
    pub fn new(stage: Stage, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { stage, code: code.into(), message: message.into() }
    }
}

impl From<&Error> for Degraded {
    fn from(error: &Error) -> Self {
        Self::new(error.stage(), error.code(), error.to_string())
    }
}

/// What observers are told, exactly once and in order, on the caller's thread.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A first fit or a refit begins.
    FitStarted {
        /// Rows handed in.
        n_samples: usize,
    },
    /// It succeeded.
    FitFinished {
        /// Version of the new models.
        model_version: u64,
        /// Clusters found.
        n_clusters: usize,
        /// Share of noise, before the fallback.
        noise_ratio: f64,
    },
    /// A batch begins.
    BatchStarted {
        /// Number of the batch, from 1.
        sequence: u64,
        /// Rows handed in.
        n_samples: usize,
    },
    /// It was scored and observed.
    BatchFinished {
        /// Number of the batch.
        sequence: u64,
        /// Models that served it.
        model_version: u64,
        /// Share of noise, before the fallback.
        noise_ratio: f64,
    },
    /// It could not be scored.
    BatchFailed {
        /// Number the batch would have had.
        sequence: u64,
        /// Why.
        error: &'a Error,
    },
    /// An alert changed.
    Alert(&'a AlertEvent),
    /// The monitor saw something.
    Drift(&'a Finding),
    /// The pipeline goes on with less.
    Degraded(&'a Degraded),
    /// A retrain begins.
    RetrainStarted {
        /// Why.
        trigger: &'a Trigger,
    },
    /// It ended.
    RetrainFinished {
        /// How.
        outcome: RetrainOutcome,
        /// Version that serves now.
        model_version: u64,
    },
}

impl Event<'_> {
    /// Name of the variant, for logs and tests.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Event::FitStarted { .. } => "FitStarted",
            Event::FitFinished { .. } => "FitFinished",
            Event::BatchStarted { .. } => "BatchStarted",
            Event::BatchFinished { .. } => "BatchFinished",
            Event::BatchFailed { .. } => "BatchFailed",
            Event::Alert(_) => "Alert",
            Event::Drift(_) => "Drift",
            Event::Degraded(_) => "Degraded",
            Event::RetrainStarted { .. } => "RetrainStarted",
            Event::RetrainFinished { .. } => "RetrainFinished",
        }
    }
}

/// Told about every event; closures implement it. An observer cannot change a result.
#[doc(alias = "set_callbacks")]
pub trait Observer: Send {
    /// Takes one event.
    fn on_event(&mut self, event: &Event<'_>);
}

impl<F: FnMut(&Event<'_>) + Send> Observer for F {
    fn on_event(&mut self, event: &Event<'_>) {
        self(event);
    }
}

fn _dyn(_: &dyn Observer) {}
