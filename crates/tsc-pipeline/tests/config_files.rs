//! P-26: the example configurations say what the presets of the same name say.
#![allow(clippy::unwrap_used, reason = "a test says by panicking that it fails")]

use serde_json::{Value, json};
use tsc_pipeline::{PipelineConfig, Preset};

const FILES: [(&str, &str); 4] = [
    ("quick_start", include_str!("../../../tests/config/quick_start.toml")),
    ("small", include_str!("../../../tests/config/small.toml")),
    ("large", include_str!("../../../tests/config/large.toml")),
    ("medical", include_str!("../../../tests/config/medical.toml")),
];

fn parsed(name: &str) -> PipelineConfig {
    let (_, text) = FILES.iter().find(|(file, _)| *file == name).unwrap();
    PipelineConfig::from_toml(text).unwrap()
}

/// Keys that the files leave out on purpose; they keep their default there.
const NOT_IN_FILES: [&str; 4] = [
    "/lgb_timeseries_params/feature_fraction",
    "/lgb_timeseries_params/min_data_in_leaf",
    "/lgb_resource_params",
    "/knn_params/n_neighbors",
];

fn same_values_as(preset: Preset, name: &str) {
    let tree = |config: &PipelineConfig| -> Value { serde_json::from_str(&config.to_json()).unwrap() };
    let (mut expected, file) = (tree(&PipelineConfig::preset(preset)), tree(&parsed(name)));
    for key in NOT_IN_FILES {
        match (file.pointer(key).cloned(), expected.pointer_mut(key)) {
            (Some(given), Some(slot)) => *slot = given,
            (None, Some(_)) => {
                let (table, key) = key.rsplit_once('/').unwrap();
                expected.pointer_mut(table).unwrap().as_object_mut().unwrap().remove(key);
            }
            _ => {}
        }
    }
    for name in ["preset", "experiment_name", "hospital_profile_id"] {
        expected[name] = file[name].clone();
    }
    assert_eq!(file, expected, "{name}");
}

#[test]
fn p26_small_large_and_medical_hold_their_presets_values() {
    same_values_as(Preset::Small, "small");
    same_values_as(Preset::Large, "large");
    same_values_as(Preset::Medical, "medical");
}

/// Figures of the promise table's column "small, large, medical".
#[test]
fn p26_the_figures_are_those_of_the_table() {
    for (name, cluster, leaves, behaviour) in [
        ("small", (8, Some(3), 0.1), json!([15, 0.08, 50]), (0.25, 50, 1000)),
        ("large", (100, Some(30), 0.0), json!([127, 0.03, 200]), (0.35, 2000, 30_000)),
        ("medical", (25, Some(10), 0.1), json!([50, 0.04, 150]), (0.25, 200, 8000)),
    ] {
        let config = parsed(name);
        let h = &config.hdbscan_params;
        assert_eq!((h.min_cluster_size, h.min_samples, h.cluster_selection_epsilon), cluster, "{name}");
        let lgb = serde_json::to_value(&config.lgb_timeseries_params).unwrap();
        let found = ["num_leaves", "learning_rate", "n_estimators"]
            .map(|key| lgb.get(key).or_else(|| lgb.get("num_iterations")).cloned().unwrap());
        assert_eq!(json!(found), leaves, "{name}: {lgb}");
        let found = (config.noise_threshold, config.batch_size, config.expanding_window_size);
        assert_eq!(found, behaviour, "{name}");
    }
}

#[test]
fn p26_quick_start_and_medical_set_the_names_of_the_readme() {
    let quick = parsed("quick_start");
    assert_eq!((quick.noise_threshold, quick.batch_size), (0.25, 500));
    assert_eq!(quick.experiment_name, "my-clustering-experiment");
    let medical = parsed("medical");
    assert_eq!(medical.experiment_name, "medical-patient-clustering");
    assert_eq!(medical.hospital_profile_id.as_deref(), Some("hospital_001"));
    let lgb = serde_json::to_value(&medical.lgb_timeseries_params).unwrap();
    assert_eq!((&lgb["lambda_l1"], &lgb["lambda_l2"]), (&json!(0.1), &json!(0.1)));
}

#[test]
fn p26_every_file_round_trips_through_json() {
    for (name, _) in FILES {
        let config = parsed(name);
        assert_eq!(PipelineConfig::from_json(&config.to_json()).unwrap(), config, "{name}");
    }
}

#[test]
fn quantile_bounds_need_a_backend_with_quantiles() {
    let error =
        PipelineConfig::from_toml("[models]\nbackend = \"linear\"\n[intervals]\nlevels = [0.8]").unwrap_err();
    assert_eq!(
        error.to_string(),
        "intervals.method is cqr, which the linear backend cannot fit, must be residual"
    );
}
