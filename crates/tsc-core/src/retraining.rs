use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Finding, RegressionScores, Result, Timestamp};

/// What a policy decides on, after each batch.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Signals<'a> {
    /// Now.
    pub now: Timestamp,
    /// When the served models were fitted.
    pub last_fit: Timestamp,
    /// When a retrain last succeeded.
    pub last_success: Option<Timestamp>,
    /// Noise of the batch, before the fallback; `None` if no batch was scored since the last call.
    pub noise_ratio: Option<f64>,
    /// Noise of held-out training rows.
    pub training_noise: f64,
    /// Rows the served models were fitted on.
    pub training_samples: u64,
    /// Labelled rows seen since.
    pub new_samples: u64,
    /// Scores of the batch, where targets were known.
    pub scores: Option<RegressionScores>,
    /// What the monitor saw.
    pub findings: &'a [Finding],
}

impl<'a> Signals<'a> {
    /// Signals without anything unusual.
    #[must_use]
    pub fn new(now: Timestamp, last_fit: Timestamp) -> Self {
        Self {
            now,
            last_fit,
            last_success: None,
            noise_ratio: None,
            training_noise: 0.0,
            training_samples: 0,
            new_samples: 0,
            scores: None,
            findings: &[],
        }
    }
}

/// Why a retrain starts.
#[doc(alias = "TriggerReason")]
#[doc(alias = "RetrainingEvent")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trigger {
    /// Too much noise.
    NoiseThresholdExceeded {
        /// Noise of the batch that fired.
        noise_ratio: f64,
        /// The bar it reached.
        threshold: f64,
        /// Batches in a row at or above the bar.
        consecutive: u32,
    },
    /// Somebody asked.
    ManualCommand {
        /// Their words.
        reason: String,
    },
    /// The schedule is due.
    ScheduledRetraining {
        /// The interval, in milliseconds.
        interval_ms: u64,
        /// Milliseconds since the last success or fit.
        elapsed_ms: u64,
    },
    /// Predictions got worse.
    PerformanceDegradation {
        /// Loss now.
        loss: f64,
        /// Held-out loss at the fit.
        baseline: f64,
    },
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trigger::NoiseThresholdExceeded { noise_ratio, threshold, consecutive } => {
                write!(f, "noise {noise_ratio:.3} reached {threshold:.3} in {consecutive} batches in a row")
            }
            Trigger::ManualCommand { reason } => write!(f, "manual: {reason}"),
            Trigger::ScheduledRetraining { interval_ms, elapsed_ms } => {
                write!(f, "scheduled: {elapsed_ms} ms since the last fit, interval {interval_ms} ms")
            }
            Trigger::PerformanceDegradation { loss, baseline } => {
                write!(f, "loss {loss:.4} against {baseline:.4} at the fit")
            }
        }
    }
}

/// What a policy wants.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Vote {
    /// Nothing.
    Keep,
    /// Something, with a weight 0..=1, for compositions.
    Suggest(f64),
    /// A retrain.
    Retrain(Trigger),
    /// No retrain now, for this reason.
    Veto(String),
}

/// State of a policy, restored bit for bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyState {
    /// Which policy.
    pub policy: String,
    /// Its counts.
    pub counts: Vec<i64>,
    /// Its numbers.
    pub values: Vec<f64>,
    /// State of the policies it is made of.
    pub children: Vec<PolicyState>,
}

/// Decides after each batch whether to retrain; gets `now`, reads no clock.
pub trait RetrainPolicy: fmt::Debug + Send {
    /// Decides on the newest signals.
    fn decide(&mut self, signals: &Signals<'_>) -> Vote;

    /// All state.
    fn state(&self) -> PolicyState;

    /// Takes over a state.
    ///
    /// # Errors
    ///
    /// `Artifact` if it is another policy's or damaged.
    fn restore(&mut self, state: &PolicyState) -> Result<()>;
}

/// How a retrain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetrainOutcome {
    /// The challenger serves.
    Promoted,
    /// The gate refused it; the champion serves on.
    Rejected,
    /// Too few rows for now.
    Deferred,
    /// It could not be fitted; the champion serves on.
    Failed,
    /// An earlier version serves again.
    RolledBack,
}

impl RetrainOutcome {
    /// Name in reports, tags and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::Rejected => "rejected",
            Self::Deferred => "deferred",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
        }
    }
}

fn _dyn(_: &dyn RetrainPolicy) {}
