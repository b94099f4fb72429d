//! C-41: scores against scikit-learn 1.9.1 (silhouette, Calinski-Harabasz, Davies-Bouldin) and the
//! reference definition of DBCV, on the canonical labels of every euclidean case.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use tsc_cluster::{Features, Label, QualityParams, dbcv, quality};
use tsc_testing::{blobs, npy, npz, shared, shuffled};

#[test]
fn c41_scores_equal_the_reference() {
    let Some(folder) = shared("conformance/hdbscan") else { return };
    let text = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let mut compared = 0;
    for case in manifest["cases"].as_array().unwrap() {
        let (Some(silhouette), Some(name)) = (case["silhouette"].as_f64(), case["case"].as_str()) else {
            continue;
        };
        let data = npy::read(folder.join(format!("data_{}.npy", case["dataset"].as_str().unwrap())));
        let d = data.n_columns();
        let keep: Vec<usize> = (0..data.n_rows())
            .filter(|r| data.f64()[r * d..(r + 1) * d].iter().all(|v| v.is_finite()))
            .collect();
        let values: Vec<f64> =
            keep.iter().flat_map(|r| data.f64()[r * d..(r + 1) * d].iter().copied()).collect();
        let all = npz::read(folder.join(format!("{name}.npz")))["canonical_labels"].labels();
        let labels: Vec<Label> = keep.iter().map(|&r| all[r]).collect();
        let x = Features::new(&values, d).unwrap();
        let q = quality(x, &labels, &QualityParams::default()).unwrap();
        let check = |what: &str, got: Option<f64>, want: f64, relative: f64| {
            let got = got.unwrap_or(f64::NAN);
            assert!((got - want).abs() <= relative * want.abs(), "{name}: {what} is {got:?}, not {want:?}");
        };
        check("silhouette", q.silhouette, silhouette, 1e-9);
        check("calinski-harabasz", q.calinski_harabasz, case["calinski_harabasz"].as_f64().unwrap(), 1e-9);
        // scikit-learn takes distances to centroids from dot products, which lose digits far from 0.
        if case["dataset"] != "large_offset600" {
            check("davies-bouldin", q.davies_bouldin, case["davies_bouldin"].as_f64().unwrap(), 1e-9);
        }
        check("dbcv", dbcv(x, &labels).unwrap(), case["dbcv"].as_f64().unwrap(), 1e-7);
        assert_eq!(q.silhouette_rows, q.n_clustered);
        compared += 1;
    }
    assert!(compared > 80, "{compared} cases have scores");
}

/// Where scikit-learn cannot serve as a reference: the distances do not change when data are moved.
#[test]
fn c41_scores_do_not_change_far_from_zero() {
    let near = blobs(100, &[&[0.0, 0.0], &[6.0, 0.0], &[0.0, 8.0]], 1.0, 5);
    // Whole multiples of 2^-20 stay exact after adding 1e7.
    let grid = |v: &f64| (v * 1_048_576.0).round() / 1_048_576.0;
    let near_values: Vec<f64> = near.values.iter().map(grid).collect();
    let far_values: Vec<f64> = near_values.iter().map(|v| v + 1e7).collect();
    let score =
        |v: &[f64]| quality(Features::new(v, 2).unwrap(), &near.labels, &QualityParams::default()).unwrap();
    let (near, far) = (score(&near_values), score(&far_values));
    let close = |a: Option<f64>, b: Option<f64>| ((a.unwrap() - b.unwrap()) / b.unwrap()).abs() < 1e-8;
    assert!(close(far.davies_bouldin, near.davies_bouldin));
    assert!(close(far.calinski_harabasz, near.calinski_harabasz));
    assert!(close(far.silhouette, near.silhouette));
}

#[test]
fn c41_undefined_scores_are_none() {
    let x = Features::new(&[0.0, 1.0, 2.0], 1).unwrap();
    for ids in [[-1, -1, -1], [0, 0, 0], [0, 0, -1], [0, 1, 2]] {
        let q = quality(x, &Label::from_ids(&ids), &QualityParams::default()).unwrap();
        assert_eq!((q.silhouette, q.calinski_harabasz, q.davies_bouldin), (None, None, None), "{ids:?}");
    }
    // Clusters of equal samples: no spread within, so the ratio is not defined.
    let x = Features::new(&[1.0, 1.0, 5.0, 5.0], 1).unwrap();
    let q = quality(x, &Label::from_ids(&[0, 0, 1, 1]), &QualityParams::default()).unwrap();
    assert_eq!((q.silhouette, q.calinski_harabasz, q.davies_bouldin), (Some(1.0), None, Some(0.0)));
}

#[test]
fn c41_a_sampled_silhouette_says_so_and_is_near_the_exact_one() {
    let data = blobs(400, &[&[0.0, 0.0], &[3.0, 0.0], &[0.0, 4.0]], 1.0, 5);
    let exact = quality(data.features(), &data.labels, &QualityParams::default()).unwrap();
    assert_eq!((exact.silhouette_rows, exact.n_clustered), (1200, 1200));
    let params = QualityParams { silhouette_max_rows: 300, ..Default::default() };
    let sampled = quality(data.features(), &data.labels, &params).unwrap();
    assert_eq!(sampled.silhouette_rows, 300);
    // The standard error of 300 values that spread by about 0.3 is below 0.02.
    assert!((sampled.silhouette.unwrap() - exact.silhouette.unwrap()).abs() < 0.06);
    assert_ne!(sampled.silhouette, exact.silhouette);
    let seed = QualityParams { random_state: 1, ..params };
    assert_ne!(quality(data.features(), &data.labels, &seed).unwrap().silhouette, sampled.silhouette);
}

#[test]
fn dbcv_does_not_depend_on_the_row_order() {
    let data = blobs(60, &[&[0.0, 0.0], &[4.0, 1.0]], 1.0, 5);
    let expected = dbcv(data.features(), &data.labels).unwrap().unwrap();
    for seed in 0..5 {
        let order = shuffled(120, seed);
        let mut buffer = Vec::new();
        let x = data.features().gather(&order, &mut buffer);
        let labels: Vec<Label> = order.iter().map(|&r| data.labels[r]).collect();
        let got = dbcv(x, &labels).unwrap().unwrap();
        assert!((got - expected).abs() < 1e-12, "{got} is not {expected}");
    }
}

#[test]
fn labels_of_another_length_are_an_error() {
    let x = Features::new(&[0.0, 1.0], 1).unwrap();
    let error = quality(x, &Label::from_ids(&[0]), &QualityParams::default()).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), ("TSC-CLU-009", "1 labels for 2 samples"));
}
