//! Labels of new samples, at two batch sizes.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tsc_pipeline::cluster::{Hdbscan, HdbscanParams};
use tsc_pipeline::core::{Assignment, Clusterer, FittedClusterer};
use tsc_testing::mixture;

fn assign(c: &mut Criterion) {
    let params = HdbscanParams { min_cluster_size: 25, min_samples: Some(10), ..HdbscanParams::default() };
    let fitted = Hdbscan::new(params)
        .and_then(|hdbscan| hdbscan.fit(mixture(4000, 10, 10).features()))
        .expect("a mixture of 4,000 samples can be clustered");
    let mut group = c.benchmark_group("assign");
    for n in [100, 1000] {
        let queries = mixture(n, 10, 11);
        let mut out = vec![Assignment::NOISE; n];
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::from_parameter(n), |b| {
            b.iter(|| fitted.assign_into(queries.features(), &mut out).expect("the width is the fit's"));
        });
    }
    group.finish();
}

criterion_group!(benches, assign);
criterion_main!(benches);
