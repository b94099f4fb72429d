//! Long tables read, summarised and kept.

use anyhow::{Context, Result, ensure};
use tsc_peers::{Arguments, Report, Spent, measure};
use tsc_pipeline::{
    core::{Millis, Timestamp},
    series::{
        FeatureMatrix, FeatureSet, Featurizer, Grid, PatientIx, Rolling, Rows, SeriesParams, SeriesTable,
        Source, TableSpec, TargetSpec, TimeFormat, VariableIx, VariableSpec, VariableTable, WindowStat,
    },
};
use tsc_testing::npy;

/// Variables whose features are compared with those of the peers.
const COMPARED: [&str; 5] = ["HR", "Temp", "GCS", "Na", "Glucose"];
const CLONES: usize = 4;

/// A file to a checked table.
pub(crate) fn read(arguments: &Arguments) -> Result<Report> {
    let (table, spent) = measure(|| table(arguments));
    Ok(Report::new(spent).with("check", table?.quality().rows.read as f64))
}

fn table(arguments: &Arguments) -> Result<SeriesTable> {
    let spec = TableSpec { time: TimeFormat::Minutes, ..TableSpec::default() };
    Ok(SeriesTable::read(Source::Path(&arguments.file("long.csv")?), &spec)?)
}

/// A file to eight statistics of each variable.
pub(crate) fn stats(arguments: &Arguments) -> Result<Report> {
    let (matrix, spent) = measure(|| -> Result<_> {
        let table = table(arguments)?;
        Ok(Featurizer::new(eight())?.fit_transform(&table)?.1)
    });
    let sum = sum_of(&matrix?, &["mean", "std", "min", "max", "first", "last", "slope", "count"])?;
    Ok(Report::new(spent).with("check", sum))
}

/// Statistics of a table in memory, those that the peer's minimal set has too among them.
pub(crate) fn minimal(arguments: &Arguments) -> Result<Report> {
    let table = table(arguments)?;
    let (matrix, spent) = transformed(&table, eight())?;
    Ok(Report::new(spent).with("check", sum_of(&matrix, &["mean", "min", "max", "count"])?))
}

fn eight() -> SeriesParams {
    SeriesParams {
        rows: Rows::PerPatient { cut: Millis(48 * 3_600_000) },
        features: vec![FeatureSet::Stats],
        ..SeriesParams::default()
    }
}

/// The features, measured without what is learnt for the medians of missing cells: no peer does the like.
fn transformed(table: &SeriesTable, params: SeriesParams) -> Result<(FeatureMatrix, Spent)> {
    let fitted = Featurizer::new(params)?.fit(table)?;
    let (matrix, spent) = measure(|| fitted.transform(table));
    Ok((matrix?, spent))
}

/// The sum of some statistics of the compared variables.
fn sum_of(matrix: &FeatureMatrix, statistics: &[&str]) -> Result<f64> {
    let x = matrix.features();
    let mut sum = 0.0;
    for variable in COMPARED {
        for statistic in statistics {
            let name = format!("{variable}.{statistic}");
            let column = matrix.schema().names().position(|it| it == name);
            let column = column.with_context(|| format!("there is no feature {name}"))?;
            sum += x.rows().map(|row| row[column]).sum::<f64>();
        }
    }
    Ok(sum)
}

/// What a table takes, by what copies of it add to the process.
pub(crate) fn table_memory(arguments: &Arguments) -> Result<Report> {
    let table = table(arguments)?;
    let (clones, spent) = measure(|| vec![table.clone(); CLONES]);
    let values = (clones.len() * table.n_values()) as f64;
    let bytes = spent.rise_mb.map(|rise| rise * 1e6 / values);
    Ok(Report::new(spent).with_known([("bytes", bytes)]))
}

/// Values of all stays in the order of their times, one after the other, into running summaries.
pub(crate) fn updater(arguments: &Arguments) -> Result<Report> {
    let table = table(arguments)?;
    let fitted = Featurizer::new(eight())?.fit(&table)?;
    let matrix = fitted.transform(&table)?;
    let cut = Timestamp(48 * PERIOD_MS as i64);
    let mut values = Vec::with_capacity(table.n_values());
    for (number, patient) in table.patients().iter().enumerate() {
        for (variable, spec) in table.variables().as_slice().iter().enumerate() {
            let (times, series) = table.series(PatientIx(number), VariableIx(variable));
            let before = times.iter().zip(series).filter(|(time, _)| **time < cut.0);
            values.extend(before.map(|(time, value)| (*time, patient.as_str(), spec.name.as_str(), *value)));
        }
    }
    values.sort_by_key(|(time, patient, variable, _)| (*time, *patient, *variable));

    let mut updater = fitted.updater()?;
    let ((), spent) = measure(|| {
        for (time, patient, variable, value) in &values {
            updater.push(patient, *time, variable, *value);
        }
    });
    let names = matrix.schema().names();
    let is_compared = |name: &str| COMPARED.iter().any(|it| name.starts_with(&format!("{it}.")));
    let row = updater.row(&table.patients()[0], cut)?;
    for ((name, batch), running) in
        names.zip(matrix.features().row(0)).zip(row).filter(|it| is_compared(it.0.0))
    {
        ensure!((running - batch).abs() <= 1e-9 * batch.abs(), "{name} is {running}, in a batch {batch}");
    }
    Ok(Report::new(spent).with("nanos", spent.seconds * 1e9 / values.len() as f64))
}

/// Eleven lags, windows and means of every series at every period.
pub(crate) fn panel(arguments: &Arguments) -> Result<Report> {
    use WindowStat::{Max, Mean, Min, Std};
    let table = regular(arguments)?;
    let rolling = [(3, Mean), (12, Mean), (12, Std), (12, Min), (12, Max)];
    let params = SeriesParams {
        rows: Rows::Panel { from: 12, every: 1 },
        features: vec![FeatureSet::Panel],
        feature_columns: vec!["value.*".into()],
        target: Some(TargetSpec::Forecast { variable: "value".into() }),
        grid: Grid::Every(Millis(PERIOD_MS)),
        lags: vec![1, 2, 3, 12],
        rolling: rolling.map(|(window, stat)| Rolling { window, stat }).to_vec(),
        ewm: vec![0.5],
        expanding: vec![Mean],
        ..SeriesParams::default()
    };
    let (matrix, spent) = transformed(&table, params)?;
    let targets = matrix.targets().context("panel rows have targets")?;
    // The peer has no row after the last period, where nothing is left to forecast.
    let rows = matrix.features().rows().zip(targets).filter(|(_, target)| !target.is_nan());
    let (mut cells, mut sum) = (0.0, 0.0);
    for (row, _) in rows {
        cells += row.len() as f64;
        sum += row.iter().sum::<f64>();
    }
    Ok(Report::new(spent).with("cells", cells).with("check", sum))
}

/// Eighteen numbers about the shape of every series.
pub(crate) fn shape(arguments: &Arguments) -> Result<Report> {
    let table = regular(arguments)?;
    let params = SeriesParams {
        rows: Rows::PerPatient { cut: Millis(u64::MAX / 4) },
        features: vec![FeatureSet::Shape],
        ..SeriesParams::default()
    };
    let (matrix, spent) = transformed(&table, params)?;
    let columns = matrix.features().n_features();
    Ok(Report::new(spent).with("columns", columns as f64))
}

const PERIOD_MS: u64 = 3_600_000;

/// The rows of `series.npy` as series with a value each period.
fn regular(arguments: &Arguments) -> Result<SeriesTable> {
    let series = npy::read(arguments.file("series.npy")?);
    let variables = VariableTable::new(vec![VariableSpec::new("value")])?;
    let mut builder = SeriesTable::builder(variables);
    for (number, values) in series.f64().chunks_exact(series.n_columns()).enumerate() {
        let id = number.to_string();
        for (time, value) in (0..).step_by(PERIOD_MS as usize).zip(values) {
            builder.push(&id, time, "value", *value);
        }
    }
    Ok(builder.finish()?)
}
