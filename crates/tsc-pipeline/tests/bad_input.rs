//! Bad input: an error or a per-row outcome, never a panic, never an invented value.
#![allow(clippy::unwrap_used, reason = "a test program: a panic is how a check reports")]
#![cfg(feature = "linear")]

mod common;

use common::{Cohort, WIDTH, config, config_with, fitted};
use tsc_pipeline::core::{ErrorKind, Features, PredictionSource};
use tsc_pipeline::prelude::*;

fn fit(data: &Cohort) -> Result<FittedPipeline> {
    Ok(Pipeline::from_config(&config())?.fit_initial(&data.batch())?.0)
}

#[test]
fn a_matrix_without_rows_or_features_cannot_be_made() {
    for (values, width) in [(vec![], 3), (vec![1.0], 0), (vec![1.0; 5], 3)] {
        assert_eq!(Features::new(&values, width).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(Batch::raw(&values, width).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn a_fit_on_nan_names_the_cells() {
    let mut data = Cohort::new(450, 1);
    data.values[4] = f64::NAN;
    let batch = Batch::raw(&data.values, WIDTH).unwrap().with_targets(&data.targets).unwrap();
    let error = Pipeline::from_config(&config()).unwrap().fit_initial(&batch).unwrap_err();
    assert_eq!(error.to_string(), "1 of 450 rows hold invalid cells: feature [1, 1] (f1) is NaN");
    let quarantine = config_with("[data]\non_invalid_fit = \"quarantine\"");
    let (_, report) = Pipeline::from_config(&quarantine).unwrap().fit_initial(&batch).unwrap();
    assert_eq!((report.n_samples, report.rejected.len()), (449, 1));
}

#[test]
fn one_row_is_too_few_to_fit_and_enough_to_score() {
    let one = Cohort::new(1, 1);
    let error = fit(&one).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("TSC-DAT-021", "the fit has 1 usable rows, needs 45")
    );
    assert_eq!(fitted().process_batch(&one.batch()).unwrap().n_scored, 1);
}

#[test]
fn a_fit_without_targets_says_so() {
    let data = Cohort::new(450, 1);
    let error = Pipeline::from_config(&config()).unwrap().fit_initial(&Batch::new(data.x())).unwrap_err();
    assert_eq!(error.code(), "TSC-DAT-022");
    let help = error.help().unwrap();
    assert!(help.contains("data.target"), "whoever comes from a file is told the key: {help}");
}

#[test]
fn equal_rows_fit_and_predict_their_constant() {
    let data = Cohort { values: vec![1.0; 200 * WIDTH], targets: vec![7.0; 200], ..Cohort::new(200, 1) };
    let mut pipeline = fit(&data).unwrap();
    let report = pipeline.process_batch(&data.batch()).unwrap();
    assert!(
        report.predictions.values.iter().all(|v| (v - 7.0).abs() < 1e-9),
        "{:?}",
        report.predictions.values[0]
    );
    assert_eq!(report.scores.unwrap().r2, None);
}

#[test]
fn another_width_is_an_error_and_only_the_error_count_changes() {
    let mut pipeline = fitted();
    let rows = pipeline.window_rows();
    let error = pipeline.process_batch(&Batch::new(Features::new(&[1.0, 2.0], 2).unwrap())).unwrap_err();
    assert_eq!(error.to_string(), "batch has 2 features, the model was fitted on 3");
    assert_eq!((pipeline.window_rows(), pipeline.batches()), (rows, 0));
    assert_eq!(pipeline.monitor().error_stats().total, 1);
}

#[test]
fn columns_in_another_order_are_refused() {
    let data = Cohort::new(450, 1);
    let schema = tsc_pipeline::core::Schema::named(["a", "b", "c"]).unwrap();
    let other = tsc_pipeline::core::Schema::named(["b", "a", "c"]).unwrap();
    let batch = data.batch().with_schema(&schema).unwrap();
    let (mut pipeline, _) = Pipeline::from_config(&config()).unwrap().fit_initial(&batch).unwrap();
    let error = pipeline.process_batch(&data.batch().with_schema(&other).unwrap()).unwrap_err();
    assert_eq!(error.code(), "TSC-DAT-024");
}

#[test]
fn a_batch_of_noise_alone_is_scored_by_the_pooled_model() {
    let mut pipeline = fitted();
    let far = Cohort::far(40, 3);
    let report = pipeline.process_batch(&Batch::new(far.x())).unwrap();
    assert_eq!((report.noise_ratio, report.unassigned_ratio), (1.0, 1.0));
    assert!(report.predictions.sources.iter().all(|s| *s == PredictionSource::Pooled));
}

#[test]
fn a_misspelled_key_names_the_nearest_one() {
    let error = PipelineConfig::from_toml("[hdbscan_params]\nmin_cluster_sise = 5").unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown key hdbscan_params.min_cluster_sise, did you mean min_cluster_size"
    );
}

#[test]
fn targets_of_another_length_are_refused() {
    let data = Cohort::new(30, 1);
    assert_eq!(Batch::new(data.x()).with_targets(&data.targets[1..]).unwrap_err().code(), "TSC-DAT-014");
}
