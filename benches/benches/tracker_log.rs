//! What one call to the tracker costs the caller, with the embedded store behind it.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{Criterion, criterion_group, criterion_main};
use tsc_pipeline::core::{Experiment, Tracker};
use tsc_pipeline::mlflow::{MlflowConfig, MlflowTracker};

fn tracker_log(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let uri = format!("sqlite:///{}", dir.path().join("mlflow.db").display());
    let tracker = MlflowTracker::open(&MlflowConfig { uri: Some(uri), ..MlflowConfig::default() })
        .expect("an embedded store in an empty folder");
    let mut run = tracker.start_run(Experiment::BatchProcessing, "Pipeline").expect("a run");
    let mut step = 0;
    c.bench_function("log_metrics", |b| {
        b.iter(|| {
            step += 1;
            run.log_metrics(step, &[("noise_ratio", 0.1)])
        });
    });
}

criterion_group!(benches, tracker_log);
criterion_main!(benches);
