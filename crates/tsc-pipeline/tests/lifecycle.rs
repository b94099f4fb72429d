//! Fit, batches, drift, trigger, gate, swap; tracker away; events.
#![allow(clippy::unwrap_used, reason = "a test program: a panic is how a check reports")]
#![cfg(feature = "linear")]

mod common;

use common::{Cohort, config, config_with, fitted, recorder, tracked};
use tsc_pipeline::core::{
    AlertChange, DeploymentStage, Experiment, Features, FoldSpec, Millis, ModelRegistry, RetrainOutcome,
    RunStatus, Split, Timestamp, Trigger, folds,
};
use tsc_pipeline::prelude::*;
use tsc_testing::{FailingTracker, MemoryTracker};

fn drifted(seed: u64) -> Cohort {
    Cohort::around(&[[30.0, 0.0, 5.0], [200.0, 50.0, 5.0]], 150, seed)
}

#[test]
fn a_fit_writes_its_run_tree_and_registers_a_version_in_staging() {
    let tracker = MemoryTracker::new();
    tracked(&config(), &tracker).fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    let runs = tracker.runs();
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "Pipeline",
            "Preprocessing",
            "HDBSCAN",
            "kNN-Fallback",
            "TimeSeries-LGB",
            "Resource-LGB",
            "Performance-Report"
        ]
    );
    let parent = &runs[0];
    assert!(runs[1..].iter().all(|run| run.parent.as_ref() == Some(&parent.id)));
    assert!(
        runs.iter()
            .all(|run| run.experiment == Experiment::Training && run.status == Some(RunStatus::Finished))
    );
    assert_eq!(parent.params["noise_threshold"], "0.25");
    assert_eq!(parent.metric("n_clusters"), Some(3.0));
    assert!(tracker.run("Resource-LGB").tags.contains_key("tsc.skipped"));
    let staged = tracker.latest("TimeSeries-Clustering-Pipeline", DeploymentStage::Staging).unwrap().unwrap();
    assert_eq!(staged.version, 1);
}

#[test]
fn drift_fires_the_trigger_and_the_challenger_is_promoted() {
    let tracker = MemoryTracker::new();
    let (mut pipeline, _) = tracked(&config(), &tracker).fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    let champion = pipeline.models();
    let mut retrains = Vec::new();
    for seed in 0..8 {
        let report = pipeline.process_batch(&drifted(50 + seed).batch()).unwrap();
        retrains.extend(report.retrain);
    }
    let promoted = retrains.iter().find(|r| r.outcome == RetrainOutcome::Promoted).expect("one is promoted");
    assert!(matches!(promoted.trigger, Trigger::NoiseThresholdExceeded { .. }));
    assert_eq!(promoted.new_version, Some(2));
    let fresh = drifted(99);
    let rmse = |models: &tsc_pipeline::Models| {
        let values = models.predict(fresh.x()).unwrap().values;
        tsc_pipeline::core::RegressionScores::of(&fresh.targets, &values).rmse.unwrap()
    };
    assert!(rmse(&pipeline.models()) < 0.5 * rmse(&champion));
    let retraining: Vec<_> =
        tracker.runs().into_iter().filter(|r| r.experiment == Experiment::Retraining).collect();
    assert_eq!(retraining.len() % 7, 0);
    assert!(tracker.versions().len() >= 2);
}

#[test]
fn no_batch_like_the_training_data_asks_for_a_retrain() {
    let mut pipeline = fitted();
    for seed in 0..30 {
        let report = pipeline.process_batch(&Cohort::new(100, 300 + seed).batch()).unwrap();
        assert_eq!(report.trigger, None, "batch {seed}");
    }
}

#[test]
fn a_challenger_that_is_worse_is_rejected_and_the_version_stays() {
    // The window is poisoned where the challenger learns, and clean where both are judged.
    let mut pipeline = fitted();
    let mut poisoned = Cohort::new(2000, 8);
    let spec = FoldSpec { split: Split::Group, holdout: 0.2, folds: 5, gap: Millis(0), seed: 42 };
    let split = folds(poisoned.len(), Some(&poisoned.groups), None, &spec).unwrap();
    for row in split.fit {
        poisoned.targets[row] = 500.0 - poisoned.targets[row];
    }
    let before = pipeline.models();
    pipeline.process_batch(&poisoned.batch()).unwrap();
    let report = pipeline.retrain("poisoned").unwrap();
    assert_eq!(report.outcome, RetrainOutcome::Rejected, "{:?}", report.reasons);
    assert_eq!((pipeline.models().version(), report.new_version), (1, None));
    assert_eq!(pipeline.models().predict(poisoned.x()).unwrap(), before.predict(poisoned.x()).unwrap());
    assert!(!report.reasons.is_empty());
}

#[test]
fn too_few_rows_in_the_window_defer_a_retrain() {
    let config = config_with("");
    let config = PipelineConfig { batch_size: 10, ..config };
    let (mut pipeline, _) =
        Pipeline::from_config(&config).unwrap().fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    assert_ne!(pipeline.retrain("now").unwrap().outcome, RetrainOutcome::Deferred);
    let dir = tempfile::tempdir().unwrap();
    let version = pipeline.save(dir.path()).unwrap();
    // A registered version has no window; the first retrain after loading one must wait for rows.
    let bare = tempfile::tempdir().unwrap();
    copy_without_state(&version, bare.path());
    let mut loaded = Pipeline::load(bare.path()).unwrap();
    assert_eq!(loaded.window_rows(), 0);
    let report = loaded.retrain("now").unwrap();
    assert_eq!(report.outcome, RetrainOutcome::Deferred, "{:?}", report.reasons);
}

fn copy_without_state(from: &std::path::Path, to: &std::path::Path) {
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(from.join("manifest.json")).unwrap()).unwrap();
    let files = manifest["files"].as_array_mut().unwrap();
    files.retain(|f| !f["path"].as_str().unwrap().starts_with("state/"));
    for file in files.iter() {
        let path = to.join(file["path"].as_str().unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(from.join(file["path"].as_str().unwrap()), path).unwrap();
    }
    std::fs::write(to.join("manifest.json"), manifest.to_string()).unwrap();
}

#[test]
fn a_background_retrain_lets_batches_through_and_is_adopted() {
    let config = config_with("[retraining]\nmode = \"background\"");
    let (mut pipeline, _) =
        Pipeline::from_config(&config).unwrap().fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    for seed in 0..4 {
        let report = pipeline.process_batch(&drifted(50 + seed).batch()).unwrap();
        assert!(report.retrain.is_none(), "the batch did not wait");
    }
    while pipeline.is_retraining() {
        pipeline.finish_retrain();
    }
    assert!(pipeline.models().version() >= 2);
}

#[test]
fn the_schedule_fires_once_it_is_due() {
    let config = config_with("[retraining]\nschedule = \"24h\"");
    let (mut pipeline, _) = Pipeline::from_config(&config)
        .unwrap()
        .fit_initial(&Cohort::new(450, 1).batch().at(Timestamp(0)))
        .unwrap();
    let day = 86_400_000;
    assert!(pipeline.retrain_if_due(Timestamp(day - 1)).unwrap().is_none());
    let report = pipeline.retrain_if_due(Timestamp(day)).unwrap().expect("due");
    assert!(matches!(report.trigger, Trigger::ScheduledRetraining { .. }));
}

/// F-14 in process: a tracker that refuses everything changes no number and fails no batch.
#[test]
fn f14_a_failing_tracker_changes_no_number() {
    let data = Cohort::new(450, 1);
    let failing = Pipeline::from_config(&config()).unwrap().with_tracker(FailingTracker::AtLog);
    let (mut with, report) = failing.fit_initial(&data.batch()).unwrap();
    assert!(!report.degraded.is_empty());
    let probe = Cohort::new(60, 2);
    let (a, b) =
        (with.process_batch(&probe.batch()).unwrap(), fitted().process_batch(&probe.batch()).unwrap());
    assert_eq!(a.predictions, b.predictions);
    assert!(!a.degraded.is_empty() && b.degraded.is_empty());
    let strict = config_with("[degradation]\nmode = \"strict\"");
    let strict = Pipeline::from_config(&strict).unwrap().with_tracker(FailingTracker::AtLog);
    assert_eq!(
        strict.fit_initial(&data.batch()).unwrap_err().kind(),
        tsc_pipeline::core::ErrorKind::Tracking
    );
}

/// F-25: one step of drift gives one firing and one resolved alert.
#[test]
fn f25_one_step_of_noise_fires_once_and_resolves_once() {
    let config = config_with("[retraining]\nmode = \"on_request\"");
    let (mut pipeline, _) =
        Pipeline::from_config(&config).unwrap().fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    let far = Cohort::far(100, 9);
    let mut changes = Vec::new();
    for batch in 0..30 {
        let report = if (5..15).contains(&batch) {
            pipeline.process_batch(&far.batch()).unwrap()
        } else {
            pipeline.process_batch(&Cohort::new(100, 600 + batch).batch()).unwrap()
        };
        changes.extend(
            report
                .alerts
                .iter()
                .filter(|a| a.signal == tsc_pipeline::core::Signal::NoiseRatio)
                .map(|a| a.change),
        );
    }
    assert_eq!(changes, [AlertChange::Firing, AlertChange::Resolved]);
}

#[test]
fn a_repeated_batch_id_is_scored_and_not_observed_again() {
    let mut pipeline = fitted();
    let data = Cohort::new(60, 2);
    let first = pipeline.process_batch(&data.batch().with_batch_id("b1")).unwrap();
    let rows = pipeline.window_rows();
    let second = pipeline.process_batch(&data.batch().with_batch_id("b1")).unwrap();
    assert!(second.repeated && !first.repeated);
    assert_eq!(second.predictions, first.predictions);
    assert_eq!((pipeline.batches(), pipeline.window_rows()), (1, rows));
}

#[test]
fn events_come_once_and_in_order() {
    let (seen, observer) = recorder();
    let pipeline = Pipeline::from_config(&config()).unwrap().observe(observer);
    let (mut pipeline, _) = pipeline.fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    pipeline.process_batch(&Cohort::new(60, 2).batch()).unwrap();
    pipeline.process_batch(&Batch::new(Features::new(&[1.0], 1).unwrap())).unwrap_err();
    pipeline.retrain("test").unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        [
            "FitStarted",
            "FitFinished",
            "BatchStarted",
            "BatchFinished",
            "BatchStarted",
            "BatchFailed",
            "RetrainStarted",
            "RetrainFinished"
        ]
    );
}

#[test]
fn rows_without_a_target_are_scored_and_leave_the_window_alone() {
    let mut pipeline = fitted();
    let data = Cohort::new(60, 2);
    let rows = pipeline.window_rows();
    let report = pipeline.process_batch(&Batch::new(data.x())).unwrap();
    assert_eq!((report.scores, pipeline.window_rows()), (None, rows));
    assert!(report.predictions.values.iter().all(|v| v.is_finite()));
}

#[test]
fn models_are_send_and_sync() {
    fn check<T: Send + Sync>(_: &T) {}
    check(&fitted().models());
}

/// training.refit: what serves has seen the held-out rows, and the gate judges by models that have not.
#[test]
fn a_champion_is_not_judged_by_rows_it_was_refitted_on() {
    let (cohort, more) = (Cohort::new(450, 1), Cohort::new(450, 2));
    let days =
        |from: i64| -> Vec<Timestamp> { (from..from + 450).map(|day| Timestamp(day * 86_400_000)).collect() };
    let (first, later) = (days(0), days(450));
    let outcome = |split: &str, refit: bool| {
        let config = config_with(&format!("[training]\nsplit = \"{split}\"\nrefit = {refit}"));
        let batch = cohort.batch().with_times(&first).unwrap();
        let (fitted, report) = Pipeline::from_config(&config).unwrap().fit_initial(&batch).unwrap();
        assert_eq!(report.refitted_rows, refit.then_some(450));
        let served = fitted.models().predict(more.batch().features().unwrap()).unwrap().values;
        let folder = tempfile::tempdir().unwrap();
        fitted.save(folder.path()).unwrap();
        let mut stored = Pipeline::load(folder.path()).unwrap();
        stored.process_batch(&more.batch().with_times(&later).unwrap()).unwrap();
        let retrain = stored.retrain("new rows").unwrap();
        (served, retrain.outcome, serde_json::to_value(&retrain.comparison).unwrap())
    };
    for split in ["group", "time"] {
        let (refitted, measured) = (outcome(split, true), outcome(split, false));
        assert_ne!(refitted.0, measured.0, "{split}");
        assert_eq!((refitted.1, refitted.2), (measured.1, measured.2), "{split}");
    }
}
