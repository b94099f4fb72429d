use std::sync::Arc;

use tsc_core::{GroupId, Millis, Result, RowId, Schema, Stage, all_valid};

use crate::columns::{ColumnSource, Content, candidates, cells};
use crate::error::SeriesError;
use crate::matrix::FeatureMatrix;
use crate::params::SeriesParams;
use crate::quality::{DropReason, DroppedColumn, Imputed, median};
use crate::table::{PatientIx, SeriesTable, VariableIx};
use crate::targets;
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

    /// Learns medians and columns from training patients; pass no others.
    ///
    /// A column without any value, or with one value throughout, is dropped and listed. Cost is one pass over
    /// the values before the cut; one thread; the result does not depend on the order of the patients.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if the table lacks a variable that target or resources name, or no feature matches
    /// `cluster_columns`; `InvalidData` if the table is empty or no feature varies.
    pub fn fit(&self, table: &SeriesTable) -> Result<FittedFeaturizer> {
        let variables = table.variables();
        targets::check(&self.params, variables)?;
        let columns = candidates(variables, &self.params);
        let known: Vec<_> = (0..variables.len()).map(|v| Some(VariableIx(v))).collect();
        let at = row_time(&self.params);
        let n = table.n_patients();
        let mut matrix = Vec::with_capacity(n * columns.len());
        for patient in (0..n).map(PatientIx) {
            cells(&columns, variables, table, &known, at, (patient, &mut matrix));
        }

        let mut fitted = Vec::new();
        let mut dropped = Vec::new();
        let mut values = Vec::with_capacity(n);
        for (position, &source) in columns.iter().enumerate() {
            values.clear();
            let column = matrix.iter().skip(position).step_by(columns.len());
            values.extend(column.copied().filter(|value| !value.is_nan()));
            match learn(source, &mut values, self.params.missing_ratio) {
                Learnt::Fill(fill) => fitted.push(FittedColumn { source, fill }),
                Learnt::NotAsked => (),
                Learnt::Dropped(reason) => dropped.push((source, reason)),
            }
        }
        let dropped = whole_variables(dropped, &fitted, variables);
        FittedFeaturizer::new(self.params.clone(), variables.clone(), fitted, dropped, n)
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
        let spec = &variables.as_slice()[variable];
        if spec.role.is_dynamic() && !kept.iter().any(|column| column.source.variable == variable) {
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

fn row_time(params: &SeriesParams) -> i64 {
    i64::try_from(params.cut().0).expect("SeriesParams::check keeps the cut within i64")
}

/// A kept column and what stands in for a missing cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FittedColumn {
    pub(crate) source: ColumnSource,
    pub(crate) fill: f64,
}

/// Series to features as learnt from training patients. Stored as `featurizer.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedFeaturizer {
    pub(crate) params: SeriesParams,
    pub(crate) variables: VariableTable,
    pub(crate) columns: Vec<FittedColumn>,
    pub(crate) dropped: Vec<DroppedColumn>,
    pub(crate) n_training_patients: usize,
    schema: Arc<Schema>,
}

impl FittedFeaturizer {
    pub(crate) fn new(
        params: SeriesParams,
        variables: VariableTable,
        columns: Vec<FittedColumn>,
        dropped: Vec<DroppedColumn>,
        n_training_patients: usize,
    ) -> Result<Self> {
        if columns.is_empty() {
            return Err(SeriesError::NoFeature { patients: n_training_patients }.into());
        }
        let described: Vec<_> = columns.iter().map(|c| c.source.describe(&variables, &params)).collect();
        if !described.iter().any(|column| column.column_use.clusters()) {
            let globs = params.cluster_columns.join(", ");
            return Err(SeriesError::NoClusterColumn { globs, features: described.len() }.into());
        }
        let schema = Arc::new(Schema::new(described)?);
        Ok(Self { params, variables, columns, dropped, n_training_patients, schema })
    }

    /// One row per patient, in the table's order, finite by construction.
    ///
    /// A row depends on its patient's values before the cut alone. Variables that the featurizer does not know
    /// are ignored; a fitted variable that the table does not have is imputed and listed in the quality report.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the table is empty, or holds a variable in another unit.
    pub fn transform(&self, table: &SeriesTable) -> Result<FeatureMatrix> {
        if table.n_patients() == 0 {
            return Err(SeriesError::NoPatient { source_name: "the table".into() }.into());
        }
        let known = self.known(table)?;
        let sources: Vec<ColumnSource> = self.columns.iter().map(|column| column.source).collect();
        let at = row_time(&self.params);
        let n = table.n_patients();
        let mut values = Vec::with_capacity(n * sources.len());
        for patient in (0..n).map(PatientIx) {
            cells(&sources, &self.variables, table, &known, at, (patient, &mut values));
        }
        let imputed = self.impute(&mut values);

        let targets = targets::target(&self.params, table);
        let mut quality = table.quality().clone();
        quality.imputed = imputed;
        quality.dropped_columns.clone_from(&self.dropped);
        quality.absent_variables = self.absent(&known);
        let without = targets.iter().flatten().filter(|target| target.is_nan()).count();
        quality.rows_without_target = without as u64;
        Ok(FeatureMatrix {
            schema: Arc::clone(&self.schema),
            values,
            patients: table.patients().to_vec(),
            ids: table.patients().iter().map(|patient| RowId::of(patient)).collect(),
            groups: table.patients().iter().map(|patient| GroupId::of(patient)).collect(),
            targets,
            resources: targets::resources(&self.params.resources, &self.variables, table)?,
            quality: Arc::new(quality),
        })
    }

    /// Where the table has each fitted variable.
    fn known(&self, table: &SeriesTable) -> Result<Vec<Option<VariableIx>>> {
        let mut known = Vec::with_capacity(self.variables.len());
        for fitted in self.variables.as_slice() {
            let found = table.variable(&fitted.name);
            if let Some(found) = found {
                let unit = &table.variables().as_slice()[found.0].unit;
                if *unit != fitted.unit {
                    let text = |unit: &Option<tsc_core::Unit>| {
                        unit.as_ref().map_or("no unit".into(), ToString::to_string)
                    };
                    let (found, name) = (text(unit), fitted.name.clone());
                    return Err(SeriesError::UnitMismatch { name, found, fitted: text(&fitted.unit) }.into());
                }
            }
            known.push(found);
        }
        Ok(known)
    }

    fn impute(&self, values: &mut [f64]) -> Vec<Imputed> {
        let width = self.columns.len();
        let rows = values.len() / width;
        let mut filled = vec![0usize; width];
        for row in values.chunks_exact_mut(width) {
            for ((cell, column), filled) in row.iter_mut().zip(&self.columns).zip(&mut filled) {
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

    fn absent(&self, known: &[Option<VariableIx>]) -> Vec<String> {
        let used = |variable: usize| self.columns.iter().any(|column| column.source.variable == variable);
        let names = self.variables.as_slice().iter().zip(known).enumerate();
        names.filter(|(v, (_, k))| k.is_none() && used(*v)).map(|(_, (spec, _))| spec.name.clone()).collect()
    }

    /// Names, units and use of the features.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The settings it was fitted with.
    #[must_use]
    pub fn params(&self) -> &SeriesParams {
        &self.params
    }

    /// The variables it was fitted on: read new data with this table.
    #[must_use]
    pub fn variables(&self) -> &VariableTable {
        &self.variables
    }

    /// Columns that were dropped at fit, and why.
    #[must_use]
    pub fn dropped_columns(&self) -> &[DroppedColumn] {
        &self.dropped
    }

    /// How far the target lies ahead of the row; 0 without a lead target.
    #[must_use]
    pub fn horizon(&self) -> Millis {
        match &self.params.target {
            Some(crate::params::TargetSpec::Lead { to, .. }) => {
                Millis(to.0.saturating_sub(self.params.cut().0))
            }
            _ => Millis(0),
        }
    }
}
