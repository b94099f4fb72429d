//! One process a measurement.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::json::Json;

/// The figures that one run of a program reported. A program leaves out what it does not have.
///
/// Every program has `seconds`; `setup` is the fit or index that the measured call starts from, `cold` the first call
/// of a process with compiling, `check` the number that a right result has, `ari` the adjusted Rand index of the
/// peer's labels to ours.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Measurement(pub(crate) BTreeMap<String, f64>);

impl Measurement {
    pub(crate) fn get(&self, key: &str) -> Option<f64> {
        self.0.get(key).copied()
    }

    fn parse(line: &str) -> Result<Self> {
        let json = Json::parse(line)?;
        let figure = |(name, value): &(String, Json)| Some((name.clone(), value.number()?));
        let figures: BTreeMap<String, f64> = json.members().iter().filter_map(figure).collect();
        if figures.contains_key("seconds") {
            Ok(Self(figures))
        } else {
            bail!("there is no number `seconds`")
        }
    }
}

/// A program that takes `key=value` and prints a line of JSON.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The executable and what comes before the pairs.
    pub(crate) command: Vec<PathBuf>,
}

impl Program {
    pub(crate) fn measure(&self, pairs: &[(String, String)], threads: usize) -> Result<Measurement> {
        let line = self.run(pairs, threads)?;
        Measurement::parse(&line).with_context(|| format!("the program printed `{line}`"))
    }

    /// The last line that the program printed; its last words are the error where it fails.
    pub(crate) fn run(&self, pairs: &[(String, String)], threads: usize) -> Result<String> {
        let (program, before) = self.command.split_first().context("a program has a name")?;
        let mut command = Command::new(program);
        command.args(before).args(pairs.iter().map(|(key, value)| format!("{key}={value}")));
        for pool in ["OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "NUMBA_NUM", "POLARS_MAX", "RAYON_NUM"] {
            command.env(format!("{pool}_THREADS"), threads.to_string());
        }
        // No compiled scripts beside the sources.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
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
        let got = shell("echo a warning; echo '{\"seconds\": 2.5e-3, \"ari\": 1}'").measure(&[], 2).unwrap();
        assert_eq!((got.get("seconds"), got.get("ari"), got.get("check")), (Some(0.0025), Some(1.0), None));
        for line in ["nonsense", "{\"ari\": 1}"] {
            assert!(shell(&format!("echo '{line}'")).measure(&[], 2).is_err(), "{line}");
        }
    }

    #[test]
    fn every_thread_pool_has_the_same_size_and_a_failure_says_its_last_word() {
        let pools = "$OMP_NUM_THREADS$OPENBLAS_NUM_THREADS$MKL_NUM_THREADS$NUMBA_NUM_THREADS$POLARS_MAX_THREADS$RAYON_NUM_THREADS";
        assert_eq!(shell(&format!("echo {pools}")).run(&[], 3).unwrap(), "333333");
        let error = shell("echo trace >&2; echo no such peer >&2; exit 3").run(&[], 2).unwrap_err();
        assert!(error.to_string().starts_with("no such peer ("), "{error}");
    }
}
