//! T-03: the fallback reference files, made with scikit-learn 1.9.1's `KNeighborsClassifier` and
//! `NearestCentroid` (votes, shares, centroids) and NumPy's `quantile` (caps).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use tsc_fallback::{
    Algorithm, CentroidParams, Features, KnnFallback, KnnParams, Label, MaxDistance, NearestCentroid,
    NoiseFallback, Weights,
};
use tsc_testing::{Array, Tolerance, assert_close, npy, npz, shared};

const FILES: [&str; 5] = ["clusterable2309", "gmm1500_d10", "gmm1500_d2", "iris150", "large_offset600"];
const ABSOLUTE: Tolerance = Tolerance::Absolute(1e-9);

struct Case {
    training: Vec<f64>,
    labels: Vec<Label>,
    n_features: usize,
    fields: BTreeMap<String, Array>,
}

fn cases() -> Vec<(&'static str, Case)> {
    let Some(folder) = shared("conformance/hdbscan") else { return Vec::new() };
    FILES
        .iter()
        .map(|&name| {
            let fields = npz::read(folder.join(format!("fallback__{name}__mcs25ms10.npz")));
            let data = npy::read(folder.join(format!("data_{name}.npy")));
            let rows: Vec<usize> = fields["train_rows"].i32().iter().map(|&r| r as usize).collect();
            let mut training = Vec::new();
            data.features().gather(&rows, &mut training);
            let labels = fields["train_labels"].labels();
            (name, Case { training, labels, n_features: data.n_columns(), fields })
        })
        .collect()
}

fn knn(case: &Case, params: KnnParams) -> tsc_fallback::FittedKnn {
    let x = Features::new(&case.training, case.n_features).unwrap();
    KnnFallback::new(params).unwrap().fit(x, &case.labels).unwrap()
}

/// K-02, K-03, K-04: votes and shares, for k of 1, 5 and above the row count.
#[test]
fn votes_and_shares_equal_scikit_learn() {
    for (name, case) in cases() {
        for (spelled, n_neighbors) in [("1", 1), ("5", 5), ("all", 1_000_000)] {
            for (word, weights) in [("uniform", Weights::Uniform), ("distance", Weights::Distance)] {
                for algorithm in [Algorithm::Brute, Algorithm::BallTree] {
                    let params = KnnParams {
                        n_neighbors,
                        weights,
                        algorithm,
                        max_distance: MaxDistance::None,
                        evaluate: false,
                        ..Default::default()
                    };
                    let got = knn(&case, params).assign_detailed(case.fields["query"].features()).unwrap();
                    let labels: Vec<Label> = got.iter().map(|d| d.label).collect();
                    let key = format!("k{spelled}_{word}");
                    assert_eq!(labels, case.fields[&format!("{key}_labels")].labels(), "{name} {key}");
                    let shares: Vec<f64> = got.iter().map(|d| d.strength).collect();
                    assert_close(&shares, case.fields[&format!("{key}_share")].f64(), ABSOLUTE);
                }
            }
        }
    }
}

/// K-05: caps, distances and abstentions of the automatic rule.
#[test]
fn the_automatic_cap_equals_its_definition() {
    for (name, case) in cases() {
        let fitted = knn(&case, KnnParams::default());
        let caps = Tolerance::Relative(1e-9);
        assert_close(fitted.max_distances(), case.fields["k5_max_distance"].f64(), caps);
        let got = fitted.assign_detailed(case.fields["query"].features()).unwrap();
        let distances: Vec<f64> = got.iter().map(|d| d.kth_distance).collect();
        assert_close(&distances, case.fields["k5_kth_distance"].f64(), caps);
        let labels: Vec<Label> = got.iter().map(|d| d.label).collect();
        assert_eq!(labels, case.fields["k5_auto_labels"].labels(), "{name}");
    }
}

/// K-07.
#[test]
fn the_leave_one_out_accuracy_equals_its_definition() {
    for (name, case) in cases() {
        for (word, weights) in [("uniform", Weights::Uniform), ("distance", Weights::Distance)] {
            let fitted = knn(&case, KnnParams { weights, ..Default::default() });
            let evaluation = fitted.evaluation().unwrap();
            assert_eq!((evaluation.n_samples, evaluation.stride), (case.labels.len(), 1));
            let expected = case.fields[&format!("k5_{word}_loo_accuracy")].scalar();
            assert!((evaluation.accuracy - expected).abs() < 1e-12, "{name} {word}: {}", evaluation.accuracy);
            let loo = case.fields[&format!("k5_{word}_loo_labels")].labels();
            let mut confusion = vec![vec![0; fitted.labels().len()]; fitted.labels().len()];
            for (known, won) in case.labels.iter().zip(&loo) {
                confusion[known.id() as usize][won.id() as usize] += 1;
            }
            assert_eq!(evaluation.confusion, confusion, "{name} {word}");
        }
    }
}

/// K-08.
#[test]
fn nearest_centroids_equal_scikit_learn() {
    for (name, case) in cases() {
        let params = CentroidParams { max_distance: MaxDistance::None, ..Default::default() };
        let x = Features::new(&case.training, case.n_features).unwrap();
        let fitted = NearestCentroid::new(params).unwrap().fit(x, &case.labels).unwrap();
        let got = fitted.assign_detailed(case.fields["query"].features()).unwrap();
        let labels: Vec<Label> = got.iter().map(|d| d.label).collect();
        assert_eq!(labels, case.fields["centroid_labels"].labels(), "{name}");
    }
}
