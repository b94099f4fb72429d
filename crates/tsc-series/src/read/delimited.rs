//! Rows of a delimited text, with structural faults as errors that name the place.

use std::io::Read;

use csv::{ByteRecord, Reader, ReaderBuilder};
use tsc_core::Result;

use crate::error::{Place, SeriesError, excerpt};

pub(crate) struct Delimited<R> {
    reader: Reader<R>,
    record: ByteRecord,
    header: Vec<String>,
    place: Place,
}

impl<R: Read> Delimited<R> {
    pub(crate) fn new(input: R, delimiter: u8, place: Place) -> Result<Self> {
        // Flexible, so that a ragged row reaches us with its text.
        let mut reader =
            ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(input);
        let mut record = ByteRecord::new();
        advance(&mut reader, &mut record, &place)?;
        let mut delimited = Self { reader, record, header: Vec::new(), place };
        for column in 0..delimited.record.len() {
            let name = delimited.text(column)?.trim().trim_start_matches('\u{feff}').to_string();
            delimited.header.push(name);
        }
        Ok(delimited)
    }

    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// Position of a column.
    pub(crate) fn column(&self, name: &str) -> Result<usize> {
        if let Some(position) = self.header.iter().position(|h| h == name) {
            return Ok(position);
        }
        let nearest = self.header.iter().min_by_key(|h| distance(h, name));
        let nearest = excerpt(nearest.map(String::as_bytes).unwrap_or_default());
        Err(SeriesError::MissingColumn { place: self.place.clone(), column: name.into(), nearest }.into())
    }

    /// Moves to the next row; `false` at the end.
    pub(crate) fn next(&mut self) -> Result<bool> {
        if !advance(&mut self.reader, &mut self.record, &self.place)? {
            return Ok(false);
        }
        let (found, expected) = (self.record.len(), self.header.len());
        if found == expected {
            return Ok(true);
        }
        let text = excerpt(&self.record.iter().collect::<Vec<_>>().join(&b','));
        Err(SeriesError::Ragged { place: self.at(), found, expected, text }.into())
    }

    /// One field of the row.
    pub(crate) fn text(&self, column: usize) -> Result<&str> {
        let bytes = &self.record[column];
        std::str::from_utf8(bytes).map_err(|_| {
            let name = self.header.get(column).cloned().unwrap_or_else(|| (column + 1).to_string());
            SeriesError::NotUtf8 { place: self.at(), column: name, text: excerpt(bytes) }.into()
        })
    }

    fn at(&self) -> Place {
        self.place.line(self.record.position().map_or(1, csv::Position::line))
    }
}

fn advance<R: Read>(reader: &mut Reader<R>, record: &mut ByteRecord, place: &Place) -> Result<bool> {
    reader.read_byte_record(record).map_err(|error| {
        let line = reader.position().line();
        match error.into_kind() {
            // An error of our own (a limit) travels through `io::Error` unchanged.
            csv::ErrorKind::Io(io) => super::archive_error(io, &place.line(line)),
            other => SeriesError::Damaged { place: place.line(line), reason: format!("{other:?}") }.into(),
        }
    })
}

/// Levenshtein distance, ignoring case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.to_lowercase().chars().take(64).collect(), b.to_lowercase().chars().collect());
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
