//! Labels and soft memberships of new samples.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tsc_benches::{hdbscan, size};
use tsc_pipeline::cluster::{FittedHdbscan, Scratch};
use tsc_pipeline::core::{Assignment, Clusterer, FittedClusterer};
use tsc_testing::mixture;

const WIDTH: usize = 10;

fn fitted() -> FittedHdbscan {
    let data = mixture(size(50_000, 600), WIDTH, WIDTH as u64);
    hdbscan().and_then(|hdbscan| hdbscan.fit(data.features())).expect("a mixture can be clustered")
}

fn assign(c: &mut Criterion) {
    let fitted = fitted();
    let mut group = c.benchmark_group("assign");
    // One row at a time, each bench call another one, so that no answer stays in the cache.
    let queries = mixture(size(1000, 50), WIDTH, 11);
    let (mut rows, mut scratch) = (queries.features().rows().cycle(), Scratch::new());
    group.bench_function("one", |b| {
        b.iter(|| {
            let row = rows.next().expect("a cycle does not end");
            fitted.assign_one(row, &mut scratch).expect("the width is the fit's")
        })
    });
    for n in [size(1000, 20), size(100_000, 50)] {
        let queries = mixture(n, WIDTH, 11);
        let mut out = vec![Assignment::NOISE; n];
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::from_parameter(n), |b| {
            b.iter(|| fitted.assign_into(queries.features(), &mut out).expect("the width is the fit's"));
        });
    }
    group.finish();
}

fn membership(c: &mut Criterion) {
    let fitted = fitted();
    let mut group = c.benchmark_group("membership");
    for n in [size(100, 20), size(1000, 50)] {
        let queries = mixture(n, WIDTH, 11);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::from_parameter(n), |b| {
            b.iter(|| fitted.memberships(queries.features()).expect("the width is the fit's"));
        });
    }
    group.finish();
}

criterion_group!(benches, assign, membership);
criterion_main!(benches);
