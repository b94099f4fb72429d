//! What goes wrong, as text or JSON on stderr, and the exit code that says of which kind it was.

use std::io::Write;
use std::process::ExitCode;

use serde_json::json;
use tsc_pipeline::core::{Error, ErrorKind};

pub(crate) const INTERNAL: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const DATA: u8 = 3;
pub(crate) const TRAINING: u8 = 4;
pub(crate) const TRACKING: u8 = 5;
pub(crate) const ALERT: u8 = 10;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the pipeline.
    Pipeline(Error),
    /// A fault of this program's own files: message and exit code.
    Own(String, u8),
    /// The reader of the output is gone.
    ClosedPipe,
}

impl Failure {
    pub(crate) fn data(message: impl Into<String>) -> Self {
        Self::Own(message.into(), DATA)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Own(message.into(), USAGE)
    }

    fn code(&self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Own(_, code) => *code,
            Self::Pipeline(error) => match error.kind() {
                ErrorKind::InvalidConfig => USAGE,
                ErrorKind::InvalidData | ErrorKind::Artifact => DATA,
                ErrorKind::Training | ErrorKind::Prediction | ErrorKind::Retraining => TRAINING,
                ErrorKind::Tracking => TRACKING,
                _ => INTERNAL,
            },
        }
    }

    pub(crate) fn report(&self, as_json: bool) -> ExitCode {
        let text = match self {
            Self::ClosedPipe => return ExitCode::SUCCESS,
            Self::Pipeline(error) if as_json => json!({"error": {
                "code": error.code(), "kind": error.kind(), "stage": error.stage(),
                "message": error.to_string(), "help": error.help()}})
            .to_string(),
            Self::Own(message, _) if as_json => json!({"error": {"message": message}}).to_string(),
            Self::Pipeline(error) => {
                let help = error.help().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
                format!("error[{}]: {error}{help}", error.code())
            }
            Self::Own(message, _) => format!("error: {message}"),
        };
        // A closed stderr leaves nobody to tell.
        drop(writeln!(std::io::stderr(), "{text}"));
        ExitCode::from(self.code())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Pipeline(error)
    }
}

/// Writes a line to stdout; a closed pipe ends the program silently.
pub(crate) fn say(line: impl std::fmt::Display) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}").map_err(|e| output_failed(&e))
}

/// Writes a line to stderr: what is not data.
pub(crate) fn note(line: impl std::fmt::Display) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

pub(crate) fn output_failed(error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        Failure::ClosedPipe
    } else {
        Failure::Own(format!("output cannot be written: {error}"), INTERNAL)
    }
}
