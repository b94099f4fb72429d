//! What a log call costs the caller.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tsc_peers::{Arguments, Report, measure};
use tsc_pipeline::core::{Experiment, RunStatus, Tracker};

use super::{open, stored};

/// Calls of some threads at once, each with a run of its own.
pub(crate) fn calls(arguments: &Arguments) -> Result<Report> {
    let (callers, calls) = (arguments.number("callers")?, arguments.number("calls")?);
    let folder = tempfile::tempdir_in(arguments.text("dir")?)?;
    let tracker = open(None, folder.path())?;
    let caller = || -> Result<Vec<u64>> {
        let mut run = tracker.start_run(Experiment::BatchProcessing, "Pipeline")?;
        let mut nanos = Vec::with_capacity(calls);
        for step in 0..calls {
            let start = Instant::now();
            run.log_metrics(step as i64, &[("batch_seconds", 0.5)])?;
            nanos.push(u64::try_from(start.elapsed().as_nanos())?);
        }
        run.finish(RunStatus::Finished)?;
        Ok(nanos)
    };
    let (nanos, spent) = measure(|| {
        std::thread::scope(|scope| {
            let callers: Vec<_> = (0..callers).map(|_| scope.spawn(caller)).collect();
            callers
                .into_iter()
                .map(|it| it.join().ok().context("a caller panicked")?)
                .collect::<Result<Vec<_>>>()
        })
    });
    let mut nanos = nanos?.concat();
    let expected = callers * (calls + 2);
    ensure!(stored(&tracker)? == expected as u64, "not every call was stored");
    nanos.sort_unstable();
    let at = |share: f64| nanos[((nanos.len() as f64 * share) as usize).min(nanos.len() - 1)] as f64;
    Ok(Report::new(spent)
        .with("p50_ns", at(0.5))
        .with("p99_ns", at(0.99))
        .with("p50_us", at(0.5) / 1e3)
        .with("largest_ns", at(1.0)))
}
