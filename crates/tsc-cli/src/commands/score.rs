use std::io::{Stdout, Write};
use std::time::Duration;

use serde_json::json;
use tsc_pipeline::core::{AlertChange, Features, Intervals, Predictions};
use tsc_pipeline::{BatchReport, FittedPipeline, Models, Pipeline, ResourcePredictions};

use super::series;
use super::whole::Whole;
use crate::data::{FeatureFile, Rows, Table, holds_features};
use crate::failure::{ALERT, Failure, note, output_failed, say};
use crate::{Outcome, ScoreArgs};

/// Scores a file with a stored pipeline, `batch_size` rows at a time; a file is never held as a whole.
pub(crate) fn score(args: &ScoreArgs, as_json: bool) -> Outcome {
    if as_json && args.output.is_none() {
        return Err(Failure::usage(
            "TSC-CLI-005",
            "--json prints the summary on stdout, where the scores would be",
            "give -o FILE for the scores",
        ));
    }
    let mut fitted = Pipeline::load(args.model.as_str())?;
    let mut rows = rows(args, &fitted)?;
    let target = match &args.output {
        Some(path) => Target::File(Whole::create(path)?),
        None => Target::Stdout(std::io::stdout()),
    };
    let mut writer = csv::Writer::from_writer(target);
    let summary = if args.predict_only {
        predict_rows(&fitted, &mut rows, &mut writer)?
    } else {
        score_rows(&mut fitted, &mut rows, &mut writer)?
    };
    writer.flush().map_err(|e| output_failed(&e))?;
    if let Ok(Target::File(file)) = writer.into_inner() {
        file.publish()?;
    }
    if args.save {
        fitted.save(&args.model)?;
    }
    let tracking = fitted.flush_tracking(Duration::from_secs(30));
    if as_json {
        say(json!({"schema": "tsclust/score/1", "rows": summary.rows, "batches": summary.batches,
            "alerts": summary.alerts, "retrains": summary.retrains, "model_version": fitted.models().version(),
            "health": fitted.health(), "tracking": tracking}))?;
    } else {
        note(format!("rows {}, batches {}, retrains {}", summary.rows, summary.batches, summary.retrains));
        if tracking.is_degraded() {
            note(format!("tracking degraded: {}", super::undelivered(&tracking)));
        }
    }
    Ok(if summary.fired { ALERT } else { 0 })
}

/// A CSV whose header holds every feature is a feature file, also where the bundle could featurise series.
fn rows(args: &ScoreArgs, fitted: &FittedPipeline) -> Result<Rows, Failure> {
    let models = fitted.models();
    let schema = models.schema();
    match fitted.featurizer() {
        Some(featurizer) if !holds_features(&args.data, schema) => {
            let matrix = featurizer.transform(&series(&args.data, fitted.config())?)?;
            Ok(Rows::Held(Box::new(Table::of_matrix(&matrix)), 0))
        }
        _ => {
            let file = FeatureFile::open(&args.data, &fitted.config().data, Some(schema))?;
            Ok(Rows::File(Box::new(file)))
        }
    }
}

#[derive(Debug, Default)]
struct Summary {
    rows: usize,
    batches: usize,
    retrains: usize,
    alerts: Vec<String>,
    fired: bool,
}

type Output = csv::Writer<Target>;

/// Where the scores go.
#[derive(Debug)]
enum Target {
    Stdout(Stdout),
    File(Whole),
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

fn predict_rows(fitted: &FittedPipeline, rows: &mut Rows, writer: &mut Output) -> Result<Summary, Failure> {
    let models = fitted.models();
    let mut summary = Summary::default();
    while let Some(table) = rows.next(fitted.config().batch_size)? {
        let x = Features::new(&table.values, table.schema.n_features())?;
        let predictions = models.predict(x)?;
        let resources = models.predict_resources(x, &predictions)?;
        if summary.batches == 0 {
            writer.write_record(header(&models)).map_err(csv_failed)?;
        }
        write_scores(writer, &table, &predictions, &resources)?;
        summary.rows += table.n_rows();
        summary.batches += 1;
    }
    Ok(summary)
}

fn score_rows(fitted: &mut FittedPipeline, rows: &mut Rows, writer: &mut Output) -> Result<Summary, Failure> {
    let mut summary = Summary::default();
    while let Some(table) = rows.next(fitted.config().batch_size)? {
        let report = fitted.process_batch(&table.batch(0, table.n_rows())?)?;
        if summary.batches == 0 {
            writer.write_record(header(&fitted.models())).map_err(csv_failed)?;
        }
        write_scores(writer, &table, &report.predictions, &report.resources)?;
        tell(&report, summary.rows);
        summary.rows += report.n_samples;
        summary.batches += 1;
        summary.retrains += usize::from(report.retrain.is_some());
        summary.fired |= report.alerts.iter().any(|alert| alert.change != AlertChange::Resolved);
        summary.alerts.extend(report.alerts.iter().map(ToString::to_string));
    }
    Ok(summary)
}

/// What a person must hear about a batch that begins after `rows_before` rows.
fn tell(report: &BatchReport, rows_before: usize) {
    const SHOWN: usize = 10;
    for alert in &report.alerts {
        note(format!("alert: {alert}"));
    }
    for rejected in report.rejected.iter().take(SHOWN) {
        let row = rows_before + rejected.row + 1;
        note(format!("row {row} rejected: {} is {}", rejected.name, rejected.reason));
    }
    if report.rejected.len() > SHOWN {
        note(format!("{} more cells rejected in this batch", report.rejected.len() - SHOWN));
    }
    for item in &report.degraded {
        note(format!("degraded: {} ({})", item.message, item.code));
    }
}

fn header(models: &Models) -> Vec<String> {
    let first = ["id", "density_label", "label", "strength", "value", "source"].map(str::to_owned);
    first.into_iter().chain(models.further_columns()).collect()
}

/// One line a row; numbers keep every bit, and an unavailable value or bound stays empty.
fn write_scores(
    writer: &mut Output,
    table: &Table,
    predictions: &Predictions,
    resources: &[ResourcePredictions],
) -> Result<(), Failure> {
    let number = |value: f64| if value.is_nan() { String::new() } else { value.to_string() };
    let bounds = |intervals: Option<&Intervals>, row: usize| -> Vec<f64> {
        let pairs = intervals.into_iter().flat_map(|i| i.lower.iter().zip(&i.upper));
        pairs.flat_map(|(lower, upper)| [lower[row], upper[row]]).collect()
    };
    for (i, id) in table.ids.iter().enumerate() {
        let mut record = vec![
            id.clone(),
            predictions.density_labels[i].to_string(),
            predictions.labels[i].to_string(),
            number(predictions.strengths[i]),
            number(table.in_unit(i, predictions.values[i])),
            predictions.sources[i].name().to_owned(),
        ];
        let own = bounds(predictions.intervals.as_ref(), i);
        record.extend(own.into_iter().map(|bound| number(table.in_unit(i, bound))));
        for resource in resources {
            record.push(number(resource.values[i]));
            record.extend(bounds(resource.intervals.as_ref(), i).into_iter().map(number));
        }
        writer.write_record(&record).map_err(csv_failed)?;
    }
    Ok(())
}

fn csv_failed(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => output_failed(&error),
        _ => Failure::Internal("output cannot be written as CSV".to_owned()),
    }
}
