//! Scaler and cluster view: reference values, closed forms, storage, refused input.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use serde::Deserialize;
use tsc_cluster::{ClusterView, Features, Reduce, Scaler, StandardScaler, ViewParams};
use tsc_core::{ArtifactSource, ErrorKind, Load, MemoryArtifacts, Save, Stage, StoredKind};
use tsc_testing::{Tolerance, assert_close, mixture, npy, shared};

#[derive(Deserialize)]
struct Reference {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

/// C-40: scikit-learn 1.9.1's `StandardScaler`.
#[test]
fn c40_mean_and_scale_equal_scikit_learn() {
    let Some(folder) = shared("conformance/hdbscan") else { return };
    let text = std::fs::read_to_string(folder.join("scaler.json")).unwrap();
    let all: BTreeMap<String, Reference> = serde_json::from_str(&text).unwrap();
    assert!(all.len() > 15);
    for (name, expected) in all {
        let data = npy::read(folder.join(format!("data_{name}.npy")));
        let scaler = StandardScaler::fit(data.features()).unwrap();
        // A mean near 0 is known to the rounding of its summands only.
        for ((got, want), scale) in scaler.mean().iter().zip(&expected.mean).zip(&expected.scale) {
            assert!((got - want).abs() <= 1e-12 * want.abs().max(*scale), "{name}: mean {got}, not {want}");
        }
        assert_close(scaler.scale(), &expected.scale, Tolerance::Relative(1e-12));
    }
}

#[test]
fn c40_a_constant_feature_gets_scale_1_and_a_note() {
    let x = Features::new(&[0.1, 1.0, 0.1, 2.0, 0.1, 6.0], 2).unwrap();
    let scaler = StandardScaler::fit(x).unwrap();
    assert_eq!((scaler.mean()[0], scaler.scale()[0], scaler.constant_features()), (0.1, 1.0, &[0][..]));
    let mut there = vec![0.0; 6];
    scaler.transform_into(x, &mut there).unwrap();
    assert_eq!([there[0], there[2], there[4]], [0.0; 3]);
    let mut back = vec![0.0; 6];
    scaler.inverse_into(Features::new(&there, 2).unwrap(), &mut back).unwrap();
    assert_close(&back, x.as_slice(), Tolerance::Relative(1e-15));
}

#[test]
fn c40_json_gives_the_same_bits_and_is_checked() {
    let data = mixture(200, 5, 3);
    let scaler = StandardScaler::fit(data.features()).unwrap();
    let json = serde_json::to_string(&scaler).unwrap();
    let read: Scaler = serde_json::from_str(&json).unwrap();
    let bits = |v: &[f64]| v.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
    assert_eq!((bits(read.mean()), bits(read.scale())), (bits(scaler.mean()), bits(scaler.scale())));
    for bad in [
        r#"{"mean":[0.0],"scale":[0.0],"constant_features":[]}"#,
        r#"{"mean":[0.0],"scale":[-1.0],"constant_features":[]}"#,
        r#"{"mean":[0.0,1.0],"scale":[1.0],"constant_features":[]}"#,
        r#"{"mean":[],"scale":[],"constant_features":[]}"#,
        r#"{"mean":[0.0],"scale":[1.0],"constant_features":[1]}"#,
        r#"{"mean":[1e999],"scale":[1.0],"constant_features":[]}"#,
        r#"{"mean":[0.0],"scale":[1.0],"constant_features":[],"clip":5.0}"#,
    ] {
        assert!(serde_json::from_str::<Scaler>(bad).is_err(), "{bad}");
    }
}

#[test]
fn c40_the_way_back_gives_the_values_and_another_width_is_an_error() {
    let data = mixture(50, 3, 1);
    let x = data.features();
    let scaler = StandardScaler::fit(x).unwrap();
    let (mut there, mut back) = (vec![0.0; 150], vec![0.0; 150]);
    scaler.transform_into(x, &mut there).unwrap();
    scaler.inverse_into(Features::new(&there, 3).unwrap(), &mut back).unwrap();
    assert_close(&back, x.as_slice(), Tolerance::Absolute(1e-13));
    let wide = Features::new(&there, 2).unwrap();
    for result in [scaler.transform_into(wide, &mut back), scaler.inverse_into(wide, &mut back)] {
        assert_eq!(
            (result.as_ref().unwrap_err().kind(), result.unwrap_err().stage()),
            (ErrorKind::InvalidData, Stage::Scaling)
        );
    }
    assert_close(&back, x.as_slice(), Tolerance::Absolute(1e-13));
}

#[test]
fn an_overflowing_spread_is_named() {
    let x = Features::new(&[0.0, 1e200, 0.0, -1e200], 2).unwrap();
    let error = StandardScaler::fit(x).unwrap_err();
    assert_eq!((error.code(), error.stage()), ("TSC-CLU-008", Stage::Scaling));
    assert_eq!(error.to_string(), "the spread of feature 1 overflows");
}

/// C-42: variances of the four standardised measurements of iris, as printed by scikit-learn's `PCA` in
/// its documentation and countless tutorials: 2.93808505, 0.9201649, 0.14774182, 0.02085386.
#[test]
fn c42_components_of_iris_are_the_published_ones() {
    let Some(folder) = shared("conformance/hdbscan") else { return };
    let data = npy::read(folder.join("data_iris150.npy"));
    let params = ViewParams { clip: 100.0, reduce: Reduce::Components(4) };
    let view = ClusterView::fit(data.features(), &[0, 1, 2, 3], &params).unwrap();
    let p = view.projection().unwrap();
    let published = [2.93808505, 0.9201649, 0.14774182, 0.02085386];
    assert_close(p.explained_variance(), &published, Tolerance::Absolute(5e-9));
    let first = [0.52106591, -0.26934744, 0.5804131, 0.56485654];
    assert_close(&p.components()[..4], &first, Tolerance::Absolute(5e-9));
    assert!((p.explained_variance_ratio().iter().sum::<f64>() - 1.0).abs() < 1e-12);
    // What is projected has the variances as its own, and no covariance.
    let mut out = Vec::new();
    let z = view.apply_into(data.features(), &mut out).unwrap();
    for a in 0..4 {
        for b in 0..4 {
            let covariance = z.rows().map(|r| r[a] * r[b]).sum::<f64>() / 149.0;
            let expected = if a == b { published[a] } else { 0.0 };
            assert!((covariance - expected).abs() < 5e-9, "[{a}, {b}] is {covariance}");
        }
    }
}

/// C-42, to 1e-8: scikit-learn 1.9.1, `StandardScaler` and `PCA(3, svd_solver="full")`, largest loading positive.
#[test]
fn c42_components_equal_scikit_learn() {
    let x = [
        9.025, -4.535, -0.558, 100.117, 4.072, -3.442, -1.075, 99.481, 3.234, -0.11, 1.11, 99.853, 4.398,
        -3.809, -0.728, 99.644, 5.944, -2.998, 0.407, 100.18, 4.998, -1.442, 0.736, 99.96, 4.607, -2.551,
        1.13, 100.288, 4.484, -2.119, -0.143, 99.711, 6.832, -1.978, 0.22, 100.308, -0.823, -3.393, -0.173,
        99.025, 5.445, -2.161, -0.012, 99.616, 5.127, -3.04, 0.687, 100.508,
    ];
    let params = ViewParams { clip: 100.0, reduce: Reduce::Components(3) };
    let x = Features::new(&x, 4).unwrap();
    let view = ClusterView::fit(x, &[0, 1, 2, 3], &params).unwrap();
    let p = view.projection().unwrap();
    let components = [
        0.313582683988,
        0.424909501091,
        0.604429496925,
        0.596475313347,
        0.663103750598,
        -0.5431947436,
        -0.342080531081,
        0.384985450016,
        0.509331188221,
        0.67569881349,
        -0.433890800729,
        -0.309437598228,
    ];
    assert_close(p.components(), &components, Tolerance::Absolute(1e-8));
    let variances = [2.16632377147, 1.72744914115, 0.406985422217];
    assert_close(p.explained_variance(), &variances, Tolerance::Absolute(1e-8));
    let mut out = Vec::new();
    let z = view.apply_into(x, &mut out).unwrap();
    let (first, last) = z.as_slice().split_at(33);
    let projected =
        [-0.393895882172, 2.75382344227, 0.102476533535, 1.30185971562, 0.614231619723, -0.992169439717];
    assert_close(&[&first[..3], last].concat(), &projected, Tolerance::Absolute(1e-8));
}

#[test]
fn c42_two_correlated_features_project_onto_the_diagonal() {
    let x: Vec<f64> = (0..10).flat_map(|i| [f64::from(i), 2.0 * f64::from(i) + 7.0]).collect();
    let params = ViewParams { reduce: Reduce::Components(1), ..Default::default() };
    let view = ClusterView::fit(Features::new(&x, 2).unwrap(), &[0, 1], &params).unwrap();
    let half = 0.5f64.sqrt();
    assert_close(view.projection().unwrap().components(), &[half, half], Tolerance::Absolute(1e-14));
    assert_close(view.projection().unwrap().explained_variance_ratio(), &[1.0], Tolerance::Absolute(1e-14));
}

#[test]
fn auto_reduces_above_ten_columns_to_five_components() {
    let wide = mixture(400, 11, 3);
    let columns: Vec<usize> = (0..11).collect();
    let view = ClusterView::fit(wide.features(), &columns, &ViewParams::default()).unwrap();
    assert_eq!((view.n_in(), view.n_out()), (11, 5));
    let view = ClusterView::fit(wide.features(), &columns[1..], &ViewParams::default()).unwrap();
    assert_eq!((view.n_in(), view.n_out(), view.projection()), (11, 10, None));
    // Three samples span two directions.
    let few = wide.features().slice(0..3);
    assert_eq!(ClusterView::fit(few, &columns, &ViewParams::default()).unwrap().n_out(), 2);
}

#[test]
fn a_stored_view_gives_the_same_bits() {
    let data = mixture(300, 14, 9);
    let columns = [13, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    for reduce in [Reduce::Auto, Reduce::None, Reduce::Components(12)] {
        let params = ViewParams { clip: 2.5, reduce };
        let view = ClusterView::fit(data.features(), &columns, &params).unwrap();
        let mut files = MemoryArtifacts::new();
        view.save(&mut files).unwrap();
        let source: &dyn ArtifactSource = &files;
        let loaded: ClusterView = tsc_core::restore(&StoredKind::from(view.kind()), source).unwrap();
        assert_eq!(loaded, view);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        view.apply_into(data.features(), &mut a).unwrap();
        loaded.apply_into(data.features(), &mut b).unwrap();
        let bits = |v: &[f64]| v.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
        assert_eq!(bits(&a), bits(&b));
        // One row sees what the batch sees.
        let mut one = Vec::new();
        let row = view.apply_into(data.features().slice(7..8), &mut one).unwrap();
        assert_eq!(row.as_slice(), &a[7 * view.n_out()..8 * view.n_out()]);
    }
}

#[test]
fn damaged_scaler_files_are_errors_and_never_panics() {
    let data = mixture(60, 3, 1);
    let params = ViewParams { reduce: Reduce::Components(2), ..Default::default() };
    let view = ClusterView::fit(data.features(), &[0, 1, 2], &params).unwrap();
    let mut files = MemoryArtifacts::new();
    view.save(&mut files).unwrap();
    let good = files.get("scaler.json").unwrap();
    let load = |bytes: &[u8]| {
        let mut files = MemoryArtifacts::new();
        files.overwrite("scaler.json", bytes.to_vec());
        let source: &dyn ArtifactSource = &files;
        ClusterView::load(1, source)
    };
    for cut in 0..good.len() {
        assert_eq!(load(&good[..cut]).unwrap_err().kind(), ErrorKind::Artifact, "cut at {cut}");
    }
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            if let Ok(view) = load(&bytes) {
                let mut out = Vec::new();
                let applied = view.apply_into(data.features(), &mut out).map(|z| z.n_samples());
                assert!(applied.is_ok_and(|n| n == 60) || view.n_in() != 3);
            }
        }
    }
    let text = String::from_utf8(good).unwrap();
    for (from, to) in [("\"clip\":5.0", "\"clip\":-5.0"), ("[0,1,2]", "[0,1,1]"), ("[0,1,2]", "[0,1]")] {
        assert!(text.contains(from));
        assert_eq!(load(text.replace(from, to).as_bytes()).unwrap_err().kind(), ErrorKind::Artifact);
    }
}

#[track_caller]
fn refused(columns: &[usize], params: ViewParams, code: &str, message: &str) {
    let x = Features::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 7.0], 2).unwrap();
    let error = ClusterView::fit(x, columns, &params).unwrap_err();
    assert_eq!((error.code(), error.stage()), (code, Stage::Scaling));
    assert_eq!(error.to_string(), message);
}

#[test]
fn bad_columns_and_parameters_are_named() {
    let d = ViewParams::default;
    refused(&[], d(), "TSC-CLU-006", "no column is given, the cluster view needs at least 1");
    refused(&[2], d(), "TSC-CLU-006", "column 2 is not among the 2 features");
    refused(&[1, 1], d(), "TSC-CLU-006", "column 1 is given twice");
    let bad = ViewParams { clip: 0.0, reduce: Reduce::Components(0) };
    refused(
        &[0],
        bad,
        "TSC-CLU-010",
        "clip is 0, must be above 0 and finite; reduce asks for 0 components, must be at least 1",
    );
    refused(
        &[0, 1],
        ViewParams { reduce: Reduce::Components(3), ..d() },
        "TSC-CLU-007",
        "3 components are more than the 2 that 3 samples of 2 columns have",
    );
    let x = Features::new(&[1.0, 2.0], 2).unwrap();
    let view = ClusterView::fit(x, &[1], &d()).unwrap();
    let wide = Features::new(&[1.0, 2.0, 3.0], 3).unwrap();
    assert_eq!(view.apply_into(wide, &mut Vec::new()).unwrap_err().stage(), Stage::Scaling);
}

#[test]
fn reduce_is_spelled_as_a_word_or_a_number() {
    for (text, reduce) in
        [("\"auto\"", Reduce::Auto), ("\"none\"", Reduce::None), ("7", Reduce::Components(7))]
    {
        assert_eq!(serde_json::from_str::<Reduce>(text).unwrap(), reduce);
        assert_eq!(serde_json::to_string(&reduce).unwrap(), text);
    }
}
