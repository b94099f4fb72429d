//! Long tables read, summarised and kept.

use anyhow::{Context, Result};
use tsc_peers::{Arguments, Report, measure};
use tsc_pipeline::{
    core::Millis,
    series::{
        FeatureMatrix, FeatureSet, Featurizer, Rows, SeriesParams, SeriesTable, Source, TableSpec, TimeUnit,
    },
};

/// Variables whose features are compared with those of the peers.
const COMPARED: [&str; 5] = ["HR", "Temp", "GCS", "Na", "Glucose"];
const CLONES: usize = 4;

/// A file to a checked table.
pub(crate) fn read(arguments: &Arguments) -> Result<Report> {
    let (table, spent) = measure(|| table(arguments));
    Ok(Report::new(spent).with("check", table?.quality().rows.read as f64))
}

fn table(arguments: &Arguments) -> Result<SeriesTable> {
    let spec = TableSpec { time: TimeUnit::Minutes, ..TableSpec::default() };
    Ok(SeriesTable::read(Source::Path(&arguments.file("long.csv")?), &spec)?)
}

/// A file to eight statistics of each variable.
pub(crate) fn stats(arguments: &Arguments) -> Result<Report> {
    let (matrix, spent) = measure(|| statistics(&table(arguments)?));
    let sum = sum_of(&matrix?, &["mean", "std", "min", "max", "first", "last", "slope", "count"])?;
    Ok(Report::new(spent).with("check", sum))
}

/// Statistics of a table in memory, those that the peer's minimal set has too among them.
pub(crate) fn minimal(arguments: &Arguments) -> Result<Report> {
    let table = table(arguments)?;
    let (matrix, spent) = measure(|| statistics(&table));
    Ok(Report::new(spent).with("check", sum_of(&matrix?, &["mean", "min", "max", "count"])?))
}

fn statistics(table: &SeriesTable) -> Result<FeatureMatrix> {
    let params = SeriesParams {
        rows: Rows::PerPatient { cut: Millis(48 * 3_600_000) },
        features: vec![FeatureSet::Stats],
        ..SeriesParams::default()
    };
    Ok(Featurizer::new(params)?.fit(table)?.transform(table)?)
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
