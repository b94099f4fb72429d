//! The embedded store through the public interface.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![expect(clippy::disallowed_methods, reason = "these tests are about waiting")]

use std::path::Path;
use std::time::{Duration, Instant};

use tsc_core::Millis;
use tsc_mlflow::{
    Degradation, DeploymentStage, Experiment, MlflowConfig, MlflowTracker, ModelRegistry, ModelUri,
    RunStatus, Tracker, VersionInfo,
};

const WAIT: Duration = Duration::from_secs(30);

fn config(folder: &Path) -> MlflowConfig {
    MlflowConfig {
        uri: Some(format!("sqlite:///{}/mlflow.db", folder.display())),
        spool: Some(folder.join("spool")),
        ..MlflowConfig::default()
    }
}

fn count(folder: &Path, sql: &str) -> i64 {
    let db = rusqlite::Connection::open(folder.join("mlflow.db")).unwrap();
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn the_embedded_store_keeps_what_every_tracker_and_registry_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = MlflowTracker::open(&config(folder.path())).unwrap();
    tsc_testing::tracker::suite(&tracker);
    tsc_testing::registry::suite(&tracker, &tracker);
    assert!(!folder.path().join("spool").exists(), "nothing was spooled");
}

#[test]
fn a_run_that_is_dropped_is_failed_and_a_parent_takes_its_children_along() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = MlflowTracker::open(&config(folder.path())).unwrap();
    drop(tracker.start_run(Experiment::Training, "dropped").unwrap());
    let parent = tracker.start_run(Experiment::Training, "parent").unwrap();
    let mut child = parent.child("child").unwrap();
    parent.finish(RunStatus::Finished).unwrap();
    let error = child.log_metrics(0, &[("m", 1.0)]).unwrap_err();
    assert_eq!(error.code(), "TSC-TRK-004");
    drop(child);
    tracker.flush(WAIT);
    assert_eq!(
        count(folder.path(), "SELECT COUNT(*) FROM runs WHERE status = 'FAILED' AND name = 'dropped'"),
        1
    );
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM runs WHERE status = 'FINISHED'"), 2);
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM runs WHERE end_time IS NULL"), 0);
}

#[test]
fn f11_two_fits_in_one_process_leave_no_run_open() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let tracker = MlflowTracker::open(&config(folder.path())).unwrap();
        let run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
        run.finish(RunStatus::Finished).unwrap();
    }
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM runs WHERE status = 'FINISHED'"), 2);
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM experiments WHERE name LIKE '%-Training'"), 1);
}

#[test]
fn dropping_the_tracker_stores_what_is_queued() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = MlflowTracker::open(&config(folder.path())).unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    for step in 0..2_500 {
        run.log_metrics(step, &[("m", 0.5), ("n", -1.0)]).unwrap();
    }
    drop(run);
    drop(tracker);
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM metrics"), 5_000);
}

#[test]
fn more_metrics_than_a_request_holds_go_in_one_call() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = MlflowTracker::open(&config(folder.path())).unwrap();
    let names: Vec<String> = (0..1_001).map(|n| format!("m{n}")).collect();
    let metrics: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 1.0)).collect();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    run.log_metrics(0, &metrics).unwrap();
    let params: Vec<(&str, &dyn std::fmt::Display)> =
        names.iter().map(|name| (name.as_str(), name as &dyn std::fmt::Display)).collect();
    run.log_params(&params).unwrap();
    run.finish(RunStatus::Finished).unwrap();
    assert_eq!(tracker.flush(WAIT).sent, 2 * 1_001 + 2);
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM latest_metrics"), 1_001);
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM params"), 1_001);
}

#[test]
fn a_malformed_key_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = MlflowTracker::open(&config(folder.path())).unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    let error = run.log_metrics(0, &[("a", 1.0), ("x=1", 2.0), ("b", 3.0)]).unwrap_err();
    assert_eq!(error.to_string(), "metric \"x=1\" contains '='");
    let long = "v".repeat(6_001);
    run.log_params(&[("long", &long)]).unwrap();
    run.finish(RunStatus::Finished).unwrap();
    let report = tracker.flush(WAIT);
    assert_eq!((report.truncated, report.rejected, report.dropped), (1, 0, 0));
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM metrics"), 2);
    assert_eq!(count(folder.path(), "SELECT LENGTH(value) FROM params"), 6_000);
    let tag = "SELECT COUNT(*) FROM tags WHERE key = 'tsc.tracking.truncated' AND value = '1'";
    assert_eq!(count(folder.path(), tag), 1);
}

#[test]
fn while_the_database_is_locked_runs_wait_in_the_spool_and_arrive_once() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = MlflowTracker::open(&config(folder.path())).unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    run.log_metrics(0, &[("m", 1.0)]).unwrap();
    tracker.flush(WAIT);
    // A column is gone for a while: the same to a writer as a lock, without the wait of 20 s.
    let db = rusqlite::Connection::open(folder.path().join("mlflow.db")).unwrap();
    db.execute_batch("ALTER TABLE metrics RENAME COLUMN step TO stride").unwrap();
    run.log_metrics(1, &[("m", 2.0)]).unwrap();
    let report = tracker.flush(WAIT);
    assert_eq!((report.spooled, report.queued, report.dropped), (1, 0, 0));
    assert!(report.last_error.unwrap().contains("step"));
    run.log_metrics(2, &[("m", 3.0)]).unwrap();
    run.log_artifact("a.txt", b"later").unwrap();
    run.finish(RunStatus::Finished).unwrap();
    db.execute_batch("ALTER TABLE metrics RENAME COLUMN stride TO step").unwrap();
    drop(db);
    let report = tracker.replay(WAIT);
    assert_eq!((report.spooled, report.rejected, report.dropped, report.last_error), (0, 0, 0, None));
    assert_eq!(report.replayed, 4);
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM metrics"), 3);
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM runs WHERE status = 'FINISHED'"), 1);
}

#[test]
fn strict_mode_reports_what_was_not_stored_when_the_run_ends() {
    let folder = tempfile::tempdir().unwrap();
    let strict = MlflowConfig { degradation: Degradation::Strict, ..config(folder.path()) };
    let tracker = MlflowTracker::open(&strict).unwrap();
    tracker.start_run(Experiment::Training, "good").unwrap().finish(RunStatus::Finished).unwrap();
    let db = rusqlite::Connection::open(folder.path().join("mlflow.db")).unwrap();
    db.execute_batch("ALTER TABLE metrics RENAME COLUMN step TO stride").unwrap();
    let mut run = tracker.start_run(Experiment::Training, "bad").unwrap();
    run.log_metrics(0, &[("m", 1.0)]).unwrap();
    let error = run.finish(RunStatus::Finished).unwrap_err();
    assert_eq!(error.code(), "TSC-TRK-012");
    assert!(error.to_string().contains("spooled"), "{error}");
}

#[test]
fn f06_a_version_is_readable_after_it_is_registered_and_promoted() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = MlflowTracker::open(&config(folder.path())).unwrap();
    std::fs::create_dir(folder.path().join("model")).unwrap();
    std::fs::write(folder.path().join("model/file.txt"), "content").unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    let uri = run.log_model("pipeline", &folder.path().join("model")).unwrap();
    run.finish(RunStatus::Finished).unwrap();
    let name = tracker.config().registered_model();
    let info = VersionInfo { description: "Initial Training".into(), ..VersionInfo::default() };
    let version = tracker.register(&name, &uri, &info).unwrap();
    tracker.promote(&version, DeploymentStage::Staging).unwrap();
    assert_eq!(tracker.latest(&name, DeploymentStage::Staging).unwrap(), Some(version));
    for uri in [
        &uri.0,
        "models:/TimeSeries-Clustering-Pipeline@staging",
        "models:/TimeSeries-Clustering-Pipeline/1",
        "models:/TimeSeries-Clustering-Pipeline/Staging",
        "models:/TimeSeries-Clustering-Pipeline/latest",
    ] {
        let into = tempfile::tempdir().unwrap();
        tracker.fetch(&ModelUri(uri.into()), into.path()).unwrap();
        assert_eq!(std::fs::read_to_string(into.path().join("file.txt")).unwrap(), "content", "{uri}");
    }
    let unknown = ModelUri("models:/m-ffffffffffffffffffffffffffffffff".into());
    let error = tracker.register(&name, &unknown, &info).unwrap_err();
    assert_eq!(error.code(), "TSC-TRK-010");
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM model_versions"), 1);
}

#[test]
fn long_values_are_cut_where_mlflow_cuts_them_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = MlflowTracker::open(&config(folder.path())).unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    run.log_params(&[("cut", &"ä".repeat(6_001)), ("whole", &"ä".repeat(6_000))]).unwrap();
    run.set_tags(&[("cut", &"x".repeat(8_001)), ("whole", &"x".repeat(8_000))]).unwrap();
    run.finish(RunStatus::Finished).unwrap();
    assert_eq!(tracker.flush(WAIT).truncated, 2);
    let sum = |table: &str| count(folder.path(), &format!("SELECT SUM(LENGTH(value)) FROM {table}"));
    assert_eq!(sum("params"), 12_000);
    assert_eq!(sum("tags WHERE key IN ('cut', 'whole')"), 16_000);
    assert_eq!(sum("tags WHERE key = 'tsc.tracking.truncated' AND value = '2'"), 1);
}

/// A logged model of one file, registered so many times.
fn registered(tracker: &MlflowTracker, folder: &Path, times: usize) -> Vec<tsc_mlflow::ModelVersion> {
    std::fs::create_dir_all(folder.join("model")).unwrap();
    std::fs::write(folder.join("model/file.txt"), "content").unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    let uri = run.log_model("pipeline", &folder.join("model")).unwrap();
    run.finish(RunStatus::Finished).unwrap();
    let register = |_| tracker.register("A", &uri, &VersionInfo::default()).unwrap();
    (0..times).map(register).collect()
}

#[test]
fn a_promotion_leaves_its_history_and_its_repetition_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = MlflowTracker::open(&config(folder.path())).unwrap();
    let versions = registered(&tracker, folder.path(), 2);
    let tag = |version: u64, key: &str| -> Option<String> {
        let db = rusqlite::Connection::open(folder.path().join("mlflow.db")).unwrap();
        let sql = "SELECT value FROM model_version_tags WHERE name = 'A' AND version = ?1 AND key = ?2";
        db.query_row(sql, rusqlite::params![version.cast_signed(), key], |row| row.get(0)).ok()
    };
    tracker.promote(&versions[0], DeploymentStage::Staging).unwrap();
    tracker.promote(&versions[1], DeploymentStage::Staging).unwrap();
    let since = tag(2, "tsc.promoted_at").unwrap();
    assert!(tag(2, "tsc.promoted_by").is_some_and(|by| !by.is_empty()));
    assert_eq!((tag(1, "tsc.previous_version"), tag(2, "tsc.previous_version")), (None, Some("1".into())));
    assert_eq!((tag(1, "tsc.retired_at"), tag(2, "tsc.retired_at")), (Some(since.clone()), None));
    std::thread::sleep(Duration::from_millis(5));
    tracker.promote(&versions[1], DeploymentStage::Staging).unwrap();
    assert_eq!(tag(2, "tsc.promoted_at"), Some(since.clone()));
    assert_eq!(tag(2, "tsc.previous_version").as_deref(), Some("1"));
    // Back again: the version that takes the stage names the one that loses it.
    tracker.promote(&versions[0], DeploymentStage::Staging).unwrap();
    assert!(tag(1, "tsc.promoted_at").unwrap() > since);
    assert_eq!(tag(1, "tsc.previous_version").as_deref(), Some("2"));
    assert!(tag(2, "tsc.retired_at").is_some());
}

#[test]
fn pruning_keeps_the_newest_what_is_in_use_and_models_of_which_another_version_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = MlflowTracker::open(&config(folder.path())).unwrap();
    // Versions 1 and 2 of one model, 3 to 6 of a model each.
    let mut versions = registered(&tracker, folder.path(), 2);
    for _ in 0..4 {
        versions.extend(registered(&tracker, folder.path(), 1));
    }
    tracker.promote(&versions[0], DeploymentStage::Production).unwrap();
    tracker.promote(&versions[3], DeploymentStage::Staging).unwrap();
    let exists = |number: usize| {
        let into = tempfile::tempdir().unwrap();
        tracker.fetch(&versions[number - 1].source, into.path()).is_ok()
    };
    assert!((1..=6).all(exists));
    assert_eq!(tracker.prune("A", 2).unwrap(), [3, 2]);
    assert_eq!([1, 2, 3, 4, 5, 6].map(exists), [true, true, false, true, true, true]);
    assert!(tracker.prune("A", 2).unwrap().is_empty(), "nothing is left to do");
    assert_eq!(tracker.prune("A", 0).unwrap(), [6, 5], "only what is in use stays");
    assert!(tracker.prune("unknown", 0).unwrap().is_empty());
    let models = folder.path().join("mlruns/1/models");
    assert_eq!(std::fs::read_dir(models).unwrap().count(), 2, "files of deleted models are gone");
    assert_eq!(
        count(folder.path(), "SELECT COUNT(*) FROM logged_models WHERE lifecycle_stage = 'deleted'"),
        3
    );
    assert_eq!(tracker.latest("A", DeploymentStage::Production).unwrap().map(|v| v.version), Some(1));
    // A number is not given out again.
    assert_eq!(registered(&tracker, folder.path(), 1)[0].version, 7);
}

#[test]
fn runs_without_a_parent_become_children_of_the_run_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let outer = MlflowTracker::open(&config(folder.path())).unwrap();
    let parent = outer.start_run(Experiment::Training, "night job").unwrap();
    outer.flush(WAIT);
    let named = MlflowConfig { parent_run: Some(parent.id().into()), ..config(folder.path()) };
    let tracker = MlflowTracker::open(&named).unwrap();
    let run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    let child = run.child("HDBSCAN").unwrap();
    let sql = format!(
        "SELECT COUNT(*) FROM tags WHERE key = 'mlflow.parentRunId' AND (run_uuid = '{}' AND value = '{}' \
         OR run_uuid = '{}' AND value = '{}')",
        run.id(),
        parent.id(),
        child.id(),
        run.id()
    );
    child.finish(RunStatus::Finished).unwrap();
    run.finish(RunStatus::Finished).unwrap();
    tracker.flush(WAIT);
    assert_eq!(count(folder.path(), &sql), 2);
    // It is somebody else's run, and stays open.
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM runs WHERE status = 'RUNNING'"), 1);
    parent.finish(RunStatus::Finished).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn the_machine_is_watched_for_the_parent_while_it_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let watched = MlflowConfig { system_metrics: Some(Millis(20)), ..config(folder.path()) };
    let tracker = MlflowTracker::open(&watched).unwrap();
    let run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    let child = run.child("HDBSCAN").unwrap();
    let memory = "SELECT COUNT(*) FROM metrics WHERE key = 'system/system_memory_usage_percentage'";
    let started = Instant::now();
    while count(folder.path(), memory) < 3 && started.elapsed() < WAIT {
        std::thread::sleep(Duration::from_millis(10));
    }
    let id = run.id().to_owned();
    child.finish(RunStatus::Finished).unwrap();
    run.finish(RunStatus::Finished).unwrap();
    let report = tracker.flush(WAIT);
    assert!(!report.is_degraded() && report.queued == 0, "{report:?}");
    let samples = count(folder.path(), memory);
    assert!(samples >= 3, "{samples}");
    std::thread::sleep(Duration::from_millis(60));
    tracker.flush(WAIT);
    assert_eq!(count(folder.path(), memory), samples, "nothing after its end");
    let others = format!("SELECT COUNT(*) FROM metrics WHERE run_uuid <> '{id}'");
    assert_eq!(count(folder.path(), &others), 0, "children are not watched");
    let steps = "SELECT MAX(step) + 1 FROM metrics WHERE key = 'system/system_memory_usage_percentage'";
    assert_eq!(count(folder.path(), steps), samples, "one step a sample");
    let odd =
        "SELECT COUNT(*) FROM metrics WHERE key LIKE 'system/%percentage' AND NOT (value BETWEEN 0 AND 100)";
    assert_eq!(count(folder.path(), odd), 0);
}

#[test]
fn the_view_command_names_the_database_absolutely() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = MlflowTracker::open(&config(folder.path())).unwrap();
    let expected = format!("--backend-store-uri sqlite:///{}/mlflow.db", folder.path().display());
    let command = tracker.view_command().unwrap();
    assert!(command.contains("mlflow ui") && command.ends_with(&expected), "{command}");
}

#[test]
fn a_new_store_and_its_first_run_are_quick() {
    let started = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let tracker = MlflowTracker::open(&config(folder.path())).unwrap();
    let opened = started.elapsed();
    tracker.start_run(Experiment::Training, "Pipeline").unwrap().finish(RunStatus::Finished).unwrap();
    assert_eq!(tracker.flush(WAIT).sent, 2);
    println!("open {opened:?}, with the first run {:?}", started.elapsed());
    // The target is 50 ms; other work on the machine may take most of a second.
    assert!(started.elapsed() < Duration::from_secs(2));
}

// Started by the test below as a process of its own, which ends in the middle of a run.
#[test]
fn a_process_that_is_cut_short() {
    let Ok(folder) = std::env::var("TSC_TEST_FOLDER") else { return };
    let tracker = MlflowTracker::open(&config(Path::new(&folder))).unwrap();
    tracker.start_run(Experiment::Training, "whole").unwrap().finish(RunStatus::Finished).unwrap();
    let mut run = tracker.start_run(Experiment::Training, "cut short").unwrap();
    run.log_metrics(0, &[("m", 1.0)]).unwrap();
    assert_eq!(tracker.flush(WAIT).sent, 4);
    std::process::abort();
}

#[test]
fn a_run_whose_process_died_is_failed_by_the_next_one_and_those_that_live_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let living = MlflowTracker::open(&config(folder.path())).unwrap();
    let open = living.start_run(Experiment::Training, "alive").unwrap();
    living.flush(WAIT);
    let ended = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_that_is_cut_short"])
        .env("TSC_TEST_FOLDER", folder.path())
        .output()
        .unwrap();
    assert!(!ended.status.success());
    let status = |name: &str| {
        let db = rusqlite::Connection::open(folder.path().join("mlflow.db")).unwrap();
        let sql = "SELECT status, end_time - start_time FROM runs WHERE name = ?1";
        db.query_row(sql, [name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?)))
            .unwrap()
    };
    assert_eq!(status("cut short"), ("RUNNING".into(), None));
    let next = MlflowTracker::open(&config(folder.path())).unwrap();
    let report = next.replay(WAIT);
    assert_eq!((report.replayed, report.last_error), (1, None));
    assert_eq!(status("cut short").0, "FAILED");
    assert!((0..60_000).contains(&status("cut short").1.unwrap()));
    assert_eq!((status("whole").0.as_str(), status("alive").0.as_str()), ("FINISHED", "RUNNING"));
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM metrics"), 1);
    open.finish(RunStatus::Finished).unwrap();
    drop((living, next));
    assert_eq!(status("alive").0, "FINISHED");
    assert!(!folder.path().join("spool").exists(), "nothing is left");
}

// Started by the test below as a process of its own, which may write only little to a file.
#[test]
fn a_process_on_a_full_disk() {
    let Ok(folder) = std::env::var("TSC_TEST_FULL") else { return };
    let tracker = MlflowTracker::open(&config(Path::new(&folder))).unwrap();
    let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
    tracker.flush(WAIT);
    for step in 0..4_000 {
        run.log_metrics(step, &[("m", 0.5)]).unwrap();
    }
    run.finish(RunStatus::Finished).unwrap();
    let report = tracker.flush(WAIT);
    println!("sent {} spooled {} dropped {}", report.sent, report.spooled, report.dropped);
    println!("said {}", report.last_error.unwrap());
    std::process::exit(7);
}

#[cfg(unix)]
#[test]
fn a_database_on_a_full_disk_stays_whole_and_what_does_not_fit_waits() {
    let folder = tempfile::tempdir().unwrap();
    // An empty store takes about 300 kB; a file may have 512 kB here, and the metrics need more.
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_on_a_full_disk", "--nocapture"])
        .env("TSC_TEST_FULL", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(7), "{said}");
    let number = |what: &str| -> u64 {
        let rest = said.split_once(what).unwrap_or_else(|| panic!("{said}")).1;
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    // With the start and the end of the run.
    assert_eq!((number("sent ") + number("spooled "), number("dropped ")), (4_002, 0), "{said}");
    assert!(number("spooled ") > 500 && said.contains("mlflow.db"), "{said}");
    let tracker = MlflowTracker::open(&config(folder.path())).unwrap();
    let report = tracker.replay(WAIT);
    assert_eq!((report.spooled, report.dropped, report.rejected), (0, 0, 0), "{report:?}");
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM metrics"), 4_000);
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM runs WHERE status = 'FINISHED'"), 1);
}
