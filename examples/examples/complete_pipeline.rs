//! The whole life of a pipeline: events, alerts, health, errors, tracking outage, save, load:
//! `cargo run --release --example complete_pipeline`
#![expect(clippy::print_stdout, reason = "an example prints what it asserts")]

use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use tsc_examples::{STAGES, config};
use tsc_pipeline::core::{AlertChange, Event, Features, HealthStatus, Signal};
use tsc_pipeline::prelude::*;
use tsc_testing::Cohort;

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = config(&dir, &format!("{STAGES}[retraining]\nmode = \"on_request\"\n"))?;
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    let pipeline = Pipeline::from_config(&config)?.observe(move |event: &Event<'_>| {
        if let Ok(mut seen) = sink.lock() {
            seen.push(event.name());
        }
    });

    let (mut fitted, _) = pipeline.fit_initial(&Cohort::new(1200, 1).batch())?;
    ensure!(fitted.health().status == HealthStatus::Unknown, "nothing was scored yet");
    for seed in 0..10 {
        fitted.process_batch(&Cohort::new(200, 10 + seed).batch())?;
    }
    println!("health      {:?} after 10 batches", fitted.health().status);
    ensure!(fitted.health().status == HealthStatus::Healthy);

    // One step of noise: one alert that fires, one that resolves.
    let mut changes = Vec::new();
    for number in 0..20_u64 {
        let batch = if number < 6 { Cohort::far(200, 50 + number) } else { Cohort::new(200, 50 + number) };
        let report = fitted.process_batch(&batch.batch())?;
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

    // A caller's mistake is an error with a code, counted, and nothing else changes.
    let narrow = [1.0];
    let error = fitted.process_batch(&Batch::new(Features::new(&narrow, 1)?)).unwrap_err();
    println!("error       {} {error}", error.code());
    ensure!(fitted.monitor().error_stats().total == 1);

    // The store goes away; the numbers stay the same.
    let away = PipelineConfig::from_toml(&format!("{STAGES}[tracking]\nuri = \"http://127.0.0.1:9\"\n"))?;
    let (offline, report) = Pipeline::from_config(&away)?.fit_initial(&Cohort::new(1200, 1).batch())?;
    println!("outage      fit succeeded with {} degraded items", report.degraded.len());
    let probe = Cohort::new(100, 3);
    ensure!(offline.models().predict(probe.x())? == fitted.models().predict(probe.x())?);

    let bundle = dir.path().join("bundle");
    fitted.save(&bundle)?;
    let loaded = Pipeline::load(&bundle)?;
    ensure!(loaded.models().predict(probe.x())? == fitted.models().predict(probe.x())?);
    ensure!(loaded.batches() == fitted.batches(), "counters go on where they were");
    println!("loaded      version {}, {} batches so far", loaded.models().version(), loaded.batches());

    let seen = events.lock().map_err(|e| anyhow::anyhow!("{e}"))?;
    ensure!(seen.starts_with(&["FitStarted", "FitFinished", "BatchStarted", "BatchFinished"]));
    ensure!(seen.iter().filter(|name| **name == "BatchFailed").count() == 1);
    println!("events      {}, first {}", seen.len(), seen.first().context("events")?);
    Ok(())
}
