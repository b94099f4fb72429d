//! Every plan against brute force, distances against closed forms, and each refused input.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use tsc_core::{ErrorKind, Features};
use tsc_neighbors::{Metric, Neighbor, NeighborIndex, Neighborhoods, Plan, Scratch};

const METRICS: [Metric; 7] = [
    Metric::Euclidean,
    Metric::Manhattan,
    Metric::Chebyshev,
    Metric::Minkowski(3.0),
    Metric::Minkowski(1.5),
    Metric::Cosine,
    Metric::Haversine,
];

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-14 * b.abs().max(1.0), "{a} is not {b}");
}

#[test]
fn distances_equal_their_closed_forms() {
    let (a, b) = ([1.0, -2.0, 3.0], [4.0, 2.0, 3.0]);
    close(Metric::Euclidean.distance(&a, &b), 5.0);
    close(Metric::Manhattan.distance(&a, &b), 7.0);
    close(Metric::Chebyshev.distance(&a, &b), 4.0);
    close(Metric::Minkowski(3.0).distance(&a, &b), 91f64.cbrt());
    close(Metric::Minkowski(1.5).distance(&a, &b), (3f64.powf(1.5) + 8.0).powf(2.0 / 3.0));
    close(Metric::Cosine.distance(&a, &b), 1.0 - 9.0 / (14f64.sqrt() * 29f64.sqrt()));
    // A quarter of a meridian, and half of the equator.
    close(
        Metric::Haversine.distance(&[0.0, 0.3], &[std::f64::consts::FRAC_PI_2, 0.3]),
        std::f64::consts::FRAC_PI_2,
    );
    close(Metric::Haversine.distance(&[0.0, 0.0], &[0.0, std::f64::consts::PI]), std::f64::consts::PI);
}

#[test]
fn cosine_of_huge_and_tiny_rows_is_finite() {
    close(Metric::Cosine.distance(&[1e200, 0.0], &[1e200, 1e200]), 1.0 - 0.5f64.sqrt());
    close(Metric::Cosine.distance(&[1e-200, 0.0], &[0.0, 1e-200]), 1.0);
}

/// Sorted list of all distances by the deciding function: the slow twin.
fn brute(x: Features<'_>, q: &[f64], metric: &Metric, skip: Option<usize>) -> Vec<Neighbor> {
    let mut all: Vec<Neighbor> = (0..x.n_samples())
        .filter(|&row| Some(row) != skip)
        .map(|row| Neighbor { row: row as u32, distance: metric.distance(q, x.row(row)) })
        .collect();
    all.sort_by(|a, b| (a.distance, a.row).partial_cmp(&(b.distance, b.row)).unwrap());
    all
}

fn check_all_plans(x: Features<'_>, queries: Features<'_>, k: usize, metric: &Metric) {
    for plan in [Plan::KdTree, Plan::Tiled, Plan::Auto] {
        let index = NeighborIndex::build(x, metric, plan).unwrap();
        let mut batch = Neighborhoods::new();
        index.query_into(queries, k, &mut batch).unwrap();
        let mut scratch = Scratch::new();
        for (i, q) in queries.rows().enumerate() {
            let mut expected = brute(x, q, metric, None);
            let mut distances = vec![0.0; x.n_samples()];
            index.distances_into(q, &mut distances).unwrap();
            assert!(expected.iter().all(|n| distances[n.row as usize] == n.distance), "{metric:?} {plan:?}");
            let radius = expected[expected.len() / 2].distance;
            let inside: Vec<Neighbor> = expected.iter().copied().filter(|n| n.distance <= radius).collect();
            assert_eq!(index.within_one(q, radius, &mut scratch).unwrap(), inside, "{metric:?} {plan:?}");
            expected.truncate(k);
            assert_eq!(batch.of(i), expected, "{metric:?} {plan:?}");
            assert_eq!(index.query_one(q, k, &mut scratch).unwrap(), expected);
        }
        let all = index.all_knn(k);
        let kth = index.kth_distances(k);
        for (row, &kth) in kth.iter().enumerate() {
            let mut expected = brute(x, x.row(row), metric, Some(row));
            expected.truncate(k);
            assert_eq!(all.of(row), expected, "{metric:?} {plan:?}, itself left out");
            assert_eq!(kth, expected.last().map_or(0.0, |n| n.distance));
        }
    }
}

/// Coordinates on a coarse grid, so that ties and equal rows are common, times a scale plus an offset.
fn rows(d: usize) -> impl Strategy<Value = Vec<f64>> {
    let scale = prop_oneof![Just(1.0), Just(1e-6), Just(1e6), Just(0.37)];
    let offset = prop_oneof![Just(0.0), Just(1e9), Just(0.1)];
    (prop::collection::vec(-4i32..5, d..=d * 90), scale, offset).prop_map(move |(cells, scale, offset)| {
        let whole = cells.len() / d * d;
        // The small slope keeps cosine away from rows of zeros.
        cells[..whole].iter().map(|&c| (f64::from(c) + 0.25) * scale + offset).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_plan_equals_brute_force(
        (d, values) in (1usize..=9).prop_flat_map(|d| rows(d).prop_map(move |v| (d, v))),
        k in 1usize..80,
    ) {
        let x = Features::new(&values, d).unwrap();
        let queries = x.slice(0..x.n_samples().min(4));
        for metric in METRICS.iter().filter(|&m| *m != Metric::Haversine || d == 2) {
            check_all_plans(x, queries, k, metric);
        }
    }

    #[test]
    fn distances_are_symmetric_and_zero_for_equal_rows(a in prop::collection::vec(-1e3f64..1e3, 2), b in prop::collection::vec(-1e3f64..1e3, 2)) {
        prop_assume!(a.iter().any(|v| *v != 0.0) && b.iter().any(|v| *v != 0.0));
        for metric in &METRICS {
            prop_assert_eq!(metric.distance(&a, &b).to_bits(), metric.distance(&b, &a).to_bits());
            prop_assert_eq!(metric.distance(&a, &a).to_bits(), 0f64.to_bits());
        }
    }
}

#[test]
fn k_above_the_row_count_gives_all_rows() {
    let x = Features::new(&[0.0, 1.0, 3.0], 1).unwrap();
    let index = NeighborIndex::build(x, &Metric::Euclidean, Plan::Auto).unwrap();
    assert_eq!(index.query_one(&[0.9], 1_000_000, &mut Scratch::new()).unwrap().len(), 3);
    assert_eq!(index.all_knn(9).k(), 2);
}

#[test]
fn a_single_row_has_no_neighbours() {
    let x = Features::new(&[4.0, 2.0], 2).unwrap();
    let index = NeighborIndex::build(x, &Metric::Euclidean, Plan::KdTree).unwrap();
    assert!(index.all_knn(3).of(0).is_empty());
}

#[track_caller]
fn refused(values: &[f64], d: usize, metric: Metric, code: &str, message: &str) {
    let error = NeighborIndex::build(Features::new(values, d).unwrap(), &metric, Plan::Auto).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (code, message));
    assert!(error.help().is_some());
}

#[test]
fn bad_input_is_named() {
    refused(
        &[1.0],
        1,
        Metric::Minkowski(0.5),
        "TSC-NBR-001",
        "minkowski p is 0.5, must be at least 1 and finite",
    );
    refused(
        &[1.0, 2.0, 0.0, 0.0],
        2,
        Metric::Cosine,
        "TSC-NBR-002",
        "row 1 is all zero, its cosine distance is not defined",
    );
    refused(
        &[1.0, 2.0, 3.0],
        3,
        Metric::Haversine,
        "TSC-NBR-003",
        "haversine needs 2 columns (latitude, longitude in radians), got 3",
    );
    refused(
        &[0.0, 1e200, 0.0, -1e200],
        2,
        Metric::Euclidean,
        "TSC-NBR-004",
        "the range of feature 1 makes euclidean distances overflow",
    );
}

#[test]
fn bad_queries_are_named_and_leave_the_output_alone() {
    let x = Features::new(&[1.0, 2.0, 3.0, 4.0], 2).unwrap();
    let index = NeighborIndex::build(x, &Metric::Cosine, Plan::Auto).unwrap();
    let mut scratch = Scratch::new();
    assert_eq!(index.query_one(&[1.0], 1, &mut scratch).unwrap_err().code(), "TSC-NBR-006");
    assert_eq!(index.query_one(&[1.0, f64::NAN], 1, &mut scratch).unwrap_err().code(), "TSC-NBR-007");
    assert_eq!(index.query_one(&[0.0, 0.0], 1, &mut scratch).unwrap_err().code(), "TSC-NBR-002");
    let mut out = Neighborhoods::new();
    index.query_into(x, 1, &mut out).unwrap();
    let before = out.clone();
    let wide = Features::new(&[1.0, 2.0, 3.0], 3).unwrap();
    assert_eq!(index.query_into(wide, 1, &mut out).unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(out, before);
}

#[test]
fn a_metric_is_spelled_as_in_the_configuration() {
    let spelled: Vec<&str> = METRICS.iter().map(Metric::name).collect();
    assert_eq!(
        spelled,
        ["euclidean", "manhattan", "chebyshev", "minkowski", "minkowski", "cosine", "haversine"]
    );
}
