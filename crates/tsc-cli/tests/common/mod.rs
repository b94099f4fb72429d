//! A folder with a configuration and files of three well separated groups, and the binary that is run in it.
#![allow(dead_code, reason = "each test program uses a part")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Nothing tracked; the fastest models that this build can train.
pub(crate) fn config() -> String {
    let models = if cfg!(feature = "linear") {
        "[models]\nbackend = \"linear\"\n"
    } else {
        "[lgb_timeseries_params]\nn_estimators = 10\n[lgb_resource_params]\nn_estimators = 10\n"
    };
    format!(
        "batch_size = 40\n[data]\nid = \"stay_id\"\ngroup = \"patient_id\"\ntarget = \"target\"\n\
         [data.resources.length_of_stay]\ncolumn = \"los\"\nunit = \"days\"\n[tracking]\nuri = \"off\"\n{models}"
    )
}

pub(crate) const HEADER: &str = "stay_id,patient_id,hr,sbp,temp,target,los";

/// Rows of three groups around (10, 0, 3), (20, 5, 4), (30, 10, 5) moved by `shift`; low-discrepancy, not random.
pub(crate) fn rows(n: usize, shift: f64) -> String {
    let mut text = format!("{HEADER}\n");
    for i in 0..n {
        let spread = |step: f64| (i as f64 * step).fract() * 2.0 - 1.0;
        let group = (i % 3) as f64;
        let hr = 10.0 + 10.0 * group + spread(0.618_033_988) + shift;
        let sbp = 5.0 * group + spread(0.414_213_562) - shift;
        let temp = 3.0 + group + 0.5 * spread(0.732_050_807) + shift;
        let (target, los) = (2.0 * hr + temp, 1.0 + sbp.abs());
        writeln!(text, "s{i},p{},{hr:.6},{sbp:.6},{temp:.6},{target:.6},{los:.6}", i / 2).unwrap();
    }
    text
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no signal ends the program"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The document on stdout, which must be the only one.
    pub(crate) fn document(&self) -> Value {
        assert_eq!(self.out.trim_end().lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }

    /// The error object on stderr; stdout must be empty.
    pub(crate) fn error(&self) -> Value {
        assert_eq!(self.out, "", "{self:?}");
        let document: Value = serde_json::from_str(&self.err).unwrap_or_else(|e| panic!("{e}: {self:?}"));
        document["error"].clone()
    }
}

/// A folder of its own for each test.
#[derive(Debug)]
pub(crate) struct Desk(tempfile::TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.write("c.toml", config());
        desk.write("train.csv", rows(240, 0.0));
        desk.write("new.csv", rows(100, 0.01));
        desk
    }

    /// With a bundle `bundle` fitted on `train.csv`.
    pub(crate) fn fitted() -> Self {
        let desk = Self::new();
        let run = desk.run("fit train.csv -c c.toml -o bundle");
        assert_eq!(run.code, 0, "{run:?}");
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Names in the folder, temporary ones included.
    pub(crate) fn names(&self) -> Vec<String> {
        names(self.0.path())
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsclust"));
        command.current_dir(self.0.path());
        for (name, _) in std::env::vars().filter(|(n, _)| n.starts_with("TSC__") || n.starts_with("MLFLOW_"))
        {
            command.env_remove(name);
        }
        command
    }

    /// Runs `tsclust` with arguments separated by spaces.
    pub(crate) fn run(&self, arguments: &str) -> Run {
        Run::of(self.command().args(arguments.split_whitespace()).output().unwrap())
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
