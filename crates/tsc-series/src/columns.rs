//! The columns of a feature matrix and how each is computed.

use serde::{Deserialize, Serialize};
use tsc_core::{Column, ColumnUse, Unit};

use crate::glob;
use crate::params::{FeatureSet, SeriesParams};
use crate::stats::{Stat, Summary, before};
use crate::table::{PatientIx, SeriesTable, VariableIx};
use crate::variables::{Absent, VariableSpec, VariableTable};

/// What a column holds of its variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "stat", rename_all = "snake_case")]
pub(crate) enum Content {
    Stat(Stat),
    Missing,
    Static,
    StaticMissing,
}

/// One column of one variable; `variable` is a position in the fitted variable table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ColumnSource {
    pub(crate) variable: usize,
    pub(crate) content: Content,
}

impl ColumnSource {
    pub(crate) fn name(self, variables: &VariableTable) -> String {
        let variable = &variables.as_slice()[self.variable];
        match self.content {
            Content::Stat(stat) => format!("{}.{}", variable.name, stat.name()),
            Content::Missing => format!("{}.missing", variable.name),
            Content::Static => variable.name.clone(),
            Content::StaticMissing if variable.role.is_dynamic() => {
                format!("{}.static_missing", variable.name)
            }
            Content::StaticMissing => format!("{}.missing", variable.name),
        }
    }

    fn unit(self, variable: &VariableSpec) -> Option<Unit> {
        match self.content {
            Content::Stat(stat) => stat.unit(variable.unit.as_ref()),
            Content::Static => variable.unit.clone(),
            Content::Missing | Content::StaticMissing => None,
        }
    }

    /// Name, unit and use, by the globs of `cluster_columns`.
    pub(crate) fn describe(self, variables: &VariableTable, params: &SeriesParams) -> Column {
        let name = self.name(variables);
        let globs = &params.cluster_columns;
        let clusters = globs.is_empty() || globs.iter().any(|glob| glob::matches(glob, &name));
        let column_use = match self.content {
            _ if !clusters => ColumnUse::Model,
            Content::Stat(Stat::LogCount) => ColumnUse::Cluster,
            _ => ColumnUse::Both,
        };
        Column { unit: self.unit(&variables.as_slice()[self.variable]), name, column_use }
    }
}

/// All columns that the families ask for, by variable.
pub(crate) fn candidates(variables: &VariableTable, params: &SeriesParams) -> Vec<ColumnSource> {
    let has = |set| params.features.contains(&set);
    let mut columns = Vec::new();
    for (variable, spec) in variables.as_slice().iter().enumerate() {
        let mut add = |content| columns.push(ColumnSource { variable, content });
        if spec.role.is_static() {
            if has(FeatureSet::Stats) {
                add(Content::Static);
            }
            if has(FeatureSet::Missingness) {
                add(Content::StaticMissing);
            }
        }
        if spec.role.is_dynamic() {
            if has(FeatureSet::Stats) {
                Stat::BASE.into_iter().for_each(|stat| add(Content::Stat(stat)));
            }
            if has(FeatureSet::Missingness) {
                add(Content::Stat(Stat::HoursSinceLast));
                // Absence that means zero is a value.
                if spec.absent == Absent::Missing {
                    add(Content::Missing);
                }
            }
            if has(FeatureSet::LogCounts) {
                add(Content::Stat(Stat::LogCount));
            }
        }
    }
    columns
}

/// The cells of one patient, NaN where missing; `known[v]` is where the table has fitted variable `v`.
pub(crate) fn cells(
    columns: &[ColumnSource],
    variables: &VariableTable,
    table: &SeriesTable,
    known: &[Option<VariableIx>],
    at: i64,
    (patient, out): (PatientIx, &mut Vec<f64>),
) {
    for of_variable in columns.chunk_by(|a, b| a.variable == b.variable) {
        let variable = of_variable[0].variable;
        let series = known[variable].map_or((&[][..], &[][..]), |v| table.series(patient, v));
        let series = before(series, at);
        let mut summary = Summary::of(series, at);
        if variables.as_slice()[variable].absent == Absent::Zero {
            summary = summary.known_zero();
        }
        let fixed = known[variable].and_then(|v| table.fixed(patient, v));
        out.extend(of_variable.iter().map(|column| match column.content {
            Content::Stat(stat) => summary.get(stat),
            Content::Missing => f64::from(u8::from(series.1.is_empty())),
            Content::Static => fixed.unwrap_or(f64::NAN),
            Content::StaticMissing => f64::from(u8::from(fixed.is_none())),
        }));
    }
}
