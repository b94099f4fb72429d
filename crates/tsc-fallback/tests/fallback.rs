//! Rules K-01 to K-08 on data whose answer is known by hand, and the suite of the trait.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use tsc_core::{ArtifactSource, BoxFallback, ErrorKind, FittedFallback, MemoryArtifacts, Save, StoredKind};
use tsc_fallback::{
    Algorithm, Assignment, CentroidParams, Detail, FallbackCounts, Features, FittedKnn, KnnFallback,
    KnnParams, Label, MaxDistance, Metric, NearestCentroid, NoiseFallback, NoiseFallbackExt, Reason, Weights,
};
use tsc_testing::{blobs, fallback};

fn fit(x: &[f64], ids: &[i32], params: KnnParams) -> FittedKnn {
    KnnFallback::new(params).unwrap().fit(Features::new(x, 1).unwrap(), &Label::from_ids(ids)).unwrap()
}

fn ask(fitted: &FittedKnn, q: f64) -> Detail {
    fitted.assign_detailed(Features::new(&[q], 1).unwrap()).unwrap()[0]
}

fn label(id: i32) -> Label {
    Label::from_ids(&[id])[0]
}

fn params(n_neighbors: usize) -> KnnParams {
    KnnParams { n_neighbors, ..Default::default() }
}

#[test]
fn both_fallbacks_and_their_boxed_forms_keep_the_protocol() {
    let knn = KnnFallback::new(KnnParams::default()).unwrap();
    fallback::suite(&knn);
    fallback::suite::<BoxFallback>(&knn.boxed());
    fallback::suite(&KnnFallback::new(KnnParams { metric: Metric::Manhattan, ..params(3) }).unwrap());
    let centroid = NearestCentroid::new(CentroidParams::default()).unwrap();
    fallback::suite(&centroid);
    fallback::suite::<BoxFallback>(&centroid.boxed());
    fallback::suite(
        &NearestCentroid::new(CentroidParams { metric: Metric::Manhattan, ..Default::default() }).unwrap(),
    );
}

#[test]
fn fitted_fallbacks_are_send_sync_and_debug() {
    fn check<T: Send + Sync + Unpin + std::fmt::Debug>() {}
    check::<FittedKnn>();
    check::<tsc_fallback::FittedCentroid>();
}

#[test]
fn f18_a_point_1000_deviations_away_abstains() {
    let data = blobs(100, &[&[0.0, 0.0], &[10.0, 0.0]], 1.0, 3);
    let knn = KnnFallback::new(KnnParams::default()).unwrap();
    let fitted = knn.fit(data.features(), &data.labels).unwrap();
    let far = [1000.0, 1000.0, 0.0, 0.0];
    let got = fitted.assign_detailed(Features::new(&far, 2).unwrap()).unwrap();
    assert_eq!((got[0].label, got[0].strength, got[0].reason), (Label::NOISE, 0.0, Some(Reason::TooFar)));
    assert!(!got[1].label.is_noise());
    // As the seed did, when asked to.
    let seed = KnnParams { max_distance: MaxDistance::None, ..Default::default() };
    let fitted = KnnFallback::new(seed).unwrap().fit(data.features(), &data.labels).unwrap();
    let got = fitted.assign_detailed(Features::new(&far, 2).unwrap()).unwrap();
    assert!(!got[0].label.is_noise());

    let centroid = NearestCentroid::new(CentroidParams::default()).unwrap();
    let fitted = centroid.fit(data.features(), &data.labels).unwrap();
    let got = fitted.assign_detailed(Features::new(&far, 2).unwrap()).unwrap();
    assert_eq!((got[0].reason, got[1].reason), (Some(Reason::TooFar), None));
}

#[test]
fn f19_leave_one_out_accuracy_is_below_1_on_overlapping_clusters() {
    let data = blobs(200, &[&[0.0, 0.0], &[1.0, 0.0]], 1.0, 3);
    let knn = KnnFallback::new(KnnParams::default()).unwrap();
    let fitted = knn.fit(data.features(), &data.labels).unwrap();
    let accuracy = fitted.evaluation().unwrap().accuracy;
    // The best possible rule is right for 69 % of such samples: normal cdf at half a deviation.
    assert!((0.5..0.8).contains(&accuracy), "{accuracy}");
    // Asking the training samples themselves, as the seed did, says 1.
    assert_eq!(fitted.evaluate(data.features(), &data.labels).unwrap().unwrap().accuracy, 1.0);
}

#[test]
fn k01_no_labelled_sample_is_an_error_and_one_label_is_not() {
    let x = Features::new(&[0.0, 1.0], 1).unwrap();
    let error = KnnFallback::new(params(1)).unwrap().fit(x, &Label::from_ids(&[-1, -1])).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Training, "TSC-FBK-001"));
    assert_eq!(error.to_string(), "none of 2 samples has a cluster to learn from");
    let fitted = fit(&[0.0, 1.0, 50.0], &[4, 4, -1], params(5));
    assert_eq!(fitted.labels(), [label(4)]);
    assert_eq!(ask(&fitted, 0.4).label, label(4));
}

#[test]
fn k02_neighbours_at_one_distance_are_taken_by_row() {
    let uniform = KnnParams { weights: Weights::Uniform, max_distance: MaxDistance::None, ..params(1) };
    assert_eq!(ask(&fit(&[1.0, -1.0], &[1, 0], uniform.clone()), 0.0).label, label(1));
    assert_eq!(ask(&fit(&[-1.0, 1.0], &[0, 1], uniform), 0.0).label, label(0));
}

#[test]
fn k03_votes_weigh_as_their_distances_say() {
    let free = KnnParams { max_distance: MaxDistance::None, ..params(3) };
    // Distances 1 (label 0), 2 and 2 (label 1): 1 against 1/2 + 1/2, a tie for the smaller label.
    let fitted = fit(&[1.0, -2.0, 2.0], &[0, 1, 1], free.clone());
    assert_eq!((ask(&fitted, 0.0).label, ask(&fitted, 0.0).strength), (label(0), 0.5));
    let uniform = KnnParams { weights: Weights::Uniform, ..free.clone() };
    let got = ask(&fit(&[1.0, -2.0, 2.0], &[0, 1, 1], uniform), 0.0);
    assert_eq!((got.label, got.strength), (label(1), 2.0 / 3.0));
    // A sample at distance 0 silences the others.
    let got = ask(&fit(&[0.0, 0.1, -0.1], &[0, 1, 1], free.clone()), 0.0);
    assert_eq!((got.label, got.strength), (label(0), 1.0));
    // So does one so near that its reciprocal overflows.
    let got = ask(&fit(&[1e-310, 0.1, -0.1], &[0, 1, 1], free), 0.0);
    assert_eq!((got.label, got.strength), (label(0), 1.0));
}

#[test]
fn k04_a_winner_below_min_strength_abstains() {
    let unsure = KnnParams { max_distance: MaxDistance::None, min_strength: 0.51, ..params(3) };
    let got = ask(&fit(&[1.0, -2.0, 2.0], &[0, 1, 1], unsure), 0.0);
    assert_eq!((got.label, got.strength, got.reason), (Label::NOISE, 0.0, Some(Reason::TooUnsure)));
}

#[test]
fn k05_the_cap_is_one_and_a_half_times_the_quantile() {
    // Distances to the nearest of the same label: 1, 1, 3 -> 0.99 quantile 1 + 0.98 * 2 = 2.96.
    let fitted = fit(&[0.0, 1.0, 4.0, 100.0], &[0, 0, 0, 7], params(1));
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    close(fitted.max_distances()[0], 1.5 * 2.96);
    // A label of one sample takes the smallest cap of the others.
    close(fitted.max_distances()[1], 1.5 * 2.96);
    assert_eq!(ask(&fitted, -4.44 + 1e-9).reason, None);
    assert_eq!(ask(&fitted, -4.44 - 1e-9).reason, Some(Reason::TooFar));
    // No label has two samples: nothing is known of any extent.
    assert_eq!(fit(&[0.0, 9.0], &[0, 1], params(1)).max_distances(), [f64::INFINITY; 2]);
    // All samples equal: only exact copies are admitted.
    let fitted = fit(&[2.0, 2.0, 2.0], &[0, 0, 0], params(2));
    assert_eq!((ask(&fitted, 2.0).reason, ask(&fitted, 2.1).reason), (None, Some(Reason::TooFar)));
    // A value is one cap for all.
    let fitted = fit(&[0.0, 9.0], &[0, 1], KnnParams { max_distance: MaxDistance::Value(2.0), ..params(1) });
    assert_eq!(ask(&fitted, 2.0).reason, None);
    assert_eq!(ask(&fitted, 2.1).reason, Some(Reason::TooFar));
}

#[test]
fn k05_without_a_cap_every_sample_gets_a_label() {
    let capless = KnnParams { max_distance: MaxDistance::None, ..params(2) };
    let fitted = fit(&[0.0, 1.0, 9.0], &[0, 0, 1], capless);
    assert_eq!(fitted.max_distances(), [f64::INFINITY; 2]);
    assert_eq!((ask(&fitted, 1e12).label, ask(&fitted, 1e12).reason), (label(1), None));
}

/// By the definition, one pair at a time: caps, distances, votes, in the fallback's own metric.
#[test]
fn k06_any_metric_gives_its_own_caps_distances_and_labels() {
    let data = blobs(60, &[&[0.3, 0.2], &[0.9, 0.5], &[0.1, 1.1]], 0.12, 9);
    let queries = blobs(20, &[&[0.5, 0.5], &[0.2, 1.0], &[2.0, -1.0]], 0.2, 4);
    let (x, q) = (data.features(), queries.features());
    let metrics = [
        Metric::Euclidean,
        Metric::Manhattan,
        Metric::Chebyshev,
        Metric::Minkowski(3.0),
        Metric::Cosine,
        Metric::Haversine,
    ];
    for metric in metrics {
        let own = |row: &[f64], of: i32, but: usize| -> Vec<f64> {
            let rows = (0..x.n_samples()).filter(|&i| i != but && (of < 0 || data.labels[i].id() == of));
            let mut distances: Vec<f64> = rows.map(|i| metric.distance(row, x.row(i))).collect();
            distances.sort_unstable_by(f64::total_cmp);
            distances
        };
        let p = KnnParams { metric: metric.clone(), weights: Weights::Uniform, ..params(3) };
        let fitted = KnnFallback::new(p).unwrap().fit(x, &data.labels).unwrap();
        for id in 0..3 {
            let members = (0..x.n_samples()).filter(|&i| data.labels[i].id() == id);
            let mut third: Vec<f64> = members.map(|i| own(x.row(i), id, i)[2]).collect();
            third.sort_unstable_by(f64::total_cmp);
            // 0.99 * 59 = 58.41.
            let expected = 1.5 * (third[58] + 0.41 * (third[59] - third[58]));
            let cap = fitted.max_distances()[id as usize];
            assert!((cap - expected).abs() < 1e-12, "{metric:?}: cap {cap}, not {expected}");
        }
        let got = fitted.assign_detailed(q).unwrap();
        let mut far = 0;
        for (row, got) in q.rows().zip(&got) {
            let distances = own(row, -1, usize::MAX);
            assert_eq!(got.kth_distance, distances[2], "{metric:?}");
            let votes =
                [0, 1, 2].map(|id| own(row, id, usize::MAX).iter().filter(|&&d| d <= distances[2]).count());
            let winner = (0..3).max_by_key(|&id| (votes[id], 2 - id)).unwrap();
            if got.kth_distance > fitted.max_distances()[winner] {
                assert_eq!((got.label, got.reason), (Label::NOISE, Some(Reason::TooFar)));
                far += 1;
            } else {
                assert_eq!((got.label, got.strength), (label(winner as i32), votes[winner] as f64 / 3.0));
            }
        }
        assert!(far > 0, "{metric:?}: some queries are far");
    }
}

/// A label of more samples than are looked up one by one: the cap is the same.
#[test]
fn k05_the_cap_of_a_large_label_equals_its_definition() {
    let data = blobs(2200, &[&[0.0; 10]], 1.0, 3);
    let x = data.features();
    let fitted = KnnFallback::new(params(4)).unwrap().fit(x, &data.labels).unwrap();
    let mut fourth: Vec<f64> = (0..2200)
        .map(|i| {
            let pair = |j: usize| x.row(i).iter().zip(x.row(j)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
            let mut all: Vec<f64> = (0..2200).filter(|&j| j != i).map(pair).collect();
            *all.select_nth_unstable_by(3, f64::total_cmp).1
        })
        .collect();
    fourth.sort_unstable_by(f64::total_cmp);
    // 0.99 * 2199 = 2177.01.
    let (low, high) = (fourth[2177].sqrt(), fourth[2178].sqrt());
    let expected = 1.5 * (low + 0.01 * (high - low));
    assert!((fitted.max_distances()[0] - expected).abs() < 1e-9);
}

/// What the evaluation costs is paid by who asks for it, and asking changes nothing that is stored.
#[test]
fn k07_the_evaluation_is_not_stored_and_is_the_same_after_loading() {
    let data = blobs(100, &[&[0.0, 0.0], &[1.5, 0.0]], 1.0, 3);
    let knn = KnnFallback::new(KnnParams::default()).unwrap();
    let fitted = knn.fit(data.features(), &data.labels).unwrap();
    let files = |fitted: &FittedKnn| {
        let mut files = MemoryArtifacts::new();
        fitted.save(&mut files).unwrap();
        files
    };
    let before = files(&fitted);
    let evaluation = fitted.evaluation().unwrap().clone();
    assert_eq!(files(&fitted), before);
    let loaded = knn.restore(&StoredKind::from(fitted.kind()), &before).unwrap();
    assert_eq!(loaded.evaluation(), Some(&evaluation));
}

/// Precision, recall and confusion of five samples, worked by hand.
#[test]
fn k07_scores_per_label_are_shares_of_the_confusion() {
    let fitted = fit(&[0.0, 1.0, 9.0, 10.0], &[0, 0, 4, 4], KnnParams { evaluate: false, ..params(1) });
    let x = [0.1, 0.2, 9.5, 0.3, 1000.0, 5.0, 0.0];
    let ids = [0, 0, 0, 4, 4, -1, 7];
    let e = fitted.evaluate(Features::new(&x, 1).unwrap(), &Label::from_ids(&ids)).unwrap().unwrap();
    assert_eq!((e.n_samples, e.confusion.clone()), (5, vec![vec![2, 1], vec![1, 1]]));
    assert_eq!((e.accuracy, e.abstain_ratio), (0.6, 0.2));
    let per_label: Vec<_> =
        e.per_label.iter().map(|s| (s.label, s.n_samples, s.precision, s.recall)).collect();
    let expected = [(label(0), 3, Some(2.0 / 3.0), Some(2.0 / 3.0)), (label(4), 2, Some(0.5), Some(0.5))];
    assert_eq!(per_label, expected);
    let none = fitted.evaluate(Features::new(&[1.0], 1).unwrap(), &Label::from_ids(&[7])).unwrap();
    assert_eq!(none, None);
}

#[test]
fn k07_large_training_sets_are_evaluated_on_a_stride() {
    let x: Vec<f64> = (0..25_000).map(|i| f64::from(i) * 0.5).collect();
    let ids: Vec<i32> = (0..25_000).map(|i| i32::from(i >= 10_000)).collect();
    let fitted = fit(&x, &ids, params(4));
    let evaluation = fitted.evaluation().unwrap();
    assert_eq!((evaluation.stride, evaluation.n_samples), (3, 8334));
    let supports: Vec<usize> = evaluation.per_label.iter().map(|s| s.n_samples).collect();
    assert_eq!(supports, [3334, 5000]);
    assert!(fit(&x, &ids, KnnParams { evaluate: false, ..params(4) }).evaluation().is_none());
    assert!(fit(&x[..1], &ids[..1], params(4)).evaluation().is_none());
}

#[test]
fn k08_centroids_are_means_and_for_manhattan_medians() {
    let x = Features::new(&[0.0, 1.0, 8.0, 100.0], 1).unwrap();
    let ids = Label::from_ids(&[0, 0, 0, 3]);
    let center = |metric| {
        let p = CentroidParams { metric, ..Default::default() };
        NearestCentroid::new(p).unwrap().fit(x, &ids).unwrap().centroids().to_vec()
    };
    assert_eq!(center(Metric::Euclidean), [3.0, 100.0]);
    assert_eq!(center(Metric::Manhattan), [1.0, 100.0]);
}

/// Distances to the mean 2 are 2, 1, 3 and 0: the 0.99 quantile is 2 + 0.97 * 1 = 2.97.
#[test]
fn k08_the_cap_is_one_and_a_half_times_the_quantile_to_the_centre() {
    let x = Features::new(&[0.0, 1.0, 5.0, 2.0, 100.0], 1).unwrap();
    let fitted = NearestCentroid::new(CentroidParams::default())
        .unwrap()
        .fit(x, &Label::from_ids(&[0, 0, 0, 0, 9]))
        .unwrap();
    assert!(fitted.max_distances().iter().all(|cap| (cap - 1.5 * 2.97).abs() < 1e-12));
    let at = |q: f64| fitted.assign_detailed(Features::new(&[q], 1).unwrap()).unwrap()[0];
    assert_eq!((at(6.455 - 1e-9).reason, at(6.455 + 1e-9).reason), (None, Some(Reason::TooFar)));
    // One unit from the one centre, 97 from the other.
    assert!((at(3.0).strength - 97.0 / 98.0).abs() < 1e-12);
    let unsure = CentroidParams { min_strength: 0.9, max_distance: MaxDistance::None, ..Default::default() };
    let fitted = NearestCentroid::new(unsure).unwrap().fit(x, &Label::from_ids(&[0, 0, 0, 0, 9])).unwrap();
    let got = fitted.assign_detailed(Features::new(&[40.0], 1).unwrap()).unwrap()[0];
    assert_eq!((got.label, got.strength, got.reason), (Label::NOISE, 0.0, Some(Reason::TooUnsure)));
}

#[test]
fn k09_a_batch_is_counted_by_reason_and_label() {
    let p = KnnParams { min_strength: 0.7, ..params(3) };
    let fitted = fit(&[0.0, 1.0, 2.0, 4.0, 5.0, 6.0, 30.0, 31.0, 32.0], &[0, 0, 0, 5, 5, 5, 7, 7, 7], p);
    // Among 0s, among 5s, between both (2 of 3 votes are not enough by weight), far from all.
    let x = [1.0, 0.5, 5.0, 3.0, 1e6];
    let details = fitted.assign_detailed(Features::new(&x, 1).unwrap()).unwrap();
    let counts = FallbackCounts::of(&details);
    assert_eq!((counts.asked, counts.assigned, counts.too_far, counts.too_unsure), (5, 3, 1, 1));
    assert_eq!(counts.per_label, [(label(0), 2), (label(5), 1)]);
    assert_eq!((counts.mean_strength, counts.least_strength), (Some(1.0), Some(1.0)));
    let none = FallbackCounts::of(&details[4..]);
    assert_eq!((none.assigned, none.mean_strength, none.least_strength), (0, None, None));
    assert_eq!(FallbackCounts::of(&[]), FallbackCounts::default());
}

#[test]
fn what_a_metric_cannot_measure_is_an_error_of_the_fallback() {
    let refused = |metric: Metric, x: &[f64], d: usize| {
        let x = Features::new(x, d).unwrap();
        let labels = vec![label(0); x.n_samples()];
        let knn = KnnFallback::new(KnnParams { metric: metric.clone(), ..Default::default() }).unwrap();
        let centroid = NearestCentroid::new(CentroidParams { metric, ..Default::default() }).unwrap();
        let (a, b) = (knn.fit(x, &labels).unwrap_err(), centroid.fit(x, &labels).unwrap_err());
        assert_eq!((a.stage(), b.stage()), (tsc_core::Stage::Fallback, tsc_core::Stage::Fallback));
        (a.code(), b.code())
    };
    assert_eq!(refused(Metric::Haversine, &[0.0, 1.0, 2.0], 3), ("TSC-NBR-003", "TSC-NBR-003"));
    assert_eq!(refused(Metric::Cosine, &[0.0, 0.0], 2), ("TSC-NBR-002", "TSC-FBK-003"));
    assert_eq!(refused(Metric::Euclidean, &[1e308, -1e308, 1e308, 1e308], 1), ("TSC-NBR-004", "TSC-FBK-004"));
}

#[test]
fn an_empty_or_unlabelled_training_set_is_an_error_of_both() {
    let x = Features::new(&[0.0, 1.0], 1).unwrap();
    let error = NearestCentroid::new(CentroidParams::default())
        .unwrap()
        .fit(x, &Label::from_ids(&[-1, -1]))
        .unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Training, "TSC-FBK-001"));
}

#[test]
fn a_centroid_without_direction_is_named() {
    let p = CentroidParams { metric: Metric::Cosine, ..Default::default() };
    let x = Features::new(&[1.0, 0.0, -1.0, 0.0], 2).unwrap();
    let error = NearestCentroid::new(p).unwrap().fit(x, &Label::from_ids(&[2, 2])).unwrap_err();
    assert_eq!(error.code(), "TSC-FBK-003");
    assert_eq!(
        error.to_string(),
        "the centroid of cluster 2 is all zero, its cosine distance is not defined"
    );
}

#[test]
fn every_violation_is_named_at_once() {
    let bad = KnnParams {
        n_neighbors: 0,
        metric: Metric::Minkowski(0.5),
        max_distance: MaxDistance::Value(-1.0),
        min_strength: 1.5,
        ..Default::default()
    };
    let error = KnnFallback::new(bad).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidConfig, "TSC-FBK-002"));
    assert_eq!(
        error.to_string(),
        "max_distance is -1, must be above 0 and finite, auto or none; \
         metric minkowski p is 0.5, must be at least 1 and finite; \
         min_strength is 1.5, must be in 0..=1; n_neighbors is 0, must be at least 1"
    );
}

#[test]
fn configuration_keys_are_the_seeds() {
    let p: KnnParams = serde_json::from_str(
        r#"{"n_neighbors": 7, "weights": "uniform", "algorithm": "ball_tree", "metric": "manhattan",
            "max_distance": 2.5, "min_strength": 0.1, "evaluate": false}"#,
    )
    .unwrap();
    let expected = KnnParams {
        n_neighbors: 7,
        weights: Weights::Uniform,
        algorithm: Algorithm::BallTree,
        metric: Metric::Manhattan,
        max_distance: MaxDistance::Value(2.5),
        min_strength: 0.1,
        evaluate: false,
    };
    assert_eq!(p, expected);
    for (text, cap) in [("\"auto\"", MaxDistance::Auto), ("\"none\"", MaxDistance::None)] {
        assert_eq!(serde_json::from_str::<MaxDistance>(text).unwrap(), cap);
        assert_eq!(serde_json::to_string(&cap).unwrap(), text);
    }
    assert_eq!(serde_json::from_str::<KnnParams>("{}").unwrap(), KnnParams::default());
    assert!(serde_json::from_str::<KnnParams>(r#"{"n_neighbours": 7}"#).is_err());
}

#[test]
fn an_error_of_the_search_names_the_fallback_stage() {
    let p = KnnParams { metric: Metric::Cosine, ..Default::default() };
    let knn = KnnFallback::new(p).unwrap();
    let ids = Label::from_ids(&[0, 0]);
    let error = knn.fit(Features::new(&[0.0, 0.0, 1.0, 0.0], 2).unwrap(), &ids).unwrap_err();
    assert_eq!(error.stage(), tsc_core::Stage::Fallback);
    let fitted = knn.fit(Features::new(&[1.0, 0.0, 0.0, 1.0], 2).unwrap(), &ids).unwrap();
    let mut out = [Assignment { label: label(9), strength: 0.5 }];
    let error = fitted.assign_into(Features::new(&[0.0, 0.0], 2).unwrap(), &mut out).unwrap_err();
    assert_eq!(error.stage(), tsc_core::Stage::Fallback);
    assert_eq!(out[0].label, label(9));
}

#[test]
fn infinitely_far_queries_have_an_answer() {
    let x = [0.0, 1.0, 2.0, 10.0, 11.0];
    let capless = KnnParams { max_distance: MaxDistance::None, ..params(3) };
    let got = ask(&fit(&x, &[0, 0, 0, 1, 1], capless), 1e308);
    assert_eq!((got.label, got.strength), (label(0), 1.0));
    assert_eq!(ask(&fit(&x, &[0, 0, 0, 1, 1], params(3)), 1e308).reason, Some(Reason::TooFar));
    // Among many samples too, where a search goes by bounds.
    let x: Vec<f64> = (0..2000).map(f64::from).collect();
    let ids: Vec<i32> = (0..2000).map(|i| i / 1500).collect();
    let capless = KnnParams { max_distance: MaxDistance::None, ..params(3) };
    let got = ask(&fit(&x, &ids, capless), 1e308);
    assert_eq!((got.label, got.strength, got.kth_distance), (label(0), 1.0, f64::INFINITY));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// K-06: the search plan never changes an answer; what was saved answers with the same bits.
    #[test]
    fn plan_and_storage_never_change_an_answer(
        cells in prop::collection::vec(-6i32..7, 20..120),
        k in 1usize..9,
        uniform in any::<bool>(),
    ) {
        let values: Vec<f64> = cells[..cells.len() / 2 * 2].iter().map(|&c| f64::from(c) * 0.7).collect();
        let x = Features::new(&values, 2).unwrap();
        let ids: Vec<i32> = (0..x.n_samples() as i32).map(|i| i % 4 - 1).collect();
        let labels = Label::from_ids(&ids);
        let weights = if uniform { Weights::Uniform } else { Weights::Distance };
        let mut answers = Vec::new();
        for algorithm in [Algorithm::Auto, Algorithm::Brute, Algorithm::KdTree, Algorithm::BallTree] {
            let knn = KnnFallback::new(KnnParams { algorithm, weights, ..params(k) }).unwrap();
            let fitted = knn.fit(x, &labels).unwrap();
            let mut files = MemoryArtifacts::new();
            fitted.save(&mut files).unwrap();
            let stored = StoredKind::from(fitted.kind());
            let source: &dyn ArtifactSource = &files;
            let loaded = knn.restore(&stored, source).unwrap();
            prop_assert_eq!(loaded.evaluation(), fitted.evaluation());
            prop_assert_eq!(loaded.params(), fitted.params());
            answers.push(fitted.assign_detailed(x).unwrap());
            answers.push(loaded.assign_detailed(x).unwrap());
        }
        for other in &answers[1..] {
            prop_assert_eq!(other, &answers[0]);
        }
    }
}
