//! `cargo xtask demo`: the main job, and MLflow's user interface on its runs.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::{
    exit::Exit,
    mlflow,
    server::{Server, free_port},
    test::{Options, product, set_up},
    workspace::{shell, tool_dir},
};

/// Sets up and runs the demo; its exit code is passed on.
pub(crate) fn run(data: Option<PathBuf>, ui: bool, no_lightgbm: bool) -> Result<()> {
    // The caller's folder is not the repository's root, where the demo starts.
    let data = data.map(std::path::absolute).transpose().context("--data")?;
    set_up(&Options { no_lightgbm, ..Options::default() })?;
    let sh = shell()?;
    let out = tool_dir().join("demo");
    let mut demo = product(&sh, &["run", "--release", "--bin", "tsclust"], no_lightgbm)?
        .args(["--", "demo", "--out"])
        .arg(&out);
    if let Some(data) = data {
        demo = demo.arg("--data").arg(data);
    }
    let status = Command::from(demo).status().context("start cargo")?;
    if !status.success() {
        let code = status.code().unwrap_or(1);
        return Err(Exit::with_code(code, format!("the demo ended with exit code {code}")).into());
    }
    if ui {
        let database = out.join("mlflow.db");
        if !database.is_file() {
            bail!("{} is absent: the demo has logged no run", database.display());
        }
        show_runs(&format!("sqlite:///{}", database.display()))?;
    }
    Ok(())
}

/// Serves MLflow's user interface until Ctrl-C.
fn show_runs(store: &str) -> Result<()> {
    let python = mlflow::install()?;
    let port = free_port()?;
    let mut server = Server::start(
        Command::new(python)
            .args(["-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"])
            .args(["--port", &port.to_string(), "--backend-store-uri", store])
            // Three job processes less, and a fifth of the memory.
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false"),
    )?;
    server.wait_until_healthy(port)?;
    println!("the runs are at http://127.0.0.1:{port} until Ctrl-C");
    server.wait()
}
