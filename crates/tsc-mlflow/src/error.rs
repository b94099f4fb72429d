use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tsc_core::{Error, ErrorKind, Stage};

/// An answer of an MLflow server that is not success, or no answer at all.
///
/// Reached through the workspace's error:
/// `error.source().and_then(|e| e.downcast_ref::<RestError>())`.
/// Credentials are never part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestError {
    /// HTTP status; `None` if the server was not reached or its answer did not arrive.
    pub status: Option<u16>,
    /// MLflow's `error_code`, such as `RESOURCE_ALREADY_EXISTS`; `None` for HTML and plain text.
    pub code: Option<String>,
    /// MLflow's message, or the first 512 bytes of any other body.
    pub message: String,
    /// Method and address of the request, without credentials.
    pub request: String,
    /// How long the server asks to be left alone: its `Retry-After`, where that is a number of seconds.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status, &self.code) {
            (None, _) => write!(f, "{}: {}", self.request, self.message),
            (Some(status), None) => write!(f, "{} answered {status}: {}", self.request, self.message),
            (Some(status), Some(code)) => {
                write!(f, "{} answered {status} {code}: {}", self.request, self.message)
            }
        }
    }
}

impl std::error::Error for RestError {}

impl RestError {
    #[cfg(any(feature = "rest", test))]
    pub(crate) fn new(status: Option<u16>, message: String, request: String) -> Self {
        Self { status, code: None, message, request, retry_after: None }
    }

    /// The answer of a server behind an error, if there was one.
    pub(crate) fn of(error: &Error) -> Option<&Self> {
        use std::error::Error as _;
        error.source().and_then(|source| source.downcast_ref())
    }

    /// Whether a server is there that cannot answer for the moment.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.status, Some(408 | 429 | 500 | 502 | 503 | 504))
    }

    /// Whether the same request may succeed later; a refusal of the credentials counts, because
    /// nothing is wrong with what was sent.
    pub(crate) fn is_transient(&self) -> bool {
        match self.status {
            None => true,
            Some(501) => false,
            // 200 with something else than an answer: a proxy or a login page stands in between.
            Some(200..300 | 401 | 403 | 408 | 429) => true,
            Some(status) => status >= 500,
        }
    }

    /// Whether the server knows no such request, as an older MLflow: it says so in HTML, without a code.
    #[cfg(feature = "rest")]
    pub(crate) fn is_unknown_request(&self) -> bool {
        self.status == Some(404) && self.code.as_deref().is_none_or(|code| code == "ENDPOINT_NOT_FOUND")
    }

    #[cfg(feature = "rest")]
    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

impl From<RestError> for Error {
    #[cold]
    fn from(source: RestError) -> Self {
        let transient = source.is_transient();
        let help = match source.status {
            None => "start the MLflow server or check MLFLOW_TRACKING_URI; what was logged is in the spool",
            Some(401 | 403) => "set MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN",
            Some(_) if transient => "look into the server's log; what was logged is in the spool",
            Some(_) => "change what the message names",
        };
        let error = Error::typed(ErrorKind::Tracking, Stage::Tracking, "TSC-TRK-009", source).with_help(help);
        if transient { error.transient() } else { error }
    }
}

/// Code of what is not in the store.
pub(crate) const NOT_FOUND: &str = "TSC-TRK-010";

/// What can go wrong before or beside a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrackingError {
    #[error("tracking uri {uri:?} {problem}")]
    Uri { uri: String, problem: String },
    #[error("{what} {key:?} {problem}")]
    Key { what: &'static str, key: String, problem: String },
    #[error("parameter {key:?} is {old:?} already, it cannot become {new:?}")]
    ChangedParam { key: String, old: String, new: String },
    #[error("run {0} has ended")]
    Ended(String),
    #[error("artifact path {0:?} is not plain and relative")]
    Path(String),
    #[error("dataset {field} has {length} {unit}, at most {bound} are stored")]
    Dataset { field: &'static str, length: usize, unit: &'static str, bound: usize },
    #[error("{action} {}", path.display())]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
    #[cfg(feature = "sqlite")]
    #[error("{} is {problem}", path.display())]
    Database { path: PathBuf, problem: String },
    #[cfg(feature = "sqlite")]
    #[error(
        "{} is at schema revision {revision:?} of MLflow, where table {table} has no column {missing}; this build \
         writes {} (MLflow 3.0.0) and what is compatible with it",
        path.display(),
        crate::sqlite::FROZEN
    )]
    Revision { path: PathBuf, revision: String, table: &'static str, missing: String },
    #[cfg(feature = "sqlite")]
    #[error("{action} in {}", path.display())]
    Sqlite { action: &'static str, path: PathBuf, source: rusqlite::Error },
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    NotReadBack(String),
    #[error("{0}")]
    NotStored(String),
    #[error("{0}")]
    Package(String),
    #[cfg(feature = "rest")]
    #[error("{0}")]
    Artifacts(String),
}

impl TrackingError {
    fn code(&self) -> &'static str {
        match self {
            Self::Uri { .. } => "TSC-TRK-002",
            Self::Key { .. } | Self::ChangedParam { .. } | Self::Ended(_) => "TSC-TRK-004",
            Self::Path(_) => "TSC-TRK-005",
            Self::Dataset { .. } => "TSC-TRK-006",
            Self::File { .. } => "TSC-TRK-007",
            #[cfg(feature = "sqlite")]
            Self::Database { .. } | Self::Revision { .. } => "TSC-TRK-008",
            #[cfg(feature = "sqlite")]
            Self::Sqlite { .. } => "TSC-TRK-008",
            Self::NotFound(_) => NOT_FOUND,
            Self::NotReadBack(_) => "TSC-TRK-011",
            Self::NotStored(_) => "TSC-TRK-012",
            Self::Package(_) => "TSC-TRK-013",
            #[cfg(feature = "rest")]
            Self::Artifacts(_) => "TSC-TRK-014",
        }
    }

    fn help(&self) -> &'static str {
        match self {
            Self::Uri { .. } => {
                "write sqlite:///mlflow.db for the embedded store or http(s)://host:port for a server; \
                 an old file store is converted by `mlflow migrate-filestore`"
            }
            Self::Key { .. } => "use letters, digits, _ - . : / and spaces, at most 250 characters",
            Self::ChangedParam { .. } => "log a value that changes as a metric, or under another key",
            Self::Ended(_) => "log before finish, or start another run",
            Self::Path(_) => "use a path such as report/report.html, without .. and without a leading /",
            Self::Dataset { .. } => "shorten the field",
            Self::File { .. } => "check that the path exists, its permissions and the space left",
            #[cfg(feature = "sqlite")]
            Self::Database { .. } => "use another database, or bring it up to date with `mlflow db upgrade`",
            #[cfg(feature = "sqlite")]
            Self::Revision { .. } => "use a newer tsc or another database; what was logged is in the spool",
            #[cfg(feature = "sqlite")]
            Self::Sqlite { .. } => "check permissions and space left, and that no process holds the database",
            Self::NotFound(_) => "check the name, and that the version is registered in this store",
            Self::NotReadBack(_) => "look into the registry: another process may have changed it",
            Self::NotStored(_) => "see the last fault; what is spooled is sent by a replay",
            Self::Package(_) => "check the folder that is packaged",
            #[cfg(feature = "rest")]
            Self::Artifacts(_) => "start the server with --serve-artifacts",
        }
    }

    // A database that another process holds, or a full disk, may be free later.
    fn is_transient(&self) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite { source, .. } => !matches!(
                source.sqlite_error_code(),
                Some(rusqlite::ErrorCode::ConstraintViolation | rusqlite::ErrorCode::TypeMismatch)
            ),
            // A newer build can write it.
            #[cfg(feature = "sqlite")]
            Self::Revision { .. } => true,
            Self::File { .. } => true,
            _ => false,
        }
    }
}

/// A fault of an operating system or database call, as one line: `creating <path>: <reason>`.
fn with_reason(error: &TrackingError) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl From<TrackingError> for Error {
    #[cold]
    fn from(source: TrackingError) -> Self {
        let kind = match source {
            TrackingError::Uri { .. } => ErrorKind::InvalidConfig,
            _ => ErrorKind::Tracking,
        };
        let (code, help, transient) = (source.code(), source.help(), source.is_transient());
        let error = match &source {
            // The reason belongs in the message: reports and counters carry the message only.
            TrackingError::File { .. } => Error::new(kind, Stage::Tracking, code, with_reason(&source)),
            #[cfg(feature = "sqlite")]
            TrackingError::Sqlite { .. } => Error::new(kind, Stage::Tracking, code, with_reason(&source)),
            _ => Error::typed(kind, Stage::Tracking, code, source),
        };
        let error = error.with_help(help);
        if transient { error.transient() } else { error }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_rest_error_is_reached_through_the_source() {
        let rest = RestError::new(Some(503), "<html>busy</html>".into(), "POST http://h/api".into());
        let error = Error::from(rest.clone());
        assert_eq!(error.source().and_then(|e| e.downcast_ref::<RestError>()), Some(&rest));
        assert!(error.is_transient());
        assert_eq!(error.to_string(), "POST http://h/api answered 503: <html>busy</html>");
    }

    #[test]
    fn only_faults_that_may_go_away_are_transient() {
        let transient = |status| RestError::new(status, String::new(), String::new()).is_transient();
        for status in
            [None, Some(200), Some(401), Some(403), Some(408), Some(429), Some(500), Some(503), Some(504)]
        {
            assert!(transient(status), "{status:?}");
        }
        for status in [Some(400), Some(404), Some(409), Some(501)] {
            assert!(!transient(status), "{status:?}");
        }
    }
}
