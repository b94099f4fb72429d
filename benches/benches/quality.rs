//! Scores of a clustering, exact and on a sample of the rows.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tsc_benches::size;
use tsc_pipeline::cluster::{QualityParams, dbcv};
use tsc_testing::mixture;

fn quality(c: &mut Criterion) {
    let mut group = c.benchmark_group("quality");
    group.sample_size(10);
    for n in [size(5000, 200), size(10_000, 400)] {
        group.throughput(Throughput::Elements(n as u64));
        let wide = mixture(n, 24, 24);
        for (name, silhouette_max_rows) in [("silhouette", n), ("silhouette_sampled", n / 10)] {
            let params = QualityParams { silhouette_max_rows, ..QualityParams::default() };
            group.bench_function(BenchmarkId::new(name, n), |b| {
                b.iter(|| {
                    tsc_pipeline::cluster::quality(wide.features(), &wide.labels, &params)
                        .expect("a label for every sample")
                })
            });
        }
        let data = mixture(n, 10, 10);
        group.bench_function(BenchmarkId::new("dbcv", n), |b| {
            b.iter(|| dbcv(data.features(), &data.labels).expect("a label for every sample"))
        });
    }
    group.finish();
}

criterion_group!(benches, quality);
criterion_main!(benches);
