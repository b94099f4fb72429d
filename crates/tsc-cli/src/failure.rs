//! What goes wrong, as text or JSON on stderr, and the exit code that says of which kind it was.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use tsc_pipeline::core::{Error, ErrorKind, Stage};

pub(crate) const INTERNAL: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const DATA: u8 = 3;
pub(crate) const TRAINING: u8 = 4;
pub(crate) const TRACKING: u8 = 5;
pub(crate) const ALERT: u8 = 10;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the pipeline, or of this program in the same form.
    Known(Error),
    /// A fault that is neither the user's nor the data's.
    Internal(String),
    /// The reader of the output is gone.
    ClosedPipe,
}

impl Failure {
    /// A data file that cannot be used.
    pub(crate) fn data(code: &'static str, message: impl Into<String>, help: &str) -> Self {
        Self::Known(Error::new(ErrorKind::InvalidData, Stage::Input, code, message).with_help(help))
    }

    /// A command line that cannot be obeyed.
    pub(crate) fn usage(code: &'static str, message: impl Into<String>, help: &str) -> Self {
        Self::Known(Error::new(ErrorKind::InvalidConfig, Stage::Input, code, message).with_help(help))
    }

    /// A file that cannot be written.
    pub(crate) fn unwritable(path: &Path, error: &std::io::Error) -> Self {
        let message = format!("{} cannot be written: {error}", path.display());
        Self::Known(
            Error::new(ErrorKind::Artifact, Stage::Storage, "TSC-CLI-001", message)
                .with_help("check that the folder exists, is writable and has room"),
        )
    }

    /// What is wrong, and what helps.
    pub(crate) fn message_and_help(&self) -> (String, String) {
        match self {
            Self::Known(error) => (error.to_string(), error.help().unwrap_or_default().to_owned()),
            Self::Internal(message) => (message.clone(), String::new()),
            Self::ClosedPipe => ("the reader of the output is gone".to_owned(), String::new()),
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Internal(_) => INTERNAL,
            Self::Known(error) => match error.kind() {
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
            Self::Known(error) if as_json => json!({"error": {
                "code": error.code(), "kind": error.kind(), "stage": error.stage(),
                "message": error.to_string(), "help": error.help()}})
            .to_string(),
            Self::Internal(message) if as_json => json!({"error": {
                "code": "TSC-CLI-000", "kind": "Internal", "stage": null, "message": message, "help": null}})
            .to_string(),
            Self::Known(error) => {
                // A list of violations reads better with one on each line.
                let text = error.to_string();
                let text = if text.contains('\n') { format!("\n{text}") } else { format!(" {text}") };
                let help = error.help().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
                format!("error[{}]:{text}{help}", error.code())
            }
            Self::Internal(message) => format!("error: {message}"),
        };
        // A closed stderr leaves nobody to tell.
        drop(writeln!(std::io::stderr(), "{text}"));
        ExitCode::from(self.code())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Known(error)
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
        Failure::Internal(format!("output cannot be written: {error}"))
    }
}
