//! Feature tables from CSV, by the column names of the configuration or of a fitted schema.

use std::fs::File;
use std::path::Path;

use tsc_pipeline::core::{
    Batch, Column, ColumnUse, GroupId, ResourceKind, ResourceTargets, RowId, Schema, Unit,
};
use tsc_pipeline::{DataParams, series::FeatureMatrix};

use crate::failure::Failure;

/// Rows of a feature file; every column has one entry per row.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) schema: Schema,
    pub(crate) values: Vec<f64>,
    pub(crate) ids: Vec<String>,
    pub(crate) targets: Option<Vec<f64>>,
    pub(crate) resources: Vec<(ResourceKind, Unit, Vec<f64>)>,
    groups: Option<Vec<GroupId>>,
    row_ids: Vec<RowId>,
}

impl Table {
    pub(crate) fn n_rows(&self) -> usize {
        self.ids.len()
    }

    /// Rows `start..end` as a batch; cells may be NaN, the pipeline screens them.
    pub(crate) fn batch(&self, start: usize, end: usize) -> Result<Batch<'_>, Failure> {
        let d = self.schema.n_features();
        let mut batch = Batch::raw(&self.values[start * d..end * d], d)?
            .with_schema(&self.schema)?
            .with_ids(&self.row_ids[start..end])?;
        if let Some(targets) = &self.targets {
            batch = batch.with_targets(&targets[start..end])?;
        }
        if let Some(groups) = &self.groups {
            batch = batch.with_groups(&groups[start..end])?;
        }
        let mut resources = ResourceTargets::new();
        for (kind, unit, values) in &self.resources {
            resources = resources.with(kind.clone(), unit.clone(), &values[start..end])?;
        }
        Ok(batch.with_resources(resources)?)
    }

    /// The rows of a feature matrix.
    pub(crate) fn of_matrix(matrix: &FeatureMatrix) -> Self {
        Self {
            schema: matrix.schema().clone(),
            values: matrix.features().as_slice().to_vec(),
            ids: matrix.patients().to_vec(),
            targets: matrix.targets().map(<[f64]>::to_vec),
            resources: matrix
                .resources()
                .map(|(kind, unit, values)| (kind.clone(), unit.clone(), values.to_vec()))
                .collect(),
            groups: Some(matrix.groups().to_vec()),
            row_ids: matrix.ids().to_vec(),
        }
    }

    /// Reads a CSV with a header. With a fitted `schema` its columns are found by name; else every column that
    /// the configuration does not name otherwise is a feature.
    pub(crate) fn read(path: &Path, params: &DataParams, fitted: Option<&Schema>) -> Result<Self, Failure> {
        let file =
            File::open(path).map_err(|e| Failure::data(format!("{} cannot be read: {e}", path.display())))?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let headers = reader.headers().map_err(|e| broken(path, &e))?.clone();
        let layout = Layout::of(path, &headers, params, fitted)?;
        let mut table = layout.empty_table();
        for (row, record) in reader.records().enumerate() {
            let record = record.map_err(|e| broken(path, &e))?;
            layout.push(path, row, &record, &mut table)?;
        }
        if table.n_rows() == 0 {
            return Err(Failure::data(format!("{} has no row below its header", path.display())));
        }
        Ok(table)
    }
}

/// Which column of a file is what.
#[derive(Debug)]
struct Layout {
    schema: Schema,
    features: Vec<usize>,
    id: Option<usize>,
    group: Option<usize>,
    target: Option<usize>,
    resources: Vec<(ResourceKind, Unit, usize)>,
}

impl Layout {
    fn of(
        path: &Path,
        headers: &csv::StringRecord,
        params: &DataParams,
        fitted: Option<&Schema>,
    ) -> Result<Self, Failure> {
        let find = |name: &str| headers.iter().position(|h| h.trim_start_matches('\u{feff}') == name);
        let missing = |name: &str| {
            let known: Vec<&str> = headers.iter().take(20).collect();
            Failure::data(format!(
                "{} has no column {name:?}; its columns: {}",
                path.display(),
                known.join(", ")
            ))
        };
        // Targets may be absent when scoring; a fit without them is refused by the pipeline.
        let optional = |name: &Option<String>| name.as_deref().and_then(find);
        let id = optional(&params.id);
        let (group, target) = (optional(&params.group), optional(&params.target));
        if fitted.is_none() {
            for name in [&params.id, &params.group, &params.target].into_iter().flatten() {
                find(name).ok_or_else(|| missing(name))?;
            }
        }
        let mut resources = Vec::new();
        for (kind, source) in &params.resources {
            match find(&source.column) {
                Some(column) => resources.push((kind.clone(), source.unit.clone(), column)),
                None if fitted.is_none() => return Err(missing(&source.column)),
                None => {}
            }
        }
        let (schema, features) = match fitted {
            Some(schema) => {
                let columns = schema.names().map(|name| find(name).ok_or_else(|| missing(name)));
                (schema.clone(), columns.collect::<Result<Vec<_>, _>>()?)
            }
            None => {
                let taken: Vec<usize> =
                    [id, group, target].into_iter().flatten().chain(resources.iter().map(|r| r.2)).collect();
                let ignored: Vec<usize> = params.ignore.iter().filter_map(|name| find(name)).collect();
                let features: Vec<usize> =
                    (0..headers.len()).filter(|c| !taken.contains(c) && !ignored.contains(c)).collect();
                let columns = features.iter().map(|&c| Column {
                    name: headers[c].trim_start_matches('\u{feff}').to_owned(),
                    unit: None,
                    column_use: ColumnUse::Both,
                });
                (Schema::new(columns.collect())?, features)
            }
        };
        Ok(Self { schema, features, id, group, target, resources })
    }

    fn empty_table(&self) -> Table {
        Table {
            schema: self.schema.clone(),
            values: Vec::new(),
            ids: Vec::new(),
            targets: self.target.map(|_| Vec::new()),
            resources: self
                .resources
                .iter()
                .map(|(kind, unit, _)| (kind.clone(), unit.clone(), Vec::new()))
                .collect(),
            groups: self.group.map(|_| Vec::new()),
            row_ids: Vec::new(),
        }
    }

    fn push(
        &self,
        path: &Path,
        row: usize,
        record: &csv::StringRecord,
        table: &mut Table,
    ) -> Result<(), Failure> {
        let number = |column: usize| -> Result<f64, Failure> {
            let text = &record[column];
            if matches!(text, "" | "NA" | "NaN" | "nan" | "null") {
                return Ok(f64::NAN);
            }
            text.parse().map_err(|_| {
                let shown: String = text.chars().take(32).collect();
                Failure::data(format!(
                    "{}, line {}, column {}: {shown:?} is no number; name the column in data.id, data.group or data.ignore if it is none",
                    path.display(),
                    row + 2,
                    column + 1
                ))
            })
        };
        for &column in &self.features {
            table.values.push(number(column)?);
        }
        let id = self.id.map_or_else(|| (row + 1).to_string(), |c| record[c].to_owned());
        table.row_ids.push(RowId::of(&id));
        table.ids.push(id);
        if let (Some(groups), Some(column)) = (&mut table.groups, self.group) {
            groups.push(GroupId::of(&record[column]));
        }
        if let (Some(targets), Some(column)) = (&mut table.targets, self.target) {
            targets.push(number(column)?);
        }
        for ((_, _, column), (_, _, values)) in self.resources.iter().zip(&mut table.resources) {
            values.push(number(*column)?);
        }
        Ok(())
    }
}

fn broken(path: &Path, error: &csv::Error) -> Failure {
    let place = error.position().map(|p| format!(", line {}", p.line())).unwrap_or_default();
    Failure::data(format!("{}{place} cannot be read as CSV: {error}", path.display()))
}
