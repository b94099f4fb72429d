//! One measurement of `cargo xtask bench --peers tracking`, printed as one line of JSON.
//!
//! Arguments are `key=value`; every number of a case comes from the table of cases in xtask.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the line of JSON is the result")]

mod calls;
mod pipeline;
mod server;
mod store;

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tsc_peers::Arguments;
use tsc_pipeline::core::{Run, Tracker};
use tsc_pipeline::mlflow::{MlflowConfig, MlflowTracker};

fn main() -> Result<()> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let report = match (arguments.text("task")?, arguments.text("peer")?) {
        ("store", _) => return store::empty(&arguments),
        ("calls", "ours") => calls::calls(&arguments)?,
        ("bulk", "ours") => store::bulk(&arguments)?,
        ("first-run", "ours") => store::first_run(&arguments)?,
        ("rest", "ours") => server::rest(&arguments)?,
        ("replay", "ours") => server::replay(&arguments)?,
        ("fit", "ours") => pipeline::fit(&arguments)?,
        ("batches", "ours") => pipeline::batches(&arguments)?,
        (task, peer) => bail!("{peer} has no task {task}"),
    };
    println!("{report}");
    Ok(())
}

/// Long enough for everything here.
const WAIT: Duration = Duration::from_secs(300);
/// Below what the queue holds.
const BURST: usize = 50_000;

/// A tracker on a server, or on `folder/mlflow.db`.
fn open(uri: Option<&str>, folder: &Path) -> Result<MlflowTracker> {
    let embedded = format!("sqlite:///{}", folder.join("mlflow.db").display());
    Ok(MlflowTracker::open(&MlflowConfig {
        uri: Some(uri.unwrap_or(&embedded).to_owned()),
        spool: Some(folder.join("spool")),
        ..MlflowConfig::default()
    })?)
}

/// Names of the metrics that one call logs.
fn names(arguments: &Arguments) -> Result<Vec<String>> {
    Ok((0..arguments.number("keys")?).map(|key| format!("cluster_{key}/share")).collect())
}

/// Logs that many values, so many to a call, and sees that they are stored.
fn log(tracker: &MlflowTracker, run: &mut dyn Run, names: &[String], values: usize) -> Result<()> {
    let metrics: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 0.1)).collect();
    for step in 0..values / names.len() {
        run.log_metrics(step as i64, &metrics)?;
        if ((step + 1) * names.len()).is_multiple_of(BURST) {
            tracker.flush(WAIT);
        }
    }
    Ok(())
}

/// Waits for all of it and gives how many values the store took.
fn stored(tracker: &MlflowTracker) -> Result<u64> {
    let report = tracker.flush(WAIT);
    ensure!(report.queued == 0 && !report.is_degraded(), "{report:?}");
    Ok(report.sent)
}
