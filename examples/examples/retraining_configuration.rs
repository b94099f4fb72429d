//! Every way to a retrain, and what the gate says to each challenger:
//! `cargo run --release --example retraining_configuration`
#![expect(clippy::print_stdout, reason = "an example prints what it asserts")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tsc_examples::{STAGES, config, shown};
use tsc_pipeline::cluster::Hdbscan;
use tsc_pipeline::core::{
    ArtifactSource, ErrorKind, RegressionScores, RetrainOutcome, Stage, StoredKind, Timestamp, Trigger,
};
use tsc_pipeline::fallback::KnnFallback;
use tsc_pipeline::models::{FittedLinear, Linear, LinearParams};
use tsc_pipeline::prelude::*;
use tsc_pipeline::retraining::ComparedMetric;
use tsc_pipeline::{Models, RetrainReport};
use tsc_testing::Cohort;

const DAY: i64 = 86_400_000;

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    automatic(&dir)?;
    manual_and_scheduled(&dir)?;
    poisoned_and_failing(&dir)?;
    strategies(&dir)
}

fn fit(dir: &TempDir, more: &str) -> Result<FittedPipeline> {
    let config = config(dir, &format!("{STAGES}{more}"))?;
    let batch = Cohort::new(900, 1);
    Ok(Pipeline::from_config(&config)?.fit_initial(&batch.batch().at(Timestamp(0)))?.0)
}

fn newcomers(n: usize, seed: u64) -> Cohort {
    Cohort::around(&[[30.0, 0.0, 5.0], [140.0, 60.0, 30.0]], n, seed)
}

fn rmse(models: &Models, cohort: &Cohort) -> Result<f64> {
    let values = models.predict(cohort.x())?.values;
    RegressionScores::of(&cohort.targets, &values).rmse.context("targets are known")
}

fn show(kind: &str, report: &RetrainReport) {
    println!("{kind:<10} {}: {}", report.outcome.name(), report.trigger);
    for reason in &report.reasons {
        println!("           {reason}");
    }
}

/// Noise fires the trigger; nobody calls anything.
fn automatic(dir: &TempDir) -> Result<()> {
    let mut fitted = fit(dir, "")?;
    let champion = fitted.models();
    let mut promoted = None;
    for number in 1..=10 {
        let batch = newcomers(200, 20 + number);
        let report = fitted.process_batch(&batch.batch().at(Timestamp(DAY * number as i64)))?;
        if let Some(retrain) = report.retrain {
            show("automatic", &retrain);
            if retrain.outcome == RetrainOutcome::Promoted {
                promoted = Some(retrain);
                break;
            }
        }
    }
    let promoted = promoted.context("the newcomers lead to a promotion")?;
    ensure!(matches!(promoted.trigger, Trigger::NoiseThresholdExceeded { .. }));
    ensure!(promoted.new_version == Some(2) && fitted.models().version() == 2);
    let comparison = promoted.comparison.context("both were judged")?;
    let held_out = comparison.metric(ComparedMetric::Rmse);
    println!("           held-out rmse {} -> {}", shown(held_out.champion), shown(held_out.challenger));
    ensure!(held_out.challenger <= held_out.champion, "the same rows, and not worse");
    let fresh = newcomers(200, 99);
    let (old, new) = (rmse(&champion, &fresh)?, rmse(&fitted.models(), &fresh)?);
    println!("           on fresh patients {old:.3} -> {new:.3}");
    ensure!(new < old, "the promoted models predict the newcomers better");
    Ok(())
}

fn manual_and_scheduled(dir: &TempDir) -> Result<()> {
    let mut fitted = fit(dir, "retraining.schedule = \"24h\"\n")?;
    ensure!(fitted.retrain_if_due(Timestamp(DAY - 1))?.is_none(), "not due yet");
    let scheduled = fitted.retrain_if_due(Timestamp(DAY))?.context("due")?;
    show("scheduled", &scheduled);
    ensure!(matches!(scheduled.trigger, Trigger::ScheduledRetraining { .. }));
    let manual = fitted.retrain("quarterly review")?;
    show("manual", &manual);
    ensure!(manual.trigger == Trigger::ManualCommand { reason: "quarterly review".into() });
    Ok(())
}

/// A trainer that works, then learns from other patients' targets, then fails.
#[derive(Clone, Debug)]
struct Trainer {
    inner: Linear,
    state: Arc<AtomicU8>,
}

const WORKS: u8 = 0;
const POISONED: u8 = 1;
const FAILS: u8 = 2;

impl Regressor for Trainer {
    type Fitted = FittedLinear;

    fn fit(&self, x: Features<'_>, y: Targets<'_>) -> tsc_pipeline::core::Result<FittedLinear> {
        match self.state.load(Ordering::Relaxed) {
            WORKS => self.inner.fit(x, y),
            POISONED => {
                let others: Vec<f64> = y.as_slice().iter().rev().copied().collect();
                self.inner.fit(x, Targets::new(&others)?)
            }
            _ => Err(Error::new(ErrorKind::Training, Stage::TimeSeriesModel, "EXAMPLE-001", "injected")),
        }
    }

    fn restore(
        &self,
        stored: &StoredKind,
        source: &dyn ArtifactSource,
    ) -> tsc_pipeline::core::Result<FittedLinear> {
        self.inner.restore(stored, source)
    }
}

/// The gate refuses a challenger that learned nonsense, and a failed fit is an outcome; the champion serves on.
fn poisoned_and_failing(dir: &TempDir) -> Result<()> {
    let config = config(dir, STAGES)?;
    let state = Arc::new(AtomicU8::new(WORKS));
    let (mut fitted, _) = Pipeline::builder()
        .clusterer(Hdbscan::new(config.hdbscan_params.clone())?)
        .regressor(Trainer { inner: Linear::new(LinearParams::default())?, state: Arc::clone(&state) })
        .fallback(KnnFallback::new(config.knn_params.clone())?)
        .config(config)
        .build()?
        .fit_initial(&Cohort::new(900, 1).batch())?;
    for (broken, kind, outcome) in
        [(POISONED, "poisoned", RetrainOutcome::Rejected), (FAILS, "failing", RetrainOutcome::Failed)]
    {
        state.store(broken, Ordering::Relaxed);
        let report = fitted.retrain("a trainer that does not work")?;
        show(kind, &report);
        ensure!(report.outcome == outcome && report.new_version.is_none() && !report.reasons.is_empty());
        let batch = fitted.process_batch(&Cohort::new(50, 9).batch())?;
        ensure!(batch.n_scored == 50 && batch.model_version == 1, "the champion serves on");
    }
    Ok(())
}

/// The same stream, with a tenth more newcomers every day, under three thresholds.
fn strategies(dir: &TempDir) -> Result<()> {
    println!("threshold  first retrain  promoted  noise of the last batch");
    let mut first_retrains = Vec::new();
    for threshold in [0.15, 0.30, 0.45] {
        let text = STAGES.replace("noise_threshold = 0.25", &format!("noise_threshold = {threshold}"));
        let config = config(dir, &text)?;
        let (mut fitted, _) =
            Pipeline::from_config(&config)?.fit_initial(&Cohort::new(900, 1).batch().at(Timestamp(0)))?;
        let (mut first, mut promoted, mut noise) = (None, 0, 0.0);
        for day in 1..=8 {
            let new = 20 * day;
            let cohort = Cohort::new(200 - new, 40 + day as u64).and(&Cohort::around(
                &[[140.0, 60.0, 30.0]],
                new,
                60 + day as u64,
            ));
            let report = fitted.process_batch(&cohort.batch().at(Timestamp(DAY * day as i64)))?;
            noise = report.noise_ratio;
            if let Some(retrain) = report.retrain {
                first = first.or(Some(day));
                promoted += usize::from(retrain.outcome == RetrainOutcome::Promoted);
            }
        }
        let first = first.context("eight tenths of newcomers are above every threshold")?;
        println!("{threshold:>9}  {:>13}  {promoted:>8}  {noise:>23.2}", format!("day {first}"));
        ensure!(promoted >= 1 && noise < 0.05, "the newcomers have become a segment");
        first_retrains.push(first);
    }
    ensure!(first_retrains.is_sorted_by(|a, b| a < b), "a lower threshold retrains sooner");
    Ok(())
}
