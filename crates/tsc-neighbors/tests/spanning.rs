//! The spanning tree against Prim's algorithm on all distances, for every metric and plan.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use proptest::prelude::*;
use tsc_core::Features;
use tsc_neighbors::{Distance, Edge, Metric, NeighborIndex, Plan};

/// Manhattan as a caller would write it, with a bound of its own.
#[derive(Debug)]
struct Blocks;

impl Distance for Blocks {
    fn distance(&self, a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
    }

    fn lower_bound(&self, a: &[f64], b: &[f64]) -> f64 {
        (a[0] - b[0]).abs()
    }
}

fn metrics(d: usize) -> Vec<Metric> {
    let mut metrics = vec![
        Metric::Euclidean,
        Metric::Manhattan,
        Metric::Chebyshev,
        Metric::Minkowski(3.0),
        Metric::Minkowski(1.5),
        Metric::Cosine,
        Metric::Custom(Arc::new(Blocks)),
    ];
    if d == 2 {
        metrics.push(Metric::Haversine);
    }
    metrics
}

/// Core distances and ascending tree weights from all pairs.
fn dense(x: Features<'_>, metric: &Metric, k: usize, alpha: f64) -> (Vec<f64>, Vec<f64>) {
    let n = x.n_samples();
    let distance = |a: usize, b: usize| metric.distance(x.row(a), x.row(b));
    let core: Vec<f64> = (0..n)
        .map(|a| {
            let mut row: Vec<f64> = (0..n).filter(|&b| b != a).map(|b| distance(a, b)).collect();
            row.sort_unstable_by(f64::total_cmp);
            row[k.min(n - 1) - 1]
        })
        .collect();
    let mut best = vec![f64::INFINITY; n];
    let mut outside: Vec<usize> = (1..n).collect();
    let (mut current, mut weights) = (0, Vec::new());
    while !outside.is_empty() {
        for &b in &outside {
            best[b] = best[b].min(core[current].max(core[b]).max(distance(current, b) / alpha));
        }
        let at = (0..outside.len()).min_by(|&a, &b| best[outside[a]].total_cmp(&best[outside[b]])).unwrap();
        current = outside.swap_remove(at);
        weights.push(best[current]);
    }
    weights.sort_unstable_by(f64::total_cmp);
    (core, weights)
}

#[track_caller]
fn check(x: Features<'_>, metric: &Metric, k: usize, alpha: f64) {
    let (core, weights) = dense(x, metric, k, alpha);
    for plan in [Plan::KdTree, Plan::Tiled] {
        let tree = NeighborIndex::build(x, metric, plan).unwrap().spanning_tree(k, alpha);
        assert_eq!(tree.core_distances, core, "{metric:?} {plan:?} k {k}");
        let mut found: Vec<f64> = tree.edges.iter().map(|e| e.weight).collect();
        found.sort_unstable_by(f64::total_cmp);
        assert_eq!(found, weights, "{metric:?} {plan:?} k {k} alpha {alpha}");
        assert!(spans(&tree.edges, x.n_samples()), "{metric:?} {plan:?}");
        for e in &tree.edges {
            let (a, b) = (e.a as usize, e.b as usize);
            let distance = metric.distance(x.row(a), x.row(b)) / alpha;
            assert!(a < b && e.weight == core[a].max(core[b]).max(distance), "{metric:?} {e:?}");
        }
    }
}

fn spans(edges: &[Edge], n: usize) -> bool {
    let mut label: Vec<usize> = (0..n).collect();
    for e in edges {
        let (from, to) = (label[e.a as usize], label[e.b as usize]);
        label.iter_mut().filter(|l| **l == from).for_each(|l| *l = to);
    }
    edges.len() == n - 1 && label.iter().all(|&l| l == label[0])
}

/// Groups of rows, scattered rows, equal rows and a grid: whatever a tree of boxes has to cope with.
fn rows(d: usize) -> impl Strategy<Value = Vec<f64>> {
    let row = (0u8..8, prop::collection::vec(-1.0f64..1.0, d));
    let offset = prop_oneof![Just(0.0), Just(1e9)];
    (prop::collection::vec(row, 2..220), offset).prop_map(|(rows, offset)| {
        let place = |(kind, row): (u8, Vec<f64>)| {
            row.into_iter().enumerate().map(move |(c, v)| match kind {
                0 => 40.0 * v,
                1 => (3.0 * v).round() + 0.5,
                2 => 0.25,
                group => f64::from(group) * if c % 2 == 0 { 6.0 } else { -4.0 } + v,
            })
        };
        rows.into_iter().flat_map(place).map(|v| v + offset).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_tree_is_minimal_for_every_metric_and_plan(
        (d, values) in (1usize..=12).prop_flat_map(|d| rows(d).prop_map(move |v| (d, v))),
        k in 1usize..24,
        alpha in prop_oneof![Just(1.0), Just(1.3), Just(0.7)],
    ) {
        let x = Features::new(&values, d).unwrap();
        for metric in metrics(d) {
            // Offset rows all point the same way; their cosines are rounding.
            if metric != Metric::Cosine || values[0].abs() < 1e6 {
                check(x, &metric, k, alpha);
            }
        }
    }
}

#[test]
fn wide_rows_are_searched_by_balls() {
    let data = tsc_testing::mixture(700, 24, 1);
    check(data.features(), &Metric::Euclidean, 10, 1.0);
    check(data.features(), &Metric::Euclidean, 1, 1.0);
}

#[test]
fn equal_rows_and_huge_and_tiny_values_have_a_tree() {
    for value in [0.0, 1e150, 1e-300] {
        let values = vec![value; 300];
        check(Features::new(&values, 2).unwrap(), &Metric::Euclidean, 5, 1.0);
    }
    let mut values: Vec<f64> = (0..200).map(|i| f64::from(i % 20) * 1e-170).collect();
    values[7] = 1e12;
    check(Features::new(&values, 2).unwrap(), &Metric::Euclidean, 3, 1.0);
}

#[test]
fn threads_change_no_bit() {
    let data = tsc_testing::mixture(3000, 8, 3);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let index = NeighborIndex::build(data.features(), &Metric::Euclidean, Plan::Auto).unwrap();
            (index.spanning_tree(10, 1.0), index.all_knn(5))
        })
    };
    let one = run(1);
    for threads in [2, 4, 8] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

#[test]
fn a_distance_that_is_none_is_refused() {
    #[derive(Debug)]
    struct Wrong(f64);
    impl Distance for Wrong {
        fn distance(&self, a: &[f64], b: &[f64]) -> f64 {
            if a == b { 0.0 } else { self.0 * (a[0] - b[0]) }
        }
    }
    let x = Features::new(&[0.0, 1.0, 3.0], 1).unwrap();
    for (factor, message) in [
        (1.0, "the distance between rows 0 and 1 is -1, back it is 1"),
        (f64::NAN, "the distance between rows 0 and 1 is NaN, back it is NaN"),
    ] {
        let error =
            NeighborIndex::build(x, &Metric::Custom(Arc::new(Wrong(factor))), Plan::Auto).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), ("TSC-NBR-008", message));
    }
}

#[test]
fn an_alpha_that_leaves_the_range_of_numbers_still_gives_a_tree() {
    let data = tsc_testing::mixture(200, 3, 5);
    let index = NeighborIndex::build(data.features(), &Metric::Euclidean, Plan::Auto).unwrap();
    let tree = index.spanning_tree(4, 1e-320);
    assert!(spans(&tree.edges, 200) && tree.edges.iter().all(|e| e.weight == f64::MAX));
}

#[test]
fn a_metric_that_fails_on_a_new_row_leaves_it_far_from_all() {
    #[derive(Debug)]
    struct OnlyNear;
    impl Distance for OnlyNear {
        fn distance(&self, a: &[f64], b: &[f64]) -> f64 {
            let apart = (a[0] - b[0]).abs();
            if apart > 100.0 { f64::NAN } else { apart }
        }
    }
    let x = Features::new(&[0.0, 1.0, 3.0], 1).unwrap();
    let index = NeighborIndex::build(x, &Metric::Custom(Arc::new(OnlyNear)), Plan::Auto).unwrap();
    let mut scratch = tsc_neighbors::Scratch::new();
    let near = index.query_one(&[1e6], 2, &mut scratch).unwrap();
    assert!(near.len() == 2 && near.iter().all(|n| n.distance == f64::INFINITY));
}
