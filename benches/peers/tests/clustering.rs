//! Every task of the program runs on a small input and gives the number that the input has.

mod program;

use std::{path::Path, process::Command};

use program::{number, output};
use tsc_testing::npy;

fn run(arguments: &[(&str, String)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clustering"));
    command.args(arguments.iter().map(|(key, value)| format!("{key}={value}")));
    output(&mut command)
}

fn input(dir: &Path, kind: &str, n: usize, d: usize) {
    run(&[
        ("task", kind.to_owned()),
        ("peer", String::new()),
        ("dir", dir.display().to_string()),
        ("n", n.to_string()),
        ("d", d.to_string()),
    ]);
}

fn task(dir: &Path, task: &str, more: &[(&str, usize)]) -> String {
    let dir = dir.display().to_string();
    let mut arguments = vec![("task", task.to_owned()), ("peer", "ours".to_owned()), ("dir", dir)];
    arguments.push(("min_cluster_size", "10".into()));
    arguments.push(("min_samples", "5".into()));
    arguments.extend(more.iter().map(|(key, value)| (*key, value.to_string())));
    run(&arguments)
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// Total weight of the mutual reachability tree by its definition, in cubic time.
fn tree_weight(rows: &[&[f64]], min_samples: usize) -> f64 {
    let core = |a: &&[f64]| {
        let mut to: Vec<f64> = rows.iter().map(|b| distance(a, b)).collect();
        to.sort_by(f64::total_cmp);
        to[min_samples]
    };
    let core: Vec<f64> = rows.iter().map(core).collect();
    let mut outside: Vec<usize> = (1..rows.len()).collect();
    let mut inside = vec![0];
    let mut total = 0.0;
    while !outside.is_empty() {
        let mut best = (f64::INFINITY, 0);
        for &a in &inside {
            for (place, &b) in outside.iter().enumerate() {
                let weight = distance(rows[a], rows[b]).max(core[a]).max(core[b]);
                if weight < best.0 {
                    best = (weight, place);
                }
            }
        }
        total += best.0;
        inside.push(outside.swap_remove(best.1));
    }
    total
}

fn assert_close(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-12 * expected.abs(), "{got} is not {expected}");
}

#[test]
fn fits_report_the_weight_of_the_tree_and_write_their_labels() {
    let dir = tempfile::tempdir().unwrap();
    input(dir.path(), "mixture", 300, 3);
    let data = npy::read(dir.path().join("rows.npy"));
    let rows: Vec<&[f64]> = data.features().rows().collect();
    let expected = tree_weight(&rows, 5);

    let line = task(dir.path(), "fit", &[]);
    assert_close(number(&line, "check"), expected);
    assert!(number(&line, "seconds") > 0.0, "{line}");
    assert_eq!(number(&line, "input_mb"), 300.0 * 3.0 * 8.0 / 1e6);
    let labels = npy::read(dir.path().join("ours.npy"));
    assert_eq!(labels.shape, [300]);
    assert!(labels.i32().contains(&1), "two clusters at least");

    input(dir.path(), "distances", 300, 3);
    let line = task(dir.path(), "precomputed", &[]);
    assert_close(number(&line, "check"), expected);
    assert_eq!(npy::read(dir.path().join("ours.npy")), labels);
}

#[test]
fn neighbours_report_the_sum_of_their_distances() {
    let dir = tempfile::tempdir().unwrap();
    input(dir.path(), "mixture", 200, 8);
    let data = npy::read(dir.path().join("rows.npy"));
    let rows: Vec<&[f64]> = data.features().rows().collect();
    let nearest = |query: &&[f64]| {
        let mut to: Vec<f64> = rows[..150].iter().map(|row| distance(query, row)).collect();
        to.sort_by(f64::total_cmp);
        to[..5].iter().sum::<f64>()
    };
    let expected: f64 = rows[150..].iter().map(nearest).sum();
    let line = task(dir.path(), "knn", &[("train", 150), ("k", 5)]);
    assert_close(number(&line, "check"), expected);
    assert!(number(&line, "setup") > 0.0, "{line}");
}

#[test]
fn a_batch_counts_once_however_often_it_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    input(dir.path(), "mixture", 400, 3);
    let mut labels = Vec::new();
    for batch in [1, 30, 100] {
        let line = task(dir.path(), "predict", &[("train", 300), ("batch", batch)]);
        assert!(number(&line, "seconds") > 0.0 && number(&line, "setup") > 0.0, "{line}");
        labels.push(npy::read(dir.path().join("ours.npy")));
    }
    assert_eq!(labels[0].shape, [100]);
    assert!(labels.iter().all(|it| *it == labels[0]));
}

#[test]
fn scores_and_the_fallback_report_what_a_peer_can_compare() {
    let dir = tempfile::tempdir().unwrap();
    input(dir.path(), "mixture", 400, 3);
    for score in ["silhouette", "dbcv"] {
        let line = task(dir.path(), score, &[]);
        assert!(number(&line, "check").abs() <= 1.0, "{line}");
    }
    let line = task(dir.path(), "re-extract", &[]);
    assert!(number(&line, "setup") > 0.0 && number(&line, "seconds") > 0.0, "{line}");

    // With one neighbour the label is that of the nearest row that is not noise.
    let (data, truth) = (npy::read(dir.path().join("rows.npy")), npy::read(dir.path().join("truth.npy")));
    let rows: Vec<&[f64]> = data.features().rows().collect();
    let label = |query: &[f64]| {
        let known = (0..300).filter(|row| truth.i32()[*row] >= 0);
        let nearest = known.min_by(|a, b| distance(query, rows[*a]).total_cmp(&distance(query, rows[*b])));
        truth.i32()[nearest.unwrap()]
    };
    let expected: f64 =
        (300..400).map(|query| f64::from(label(rows[query])) * f64::from(query as u32 - 299)).sum();
    let line = task(dir.path(), "fallback", &[("train", 300), ("k", 1)]);
    assert_eq!(number(&line, "check"), expected);
}

#[test]
fn what_is_missing_or_unknown_is_named() {
    for (arguments, expected) in [
        (&["task=fit"][..], "peer= is missing"),
        (&["task=fit", "peer=nobody"], "nobody has no task fit"),
        (&["task=mixture", "peer=", "n=many"], "n=many is no whole number"),
        (&["task"], "`task` is not key=value"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_clustering")).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{said}");
    }
}
