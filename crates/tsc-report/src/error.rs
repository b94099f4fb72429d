use thiserror::Error;
use tsc_core::{Error, ErrorKind, Stage};

#[derive(Debug, Error)]
pub(crate) enum ReportError {
    #[error("the report cannot be written: {0}")]
    Write(#[source] std::io::Error),
    #[error("the report cannot be rendered: {0}")]
    Render(#[source] minijinja::Error),
    #[error("{plot} is not shown, because {reason}")]
    NothingToPlot { plot: &'static str, reason: String },
}

impl From<ReportError> for Error {
    #[cold]
    fn from(error: ReportError) -> Self {
        let (kind, code, help) = match &error {
            ReportError::Write(_) => {
                (ErrorKind::Artifact, "TSC-REP-001", "check that the folder exists and has room")
            }
            ReportError::Render(_) => {
                (ErrorKind::Artifact, "TSC-REP-002", "report this as a fault, with the report's JSON form")
            }
            ReportError::NothingToPlot { .. } => (
                ErrorKind::InvalidData,
                "TSC-REP-003",
                "ask Plot::missing first, and say why it is not shown",
            ),
        };
        Error::typed(kind, Stage::Report, code, error).with_help(help)
    }
}
