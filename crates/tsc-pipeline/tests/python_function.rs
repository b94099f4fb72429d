//! What Rust trained, scored by Python through MLflow: the same labels, sources and bits.
//!
//! `TSC_MLFLOW_PYTHON` names an interpreter with `mlflow==3.17.2` and `lightgbm==4.7.0`; serving over HTTP is
//! tried where `TSC_FULL=true`.
#![cfg(all(unix, feature = "linear", feature = "mlflow"))]
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::{Cohort, WIDTH};
use serde_json::{Value, json};
use tsc_pipeline::BatchReport;
use tsc_pipeline::core::{Column, ColumnUse, Intervals, ResourceKind, ResourceTargets, Schema, Unit};
use tsc_pipeline::prelude::*;
use tsc_testing::mlflow::Python;

const MODEL: &str = "TimeSeries-Clustering-Pipeline";
const NAMES: [&str; WIDTH] = ["heart rate", "it's", "lactate"];

fn schema() -> Schema {
    // The models do not see the third, so that both ways of choosing columns are tried.
    let uses = [ColumnUse::Both, ColumnUse::Both, ColumnUse::Cluster];
    let column = |(name, column_use): (&str, ColumnUse)| Column { name: name.into(), unit: None, column_use };
    Schema::new(NAMES.into_iter().zip(uses).map(column).collect()).unwrap()
}

/// A registered fit with two heads and intervals.
fn register(uri: &str, backend: &str, more: &str) -> FittedPipeline {
    let mut config = PipelineConfig::from_toml(&format!(
        "noise_threshold = 0.9\n[models]\nbackend = \"{backend}\"\nnoise_value = \"fallback\"\n\
         [hdbscan_params]\nmin_cluster_size = 15\nmin_samples = 5\n\
         [lgb_timeseries_params]\nn_estimators = 20\n[lgb_resource_params]\nn_estimators = 10\n\
         [resources.length_of_stay]\ntransform = \"log1p\"\n[retraining]\nmode = \"on_request\"\n{more}"
    ))
    .unwrap();
    config.tracking.uri = Some(uri.into());
    config.tracking.boosters = true;
    let data = Cohort::new(450, 1).and(&background(0..150));
    let days: Vec<f64> = data.values.chunks(WIDTH).map(|row| 1.0 + row[0].abs() / 30.0).collect();
    let beds: Vec<f64> = data.values.chunks(WIDTH).map(|row| 50.0 - row[1]).collect();
    let resources = ResourceTargets::new()
        .with(ResourceKind::named("length_of_stay").unwrap(), Unit::Days, &days)
        .and_then(|r| r.with(ResourceKind::named("beds").unwrap(), Unit::Beds, &beds))
        .unwrap();
    let schema = schema();
    let batch = data.batch().with_schema(&schema).unwrap().with_resources(resources).unwrap();
    let (mut fitted, report) = Pipeline::from_config(&config).unwrap().fit_initial(&batch).unwrap();
    assert!(report.registered.is_some(), "{:?}", report.degraded);
    assert_eq!(fitted.flush_tracking(Duration::from_secs(60)).queued, 0);
    fitted
}

/// Rows spread evenly over the box of the groups: most are noise, some lie at the border of a group.
fn background(rows: std::ops::Range<u32>) -> Cohort {
    let at = |i: u32, step: f64, low: f64, high: f64| low + (high - low) * (f64::from(i) * step).fract();
    let center =
        |i| [at(i, 0.618_034, 20.0, 100.0), at(i, 0.414_214, -30.0, 30.0), at(i, 0.732_051, -9.0, 9.0)];
    let centers: Vec<[f64; WIDTH]> = rows.map(center).collect();
    let mut cohort = Cohort::around(&centers, centers.len(), 4);
    cohort.targets.iter_mut().for_each(|target| *target %= 30.0);
    cohort
}

/// Rows of groups, rows between them, rows far from all, and two that cannot be scored.
fn rows() -> Vec<f64> {
    let mut values = Cohort::new(90, 2).values;
    values.extend(background(150..400).values);
    values.extend(Cohort::far(5, 9).values);
    // Training rows are at distance 0 from themselves.
    values.extend(Cohort::new(450, 1).values[..15 * WIDTH].iter());
    values.extend([f64::NAN, 1.0, 2.0]);
    values.extend([30.0, f64::INFINITY, 5.0]);
    values
}

/// The table that Python is to give, in the form of `python_function.py`.
fn table(fitted: &mut FittedPipeline, values: &[f64]) -> Value {
    let report = fitted.process_batch(&Batch::raw(values, WIDTH).unwrap()).unwrap();
    let mut names: Vec<String> =
        ["density_label", "label", "strength", "value", "source"].map(String::from).into();
    names.extend(fitted.models().further_columns());
    let columns: serde_json::Map<String, Value> = names.iter().cloned().zip(columns(&report)).collect();
    assert_eq!(columns.len(), names.len());
    json!({"names": names, "columns": columns})
}

fn columns(report: &BatchReport) -> Vec<Value> {
    let bits = |values: &[f64]| -> Value {
        values.iter().map(|v| if v.is_nan() { Value::Null } else { json!(v.to_bits()) }).collect()
    };
    let bounds = |intervals: Option<&Intervals>| -> Vec<Value> {
        let pairs = intervals.into_iter().flat_map(|i| i.lower.iter().zip(&i.upper));
        pairs.flat_map(|(lower, upper)| [bits(lower), bits(upper)]).collect()
    };
    let of = &report.predictions;
    let mut columns = vec![
        of.density_labels.iter().map(|label| label.id()).collect(),
        of.labels.iter().map(|label| label.id()).collect(),
        bits(&of.strengths),
        bits(&of.values),
        of.sources.iter().map(|source| source.name()).collect(),
    ];
    columns.extend(bounds(of.intervals.as_ref()));
    for head in &report.resources {
        columns.push(bits(&head.values));
        columns.extend(bounds(head.intervals.as_ref()));
    }
    columns
}

/// Every way that a row can take is taken.
fn assert_all_ways_are_taken(table: &Value) {
    let column = |name: &str| table["columns"][name].as_array().unwrap();
    for source in ["cluster", "fallback", "pooled", "unavailable"] {
        assert!(column("source").iter().any(|it| it == source), "no row is of source {source}");
    }
    let noise = |name: &str| column(name).iter().filter(|label| **label == -1).count();
    assert!(
        noise("density_label") > noise("label") && noise("label") > 2,
        "some noise is named, some is not"
    );
}

#[track_caller]
fn assert_same(scored: &Value, expected: &Value) {
    assert_eq!(scored["names"], expected["names"]);
    for name in expected["names"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        let (scored, expected) = (&scored["columns"][name], &expected["columns"][name]);
        let pairs = scored.as_array().unwrap().iter().zip(expected.as_array().unwrap());
        let other: Vec<_> = pairs.enumerate().filter(|(_, (a, b))| a != b).take(3).collect();
        assert!(other.is_empty() && scored == expected, "{name}: (row, (Python, Rust)) {other:?}");
    }
}

fn run(python: &Python, job: &str, uri: &str, folder: &Path, values: &[f64]) -> Value {
    let path = |name: &str| folder.join(name).display().to_string();
    let bits: Vec<u64> = values.iter().map(|v| v.to_bits()).collect();
    std::fs::write(path("given.json"), json!({"names": NAMES, "bits": bits}).to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python_function.py");
    let _printed = python.run(&script, &[job, uri, MODEL, &path("given.json"), &path("scored.json")]);
    serde_json::from_slice(&std::fs::read(path("scored.json")).unwrap()).unwrap()
}

const BOOSTED: &str = if cfg!(feature = "lightgbm") { "lightgbm" } else { "linear" };
const BOUNDS: &str = if cfg!(feature = "lightgbm") {
    "[intervals]\nlevels = [0.5, 0.8]\nmin_calibration_rows = 20"
} else {
    "[intervals]\nlevels = [0.8]\nmethod = \"residual\""
};

#[test]
fn python_scores_every_registered_version_to_the_bit() {
    let Some(python) = Python::with_mlflow() else { return };
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("sqlite:///{}/mlflow.db", folder.path().display());
    let values = rows();
    let first = table(&mut register(&uri, BOOSTED, BOUNDS), &values);
    let second = "[data]\non_invalid_batch = \"impute_median\"\n[knn_params]\nmetric = \"manhattan\"\n\
                  weights = \"uniform\"\nn_neighbors = 3\nmin_strength = 0.7";
    let second = table(&mut register(&uri, "linear", second), &values);
    assert_all_ways_are_taken(&first);
    assert_ne!(first["columns"]["value"], second["columns"]["value"]);
    let scored = run(&python, "load", &uri, folder.path(), &values);
    assert_same(&scored[format!("models:/{MODEL}/1")], &first);
    for address in ["/2", "@staging", "/Staging"] {
        assert_same(&scored[format!("models:/{MODEL}{address}")], &second);
    }
}

#[expect(clippy::print_stderr, reason = "a skipped check must be visible in the test output")]
fn is_full() -> bool {
    let full = std::env::var("TSC_FULL").is_ok_and(|full| full == "true");
    if !full {
        eprintln!("skipped: slow, TSC_FULL=true asks for it");
    }
    full
}

fn assert_first_version_is_scored_alike(job: &str) {
    let Some(python) = Python::with_mlflow() else { return };
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("sqlite:///{}/mlflow.db", folder.path().display());
    let values = rows();
    let expected = table(&mut register(&uri, BOOSTED, BOUNDS), &values);
    let scored = run(&python, job, &uri, folder.path(), &values);
    assert_same(&scored[format!("models:/{MODEL}/1")], &expected);
}

/// `TSC_SPARK=true` says that the interpreter has pyspark, as `cargo xtask test --full` does.
#[test]
fn spark_udf_answers_to_the_bit() {
    if std::env::var("TSC_SPARK").is_err() {
        eprintln!("skipped: TSC_SPARK does not say that there is a Spark");
        return;
    }
    assert_first_version_is_scored_alike("spark");
}

#[test]
fn mlflow_models_serve_answers_to_the_bit() {
    if !is_full() {
        return;
    }
    assert_first_version_is_scored_alike("serve");
}
