//! C-41: scores against scikit-learn 1.9.1 (silhouette, Calinski-Harabasz, Davies-Bouldin) and the
//! reference definition of DBCV, on the canonical labels of every euclidean case.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use tsc_cluster::{Features, Label, Quality, QualityParams, dbcv, quality};
use tsc_testing::{Labelled, blobs, mixture, npy, npz, shared, shuffled};

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

fn sampled(data: &Labelled, rows: usize, seed: u64) -> Quality {
    let params = QualityParams { silhouette_max_rows: rows, random_state: seed, dbcv_max_rows: 0 };
    quality(data.features(), &data.labels, &params).unwrap()
}

#[test]
fn c41_a_sampled_silhouette_says_so_and_depends_on_the_seed() {
    let data = blobs(400, &[&[0.0, 0.0], &[3.0, 0.0], &[0.0, 4.0]], 1.0, 5);
    let exact = sampled(&data, 1200, 1);
    assert_eq!((exact.silhouette_rows, exact.n_clustered), (1200, 1200));
    assert_eq!(exact.silhouette_standard_error, None);
    let first = sampled(&data, 301, 1);
    assert_eq!(first.silhouette_rows, 301);
    assert!(first.silhouette_standard_error.unwrap() > 0.0);
    assert_eq!(first, sampled(&data, 301, 1));
    assert_ne!(first.silhouette, sampled(&data, 301, 2).silhouette);
}

/// The error is what it claims: over many seeds the samples spread by it, around the exact value.
#[test]
fn c41_the_standard_error_is_the_spread_of_the_sampled_silhouette() {
    // A large, a small and a tiny cluster, so that the strata matter.
    let mut data = blobs(500, &[&[0.0, 0.0]], 1.5, 5);
    for (n, center, seed) in [(120, [4.0, 0.0], 6), (7, [0.0, 5.0], 7)] {
        let other = blobs(n, &[&center], 0.8, seed);
        let id = data.labels.iter().map(|l| l.id()).max().unwrap() + 1;
        data.values.extend(other.values);
        data.labels.extend(vec![Label::from_ids(&[id])[0]; n]);
    }
    let exact = sampled(&data, 627, 0).silhouette.unwrap();
    let runs: Vec<Quality> = (0..400).map(|seed| sampled(&data, 60, seed)).collect();
    assert!(runs.iter().all(|q| q.silhouette_rows == 60));
    let mean = |f: &dyn Fn(&Quality) -> f64| runs.iter().map(f).sum::<f64>() / runs.len() as f64;
    let spread = mean(&|q| (q.silhouette.unwrap() - exact).powi(2)).sqrt();
    let claimed = mean(&|q| q.silhouette_standard_error.unwrap().powi(2)).sqrt();
    let bias = mean(&|q| q.silhouette.unwrap()) - exact;
    // A deviation over 400 runs is known to 4 %, a mean to a twentieth of the spread.
    assert!((spread / claimed - 1.0).abs() < 0.15, "{spread} against {claimed}");
    assert!(bias.abs() < 0.2 * spread, "{bias} against {spread}");
}

#[test]
fn c41_a_sample_takes_two_of_every_cluster() {
    // 40 pairs and one large cluster: a plain share would leave most pairs out.
    let mut values: Vec<f64> = (0..1000).map(|i| f64::from(i) * 0.001).collect();
    let mut ids = vec![0; 1000];
    for pair in 0..40 {
        values.extend([100.0 * f64::from(pair + 1), 100.0 * f64::from(pair + 1) + 1.0]);
        ids.extend([pair + 1; 2]);
    }
    let data = Labelled { values, n_features: 1, labels: Label::from_ids(&ids) };
    let q = sampled(&data, 100, 3);
    assert_eq!(q.silhouette_rows, 100);
    // Every pair is there, so only the large cluster is uncertain, and it is uniform.
    assert!((q.silhouette.unwrap() - sampled(&data, 5000, 3).silhouette.unwrap()).abs() < 1e-3);
    // There are fewer places than twice the clusters: two of each all the same.
    assert_eq!(sampled(&data, 10, 3).silhouette_rows, 82);
}

/// By the definition, one pair at a time, for clusters of every size around the eight rows of a chunk and
/// the 128 of a tile.
#[test]
fn c41_the_silhouette_equals_its_definition_for_all_cluster_sizes() {
    let sizes = [1, 2, 7, 8, 9, 31, 127, 128, 129, 260];
    let cloud = mixture(sizes.iter().sum(), 3, 8);
    let ids: Vec<i32> = (0..).zip(sizes).flat_map(|(id, size)| vec![id; size]).collect();
    let mut data = Labelled { labels: Label::from_ids(&ids), ..cloud };
    // Interleaved, as labels come.
    let order = shuffled(ids.len(), 1);
    data.labels = order.iter().map(|&i| data.labels[i]).collect();
    let x = data.features();
    let distance = |a: usize, b: usize| {
        x.row(a).iter().zip(x.row(b)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
    };
    let mut total = 0.0;
    for i in 0..x.n_samples() {
        let to = |id: usize| {
            let others = (0..x.n_samples()).filter(|&j| j != i && data.labels[j].id() as usize == id);
            let (sum, n) = others.fold((0.0, 0.0), |(sum, n), j| (sum + distance(i, j), n + 1.0));
            sum / n
        };
        let own = data.labels[i].id() as usize;
        if sizes[own] > 1 {
            let nearest = (0..sizes.len()).filter(|&id| id != own).map(to).fold(f64::INFINITY, f64::min);
            total += (nearest - to(own)) / f64::max(nearest, to(own));
        }
    }
    let expected = total / x.n_samples() as f64;
    let got = sampled(&data, 10_000, 0).silhouette.unwrap();
    assert!((got - expected).abs() < 1e-13, "{got}, not {expected}");
}

#[test]
fn c41_scores_are_the_same_bits_for_any_number_of_threads() {
    let data = mixture(3000, 5, 4);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let exact = quality(data.features(), &data.labels, &QualityParams::default()).unwrap();
            [exact, sampled(&data, 500, 1)]
        })
    };
    let one = run(1);
    assert!(one[0].dbcv.is_some() && one[0].silhouette_rows == one[0].n_clustered);
    assert_eq!(run(2), one);
    assert_eq!(run(4), one);
}

#[test]
fn c41_dbcv_is_left_out_above_its_limit_unless_asked_for() {
    let data = blobs(30, &[&[0.0, 0.0], &[9.0, 0.0]], 1.0, 5);
    let at = |dbcv_max_rows| {
        let params = QualityParams { dbcv_max_rows, ..Default::default() };
        quality(data.features(), &data.labels, &params).unwrap().dbcv
    };
    assert_eq!((QualityParams::default().dbcv_max_rows, at(59)), (20_000, None));
    assert_eq!(at(60), dbcv(data.features(), &data.labels).unwrap());
    assert!(at(60).is_some());
}

#[test]
fn c41_scores_of_equal_samples_and_of_one_place_are_never_nan() {
    let score = |x: &[f64], ids: &[i32]| {
        let q = quality(Features::new(x, 1).unwrap(), &Label::from_ids(ids), &QualityParams::default());
        let q = q.unwrap();
        (q.silhouette, q.calinski_harabasz, q.davies_bouldin, q.dbcv)
    };
    // All at one place: nothing is nearer than anything.
    assert_eq!(score(&[3.0; 4], &[0, 0, 1, 1]), (Some(0.0), None, None, Some(0.0)));
    // Two places: as far apart as can be.
    let (silhouette, _, davies_bouldin, dbcv) = score(&[1.0, 1.0, 5.0, 5.0], &[0, 0, 1, 1]);
    assert_eq!((silhouette, davies_bouldin, dbcv), (Some(1.0), Some(0.0), Some(1.0)));
    // Concentric clusters: their centres cannot be told apart.
    assert_eq!(score(&[-1.0, 1.0, -5.0, 5.0], &[0, 0, 1, 1]).2, None);
}

#[test]
fn dbcv_of_wide_and_of_tiny_data_does_not_overflow() {
    // Two clusters on the ends of a segment in 500 features, then the same a million times smaller.
    for scale in [1.0, 1e-6, 1e6, 1e100] {
        let row = |end: f64, i: usize| {
            (0..500).map(move |c| scale * (end + 0.01 * (((i * 31 + c * 17) % 101) as f64)))
        };
        let values: Vec<f64> = (0..40).flat_map(|i| row(if i % 2 == 0 { 0.0 } else { 10.0 }, i)).collect();
        let ids: Vec<i32> = (0..40).map(|i| i % 2).collect();
        let score = dbcv(Features::new(&values, 500).unwrap(), &Label::from_ids(&ids)).unwrap().unwrap();
        // Rows of a cluster are at most 0.01 * 100 * sqrt(500) = 22 apart, the clusters at least 200.
        assert!(score > 0.85 && score < 1.0, "{score} at scale {scale}");
    }
}

/// Worked by hand: cores of a pair are its width, 1 and 2. The inner "row" of a pair is its first of the
/// equally dense ones; the separation is 10, and the score 2/4 * 9/10 + 2/4 * 8/10.
#[test]
fn dbcv_of_two_pairs_equals_its_definition() {
    let x = Features::new(&[0.0, 1.0, 10.0, 12.0], 1).unwrap();
    let got = dbcv(x, &Label::from_ids(&[0, 0, 1, 1])).unwrap().unwrap();
    assert!((got - 0.85).abs() < 1e-12, "{got}");
    // A noise sample counts in the total.
    let x = Features::new(&[0.0, 1.0, 10.0, 12.0, 500.0], 1).unwrap();
    let got = dbcv(x, &Label::from_ids(&[0, 0, 1, 1, -1])).unwrap().unwrap();
    assert!((got - 0.85 * 0.8).abs() < 1e-12, "{got}");
    assert_eq!(dbcv(x, &Label::from_ids(&[0, 0, 0, 0, -1])).unwrap(), None);
}

/// On a grid too, where many edges tie and the order of a sum would decide.
#[test]
fn dbcv_does_not_depend_on_the_row_order() {
    let grid: Vec<f64> =
        (0..120).flat_map(|i| [f64::from(i % 12), f64::from(i / 12 + 20 * (i / 60))]).collect();
    let halves = Labelled {
        values: grid,
        n_features: 2,
        labels: Label::from_ids(&(0..120).map(|i| i / 60).collect::<Vec<i32>>()),
    };
    for (data, tolerance) in [(blobs(60, &[&[0.0, 0.0], &[4.0, 1.0]], 1.0, 5), 0.0), (halves, 0.0)] {
        let expected = dbcv(data.features(), &data.labels).unwrap().unwrap();
        for seed in 0..5 {
            let order = shuffled(120, seed);
            let mut buffer = Vec::new();
            let x = data.features().gather(&order, &mut buffer);
            let labels: Vec<Label> = order.iter().map(|&r| data.labels[r]).collect();
            let got = dbcv(x, &labels).unwrap().unwrap();
            assert!((got - expected).abs() <= tolerance, "{got} is not {expected}");
        }
    }
}

#[test]
fn labels_of_another_length_are_an_error() {
    let x = Features::new(&[0.0, 1.0], 1).unwrap();
    let labels = Label::from_ids(&[0]);
    let errors = [quality(x, &labels, &QualityParams::default()).unwrap_err(), dbcv(x, &labels).unwrap_err()];
    for error in errors {
        assert_eq!((error.code(), error.to_string().as_str()), ("TSC-CLU-009", "1 labels for 2 samples"));
    }
}

#[test]
fn distances_that_overflow_are_an_error_naming_the_feature() {
    let x = Features::new(&[0.0, -1e200, 1.0, 1e200, 2.0, 0.0, 3.0, 0.0], 2).unwrap();
    let labels = Label::from_ids(&[0, 0, 1, 1]);
    let errors = [quality(x, &labels, &QualityParams::default()).unwrap_err(), dbcv(x, &labels).unwrap_err()];
    for error in errors {
        assert_eq!(error.code(), "TSC-CLU-020");
        assert_eq!(error.to_string(), "the range of feature 1 makes squared distances overflow");
    }
    // Noise is not measured.
    assert!(quality(x, &Label::from_ids(&[-1, -1, 0, 1]), &QualityParams::default()).is_ok());
}

#[test]
fn unknown_settings_of_the_scores_are_refused() {
    let read = serde_json::from_str::<QualityParams>;
    assert_eq!(read("{}").unwrap(), QualityParams::default());
    assert_eq!(read(r#"{"dbcv_max_rows": 5}"#).unwrap().dbcv_max_rows, 5);
    assert!(read(r#"{"silhouete_max_rows": 5}"#).unwrap_err().to_string().contains("silhouete_max_rows"));
}
