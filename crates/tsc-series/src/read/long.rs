//! One row per value: patient, time, variable, value.

use std::collections::BTreeMap;

use tsc_core::Result;

use super::TableSpec;
use super::feed::Feed;
use super::rows::{self, Ids, Rows};

/// Reads all rows; returns the columns that nothing maps to.
pub(crate) fn read(mut rows: impl Rows, spec: &TableSpec, feed: &mut Feed<'_>) -> Result<Vec<String>> {
    let map = &spec.columns;
    let mut ids = Ids::new(&rows, &map.patient.0)?;
    let time = rows::column(&rows, &map.time)?;
    let (variable, value) = (rows::column(&rows, &map.variable)?, rows::column(&rows, &map.value)?);
    let optional = |name: &Option<String>| name.as_ref().map(|name| rows::column(&rows, name)).transpose();
    let (person, unit, day) = (optional(&map.person)?, optional(&map.unit)?, optional(&map.day)?);
    let codes = Codes(&spec.codes);
    let mut scratch = Vec::new();
    let id_column = ids.columns()[0];
    while rows.advance()? {
        let id = ids.of(&rows);
        if !feed.builder.is_current(id) {
            feed.begin(rows::utf8(&rows, id_column, id)?, || rows::place(&rows))?;
        }
        if let Some(person) = person {
            let name = rows::text(&rows, person, &mut scratch);
            feed.builder.set_person(rows::utf8(&rows, person, name)?);
        }
        let name = rows::text(&rows, variable, &mut scratch);
        let Some(known) = feed.builder.variable(codes.of(name)) else {
            feed.builder.add_unknown(rows::utf8(&rows, variable, name)?);
            continue;
        };
        let when = match day {
            Some(day) if rows::is_missing(&rows, time) => rows::time(&rows, day, spec.time)?,
            _ => rows::time(&rows, time, spec.time)?,
        };
        let mut number = rows::value(&rows, value, &feed.builder, known)?;
        if let Some(unit) = unit {
            let name = rows::text(&rows, unit, &mut scratch);
            number = number.and_then(|number| feed.builder.in_unit(known, codes.of(name), number));
        }
        feed.builder.add(known, when, number);
    }
    let mut mapped = vec![time, variable, value];
    mapped.extend(ids.columns());
    mapped.extend([person, unit, day].into_iter().flatten());
    Ok(rows::unmapped(&rows, &mapped))
}

/// Names of the codes that stand in a file.
struct Codes<'a>(&'a BTreeMap<String, String>);

impl Codes<'_> {
    #[inline]
    fn of<'b>(&'b self, code: &'b [u8]) -> &'b [u8] {
        if self.0.is_empty() {
            return code;
        }
        let name = std::str::from_utf8(code).ok().and_then(|code| self.0.get(code));
        name.map_or(code, |name| name.as_bytes())
    }
}
