//! Samples known by their distances only: every form gives one tree, what is missing is far away, and bad
//! numbers are named by their place.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use tsc_cluster::{
    ClusterTree, Clusterer, Detail, Distances, Edge, Features, Hdbscan, HdbscanParams, Label, Metric,
    PairDistance, Scratch, Selection, relative_validity,
};
use tsc_core::ErrorKind;
use tsc_testing::mixture;

fn hdbscan(min_cluster_size: usize, min_samples: usize) -> Hdbscan {
    let min_samples = Some(min_samples);
    Hdbscan::new(HdbscanParams { min_cluster_size, min_samples, ..Default::default() }).unwrap()
}

fn labels(hdbscan: &Hdbscan, tree: &ClusterTree) -> Vec<i32> {
    tree.extract(&hdbscan.params().selection()).unwrap().labels().iter().map(|l| l.id()).collect()
}

/// A sparse matrix that owns its arrays.
struct Csr {
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl Csr {
    /// The pairs that `distance` knows.
    fn of(n: u32, distance: impl Fn(u32, u32) -> Option<f64>) -> Self {
        let mut out = Self { starts: vec![0], columns: Vec::new(), values: Vec::new() };
        for a in 0..n {
            for (b, value) in (0..n).filter(|&b| b != a).filter_map(|b| Some((b, distance(a, b)?))) {
                out.columns.push(b);
                out.values.push(value);
            }
            out.starts.push(out.columns.len());
        }
        out
    }

    fn distances(&self) -> Distances<'_> {
        Distances::Sparse { starts: &self.starts, columns: &self.columns, values: &self.values }
    }
}

#[test]
fn groups_that_no_distance_joins_meet_at_lambda_0() {
    // Two groups of five in steps of 1, a pair, and a sample without any distance.
    let group = |a: u32| [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 3][a as usize];
    let csr = Csr::of(13, |a, b| (group(a) == group(b)).then(|| f64::from(a.abs_diff(b))));
    let fitted = hdbscan(3, 2);
    let tree = fitted.fit_distances(csr.distances()).unwrap();
    let far = f64::INFINITY;
    // One neighbour is not two.
    assert_eq!(tree.core_distances(), [2.0, 1.0, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 2.0, far, far, far]);
    assert_eq!(tree.mst().edges().iter().filter(|e| e.weight == far).count(), 4);
    let e = tree.extract(&fitted.params().selection()).unwrap();
    assert_eq!(e.labels(), Label::from_ids(&[0, 0, 0, 0, 0, 1, 1, 1, 1, 1, -1, -1, -1]));
    let halves = [0.5, 1.0, 1.0, 1.0, 0.5, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0];
    assert_eq!(e.strengths(), halves);
    assert_eq!(e.outlier_scores(), halves.map(|s| 1.0 - s));
    // Birth at lambda 0: (0.5 + 1 + 1 + 1 + 0.5) / (5 * 1) each.
    assert_eq!(e.persistence(), [0.8, 0.8]);
    assert_eq!(tree.dbscan_cut(f64::INFINITY, 3), e.labels());
    assert!(relative_validity(tree.mst(), e.labels()).unwrap().is_some_and(|v| v == 10.0 / 13.0 * 0.5));

    // A sample that no distance joins is in no cluster, not even in that of all.
    let one = Selection { allow_single_cluster: true, ..fitted.params().selection() };
    let alone = Csr::of(5, |a, b| (a.max(b) < 4).then_some(1.0));
    let tree = fitted.fit_distances(alone.distances()).unwrap();
    let e = tree.extract(&Selection { epsilon: 2.0, ..one.clone() }).unwrap();
    assert_eq!(e.labels(), Label::from_ids(&[0, 0, 0, 0, -1]));
    let nothing = fitted.fit_distances(Csr::of(5, |_, _| None).distances()).unwrap();
    let e = nothing.extract(&one).unwrap();
    assert_eq!((e.n_clusters(), e.labels()), (0, &[Label::NOISE; 5][..]));
    assert_eq!((e.strengths(), e.outlier_scores()), (&[0.0; 5][..], &[1.0; 5][..]));
}

#[test]
fn an_entry_of_0_is_a_distance_and_an_absent_one_is_not() {
    let csr = Csr::of(4, |a, b| (a / 2 == b / 2).then_some(0.0));
    let fitted = hdbscan(2, 1);
    let tree = fitted.fit_distances(csr.distances()).unwrap();
    assert_eq!(labels(&fitted, &tree), [0, 0, 1, 1]);
    let e = tree.extract(&fitted.params().selection()).unwrap();
    // C-08: infinite lambda.
    assert_eq!((e.strengths(), e.outlier_scores()), (&[1.0; 4][..], &[0.0; 4][..]));
    assert_eq!(e.persistence(), [1.0, 1.0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Below the radius of a neighbour graph nothing is missing, so every cut there is that of all distances.
    #[test]
    fn a_neighbour_graph_has_the_cuts_of_the_full_matrix(
        cells in prop::collection::vec((0i32..30, 0i32..30), 12..60), radius in 2.0f64..9.0, k in 1usize..4,
    ) {
        let n = cells.len();
        let distance = |a: usize, b: usize| {
            let (dx, dy) = (cells[a].0 - cells[b].0, cells[a].1 - cells[b].1);
            f64::from(dx * dx + dy * dy).sqrt()
        };
        let fitted = hdbscan(3, k);
        let all = fitted.fit_distances(Distances::Pairs { n_samples: n, pairs: &distance }).unwrap();
        let csr = Csr::of(n as u32, |a, b| Some(distance(a as usize, b as usize)).filter(|&d| d <= radius));
        let near = fitted.fit_distances(csr.distances()).unwrap();
        for epsilon in [0.5, 1.5, 2.0, radius, radius * (1.0 + 1e-12)] {
            prop_assert_eq!(near.dbscan_cut(epsilon, 3), all.dbscan_cut(epsilon, 3), "at {}", epsilon);
        }
        for (near, all) in near.core_distances().iter().zip(all.core_distances()) {
            prop_assert_eq!(*near, if *all <= radius { *all } else { f64::INFINITY });
        }
        let weights = |tree: &ClusterTree| {
            tree.mst().edges().iter().map(|e| e.weight).filter(|&w| w <= radius).collect::<Vec<f64>>()
        };
        prop_assert_eq!(weights(&near), weights(&all));
    }

    /// C-30, C-31: distances say what features say, to the bit.
    #[test]
    fn assigning_by_distances_is_assigning_by_features(
        cells in prop::collection::vec(0i32..12, 20..80), step in 0u8..4, k in 1usize..4, alpha in 0.5f64..2.0,
    ) {
        let values: Vec<f64> = cells[..cells.len() / 2 * 2].iter().map(|&c| f64::from(c) / 2.0).collect();
        let x = Features::new(&values, 2).unwrap();
        let params = HdbscanParams { min_cluster_size: 3, min_samples: Some(k), alpha, ..Default::default() };
        let fitted = Hdbscan::new(params).unwrap().fit(x).unwrap();
        let mut scratch = Scratch::new();
        for row in x.rows() {
            let q: Vec<f64> = row.iter().map(|v| v + f64::from(step) * 0.3).collect();
            let distances: Vec<f64> = x.rows().map(|r| Metric::Euclidean.distance(&q, r)).collect();
            let by_distances = fitted.tree().assign_distances(fitted.extraction(), &distances).unwrap();
            prop_assert_eq!(by_distances, fitted.assign_one(&q, &mut scratch).unwrap());
        }
    }
}

/// Distances of a mixture that count how often each pair is asked for, in either order.
struct Counted {
    values: Vec<f64>,
    asked: Vec<AtomicUsize>,
    bounded: bool,
}

impl Counted {
    fn new(n: usize, bounded: bool) -> Self {
        let asked = (0..n * n).map(|_| AtomicUsize::new(0)).collect();
        Self { values: mixture(n, 2, 4).values, asked, bounded }
    }

    fn n(&self) -> usize {
        self.values.len() / 2
    }

    fn most(&self) -> usize {
        self.asked.iter().map(|a| a.load(Ordering::Relaxed)).max().unwrap()
    }

    fn total(&self) -> usize {
        self.asked.iter().map(|a| a.load(Ordering::Relaxed)).sum()
    }
}

impl PairDistance for Counted {
    fn distance(&self, a: usize, b: usize) -> f64 {
        self.asked[a * self.n() + b].fetch_add(1, Ordering::Relaxed);
        Metric::Euclidean.distance(&self.values[2 * a..2 * a + 2], &self.values[2 * b..2 * b + 2])
    }

    fn lower_bound(&self, a: usize, b: usize) -> f64 {
        let apart = (self.values[2 * a] - self.values[2 * b]).abs();
        if self.bounded { apart } else { 0.0 }
    }
}

#[test]
fn each_pair_is_asked_for_at_most_once_while_it_fits() {
    let n = 240;
    let pairs_of_n = n * (n - 1) / 2;
    let run = |bounded: bool, max_matrix_bytes: usize| {
        let counted = Counted::new(n, bounded);
        let params = HdbscanParams {
            min_cluster_size: 8,
            min_samples: Some(4),
            max_matrix_bytes,
            ..Default::default()
        };
        let pairs = Distances::Pairs { n_samples: n, pairs: &counted };
        let tree = Hdbscan::new(params).unwrap().fit_distances(pairs).unwrap();
        (tree, counted)
    };
    let (expected, all) = run(false, 1 << 30);
    assert_eq!(all.most(), 1);
    // All of them, and 64 in the other order too.
    assert_eq!(all.total(), pairs_of_n + 64);
    let (tree, few) = run(true, 1 << 30);
    assert_eq!((few.most(), &tree), (1, &expected));
    assert!(few.total() < pairs_of_n * 2 / 3, "{} of {pairs_of_n}", few.total());
    let (tree, enough) = run(true, 8 * pairs_of_n);
    assert_eq!((enough.most(), &tree), (1, &expected));
    for bounded in [false, true] {
        let (tree, again) = run(bounded, 8 * pairs_of_n - 1);
        assert!(again.most() <= 3 && again.total() <= 2 * pairs_of_n + 128);
        assert_eq!(tree, expected);
    }
    // What the index of the features says.
    let params = HdbscanParams { min_cluster_size: 8, min_samples: Some(4), ..Default::default() };
    let x = Features::new(&all.values, 2).unwrap();
    let by_features = Hdbscan::new(params.clone()).unwrap().fit(x).unwrap();
    assert_eq!(&expected.extract(&params.selection()).unwrap(), by_features.extraction());
}

#[test]
fn bad_distances_of_a_matrix_are_named_by_their_cell() {
    let check = |values: &[f64], message: &str| {
        let error = hdbscan(2, 1).fit_distances(Distances::Dense { values, n_samples: 2 }).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidData, message));
    };
    check(&[0.0, 1.0, 1.0], "3 distances given, 2 samples need 4");
    check(&[0.0, 1.0, 1.1, 0.0], "distance [0, 1] is not the same in both triangles");
    check(&[0.0, -1.0, -1.0, 0.0], "distance [0, 1] is negative");
    check(&[0.0, f64::NAN, 1.0, 0.0], "distance [0, 1] is NaN");
    check(&[0.0, 1.0, f64::INFINITY, 0.0], "distance [0, 1] is infinite");
    check(&[0.5, 1.0, 1.0, 0.0], "distance [0, 0] is not 0 on the diagonal");
    let condensed = |values: &[f64]| {
        hdbscan(2, 1).fit_distances(Distances::Condensed { values, n_samples: 4 }).unwrap_err().to_string()
    };
    assert_eq!(condensed(&[1.0, 2.0]), "2 distances given, 4 samples need 6");
    assert_eq!(condensed(&[1.0, 1.0, 1.0, 1.0, -2.0, f64::NAN]), "distance [1, 3] is negative");
    assert_eq!(condensed(&[1.0, 1.0, 1.0, 1.0, 2.0, f64::NAN]), "distance [2, 3] is NaN");
    let error = hdbscan(9, 1).fit_distances(Distances::Condensed { values: &[1.0], n_samples: 2 });
    assert_eq!(error.unwrap_err().code(), "TSC-CLU-001");
}

/// The first cell in reading order, wherever its tile is; and rounding is no asymmetry.
#[test]
fn the_first_bad_cell_of_a_large_matrix_is_named() {
    let n = 150usize;
    let clean: Vec<f64> = (0..n * n)
        .map(|i| (i / n).abs_diff(i % n) as f64 + if i / n > i % n { 1e-12 } else { 0.0 })
        .collect();
    let fitted = hdbscan(5, 3);
    let dense = |values: &[f64]| fitted.fit_distances(Distances::Dense { values, n_samples: n });
    let tree = dense(&clean).unwrap();
    // The upper triangle counts.
    assert!(tree.mst().edges().iter().all(|e| e.weight.fract() == 0.0));
    let mut bad = clean.clone();
    for (row, column) in [(149, 3), (140, 141), (70, 130), (70, 149), (90, 90)] {
        bad[row * n + column] = -1.0;
        bad[column * n + row] = -1.0;
    }
    assert_eq!(dense(&bad).unwrap_err().to_string(), "distance [3, 149] is negative");
    bad[3 * n + 149] = 146.0;
    bad[149 * n + 3] = 146.0;
    assert_eq!(dense(&bad).unwrap_err().to_string(), "distance [70, 130] is negative");
}

#[test]
fn bad_sparse_matrices_are_named_by_their_place() {
    let check = |starts: &[usize], columns: &[u32], values: &[f64], message: &str| {
        let error = hdbscan(2, 1).fit_distances(Distances::Sparse { starts, columns, values }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(error.to_string(), message);
        error.code()
    };
    let ends = "starts must run from 0 to the number of values, 2";
    assert_eq!(check(&[0, 1, 2], &[1], &[1.0, 1.0], "1 columns for 2 values"), "TSC-CLU-012");
    check(&[], &[1, 0], &[1.0, 1.0], ends);
    check(&[0, 1], &[1, 0], &[1.0, 1.0], ends);
    check(&[1, 1, 2], &[1, 0], &[1.0, 1.0], ends);
    check(&[0, 9, 2], &[1, 0], &[1.0, 1.0], "row 1 ends before it starts");
    check(&[0, 1, 2], &[2, 0], &[1.0, 1.0], "row 0 names sample 2 of 2");
    check(&[0, 2, 2], &[1, 0], &[1.0, 1.0], "row 0 names sample 0 after 1, must ascend");
    check(&[0, 2, 2], &[1, 1], &[1.0, 1.0], "row 0 names sample 1 after 1, must ascend");
    let both = "distance [0, 1] is not the same in both triangles";
    assert_eq!(check(&[0, 1, 2], &[1, 0], &[1.0, 1.1], both), "TSC-CLU-005");
    check(&[0, 1, 1], &[1], &[1.0], both);
    check(&[0, 0, 1], &[0], &[1.0], "distance [1, 0] is not the same in both triangles");
    check(&[0, 1, 2], &[1, 0], &[-1.0, -1.0], "distance [0, 1] is negative");
    check(&[0, 1, 2], &[1, 0], &[f64::NAN, 1.0], "distance [0, 1] is NaN");
    check(&[0, 2, 3], &[0, 1, 0], &[0.5, 1.0, 1.0], "distance [0, 0] is not 0 on the diagonal");
    let few =
        hdbscan(3, 1).fit_distances(Distances::Sparse { starts: &[0, 0, 0], columns: &[], values: &[] });
    assert_eq!(few.unwrap_err().code(), "TSC-CLU-001");
}

#[test]
fn bad_functions_of_pairs_are_named_by_a_pair() {
    let check = |distance: &dyn PairDistance, message: &str| {
        let error =
            hdbscan(3, 2).fit_distances(Distances::Pairs { n_samples: 200, pairs: distance }).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), ("TSC-CLU-005", message));
    };
    let apart = |a: usize, b: usize| a.abs_diff(b) as f64;
    check(&|a: usize, b: usize| apart(a, b) - 1.5, "distance [0, 1] is negative");
    check(&|_: usize, _: usize| f64::NAN, "distance [0, 1] is NaN");
    check(&|_: usize, _: usize| f64::INFINITY, "distance [0, 1] is infinite");
    let slanted = |a: usize, b: usize| if a < b { 2.0 } else { 1.0 };
    check(&slanted, "distance [0, 1] is not the same in both orders");
    // Not among the sampled pairs: seen when the pair is needed.
    let one = |a: usize, b: usize| if (a.min(b), a.max(b)) == (150, 151) { -3.0 } else { apart(a, b) };
    check(&one, "distance [150, 151] is negative");
    struct Above;
    impl PairDistance for Above {
        fn distance(&self, _: usize, _: usize) -> f64 {
            1.0
        }
        fn lower_bound(&self, _: usize, _: usize) -> f64 {
            1.5
        }
    }
    check(&Above, "distance [0, 1] is below its lower bound");
}

#[test]
fn bad_queries_by_distances_are_errors() {
    let pairs = |a: usize, b: usize| a.abs_diff(b) as f64;
    let fitted = hdbscan(2, 1);
    let tree = fitted.fit_distances(Distances::Pairs { n_samples: 4, pairs: &pairs }).unwrap();
    let e = tree.extract(&fitted.params().selection()).unwrap();
    let check = |distances: &[f64], message: &str| {
        let error = tree.assign_distances(&e, distances).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), ("TSC-CLU-013", message));
    };
    check(&[1.0, 2.0, 3.0], "3 distances given, the tree has 4 samples");
    check(&[1.0, -2.0, 3.0, f64::NAN], "the distance to sample 1 is negative");
    check(&[1.0, 2.0, 3.0, f64::NAN], "the distance to sample 3 is NaN");
    // Related to nothing: noise. Nearest is the first of equally far ones.
    let far = tree.assign_distances(&e, &[f64::INFINITY; 4]).unwrap();
    assert_eq!(far, Detail::NOISE);
}

#[test]
fn a_tree_from_elsewhere_must_span_the_samples() {
    let edge = |a, b, weight| Edge { a, b, weight };
    let fitted = hdbscan(2, 1);
    let check = |core: &[f64], edges: &[Edge], message: &str| {
        let error = fitted.fit_edges(core.to_vec(), edges.to_vec()).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), ("TSC-CLU-014", message));
    };
    let zeros = [0.0; 4];
    let path = [edge(0, 1, 1.0), edge(1, 2, 5.0), edge(2, 3, 1.0)];
    let tree = fitted.fit_edges(zeros.to_vec(), path.iter().rev().copied().collect()).unwrap();
    assert_eq!(labels(&fitted, &tree), [0, 0, 1, 1]);
    check(&zeros, &path[..2], "2 edges do not span 4 samples, 3 do");
    check(&zeros, &[path[0], path[1], edge(0, 2, 3.0)], "edge 0 - 2 closes a cycle");
    check(&zeros, &[path[0], path[1], edge(3, 3, 3.0)], "edge 3 - 3 closes a cycle");
    check(&zeros, &[path[0], path[1], edge(2, 4, 3.0)], "edge 2 - 4 names a sample that does not exist");
    check(&zeros, &[path[0], path[1], edge(2, 3, f64::NAN)], "edge 2 - 3 weighs less than 0 or NaN");
    check(&[0.0, -1.0, 0.0, 0.0], &path, "the core distance of sample 1 is negative or NaN");
    assert_eq!(fitted.fit_edges(vec![0.0], vec![]).unwrap_err().code(), "TSC-CLU-001");
}
