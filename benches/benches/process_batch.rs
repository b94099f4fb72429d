//! A whole batch: scoring, window, monitoring.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tsc_testing::Cohort;

fn process_batch(c: &mut Criterion) {
    let mut fitted = tsc_benches::fitted(2000).expect("the cohort can be fitted");
    let mut group = c.benchmark_group("process_batch");
    for n in [200, 2000] {
        let cohort = Cohort::new(n, 2);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::from_parameter(n), |b| {
            b.iter(|| fitted.process_batch(&cohort.batch()).expect("the cohort can be scored"))
        });
    }
    group.finish();
}

criterion_group!(benches, process_batch);
criterion_main!(benches);
