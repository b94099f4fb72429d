//! Every task of the program runs on a small input and gives the number that the input has.
#![cfg(feature = "lightgbm")]

mod program;

use std::{fs, path::Path, process::Command};

use program::{number, output};
use tsc_testing::npy;

fn run(dir: &Path, task: &str, more: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_models"));
    command.args([format!("task={task}"), "peer=ours".to_owned(), format!("dir={}", dir.display())]);
    command.args(["rounds=5", "leaves=7", "seed=42", "threads=2", "d=6"]);
    command.args(more.iter().map(|(key, value)| format!("{key}={value}")));
    output(&mut command)
}

#[test]
fn equal_trees_have_equal_digests_and_a_loss_has_the_size_of_the_target() {
    let dir = tempfile::tempdir().unwrap();
    let cohort = [("groups", "3"), ("rows", "200"), ("held_out", "50")];
    run(dir.path(), "cohort", &cohort);
    let digest = |more: &[(&str, &str)]| number(&run(dir.path(), "train", more), "check");
    let first = digest(&cohort);
    assert_eq!(digest(&cohort), first);
    assert_ne!(digest(&[("groups", "2")]), first, "other groups, other trees");

    let held_out = npy::read(dir.path().join("held_out_targets.npy"));
    let mean = held_out.f64().iter().sum::<f64>() / 150.0;
    let deviation = (held_out.f64().iter().map(|y| (y - mean).powi(2)).sum::<f64>() / 150.0).sqrt();
    let loss = number(&run(dir.path(), "train-sized", &cohort), "check");
    assert!((0.1 * deviation..3.0 * deviation).contains(&loss), "{loss} beside {deviation}");

    let segments = [("groups", "2"), ("rows", "200")];
    run(dir.path(), "segments", &segments);
    let folds = npy::read(dir.path().join("folds.npy"));
    let rows_of = |fold: i32| folds.i32().iter().filter(|it| **it == fold).count();
    assert_eq!([-1, 0, 1, 2, 3, 4].map(rows_of), [80, 64, 64, 64, 64, 64]);
    assert!(number(&run(dir.path(), "per-cluster", &segments), "check") > 0.0);
}

#[test]
fn a_model_is_asked_row_by_row_and_at_once_with_the_same_answer() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), "model", &[("n", "300")]);
    let digest = |task| number(&run(dir.path(), task, &[]), "check");
    assert_eq!(digest("score"), digest("score-one"));
    assert!(number(&run(dir.path(), "score-one", &[]), "p50_us") > 0.0);
    assert!(digest("contributions") > 0.0);
    assert_eq!(digest("parse"), 5.0, "one tree a round");
}

#[test]
fn long_tables_give_rows_and_sums_that_can_be_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "patient,time,variable,value\n".to_owned();
    for variable in ["HR", "Temp", "GCS", "Na", "Glucose"] {
        // Plausible values of each variable.
        let base = match variable {
            "Temp" => 30.0,
            "GCS" => 5.0,
            _ => 100.0,
        };
        for (stay, minute, above) in
            [("A", 0, 0.0), ("A", 60, 2.0), ("A", 120, 4.0), ("B", 0, 1.0), ("B", 60, 5.0)]
        {
            text += &format!("{stay},{minute},{variable},{}\n", base + above);
        }
    }
    // A value at 48 h is not before it.
    text += "A,2880,HR,200\n";
    fs::write(dir.path().join("long.csv"), text).unwrap();
    assert_eq!(number(&run(dir.path(), "read", &[]), "check"), 26.0);
    // Per variable, over both stays, above its base: mean 2 + 3, min 0 + 1, max 4 + 5; and count 3 + 2.
    let bases = 3.0 * 100.0 + 30.0 + 5.0;
    assert_eq!(number(&run(dir.path(), "minimal", &[]), "check"), 6.0 * bases + 5.0 * 20.0);
    // Likewise first 0 + 1 and last 4 + 5; slope 2 + 4 an hour; deviation 2, and 4 over the root of 2.
    let expected = 10.0 * bases + 5.0 * (20.0 + 10.0 + 6.0 + 2.0 + 4.0 / 2f64.sqrt());
    let got = number(&run(dir.path(), "stats", &[]), "check");
    assert!((got - expected).abs() < 1e-9, "{got} is not {expected}");
    assert!(number(&run(dir.path(), "updater", &[]), "nanos") > 0.0);
    assert!(number(&run(dir.path(), "table-memory", &[]), "bytes") >= 0.0);
}

#[test]
fn panels_have_eleven_features_a_row_and_shapes_eighteen_a_series() {
    let dir = tempfile::tempdir().unwrap();
    let input = [("series", "30"), ("periods", "60")];
    run(dir.path(), "series", &input);
    let panel = run(dir.path(), "panel", &input);
    // Rows from the 12th period on, but for the last, which has nothing to forecast.
    assert_eq!(number(&panel, "cells"), 30.0 * 48.0 * 11.0);
    let series = npy::read(dir.path().join("series.npy"));
    assert_eq!(series.shape, [30, 60]);
    assert_eq!(number(&run(dir.path(), "shape", &input), "columns"), 18.0);
}
