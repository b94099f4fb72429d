//! Files, folders and archives to a [`SeriesTable`].

#[cfg(feature = "archive")]
mod archive;
#[cfg(not(feature = "archive"))]
#[path = "no_archive.rs"]
mod archive;
#[cfg(feature = "parquet")]
mod arrow_schema;
mod cell;
mod delimited;
mod feed;
mod input;
mod long;
#[cfg(feature = "parquet")]
mod parquet;
mod physionet;
mod rows;
mod spec;
mod stream;
mod wide;
mod yaib;

pub use spec::{ColumnMap, Format, IdColumns, Limits, RowOrder, TableSpec, TimeFormat};
pub use stream::PatientStream;

use std::path::Path;

use tsc_core::Result;

use self::feed::{Each, Feed};
use self::input::{Input, open};
use self::rows::Rows;
use self::wide::Part;
use crate::builder::SeriesTableBuilder;
use crate::error::{Place, SeriesError};
use crate::quality::{QualityCount, QualityReport, QualityWarning, Reason};
use crate::table::SeriesTable;
use crate::variables::VariableTable;

/// Where the data are.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A file, or a folder where the format says so.
    Path(&'a Path),
    /// The bytes of a file, with the name that errors use.
    Bytes {
        /// Name of the file; a suffix `.gz` means gzip, `.parquet` Parquet.
        name: &'a str,
        /// Its content.
        bytes: &'a [u8],
    },
}

impl Source<'_> {
    fn name(&self) -> String {
        match self {
            Source::Path(path) => file_name(path),
            Source::Bytes { name, .. } => (*name).into(),
        }
    }
}

/// How many patients a table holds: all, or chunks that are passed on.
type Chunks<'a> = Option<(usize, &'a mut Each<'a>)>;

pub(crate) fn read(source: Source<'_>, spec: &TableSpec) -> Result<SeriesTable> {
    spec.check()?;
    let (table, report) = read_all(source, spec, None)?;
    let mut table = table.ok_or_else(|| SeriesError::NoPatient { source_name: source.name() })?;
    table.quality = report;
    Ok(table)
}

fn stream<'a>(
    source: Source<'_>,
    spec: &TableSpec,
    patients: usize,
    each: &'a mut Each<'a>,
) -> Result<QualityReport> {
    let is_grouped =
        spec.order == RowOrder::Grouped && !matches!(spec.format, Format::WidePanel | Format::Yaib);
    if is_grouped {
        return Ok(read_all(source, spec, Some((patients, each)))?.1);
    }
    let table = read(source, spec)?;
    let report = table.quality.clone();
    each(table)?;
    Ok(report)
}

fn read_all<'a>(
    source: Source<'_>,
    spec: &TableSpec,
    chunks: Chunks<'a>,
) -> Result<(Option<SeriesTable>, QualityReport)> {
    let feed = |variables: VariableTable| {
        let builder = SeriesTableBuilder::with_cleaning(
            variables,
            spec.range_action,
            spec.repair,
            spec.has_unit_column(),
        )
        .with_times(spec.time_kind());
        match chunks {
            Some((size, each)) => Feed::in_chunks(builder, size, each),
            None => Feed::whole(builder),
        }
    };
    let (feed, unmapped) = match spec.format {
        Format::PhysioNet2012 => {
            let mut feed = feed(spec.variables.clone());
            let unmapped = physionet::read(source, spec, &mut feed)?;
            (feed, unmapped)
        }
        Format::Yaib => yaib::read(source, spec, feed)?,
        _ => match open(source, spec)? {
            Input::Delimited(rows) => one_file(rows, spec, feed)?,
            #[cfg(feature = "parquet")]
            Input::Parquet(rows) => one_file(rows, spec, feed)?,
        },
    };
    if feed.is_empty() {
        return Err(SeriesError::NoPatient { source_name: source.name() }.into());
    }
    let (table, mut report) = feed.finish()?;
    report.unmapped_columns = unmapped;
    if spec.has_stays_as_groups() {
        report.warnings.push(QualityWarning::StaysAsGroups);
    }
    check_rejected(&report, &spec.variables, spec.max_rejected_ratio)?;
    Ok((table, report))
}

fn one_file<'a>(
    rows: impl Rows,
    spec: &TableSpec,
    feed: impl FnOnce(VariableTable) -> Feed<'a>,
) -> Result<(Feed<'a>, Vec<String>)> {
    let is_undeclared = spec.format == Format::Wide && spec.variables.is_empty();
    let variables = if is_undeclared { wide::variables(&rows, spec)? } else { spec.variables.clone() };
    let mut feed = feed(variables);
    let unmapped = match spec.format {
        Format::Wide => wide::read(rows, spec, Part::All, &mut feed)?,
        Format::WidePanel => wide::read_panel(rows, spec, &mut feed)?,
        _ => long::read(rows, spec, &mut feed)?,
    };
    Ok((feed, unmapped))
}

fn check_rejected(quality: &QualityReport, variables: &VariableTable, limit: f64) -> Result<()> {
    let read = quality.rows.read + quality.outcomes.read;
    // Outcomes of stays that are not there are no fault: a selection of stays keeps the whole outcome file.
    let is_elsewhere = |c: &QualityCount| {
        let role = variables.get(&c.variable).map(|variable| variable.role);
        c.reason == Reason::NoPatient && role.is_some_and(|role| role.is_outcome())
    };
    let faults: Vec<_> =
        quality.counts.iter().filter(|c| c.reason.is_cell_fault() && !is_elsewhere(c)).collect();
    let rejected: u64 = faults.iter().map(|c| c.count).sum();
    if rejected as f64 <= limit * read as f64 {
        return Ok(());
    }
    let examples: Vec<String> = faults
        .iter()
        .take(10)
        .map(|c| {
            format!("{:?} in {:?} {} times, first in row {}", c.reason, c.variable, c.count, c.first_row)
        })
        .collect();
    Err(SeriesError::TooManyRejected { rejected, read, limit, examples: examples.join("; ") }.into())
}

/// Last component of a path: messages name the file, not the machine's folders.
fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// A limit that was hit inside a reader, however deep its error lies, or damage.
fn archive_error(error: std::io::Error, place: &Place) -> tsc_core::Error {
    let reason = error.to_string();
    let mut layer: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = layer {
        if let Some(own) = current.downcast_ref::<SeriesError>() {
            return own.clone().into();
        }
        // `io::Error::source` skips the error that it holds.
        layer = match current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(held) => Some(held as &(dyn std::error::Error + 'static)),
            None => current.source(),
        };
    }
    SeriesError::Damaged { place: place.clone(), reason }.into()
}
