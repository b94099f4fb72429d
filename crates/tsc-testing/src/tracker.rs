//! What every [`Tracker`] keeps.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tsc_core::{DatasetInfo, ErrorKind, Experiment, Result, Run, RunStatus, Tracker};

const DEADLINE: Duration = Duration::from_secs(30);
const NO_RUN: &str = "00000000000000000000000000000000";

/// Runs all checks on a tracker; one that keeps nothing (run id all zero) may accept anything.
///
/// # Panics
///
/// At the first broken promise, naming it.
pub fn suite(tracker: &dyn Tracker) {
    let mut run = start(tracker, "suite");
    let keeps = run.id() != NO_RUN;
    identifiers_are_keys(tracker, run.id());
    params_stay(&mut *run, keeps);
    non_finite_metrics_are_left_out(tracker, &mut *run, keeps);
    malformed_names_are_refused(&mut *run, keeps);
    models_are_read_from_folders(&mut *run, keeps);
    run.finish(RunStatus::Finished).unwrap_or_else(|e| panic!("a run can be finished: {e:?}"));
    a_whole_tree_of_runs_is_stored(tracker, keeps);
}

#[track_caller]
fn start(tracker: &dyn Tracker, name: &str) -> Box<dyn Run> {
    tracker.start_run(Experiment::Training, name).unwrap_or_else(|e| panic!("a run can be started: {e:?}"))
}

fn identifiers_are_keys(tracker: &dyn Tracker, id: &str) {
    let hex = |id: &str| id.len() == 32 && id.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    assert!(hex(id), "a run id has 32 hex digits, not {id:?}");
    let other = start(tracker, "suite");
    assert!(hex(other.id()) && (id == NO_RUN || other.id() != id), "every run has its own id");
    let child = other.child("below").unwrap_or_else(|e| panic!("a child run can be started: {e:?}"));
    assert!(hex(child.id()) && (id == NO_RUN || child.id() != other.id()), "a child has its own id");
    child.finish(RunStatus::Finished).expect("a child can be finished");
    other.finish(RunStatus::Failed).expect("a run can be finished as failed");
}

fn params_stay(run: &mut dyn Run, keeps: bool) {
    run.log_params(&[("n_features", &4), ("metric", &"euclidean")]).expect("plain parameters are taken");
    run.log_params(&[("n_features", &4)]).expect("the same value again is no fault");
    refused(keeps, "a parameter with another value", "n_features", run.log_params(&[("n_features", &5)]));
}

fn non_finite_metrics_are_left_out(tracker: &dyn Tracker, run: &mut dyn Run, keeps: bool) {
    let before = tracker.flush(DEADLINE).non_finite;
    run.log_metrics(3, &[("noise_ratio", 0.25), ("holdout/rmse", f64::NAN), ("rmse", f64::INFINITY)])
        .expect("metrics with NaN are taken");
    run.log_metrics(3, &[]).expect("no metric is no fault");
    let after = tracker.flush(DEADLINE).non_finite;
    assert!(!keeps || after - before == 2, "NaN and infinite metrics are left out and counted");
}

fn malformed_names_are_refused(run: &mut dyn Run, keeps: bool) {
    refused(keeps, "a metric with a line break", "bad", run.log_metrics(0, &[("bad\nname", 1.0)]));
    refused(keeps, "a metric without a name", "", run.log_metrics(0, &[("", 1.0)]));
    refused(keeps, "a parameter without a name", "", run.log_params(&[("", &1)]));
    run.set_tags(&[("tsc.phase", "training")]).expect("plain tags are taken");
    run.log_artifact("report/report.html", b"<html></html>").expect("plain paths are taken");
    for path in ["../report.html", "/report.html", "a//b", ""] {
        refused(keeps, "a path that is not plain and relative", path, run.log_artifact(path, b"x"));
    }
}

fn models_are_read_from_folders(run: &mut dyn Run, keeps: bool) {
    let folder = TestFolder::with(&[("model.txt", b"tree"), ("nested/data.bin", &[0, 255])]);
    if keeps {
        let uri = run
            .log_model("pipeline", folder.path())
            .unwrap_or_else(|e| panic!("a folder is logged as a model: {e:?}"));
        assert!(!uri.0.is_empty(), "a logged model has an address");
    }
    let missing = folder.path().join("missing");
    let logged = run.log_model("pipeline", &missing).map(|_| ());
    refused(true, "a model without a folder", "", logged);
    let info = DatasetInfo {
        name: "patients".into(),
        digest: "0123456789abcdef0123456789abcdef".into(),
        context: "training".into(),
        columns: vec!["heart_rate".into()],
        rows: 10,
        groups: Some(3),
    };
    run.log_dataset(&info).expect("a data set is recorded");
}

fn a_whole_tree_of_runs_is_stored(tracker: &dyn Tracker, keeps: bool) {
    let before = tracker.flush(DEADLINE);
    let parent = start(tracker, "Pipeline");
    let mut child = parent.child("HDBSCAN").expect("a child run can be started");
    let mut grandchild = child.child("inner").expect("a child may have children");
    for step in 0..200 {
        child.log_metrics(step, &[("noise_ratio", 0.5), ("n_clusters", 3.0)]).expect("metrics are taken");
    }
    grandchild.log_metrics(0, &[("rmse", 1.0)]).expect("metrics are taken");
    // Children still open end with their parent.
    parent.finish(RunStatus::Finished).expect("a parent can be finished first");
    drop((child, grandchild));
    let after = tracker.flush(DEADLINE);
    assert_eq!(after.queued, 0, "flush waits until nothing is queued");
    assert_eq!(after.dropped, before.dropped, "nothing is dropped");
    assert!(!keeps || after.sent + after.spooled > before.sent + before.spooled, "what was logged is stored");
    let lost = (after.spooled, after.rejected) != (before.spooled, before.rejected);
    assert!(!lost, "a reachable store loses nothing: {after:?}");
}

#[track_caller]
fn refused(keeps: bool, what: &str, named: &str, result: Result<()>) {
    if !keeps {
        return;
    }
    let Err(error) = result else { panic!("{what} is refused") };
    assert_eq!(error.kind(), ErrorKind::Tracking, "{what} is a Tracking error: {error:?}");
    assert!(error.to_string().contains(named), "the error for {what} names {named:?}: {error}");
}

/// A folder with files, removed at the end.
pub(crate) struct TestFolder(PathBuf);

impl TestFolder {
    pub(crate) fn with(files: &[(&str, &[u8])]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("tsc-testing-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&root).expect("the temporary folder is writable");
        for (path, bytes) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("writable");
            std::fs::write(path, bytes).expect("writable");
        }
        Self(root)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        // A folder left behind must not hide the check that failed.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests;
