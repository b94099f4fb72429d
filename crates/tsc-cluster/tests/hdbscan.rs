//! The trait's suite, properties T-04, adversarial inputs T-05, storage, and each refused parameter.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use tsc_cluster::{
    Assignment, Clusterer, ClustererExt, Counts, Detail, Edge, Features, FitNote, FittedClusterer,
    FittedClustererExt, FittedHdbscan, Hdbscan, HdbscanParams, Label, Method, Metric, Plan, Prediction,
    Scratch, Selection,
};
use tsc_core::{ArtifactSource, BoxClusterer, ErrorKind, MemoryArtifacts, Save, StoredKind};
#[cfg(feature = "rayon")]
use tsc_testing::mixture;
use tsc_testing::{blobs, clusterer, same_partition, shuffled};

fn fit(x: Features<'_>, params: HdbscanParams) -> FittedHdbscan {
    Hdbscan::new(params).unwrap().fit(x).unwrap()
}

fn ids(fitted: &FittedHdbscan) -> Vec<i32> {
    fitted.training_labels().iter().map(|l| l.id()).collect()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn every_form_keeps_the_protocol() {
    let default = Hdbscan::new(HdbscanParams::default()).unwrap();
    clusterer::suite(&default);
    clusterer::suite::<BoxClusterer>(&default.boxed());
    let others = [
        HdbscanParams { cluster_selection_method: Method::Leaf, ..Default::default() },
        HdbscanParams { allow_single_cluster: true, ..Default::default() },
        HdbscanParams { metric: Metric::Manhattan, cluster_selection_epsilon: 0.4, ..Default::default() },
        HdbscanParams { cluster_selection_persistence: 0.1, alpha: 1.3, ..Default::default() },
    ];
    for params in others {
        clusterer::suite(&Hdbscan::new(params).unwrap());
    }
}

#[test]
fn fitted_clusters_are_send_sync_and_debug() {
    fn check<T: Send + Sync + Unpin + std::fmt::Debug>() {}
    check::<FittedHdbscan>();
    check::<Hdbscan>();
}

/// F-16: the seed's fit aborted where a score was not defined.
#[test]
fn f16_no_cluster_and_one_cluster_are_results() {
    let data = blobs(60, &[&[0.0, 0.0]], 1.0, 7);
    let none = fit(data.features(), HdbscanParams { min_cluster_size: 40, ..Default::default() });
    assert_eq!((none.n_clusters(), tsc_core::noise_ratio(none.training_labels())), (0, 1.0));
    let params = HdbscanParams {
        min_cluster_size: 20,
        allow_single_cluster: true,
        cluster_selection_epsilon: 3.0,
        ..Default::default()
    };
    let one = fit(data.features(), params);
    assert_eq!(one.n_clusters(), 1);
    for fitted in [none, one] {
        let labels = fitted.training_labels();
        let q =
            tsc_cluster::quality(data.features(), labels, &tsc_cluster::QualityParams::default()).unwrap();
        assert_eq!((q.silhouette, q.calinski_harabasz, q.davies_bouldin), (None, None, None));
        assert_eq!(tsc_cluster::dbcv(data.features(), labels).unwrap(), None);
        assert_eq!(fitted.assign(data.features()).unwrap().len(), 60);
    }
}

/// F-18: seen from the clusterer; the fallback has its own test.
#[test]
fn f18_a_point_1000_deviations_away_is_noise() {
    let data = blobs(100, &[&[0.0, 0.0], &[10.0, 0.0]], 1.0, 3);
    let fitted = fit(data.features(), HdbscanParams::default());
    let far = Features::new(&[1000.0, 1000.0, 1e308, -1e308], 2).unwrap();
    assert_eq!(fitted.assign(far).unwrap(), [Assignment::NOISE; 2]);
    let mut details = [Detail { outlier_score: 0.5, ..Detail::NOISE }; 2];
    fitted.assign_detailed_into(far, &mut details).unwrap();
    assert!(details[0].outlier_score > 0.99);
    // Distances that overflow.
    assert_eq!(details[1].outlier_score, 1.0);
    let memberships = fitted.memberships(far).unwrap();
    assert!(memberships.iter().all(|m| (0.0..0.1).contains(m)), "{memberships:?}");
    let params = HdbscanParams { prediction: Prediction::Hdbscan, ..Default::default() };
    assert_eq!(fit(data.features(), params).assign(far).unwrap(), [Assignment::NOISE; 2]);
}

#[test]
fn c01_min_samples_counts_others_or_the_sample_too() {
    let x = [0.0, 1.0, 3.0, 6.0, 10.0];
    let x = Features::new(&x, 1).unwrap();
    let core = |min_samples, min_samples_counts| {
        let p = HdbscanParams { min_cluster_size: 2, min_samples, min_samples_counts, ..Default::default() };
        let fitted = fit(x, p);
        (fitted.tree().core_distances().to_vec(), fitted.notes())
    };
    assert_eq!(core(Some(2), Counts::Others).0, [3.0, 2.0, 3.0, 4.0, 7.0]);
    assert_eq!(core(Some(3), Counts::OthersAndSelf).0, [3.0, 2.0, 3.0, 4.0, 7.0]);
    assert_eq!(core(None, Counts::Others).0, [3.0, 2.0, 3.0, 4.0, 7.0]);
    let (clipped, notes) = core(Some(9), Counts::Others);
    assert_eq!(clipped, [10.0, 9.0, 7.0, 6.0, 10.0]);
    assert_eq!(notes, [FitNote::MinSamplesClipped { asked: 9, used: 4 }, FitNote::NoCluster]);
}

#[test]
fn c08_identical_samples_give_limits_instead_of_nan() {
    let x = [2.0; 30];
    let params = HdbscanParams { allow_single_cluster: true, ..Default::default() };
    let fitted = fit(Features::new(&x, 3).unwrap(), params);
    let e = fitted.extraction();
    assert_eq!(ids(&fitted), [0; 10]);
    assert_eq!(
        (e.strengths(), e.outlier_scores(), e.persistence()),
        (&[1.0; 10][..], &[0.0; 10][..], &[1.0][..])
    );
    assert_eq!(fit(Features::new(&x, 3).unwrap(), HdbscanParams::default()).n_clusters(), 0);
}

/// C-12: every step over the tree is a loop. Also the deepest and the widest condensed tree there are.
#[test]
fn c12_chain_and_star_of_two_million_samples_need_no_stack() {
    let n = 2_000_000u32;
    // Ever longer steps: each sample joins the one group there is. With a minimum of 2 every second step
    // may join two groups instead: pairs, then pairs with all before them.
    let chain = |weight: fn(u32) -> f64| -> Vec<Edge> {
        (1..n).map(|b| Edge { a: b - 1, b, weight: weight(b) }).collect()
    };
    let star: Vec<Edge> = (1..n).map(|b| Edge { a: 0, b, weight: f64::from(b) }).collect();
    let equal_star: Vec<Edge> = (1..n).map(|b| Edge { a: 0, b, weight: 1.0 }).collect();
    let pairs = chain(|b| if b % 2 == 1 { 0.5 } else { f64::from(b) });
    let cases = [(chain(f64::from), 1), (pairs, n as usize - 1), (star, 1), (equal_star, 1)];
    let run = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
        for (edges, expected) in cases {
            let params = HdbscanParams { min_cluster_size: 2, min_samples: Some(1), ..Default::default() };
            let hdbscan = Hdbscan::new(params.clone()).unwrap();
            let tree = hdbscan.fit_edges(vec![0.0; n as usize], edges).unwrap();
            let base = params.selection();
            let mut selections = vec![base.clone()];
            if expected > 1 {
                selections.extend([
                    Selection { method: Method::Leaf, epsilon: 3.0, ..base.clone() },
                    Selection { persistence: 1e-9, allow_single_cluster: true, ..base.clone() },
                    Selection { n_clusters: Some(3), ..base },
                ]);
            }
            for selection in selections {
                let e = tree.extract(&selection).unwrap();
                assert_eq!(e.labels().len(), n as usize);
                if selection.persistence == 0.0 {
                    assert_eq!(e.condensed_tree().clusters.len(), expected);
                }
                // From the bottom of the tree to its top: the farthest query.
                let mut far = vec![1e9; n as usize];
                far[0] = 1e8;
                let detail = tree.assign_distances(&e, &far).unwrap();
                assert_eq!((detail.label, detail.nearest), (Label::NOISE, 0));
            }
            assert_eq!(tree.single_linkage().len(), n as usize - 1);
            assert_eq!(tree.dbscan_cut(0.75, 2).len(), n as usize);
        }
    });
    run.unwrap().join().unwrap();
}

/// The same by features.
#[test]
fn c12_a_long_chain_of_rows_needs_no_stack() {
    let values: Vec<f64> = (0..6000).map(|i| f64::from(i) + 1e-6 * f64::from(i) * f64::from(i)).collect();
    let run = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
        let x = Features::new(&values, 1).unwrap();
        let params = HdbscanParams { min_cluster_size: 2, min_samples: Some(1), ..Default::default() };
        fit(x, params).assign(x).unwrap().len()
    });
    assert_eq!(run.unwrap().join().unwrap(), 6000);
}

/// T-05: the labels by hand under the defaults, and sound outcomes under other settings too.
#[track_caller]
fn adversarial(values: &[f64], d: usize, groups: &[i32]) {
    let x = Features::new(values, d).unwrap();
    let default = HdbscanParams::default;
    let fitted = fit(x, default());
    assert_eq!(ids(&fitted), groups);
    check_outcomes(&fitted, x);
    for params in [
        HdbscanParams { min_cluster_size: x.n_samples(), ..default() },
        HdbscanParams { min_cluster_size: 2, min_samples: Some(1), ..default() },
        HdbscanParams { allow_single_cluster: true, cluster_selection_epsilon: 1.0, ..default() },
        HdbscanParams { cluster_selection_method: Method::Leaf, metric: Metric::Manhattan, ..default() },
        HdbscanParams { cluster_selection_persistence: 1e-3, metric: Metric::Chebyshev, ..default() },
    ] {
        check_outcomes(&fit(x, params), x);
    }
}

/// `n` times the same label for each given one.
fn runs(labels: &[i32], n: usize) -> Vec<i32> {
    labels.iter().flat_map(|&l| vec![l; n]).collect()
}

#[test]
fn t05_chain() {
    let chain: Vec<f64> = (0..40).map(f64::from).collect();
    // One density throughout: nothing splits off.
    adversarial(&chain, 1, &[-1; 40]);
    let two: Vec<f64> = chain.iter().map(|v| v + if *v < 20.0 { 0.0 } else { 9.0 }).collect();
    adversarial(&two, 1, &runs(&[0, 1], 20));
}

#[test]
fn t05_star() {
    // A centre and two rays along each of ten axes, twice.
    let star = |at: f64| {
        let mut rows = vec![vec![at; 10]];
        for axis in 0..20 {
            let mut row = vec![at; 10];
            row[axis / 2] += if axis % 2 == 0 { 1.0 } else { -1.0 };
            rows.push(row);
        }
        rows.concat()
    };
    adversarial(&star(0.0), 10, &[-1; 21]);
    adversarial(&[star(0.0), star(50.0)].concat(), 10, &runs(&[0, 1], 21));
}

#[test]
fn t05_grid() {
    let grid = |at: f64| (0..64).flat_map(move |i| [at + f64::from(i % 8), f64::from(i / 8)]);
    adversarial(&grid(0.0).collect::<Vec<f64>>(), 2, &[-1; 64]);
    adversarial(&grid(0.0).chain(grid(30.0)).collect::<Vec<f64>>(), 2, &runs(&[0, 1], 64));
    let huge: Vec<f64> = grid(0.0).chain(grid(30.0)).map(|v| v * 1e150).collect();
    adversarial(&huge, 2, &runs(&[0, 1], 64));
}

#[test]
fn t05_all_equal() {
    adversarial(&[3.5; 60], 2, &[-1; 30]);
}

#[test]
fn t05_two_values() {
    let values: Vec<f64> = (0..40).map(|i| f64::from(i % 2)).collect();
    let alternating: Vec<i32> = (0..40).map(|i| i % 2).collect();
    adversarial(&values, 1, &alternating);
}

#[test]
fn t05_as_many_samples_as_min_cluster_size() {
    adversarial(&[0.0, 1.0, 2.0, 3.0, 4.0], 1, &[-1; 5]);
    // The ends have their third neighbour at 3; no five are nearer together.
    let one = |cluster_selection_epsilon: f64| {
        let params =
            HdbscanParams { allow_single_cluster: true, cluster_selection_epsilon, ..Default::default() };
        ids(&fit(Features::new(&[0.0, 1.0, 2.0, 3.0, 4.0], 1).unwrap(), params))
    };
    assert_eq!((one(3.0), one(2.9)), (vec![0; 5], vec![-1; 5]));
}

#[test]
fn t05_one_feature() {
    let values: Vec<f64> = (0..30).map(|i| f64::from(i % 10) * 0.5 + 100.0 * f64::from(i / 10)).collect();
    adversarial(&values, 1, &runs(&[0, 1, 2], 10));
}

#[test]
fn t05_500_features() {
    let centers: [Vec<f64>; 2] = [vec![0.0; 500], vec![3.0; 500]];
    let data = blobs(30, &[&centers[0], &centers[1]], 1.0, 8);
    // Numbered by smallest member.
    let first = data.labels[0];
    let groups: Vec<i32> = data.labels.iter().map(|l| i32::from(*l != first)).collect();
    adversarial(&data.values, 500, &groups);
}

#[test]
fn t05_one_feature_1e12_times_larger() {
    // The small feature would make two groups, the large one makes three: it alone is seen.
    let values: Vec<f64> =
        (0..60).flat_map(|i| [f64::from(i % 2), 1e12 * f64::from(i % 3) + 1e9 * f64::from(i / 3)]).collect();
    let groups: Vec<i32> = (0..60).map(|i| i % 3).collect();
    adversarial(&values, 2, &groups);
}

#[test]
fn t05_denormals() {
    // Squares of these differences are 0, so all are one; their sums are not.
    let steps: Vec<f64> = (0..40).map(|i| (f64::from(i % 20) + 400.0 * f64::from(i / 20)) * 5e-324).collect();
    adversarial(&steps, 1, &[-1; 40]);
    let params = HdbscanParams { metric: Metric::Manhattan, ..Default::default() };
    let x = Features::new(&steps, 1).unwrap();
    // 1 / distance is infinite for all of them: every one is as dense as can be.
    check_outcomes(&fit(x, params), x);
    let tiny: Vec<f64> = (0..40).map(|i| (f64::from(i % 20) + 400.0 * f64::from(i / 20)) * 1e-150).collect();
    adversarial(&tiny, 1, &runs(&[0, 1], 20));
}

/// Bounds, and C-30: a training sample gets its training outcome to the bit.
#[track_caller]
fn check_outcomes(fitted: &FittedHdbscan, x: Features<'_>) {
    let e = fitted.extraction();
    let unit = |v: &f64| (0.0..=1.0).contains(v);
    assert!(e.strengths().iter().all(unit) && e.outlier_scores().iter().all(unit));
    assert!(e.persistence().iter().all(|v| v.is_finite()));
    let mut out = vec![Detail::NOISE; x.n_samples()];
    fitted.assign_detailed_into(x, &mut out).unwrap();
    for (row, d) in out.iter().enumerate() {
        assert_eq!(d.label, fitted.training_labels()[row], "label of row {row}");
        assert_eq!(d.strength.to_bits(), e.strengths()[row].to_bits(), "strength of row {row}");
        assert_eq!(d.outlier_score.to_bits(), e.outlier_scores()[row].to_bits(), "score of row {row}");
    }
    let k = fitted.n_clusters();
    for row in fitted.memberships(x).unwrap().chunks_exact(k.max(1)) {
        let sum: f64 = row.iter().sum();
        assert!(row.iter().all(|v| *v >= 0.0) && sum <= 1.0 + 1e-12, "{row:?}");
    }
}

/// Many ties: half-integer cells, so equal distances and equal rows are common.
fn tied_rows() -> impl Strategy<Value = (Vec<f64>, usize)> {
    (1usize..4).prop_flat_map(|d| {
        prop::collection::vec(0i32..12, d * 12..d * 70).prop_map(move |cells| {
            let whole = cells.len() / d * d;
            (cells[..whole].iter().map(|&c| f64::from(c) / 2.0).collect(), d)
        })
    })
}

fn stored_and_loaded(fitted: &FittedHdbscan) -> FittedHdbscan {
    let mut files = MemoryArtifacts::new();
    fitted.save(&mut files).unwrap();
    let source: &dyn ArtifactSource = &files;
    let stored = StoredKind::from(fitted.kind());
    Hdbscan::new(HdbscanParams::default()).unwrap().restore(&stored, source).unwrap()
}

fn some_params() -> impl Strategy<Value = HdbscanParams> {
    let epsilon = prop_oneof![Just(0.0), Just(0.6), Just(1.1)];
    (2usize..7, 1usize..6, any::<bool>(), any::<bool>(), epsilon, any::<bool>()).prop_map(
        |(min_cluster_size, min_samples, leaf, single, epsilon, persistent)| HdbscanParams {
            min_cluster_size,
            min_samples: Some(min_samples),
            cluster_selection_method: if leaf { Method::Leaf } else { Method::Eom },
            allow_single_cluster: single,
            cluster_selection_epsilon: epsilon,
            cluster_selection_persistence: if persistent { 0.3 } else { 0.0 },
            ..Default::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// T-04: C-04, C-11, C-30, C-33 on data full of ties.
    #[test]
    fn order_threads_chunks_and_storage_change_no_bit(
        (values, d) in tied_rows(), params in some_params(), seed in 0u64..1000,
    ) {
        let x = Features::new(&values, d).unwrap();
        let fitted = fit(x, params.clone());
        check_outcomes(&fitted, x);

        let order = shuffled(x.n_samples(), seed);
        let mut buffer = Vec::new();
        let permuted = fit(x.gather(&order, &mut buffer), params.clone());
        let moved: Vec<Label> = order.iter().map(|&r| fitted.training_labels()[r]).collect();
        prop_assert!(same_partition(permuted.training_labels(), &moved));
        let through = |v: &[f64]| order.iter().map(|&r| v[r].to_bits()).collect::<Vec<u64>>();
        let (a, b) = (fitted.extraction(), permuted.extraction());
        prop_assert_eq!(through(a.strengths()), bits(b.strengths()));
        prop_assert_eq!(through(a.outlier_scores()), bits(b.outlier_scores()));
        let sorted = |v: &[f64]| { let mut v = bits(v); v.sort_unstable(); v };
        prop_assert_eq!(sorted(a.persistence()), sorted(b.persistence()));

        for plan in [Plan::KdTree, Plan::Tiled] {
            let other = fit(x, HdbscanParams { plan, ..params.clone() });
            prop_assert_eq!(other.extraction(), fitted.extraction());
        }

        // New rows: whole, one by one, and from the stored form.
        let queries: Vec<f64> = values.iter().map(|v| v + 0.2).collect();
        let q = Features::new(&queries, d).unwrap();
        let whole = fitted.assign(q).unwrap();
        let loaded = stored_and_loaded(&fitted);
        prop_assert_eq!(loaded.params(), fitted.params());
        prop_assert_eq!(loaded.extraction(), fitted.extraction());
        prop_assert_eq!(loaded.assign(q).unwrap(), whole.clone());
        let mut scratch = Scratch::new();
        for (row, whole) in q.rows().zip(&whole) {
            let one = fitted.assign_one(row, &mut scratch).unwrap();
            prop_assert_eq!((one.label, one.strength.to_bits()), (whole.label, whole.strength.to_bits()));
        }
    }

    /// C-10: the weights of the least tree of all pairs, whatever the metric, alpha and plan.
    #[test]
    fn the_tree_is_minimal_for_every_metric(
        (values, d) in tied_rows(), k in 1usize..6, alpha in prop_oneof![Just(1.0), 0.4f64..2.5], which in 0usize..6,
    ) {
        let metrics = [
            Metric::Euclidean,
            Metric::Manhattan,
            Metric::Chebyshev,
            Metric::Minkowski(3.0),
            Metric::Minkowski(1.5),
            Metric::Cosine,
        ];
        let metric = metrics[which].clone();
        // No row of zeros, which has no direction.
        let values: Vec<f64> = values.iter().map(|v| v + 0.25).collect();
        let x = Features::new(&values, d).unwrap();
        let n = x.n_samples();
        let distance: Vec<Vec<f64>> =
            x.rows().map(|a| x.rows().map(|b| metric.distance(a, b)).collect()).collect();
        let core: Vec<f64> = (0..n).map(|a| {
            let mut others: Vec<f64> = (0..n).filter(|&b| b != a).map(|b| distance[a][b]).collect();
            others.sort_by(f64::total_cmp);
            others[k.min(n - 1) - 1]
        }).collect();
        let mut edges: Vec<(f64, usize, usize)> = (0..n)
            .flat_map(|a| (a + 1..n).map(move |b| (a, b)))
            .map(|(a, b)| ((distance[a][b] / alpha).max(core[a]).max(core[b]), a, b))
            .collect();
        edges.sort_by(|x, y| x.0.total_cmp(&y.0));
        let mut group: Vec<usize> = (0..n).collect();
        let mut weights = Vec::new();
        for (weight, a, b) in edges {
            let (a, b) = (group[a], group[b]);
            if a != b {
                group.iter_mut().filter(|g| **g == b).for_each(|g| *g = a);
                weights.push(weight);
            }
        }
        for plan in [Plan::Auto, Plan::KdTree, Plan::Tiled] {
            let metric = metric.clone();
            let p = HdbscanParams { min_cluster_size: 2, min_samples: Some(k), metric, alpha, plan, ..Default::default() };
            let tree = fit(x, p);
            prop_assert_eq!(bits(tree.tree().core_distances()), bits(&core));
            let ours: Vec<f64> = tree.tree().mst().edges().iter().map(|e| e.weight).collect();
            prop_assert_eq!(bits(&ours), bits(&weights));
        }
    }

    /// C-04: equal rows cannot be told apart.
    #[test]
    fn identical_samples_have_identical_outcomes((values, d) in tied_rows(), params in some_params()) {
        let x = Features::new(&values, d).unwrap();
        let fitted = fit(x, params);
        let (e, k) = (fitted.extraction(), fitted.n_clusters());
        let memberships = fitted.training_memberships().unwrap();
        prop_assert_eq!(bits(&memberships), bits(&fitted.memberships(x).unwrap()));
        for a in 0..x.n_samples() {
            for b in (0..a).filter(|&b| x.row(a) == x.row(b)) {
                let outcome = |r: usize| {
                    let own = bits(&memberships[r * k..(r + 1) * k]);
                    (e.labels()[r], e.strengths()[r].to_bits(), e.outlier_scores()[r].to_bits(), own)
                };
                prop_assert_eq!(outcome(a), outcome(b), "rows {} and {}", a, b);
            }
        }
    }

    /// C-32, C-33: hdbscan's rule too gives one answer whole, one by one, and from the stored form.
    #[test]
    fn hdbscans_rule_of_prediction_is_stored_and_chunked((values, d) in tied_rows(), params in some_params()) {
        let x = Features::new(&values, d).unwrap();
        let fitted = fit(x, HdbscanParams { prediction: Prediction::Hdbscan, ..params });
        let queries: Vec<f64> = values.iter().map(|v| v + 0.2).collect();
        let q = Features::new(&queries, d).unwrap();
        let whole = fitted.assign(q).unwrap();
        let loaded = stored_and_loaded(&fitted);
        prop_assert_eq!(loaded.params(), fitted.params());
        prop_assert_eq!(loaded.assign(q).unwrap(), whole.clone());
        let mut scratch = Scratch::new();
        for (row, whole) in q.rows().zip(&whole) {
            let one = fitted.assign_one(row, &mut scratch).unwrap();
            prop_assert_eq!((one.label, one.strength.to_bits()), (whole.label, whole.strength.to_bits()));
        }
    }

    /// T-04: the same clusters when every row is doubled, k others become 2k + 1, and m becomes 2m.
    #[test]
    fn doubling_every_row_keeps_the_partition((values, d) in tied_rows(), k in 1usize..4, m in 2usize..5) {
        let x = Features::new(&values, d).unwrap();
        let p = HdbscanParams { min_cluster_size: m, min_samples: Some(k), ..Default::default() };
        let single = fit(x, p.clone());
        let twice: Vec<f64> = values.iter().chain(&values).copied().collect();
        let p = HdbscanParams { min_cluster_size: 2 * m, min_samples: Some(2 * k + 1), ..p };
        let double = fit(Features::new(&twice, d).unwrap(), p);
        prop_assert_eq!(&double.training_labels()[..x.n_samples()], single.training_labels());
        prop_assert_eq!(&double.training_labels()[x.n_samples()..], single.training_labels());
    }

    /// T-04: scaling by 2 is exact, so nothing but the unit of the distances changes.
    #[test]
    fn scaling_by_two_changes_no_bit((values, d) in tied_rows(), params in some_params()) {
        let params = HdbscanParams { cluster_selection_epsilon: 0.0, cluster_selection_persistence: 0.0, ..params };
        let twice: Vec<f64> = values.iter().map(|v| 2.0 * v).collect();
        let a = fit(Features::new(&values, d).unwrap(), params.clone());
        let b = fit(Features::new(&twice, d).unwrap(), params);
        prop_assert_eq!(a.training_labels(), b.training_labels());
        prop_assert_eq!(bits(a.extraction().strengths()), bits(b.extraction().strengths()));
        prop_assert_eq!(bits(a.extraction().outlier_scores()), bits(b.extraction().outlier_scores()));
    }

    /// C-22: a cut equals the components of the thresholded graph.
    #[test]
    fn a_cut_equals_the_thresholded_components((values, d) in tied_rows(), step in 1u32..9) {
        let x = Features::new(&values, d).unwrap();
        let params = HdbscanParams { min_cluster_size: 4, min_samples: Some(2), ..Default::default() };
        let fitted = fit(x, params);
        let (tree, n) = (fitted.tree(), x.n_samples());
        let epsilon = f64::from(step) * 0.3;
        let core = tree.core_distances();
        let near = |a: usize, b: usize| {
            Metric::Euclidean.distance(x.row(a), x.row(b)).max(core[a]).max(core[b]) < epsilon
        };
        let mut component: Vec<usize> = (0..n).collect();
        loop {
            let before = component.clone();
            for a in 0..n {
                for b in (0..n).filter(|&b| b != a && near(a, b)) {
                    component[a] = component[a].min(component[b]);
                }
            }
            if component == before { break; }
        }
        let size = |c: usize| component.iter().filter(|&&o| o == c).count();
        let mut seen = Vec::new();
        let expected: Vec<i32> = component.iter().map(|&c| {
            if size(c) < 4 { return -1; }
            let at = seen.iter().position(|&s| s == c).unwrap_or_else(|| { seen.push(c); seen.len() - 1 });
            at as i32
        }).collect();
        prop_assert_eq!(tree.dbscan_cut(epsilon, 4), Label::from_ids(&expected));
    }

    /// C-21: choosing again from the same tree is fitting with those parameters.
    #[test]
    fn another_selection_equals_another_fit((values, d) in tied_rows(), a in some_params(), b in some_params()) {
        let x = Features::new(&values, d).unwrap();
        let b = HdbscanParams { min_samples: a.min_samples, ..b };
        let chosen = fit(x, a).with_selection(b.selection()).unwrap();
        let fitted = fit(x, b);
        prop_assert_eq!(chosen.extraction(), fitted.extraction());
        prop_assert_eq!(chosen.params(), fitted.params());
    }
}

/// C-11, C-33: the stored model, and so every measured number, has the same bytes for any thread count.
#[cfg(feature = "rayon")]
#[test]
fn one_thread_and_many_give_the_same_bits() {
    let data = mixture(1500, 5, 3);
    let queries: Vec<f64> = data.values.iter().map(|v| v + 0.3).collect();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let fitted = fit(data.features(), HdbscanParams { min_cluster_size: 25, ..Default::default() });
            assert!(fitted.n_clusters() > 5);
            let mut files = MemoryArtifacts::new();
            fitted.save(&mut files).unwrap();
            let q = Features::new(&queries, 5).unwrap();
            let strengths: Vec<u64> =
                fitted.assign(q).unwrap().iter().map(|a| a.strength.to_bits()).collect();
            (files, strengths, bits(&fitted.memberships(q).unwrap()))
        })
    };
    let one = run(1);
    for threads in [2, 4, 8] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

#[test]
fn damaged_files_are_errors_and_never_panics() {
    let data = blobs(12, &[&[0.0, 0.0], &[9.0, 1.0]], 0.5, 2);
    let fitted = fit(data.features(), HdbscanParams::default());
    let mut files = MemoryArtifacts::new();
    fitted.save(&mut files).unwrap();
    let good = files.get("model.postcard").unwrap();
    let load = |bytes: Vec<u8>| {
        let mut files = MemoryArtifacts::new();
        files.overwrite("model.postcard", bytes);
        let stored = StoredKind { name: "hdbscan".into(), version: 2 };
        let source: &dyn ArtifactSource = &files;
        tsc_core::restore::<FittedHdbscan>(&stored, source)
    };
    for cut in 0..good.len() {
        assert_eq!(load(good[..cut].to_vec()).unwrap_err().kind(), ErrorKind::Artifact, "cut at {cut}");
    }
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(load(longer).unwrap_err().kind(), ErrorKind::Artifact);
    let mut refused = 0;
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            match load(bytes) {
                // A flipped bit of a value leaves a sound model with another value.
                Ok(model) if model.n_features() == 2 => {
                    let _answers = model.assign(data.features()).map(|a| a.len());
                }
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Artifact, "{error:?}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 100, "{refused} of the damaged files were refused");
}

/// Every field away from its default.
#[test]
fn all_parameters_are_stored() {
    let data = blobs(20, &[&[0.0, 0.0], &[9.0, 1.0]], 0.5, 2);
    let params = HdbscanParams {
        min_cluster_size: 7,
        min_samples: None,
        min_samples_counts: Counts::OthersAndSelf,
        metric: Metric::Minkowski(2.5),
        alpha: 1.25,
        cluster_selection_method: Method::Eom,
        cluster_selection_epsilon: 0.01,
        cluster_selection_epsilon_max: Some(50.0),
        cluster_selection_persistence: 0.001,
        max_cluster_size: Some(25),
        allow_single_cluster: true,
        n_clusters: Some(2),
        prediction_data: true,
        prediction: Prediction::Hdbscan,
        plan: Plan::Tiled,
        max_matrix_bytes: 12345,
    };
    let fitted = fit(data.features(), params);
    let loaded = stored_and_loaded(&fitted);
    assert_eq!(loaded.params(), fitted.params());
    assert_eq!(loaded.extraction(), fitted.extraction());
    assert_eq!(loaded.tree(), fitted.tree());
    assert_eq!(loaded.n_clusters(), 2);
}

#[test]
fn another_kind_or_a_newer_version_is_refused_naming_both() {
    let files = MemoryArtifacts::new();
    let source: &dyn ArtifactSource = &files;
    let stored = StoredKind { name: "kmeans".into(), version: 3 };
    let error = Hdbscan::new(HdbscanParams::default()).unwrap().restore(&stored, source).unwrap_err();
    assert_eq!(error.to_string(), "stored model is kmeans v3, this build reads hdbscan up to v2");
    let stored = StoredKind { name: "hdbscan".into(), version: 1 };
    let error = tsc_core::restore::<FittedHdbscan>(&stored, source).unwrap_err();
    assert_eq!(error.to_string(), "stored model is hdbscan v1, this build reads hdbscan v2");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Artifact, "TSC-ART-001"));
}

#[test]
fn without_prediction_data_assigning_is_an_error_that_names_the_key() {
    let data = blobs(30, &[&[0.0], &[9.0]], 0.5, 2);
    let params = HdbscanParams { prediction_data: false, ..Default::default() };
    let fitted = fit(data.features(), params);
    let with = fit(data.features(), HdbscanParams::default());
    assert_eq!(fitted.training_labels(), with.training_labels());
    let mut out = [Assignment { label: Label::NOISE, strength: 0.25 }; 60];
    let error = fitted.assign_into(data.features(), &mut out).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Prediction, "TSC-CLU-003"));
    assert!(error.help().unwrap().contains("prediction_data"));
    assert!(out.iter().all(|a| a.strength == 0.25));
    let stored = StoredKind::from(fitted.kind());
    let mut files = MemoryArtifacts::new();
    fitted.save(&mut files).unwrap();
    let source: &dyn ArtifactSource = &files;
    let loaded: FittedHdbscan = tsc_core::restore(&stored, source).unwrap();
    assert_eq!(loaded.extraction(), fitted.extraction());
}

#[test]
fn too_few_samples_are_named() {
    let x = Features::new(&[1.0, 2.0, 3.0], 1).unwrap();
    let error = Hdbscan::new(HdbscanParams::default()).unwrap().fit(x).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Training, "TSC-CLU-001"));
    assert_eq!(error.to_string(), "3 samples are fewer than min_cluster_size 5");
}

/// Section 9: what a metric asks of the rows, and distances that are no numbers.
#[test]
fn rows_that_a_metric_cannot_measure_are_refused() {
    let check = |values: &[f64], d: usize, metric: Metric, part: &str| {
        let params = HdbscanParams { min_cluster_size: 2, metric, ..Default::default() };
        let error = Hdbscan::new(params).unwrap().fit(Features::new(values, d).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains(part), "{error}");
    };
    check(&[1.0, 1.0, 0.0, 0.0, 2.0, 1.0], 2, Metric::Cosine, "1");
    check(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 3, Metric::Haversine, "3");
    check(&[0.0, 0.0, 1.0, 1e200, 2.0, -1e200], 2, Metric::Euclidean, "feature 1");
    // A new row is asked the same.
    let params = HdbscanParams { min_cluster_size: 2, metric: Metric::Cosine, ..Default::default() };
    let fitted = fit(Features::new(&[1.0, 1.0, 1.0, 2.0, 2.0, 1.0], 2).unwrap(), params);
    let mut out = [Assignment { label: Label::NOISE, strength: 0.25 }; 2];
    let zero = Features::new(&[1.0, 1.0, 0.0, 0.0], 2).unwrap();
    assert_eq!(fitted.assign_into(zero, &mut out).unwrap_err().kind(), ErrorKind::InvalidData);
    let wide = Features::new(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 3).unwrap();
    assert_eq!(fitted.assign_into(wide, &mut out).unwrap_err().kind(), ErrorKind::InvalidData);
    assert!(out.iter().all(|a| a.strength == 0.25), "out is untouched");
    let mut few = vec![0.5; fitted.n_clusters() * 2];
    assert_eq!(fitted.membership_into(zero, &mut few).unwrap_err().kind(), ErrorKind::InvalidData);
    assert!(few.iter().all(|v| *v == 0.5), "out is untouched");
    let mut scratch = Scratch::new();
    assert!(fitted.assign_one(&[f64::NAN, 1.0], &mut scratch).is_err());
    assert!(fitted.assign_one(&[1.0], &mut scratch).is_err());
}

#[track_caller]
fn refused(params: HdbscanParams, message: &str) {
    let error = Hdbscan::new(params).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidConfig, "TSC-CLU-002"));
    assert_eq!(error.to_string(), message);
}

#[test]
fn each_bad_parameter_is_refused_with_its_bound() {
    let d = HdbscanParams::default;
    refused(HdbscanParams { min_cluster_size: 1, ..d() }, "min_cluster_size is 1, must be at least 2");
    refused(HdbscanParams { min_samples: Some(0), ..d() }, "min_samples is 0, must be at least 1");
    let counts_self = Counts::OthersAndSelf;
    refused(
        HdbscanParams { min_samples: Some(1), min_samples_counts: counts_self, ..d() },
        "min_samples is 1, must be at least 2",
    );
    refused(HdbscanParams { alpha: f64::NAN, ..d() }, "alpha is NaN, must be above 0");
    refused(
        HdbscanParams { metric: Metric::Minkowski(0.9), ..d() },
        "metric minkowski p is 0.9, must be at least 1 and finite",
    );
    refused(
        HdbscanParams { cluster_selection_epsilon: -0.1, ..d() },
        "cluster_selection_epsilon is -0.1, must be at least 0 and finite",
    );
    refused(
        HdbscanParams { cluster_selection_epsilon: 2.0, cluster_selection_epsilon_max: Some(1.0), ..d() },
        "cluster_selection_epsilon_max is 1, must be finite and at least cluster_selection_epsilon 2",
    );
    refused(
        HdbscanParams { cluster_selection_persistence: f64::INFINITY, ..d() },
        "cluster_selection_persistence is inf, must be at least 0 and finite",
    );
    refused(
        HdbscanParams { max_cluster_size: Some(4), ..d() },
        "max_cluster_size is 4, must be at least min_cluster_size 5",
    );
    refused(HdbscanParams { n_clusters: Some(0), ..d() }, "n_clusters is 0, must be at least 1");
    refused(
        HdbscanParams { n_clusters: Some(3), cluster_selection_method: Method::Leaf, ..d() },
        "n_clusters is 3, cannot be combined with cluster_selection_method leaf, only eom",
    );
    refused(
        HdbscanParams { cluster_selection_epsilon: f64::NAN, ..d() },
        "cluster_selection_epsilon is NaN, must be at least 0 and finite",
    );
    refused(
        HdbscanParams { min_cluster_size: 0, alpha: 0.0, ..d() },
        "alpha is 0, must be above 0; min_cluster_size is 0, must be at least 2",
    );
}

#[test]
fn configuration_keys_are_the_seeds() {
    let p: HdbscanParams = serde_json::from_str(
        r#"{"min_cluster_size": 25, "min_samples": 10, "cluster_selection_epsilon": 0.1,
            "cluster_selection_method": "leaf", "metric": "manhattan", "prediction_data": false}"#,
    )
    .unwrap();
    let expected = HdbscanParams {
        min_cluster_size: 25,
        min_samples: Some(10),
        cluster_selection_epsilon: 0.1,
        cluster_selection_method: Method::Leaf,
        metric: Metric::Manhattan,
        prediction_data: false,
        ..Default::default()
    };
    assert_eq!(p, expected);
    // C-02
    let absent: HdbscanParams = serde_json::from_str("{}").unwrap();
    assert_eq!((absent.min_cluster_size, absent.min_samples), (5, Some(3)));
    let null: HdbscanParams = serde_json::from_str(r#"{"min_samples": null}"#).unwrap();
    assert_eq!(null.min_samples, None);
    let exactly: HdbscanParams =
        serde_json::from_str(r#"{"n_clusters": 4, "prediction": "hdbscan", "max_matrix_bytes": 1000}"#)
            .unwrap();
    assert_eq!((exactly.n_clusters, exactly.prediction), (Some(4), Prediction::Hdbscan));
    assert_eq!((exactly.max_matrix_bytes, absent.max_matrix_bytes), (1000, 1 << 30));
    assert_eq!((absent.n_clusters, absent.prediction), (None, Prediction::Consistent));
    let power: HdbscanParams = serde_json::from_str(r#"{"metric": {"minkowski": 3}}"#).unwrap();
    assert_eq!(power.metric, Metric::Minkowski(3.0));
    assert!(serde_json::from_str::<HdbscanParams>(r#"{"min_cluster": 5}"#).is_err());
}
