//! Every task of the program that needs no server runs on a small input.
#![cfg(feature = "tracking")]

mod program;

use std::{path::Path, process::Command};

use program::{number, output};

fn run(dir: &Path, task: &str, more: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracking"));
    command.args([format!("task={task}"), "peer=ours".to_owned(), format!("dir={}", dir.display())]);
    command.args(["keys=10", "threads=2"]).args(more.iter().map(|(key, value)| format!("{key}={value}")));
    output(command.current_dir(dir))
}

#[test]
fn calls_are_timed_and_every_metric_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), "store", &[]);
    let id = std::fs::read_to_string(dir.path().join("run.txt")).unwrap();
    assert!(id.len() == 32 && dir.path().join("empty/mlflow.db").is_file(), "{id}");
    let line = run(dir.path(), "calls", &[("callers", "2"), ("calls", "500")]);
    assert!(number(&line, "p50_ns") <= number(&line, "p99_ns"), "{line}");
    assert_eq!(number(&run(dir.path(), "bulk", &[("metrics", "2000")]), "check"), 2_000.0);
    assert!(number(&run(dir.path(), "first-run", &[]), "open_ms") > 0.0);
}

#[test]
fn fits_and_batches_run_with_and_without_runs() {
    let dir = tempfile::tempdir().unwrap();
    for task in ["fit", "batches"] {
        let line = run(dir.path(), task, &[("rows", "300"), ("pairs", "1")]);
        assert!(number(&line, "off") > 0.0, "{line}");
    }
    assert!(dir.path().join("pipeline.db").is_file());
}
