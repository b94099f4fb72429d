//! The clustering fit at two sizes and four widths, and the whole first fit at two sizes.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tsc_benches::{hdbscan, size};
use tsc_pipeline::core::Clusterer;
use tsc_testing::mixture;

fn fit(c: &mut Criterion) {
    let mut group = c.benchmark_group("fit_hdbscan");
    group.sample_size(10);
    let hdbscan = hdbscan().expect("the parameters are in range");
    for d in [2, 10, 24, 64] {
        for n in [size(10_000, 300), size(20_000, 600)] {
            let data = mixture(n, d, d as u64);
            group.throughput(Throughput::Elements(n as u64));
            group.bench_function(BenchmarkId::from_parameter(format!("{n}x{d}")), |b| {
                b.iter(|| hdbscan.fit(data.features()).expect("a mixture can be clustered"))
            });
        }
    }
    group.finish();

    let mut group = c.benchmark_group("fit_pipeline");
    group.sample_size(10);
    for n in [1000, 4000] {
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::from_parameter(n), |b| {
            b.iter(|| tsc_benches::fitted(n).expect("the cohort can be fitted"))
        });
    }
    group.finish();
}

criterion_group!(benches, fit);
criterion_main!(benches);
