//! A server behind REST.

use anyhow::{Result, ensure};
use tsc_peers::{Arguments, Report, measure};
use tsc_pipeline::core::{Experiment, Millis, RunStatus, Tracker};
use tsc_pipeline::mlflow::{MlflowConfig, MlflowTracker};

use super::{WAIT, log, names, open, stored};

/// All of it on the server; processor time is that of this process.
pub(crate) fn rest(arguments: &Arguments) -> Result<Report> {
    let (names, metrics) = (names(arguments)?, arguments.number("metrics")?);
    let folder = tempfile::tempdir_in(arguments.text("dir")?)?;
    let tracker = open(Some(arguments.text("uri")?), folder.path())?;
    let mut run = tracker.start_run(Experiment::Training, "Pipeline")?;
    tracker.flush(WAIT);
    let before = processor_seconds();
    let (done, spent) = measure(|| -> Result<u64> {
        log(&tracker, &mut *run, &names, metrics)?;
        run.finish(RunStatus::Finished)?;
        stored(&tracker)
    });
    let used = processor_seconds().zip(before).map(|(after, before)| after - before);
    let cpu_ms = used.map(|seconds| seconds * 1e3 / (metrics as f64 / 1e3));
    Ok(Report::new(spent).with("check", (done? - 2) as f64).with_known([("cpu_ms", cpu_ms)]))
}

/// What one process could not deliver reaches the server by the next one.
pub(crate) fn replay(arguments: &Arguments) -> Result<Report> {
    let (names, metrics) = (names(arguments)?, arguments.number("metrics")?);
    let folder = tempfile::tempdir_in(arguments.text("dir")?)?;
    let config = MlflowConfig {
        uri: Some(arguments.text("uri")?.to_owned()),
        spool: Some(folder.path().join("spool")),
        ..MlflowConfig::default()
    };
    // No server answers in a millisecond.
    let mut hasty = config.clone();
    hasty.timeouts.request = Millis(1);
    let tracker = MlflowTracker::open(&hasty)?;
    let mut run = tracker.start_run(Experiment::Training, "Pipeline")?;
    log(&tracker, &mut *run, &names, metrics)?;
    run.finish(RunStatus::Finished)?;
    let report = tracker.flush(WAIT);
    ensure!(report.spooled == metrics as u64 + 2, "{report:?}");
    drop((tracker, hasty));

    let (report, spent) = measure(|| MlflowTracker::open(&config).map(|tracker| tracker.replay(WAIT)));
    let report = report?;
    ensure!(report.replayed == metrics as u64 + 2 && report.spooled == 0, "{report:?}");
    Ok(Report::new(spent).with("replay_us", spent.seconds * 1e6 / metrics as f64))
}

/// Time of this process on any core, in the hundredths of a second that Linux counts in.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name before the bracket may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}
