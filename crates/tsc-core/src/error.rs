use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong, in the classes a caller acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The data handed in cannot be used.
    #[doc(alias = "ValidationError")]
    InvalidData,
    /// The configuration cannot be used.
    #[doc(alias = "ConfigurationError")]
    InvalidConfig,
    /// A stage could not be fitted.
    #[doc(alias = "ModelTrainingError")]
    Training,
    /// A fitted stage could not answer.
    #[doc(alias = "PredictionError")]
    Prediction,
    /// Runs or the registry could not be written or read.
    #[doc(alias = "MLflowError")]
    Tracking,
    /// A refit did not lead to a new model.
    #[doc(alias = "RetrainingError")]
    Retraining,
    /// A stored file is missing, damaged, or of another kind or version.
    Artifact,
}

/// Where it went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Stage {
    /// Data at the border of the pipeline, and its configuration.
    Input,
    /// Patient series to features.
    Preprocessing,
    /// Standardising, clipping, projecting.
    Scaling,
    /// Segmentation.
    Clustering,
    /// Labels for noise samples.
    Fallback,
    /// Models of the target.
    TimeSeriesModel,
    /// Models of a resource column.
    ResourceModel,
    /// Metrics, drift, alerts, health.
    Monitoring,
    /// Policies, window, gate, swap.
    Retraining,
    /// Runs and registry.
    Tracking,
    /// Bundles and other files.
    Storage,
    /// Plots and reports.
    Report,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Input => "input",
            Stage::Preprocessing => "preprocessing",
            Stage::Scaling => "scaling",
            Stage::Clustering => "clustering",
            Stage::Fallback => "fallback",
            Stage::TimeSeriesModel => "time series model",
            Stage::ResourceModel => "resource model",
            Stage::Monitoring => "monitoring",
            Stage::Retraining => "retraining",
            Stage::Tracking => "tracking",
            Stage::Storage => "storage",
            Stage::Report => "report",
        })
    }
}

/// The one error of the workspace: kind, stage, stable code, message, one sentence of help.
///
/// It keeps the kind and stage of the place where it happened, however far it travels.
/// Crate-local enums are its source: `error.source().and_then(|e| e.downcast_ref::<RestError>())`.
///
/// # Examples
///
/// ```
/// use tsc_core::{Error, ErrorKind, Stage};
/// let error = Error::new(ErrorKind::InvalidConfig, Stage::Clustering, "TSC-CLU-002",
///     "min_cluster_size is 1, must be at least 2").with_help("raise min_cluster_size");
/// assert_eq!(error.to_string(), "min_cluster_size is 1, must be at least 2");
/// assert_eq!(error.code(), "TSC-CLU-002");
/// assert!(!error.is_transient());
/// ```
#[doc(alias = "PipelineError")]
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    stage: Stage,
    code: &'static str,
    help: Option<String>,
    transient: bool,
    cause: Cause,
}

enum Cause {
    Message(String),
    Typed(Box<dyn StdError + Send + Sync>),
    Wrapped { message: String, source: Error },
}

impl Error {
    /// An error with its own message.
    #[must_use]
    pub fn new(kind: ErrorKind, stage: Stage, code: &'static str, message: impl Into<String>) -> Self {
        Self::with_cause(kind, stage, code, Cause::Message(message.into()))
    }

    /// An error whose message and source is a crate-local enum.
    #[must_use]
    pub fn typed(
        kind: ErrorKind,
        stage: Stage,
        code: &'static str,
        source: impl StdError + Send + Sync + 'static,
    ) -> Self {
        Self::with_cause(kind, stage, code, Cause::Typed(Box::new(source)))
    }

    /// A failed refit: a `Retraining` error that keeps the stage's error as its source.
    #[must_use]
    pub fn wrap(self, kind: ErrorKind, stage: Stage, code: &'static str, message: impl Into<String>) -> Self {
        let help = self.0.help.clone();
        let transient = self.0.transient;
        let mut error =
            Self::with_cause(kind, stage, code, Cause::Wrapped { message: message.into(), source: self });
        error.0.help = help;
        error.0.transient = transient;
        error
    }

    fn with_cause(kind: ErrorKind, stage: Stage, code: &'static str, cause: Cause) -> Self {
        Self(Box::new(Inner { kind, stage, code, help: None, transient: false, cause }))
    }

    /// Adds one sentence that says what to change.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Marks the fault as one that may go away by itself.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.0.transient = true;
        self
    }

    /// Moves the error to another stage, for a crate that serves two (target and resource models).
    #[must_use]
    pub fn at_stage(mut self, stage: Stage) -> Self {
        self.0.stage = stage;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Where it went wrong.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.0.stage
    }

    /// Stable code such as `TSC-CLU-003`, with an entry in the troubleshooting guide.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// One sentence that says what to change.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.cause {
            Cause::Message(message) => f.write_str(message),
            Cause::Typed(source) => fmt::Display::fmt(source, f),
            Cause::Wrapped { message, .. } => f.write_str(message),
        }
    }
}

// Shown when `main` returns the error, so it reads like a message and not like a struct.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}, {}): {self}", self.0.code, self.0.kind, self.0.stage)?;
        if let Cause::Wrapped { source, .. } = &self.0.cause {
            write!(f, ": {source:?}")?;
        } else if let Some(help) = self.help() {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.cause {
            Cause::Message(_) => None,
            Cause::Typed(source) => Some(source.as_ref()),
            Cause::Wrapped { source, .. } => Some(source),
        }
    }
}

/// One broken rule of a configuration: key path and message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Key path inside the table of the crate that found it, such as `min_cluster_size`.
    pub path: String,
    /// Value and bound, such as `is 1, must be at least 2`.
    pub message: String,
}

impl Violation {
    /// `path` names the key, `message` continues it: `is 1, must be at least 2`.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.message)
    }
}

/// What every stage constructor does with the violations it found: all of them in one error.
///
/// # Errors
///
/// `InvalidConfig` naming every violation, if there is one.
pub fn all_valid(violations: &[Violation], stage: Stage, code: &'static str) -> crate::Result<()> {
    if violations.is_empty() {
        return Ok(());
    }
    let text: Vec<String> = violations.iter().map(Violation::to_string).collect();
    Err(Error::new(ErrorKind::InvalidConfig, stage, code, text.join("; "))
        .with_help("set each named key to a value inside its bound"))
}
