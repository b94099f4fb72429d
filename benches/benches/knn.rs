//! Nearest neighbours of new rows, and where tiles become faster than the tree.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tsc_benches::size;
use tsc_neighbors::{Metric, NeighborIndex, Neighborhoods, Plan};
use tsc_testing::mixture;

const K: usize = 5;

fn search(c: &mut Criterion, group: &str, n: usize, widths: &[usize], plans: &[(&str, Plan)]) {
    let mut group = c.benchmark_group(group);
    group.sample_size(10);
    let n_queries = size(1000, 20);
    group.throughput(Throughput::Elements(n_queries as u64));
    for &d in widths {
        // One mixture cut in two: the queries lie where the rows do, and none is one of them.
        let data = mixture(n + n_queries, d, d as u64);
        let (rows, queries) = data.values.split_at(n * d);
        let [rows, queries] = [rows, queries]
            .map(|values| tsc_pipeline::core::Features::new(values, d).expect("a mixture is finite"));
        for (name, plan) in plans {
            let index =
                NeighborIndex::build(rows, &Metric::Euclidean, *plan).expect("a mixture can be indexed");
            let mut found = Neighborhoods::new();
            group.bench_function(BenchmarkId::new(*name, d), |b| {
                b.iter(|| index.query_into(queries, K, &mut found).expect("the width is the index's"))
            });
        }
    }
    group.finish();
}

fn knn(c: &mut Criterion) {
    search(c, "knn", size(100_000, 300), &[8, 24], &[("auto", Plan::Auto)]);
}

/// The constant of `Plan::Auto` is read off here: evaluations that the tree saves against their price.
fn knn_crossover(c: &mut Criterion) {
    let plans = [("tree", Plan::KdTree), ("tiled", Plan::Tiled)];
    search(c, "knn_crossover", size(20_000, 300), &[2, 8, 16, 24, 32, 64], &plans);
}

criterion_group!(benches, knn, knn_crossover);
criterion_main!(benches);
