//! Other clusters from a kept tree, which is what a sweep over the selection repeats.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tsc_benches::{hdbscan, size};
use tsc_pipeline::cluster::{Method, Selection};
use tsc_pipeline::core::Clusterer;
use tsc_testing::mixture;

fn extract(c: &mut Criterion) {
    let hdbscan = hdbscan().expect("the parameters are in range");
    let mut group = c.benchmark_group("extract");
    for n in [size(10_000, 300), size(100_000, 600)] {
        let fitted = hdbscan.fit(mixture(n, 2, 2).features()).expect("a mixture can be clustered");
        group.throughput(Throughput::Elements(n as u64));
        for (name, method) in [("eom", Method::Eom), ("leaf", Method::Leaf)] {
            let selection = Selection { method, ..hdbscan.params().selection() };
            group.bench_function(BenchmarkId::new(name, n), |b| {
                b.iter(|| fitted.tree().extract(&selection).expect("the selection is in range"))
            });
        }
    }
    group.finish();
}

criterion_group!(benches, extract);
criterion_main!(benches);
