//! Loads a stored pipeline and scores 15 batches, the later ones drifting; then edge cases and throughput:
//! `cargo run --release --example batch_processing`
#![expect(clippy::print_stdout, reason = "an example prints what it asserts")]
#![expect(clippy::disallowed_methods, reason = "an example measures throughput")]

use std::time::Instant;

use anyhow::{Result, ensure};
use tsc_examples::{STAGES, config, shown};
use tsc_pipeline::core::{PredictionSource, Signal};
use tsc_pipeline::prelude::*;
use tsc_testing::Cohort;

const CHANGE: u64 = 9;

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = config(&dir, &format!("{STAGES}retraining.mode = \"on_request\"\n"))?;
    let (fitted, _) = Pipeline::from_config(&config)?.fit_initial(&Cohort::new(1200, 1).batch())?;
    let probe = Cohort::new(200, 2);
    let before = fitted.models().predict(probe.x())?;
    fitted.save(dir.path().join("bundle"))?;
    drop(fitted);

    let mut loaded = Pipeline::load(dir.path().join("bundle"))?;
    ensure!(loaded.models().predict(probe.x())? == before, "the same bits after loading");

    println!("batch  noise  fallback  rmse    ms  alerts");
    let mut findings_before = 0;
    let mut findings_after = 0;
    for number in 1..=15 {
        let report = loaded.process_batch(&batch_of(number).batch())?;
        let alerts: Vec<String> = report.alerts.iter().map(ToString::to_string).collect();
        println!(
            "{number:>5}  {:.2}   {:.2}      {}  {:>5.1}  {}",
            report.noise_ratio,
            report.fallback_ratio,
            shown(report.scores.and_then(|s| s.rmse)),
            1000.0 * report.timings.total,
            alerts.join("; ")
        );
        // A rise of the loss is told too; it says that predictions got worse, not that the patients changed.
        let drift = report.findings.iter().filter(|f| f.signal != Signal::PerformanceDegradation);
        *(if number < CHANGE { &mut findings_before } else { &mut findings_after }) += drift.count();
    }
    ensure!(loaded.batches() == 15);
    ensure!(findings_before == 0, "no drift before the change");
    ensure!(findings_after > 0, "drift after it");
    println!("drift       {findings_before} findings before batch {CHANGE}, {findings_after} from it on");

    edge_cases(&mut loaded)?;
    throughput(&loaded)
}

/// From batch 9 on a new group of patients is admitted.
fn batch_of(number: u64) -> Cohort {
    if number < CHANGE {
        Cohort::new(200, 10 + number)
    } else {
        Cohort::new(100, 10 + number).and(&newcomers(number))
    }
}

fn newcomers(seed: u64) -> Cohort {
    Cohort::around(&[[140.0, 60.0, 30.0]], 100, 100 + seed)
}

fn edge_cases(loaded: &mut FittedPipeline) -> Result<()> {
    let narrow = [1.0, 2.0];
    let error =
        loaded.process_batch(&Batch::new(Features::new(&narrow, 2)?)).expect_err("the batch is refused");
    println!("two features      {} {error}", error.code());
    ensure!(error.code() == "TSC-DAT-007");
    let error = Batch::raw(&[], 3).expect_err("the batch is refused");
    println!("no row            {} {error}", error.code());
    ensure!(error.code() == "TSC-DAT-012");

    let mut cohort = Cohort::new(10, 3);
    cohort.values[0] = f64::NAN;
    let report = loaded.process_batch(&Batch::raw(&cohort.values, Cohort::WIDTH)?)?;
    println!("one NaN in 10     {} scored, {} quarantined", report.n_scored, report.rejected.len());
    ensure!(report.rejected.len() == 1 && report.predictions.sources[0] == PredictionSource::Unavailable);
    Ok(())
}

fn throughput(loaded: &FittedPipeline) -> Result<()> {
    let cohort = Cohort::new(20_000, 4);
    let models = loaded.models();
    let expected = models.predict(cohort.x())?;
    println!("threads  rows at once   rows/s");
    for threads in [1, 2] {
        let pool = rayon_pool(threads)?;
        for rows in [100, 1000, 20_000] {
            let start = Instant::now();
            let mut values = Vec::new();
            for from in (0..cohort.len()).step_by(rows) {
                let chunk = cohort.x().slice(from..cohort.len().min(from + rows));
                values.extend(pool.install(|| models.predict(chunk))?.values);
            }
            println!(
                "{threads:>7}  {rows:>12}  {:>7.0}",
                cohort.len() as f64 / start.elapsed().as_secs_f64()
            );
            ensure!(values == expected.values, "the same bits in every cell");
        }
    }
    Ok(())
}

fn rayon_pool(threads: usize) -> Result<rayon::ThreadPool> {
    Ok(rayon::ThreadPoolBuilder::new().num_threads(threads).build()?)
}
