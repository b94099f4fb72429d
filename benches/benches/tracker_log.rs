//! What one call to the tracker costs the caller, with the embedded store behind it.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tsc_pipeline::core::{Experiment, Tracker};
use tsc_pipeline::mlflow::{MlflowConfig, MlflowTracker};

/// Well below the tracker's queue, so that no call is refused for want of room.
const AT_ONCE: u64 = 10_000;

fn tracker_log(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let uri = format!("sqlite:///{}", dir.path().join("mlflow.db").display());
    let tracker = MlflowTracker::open(&MlflowConfig { uri: Some(uri), ..MlflowConfig::default() })
        .expect("an embedded store in an empty folder");
    let mut run = tracker.start_run(Experiment::BatchProcessing, "Pipeline").expect("a run");
    let mut step = 0;
    c.bench_function("log_metrics", |b| {
        b.iter_custom(|calls| {
            let mut spent = Duration::ZERO;
            let mut left = calls;
            while left > 0 {
                let now = left.min(AT_ONCE);
                let start = Instant::now();
                for _ in 0..now {
                    step += 1;
                    run.log_metrics(step, &[("noise_ratio", 0.1)]).expect("an open run takes metrics");
                }
                spent += start.elapsed();
                let report = tracker.flush(Duration::from_secs(60));
                assert_eq!((report.queued, report.dropped, report.rejected), (0, 0, 0), "{report:?}");
                left -= now;
            }
            spent
        });
    });
}

criterion_group!(benches, tracker_log);
criterion_main!(benches);
