//! Feature tables from CSV, by the column names of the configuration or of a fitted schema.

use std::fs::File;
use std::path::{Path, PathBuf};

use tsc_pipeline::core::{
    Batch, Column, ColumnUse, GroupId, Reference, ResourceKind, ResourceTargets, RowId, Schema, Timestamp,
    Unit,
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
    times: Option<Vec<Timestamp>>,
    /// Plain forecasts of the target.
    references: Vec<(String, Vec<f64>)>,
    /// What turns a predicted value into the target's unit: `shift + factor * value`; absent where it is.
    frames: Option<Vec<(f64, f64)>>,
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
        if let Some(times) = &self.times {
            batch = batch.with_times(&times[start..end])?;
        }
        let references =
            self.references.iter().map(|(name, values)| Reference { name, values: &values[start..end] });
        batch = batch.with_references(references.collect())?;
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
            times: matrix.batch().times().map(<[Timestamp]>::to_vec),
            references: matrix
                .batch()
                .references()
                .iter()
                .map(|r| (r.name.to_owned(), r.values.to_vec()))
                .collect(),
            frames: matrix.is_scaled().then(|| matrix.frames().collect()),
        }
    }

    /// A predicted value of a row, or a bound of it, in the target's unit.
    pub(crate) fn in_unit(&self, row: usize, value: f64) -> f64 {
        self.frames.as_ref().map_or(value, |frames| frames[row].0 + frames[row].1 * value)
    }

    /// Rows `start..end` as a table of their own.
    fn rows(&self, start: usize, end: usize) -> Self {
        let d = self.schema.n_features();
        Self {
            schema: self.schema.clone(),
            values: self.values[start * d..end * d].to_vec(),
            ids: self.ids[start..end].to_vec(),
            targets: self.targets.as_ref().map(|t| t[start..end].to_vec()),
            resources: self
                .resources
                .iter()
                .map(|(kind, unit, values)| (kind.clone(), unit.clone(), values[start..end].to_vec()))
                .collect(),
            groups: self.groups.as_ref().map(|g| g[start..end].to_vec()),
            row_ids: self.row_ids[start..end].to_vec(),
            times: self.times.as_ref().map(|t| t[start..end].to_vec()),
            references: self
                .references
                .iter()
                .map(|(name, v)| (name.clone(), v[start..end].to_vec()))
                .collect(),
            frames: self.frames.as_ref().map(|f| f[start..end].to_vec()),
        }
    }

    /// Reads a whole CSV with a header; every column that the configuration does not name is a feature.
    pub(crate) fn read(path: &Path, params: &DataParams) -> Result<Self, Failure> {
        let mut file = FeatureFile::open(path, params, None)?;
        file.next(usize::MAX)?.ok_or_else(|| file.without_rows())
    }
}

/// Feature rows that come in pieces, so that a file need not fit into memory.
#[derive(Debug)]
pub(crate) enum Rows {
    File(Box<FeatureFile>),
    /// A table in memory, and how many of its rows were handed out.
    Held(Box<Table>, usize),
}

impl Rows {
    /// The next rows, at most `size`; `None` at the end.
    pub(crate) fn next(&mut self, size: usize) -> Result<Option<Table>, Failure> {
        match self {
            Self::File(file) => file.next(size),
            Self::Held(table, start) => {
                let from = *start;
                *start = table.n_rows().min(from + size);
                Ok((from < *start).then(|| table.rows(from, *start)))
            }
        }
    }
}

/// An open CSV with a header.
#[derive(Debug)]
pub(crate) struct FeatureFile {
    path: PathBuf,
    reader: csv::Reader<File>,
    layout: Layout,
    rows: usize,
}

impl FeatureFile {
    /// Opens a CSV and reads its header. With a fitted `schema` its columns are found by name.
    pub(crate) fn open(path: &Path, params: &DataParams, fitted: Option<&Schema>) -> Result<Self, Failure> {
        let mut reader = reader(path)?;
        let headers = reader.headers().map_err(|e| broken(path, &e))?.clone();
        let layout = Layout::of(path, &headers, params, fitted)?;
        Ok(Self { path: path.to_owned(), reader, layout, rows: 0 })
    }

    fn next(&mut self, size: usize) -> Result<Option<Table>, Failure> {
        let mut table = self.layout.empty_table();
        let mut record = csv::StringRecord::new();
        while table.n_rows() < size
            && self.reader.read_record(&mut record).map_err(|e| broken(&self.path, &e))?
        {
            self.layout.push(&self.path, self.rows, &record, &mut table)?;
            self.rows += 1;
        }
        if self.rows == 0 {
            return Err(self.without_rows());
        }
        Ok((table.n_rows() > 0).then_some(table))
    }

    fn without_rows(&self) -> Failure {
        let message = format!("{} has no row below its header", self.path.display());
        Failure::data("TSC-CLI-012", message, "check that the extract is complete")
    }
}

/// Whether `path` is a CSV whose header holds every feature of `schema`.
pub(crate) fn holds_features(path: &Path, schema: &Schema) -> bool {
    let Ok(mut reader) = reader(path) else { return false };
    let Ok(headers) = reader.headers() else { return false };
    schema.names().all(|name| headers.iter().any(|header| header == name))
}

fn reader(path: &Path) -> Result<csv::Reader<File>, Failure> {
    let unreadable = |reason: String| {
        let message = format!("{} cannot be read: {reason}", path.display());
        Failure::data("TSC-CLI-013", message, "check the path, and that the file is readable")
    };
    let file = File::open(path).map_err(|e| unreadable(e.to_string()))?;
    if path.is_dir() {
        return Err(unreadable("it is a folder, and a feature file is one CSV".into()));
    }
    Ok(csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file))
}

/// Which column of a file is what.
#[derive(Debug)]
struct Layout {
    schema: Schema,
    header: csv::StringRecord,
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
        check_header(path, headers, params)?;
        let find = |name: &str| headers.iter().position(|header| header == name);
        let missing = |name: &str| {
            let known: Vec<&str> = headers.iter().take(20).collect();
            let more = if headers.len() > 20 { ", .." } else { "" };
            Failure::data(
                "TSC-CLI-014",
                format!("{} has no column {name:?}; its columns: {}{more}", path.display(), known.join(", ")),
                "correct the name in [data] of the configuration, or in the file's header",
            )
        };
        // Targets may be absent when scoring; a fit without them is refused by the pipeline.
        let optional = |name: &Option<String>| name.as_deref().and_then(find);
        let id = optional(&params.id);
        let (group, target) = (optional(&params.group), optional(&params.target));
        if fitted.is_none() {
            let named = [&params.id, &params.group, &params.target].into_iter().flatten();
            for name in named.chain(&params.ignore) {
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
                    name: headers[c].to_owned(),
                    unit: None,
                    column_use: ColumnUse::Both,
                });
                (Schema::new(columns.collect())?, features)
            }
        };
        Ok(Self { schema, header: headers.clone(), features, id, group, target, resources })
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
            times: None,
            references: Vec::new(),
            frames: None,
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
            // The cell itself may be a name or a date of birth, and stays out of the message.
            text.parse().map_err(|_| {
                let line = record.position().map_or(row as u64 + 2, csv::Position::line);
                Failure::data(
                    "TSC-CLI-015",
                    format!(
                        "{}, line {line}, column {}: the cell holds text, must be a number or empty",
                        path.display(),
                        &self.header[column]
                    ),
                    "correct the cell, or name the column in data.id, data.group or data.ignore",
                )
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

/// Refuses a header that would be misread: none at all, another separator, one name for two columns.
fn check_header(path: &Path, headers: &csv::StringRecord, params: &DataParams) -> Result<(), Failure> {
    let shown = path.display();
    if headers.is_empty() {
        return Err(Failure::data(
            "TSC-CLI-016",
            format!("{shown} is empty, must have a header line and rows"),
            "check that the extract is complete",
        ));
    }
    if let ([only], Some(separator)) =
        (&headers.iter().collect::<Vec<_>>()[..], headers[0].chars().find(|c| ";\t|".contains(*c)))
    {
        return Err(Failure::data(
            "TSC-CLI-017",
            format!("{shown} is separated by {separator:?}, must be separated by ',' (its header: {only:?})"),
            "export it with commas and decimal points",
        ));
    }
    for (column, name) in headers.iter().enumerate() {
        let first = headers.iter().position(|header| header == name).unwrap_or(column);
        if first < column && !params.ignore.iter().any(|ignored| ignored == name) {
            return Err(Failure::data(
                "TSC-CLI-018",
                format!("{shown}: columns {} and {} are both named {name:?}", first + 1, column + 1),
                "give every column a name of its own",
            ));
        }
    }
    Ok(())
}

fn broken(path: &Path, error: &csv::Error) -> Failure {
    let shown = path.display();
    let line = error.position().map_or_else(String::new, |p| format!(", line {}", p.line()));
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => Failure::data(
            "TSC-CLI-019",
            format!("{shown}{line} has {len} fields, must have {expected_len} as the header"),
            "quote fields that hold a comma",
        ),
        csv::ErrorKind::Utf8 { .. } => {
            Failure::data("TSC-CLI-020", format!("{shown}{line} is not UTF-8"), "save the file as UTF-8")
        }
        csv::ErrorKind::Io(e) => Failure::data(
            "TSC-CLI-013",
            format!("{shown} cannot be read: {e}"),
            "check the path, and that the file is readable",
        ),
        _ => Failure::data("TSC-CLI-021", format!("{shown}{line}: {error}"), "check that it is a CSV"),
    }
}
