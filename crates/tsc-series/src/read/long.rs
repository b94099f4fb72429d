//! One row per value: patient, time, variable, value.

use std::fs::File;
use std::io::{BufReader, Read};

use tsc_core::Result;

use super::archive;
use super::cell;
use super::delimited::Delimited;
use super::{Source, TableSpec};
use crate::builder::SeriesTableBuilder;
use crate::error::{Place, SeriesError};

pub(crate) fn read(
    source: Source<'_>,
    spec: &TableSpec,
    builder: &mut SeriesTableBuilder,
) -> Result<(String, Vec<String>)> {
    let (name, input, packed): (String, Box<dyn Read + '_>, u64) = match source {
        Source::Bytes { name, bytes } => (name.into(), Box::new(bytes), bytes.len() as u64),
        Source::Path(path) => {
            let name = super::file_name(path);
            let place = Place::file(&name);
            let unreadable = |error: std::io::Error| SeriesError::Unreadable {
                place: place.clone(),
                reason: error.to_string(),
            };
            let file = File::open(path).map_err(unreadable)?;
            let data = file.metadata().map_err(unreadable)?;
            if data.is_dir() {
                let expected = "one delimited file";
                return Err(SeriesError::NoInput { place, found: "a folder".into(), expected }.into());
            }
            (name, Box::new(BufReader::with_capacity(1 << 16, file)), data.len())
        }
    };
    let place = Place::file(&name);
    let unmapped = if name.ends_with(".gz") {
        rows(archive::unpack(input, packed, &spec.limits, &place)?, spec, builder, place)?
    } else {
        rows(input, spec, builder, place)?
    };
    Ok((name, unmapped))
}

fn rows<R: Read>(
    input: R,
    spec: &TableSpec,
    builder: &mut SeriesTableBuilder,
    place: Place,
) -> Result<Vec<String>> {
    let mut file = Delimited::new(input, spec.delimiter as u8, place)?;
    let map = &spec.columns;
    let (patient, time) = (file.column(&map.patient)?, file.column(&map.time)?);
    let (variable, value) = (file.column(&map.variable)?, file.column(&map.value)?);
    while file.next()? {
        let when = spec.time.parse(file.text(time)?);
        let number = cell::number(file.text(value)?);
        builder.push_row(file.text(patient)?.trim(), when, file.text(variable)?.trim(), number);
    }
    let mapped = [patient, time, variable, value];
    let rest = file.header().iter().enumerate().filter(|(column, _)| !mapped.contains(column));
    Ok(rest.map(|(_, name)| name.clone()).collect())
}
