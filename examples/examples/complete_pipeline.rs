//! The whole life of a pipeline: events, alerts, health, errors, tracking outage, save, load, rollback:
//! `cargo run --release --example complete_pipeline`
#![expect(clippy::print_stdout, reason = "an example prints what it asserts")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tsc_examples::{STAGES, config};
use tsc_pipeline::core::{AlertChange, Event, HealthStatus, Predictions, RetrainOutcome, Signal};
use tsc_pipeline::mlflow::{MlflowConfig, MlflowTracker};
use tsc_pipeline::prelude::*;
use tsc_testing::Cohort;

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = config(&dir, &format!("{STAGES}retraining.mode = \"on_request\"\n"))?;
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    let pipeline = Pipeline::from_config(&config)?.observe(move |event: &Event<'_>| {
        if let Ok(mut seen) = sink.lock() {
            seen.push(event.name());
        }
    });

    let (mut fitted, _) = pipeline.fit_initial(&Cohort::new(1200, 1).batch())?;
    ensure!(fitted.health().status == HealthStatus::Unknown, "nothing was scored yet");
    // Outcomes are not known yet when a patient is scored, so these batches have no targets.
    for seed in 0..10 {
        fitted.process_batch(&Batch::new(Cohort::new(200, 10 + seed).x()))?;
    }
    println!("health      {:?} after 10 batches", fitted.health().status);
    ensure!(fitted.health().status == HealthStatus::Healthy);

    // One step of noise: one alert that fires, one that resolves.
    let mut changes = Vec::new();
    for number in 0..20_u64 {
        let batch = if number < 6 { Cohort::far(200, 50 + number) } else { Cohort::new(200, 50 + number) };
        let report = fitted.process_batch(&Batch::new(batch.x()))?;
        for alert in report.alerts.iter().filter(|a| a.signal == Signal::NoiseRatio) {
            println!("alert       {alert}");
            changes.push(alert.change);
        }
        if number == 5 {
            println!("health      {:?} while it fires", fitted.health().status);
            ensure!(fitted.health().status == HealthStatus::Critical);
        }
    }
    ensure!(changes == [AlertChange::Firing, AlertChange::Resolved]);

    println!("health      {:?} after it", fitted.health().status);
    ensure!(fitted.health().status == HealthStatus::Healthy);

    // A caller's mistake is an error with a code, counted, and nothing else changes.
    let narrow = [1.0];
    let error =
        fitted.process_batch(&Batch::new(Features::new(&narrow, 1)?)).expect_err("the batch is refused");
    println!("error       {} {error}", error.code());
    ensure!(fitted.monitor().error_stats().total == 1);
    ensure!(fitted.monitor().recent_errors().all(|record| record.code == error.code()));

    let probe = Cohort::new(100, 3);
    let expected = fitted.models().predict(probe.x())?;
    outage(&dir, &probe, &expected)?;

    let bundle = dir.path().join("bundle");
    fitted.save(&bundle)?;
    let loaded = Pipeline::load(&bundle)?;
    ensure!(loaded.models().predict(probe.x())? == expected);
    ensure!(loaded.batches() == fitted.batches(), "counters go on where they were");
    println!("loaded      version {}, {} batches so far", loaded.models().version(), loaded.batches());

    drop(loaded);
    roll_back(&mut fitted, &probe, &expected)?;

    let seen = events.lock().map_err(|e| anyhow::anyhow!("{e}"))?;
    ensure!(seen.starts_with(&["FitStarted", "FitFinished", "BatchStarted", "BatchFinished"]));
    ensure!(seen.iter().filter(|name| **name == "BatchFailed").count() == 1);
    println!("events      {}, first {}", seen.len(), seen.first().context("events")?);
    Ok(())
}

/// New models serve after a retrain, and the old ones to the bit after the rollback.
fn roll_back(fitted: &mut FittedPipeline, probe: &Cohort, expected: &Predictions) -> Result<()> {
    for seed in 0..4 {
        let new = Cohort::around(&[[30.0, 0.0, 5.0], [200.0, 50.0, 5.0]], 300, 90 + seed);
        fitted.process_batch(&new.batch())?;
    }
    let retrain = fitted.retrain("a ward has opened")?;
    println!("retrain     {} to version {:?}", retrain.outcome.name(), retrain.new_version);
    ensure!(retrain.outcome == RetrainOutcome::Promoted, "{:?}", retrain.reasons);
    ensure!(fitted.models().predict(probe.x())? != *expected);

    let version = fitted.rollback(1)?;
    println!("rollback    {} version {} serves and is in Staging", version.name, version.version);
    ensure!(fitted.models().predict(probe.x())? == *expected);
    ensure!(fitted.registered() == Some(&version));
    let unknown = fitted.rollback(7).expect_err("there is no version 7");
    println!("rollback    {} {unknown}", unknown.code());
    ensure!(fitted.models().predict(probe.x())? == *expected, "a refused rollback changes nothing");
    Ok(())
}

/// No server answers: the fit succeeds with the same numbers, its runs wait on disk, and the report says so.
fn outage(dir: &TempDir, probe: &Cohort, expected: &Predictions) -> Result<()> {
    let tracker = MlflowTracker::open(&MlflowConfig {
        uri: Some("http://127.0.0.1:9".into()),
        spool: Some(dir.path().join("spool")),
        ..MlflowConfig::default()
    })?;
    let config = PipelineConfig::from_toml(STAGES)?;
    let (mut offline, report) = Pipeline::from_config(&config)?
        .with_tracking(tracker.clone(), tracker)
        .fit_initial(&Cohort::new(1200, 1).batch())?;
    for item in &report.degraded {
        println!("outage      {}: {}", item.code, item.message);
    }
    ensure!(!report.degraded.is_empty() && report.registered.is_none(), "no success that did not happen");
    ensure!(offline.models().predict(probe.x())? == *expected, "no number depends on the tracker");
    let tracking = offline.flush_tracking(Duration::from_secs(10));
    println!("outage      {} calls wait on disk, {} lost", tracking.spooled, tracking.dropped);
    ensure!(tracking.spooled > 0 && tracking.dropped == 0 && tracking.rejected == 0);
    Ok(())
}
