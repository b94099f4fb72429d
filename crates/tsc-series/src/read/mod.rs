//! Files, folders and archives to a [`SeriesTable`].

#[cfg(feature = "archive")]
mod archive;
#[cfg(not(feature = "archive"))]
#[path = "no_archive.rs"]
mod archive;
mod cell;
mod delimited;
mod long;
mod physionet;

use std::path::Path;

use serde::{Deserialize, Serialize};
use tsc_core::Result;

use crate::builder::SeriesTableBuilder;
use crate::error::{Place, SeriesError};
use crate::quality::{QualityCount, Reason};
use crate::table::SeriesTable;
use crate::time_kind::TimeKind;
use crate::variables::{Role, VariableTable};

/// Where the data are.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A file, or a folder where the format says so.
    Path(&'a Path),
    /// The bytes of a file, with the name that errors use.
    Bytes {
        /// Name of the file; a suffix `.gz` means gzip.
        name: &'a str,
        /// Its content.
        bytes: &'a [u8],
    },
}

/// Shape of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// One delimited file (plain or `.gz`) with a row per value: patient, time, variable, value.
    #[default]
    Long,
    /// PhysioNet / Computing in Cardiology Challenge 2012: one CSV per stay, outcomes beside.
    ///
    /// A `set-*.tar.gz`, a folder that holds one, or a folder of stays; outcomes come from the
    /// `Outcomes-*.txt` beside, if there is one. Times are HH:MM since admission and may exceed 24 h.
    #[serde(rename = "physionet2012")]
    PhysioNet2012,
}

/// Names of the columns of a long file. Other columns are ignored and listed in the quality report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColumnMap {
    /// Who; default `patient`.
    pub patient: String,
    /// When; default `time`.
    pub time: String,
    /// What; default `variable`.
    pub variable: String,
    /// How much; default `value`.
    pub value: String,
}

impl Default for ColumnMap {
    fn default() -> Self {
        Self {
            patient: "patient".into(),
            time: "time".into(),
            variable: "variable".into(),
            value: "value".into(),
        }
    }
}

/// How the time column is written, which decides the table's [`TimeKind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeFormat {
    /// Hours since admission, or `HH:MM` of any length.
    #[default]
    Hours,
    /// Minutes since admission, or `HH:MM`.
    Minutes,
    /// Seconds since admission, or `HH:MM`.
    Seconds,
    /// Calendar dates: `2024-03`, `2024-03-31`, `2024-03-31T12:30:15.250+01:00` (a space for `T`, seconds and
    /// offset may be left out). An offset is subtracted; without one the time is taken as it stands.
    Date,
}

impl TimeFormat {
    /// What times so written count from.
    #[must_use]
    pub fn kind(self) -> TimeKind {
        match self {
            TimeFormat::Hours | TimeFormat::Minutes | TimeFormat::Seconds => TimeKind::Relative,
            TimeFormat::Date => TimeKind::Calendar,
        }
    }

    fn parse(self, text: &str) -> Option<i64> {
        match self {
            TimeFormat::Hours => cell::time(text, 3_600_000.0),
            TimeFormat::Minutes => cell::time(text, 60_000.0),
            TimeFormat::Seconds => cell::time(text, 1_000.0),
            TimeFormat::Date => cell::date(text),
        }
    }
}

/// What is unpacked at most; more is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one member or stay; default 64 MiB.
    pub entry_bytes: u64,
    /// Bytes of all members together; default 4 GiB.
    pub total_bytes: u64,
    /// Unpacked size over packed size, once 1 MiB is unpacked; default 200.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entry_bytes: 64 << 20, total_bytes: 4 << 30, ratio: 200 }
    }
}

/// How an input is read: shape, columns, time, limits and variables, all as data.
///
/// Structural faults are errors that name file, member, line, column and text: a missing column, a ragged
/// row, invalid UTF-8, a damaged archive, a limit, no patient. Cell faults are counted; more than
/// `max_rejected_ratio` of the rows with an unreadable value or time, or without a patient, is an error too
/// (sentinels, ranges, repeats and unknown variables are not faults of the file).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableSpec {
    /// Shape; default `long`.
    pub format: Format,
    /// Column names of a long file.
    pub columns: ColumnMap,
    /// How its time column is written; default `hours`. PhysioNet 2012 is always `HH:MM`.
    pub time: TimeFormat,
    /// Field delimiter of a long file, one ASCII character; default a comma.
    pub delimiter: char,
    /// Limits on what is unpacked.
    pub limits: Limits,
    /// Share of unreadable rows above which reading fails, 0..=1; default 0.05.
    pub max_rejected_ratio: f64,
    /// Variables; default [`VariableTable::icu`].
    pub variables: VariableTable,
}

impl Default for TableSpec {
    fn default() -> Self {
        Self {
            format: Format::Long,
            columns: ColumnMap::default(),
            time: TimeFormat::Hours,
            delimiter: ',',
            limits: Limits::default(),
            max_rejected_ratio: 0.05,
            variables: VariableTable::icu(),
        }
    }
}

impl TableSpec {
    /// The defaults of a format.
    ///
    /// # Examples
    ///
    /// ```
    /// use tsc_series::{Format, SeriesTable, Source, TableSpec};
    /// let csv = b"patient,time,variable,value\nA,0.5,HR,80\nA,27:30,HR,90\n";
    /// let spec = TableSpec::preset(Format::Long);
    /// let table = SeriesTable::read(Source::Bytes { name: "ward.csv", bytes: csv }, &spec)?;
    /// let hr = table.variable("HR").unwrap();
    /// assert_eq!(table.series(table.patient("A").unwrap(), hr).0, [1_800_000, 99_000_000]);
    /// # Ok::<(), tsc_core::Error>(())
    /// ```
    #[must_use]
    pub fn preset(format: Format) -> Self {
        Self { format, ..Self::default() }
    }

    /// What the times of a table so read count from.
    #[must_use]
    pub fn time_kind(&self) -> TimeKind {
        match self.format {
            Format::Long => self.time.kind(),
            Format::PhysioNet2012 => TimeKind::Relative,
        }
    }

    fn check(&self) -> Result<()> {
        if !self.delimiter.is_ascii() || self.delimiter == '"' || self.delimiter.is_ascii_alphanumeric() {
            let value = format!("{:?}", self.delimiter);
            let bound = "one ASCII character that is no quote, letter or digit";
            return Err(SeriesError::Setting { key: "delimiter", value, bound }.into());
        }
        if !(0.0..=1.0).contains(&self.max_rejected_ratio) {
            let value = self.max_rejected_ratio.to_string();
            return Err(SeriesError::Setting { key: "max_rejected_ratio", value, bound: "in 0..=1" }.into());
        }
        Ok(())
    }
}

pub(crate) fn read(source: Source<'_>, spec: &TableSpec) -> Result<SeriesTable> {
    spec.check()?;
    let mut builder = SeriesTableBuilder::new(spec.variables.clone()).with_times(spec.time_kind());
    let (name, unmapped) = match spec.format {
        Format::Long => long::read(source, spec, &mut builder)?,
        Format::PhysioNet2012 => physionet::read(source, spec, &mut builder)?,
    };
    if builder.is_empty() {
        return Err(SeriesError::NoPatient { source_name: name }.into());
    }
    let mut table = builder.finish()?;
    table.quality.unmapped_columns = unmapped;
    check_rejected(&table, spec.max_rejected_ratio)?;
    Ok(table)
}

fn check_rejected(table: &SeriesTable, limit: f64) -> Result<()> {
    let quality = table.quality();
    let read = quality.rows.read + quality.outcomes.read;
    // Outcomes of stays that are not there are no fault: a selection of stays keeps the whole outcome file.
    let is_elsewhere = |c: &QualityCount| {
        let role = table.variables().get(&c.variable).map(|variable| variable.role);
        c.reason == Reason::NoPatient && role == Some(Role::Outcome)
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
