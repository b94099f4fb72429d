//! The embedded store.

use anyhow::{Result, ensure};
use tsc_peers::{Arguments, Report, measure};
use tsc_pipeline::core::{Experiment, RunStatus, Tracker};

use super::{log, names, open, stored};

/// An empty store with one run, for the peer that only inserts.
pub(crate) fn empty(arguments: &Arguments) -> Result<()> {
    let folder = arguments.file("empty")?;
    let tracker = open(None, &folder)?;
    let run = tracker.start_run(Experiment::Training, "Pipeline")?;
    std::fs::write(arguments.file("run.txt")?, run.id())?;
    run.finish(RunStatus::Finished)?;
    stored(&tracker).map(drop)
}

/// From nothing to a database that has all of it.
pub(crate) fn bulk(arguments: &Arguments) -> Result<Report> {
    let (names, metrics) = (names(arguments)?, arguments.number("metrics")?);
    let folder = tempfile::tempdir_in(arguments.text("dir")?)?;
    let (done, spent) = measure(|| -> Result<u64> {
        let tracker = open(None, folder.path())?;
        let mut run = tracker.start_run(Experiment::Training, "Pipeline")?;
        log(&tracker, &mut *run, &names, metrics)?;
        run.finish(RunStatus::Finished)?;
        stored(&tracker)
    });
    // Start and end of the run are no metrics.
    Ok(Report::new(spent).with("check", (done? - 2) as f64))
}

/// Open, one run with one metric, stored.
pub(crate) fn first_run(arguments: &Arguments) -> Result<Report> {
    let folder = tempfile::tempdir_in(arguments.text("dir")?)?;
    let (done, spent) = measure(|| -> Result<u64> {
        let tracker = open(None, folder.path())?;
        let mut run = tracker.start_run(Experiment::Training, "Pipeline")?;
        run.log_metrics(0, &[("rmse", 0.5)])?;
        run.finish(RunStatus::Finished)?;
        stored(&tracker)
    });
    ensure!(done? == 3, "the run is not stored");
    Ok(Report::new(spent).with("open_ms", spent.seconds * 1e3))
}
