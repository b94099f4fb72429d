//! Targets and resources, from cleaned values that nothing filled.

use tsc_core::{ResourceKind, Result, Unit};

use crate::error::SeriesError;
use crate::matrix::ResourceValues;
use crate::params::{ResourceSpec, SeriesParams, TargetSpec};
use crate::table::{PatientIx, SeriesTable, VariableIx};
use crate::variables::{Role, VariableTable};

/// Refuses names that the variables do not have in the role they need.
pub(crate) fn check(params: &SeriesParams, variables: &VariableTable) -> Result<()> {
    match &params.target {
        Some(TargetSpec::Lead { variable, .. }) => find(variables, variable, "dynamic", "target.variable")?,
        Some(TargetSpec::Outcome { name }) => find(variables, name, "outcome", "target.name")?,
        None => (),
    }
    for resource in &params.resources {
        find(variables, &resource.outcome, "outcome", "resources.outcome")?;
        if variables.get(&resource.outcome).is_some_and(|v| v.unit.is_none()) {
            let reason = format!("{} is a resource, so it needs a unit", resource.outcome);
            return Err(SeriesError::Variables { reason }.into());
        }
    }
    Ok(())
}

fn find(variables: &VariableTable, name: &str, role: &'static str, key: &str) -> Result<()> {
    let fits = |r: Role| if role == "outcome" { r == Role::Outcome } else { r.is_dynamic() };
    match variables.get(name) {
        Some(variable) if fits(variable.role) => Ok(()),
        _ => Err(SeriesError::UnknownName { role, name: name.into(), key: key.into() }.into()),
    }
}

/// One value per patient, NaN where missing; `None` if nothing is predicted.
pub(crate) fn target(params: &SeriesParams, table: &SeriesTable) -> Option<Vec<f64>> {
    let of_patients =
        |value: &dyn Fn(PatientIx) -> f64| (0..table.n_patients()).map(PatientIx).map(value).collect();
    match params.target.as_ref()? {
        TargetSpec::Outcome { name } => Some(outcome(table, name)),
        TargetSpec::Lead { variable, from, to, aggregate: _ } => {
            let variable = table.variable(variable);
            // Checked parameters fit i64.
            let bounds = (from.0 as i64, to.0 as i64);
            Some(of_patients(&|patient| {
                variable.map_or(f64::NAN, |v| mean_between(table, patient, v, bounds))
            }))
        }
    }
}

fn mean_between(
    table: &SeriesTable,
    patient: PatientIx,
    variable: VariableIx,
    (from, to): (i64, i64),
) -> f64 {
    let (times, values) = table.series(patient, variable);
    let start = times.partition_point(|&time| time < from);
    let end = times.partition_point(|&time| time < to);
    let window = &values[start..end];
    let mean = window.iter().sum::<f64>() / window.len() as f64;
    // 0 / 0 is NaN, the missing target; an overflow is missing too.
    if mean.is_finite() { mean } else { f64::NAN }
}

fn outcome(table: &SeriesTable, name: &str) -> Vec<f64> {
    let variable = table.variable(name);
    let value = |patient| variable.and_then(|v| table.fixed(PatientIx(patient), v)).unwrap_or(f64::NAN);
    (0..table.n_patients()).map(value).collect()
}

/// The resource columns; a resource that the table does not have is NaN throughout.
pub(crate) fn resources(
    specs: &[ResourceSpec],
    variables: &VariableTable,
    table: &SeriesTable,
) -> Result<Vec<ResourceValues>> {
    let column = |spec: &ResourceSpec| {
        let unit = variables.get(&spec.outcome).and_then(|v| v.unit.clone());
        Ok(ResourceValues {
            kind: ResourceKind::named(&spec.name)?,
            unit: unit.unwrap_or(Unit::Count),
            values: outcome(table, &spec.outcome),
        })
    };
    specs.iter().map(column).collect()
}
