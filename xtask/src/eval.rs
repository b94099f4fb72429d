//! `cargo xtask eval`: the evaluation tasks of docs/EVALUATION.md.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::{
    exit::Exit,
    test::{Options, product, set_up},
    workspace::shell,
};

/// Sets up, runs the example and passes its exit code on.
pub(crate) fn run(name: &str, data: Option<PathBuf>, json: Option<PathBuf>) -> Result<()> {
    set_up(&Options::default())?;
    let sh = shell()?;
    let mut example = product(&sh, &["run", "--release", "--example", "evaluate"], false)?.args(["--", name]);
    // The caller's folder is not the repository's root, where the example starts.
    for (flag, path) in [("--data", data), ("--json", json)] {
        if let Some(path) = path {
            example = example.arg(flag).arg(std::path::absolute(path).context(flag)?);
        }
    }
    let status = Command::from(example).status().context("start cargo")?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().unwrap_or(1);
    Err(Exit::with_code(code, format!("the evaluation ended with exit code {code}")).into())
}
