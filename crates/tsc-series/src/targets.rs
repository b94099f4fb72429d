//! Targets, resources and naive forecasts, from cleaned values that nothing filled.

use tsc_core::{ResourceKind, Result, Unit};

use crate::aggregate::Aggregate;
use crate::error::SeriesError;
use crate::inputs::Inputs;
use crate::matrix::ResourceValues;
use crate::panel::{PanelSeries, PanelStat};
use crate::params::{Rows, SeriesParams, TargetSpec};
use crate::references::{OF_PANELS, OF_STAYS, Reference, of_panel, of_stay};
use crate::rows::Row;
use crate::scale::{Inverse, TargetForm};
use crate::stats::between;
use crate::table::PatientIx;
use crate::variables::VariableTable;

/// Refuses names that the variables do not have in the role they need.
pub(crate) fn check(params: &SeriesParams, variables: &VariableTable) -> Result<()> {
    match &params.target {
        Some(TargetSpec::Lead { variable, .. } | TargetSpec::Forecast { variable }) => {
            find(variables, variable, "dynamic", "target.variable")?;
        }
        Some(TargetSpec::Outcome { name }) => find(variables, name, "outcome", "target.name")?,
        None => (),
    }
    for resource in &params.resources {
        let is_panel = matches!(params.rows, Rows::Panel { .. });
        let is_series = variables.get(&resource.outcome).is_some_and(|v| v.role.is_dynamic());
        if !(is_panel && is_series) {
            find(variables, &resource.outcome, "outcome", "resources.outcome")?;
        }
        let own = variables.get(&resource.outcome).and_then(|v| v.unit.as_ref());
        let reason = match (own, &resource.unit) {
            (None, None) => format!("{} is a resource, so it needs a unit", resource.outcome),
            (Some(own), Some(given)) if own != given => {
                format!("{} is in {own}, the resource in {given}", resource.outcome)
            }
            _ => continue,
        };
        return Err(SeriesError::Variables { reason }.into());
    }
    Ok(())
}

fn find(variables: &VariableTable, name: &str, role: &'static str, key: &str) -> Result<()> {
    let fits = |r: crate::Role| if role == "outcome" { r.is_outcome() } else { r.is_dynamic() };
    match variables.get(name) {
        Some(variable) if fits(variable.role) => Ok(()),
        _ => Err(SeriesError::UnknownName { role, name: name.into(), key: key.into() }.into()),
    }
}

/// What is to be predicted of each row, and what is known of it without a model.
#[derive(Debug, Default)]
pub(crate) struct Outlook {
    /// In the form of the settings, NaN where missing; `None` without a target.
    pub(crate) targets: Option<Vec<f64>>,
    /// How a row's target becomes its variable's unit; empty if it is in it.
    pub(crate) inverses: Vec<Inverse>,
    pub(crate) references: Vec<Reference>,
}

/// Targets and references of the rows of all patients, in order.
pub(crate) fn outlook(inputs: &Inputs<'_>, floors: &[f64], rows: &[Vec<Row>]) -> Outlook {
    let place = |name: &str| inputs.variables.position(name);
    let mut outlook = Outlook::default();
    match &inputs.params.target {
        None => (),
        Some(TargetSpec::Outcome { name }) => {
            let of_rows = |v| per_row(rows, |patient, row| outcome(inputs, patient, v, row));
            outlook.targets = place(name).map(of_rows);
        }
        Some(TargetSpec::Lead { variable, from, to, aggregate }) => {
            let Some(v) = place(variable) else { return outlook };
            // Checked settings fit i64. Windows of per-step rows count from the row.
            let is_step = matches!(inputs.params.rows, Rows::PerStep { .. });
            let window = |row: &Row| {
                let start = if is_step { row.at } else { 0 };
                (start.saturating_add(from.0 as i64), start.saturating_add(to.0 as i64))
            };
            outlook.targets =
                Some(per_row(rows, |patient, row| lead(inputs, patient, v, window(row), *aggregate)));
            let recent = inputs.params.recent.0 as i64;
            outlook.references = references(OF_STAYS, rows, |patient, of_patient, add| {
                let series = inputs.series(patient, v);
                of_patient.iter().for_each(|row| add(of_stay(series, row, recent)));
            });
        }
        Some(TargetSpec::Forecast { variable }) => {
            let Some(v) = place(variable) else { return outlook };
            forecast(inputs, v, floors[v], rows, &mut outlook);
        }
    }
    outlook
}

fn forecast(inputs: &Inputs<'_>, v: usize, floor: f64, rows: &[Vec<Row>], outlook: &mut Outlook) {
    let params = inputs.params;
    let mut targets = Vec::new();
    let mut inverses = Vec::new();
    outlook.references = references(OF_PANELS, rows, |patient, of_patient, add| {
        let Some(periods) = inputs.periods(patient) else { return };
        let panel = inputs.panel(patient, v, periods);
        let mut smoothed = vec![f64::NAN; of_patient.len()];
        if params.scale.form == TargetForm::SmoothedDifference {
            panel.column(PanelStat::Smoothed, params.season.unwrap_or(1), of_patient, (&mut smoothed, 1));
        }
        for (row, smoothed) in of_patient.iter().zip(smoothed) {
            let end = row.end(panel.first);
            let scale = panel.recent_mean(end, params.scale.window).max(floor);
            let inverse = params.scale.form.inverse(scale, panel.lag(end, 1), smoothed);
            targets.push(inverse.form(value_ahead(inputs, patient, v, &panel, row)));
            inverses.push(inverse);
            add(of_panel(&panel, row, params.season));
        }
    });
    outlook.targets = Some(targets);
    if params.season.is_none() {
        outlook.references.truncate(2);
    }
    if params.scale.form != TargetForm::Level {
        for reference in &mut outlook.references {
            let in_form = reference.values.iter().zip(&inverses).map(|(&value, inverse)| inverse.form(value));
            reference.in_form = Some(in_form.collect());
        }
        outlook.inverses = inverses;
    }
}

/// The measured value of the period that is forecast; NaN if there is none, or only a stand-in.
fn value_ahead(inputs: &Inputs<'_>, patient: PatientIx, v: usize, panel: &PanelSeries, row: &Row) -> f64 {
    let (target, grid) = (row.target_period(), inputs.params.grid);
    if is_censored(inputs, patient, v, (grid.start(target), grid.start(target + 1))) {
        return f64::NAN;
    }
    let at = usize::try_from(target - panel.first).ok();
    at.and_then(|at| panel.observed.get(at)).copied().unwrap_or(f64::NAN)
}

fn lead(
    inputs: &Inputs<'_>,
    patient: PatientIx,
    v: usize,
    (from, to): (i64, i64),
    aggregate: Aggregate,
) -> f64 {
    if is_censored(inputs, patient, v, (from, to)) {
        return f64::NAN;
    }
    aggregate.of(between(inputs.series(patient, v), from, to).1)
}

/// Whether a value from `from` to `to` is a stand-in.
fn is_censored(inputs: &Inputs<'_>, patient: PatientIx, v: usize, (from, to): (i64, i64)) -> bool {
    let times = inputs.censored(patient, v);
    times.get(times.partition_point(|&time| time < from)).is_some_and(|&time| time < to)
}

/// The patient's outcome, or that of an outcome series at the row's time.
///
/// At the time itself; else the last one told since the row before.
fn outcome(inputs: &Inputs<'_>, patient: PatientIx, v: usize, row: &Row) -> f64 {
    if inputs.variables.as_slice()[v].role == crate::Role::Outcome {
        return inputs.fixed(patient, v);
    }
    let since = match inputs.params.rows {
        Rows::PerStep { every, .. } => row.at.saturating_sub(every.0 as i64).saturating_add(1),
        _ => i64::MIN,
    };
    let (_, values) = between(inputs.series(patient, v), since, row.at.saturating_add(1));
    values.last().copied().unwrap_or(f64::NAN)
}

/// The resource columns; a resource that the table does not have is NaN throughout.
pub(crate) fn resources(inputs: &Inputs<'_>, rows: &[Vec<Row>]) -> Result<Vec<ResourceValues>> {
    let mut columns = Vec::new();
    for spec in &inputs.params.resources {
        // Checked names are there.
        let Some(v) = inputs.variables.position(&spec.outcome) else { continue };
        let variable = &inputs.variables.as_slice()[v];
        let values = if variable.role.is_dynamic() {
            let mut values = Vec::new();
            for (patient, of_patient) in patients(rows) {
                let Some(periods) = inputs.periods(patient) else { continue };
                let panel = inputs.panel(patient, v, periods);
                values.extend(of_patient.iter().map(|row| value_ahead(inputs, patient, v, &panel, row)));
            }
            values
        } else {
            per_row(rows, |patient, row| outcome(inputs, patient, v, row))
        };
        columns.push(ResourceValues {
            kind: ResourceKind::named(&spec.name)?,
            unit: variable.unit.as_ref().or(spec.unit.as_ref()).cloned().unwrap_or(Unit::Count),
            values,
        });
    }
    Ok(columns)
}

fn patients(rows: &[Vec<Row>]) -> impl Iterator<Item = (PatientIx, &[Row])> {
    rows.iter().enumerate().map(|(patient, rows)| (PatientIx(patient), rows.as_slice()))
}

fn per_row(rows: &[Vec<Row>], value: impl Fn(PatientIx, &Row) -> f64) -> Vec<f64> {
    let of_patient = |(patient, rows): (PatientIx, &[Row])| {
        rows.iter().map(|row| value(patient, row)).collect::<Vec<f64>>()
    };
    patients(rows).flat_map(of_patient).collect()
}

fn references<const N: usize>(
    names: [&'static str; N],
    rows: &[Vec<Row>],
    mut of_patient: impl FnMut(PatientIx, &[Row], &mut dyn FnMut([f64; N])),
) -> Vec<Reference> {
    let mut columns: Vec<Reference> =
        names.map(|name| Reference { name, values: Vec::new(), in_form: None }).into_iter().collect();
    let mut add = |values: [f64; N]| {
        for (column, value) in columns.iter_mut().zip(values) {
            column.values.push(value);
        }
    };
    for (patient, rows) in patients(rows) {
        of_patient(patient, rows, &mut add);
    }
    columns
}
