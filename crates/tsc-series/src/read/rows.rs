//! Rows of a table, whatever file they stand in, and what their cells mean.

use std::io::Write;

use tsc_core::Result;

use super::TimeFormat;
use super::cell;
use crate::builder::SeriesTableBuilder;
use crate::error::{Place, SeriesError, excerpt};
use crate::quality::Reason;
use crate::time_kind::TimeKind;

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "a delimited text has texts only"))]
pub(crate) enum Cell<'a> {
    Text(&'a [u8]),
    Missing,
    Whole(i64),
    Number(f64),
    /// A time that says itself what it counts from, in milliseconds.
    Time(i64, TimeKind),
}

/// A file of rows under a header.
pub(crate) trait Rows {
    fn header(&self) -> &[String];
    fn file(&self) -> &Place;
    /// Line of the present row, or its number where a file has no lines; counted from 1.
    fn line(&self) -> u64;
    /// Moves to the next row; `false` at the end.
    fn advance(&mut self) -> Result<bool>;
    fn cell(&self, column: usize) -> Cell<'_>;
    /// Refuses a column whose type has neither numbers, texts nor times.
    fn check(&self, _column: usize) -> Result<()> {
        Ok(())
    }
}

pub(crate) fn place(rows: &impl Rows) -> Place {
    rows.file().line(rows.line())
}

/// Position of a column, if it is there.
pub(crate) fn find(rows: &impl Rows, name: &str) -> Result<Option<usize>> {
    let found = rows.header().iter().position(|h| h == name);
    found.map(|position| rows.check(position).map(|()| position)).transpose()
}

/// Position of a column.
pub(crate) fn column(rows: &impl Rows, name: &str) -> Result<usize> {
    if let Some(position) = find(rows, name)? {
        return Ok(position);
    }
    let nearest = rows.header().iter().min_by_key(|h| distance(h, name));
    let nearest = excerpt(nearest.map(String::as_bytes).unwrap_or_default());
    Err(SeriesError::MissingColumn { place: rows.file().clone(), column: name.into(), nearest }.into())
}

/// Bytes of a column as text.
pub(crate) fn utf8<'b>(rows: &impl Rows, column: usize, bytes: &'b [u8]) -> Result<&'b str> {
    std::str::from_utf8(bytes).map_err(|_| {
        let name = rows.header().get(column).cloned().unwrap_or_else(|| (column + 1).to_string());
        SeriesError::NotUtf8 { place: place(rows), column: name, text: excerpt(bytes) }.into()
    })
}

/// The columns that name a patient, joined.
pub(crate) struct Ids {
    columns: Vec<usize>,
    joined: Vec<u8>,
    part: Vec<u8>,
}

impl Ids {
    pub(crate) fn new(rows: &impl Rows, names: &[String]) -> Result<Self> {
        let columns: Result<Vec<usize>> = names.iter().map(|name| column(rows, name)).collect();
        Ok(Self { columns: columns?, joined: Vec::new(), part: Vec::new() })
    }

    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Identifier of the present row, empty if a part of it is missing. In a text file, not checked to be UTF-8.
    #[inline]
    pub(crate) fn of<'b>(&'b mut self, rows: &'b impl Rows) -> &'b [u8] {
        if let [column] = self.columns[..] {
            return text(rows, column, &mut self.joined);
        }
        self.joined.clear();
        for (position, &column) in self.columns.iter().enumerate() {
            if position > 0 {
                self.joined.push(b'|');
            }
            let part = text(rows, column, &mut self.part);
            if part.is_empty() {
                return &[];
            }
            self.joined.extend_from_slice(part);
        }
        &self.joined
    }
}

/// A cell as trimmed text, a whole number without a point; `scratch` holds what is no text in the file.
#[inline]
pub(crate) fn text<'b>(rows: &'b impl Rows, column: usize, scratch: &'b mut Vec<u8>) -> &'b [u8] {
    if let Cell::Text(bytes) = rows.cell(column) {
        return bytes.trim_ascii();
    }
    scratch.clear();
    let written = match rows.cell(column) {
        Cell::Whole(number) | Cell::Time(number, _) => write!(scratch, "{number}"),
        Cell::Number(number) if !number.is_nan() => write!(scratch, "{number}"),
        Cell::Text(_) | Cell::Missing | Cell::Number(_) => Ok(()),
    };
    written.expect("memory takes every write");
    scratch
}

/// The time of a cell, `None` if it cannot be read.
///
/// # Errors
///
/// If it is readable, but counts from something else than the table's times.
#[inline]
pub(crate) fn time(rows: &impl Rows, column: usize, format: TimeFormat) -> Result<Option<i64>> {
    match rows.cell(column) {
        Cell::Text(bytes) => match format.parse(bytes) {
            Some(time) => Ok(Some(time)),
            None => unreadable_time(rows, column, format, bytes),
        },
        Cell::Missing => Ok(None),
        Cell::Whole(number) => Ok(format.of_number(number as f64)),
        Cell::Number(number) => Ok(format.of_number(number)),
        Cell::Time(time, kind) if kind == format.kind() => Ok(Some(time)),
        Cell::Time(time, _) => Err(mixed(rows, format, time.to_string().as_bytes())),
    }
}

#[cold]
fn unreadable_time(rows: &impl Rows, column: usize, format: TimeFormat, bytes: &[u8]) -> Result<Option<i64>> {
    utf8(rows, column, bytes)?;
    let is_other = match format.kind() {
        TimeKind::Relative => cell::date(bytes).is_some(),
        TimeKind::Calendar => cell::time(bytes, 1.0).is_some(),
    };
    if is_other { Err(mixed(rows, format, bytes)) } else { Ok(None) }
}

fn mixed(rows: &impl Rows, format: TimeFormat, text: &[u8]) -> tsc_core::Error {
    let counts_from = match format.kind() {
        TimeKind::Relative => "since admission",
        TimeKind::Calendar => "of the calendar",
    };
    SeriesError::MixedTimes { place: place(rows), text: excerpt(text.trim_ascii()), counts_from }.into()
}

/// Whether a cell holds nothing.
#[inline]
pub(crate) fn is_missing(rows: &impl Rows, column: usize) -> bool {
    match rows.cell(column) {
        Cell::Text(bytes) => cell::is_missing(bytes.trim_ascii()),
        Cell::Missing => true,
        Cell::Number(number) => number.is_nan(),
        Cell::Whole(_) | Cell::Time(..) => false,
    }
}

/// The number of a cell for a variable; NaN if it is missing.
#[inline]
pub(crate) fn value(
    rows: &impl Rows,
    column: usize,
    builder: &SeriesTableBuilder,
    variable: u32,
) -> Result<std::result::Result<f64, Reason>> {
    match rows.cell(column) {
        Cell::Text(bytes) => {
            if !builder.has_categories(variable)
                && let Some(number) = cell::number(bytes)
            {
                return Ok(Ok(number));
            }
            let text = utf8(rows, column, bytes)?.trim();
            let number = || cell::number(bytes).ok_or(Reason::UnknownCategory);
            Ok(builder.category(variable, text).or_else(|fault| match fault {
                Reason::UnknownCategory => number(),
                fault => Err(fault),
            }))
        }
        Cell::Missing => Ok(Ok(f64::NAN)),
        Cell::Whole(number) => Ok(Ok(number as f64)),
        Cell::Number(number) => Ok(Ok(number)),
        Cell::Time(..) => Ok(Err(Reason::Unparsable)),
    }
}

/// Names of the columns that nothing is read from.
pub(crate) fn unmapped(rows: &impl Rows, mapped: &[usize]) -> Vec<String> {
    let rest = rows.header().iter().enumerate().filter(|(column, _)| !mapped.contains(column));
    rest.map(|(_, name)| name.clone()).collect()
}

/// Levenshtein distance, ignoring case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.to_lowercase().chars().take(64).collect(), b.to_lowercase().chars().take(64).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distance_counts_edits_and_ignores_case() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("Patient", "patient"), 0);
        assert_eq!(distance("", "abc"), 3);
    }
}
