//! The main job, once from end to end, on a simulated cohort or on real stays; asserts what it prints.

mod cohort;
mod compare;
mod outcome;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tsc_pipeline::core::{Batch, Features, RegressionScores, RetrainOutcome};
use tsc_pipeline::{BatchReport, FittedPipeline, Pipeline};

use crate::data::Table;
use crate::failure::{Failure, INTERNAL, note, say};
use crate::{DemoArgs, Outcome};
use cohort::Cohort;
use outcome::{Demo, Streamed};

/// Rows of a streamed batch on real stays; the simulated stream is cut into 15 batches.
const REAL_BATCH: usize = 200;
const SIMULATED_BATCHES: usize = 15;

/// Runs everything once and prints one table; exit code 1 if something that must hold does not.
pub(crate) fn run(args: &DemoArgs, as_json: bool) -> Outcome {
    prepare(&args.out)?;
    let mut watch = Watch::start();
    note("reading and cleaning");
    let cohort = Cohort::load(args, &mut watch)?;
    note(format!(
        "fitting on {} rows x {} features",
        cohort.train.n_rows(),
        cohort.train.schema.n_features()
    ));
    let config = cohort.config(args);
    let pipeline = Pipeline::from_config(&config)?.with_featurizer(cohort.featurizer.clone());
    let (mut fitted, training) = pipeline.fit_initial(&cohort.train.batch(0, cohort.train.n_rows())?)?;
    watch.lap("fit");
    #[cfg(feature = "report")]
    let shown = fitted.report_data(&training, &cohort.train.batch(0, cohort.train.n_rows())?);
    let global = compare::global(&cohort, &config)?;
    watch.lap("global model");

    note(format!("streaming {} rows", cohort.stream.n_rows()));
    let champion = fitted.models();
    let streamed = stream(&mut fitted, &cohort)?;
    watch.lap("stream");
    let version = fitted.save(args.out.join("bundle"))?;
    let page = args.out.join("report.html");
    watch.lap("save");
    note("reloading in another process");
    let reloaded = reload_in_child(args, &cohort.stream, &fitted)?;
    watch.lap("reload");
    let tracking = fitted.flush_tracking(Duration::from_secs(60));
    watch.lap("tracking");

    let demo = Demo {
        config: config.clone(),
        rmse_after_swap: compare::after_swap(&champion, &cohort, &streamed)?,
        last_value: compare::last_value(&cohort),
        global,
        training,
        streamed,
        reloaded_same_bits: reloaded,
        tracking,
        bundle: version,
        report: page,
        view: fitted.view_command(),
        laps: watch.laps,
        cohort,
    };
    #[cfg(feature = "report")]
    demo.write_report(shown, &fitted)?;
    let failures = demo.failures();
    if as_json {
        say(demo.json(&failures))?;
    } else {
        demo.print(&failures)?;
    }
    Ok(if failures.is_empty() { 0 } else { INTERNAL })
}

/// Starts every demo from an empty store, so that its numbers are those of one run.
fn prepare(out: &Path) -> Result<(), Failure> {
    for name in ["mlflow.db", "mlflow.db-wal", "mlflow.db-shm", "report.html", "stream.csv", "scored.csv"] {
        remove(&out.join(name), |path| std::fs::remove_file(path))?;
    }
    for name in ["bundle", "mlruns"] {
        remove(&out.join(name), |path| std::fs::remove_dir_all(path))?;
    }
    std::fs::create_dir_all(out).map_err(|e| Failure::unwritable(out, &e))
}

fn remove(path: &Path, how: impl Fn(&Path) -> std::io::Result<()>) -> Result<(), Failure> {
    match how(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Failure::unwritable(path, &e)),
        _ => Ok(()),
    }
}

fn stream(fitted: &mut FittedPipeline, cohort: &Cohort) -> Result<Streamed, Failure> {
    let n = cohort.stream.n_rows();
    let size = if cohort.truth.is_some() { n.div_ceil(SIMULATED_BATCHES) } else { REAL_BATCH };
    let mut streamed = Streamed::of(size);
    for (number, start) in (0..n).step_by(size).enumerate() {
        let end = n.min(start + size);
        let batch: Batch<'_> = cohort.stream.batch(start, end)?.with_batch_id(format!("demo-{number}"));
        let report = fitted.process_batch(&batch)?;
        note(line(&report));
        streamed.push(report);
    }
    Ok(streamed)
}

fn line(report: &BatchReport) -> String {
    let rmse = report.scores.and_then(|s: RegressionScores| s.rmse).map_or("-".into(), |v| format!("{v:.2}"));
    let mut line = format!(
        "batch {:>2}: {} rows, noise {:.2}, rmse {rmse}, models v{}",
        report.sequence, report.n_samples, report.noise_ratio, report.model_version
    );
    for alert in &report.alerts {
        line.push_str(&format!("; {} {:?}", alert.signal, alert.change));
    }
    if let Some(retrain) = &report.retrain {
        let outcome = retrain.outcome;
        line.push_str(&format!("; retrain {}: {}", outcome.name(), retrain.trigger));
        if outcome != RetrainOutcome::Promoted {
            line.push_str(&format!(" ({})", retrain.reasons.join("; ")));
        }
    }
    line
}

/// Scores the stream with the stored bundle in a new process and compares every bit.
fn reload_in_child(args: &DemoArgs, table: &Table, fitted: &FittedPipeline) -> Result<bool, Failure> {
    let (input, output) = (args.out.join("stream.csv"), args.out.join("scored.csv"));
    write_features(&input, table)?;
    let program = std::env::current_exe().map_err(|e| Failure::Internal(e.to_string()))?;
    let child = Command::new(program)
        .args(["score".as_ref(), input.as_os_str(), "--model".as_ref(), args.out.join("bundle").as_os_str()])
        .args(["-o".as_ref(), output.as_os_str(), "--predict-only".as_ref()])
        .output()
        .map_err(|e| Failure::Internal(format!("the second process cannot be started: {e}")))?;
    if !child.status.success() {
        return Err(Failure::Internal(format!(
            "the second process ended with {}: {}",
            child.status,
            String::from_utf8_lossy(&child.stderr)
        )));
    }
    let here = fitted.models().predict(Features::new(&table.values, table.schema.n_features())?)?;
    let there = std::fs::read_to_string(&output).map_err(|e| Failure::unwritable(&output, &e))?;
    let mut reader = csv::Reader::from_reader(there.as_bytes());
    let mut rows = 0;
    for (i, record) in reader.records().enumerate() {
        let record = record.map_err(|e| Failure::Internal(format!("{}: {e}", output.display())))?;
        let value: f64 = record[4].parse().unwrap_or(f64::NAN);
        let same = i < here.len()
            && record[1] == here.density_labels[i].to_string()
            && record[2] == here.labels[i].to_string()
            && value.to_bits() == here.values[i].to_bits();
        if !same {
            return Ok(false);
        }
        rows += 1;
    }
    Ok(rows == here.len())
}

fn write_features(path: &Path, table: &Table) -> Result<(), Failure> {
    let broken = |e: csv::Error| Failure::Internal(format!("{}: {e}", path.display()));
    let mut writer = csv::Writer::from_path(path).map_err(broken)?;
    writer.write_record(table.schema.names()).map_err(broken)?;
    for row in table.values.chunks_exact(table.schema.n_features()) {
        writer.write_record(row.iter().map(f64::to_string)).map_err(broken)?;
    }
    writer.flush().map_err(|e| Failure::unwritable(path, &e))
}

/// Wall time of each part of the demo.
#[derive(Debug)]
pub(crate) struct Watch {
    last: Instant,
    pub(crate) laps: Vec<(&'static str, f64)>,
}

#[expect(clippy::disallowed_methods, reason = "the demo prints wall time")]
impl Watch {
    fn start() -> Self {
        Self { last: Instant::now(), laps: Vec::new() }
    }

    pub(crate) fn lap(&mut self, name: &'static str) {
        let now = Instant::now();
        self.laps.push((name, now.duration_since(self.last).as_secs_f64()));
        self.last = now;
    }
}
