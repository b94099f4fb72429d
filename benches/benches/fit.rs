//! The clustering fit and the whole first fit, at two sizes.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tsc_pipeline::cluster::{Hdbscan, HdbscanParams};
use tsc_pipeline::core::Clusterer;
use tsc_testing::mixture;

fn fit(c: &mut Criterion) {
    let mut group = c.benchmark_group("fit_hdbscan");
    group.sample_size(10);
    let params = HdbscanParams { min_cluster_size: 25, min_samples: Some(10), ..HdbscanParams::default() };
    let hdbscan = Hdbscan::new(params).expect("the parameters are in range");
    for n in [1000, 4000] {
        let data = mixture(n, 10, 10);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::from_parameter(n), |b| {
            b.iter(|| hdbscan.fit(data.features()).expect("a mixture can be clustered"))
        });
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
