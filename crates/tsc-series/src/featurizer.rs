use std::sync::Arc;

use rayon::prelude::*;
use tsc_core::{GroupId, Millis, Result, RowId, Schema, Stage, Timestamp, all_valid};

use crate::cells;
use crate::columns::{ColumnSource, Content, candidates};
use crate::error::SeriesError;
use crate::inputs::Inputs;
use crate::landmarks::{self, Landmarks};
use crate::matrix::FeatureMatrix;
use crate::params::{Rows, SeriesParams, TargetSpec};
use crate::quality::{DropReason, DroppedColumn, Imputed, median};
use crate::rows::{self, Row};
use crate::scale::{ScaleParams, TargetForm};
use crate::table::{PatientIx, SeriesTable};
use crate::targets;
use crate::time_kind::TimeKind;
use crate::variables::VariableTable;

/// Turns series into features: the description, before it has seen training patients.
#[derive(Clone, Debug, PartialEq)]
pub struct Featurizer {
    params: SeriesParams,
}

impl Featurizer {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every broken rule of [`SeriesParams::check`].
    pub fn new(params: SeriesParams) -> Result<Self> {
        all_valid(&params.check(), Stage::Preprocessing, "TSC-DAT-112")?;
        Ok(Self { params })
    }

    /// Learns medians, columns and scales from training patients; pass no others.
    ///
    /// A column without any value, or with one value throughout, is dropped and listed. Cost is one pass over
    /// the values before each row; the result depends neither on the order of the patients nor on threads.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if the table lacks a variable that target or resources name, or no feature matches
    /// `cluster_columns`; `InvalidData` if the table is empty, its times are not of the kind that the rows need,
    /// no patient gives a row, or no feature varies.
    pub fn fit(&self, table: &SeriesTable) -> Result<FittedFeaturizer> {
        Ok(self.learn(table)?.0)
    }

    /// What [`Featurizer::fit`] learns, and [`FittedFeaturizer::transform`] of the same table, in one pass.
    ///
    /// # Errors
    ///
    /// As [`Featurizer::fit`].
    pub fn fit_transform(&self, table: &SeriesTable) -> Result<(FittedFeaturizer, FeatureMatrix)> {
        let (fitted, rows, values) = self.learn(table)?;
        let inputs = Inputs::new(&fitted.stored.params, &fitted.stored.variables, table)?;
        let matrix = fitted.matrix_of(&inputs, &rows, || values)?;
        Ok((fitted, matrix))
    }

    /// What was learnt, the rows of each patient, and their cells in the columns that were kept.
    fn learn(&self, table: &SeriesTable) -> Result<(FittedFeaturizer, Vec<Vec<Row>>, Vec<f64>)> {
        let variables = table.variables();
        targets::check(&self.params, variables)?;
        let inputs = Inputs::new(&self.params, variables, table)?;
        let rows = rows::rows(&inputs)?;
        let n_rows = some_rows(&inputs, &rows)?;
        let anchors =
            Anchors { floors: floors(&inputs, &rows), landmarks: landmarks::choose(&inputs, &rows) };
        let columns = candidates(&inputs, &anchors.landmarks);
        let matrix = matrix(&inputs, &columns, &anchors, &rows);

        let mut kept = Vec::new();
        let mut fitted = Vec::new();
        let mut dropped = Vec::new();
        let mut values = Vec::with_capacity(n_rows);
        for (position, &source) in columns.iter().enumerate() {
            values.clear();
            let column = matrix.iter().skip(position).step_by(columns.len());
            values.extend(column.copied().filter(|value| !value.is_nan()));
            match learn(source, &mut values, self.params.missing_ratio) {
                Learnt::Fill(fill) => {
                    kept.push(position);
                    fitted.push(FittedColumn { source, fill });
                }
                Learnt::NotAsked => (),
                Learnt::Dropped(reason) => dropped.push((source, reason)),
            }
        }
        let dropped = whole_variables(dropped, &fitted, variables);
        let stored = Stored {
            params: self.params.clone(),
            variables: variables.clone(),
            columns: fitted,
            dropped,
            anchors,
            n_training_patients: table.n_patients(),
        };
        let cells = matrix.chunks_exact(columns.len()).flat_map(|row| kept.iter().map(|&column| row[column]));
        let cells = cells.collect();
        Ok((FittedFeaturizer::new(stored)?, rows, cells))
    }

    /// Whose each row of a table is, and when its target is known: what a split needs before anything is learnt.
    ///
    /// # Errors
    ///
    /// As [`Featurizer::fit`], for times and rows.
    pub fn row_keys(&self, table: &SeriesTable) -> Result<Vec<(PatientIx, Timestamp)>> {
        let inputs = Inputs::new(&self.params, table.variables(), table)?;
        let rows = rows::rows(&inputs)?;
        some_rows(&inputs, &rows)?;
        let key = |(patient, rows): (usize, Vec<Row>)| {
            rows.into_iter().map(move |row| (PatientIx(patient), Timestamp(known_at(inputs.params, &row))))
        };
        Ok(rows.into_iter().enumerate().flat_map(key).collect())
    }

    /// The settings.
    #[must_use]
    pub fn params(&self) -> &SeriesParams {
        &self.params
    }
}

/// A variable of which nothing is left is one entry, `<variable>.*`.
fn whole_variables(
    dropped: Vec<(ColumnSource, DropReason)>,
    kept: &[FittedColumn],
    variables: &VariableTable,
) -> Vec<DroppedColumn> {
    let mut listed = Vec::new();
    for of_variable in dropped.chunk_by(|a, b| a.0.variable == b.0.variable) {
        let variable = of_variable[0].0.variable;
        let spec = variable.map(|v| &variables.as_slice()[v]).filter(|spec| spec.role.is_dynamic());
        if let Some(spec) = spec
            && !kept.iter().any(|column| column.source.variable == variable)
        {
            // A count of 0 throughout is constant, but then there is no value.
            let is_empty = of_variable.iter().any(|(_, reason)| *reason == DropReason::Empty);
            let reason = if is_empty { DropReason::Empty } else { DropReason::Constant };
            listed.push(DroppedColumn { feature: format!("{}.*", spec.name), reason });
        } else {
            listed.extend(
                of_variable
                    .iter()
                    .map(|&(source, reason)| DroppedColumn { feature: source.name(variables), reason }),
            );
        }
    }
    listed
}

enum Learnt {
    Fill(f64),
    NotAsked,
    Dropped(DropReason),
}

fn learn(source: ColumnSource, values: &mut [f64], missing_ratio: [f64; 2]) -> Learnt {
    if matches!(source.content, Content::Missing | Content::StaticMissing) {
        let ratio = values.iter().sum::<f64>() / values.len() as f64;
        let [low, high] = missing_ratio;
        let asked = (low..=high).contains(&ratio) && ratio > 0.0 && ratio < 1.0;
        return if asked { Learnt::Fill(1.0) } else { Learnt::NotAsked };
    }
    let Some(fill) = median(values) else { return Learnt::Dropped(DropReason::Empty) };
    if values.iter().all(|&value| value == fill) {
        return Learnt::Dropped(DropReason::Constant);
    }
    Learnt::Fill(fill)
}

/// Number of rows, at least 1.
fn some_rows(inputs: &Inputs<'_>, rows: &[Vec<Row>]) -> Result<usize> {
    match rows.iter().map(Vec::len).sum() {
        0 => {
            let rows = format!("{:?}", inputs.params.rows);
            Err(SeriesError::NoRow { patients: inputs.table.n_patients(), rows }.into())
        }
        n_rows => Ok(n_rows),
    }
}

/// Smallest scale of each variable, in its unit: see [`crate::ScaleParams`].
fn floors(inputs: &Inputs<'_>, rows: &[Vec<Row>]) -> Vec<f64> {
    let ScaleParams { form, window, floor } = inputs.params.scale;
    let of_variable = |variable: usize| {
        if form == TargetForm::Level || !inputs.variables.as_slice()[variable].role.is_dynamic() {
            return 0.0;
        }
        let mut scales = Vec::new();
        for (patient, rows) in rows.iter().enumerate().map(|(p, rows)| (PatientIx(p), rows)) {
            let Some(periods) = inputs.periods(patient) else { continue };
            let panel = inputs.panel(patient, variable, periods);
            let of_rows = rows.iter().map(|row| panel.recent_mean(row.end(panel.first), window));
            scales.extend(of_rows.filter(|scale| *scale > 0.0));
        }
        // Where nothing is above zero, nothing is scaled.
        median(&mut scales).map_or(1.0, |scale| scale * floor)
    };
    (0..inputs.variables.len()).map(of_variable).collect()
}

/// Cells of all rows, row-major, NaN where missing. Patients in parallel, each into its own part.
fn matrix(inputs: &Inputs<'_>, columns: &[ColumnSource], anchors: &Anchors, rows: &[Vec<Row>]) -> Vec<f64> {
    let n_rows: usize = rows.iter().map(Vec::len).sum();
    let mut values = vec![f64::NAN; n_rows * columns.len()];
    let mut rest = values.as_mut_slice();
    let mut parts = Vec::with_capacity(rows.len());
    for (patient, rows) in rows.iter().enumerate() {
        let (part, behind) = rest.split_at_mut(rows.len() * columns.len());
        rest = behind;
        parts.push((PatientIx(patient), rows.as_slice(), part));
    }
    parts.into_par_iter().for_each(|(patient, rows, part)| {
        cells::fill(inputs, columns, anchors, (patient, rows), part);
    });
    values
}

/// When a row's target is known; outcomes are taken to be known at the row's time.
fn known_at(params: &SeriesParams, row: &Row) -> i64 {
    match (&params.target, params.rows) {
        (Some(TargetSpec::Lead { to, .. }), Rows::PerStep { .. }) => row.at.saturating_add(to.0 as i64),
        (Some(TargetSpec::Lead { to, .. }), _) => to.0 as i64,
        (Some(TargetSpec::Forecast { .. }), _) => params.grid.start(row.target_period() + 1),
        _ => row.at,
    }
}

/// Whose each row is.
struct RowNames {
    patients: Vec<String>,
    ids: Vec<RowId>,
    groups: Vec<GroupId>,
}

impl RowNames {
    fn of(table: &SeriesTable, kind: Rows, rows: &[Vec<Row>], n_rows: usize) -> Self {
        let mut patients = Vec::with_capacity(n_rows);
        let mut ids = Vec::with_capacity(n_rows);
        let mut groups = Vec::with_capacity(n_rows);
        let mut name = String::new();
        for ((patient, group), of_patient) in table.patients().iter().zip(table.groups()).zip(rows) {
            for row in of_patient {
                name.clone_from(patient);
                row.write_name(&mut name, kind);
                ids.push(RowId::of(&name));
                groups.push(group);
                patients.push(patient.clone());
            }
        }
        Self { patients, ids, groups }
    }
}

/// A kept column and what stands in for a missing cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FittedColumn {
    pub(crate) source: ColumnSource,
    pub(crate) fill: f64,
}

/// What rows are measured against.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Anchors {
    /// Smallest scale of each variable.
    pub(crate) floors: Vec<f64>,
    pub(crate) landmarks: Vec<Landmarks>,
}

/// Everything that is learnt, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) params: SeriesParams,
    pub(crate) variables: VariableTable,
    pub(crate) columns: Vec<FittedColumn>,
    pub(crate) dropped: Vec<DroppedColumn>,
    pub(crate) anchors: Anchors,
    pub(crate) n_training_patients: usize,
}

/// Series to features as learnt from training patients. Stored as `featurizer.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedFeaturizer {
    pub(crate) stored: Stored,
    schema: Arc<Schema>,
}

impl FittedFeaturizer {
    pub(crate) fn new(stored: Stored) -> Result<Self> {
        if stored.columns.is_empty() {
            return Err(SeriesError::NoFeature { patients: stored.n_training_patients }.into());
        }
        let describe = |column: &FittedColumn| column.source.describe(&stored.variables, &stored.params);
        let described: Vec<_> = stored.columns.iter().map(describe).collect();
        if !described.iter().any(|column| column.column_use.clusters()) {
            let globs = stored.params.cluster_columns.join(", ");
            return Err(SeriesError::NoClusterColumn { globs, features: described.len() }.into());
        }
        let schema = Arc::new(Schema::new(described)?);
        Ok(Self { stored, schema })
    }

    /// The rows of each patient, in the table's order, finite by construction.
    ///
    /// A row depends on its patient's values before the row's time alone. Variables that the featurizer does not
    /// know are ignored; a fitted variable that the table does not have is imputed and listed in the quality
    /// report. Parallel over patients, with the same bits for any number of threads.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the table is empty, gives no row, holds a variable in another unit, or times of another
    /// kind than the rows need.
    pub fn transform(&self, table: &SeriesTable) -> Result<FeatureMatrix> {
        let Stored { params, variables, columns, anchors, .. } = &self.stored;
        let inputs = Inputs::new(params, variables, table)?;
        let rows = rows::rows(&inputs)?;
        let sources: Vec<ColumnSource> = columns.iter().map(|column| column.source).collect();
        self.matrix_of(&inputs, &rows, || matrix(&inputs, &sources, anchors, &rows))
    }

    /// The matrix of rows whose cells, NaN where missing, `cells` gives.
    fn matrix_of(
        &self,
        inputs: &Inputs<'_>,
        rows: &[Vec<Row>],
        cells: impl FnOnce() -> Vec<f64> + Send,
    ) -> Result<FeatureMatrix> {
        let Stored { params, dropped, anchors, .. } = &self.stored;
        let table = inputs.table;
        let n_rows = some_rows(inputs, rows)?;
        let (mut values, (outlook, names)) = rayon::join(cells, || {
            let outlook = || targets::outlook(inputs, &anchors.floors, rows);
            rayon::join(outlook, || RowNames::of(table, params.rows, rows, n_rows))
        });
        let imputed = self.impute(&mut values);
        let mut quality = table.quality().clone();
        quality.imputed = imputed;
        quality.dropped_columns.clone_from(dropped);
        quality.absent_variables = self.absent(inputs);
        let without = outlook.targets.iter().flatten().filter(|target| target.is_nan()).count();
        quality.rows_without_target = without as u64;

        Ok(FeatureMatrix {
            schema: Arc::clone(&self.schema),
            values,
            patients: names.patients,
            ids: names.ids,
            groups: names.groups,
            is_calendar: table.time_kind() == TimeKind::Calendar,
            times: rows.iter().flatten().map(|row| Timestamp(row.at)).collect(),
            known_at: rows.iter().flatten().map(|row| Timestamp(known_at(params, row))).collect(),
            targets: outlook.targets,
            inverses: outlook.inverses,
            references: outlook.references,
            resources: targets::resources(inputs, rows)?,
            quality: Arc::new(quality),
        })
    }

    fn impute(&self, values: &mut [f64]) -> Vec<Imputed> {
        let width = self.stored.columns.len();
        let rows = values.len() / width;
        let mut filled = vec![0usize; width];
        for row in values.chunks_exact_mut(width) {
            for ((cell, column), filled) in row.iter_mut().zip(&self.stored.columns).zip(&mut filled) {
                if cell.is_nan() {
                    *cell = column.fill;
                    *filled += 1;
                }
            }
        }
        let names = self.schema.names().zip(filled).filter(|(_, filled)| *filled > 0);
        names
            .map(|(name, filled)| Imputed { feature: name.into(), ratio: filled as f64 / rows as f64 })
            .collect()
    }

    fn absent(&self, inputs: &Inputs<'_>) -> Vec<String> {
        let Stored { variables, columns, .. } = &self.stored;
        let used = |variable: usize| columns.iter().any(|column| column.source.variable == Some(variable));
        let names = variables.as_slice().iter().enumerate();
        names.filter(|(v, _)| !inputs.has(*v) && used(*v)).map(|(_, spec)| spec.name.clone()).collect()
    }

    /// Names, units and use of the features.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The settings it was fitted with.
    #[must_use]
    pub fn params(&self) -> &SeriesParams {
        &self.stored.params
    }

    /// The variables it was fitted on: read new data with this table.
    #[must_use]
    pub fn variables(&self) -> &VariableTable {
        &self.stored.variables
    }

    /// Columns that were dropped at fit, and why.
    #[must_use]
    pub fn dropped_columns(&self) -> &[DroppedColumn] {
        &self.stored.dropped
    }

    /// How far the target lies ahead of the row at most: the gap that a split by time must keep.
    ///
    /// 0 for an outcome. Months count 31 days; [`FeatureMatrix::known_at`] has the exact times.
    #[must_use]
    pub fn horizon(&self) -> Millis {
        let params = &self.stored.params;
        match (&params.target, params.rows) {
            (Some(TargetSpec::Lead { to, .. }), Rows::PerPatient { cut }) => {
                Millis(to.0.saturating_sub(cut.0))
            }
            (Some(TargetSpec::Lead { to, .. }), _) => *to,
            (Some(TargetSpec::Forecast { .. }), _) => {
                params.grid.longest(params.horizon.last().copied().unwrap_or(0))
            }
            _ => Millis(0),
        }
    }
}
