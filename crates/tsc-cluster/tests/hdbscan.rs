//! The trait's suite, properties T-04, adversarial inputs T-05, storage, and each refused parameter.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use tsc_cluster::{
    Assignment, Clusterer, ClustererExt, Counts, Detail, Distances, Features, FitNote, FittedClusterer,
    FittedClustererExt, FittedHdbscan, Hdbscan, HdbscanParams, Label, Method, Metric, Plan, Scratch,
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

#[test]
fn c12_a_long_chain_needs_no_stack() {
    let values: Vec<f64> = (0..6000).map(|i| f64::from(i) + 1e-6 * f64::from(i) * f64::from(i)).collect();
    let run = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
        let x = Features::new(&values, 1).unwrap();
        let params = HdbscanParams { min_cluster_size: 2, min_samples: Some(1), ..Default::default() };
        fit(x, params).assign(x).unwrap().len()
    });
    assert_eq!(run.unwrap().join().unwrap(), 6000);
}

#[test]
fn t05_adversarial_inputs_have_results() {
    let n = 40;
    let star: Vec<f64> =
        (0..n).flat_map(|i| [f64::from(i % 8), f64::from(i / 8)].map(|v| v * 1e12)).collect();
    let denormal: Vec<f64> = (0..n).map(|i| f64::from(i % 7) * 5e-324).collect();
    let tiny_steps: Vec<f64> = (0..n).map(|i| f64::from(i) * 1e-200).collect();
    let two_values: Vec<f64> = (0..n).map(|i| f64::from(i % 2)).collect();
    let uneven: Vec<f64> = (0..n).flat_map(|i| [f64::from(i), 1e12 * f64::from(i % 3)]).collect();
    for (values, d) in [(star, 2), (denormal, 1), (tiny_steps, 1), (two_values, 1), (uneven, 2)] {
        let x = Features::new(&values, d).unwrap();
        for params in [
            HdbscanParams::default(),
            HdbscanParams { min_cluster_size: x.n_samples(), ..Default::default() },
            HdbscanParams {
                allow_single_cluster: true,
                cluster_selection_epsilon: 1.0,
                ..Default::default()
            },
        ] {
            let fitted = fit(x, params);
            check_outcomes(&fitted, x);
        }
    }
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
        let mut files = MemoryArtifacts::new();
        fitted.save(&mut files).unwrap();
        let source: &dyn ArtifactSource = &files;
        let stored = StoredKind::from(fitted.kind());
        let loaded = Hdbscan::new(HdbscanParams::default()).unwrap().restore(&stored, source).unwrap();
        prop_assert_eq!(loaded.params(), fitted.params());
        prop_assert_eq!(loaded.extraction(), fitted.extraction());
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

#[test]
fn another_kind_or_a_newer_version_is_refused_naming_both() {
    let files = MemoryArtifacts::new();
    let source: &dyn ArtifactSource = &files;
    let stored = StoredKind { name: "kmeans".into(), version: 3 };
    let error = Hdbscan::new(HdbscanParams::default()).unwrap().restore(&stored, source).unwrap_err();
    assert_eq!(error.to_string(), "stored model is kmeans v3, this build reads hdbscan up to v2");
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
    let power: HdbscanParams = serde_json::from_str(r#"{"metric": {"minkowski": 3}}"#).unwrap();
    assert_eq!(power.metric, Metric::Minkowski(3.0));
    assert!(serde_json::from_str::<HdbscanParams>(r#"{"min_cluster": 5}"#).is_err());
}

#[test]
fn bad_distances_are_named_by_their_cell() {
    let hdbscan = Hdbscan::new(HdbscanParams { min_cluster_size: 2, ..Default::default() }).unwrap();
    let check = |values: &[f64], message: &str| {
        let error = hdbscan.fit_distances(Distances::Dense { values, n_samples: 2 }).unwrap_err();
        assert_eq!(error.to_string(), message);
    };
    check(&[0.0, 1.0, 1.0], "3 distances given, 2 samples need 4");
    check(&[0.0, 1.0, 1.1, 0.0], "distance [0, 1] is not the same in both triangles");
    check(&[0.0, -1.0, -1.0, 0.0], "distance [0, 1] is negative");
    check(&[0.0, f64::NAN, 1.0, 0.0], "distance [0, 1] is NaN");
    check(&[0.5, 1.0, 1.0, 0.0], "distance [0, 0] is not 0 on the diagonal");
    let condensed = Distances::Condensed { values: &[1.0, 2.0], n_samples: 3 };
    assert_eq!(hdbscan.fit_distances(condensed).unwrap_err().code(), "TSC-CLU-004");
}
