//! One batch of 10,000 x 24 through the statistics of drift, and 240,000 values through the detectors.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tsc_pipeline::core::{DriftDetector, Observation};
use tsc_pipeline::monitor::statistics::{Counts, Sample, Sketch, kolmogorov_smirnov, wasserstein};
use tsc_pipeline::monitor::{Adwin, AdwinParams, Law, PageHinkley, PageHinkleyParams, cusum_limit};
use tsc_testing::mixture;

const ROWS: usize = 10_000;
const FEATURES: usize = 24;

fn columns(seed: u64) -> Vec<Vec<f64>> {
    let data = mixture(ROWS, FEATURES, seed);
    (0..FEATURES).map(|i| data.features().rows().map(|row| row[i]).collect()).collect()
}

/// Ten quantile cells and the counts of a column in them.
fn cells(sorted: &[f64]) -> Vec<f64> {
    (1..10).map(|i| sorted[i * sorted.len() / 10]).collect()
}

fn counts(edges: &[f64], column: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; edges.len() + 1];
    column.iter().for_each(|v| counts[edges.partition_point(|edge| edge <= v)] += 1);
    counts
}

fn features(c: &mut Criterion) {
    let (reference, current) = (columns(1), columns(2));
    let frozen: Vec<(Sample, Vec<f64>, Vec<u64>, Sketch)> = reference
        .iter()
        .map(|column| {
            let sample = Sample::new(column).expect("finite values");
            let edges = cells(sample.values());
            let seen = counts(&edges, column);
            let sketch = Sketch::new(&sample, 1_024).expect("points within bounds");
            (sample, edges, seen, sketch)
        })
        .collect();
    let mut group = c.benchmark_group("drift_10k_x_24");
    group.throughput(Throughput::Elements((ROWS * FEATURES) as u64));
    group.bench_function("psi_js", |b| {
        b.iter(|| {
            let both = frozen.iter().zip(&current).map(|((_, edges, seen, _), column)| {
                let now = counts(edges, column);
                let pair = Counts::new(seen, &now).expect("the same cells");
                pair.psi_corrected() + pair.jensen_shannon_corrected()
            });
            both.sum::<f64>()
        });
    });
    group.bench_function("ks_w1_exact", |b| {
        b.iter(|| {
            let both = frozen.iter().zip(&current).map(|((reference, ..), column)| {
                let now = Sample::new(column).expect("finite values");
                kolmogorov_smirnov(reference, &now).statistic + wasserstein(reference, &now)
            });
            both.sum::<f64>()
        });
    });
    group.bench_function("ks_sketch", |b| {
        b.iter(|| {
            let all = frozen.iter().zip(&current);
            all.map(|((.., sketch), column)| sketch.kolmogorov_smirnov(column).0).sum::<f64>()
        });
    });
    group.finish();
}

fn detectors(c: &mut Criterion) {
    let values: Vec<f64> = columns(3).concat();
    let mut group = c.benchmark_group("detectors_240k");
    group.throughput(Throughput::Elements(values.len() as u64));
    let mut run = |name: &str, make: &dyn Fn() -> Box<dyn DriftDetector>| {
        group.bench_function(name, |b| {
            b.iter_batched(
                make,
                |mut detector| {
                    for &value in &values {
                        detector.update(Observation { value, variance: None, n: 1 });
                    }
                    detector
                },
                BatchSize::LargeInput,
            );
        });
    };
    run("adwin", &|| Box::new(Adwin::new(AdwinParams::default()).expect("defaults")));
    run("page_hinkley", &|| Box::new(PageHinkley::new(PageHinkleyParams::default()).expect("defaults")));
    group.finish();
    c.bench_function("cusum_limit", |b| b.iter(|| cusum_limit(&Law::Normal, 0.5, 2_000.0)));
}

criterion_group!(benches, features, detectors);
criterion_main!(benches);
