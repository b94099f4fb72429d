//! Rows of a Parquet file with flat columns.

use std::collections::BTreeMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use tsc_core::Result;

use super::arrow_schema::duration_units;
use super::rows::{Cell, Rows};
use super::{Limits, Source};
use crate::error::{Place, SeriesError};
use crate::time_kind::TimeKind;

/// Rows that are decoded at once: memory is this times the columns, whatever the size of a row group.
const BATCH: usize = 4_096;
const MS_PER_DAY: f64 = 86_400_000.0;

/// What the numbers of a column are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Whole,
    Unsigned32,
    Number,
    /// Whole numbers of this many milliseconds, since what the kind says.
    Time(f64, TimeKind),
    /// Milliseconds since 1970, decoded by the reader.
    Int96,
    Text,
    Unsupported,
}

enum Values {
    Whole(Vec<i64>),
    Number(Vec<f64>),
    Text(Vec<ByteArray>),
}

struct Column {
    kind: Kind,
    reader: Option<ColumnReader>,
    values: Values,
    /// By row of the batch, where its value is; `u32::MAX` if it is missing.
    places: Vec<u32>,
}

pub(crate) struct ParquetRows {
    file: Box<dyn FileReader>,
    place: Place,
    header: Vec<String>,
    columns: Vec<Column>,
    next_group: usize,
    /// Rows of the group that are not decoded yet.
    left: usize,
    batch: usize,
    row: usize,
    number: u64,
}

impl ParquetRows {
    pub(crate) fn open(source: Source<'_>, place: Place, limits: &Limits) -> Result<Self> {
        let damaged = |error: ParquetError| damage(&place, &error);
        let file: Box<dyn FileReader> = match source {
            Source::Bytes { bytes, .. } => {
                let bytes = Bytes::copy_from_slice(bytes);
                Box::new(guarded(|| SerializedFileReader::new(bytes)).map_err(damaged)?)
            }
            Source::Path(path) => {
                let file = File::open(path).map_err(|error| SeriesError::Unreadable {
                    place: place.clone(),
                    reason: error.to_string(),
                })?;
                Box::new(guarded(|| SerializedFileReader::new(file)).map_err(damaged)?)
            }
        };
        let data = file.metadata();
        let unpacked: u64 = data
            .row_groups()
            .iter()
            .map(|group| u64::try_from(group.total_byte_size()).unwrap_or(u64::MAX))
            .fold(0, u64::saturating_add);
        if unpacked > limits.total_bytes {
            let (what, limit) = ("an unpacked size in bytes", limits.total_bytes);
            return Err(SeriesError::TooLarge { place, what, limit }.into());
        }
        let arrow = data.file_metadata().key_value_metadata().into_iter().flatten();
        let arrow =
            arrow.filter(|entry| entry.key == "ARROW:schema").find_map(|entry| entry.value.as_deref());
        let durations = arrow.map(duration_units).unwrap_or_default();
        let descriptors = data.file_metadata().schema_descr().columns();
        let header = descriptors.iter().map(|it| it.path().string()).collect();
        let column = |it: &std::sync::Arc<ColumnDescriptor>| {
            let kind = kind(it, &durations);
            let values = match kind {
                Kind::Number => Values::Number(Vec::new()),
                Kind::Text => Values::Text(Vec::new()),
                _ => Values::Whole(Vec::new()),
            };
            Column { kind, reader: None, values, places: Vec::new() }
        };
        let columns = descriptors.iter().map(column).collect();
        Ok(Self { place, header, columns, next_group: 0, left: 0, batch: 0, row: 0, number: 0, file })
    }

    /// Decodes the next rows; `false` at the end.
    fn next_batch(&mut self) -> std::result::Result<bool, ParquetError> {
        while self.left == 0 {
            if self.next_group == self.file.num_row_groups() {
                return Ok(false);
            }
            let group = self.file.get_row_group(self.next_group)?;
            self.next_group += 1;
            self.left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            for (position, column) in self.columns.iter_mut().enumerate() {
                if column.kind != Kind::Unsupported {
                    column.reader = Some(group.get_column_reader(position)?);
                }
            }
        }
        self.batch = self.left.min(BATCH);
        self.left -= self.batch;
        self.row = 0;
        for column in &mut self.columns {
            column.decode(self.batch)?;
        }
        Ok(true)
    }
}

/// The reader panics on some damaged files, for instance where a length is negative; that is damage like any other.
fn guarded<T>(
    decode: impl FnOnce() -> std::result::Result<T, ParquetError>,
) -> std::result::Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(ParquetError::General("the file contradicts itself".into())))
}

fn damage(place: &Place, error: &ParquetError) -> tsc_core::Error {
    SeriesError::Damaged { place: place.clone(), reason: error.to_string() }.into()
}

fn kind(column: &ColumnDescriptor, durations: &BTreeMap<String, f64>) -> Kind {
    // Nested and repeated columns hold no single value a row.
    if column.max_rep_level() > 0 || column.path().parts().len() > 1 {
        return Kind::Unsupported;
    }
    let calendar = |unit: &TimeUnit| match unit {
        TimeUnit::MILLIS => Kind::Time(1.0, TimeKind::Calendar),
        TimeUnit::MICROS => Kind::Time(1e-3, TimeKind::Calendar),
        TimeUnit::NANOS => Kind::Time(1e-6, TimeKind::Calendar),
    };
    match (column.physical_type(), column.logical_type_ref(), column.converted_type()) {
        (_, Some(LogicalType::Decimal(_) | LogicalType::Time(_) | LogicalType::Float16), _)
        | (_, _, ConvertedType::DECIMAL | ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS) => {
            Kind::Unsupported
        }
        (Type::INT32, Some(LogicalType::Date), _) | (Type::INT32, _, ConvertedType::DATE) => {
            Kind::Time(MS_PER_DAY, TimeKind::Calendar)
        }
        (Type::INT64, Some(LogicalType::Timestamp(time)), _) => calendar(&time.unit),
        (Type::INT64, _, ConvertedType::TIMESTAMP_MILLIS) => calendar(&TimeUnit::MILLIS),
        (Type::INT64, _, ConvertedType::TIMESTAMP_MICROS) => calendar(&TimeUnit::MICROS),
        (Type::INT64, _, ConvertedType::UINT_64) => Kind::Unsupported,
        (Type::INT64, ..) => match durations.get(&column.path().string()) {
            Some(&unit) => Kind::Time(unit, TimeKind::Relative),
            None => Kind::Whole,
        },
        (Type::INT32, _, ConvertedType::UINT_32) => Kind::Unsigned32,
        (Type::BOOLEAN | Type::INT32, ..) => Kind::Whole,
        (Type::INT96, ..) => Kind::Int96,
        (Type::FLOAT | Type::DOUBLE, ..) => Kind::Number,
        (Type::BYTE_ARRAY, ..) => Kind::Text,
        (Type::FIXED_LEN_BYTE_ARRAY, ..) => Kind::Unsupported,
    }
}

impl Column {
    fn decode(&mut self, rows: usize) -> std::result::Result<(), ParquetError> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let places = &mut self.places;
        match (reader, &mut self.values) {
            (ColumnReader::BoolColumnReader(it), Values::Whole(out)) => {
                read(it, rows, places, out, i64::from)
            }
            (ColumnReader::Int32ColumnReader(it), Values::Whole(out)) if self.kind == Kind::Unsigned32 => {
                read(it, rows, places, out, |value| i64::from(value as u32))
            }
            (ColumnReader::Int32ColumnReader(it), Values::Whole(out)) => {
                read(it, rows, places, out, i64::from)
            }
            (ColumnReader::Int64ColumnReader(it), Values::Whole(out)) => {
                read(it, rows, places, out, |value| value)
            }
            (ColumnReader::Int96ColumnReader(it), Values::Whole(out)) => {
                read(it, rows, places, out, |value| value.to_millis())
            }
            (ColumnReader::FloatColumnReader(it), Values::Number(out)) => {
                read(it, rows, places, out, f64::from)
            }
            (ColumnReader::DoubleColumnReader(it), Values::Number(out)) => {
                read(it, rows, places, out, |value| value)
            }
            (ColumnReader::ByteArrayColumnReader(it), Values::Text(out)) => {
                read(it, rows, places, out, |value| value)
            }
            _ => Ok(()),
        }
    }
}

/// Reads `rows` records of a flat column.
fn read<T: DataType, V>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    places: &mut Vec<u32>,
    out: &mut Vec<V>,
    convert: impl Fn(T::T) -> V,
) -> std::result::Result<(), ParquetError> {
    let mut raw: Vec<T::T> = Vec::with_capacity(rows);
    let mut levels: Vec<i16> = Vec::with_capacity(rows);
    let mut read = 0;
    while read < rows {
        let (records, _, _) = reader.read_records(rows - read, Some(&mut levels), None, &mut raw)?;
        if records == 0 {
            return Err(ParquetError::EOF(format!("a column ends after {read} of {rows} rows")));
        }
        read += records;
    }
    places.clear();
    if levels.is_empty() {
        // A required column has no levels.
        places.extend((0..u32::MAX).take(raw.len().min(rows)));
    } else {
        let mut next = 0;
        places.extend(levels.iter().map(|&level| {
            if level == 0 {
                return u32::MAX;
            }
            next += 1;
            next - 1
        }));
    }
    if places.len() < rows {
        return Err(ParquetError::EOF(format!("a column has {} of {rows} rows", places.len())));
    }
    out.clear();
    out.extend(raw.into_iter().map(convert));
    Ok(())
}

impl Rows for ParquetRows {
    fn header(&self) -> &[String] {
        &self.header
    }

    fn file(&self) -> &Place {
        &self.place
    }

    fn line(&self) -> u64 {
        self.number
    }

    fn check(&self, column: usize) -> Result<()> {
        if self.columns[column].kind != Kind::Unsupported {
            return Ok(());
        }
        let descriptor = self.file.metadata().file_metadata().schema_descr().column(column);
        let (place, column) = (self.place.clone(), self.header[column].clone());
        let found = match descriptor.logical_type_ref() {
            Some(logical) => format!("{logical:?}"),
            None => descriptor.physical_type().to_string(),
        };
        Err(SeriesError::ColumnType { place, column, found }.into())
    }

    fn advance(&mut self) -> Result<bool> {
        self.row += 1;
        if self.row >= self.batch {
            match guarded(|| self.next_batch()) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => return Err(damage(&self.place.line(self.number + 1), &error)),
            }
        }
        self.number += 1;
        Ok(true)
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        let column = &self.columns[column];
        let Some(&place) = column.places.get(self.row).filter(|&&place| place != u32::MAX) else {
            return Cell::Missing;
        };
        let place = place as usize;
        // A damaged file may have fewer values than it says.
        match &column.values {
            Values::Text(values) => values.get(place).map_or(Cell::Missing, |value| Cell::Text(value.data())),
            Values::Number(values) => values.get(place).map_or(Cell::Missing, |&value| Cell::Number(value)),
            Values::Whole(values) => match (values.get(place), column.kind) {
                (None, _) => Cell::Missing,
                (Some(&value), Kind::Time(unit, kind)) => {
                    Cell::Time((value as f64 * unit).round() as i64, kind)
                }
                (Some(&value), Kind::Int96) => Cell::Time(value, TimeKind::Calendar),
                (Some(&value), _) => Cell::Whole(value),
            },
        }
    }
}
