//! Errors that decide the exit code.

use std::fmt;

/// Exit code of a stop: something outside the repository must change first.
const STOP: i32 = 2;

/// An error that carries its exit code; any other error exits with 1.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) code: i32,
    message: String,
}

impl Exit {
    /// Passes on the exit code of a program that has already said what went wrong.
    pub(crate) fn with_code(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Exit {}

/// A stop: one message that names the command to type, exit code 2.
pub(crate) fn stop(message: impl Into<String>) -> anyhow::Error {
    Exit::with_code(STOP, message).into()
}

/// The exit code that an error asks for.
pub(crate) fn code_of(error: &anyhow::Error) -> i32 {
    error.downcast_ref::<Exit>().map_or(1, |exit| exit.code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_stop_exits_with_2_even_inside_a_step_and_other_errors_with_1() {
        let inside: anyhow::Result<()> = Err(stop("no cmake")).context("step set-up");
        assert_eq!(code_of(&inside.unwrap_err()), 2);
        assert_eq!(code_of(&anyhow::anyhow!("broken")), 1);
    }
}
