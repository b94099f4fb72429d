use std::fs::File;
use std::io::Write;
use std::time::Duration;

use serde_json::json;
use tsc_pipeline::core::{AlertChange, Features, Predictions};
use tsc_pipeline::{FittedPipeline, Pipeline, ResourcePredictions};

use super::series;
use crate::data::Table;
use crate::failure::{ALERT, Failure, note, output_failed, say};
use crate::{Outcome, ScoreArgs};

/// Scores a file with a stored pipeline, `batch_size` rows at a time.
pub(crate) fn score(args: &ScoreArgs, as_json: bool) -> Outcome {
    let mut fitted = Pipeline::load(args.model.as_str())?;
    let table = match fitted.featurizer().filter(|_| !is_feature_file(args, &fitted)) {
        None => Table::read(&args.data, &fitted.config().data, Some(fitted.models().schema()))?,
        Some(featurizer) => Table::of_matrix(&featurizer.transform(&series(&args.data, fitted.config())?)?),
    };
    if as_json && args.output.is_none() {
        return Err(Failure::usage("--json prints the summary on stdout; give -o FILE for the scores"));
    }
    let target: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(
            File::create(path)
                .map_err(|e| Failure::data(format!("{} cannot be written: {e}", path.display())))?,
        ),
        None => Box::new(std::io::stdout()),
    };
    let mut writer = csv::Writer::from_writer(target);
    let summary = if args.predict_only {
        predict_table(&fitted, &table, &mut writer)?
    } else {
        score_table(&mut fitted, &table, &mut writer)?
    };
    writer.flush().map_err(|e| output_failed(&e))?;
    if args.save {
        fitted.save(&args.model)?;
    }
    let tracking = fitted.flush_tracking(Duration::from_secs(30));
    if as_json {
        say(json!({"schema": "tsclust/score/1", "rows": summary.rows, "batches": summary.batches,
            "alerts": summary.alerts, "retrains": summary.retrains, "model_version": fitted.models().version(),
            "health": fitted.health(), "tracking": tracking}))?;
    } else {
        note(format!("{} rows in {} batches, {} retrains", summary.rows, summary.batches, summary.retrains));
    }
    Ok(if summary.fired { ALERT } else { 0 })
}

/// A CSV whose header holds every feature is a feature file, also where the bundle could featurise series.
fn is_feature_file(args: &ScoreArgs, fitted: &FittedPipeline) -> bool {
    let Ok(mut reader) = csv::Reader::from_path(&args.data) else { return false };
    let Ok(headers) = reader.headers() else { return false };
    fitted.models().schema().names().all(|name| headers.iter().any(|header| header == name))
}

#[derive(Debug, Default)]
struct Summary {
    rows: usize,
    batches: usize,
    retrains: usize,
    alerts: Vec<String>,
    fired: bool,
}

type Output = csv::Writer<Box<dyn Write>>;

fn predict_table(fitted: &FittedPipeline, table: &Table, writer: &mut Output) -> Result<Summary, Failure> {
    let (models, size) = (fitted.models(), fitted.config().batch_size);
    for start in (0..table.n_rows()).step_by(size) {
        let end = table.n_rows().min(start + size);
        let d = table.schema.n_features();
        let x = Features::new(&table.values[start * d..end * d], d)?;
        let predictions = models.predict(x)?;
        let resources = models.predict_resources(x, &predictions)?;
        if start == 0 {
            writer.write_record(header(&resources)).map_err(csv_failed)?;
        }
        write_scores(writer, &table.ids[start..end], &predictions, &resources)?;
    }
    Ok(Summary { rows: table.n_rows(), batches: table.n_rows().div_ceil(size), ..Summary::default() })
}

fn score_table(fitted: &mut FittedPipeline, table: &Table, writer: &mut Output) -> Result<Summary, Failure> {
    let size = fitted.config().batch_size;
    let mut summary = Summary::default();
    for start in (0..table.n_rows()).step_by(size) {
        let end = table.n_rows().min(start + size);
        let report = fitted.process_batch(&table.batch(start, end)?)?;
        if start == 0 {
            writer.write_record(header(&report.resources)).map_err(csv_failed)?;
        }
        write_scores(writer, &table.ids[start..end], &report.predictions, &report.resources)?;
        summary.rows += report.n_samples;
        summary.batches += 1;
        summary.retrains += usize::from(report.retrain.is_some());
        for alert in &report.alerts {
            note(format!("alert: {alert}"));
            summary.alerts.push(alert.to_string());
            summary.fired |= alert.change != AlertChange::Resolved;
        }
        for rejected in report.rejected.iter().take(10) {
            note(format!(
                "row {} rejected: {} is {}",
                start + rejected.row + 1,
                rejected.name,
                rejected.reason
            ));
        }
        for item in &report.degraded {
            note(format!("degraded: {} ({})", item.message, item.code));
        }
    }
    Ok(summary)
}

fn header(resources: &[ResourcePredictions]) -> Vec<String> {
    let mut header: Vec<String> =
        ["id", "density_label", "label", "strength", "value", "source"].map(str::to_owned).to_vec();
    header.extend(resources.iter().map(|r| format!("{} ({})", r.kind, r.unit)));
    header
}

/// One line a row; numbers keep every bit, and an unavailable value stays empty.
fn write_scores(
    writer: &mut Output,
    ids: &[String],
    predictions: &Predictions,
    resources: &[ResourcePredictions],
) -> Result<(), Failure> {
    let number = |value: f64| if value.is_nan() { String::new() } else { value.to_string() };
    for (i, id) in ids.iter().enumerate() {
        let mut record = vec![
            id.clone(),
            predictions.density_labels[i].to_string(),
            predictions.labels[i].to_string(),
            number(predictions.strengths[i]),
            number(predictions.values[i]),
            predictions.sources[i].name().to_owned(),
        ];
        record.extend(resources.iter().map(|r| number(r.values[i])));
        writer.write_record(&record).map_err(csv_failed)?;
    }
    Ok(())
}

fn csv_failed(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => output_failed(&error),
        other => Failure::Own(format!("output cannot be written: {other:?}"), crate::failure::INTERNAL),
    }
}
