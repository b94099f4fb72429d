//! What serves: scoring of many samples and of one, contributions, reading a model text.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tsc_benches::{boosted, size};
use tsc_pipeline::core::Features;
use tsc_pipeline::models::{FittedRegressor, GbdtModel};

fn boosted_trees(c: &mut Criterion) {
    let rows = size(100_000, 300);
    let (model, cells) = boosted(rows).expect("the rows can be fitted");
    let x = Features::new(&cells, model.n_features()).expect("the cells are finite");

    let mut group = c.benchmark_group("per_cluster_predict");
    let mut out = vec![0.0; rows];
    group.throughput(Throughput::Elements(rows as u64));
    group
        .bench_function(rows.to_string(), |b| b.iter(|| model.predict_into(x, &mut out).expect("the width")));
    group.throughput(Throughput::Elements(1));
    group.bench_function("one", |b| b.iter(|| model.predict_one(x.row(0)).expect("the width")));
    group.finish();

    let mut group = c.benchmark_group("contributions");
    let explained = x.slice(0..rows / 50);
    let mut shares = vec![0.0; explained.n_samples() * (model.n_features() + 1)];
    group.throughput(Throughput::Elements(explained.n_samples() as u64));
    group.bench_function(explained.n_samples().to_string(), |b| {
        b.iter(|| model.contributions_into(explained, &mut shares).expect("the width"))
    });
    group.finish();

    let mut group = c.benchmark_group("parse");
    group.throughput(Throughput::Bytes(model.text().len() as u64));
    group.bench_function("text", |b| b.iter(|| GbdtModel::parse(model.text()).expect("its own text")));
    group.finish();
}

criterion_group!(benches, boosted_trees);
criterion_main!(benches);
