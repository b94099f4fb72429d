//! Rows of a delimited text, with structural faults as errors that name the place.

use std::io::Read;

use tsc_core::Result;

use super::rows::{Cell, Rows};
use crate::error::{Place, SeriesError, excerpt};

/// The buffer grows from the first size, enough for a small file, to the second, and beyond for a longer row only.
const FIRST_BUFFER: usize = 8 << 10;
const FULL_BUFFER: usize = 64 << 10;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A reader of comma-separated values after RFC 4180: quoted fields may hold delimiters, line ends and doubled
/// quotes; lines end with LF or CRLF; empty lines are skipped.
pub(crate) struct Delimited<'a> {
    input: Box<dyn Read + 'a>,
    place: Place,
    delimiter: u8,
    longest_row: u64,
    header: Vec<String>,
    buffer: Vec<u8>,
    /// Where the next row begins in `buffer`, and where what was read ends.
    next: usize,
    end: usize,
    is_read: bool,
    /// Where the row begins and ends, and its fields in `buffer`.
    row: (usize, usize),
    fields: Vec<(usize, usize)>,
    line: u64,
    next_line: u64,
}

impl<'a> Delimited<'a> {
    /// Reads the header. A row of more than `longest_row` bytes is an error.
    pub(crate) fn new(
        input: Box<dyn Read + 'a>,
        delimiter: u8,
        longest_row: u64,
        place: Place,
    ) -> Result<Self> {
        let mut rows = Self {
            input,
            place,
            delimiter,
            longest_row,
            header: Vec::new(),
            buffer: Vec::new(),
            next: 0,
            end: 0,
            is_read: false,
            row: (0, 0),
            fields: Vec::new(),
            line: 1,
            next_line: 1,
        };
        while !rows.is_read && rows.end < BOM.len() {
            rows.fill()?;
        }
        if rows.buffer[..rows.end].starts_with(BOM) {
            rows.next = BOM.len();
        }
        rows.find_row()?;
        for column in 0..rows.fields.len() {
            let name = super::rows::utf8(&rows, column, rows.field(column))?.trim().to_string();
            rows.header.push(name);
        }
        Ok(rows)
    }

    #[inline]
    pub(crate) fn field(&self, column: usize) -> &[u8] {
        let (start, end) = self.fields[column];
        &self.buffer[start..end]
    }

    /// The text of the row.
    fn text(&self) -> &[u8] {
        &self.buffer[self.row.0..self.row.1]
    }

    /// Moves to the next row that is not empty; `false` at the end.
    fn find_row(&mut self) -> Result<bool> {
        loop {
            self.fields.clear();
            let Some((length, newlines)) = self.split()? else {
                if self.is_read {
                    return Ok(false);
                }
                self.fill()?;
                continue;
            };
            self.line = self.next_line;
            self.next_line += newlines;
            self.row = (self.next, self.next + length);
            self.next += length;
            if length > 2 || !matches!(self.text(), b"\n" | b"\r\n" | b"\r") {
                return Ok(true);
            }
        }
    }

    /// Length of the next row with its line end, and the number of line ends in it; `None` if more must be read.
    #[inline]
    fn split(&mut self) -> Result<Option<(usize, u64)>> {
        let bytes = &self.buffer[self.next..self.end];
        let (mut start, mut from) = (0, 0);
        while let Some(at) = next_special(bytes, from, self.delimiter) {
            from = at + 1;
            if bytes[at] == self.delimiter {
                self.fields.push((self.next + start, self.next + at));
                start = from;
            } else if bytes[at] == b'\n' {
                let end = if at > start && bytes[at - 1] == b'\r' { at - 1 } else { at };
                self.fields.push((self.next + start, self.next + end));
                return Ok(Some((from, 1)));
            } else if at == start {
                self.fields.clear();
                return self.split_quoted();
            }
        }
        if !self.is_read || bytes.is_empty() {
            self.fields.clear();
            return Ok(None);
        }
        let end = if bytes.ends_with(b"\r") && bytes.len() > start { bytes.len() - 1 } else { bytes.len() };
        self.fields.push((self.next + start, self.next + end));
        Ok(Some((bytes.len(), 0)))
    }

    /// As `split`, for a row with a quoted field.
    #[cold]
    fn split_quoted(&mut self) -> Result<Option<(usize, u64)>> {
        let bytes = &self.buffer[self.next..self.end];
        let Some(extent) = Extent::of(bytes, self.delimiter, self.is_read) else {
            if self.is_read {
                let reason = "a quoted field does not end".into();
                return Err(SeriesError::Damaged { place: self.place.line(self.next_line), reason }.into());
            }
            return Ok(None);
        };
        // Fields only get shorter, so they are rewritten in place, behind the byte that is read.
        let (mut read, stop) = (self.next, self.next + extent.content);
        loop {
            let start = read;
            let mut write = read;
            let mut in_quotes = read < stop && self.buffer[read] == b'"';
            read += usize::from(in_quotes);
            let is_last = loop {
                if read == stop {
                    break true;
                }
                let byte = self.buffer[read];
                read += 1;
                if in_quotes && byte == b'"' {
                    if read == stop || self.buffer[read] != b'"' {
                        in_quotes = false;
                        continue;
                    }
                    read += 1;
                } else if !in_quotes && byte == self.delimiter {
                    break false;
                }
                self.buffer[write] = byte;
                write += 1;
            };
            self.fields.push((start, write));
            if is_last {
                return Ok(Some((extent.row, extent.newlines)));
            }
        }
    }

    /// Reads more, keeping what is not used yet.
    fn fill(&mut self) -> Result<()> {
        self.buffer.copy_within(self.next..self.end, 0);
        self.end -= self.next;
        self.next = 0;
        if self.end as u64 > self.longest_row {
            let (what, limit) = ("a row in bytes", self.longest_row);
            let place = self.place.line(self.next_line);
            return Err(SeriesError::TooLarge { place, what, limit }.into());
        }
        if self.buffer.len() < FULL_BUFFER || self.end == self.buffer.len() {
            self.buffer.resize((2 * self.buffer.len()).max(FIRST_BUFFER), 0);
        }
        match self.input.read(&mut self.buffer[self.end..]) {
            Ok(0) => self.is_read = true,
            Ok(read) => self.end += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(super::archive_error(error, &self.place.line(self.next_line))),
        }
        Ok(())
    }
}

impl Rows for Delimited<'_> {
    fn header(&self) -> &[String] {
        &self.header
    }

    fn file(&self) -> &Place {
        &self.place
    }

    fn line(&self) -> u64 {
        self.line
    }

    #[inline]
    fn advance(&mut self) -> Result<bool> {
        if !self.find_row()? {
            return Ok(false);
        }
        let (found, expected) = (self.fields.len(), self.header.len());
        if found == expected {
            return Ok(true);
        }
        let text = excerpt(self.text().trim_ascii_end());
        Err(SeriesError::Ragged { place: self.place.line(self.line), found, expected, text }.into())
    }

    #[inline]
    fn cell(&self, column: usize) -> Cell<'_> {
        Cell::Text(self.field(column))
    }
}

/// Position of the next delimiter, line end or quote at or behind `from`.
#[inline]
fn next_special(bytes: &[u8], mut from: usize, delimiter: u8) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // The high bit of each byte that is zero, and perhaps of bytes above the first such one.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let equal = |word: u64, byte: u8| zeros(word ^ (ONES * u64::from(byte)));
    // Eight bytes at once: a field is seldom longer, so this is one step a field.
    while let Some((eight, _)) = bytes.get(from..).and_then(<[u8]>::split_first_chunk::<8>) {
        let word = u64::from_le_bytes(*eight);
        let found = equal(word, delimiter) | equal(word, b'\n') | equal(word, b'"');
        if found != 0 {
            return Some(from + found.trailing_zeros() as usize / 8);
        }
        from += 8;
    }
    let rest = bytes.get(from..)?;
    let is_special = |byte: &u8| *byte == delimiter || matches!(*byte, b'\n' | b'"');
    rest.iter().position(is_special).map(|at| from + at)
}

/// How far a row with quoted fields goes.
struct Extent {
    /// Bytes with the line end, and without it.
    row: usize,
    content: usize,
    newlines: u64,
}

impl Extent {
    /// `None` if the row does not end in `bytes`; the end of the file ends a row, but no quoted field.
    fn of(bytes: &[u8], delimiter: u8, is_all: bool) -> Option<Self> {
        let (mut newlines, mut in_quotes, mut at_start) = (0, false, true);
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if in_quotes {
                if byte == b'"' && bytes.get(at + 1) == Some(&b'"') {
                    at += 1;
                } else if byte == b'"' {
                    // At the end of what was read, the next byte may double this quote.
                    if at + 1 == bytes.len() && !is_all {
                        return None;
                    }
                    in_quotes = false;
                } else {
                    newlines += u64::from(byte == b'\n');
                }
            } else if byte == b'\n' {
                let content = if at > 0 && bytes[at - 1] == b'\r' { at - 1 } else { at };
                return Some(Self { row: at + 1, content, newlines: newlines + 1 });
            } else if byte == b'"' && at_start {
                in_quotes = true;
            }
            at_start = !in_quotes && byte == delimiter;
            at += 1;
        }
        (is_all && !in_quotes).then_some(Self { row: bytes.len(), content: bytes.len(), newlines })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that come one by one, so that every row is cut everywhere.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            self.0 = rest;
            buffer[0] = *first;
            Ok(1)
        }
    }

    fn records(input: Box<dyn Read + '_>) -> Result<Vec<(u64, Vec<Vec<u8>>)>> {
        let mut rows = Delimited::new(input, b',', 1 << 20, Place::file("x.csv"))?;
        let record = |rows: &Delimited<'_>| {
            (rows.line, (0..rows.fields.len()).map(|column| rows.field(column).to_vec()).collect())
        };
        if rows.fields.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = vec![record(&rows)];
        while rows.find_row()? {
            found.push(record(&rows));
        }
        Ok(found)
    }

    #[track_caller]
    fn check(text: &str, expected: &[&[&str]]) {
        for input in [Box::new(text.as_bytes()) as Box<dyn Read>, Box::new(Trickle(text.as_bytes()))] {
            let found: Vec<Vec<Vec<u8>>> = records(input).unwrap().into_iter().map(|(_, row)| row).collect();
            let expected: Vec<Vec<Vec<u8>>> = expected
                .iter()
                .map(|row| row.iter().map(|field| field.as_bytes().to_vec()).collect())
                .collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    // Expected: RFC 4180, section 2.
    #[test]
    fn quotes_line_ends_and_empty_fields() {
        check("a,b\n1,2", &[&["a", "b"], &["1", "2"]]);
        check("a,b\r\n1,\r\n", &[&["a", "b"], &["1", ""]]);
        check("\u{feff}a\n\n\r\n1\n", &[&["a"], &["1"]]);
        check("\"a,\"\"b\"\"\",\"c\nd\"\r\n,\n", &[&["a,\"b\"", "c\nd"], &["", ""]]);
        check("a\"b,\"c\"d,\"\"\n", &[&["a\"b", "cd", ""]]);
        check("", &[]);
    }

    #[test]
    fn a_quoted_field_without_end_is_damage_at_its_line() {
        let error = records(Box::new(&b"a,b\n1,2\n\"3,4\n5,6\n"[..])).unwrap_err();
        assert_eq!(error.to_string(), "x.csv, line 3 is damaged: a quoted field does not end");
    }

    #[test]
    fn a_row_longer_than_the_limit_is_refused() {
        let text = vec![b'a'; 3 << 20];
        let error = records(Box::new(text.as_slice())).unwrap_err();
        assert_eq!(error.to_string(), "x.csv, line 1 has a row in bytes of more than 1048576");
    }

    proptest! {
        /// Peer: csv 1.4, flexible, without headers.
        #[test]
        fn rows_are_those_of_the_csv_crate(text in "([ab\",\n]|\r\n|\"\"){0,24}") {
            let mut peer = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let expected: Vec<Vec<Vec<u8>>> = peer
                .byte_records()
                .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
                .collect();
            for input in [Box::new(text.as_bytes()) as Box<dyn Read>, Box::new(Trickle(text.as_bytes()))] {
                match records(input) {
                    Ok(found) => {
                        let found: Vec<Vec<Vec<u8>>> = found.into_iter().map(|(_, row)| row).collect();
                        prop_assert_eq!(&found, &expected);
                    }
                    // The peer takes the rest of the file as the field.
                    Err(error) => prop_assert!(error.to_string().ends_with("a quoted field does not end")),
                }
            }
        }
    }
}
