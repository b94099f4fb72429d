use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ClusterId, Result, Timestamp};

/// One value for a detector; batch sizes vary, so it says how many samples it stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// The value, such as a noise ratio.
    pub value: f64,
    /// Variance of the value, where known.
    pub variance: Option<f64>,
    /// Samples behind the value.
    pub n: u64,
}

/// How far beyond its limit a detector is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Excess {
    /// The statistic.
    pub statistic: f64,
    /// The limit it crossed.
    pub limit: f64,
}

/// What a detector says after an observation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reading {
    /// Not enough seen yet.
    Learning {
        /// Observations still needed.
        need: u64,
    },
    /// Nothing.
    Stable,
    /// Near the limit.
    Warning(Excess),
    /// A change.
    Drift {
        /// How far.
        excess: Excess,
        /// Observation at which it probably began.
        since: Option<u64>,
    },
}

/// State of a detector, restored bit for bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectorState {
    /// Which detector.
    pub detector: String,
    /// Its counts.
    pub counts: Vec<u64>,
    /// Its numbers.
    pub values: Vec<f64>,
}

/// A detector of change in a sequence of values.
pub trait DriftDetector: fmt::Debug + Send {
    /// Takes one observation; one whose value is not finite changes nothing and reads `Stable`.
    fn update(&mut self, x: Observation) -> Reading;

    /// Forgets everything.
    fn reset(&mut self);

    /// All state.
    fn state(&self) -> DetectorState;

    /// Takes over a state.
    ///
    /// # Errors
    ///
    /// `Artifact` if it is another detector's or damaged.
    fn restore(&mut self, state: &DetectorState) -> Result<()>;
}

/// What the monitor watches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Signal {
    /// Share of noise before the fallback.
    NoiseRatio,
    /// Smoothed noise ratio over the reference's.
    NoiseRatioTrend,
    /// Wall time of a batch.
    ProcessingTime,
    /// Resident memory.
    MemoryUsage,
    /// Loss relative to the held-out baseline.
    PerformanceDegradation,
    /// Share of rows without a prediction.
    Unavailable,
    /// Share of rows refused at the border.
    RejectedRows,
    /// Distribution of the features taken together: one alert, whatever their number.
    FeatureDrift,
    /// Distribution of one feature.
    Feature(String),
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::NoiseRatio => "noise_ratio",
            Signal::NoiseRatioTrend => "noise_ratio_trend",
            Signal::ProcessingTime => "processing_time",
            Signal::MemoryUsage => "memory_usage",
            Signal::PerformanceDegradation => "performance_degradation",
            Signal::Unavailable => "unavailable",
            Signal::RejectedRows => "rejected_rows",
            Signal::FeatureDrift => "feature_drift",
            Signal::Feature(name) => return write!(f, "feature {name}"),
        })
    }
}

/// Something the monitor saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// What was watched.
    pub signal: Signal,
    /// In which cluster; `None` for the whole batch.
    pub segment: Option<ClusterId>,
    /// The measured value or effect.
    pub value: f64,
    /// The limit it reached.
    pub limit: f64,
    /// Adjusted p, where a test was made.
    pub p_value: Option<f64>,
    /// Batch at which it probably began.
    pub since: Option<u64>,
}

impl Finding {
    /// A value that reached a limit.
    #[must_use]
    pub fn new(signal: Signal, value: f64, limit: f64) -> Self {
        Self { signal, segment: None, value, limit, p_value: None, since: None }
    }
}

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Look soon.
    Warning,
    /// Look now.
    Critical,
}

/// What changed about an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertChange {
    /// It began.
    Firing,
    /// Its severity rose.
    Escalated,
    /// It is over.
    Resolved,
    /// It goes on: told again after a while.
    Reminder,
}

/// What a person is told: one event per transition of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AlertEvent {
    /// What was watched.
    pub signal: Signal,
    /// What changed.
    pub change: AlertChange,
    /// How bad it is now.
    pub severity: Severity,
    /// The measured value.
    pub value: f64,
    /// The limit that was crossed.
    pub limit: f64,
    /// Rows behind the value.
    pub n: u64,
    /// When.
    pub at: Timestamp,
    /// In which batch.
    pub batch: u64,
    /// Which models served it.
    pub model_version: u64,
}

impl AlertEvent {
    /// An event of `signal` at `batch`.
    #[must_use]
    pub fn new(signal: Signal, change: AlertChange, severity: Severity, value: f64, limit: f64) -> Self {
        Self { signal, change, severity, value, limit, n: 0, at: Timestamp(0), batch: 0, model_version: 0 }
    }
}

impl fmt::Display for AlertEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = match self.change {
            AlertChange::Firing => "firing",
            AlertChange::Escalated => "escalated",
            AlertChange::Resolved => "resolved",
            AlertChange::Reminder => "still firing",
        };
        write!(
            f,
            "batch {}: {} {change} ({:?}), {:.3} against {:.3}",
            self.batch, self.signal, self.severity, self.value, self.limit
        )
    }
}

/// Where alerts are delivered: log, channel, file.
pub trait AlertSink: fmt::Debug + Send {
    /// Delivers one event; a failing sink never fails a batch.
    ///
    /// # Errors
    ///
    /// Those of the transport.
    fn deliver(&mut self, alert: &AlertEvent) -> Result<()>;
}

/// Overall state of a running pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HealthStatus {
    /// No batch yet.
    Unknown,
    /// All is well.
    Healthy,
    /// Look soon.
    Warning,
    /// Look now.
    Critical,
}

fn _dyn(_: &dyn DriftDetector, _: &dyn AlertSink) {}
