//! What the pipeline is held against: one global model, the last value, and itself without the retrain.

use std::sync::Arc;

use tsc_pipeline::core::{Features, FittedRegressorExt, RegressionScores, Regressor, Targets};
use tsc_pipeline::{Models, PipelineConfig};

use super::cohort::Cohort;
use super::outcome::Streamed;
use crate::data::Table;
use crate::failure::Failure;

/// Scores on the streamed rows of one model trained on the same rows, with the same parameters.
pub(crate) fn global(cohort: &Cohort, config: &PipelineConfig) -> Result<RegressionScores, Failure> {
    let train = &cohort.train;
    let columns: Vec<usize> =
        (0..train.schema.n_features()).filter(|&c| train.schema.columns()[c].column_use.models()).collect();
    let targets = targets(train);
    let known: Vec<usize> = (0..train.n_rows()).filter(|&row| targets[row].is_finite()).collect();
    let gather = |table: &Table, rows: &[usize]| -> Vec<f64> {
        let d = table.schema.n_features();
        rows.iter().flat_map(|&row| columns.iter().map(move |&c| table.values[row * d + c])).collect()
    };
    let (x, y) = (gather(train, &known), known.iter().map(|&row| targets[row]).collect::<Vec<_>>());
    let model = tsc_pipeline::regressor(config)?.fit(Features::new(&x, columns.len())?, Targets::new(&y)?)?;
    let rows: Vec<usize> = (0..cohort.stream.n_rows()).collect();
    let x = gather(&cohort.stream, &rows);
    let predicted = model.predict(Features::new(&x, columns.len())?)?;
    Ok(RegressionScores::of(self::targets(&cohort.stream), &predicted))
}

/// Scores of the last heart rate before the cut.
pub(crate) fn last_value(cohort: &Cohort) -> Option<RegressionScores> {
    Some(RegressionScores::of(targets(&cohort.stream), &cohort.last_value()?))
}

/// RMSE of (the models before, the served ones) on the rows streamed after the first promotion.
pub(crate) fn after_swap(
    champion: &Arc<Models>,
    cohort: &Cohort,
    streamed: &Streamed,
) -> Result<Option<(f64, f64)>, Failure> {
    let Some(start) = streamed.first_row_after_promotion().filter(|&row| row < cohort.stream.n_rows()) else {
        return Ok(None);
    };
    let d = cohort.stream.schema.n_features();
    let x = Features::new(&cohort.stream.values[start * d..], d)?;
    let truth = &targets(&cohort.stream)[start..];
    let before = RegressionScores::of(truth, &champion.predict(x)?.values).rmse;
    let after = RegressionScores::of(truth, &streamed.values[start..]).rmse;
    Ok(before.zip(after))
}

pub(crate) fn targets(table: &Table) -> &[f64] {
    table.targets.as_deref().unwrap_or_default()
}
