//! One process a measurement.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use super::cases::THREADS;
use crate::json::Json;

/// What one run of a program reported. A program leaves out what it does not have.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Measurement {
    pub(crate) seconds: Option<f64>,
    pub(crate) peak_mb: Option<f64>,
    pub(crate) rise_mb: Option<f64>,
    /// Size of the input in memory.
    pub(crate) input_mb: Option<f64>,
    /// The fit or index that the measured call starts from.
    pub(crate) setup: Option<f64>,
    pub(crate) import: Option<f64>,
    /// The first call of the process, with compiling.
    pub(crate) cold: Option<f64>,
    /// The number that a right result has.
    pub(crate) check: Option<f64>,
    /// Adjusted Rand index of the peer's labels to ours.
    pub(crate) ari: Option<f64>,
}

impl Measurement {
    fn parse(line: &str) -> Result<Self> {
        let json = Json::parse(line)?;
        let number = |key: &str| json.get(key).number();
        Ok(Self {
            seconds: number("seconds"),
            peak_mb: number("peak_mb"),
            rise_mb: number("rise_mb"),
            input_mb: number("input_mb"),
            setup: number("setup"),
            import: number("import"),
            cold: number("cold"),
            check: number("check"),
            ari: number("ari"),
        })
    }
}

/// A program that takes `key=value` and prints a line of JSON.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The executable and what comes before the pairs.
    pub(crate) command: Vec<PathBuf>,
}

impl Program {
    pub(crate) fn measure(&self, pairs: &[(String, String)]) -> Result<Measurement> {
        let line = self.run(pairs)?;
        Measurement::parse(&line).with_context(|| format!("the program printed `{line}`"))
    }

    /// The last line that the program printed; its last words are the error where it fails.
    pub(crate) fn run(&self, pairs: &[(String, String)]) -> Result<String> {
        let (program, before) = self.command.split_first().context("a program has a name")?;
        let mut command = Command::new(program);
        command.args(before).args(pairs.iter().map(|(key, value)| format!("{key}={value}")));
        for pool in ["OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON"] {
            command.env(format!("{pool}_NUM_THREADS"), THREADS.to_string());
        }
        // A kernel picked by hand for another program would slow the peers.
        command.env_remove("OPENBLAS_CORETYPE").env_remove("OPENBLAS_L2_SIZE");
        let output = command.output().with_context(|| format!("start {}", program.display()))?;
        let last = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned()
        };
        if !output.status.success() {
            bail!("{} ({})", last(&output.stderr), output.status);
        }
        Ok(last(&output.stdout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program { command: vec!["/bin/sh".into(), "-c".into(), script.into()] }
    }

    #[test]
    fn the_last_line_is_the_measurement_and_absent_figures_stay_absent() {
        let got = shell("echo a warning; echo '{\"seconds\": 2.5e-3, \"ari\": 1}'").measure(&[]).unwrap();
        assert_eq!(got, Measurement { seconds: Some(0.0025), ari: Some(1.0), ..Measurement::default() });
        assert!(shell("echo nonsense").measure(&[]).is_err());
    }

    #[test]
    fn every_thread_pool_has_the_same_size_and_a_failure_says_its_last_word() {
        let pools =
            "$OMP_NUM_THREADS$OPENBLAS_NUM_THREADS$MKL_NUM_THREADS$NUMBA_NUM_THREADS$RAYON_NUM_THREADS";
        assert_eq!(shell(&format!("echo {pools}")).run(&[]).unwrap(), "22222");
        let error = shell("echo trace >&2; echo no such peer >&2; exit 3").run(&[]).unwrap_err();
        assert!(error.to_string().starts_with("no such peer ("), "{error}");
    }
}
