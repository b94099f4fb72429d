//! A LightGBM text read, asked and explained.

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;
use tsc_peers::{Arguments, Report, measure, measure_each};
use tsc_pipeline::{
    core::{Features, FittedRegressor},
    models::GbdtModel,
};
use tsc_testing::{Array, npy};

use crate::digest;

/// Rows that one thread scores at a time.
const CHUNK: usize = 4096;
const PARSES: usize = 300;

fn loaded(arguments: &Arguments) -> Result<(GbdtModel, Array)> {
    Ok((GbdtModel::parse(&text(arguments)?)?, npy::read(arguments.file("rows.npy")?)))
}

fn text(arguments: &Arguments) -> Result<String> {
    std::fs::read_to_string(arguments.file("model.txt")?).context("read the model")
}

/// All rows, shared among the threads.
pub(crate) fn score(arguments: &Arguments) -> Result<Report> {
    let (model, rows) = loaded(arguments)?;
    let d = rows.n_columns();
    let mut out = vec![0.0; rows.n_rows()];
    let (done, spent) = measure(|| {
        let chunks = rows.f64().par_chunks(CHUNK * d).zip(out.par_chunks_mut(CHUNK));
        chunks.try_for_each(|(rows, out)| model.predict_into(Features::new(rows, d)?, out))
    });
    done?;
    Ok(Report::new(spent).with("check", digest::of_numbers(&out)))
}

/// Rows one by one.
pub(crate) fn one(arguments: &Arguments) -> Result<Report> {
    let (model, rows) = loaded(arguments)?;
    let rows: Vec<&[f64]> = rows.f64().chunks_exact(rows.n_columns()).collect();
    let mut out = vec![f64::NAN; rows.len()];
    let (p50_us, spent) = measure_each(rows.len(), |row| {
        if let Ok(value) = model.predict_one(rows[row]) {
            out[row] = value;
        }
    });
    Ok(Report::new(spent).with("p50_us", p50_us).with("check", digest::of_numbers(&out)))
}

/// What each feature adds to each prediction.
pub(crate) fn contributions(arguments: &Arguments) -> Result<Report> {
    let (model, rows) = loaded(arguments)?;
    let x = rows.features();
    let mut out = vec![0.0; x.n_samples() * (x.n_features() + 1)];
    let (done, spent) = measure(|| model.contributions_into(x, &mut out));
    done?;
    Ok(Report::new(spent).with("check", digest::of_numbers(&out)))
}

/// A text to a model.
pub(crate) fn parse(arguments: &Arguments) -> Result<Report> {
    let text = text(arguments)?;
    let trees = GbdtModel::parse(&text)?.n_trees();
    ensure!(trees > 0, "the model has no trees");
    let (p50_us, spent) = measure_each(PARSES, |_| GbdtModel::parse(&text));
    Ok(Report::new(spent.each(PARSES)).with("p50_us", p50_us).with("check", trees as f64))
}
