//! What a fit gives beside labels: clusters of a given number, representatives, validity, exports,
//! sweeps, notes, stored size.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use tsc_cluster::{
    ClusterRow, Clusterer, CondensedRow, Distance, Distances, EdgeRow, Features, FitNote, FittedClusterer,
    FittedClustererExt, FittedHdbscan, Hdbscan, HdbscanParams, Label, LinkageRow, Method, Metric, Plan,
    Prediction, Selection, write_csv, write_json,
};
use tsc_core::{ErrorKind, MemoryArtifacts, Save};
use tsc_testing::{ari, blobs, mixture, npy, shared};

fn fit(x: Features<'_>, params: HdbscanParams) -> FittedHdbscan {
    Hdbscan::new(params).unwrap().fit(x).unwrap()
}

fn ids(labels: &[Label]) -> Vec<i32> {
    labels.iter().map(|l| l.id()).collect()
}

/// Four groups of four at steps of 1/8, so at lambda 8: a1 and a2 are 1.625 apart, b1 and b2 2.625, and
/// both pairs 47.625.
const NESTED: [f64; 16] = [
    0.0, 0.125, 0.25, 0.375, 2.0, 2.125, 2.25, 2.375, 50.0, 50.125, 50.25, 50.375, 53.0, 53.125, 53.25,
    53.375,
];

fn nested() -> FittedHdbscan {
    let params = HdbscanParams { min_cluster_size: 3, min_samples: Some(1), ..Default::default() };
    fit(Features::new(&NESTED, 1).unwrap(), params)
}

#[test]
fn n_clusters_gives_exactly_that_many_of_largest_stability() {
    let fitted = nested();
    let base = fitted.params().selection();
    let check = |selection: Selection, groups: [i32; 4]| {
        let labels = fitted.tree().extract(&selection).unwrap().labels().to_vec();
        assert_eq!(ids(&labels), groups.map(|g| [g; 4]).concat(), "{selection:?}");
    };
    let exactly = |n| Selection { n_clusters: Some(n), ..base.clone() };
    check(exactly(4), [0, 1, 2, 3]);
    // b1 and b2 are worth 4 (8 - 1 / 2.625) each, a1 and a2 4 (8 - 1 / 1.625); of equal ones the first.
    check(exactly(3), [0, -1, 1, 2]);
    check(exactly(2), [-1, -1, 0, 1]);
    check(exactly(1), [-1, -1, 0, -1]);
    // a1 and a2 are born below the epsilon, so their pair stands for them.
    check(Selection { epsilon: 1.7, ..exactly(3) }, [0, 0, 1, 2]);
    check(Selection { epsilon: 3.0, ..exactly(2) }, [0, 0, 1, 1]);
    // All samples are born above every epsilon.
    check(Selection { epsilon: 48.0, allow_single_cluster: true, ..exactly(1) }, [0, 0, 0, 0]);
    check(Selection { max_cluster_size: Some(7), ..exactly(4) }, [0, 1, 2, 3]);
    // a1 and a2 outlive their birth by 7.38, b1 and b2 by 7.62: the weak split goes, their samples stay.
    check(Selection { persistence: 7.5, ..exactly(3) }, [0, 0, 1, 2]);
}

#[test]
fn fewer_clusters_than_asked_for_is_an_error_with_their_number() {
    let fitted = nested();
    let base = Selection { n_clusters: Some(5), ..fitted.params().selection() };
    let check = |selection: Selection, available: usize| {
        let error = fitted.tree().extract(&selection).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Training, "TSC-CLU-011"));
        let message = format!("only {available} disjoint clusters can be chosen, n_clusters is 5");
        assert_eq!(error.to_string(), message, "{selection:?}");
        assert!(error.help().unwrap().contains("min_cluster_size"));
    };
    check(base.clone(), 4);
    check(Selection { epsilon: 1.7, ..base.clone() }, 3);
    check(Selection { epsilon: 48.0, allow_single_cluster: true, ..base.clone() }, 1);
    check(Selection { epsilon_max: Some(2.0), ..base.clone() }, 2);
    check(Selection { min_cluster_size: 9, ..base }, 0);
}

#[test]
fn centroids_are_means_and_weighted_ones_those_of_hdbscan() {
    let c = nested().centroids().unwrap();
    assert_eq!(c, [0.1875, 2.1875, 50.1875, 53.1875]);
    let Some(folder) = shared("conformance/hdbscan") else { return };
    // weighted_cluster_centroid of hdbscan 0.8.44, approx_min_span_tree=False, by smallest member row.
    let check = |dataset: &str, expected: &[[f64; 2]]| {
        let data = npy::read(folder.join(format!("data_{dataset}.npy")));
        let params = HdbscanParams { min_cluster_size: 10, min_samples: Some(1), ..Default::default() };
        let fitted = fit(data.features(), params);
        tsc_testing::assert_close(
            &fitted.weighted_centroids().unwrap(),
            &expected.concat(),
            tsc_testing::Tolerance::Absolute(1e-9),
        );
        // Plain means by their definition.
        let x = data.features();
        for (label, mean) in fitted.centroids().unwrap().chunks_exact(2).enumerate() {
            let rows: Vec<&[f64]> = (0..x.n_samples())
                .filter(|&r| fitted.training_labels()[r].id() == label as i32)
                .map(|r| x.row(r))
                .collect();
            for (c, mean) in mean.iter().enumerate() {
                let expected = rows.iter().map(|row| row[c]).sum::<f64>() / rows.len() as f64;
                assert!((mean - expected).abs() < 1e-12, "{mean} is not {expected}");
            }
        }
    };
    check(
        "hdbscan_tests_blobs200",
        &[
            [1.1127165221498034, -1.0002486499987184],
            [-0.07723648206578848, 1.3452785236020641],
            [-1.1099304427936323, -0.35002165840262917],
        ],
    );
    check(
        "circles600",
        &[[-3.5235778247246294e-05, 0.004834431877053275], [-0.0008110381150295601, 0.004215869831751774]],
    );
}

#[test]
fn medoids_have_the_least_sum_of_distances() {
    let x = [0.0, 1.0, 1.5, 9.0, 40.0, 41.0, 42.0, 43.0];
    let params = HdbscanParams { min_cluster_size: 4, min_samples: Some(1), ..Default::default() };
    // Sums: 11.5, 9.5, 9.5, 24.5, and 6, 4, 4, 6; the smaller row of two.
    assert_eq!(fit(Features::new(&x, 1).unwrap(), params).medoids().unwrap(), [1, 5]);
    let data = blobs(90, &[&[0.0, 0.0, 1.0], &[7.0, 0.0, 2.0], &[0.0, 8.0, 3.0]], 1.0, 11);
    for metric in [Metric::Euclidean, Metric::Manhattan, Metric::Cosine] {
        let params = HdbscanParams { metric: metric.clone(), ..Default::default() };
        let fitted = fit(data.features(), params);
        assert!(fitted.n_clusters() > 0, "{metric:?}");
        let x = data.features();
        for (rows, medoid) in fitted.extraction().members().iter().zip(fitted.medoids().unwrap()) {
            let sum = |a: u32| -> f64 {
                rows.iter().map(|&b| metric.distance(x.row(a as usize), x.row(b as usize))).sum()
            };
            assert!(rows.contains(&medoid));
            assert!(rows.iter().all(|&row| sum(row) >= sum(medoid)), "{metric:?}: {medoid}");
        }
    }
}

#[test]
fn representatives_need_the_samples() {
    let params = HdbscanParams { min_cluster_size: 3, prediction_data: false, ..Default::default() };
    let fitted = fit(Features::new(&NESTED, 1).unwrap(), params);
    let errors = [
        fitted.centroids().unwrap_err(),
        fitted.weighted_centroids().unwrap_err(),
        fitted.medoids().unwrap_err(),
        fitted.training_memberships().unwrap_err(),
    ];
    assert!(errors.iter().all(|e| (e.kind(), e.code()) == (ErrorKind::Prediction, "TSC-CLU-003")));
}

#[test]
fn exports_by_hand() {
    let x = [0.0, 1.0, 3.0, 20.0, 22.0, 26.0];
    let params = HdbscanParams { min_cluster_size: 3, min_samples: Some(1), ..Default::default() };
    let fitted = fit(Features::new(&x, 1).unwrap(), params);
    let edge = |from, to, distance| EdgeRow { from, to, distance };
    let edges = fitted.tree().spanning_edges();
    assert_eq!(edges, [edge(0, 1, 1.0), edge(1, 2, 2.0), edge(3, 4, 2.0), edge(4, 5, 4.0), edge(2, 3, 17.0)]);

    // Ties by the rows of the edge, as SciPy numbers merges.
    let merge = |left, right, distance, size| LinkageRow { left, right, distance, size };
    let linkage = fitted.tree().single_linkage();
    assert_eq!(
        linkage,
        [
            merge(0, 1, 1.0, 2),
            merge(2, 6, 2.0, 3),
            merge(3, 4, 2.0, 2),
            merge(5, 8, 4.0, 3),
            merge(7, 9, 17.0, 6)
        ]
    );

    // The root is 6; the cluster that is complete at 4 comes before that at 2.
    let leaves = |parent, child, distance: f64, child_size| CondensedRow {
        parent,
        child,
        lambda_val: 1.0 / distance,
        child_size,
    };
    let condensed = fitted.extraction().condensed_rows();
    assert_eq!(
        condensed,
        [
            leaves(6, 7, 17.0, 3),
            leaves(6, 8, 17.0, 3),
            leaves(7, 3, 4.0, 1),
            leaves(7, 4, 4.0, 1),
            leaves(7, 5, 4.0, 1),
            leaves(8, 0, 2.0, 1),
            leaves(8, 1, 2.0, 1),
            leaves(8, 2, 2.0, 1),
        ]
    );

    let clusters = fitted.extraction().cluster_rows();
    let stability = 3.0 * (0.5 - 1.0 / 17.0);
    let first = ClusterRow {
        label: 0,
        node: 8,
        size: 3,
        persistence: stability / (3.0 * 0.5),
        stability,
        birth_distance: 17.0,
        max_lambda: 0.5,
        mean_strength: 1.0,
    };
    assert_eq!(clusters[0], first);
    assert_eq!((clusters.len(), clusters[1].node, clusters[1].max_lambda), (2, 7, 0.25));

    let text = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        text(&|out| write_csv(&linkage[..2], out).unwrap()),
        "left,right,distance,size\n0,1,1,2\n2,6,2,3\n"
    );
    assert_eq!(
        text(&|out| write_json(&condensed[2..3], out).unwrap()),
        r#"[{"parent":7,"child":3,"lambda_val":0.25,"child_size":1}]"#
    );
    assert_eq!(
        text(&|out| write_csv(&clusters, out).unwrap()).lines().next().unwrap(),
        "label,node,size,persistence,stability,birth_distance,max_lambda,mean_strength"
    );
    let json = text(&|out| write_json(&clusters, out).unwrap());
    assert_eq!(serde_json::from_str::<Vec<ClusterRow>>(&json).unwrap(), clusters);
}

#[test]
fn exports_carry_infinity() {
    let x = [1.0, 1.0, 1.0, 5.0, 6.0, 7.0];
    let params = HdbscanParams { min_cluster_size: 3, min_samples: Some(1), ..Default::default() };
    let rows = fit(Features::new(&x, 1).unwrap(), params).extraction().condensed_rows();
    let at_once: Vec<&CondensedRow> = rows.iter().filter(|row| row.lambda_val.is_infinite()).collect();
    assert_eq!(at_once.iter().map(|row| row.child).collect::<Vec<_>>(), [0, 1, 2]);
    let (mut csv, mut json) = (Vec::new(), Vec::new());
    write_csv(&rows, &mut csv).unwrap();
    write_json(&rows, &mut json).unwrap();
    assert_eq!(String::from_utf8(csv).unwrap().matches(",inf,1\n").count(), 3);
    assert_eq!(serde_json::from_slice::<Vec<CondensedRow>>(&json).unwrap(), rows);
    assert_eq!(String::from_utf8(json).unwrap().matches("null").count(), 3);
}

#[test]
fn the_tree_of_assignments_by_hand() {
    let tree = nested().extraction().assignment_tree();
    let known = |distances: &[f64]| distances.iter().map(|d| Some(1.0 / d)).collect::<Vec<_>>();
    // The root, both pairs (that of b is complete at the larger distance), a1, a2, b1, b2.
    assert_eq!(tree.parent, [None, Some(0), Some(0), Some(2), Some(2), Some(1), Some(1)]);
    assert_eq!(tree.birth[0], Some(0.0));
    assert_eq!(tree.birth[1..], known(&[47.625, 47.625, 1.625, 1.625, 2.625, 2.625]));
    assert_eq!(tree.top, known(&[47.625, 2.625, 1.625, 0.125, 0.125, 0.125, 0.125]));
    assert_eq!(tree.holder, [None, None, None, Some(3), Some(4), Some(5), Some(6)]);
    assert_eq!(tree.label, Label::from_ids(&[-1, -1, -1, 0, 1, 2, 3]));
    assert_eq!(tree.row_cluster, [3, 4, 5, 6].map(|cluster| [cluster; 4]).concat());
    assert_eq!(tree.row_lambda, [Some(8.0); 16]);

    let x = [1.0, 1.0, 1.0, 5.0, 6.0, 7.0];
    let params = HdbscanParams { min_cluster_size: 3, min_samples: Some(1), ..Default::default() };
    let tree = fit(Features::new(&x, 1).unwrap(), params).extraction().assignment_tree();
    let json = r#"{"row_cluster":[2,2,2,1,1,1],"row_lambda":[null,null,null,1.0,1.0,1.0],"parent":[null,0,0],"birth":[0.0,0.25,0.25],"top":[0.25,1.0,null],"holder":[null,1,2],"label":[-1,1,0]}"#;
    assert_eq!(serde_json::to_string(&tree).unwrap(), json);
}

/// C-21: what is shared changes nothing.
#[test]
fn a_sweep_equals_single_fits() {
    let data = mixture(700, 3, 5);
    let base = HdbscanParams { min_cluster_size: 15, min_samples: Some(5), ..Default::default() };
    let settings = [
        base.clone(),
        HdbscanParams { min_cluster_size: 40, ..base.clone() },
        HdbscanParams { cluster_selection_method: Method::Leaf, prediction_data: false, ..base.clone() },
        HdbscanParams { min_samples: Some(12), ..base.clone() },
        HdbscanParams { metric: Metric::Manhattan, ..base.clone() },
        HdbscanParams { prediction: Prediction::Hdbscan, ..base.clone() },
        HdbscanParams { alpha: 1.5, plan: Plan::Tiled, ..base.clone() },
        HdbscanParams { n_clusters: Some(7), ..base.clone() },
    ];
    let swept = Hdbscan::sweep(data.features(), &settings).unwrap();
    assert_eq!(swept.len(), settings.len());
    for (got, params) in swept.iter().zip(settings) {
        let single = fit(data.features(), params.clone());
        assert_eq!(got.params(), &params);
        assert_eq!(got.extraction(), single.extraction(), "{params:?}");
        assert_eq!(got.tree(), single.tree(), "{params:?}");
        if params.prediction_data {
            assert_eq!(got.assign(data.features()).unwrap(), single.assign(data.features()).unwrap());
        } else {
            assert_eq!(got.assign(data.features()).unwrap_err().code(), "TSC-CLU-003");
        }
    }
    assert_eq!(swept[7].n_clusters(), 7);
    // One tree, not two equal ones.
    assert!(std::ptr::eq(swept[0].tree(), swept[1].tree()));
    assert!(!std::ptr::eq(swept[0].tree(), swept[3].tree()));
    assert!(Hdbscan::sweep(data.features(), &[]).unwrap().is_empty());
    let bad = [base.clone(), HdbscanParams { alpha: 0.0, min_cluster_size: 1, ..base }];
    let error = Hdbscan::sweep(data.features(), &bad).unwrap_err();
    assert_eq!(error.code(), "TSC-CLU-002");
    assert_eq!(
        error.to_string(),
        "[1].alpha is 0, must be above 0; [1].min_cluster_size is 1, must be at least 2"
    );
}

/// C-25.
#[test]
fn a_stored_model_is_at_most_the_rows_and_64_bytes_for_each() {
    for (n, d) in [(300, 1), (4000, 2), (1500, 20)] {
        let data = mixture(n, d, 1);
        let fitted = fit(data.features(), HdbscanParams { min_cluster_size: 25, ..Default::default() });
        let mut files = MemoryArtifacts::new();
        fitted.save(&mut files).unwrap();
        let bytes: usize = files.files().values().map(Vec::len).sum();
        assert!(bytes <= n * (8 * d + 64), "{bytes} bytes for {n} x {d}");
        assert!(bytes >= n * 8 * d, "the rows are kept");
    }
}

#[test]
fn notes_say_what_is_odd_and_what_to_try() {
    let noted = |noise: i32, sizes: &[u32]| {
        // Groups apart by 1,000, noise ever farther apart.
        let mut values = Vec::new();
        for (group, &size) in (0..).zip(sizes) {
            values.extend((0..size).map(|i| 1000.0 * f64::from(group) + 0.125 * f64::from(i)));
        }
        values.extend((0..noise).map(|i| 1e5 * 1.5f64.powi(i)));
        let params = HdbscanParams { min_cluster_size: 5, min_samples: Some(1), ..Default::default() };
        fit(Features::new(&values, 1).unwrap(), params).notes()
    };
    assert_eq!(noted(2, &[20, 20]), []);
    assert_eq!(noted(0, &[91, 9]), [FitNote::OneBlob { share: 0.91 }]);
    assert_eq!(noted(0, &[90, 10]), []);
    let params = HdbscanParams { min_cluster_size: 9, min_samples: Some(1), ..Default::default() };
    let chain: Vec<f64> = (0..12).map(|i| 3.0f64.powi(i)).collect();
    let none = fit(Features::new(&chain, 1).unwrap(), params).notes();
    assert_eq!(none, [FitNote::NoCluster]);
    let text = none[0].to_string();
    assert!(text.starts_with("no cluster was found, all samples are noise; lower min_samples"), "{text}");
    let blob = FitNote::OneBlob { share: 0.91 }.to_string();
    assert!(blob.starts_with("one cluster holds 91.0 % of the clustered samples; "), "{blob}");
    assert!(blob.contains("leaf"));
    let clipped = FitNote::MinSamplesClipped { asked: 9, used: 4 }.to_string();
    assert_eq!(
        clipped,
        "min_samples asks for 9 other samples, there are 4; add samples or lower min_samples"
    );
}

#[test]
fn almost_all_noise_is_noted() {
    // Two groups of 5 among 110 points that only ever join one by one.
    let mut values: Vec<f64> =
        (0..5).flat_map(|i| [0.001 * f64::from(i), 0.5 + 0.001 * f64::from(i)]).collect();
    // Each gap is wider than the one before.
    values.extend((1..=110).map(|i| 0.504 + 4.0 * (1.25f64.powi(i) - 1.0)));
    let n = values.len();
    let params = HdbscanParams { min_cluster_size: 5, min_samples: Some(1), ..Default::default() };
    let fitted = fit(Features::new(&values, 1).unwrap(), params);
    assert_eq!(fitted.extraction().sizes(), [5, 5]);
    let share = (n - 10) as f64 / n as f64;
    assert_eq!(fitted.notes(), [FitNote::AlmostAllNoise { share }]);
    let text = fitted.notes()[0].to_string();
    assert!(text.starts_with("91.7 % of the samples are noise; lower min_samples"), "{text}");
}

#[test]
fn suggested_parameters_come_near_the_best_size() {
    for (n, d, seed) in [(1000, 2, 1002), (1000, 5, 1005), (3000, 2, 3002), (3000, 5, 3005)] {
        let data = mixture(n, d, seed);
        let sizes = [0.1, 0.2, 0.3, 0.5, 0.7, 1.0].map(|f| ((n as f64).sqrt() * f).round().max(5.0) as usize);
        let mut settings = vec![HdbscanParams::suggested(n)];
        settings.extend(
            sizes.map(|min_cluster_size| HdbscanParams { min_cluster_size, ..HdbscanParams::suggested(n) }),
        );
        let fits = Hdbscan::sweep(data.features(), &settings).unwrap();
        let score = |f: &FittedHdbscan| ari(f.training_labels(), &data.labels);
        let best = fits[1..].iter().map(score).fold(0.0, f64::max);
        assert!(score(&fits[0]) >= best - 0.025, "{n} x {d}: {} of {best}", score(&fits[0]));
        assert!(best > 0.6, "{n} x {d}: {best}");
    }
}

#[derive(Debug)]
struct SumOfDifferences;

impl Distance for SumOfDifferences {
    fn distance(&self, a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + (a - b).abs())
    }
}

/// All outputs of a metric of the caller's, which is a built-in one by another name.
#[test]
fn a_metric_of_the_callers_has_every_output() {
    let data = mixture(300, 3, 8);
    let x = data.features();
    let with = |metric: Metric| {
        fit(x, HdbscanParams { min_cluster_size: 8, min_samples: Some(3), metric, ..Default::default() })
    };
    let (own, built_in) = (with(Metric::Custom(Arc::new(SumOfDifferences))), with(Metric::Manhattan));
    assert!(own.n_clusters() > 3);
    assert_eq!(own.extraction(), built_in.extraction());
    assert_eq!(own.assign(x).unwrap(), built_in.assign(x).unwrap());
    assert_eq!(own.memberships(x).unwrap(), built_in.memberships(x).unwrap());
    assert_eq!(own.medoids().unwrap(), built_in.medoids().unwrap());
    // Code cannot be stored.
    let error = own.save(&mut MemoryArtifacts::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Artifact);
}

#[test]
fn members_list_every_label() {
    let fitted = nested();
    let expected: Vec<Vec<u32>> = (0..4).map(|g| (4 * g..4 * g + 4).collect()).collect();
    assert_eq!(fitted.extraction().members(), expected);
}

/// An extraction of distances has the same exports.
#[test]
fn a_tree_of_distances_can_be_exported() {
    let values = [1.0, 5.0, 4.0];
    let params = HdbscanParams { min_cluster_size: 2, min_samples: Some(1), ..Default::default() };
    let condensed = Distances::Condensed { values: &values, n_samples: 3 };
    let tree = Hdbscan::new(params).unwrap().fit_distances(condensed).unwrap();
    assert_eq!(tree.single_linkage()[1], LinkageRow { left: 2, right: 3, distance: 4.0, size: 3 });
}
