//! What one `log_metrics` call and a new store cost.
//!
//! `cargo run --release -p tsc-mlflow --example log_cost`
#![expect(clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used, reason = "a measurement")]

use std::time::{Duration, Instant};

use tsc_mlflow::{Experiment, MlflowConfig, MlflowTracker, RunStatus, Tracker};

fn main() {
    let root = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        let uri = format!("sqlite:///{}/{name}/mlflow.db", root.path().display());
        MlflowTracker::open(&MlflowConfig { uri: Some(uri), ..MlflowConfig::default() }).unwrap()
    };
    let mut created: Vec<Duration> = (0..20)
        .map(|n| {
            let start = Instant::now();
            let tracker = open(&n.to_string());
            tracker.start_run(Experiment::Training, "Pipeline").unwrap().finish(RunStatus::Finished).unwrap();
            tracker.flush(Duration::from_secs(30));
            start.elapsed()
        })
        .collect();
    created.sort();
    println!("new store with its first run: median {:?}, worst {:?}", created[10], created[19]);

    let tracker = open("calls");
    let mut run = tracker.start_run(Experiment::BatchProcessing, "Pipeline").unwrap();
    let mut calls: Vec<u64> = (0..50_000)
        .map(|step| {
            let start = Instant::now();
            run.log_metrics(step, &[("batch_seconds", 0.5)]).unwrap();
            u64::try_from(start.elapsed().as_nanos()).unwrap()
        })
        .collect();
    calls.sort_unstable();
    println!("one log_metrics call: median {} ns, p99 {} ns", calls[25_000], calls[49_500]);
    run.finish(RunStatus::Finished).unwrap();
    let report = tracker.flush(Duration::from_secs(60));
    assert_eq!((report.dropped, report.queued), (0, 0));

    let tracker = open("bulk");
    let mut run = tracker.start_run(Experiment::BatchProcessing, "Pipeline").unwrap();
    let names: Vec<String> = (0..10).map(|n| format!("cluster_{n}/share")).collect();
    let metrics: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 0.1)).collect();
    let start = Instant::now();
    for step in 0..10_000 {
        run.log_metrics(step, &metrics).unwrap();
        // The queue holds 65,536 values; a pipeline logs slower than that.
        if step % 5_000 == 4_999 {
            tracker.flush(Duration::from_secs(60));
        }
    }
    run.finish(RunStatus::Finished).unwrap();
    let report = tracker.flush(Duration::from_secs(60));
    println!("100,000 metrics stored in {:?} ({report:?})", start.elapsed());
}
