//! One file of rows, opened.

use std::fs::File;
use std::io::Read;

use tsc_core::Result;

use super::archive;
use super::delimited::Delimited;
#[cfg(feature = "parquet")]
use super::parquet::ParquetRows;
use super::{Source, TableSpec, file_name};
use crate::error::{Place, SeriesError};

pub(crate) enum Input<'a> {
    Delimited(Delimited<'a>),
    #[cfg(feature = "parquet")]
    Parquet(ParquetRows),
}

/// Opens a file by its suffix: Parquet, gzip, or delimited text.
pub(crate) fn open<'a>(source: Source<'a>, spec: &TableSpec) -> Result<Input<'a>> {
    let (name, input, packed): (String, Box<dyn Read + 'a>, u64) = match source {
        Source::Bytes { name, bytes } => (name.into(), Box::new(bytes), bytes.len() as u64),
        Source::Path(path) => {
            let name = file_name(path);
            let place = Place::file(&name);
            let unreadable = |error: std::io::Error| SeriesError::Unreadable {
                place: place.clone(),
                reason: error.to_string(),
            };
            let file = File::open(path).map_err(unreadable)?;
            let data = file.metadata().map_err(unreadable)?;
            if data.is_dir() {
                let expected = "one file of rows";
                return Err(SeriesError::NoInput { place, found: "a folder".into(), expected }.into());
            }
            (name, Box::new(file), data.len())
        }
    };
    let place = Place::file(&name);
    if name.ends_with(".parquet") {
        return parquet(source, place, spec);
    }
    let input = if name.ends_with(".gz") {
        Box::new(archive::unpack(input, packed, &spec.limits, &place)?)
    } else {
        input
    };
    let delimiter = spec.delimiter as u8;
    Ok(Input::Delimited(Delimited::new(input, delimiter, spec.limits.entry_bytes, place)?))
}

#[cfg(feature = "parquet")]
fn parquet<'a>(source: Source<'a>, place: Place, spec: &TableSpec) -> Result<Input<'a>> {
    Ok(Input::Parquet(ParquetRows::open(source, place, &spec.limits)?))
}

#[cfg(not(feature = "parquet"))]
fn parquet<'a>(_: Source<'a>, place: Place, _: &TableSpec) -> Result<Input<'a>> {
    let reason = "this build reads no Parquet; enable the feature `parquet` or write the table as CSV".into();
    Err(SeriesError::Unreadable { place, reason }.into())
}
