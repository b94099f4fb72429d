//! Inputs as files, so that every program of a case reads the same bytes.

use std::{
    fs::File,
    io::{BufWriter, Write},
};

use anyhow::{Context, Result};
use tsc_peers::{Arguments, write_f64, write_i32};
use tsc_pipeline::{
    core::{Features, FoldSpec, Folds, Millis, Regressor, Split, Targets, folds},
    models::LightGbm,
    series::{Format, PatientIx, SeriesTable, Source, TableSpec, VariableIx},
};

use crate::training::{Cohort, params};

/// Rows that the model of the scoring cases is trained on.
const TRAINING_ROWS: usize = 5_000;

/// Rows of every group one group after the other, first those to train on, then those held out.
pub(crate) fn cohort(arguments: &Arguments) -> Result<()> {
    let groups = arguments.number("groups")?;
    let d = arguments.number("d")?;
    for (name, rows) in [("rows", arguments.number("rows")?), ("held_out", arguments.number("held_out")?)] {
        let targets = if name == "rows" { "targets" } else { "held_out_targets" };
        write_cohort(arguments, [name, targets], &Cohort::made(groups, rows, d))?;
    }
    Ok(())
}

/// A cohort with its groups as labels, each tenth row noise, and the folds of a fit.
pub(crate) fn segments(arguments: &Arguments) -> Result<()> {
    let (groups, rows) = (arguments.number("groups")?, arguments.number("rows")?);
    write_cohort(arguments, ["rows", "targets"], &Cohort::made(groups, rows, arguments.number("d")?))?;
    let label = |row: usize| if row % 10 == 9 { -1 } else { (row / rows) as i32 };
    write_i32(&arguments.file("labels.npy")?, (0..groups * rows).map(label))?;
    let split = row_folds(groups * rows, arguments)?;
    write_i32(&arguments.file("folds.npy")?, fold_of_rows(&split, groups * rows).into_iter())
}

/// Rows, and a LightGBM model trained on the first of them.
pub(crate) fn model(arguments: &Arguments) -> Result<()> {
    let cohort = Cohort::made(1, arguments.number("n")?, arguments.number("d")?);
    write_cohort(arguments, ["rows", "targets"], &cohort)?;
    let n = cohort.targets.len().min(TRAINING_ROWS);
    let x = Features::new(&cohort.values[..n * cohort.d], cohort.d)?;
    let model = LightGbm::new(params(arguments)?)?.fit(x, Targets::new(&cohort.targets[..n])?)?;
    std::fs::write(arguments.file("model.txt")?, model.text()).context("write the model")
}

fn write_cohort(arguments: &Arguments, [rows, targets]: [&str; 2], cohort: &Cohort) -> Result<()> {
    let n = cohort.targets.len();
    let file = |name: &str| arguments.file(&format!("{name}.npy"));
    write_f64(&file(rows)?, [n, cohort.d], cohort.values.iter().copied())?;
    write_f64(&file(targets)?, [n, 1], cohort.targets.iter().copied())
}

/// The split of a fit on rows without groups.
pub(crate) fn row_folds(n: usize, arguments: &Arguments) -> Result<Folds> {
    let seed = arguments.number("seed")? as u64;
    Ok(folds(n, None, None, &FoldSpec { split: Split::Auto, holdout: 0.2, folds: 5, gap: Millis(0), seed })?)
}

/// The inner fold of each row, -1 where it is held out.
fn fold_of_rows(split: &Folds, n: usize) -> Vec<i32> {
    let mut fold_of = vec![-1; n];
    for (number, fold) in (0..).zip(&split.folds) {
        for &row in &fold.held_out {
            fold_of[row] = number;
        }
    }
    fold_of
}

/// Series that wander, with a season of 12 periods: one a row.
pub(crate) fn series(arguments: &Arguments) -> Result<()> {
    let (n, periods) = (arguments.number("series")?, arguments.number("periods")?);
    let steps = tsc_testing::mixture(n * periods, 1, 1).values;
    let mut level = 0.0;
    let value = |(number, step): (usize, f64)| {
        let period = number % periods;
        level = if period == 0 { step } else { 0.9 * level + 0.1 * step };
        100.0 + level + 10.0 * (std::f64::consts::TAU * period as f64 / 12.0).sin()
    };
    write_f64(&arguments.file("series.npy")?, [n, periods], steps.into_iter().enumerate().map(value))
}

/// The stays of PhysioNet 2012 as one long table: patient, minutes since admission, variable, value.
///
/// The values are cleaned already, so that every program computes with the same ones; with `stays` above 0 only so
/// many stays.
pub(crate) fn long_csv(arguments: &Arguments) -> Result<()> {
    let table = raw_stays(arguments)?;
    let limit = arguments.number("stays")?;
    let n = if limit == 0 { table.n_patients() } else { table.n_patients().min(limit) };
    let mut out = BufWriter::new(File::create(arguments.file("long.csv")?)?);
    writeln!(out, "patient,time,variable,value")?;
    for patient in 0..n {
        let id = &table.patients()[patient];
        for (variable, spec) in table.variables().as_slice().iter().enumerate() {
            let (patient, variable) = (PatientIx(patient), VariableIx(variable));
            if spec.role.is_static()
                && let Some(value) = table.fixed(patient, variable)
            {
                writeln!(out, "{id},0,{},{value}", spec.name)?;
            }
            let (times, values) = table.series(patient, variable);
            for (time, value) in times.iter().zip(values) {
                writeln!(out, "{id},{},{},{value}", time / 60_000, spec.name)?;
            }
        }
    }
    out.flush().context("write long.csv")
}

fn raw_stays(arguments: &Arguments) -> Result<SeriesTable> {
    let folder = arguments.text("data")?;
    Ok(SeriesTable::read(Source::Path(folder.as_ref()), &TableSpec::preset(Format::PhysioNet2012))?)
}

/// The fold of every stay as our own fit chooses it, for a script that must use the same.
pub(crate) fn stay_folds(arguments: &Arguments) -> Result<()> {
    let table = raw_stays(arguments)?;
    let spec = FoldSpec {
        split: Split::Auto,
        holdout: 0.2,
        folds: 5,
        gap: Millis(0),
        seed: arguments.number("seed")? as u64,
    };
    let n = table.n_patients();
    let split = folds(n, Some(&table.groups()), None, &spec)?;
    let mut out = BufWriter::new(File::create(arguments.file("folds.csv")?)?);
    writeln!(out, "stay,fold")?;
    for (id, fold) in table.patients().iter().zip(fold_of_rows(&split, n)) {
        writeln!(out, "{id},{fold}")?;
    }
    out.flush().context("write folds.csv")
}
