//! One row per patient and time, one column per variable.

use tsc_core::Result;

use super::TableSpec;
use super::feed::Feed;
use super::rows::{self, Ids, Rows};
use crate::error::SeriesError;
use crate::quality::Reason;
use crate::variables::{Role, VariableSpec, VariableTable};

/// Which variables a file holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    Dynamic,
    Static,
    Outcome,
}

impl Part {
    fn holds(self, role: Role) -> bool {
        match self {
            Part::All => true,
            Part::Dynamic => role == Role::Dynamic,
            Part::Static => role.is_static(),
            Part::Outcome => role.is_outcome(),
        }
    }
}

/// The variables of a file that declares none: every column but those of patient, person and time, dynamic.
pub(crate) fn variables(rows: &impl Rows, spec: &TableSpec) -> Result<VariableTable> {
    let map = &spec.columns;
    let is_key = |name: &String| {
        map.patient.0.contains(name) || *name == map.time || map.person.as_ref() == Some(name)
    };
    VariableTable::new(rows.header().iter().filter(|name| !is_key(name)).map(VariableSpec::new).collect())
}

/// Reads all rows; returns the columns that nothing maps to.
///
/// A missing cell is no row: it was never measured. A static value that is repeated unchanged is read once.
pub(crate) fn read(
    mut rows: impl Rows,
    spec: &TableSpec,
    part: Part,
    feed: &mut Feed<'_>,
) -> Result<Vec<String>> {
    let map = &spec.columns;
    let mut ids = Ids::new(&rows, &map.patient.0)?;
    let person = map.person.as_ref().map(|name| rows::column(&rows, name)).transpose()?;
    let mut columns = Vec::new();
    let mut needs_time = false;
    for (variable, it) in (0u32..).zip(feed.builder.variables().as_slice()) {
        let name = it.input_name();
        if !part.holds(it.role) || !feed.builder.is_read(variable) {
            continue;
        }
        // Outcomes are not there yet when patients are scored.
        let is_optional = it.role.is_outcome() && part == Part::All;
        match rows::find(&rows, name)? {
            None if is_optional => continue,
            None => columns.push((rows::column(&rows, name)?, variable, it.role)),
            Some(column) => columns.push((column, variable, it.role)),
        }
        needs_time |= !matches!(it.role, Role::Static | Role::Outcome);
    }
    let time = if needs_time { Some(rows::column(&rows, &map.time)?) } else { rows::find(&rows, &map.time)? };
    let mut scratch = Vec::new();
    let id_column = ids.columns()[0];
    while rows.advance()? {
        let id = ids.of(&rows);
        let mut is_elsewhere = false;
        if !feed.builder.is_current(id) {
            let id = rows::utf8(&rows, id_column, id)?;
            is_elsewhere = part == Part::Outcome && !id.is_empty() && !feed.holds(id);
            if !is_elsewhere {
                feed.begin(id, || rows::place(&rows))?;
            }
        }
        if let Some(person) = person {
            let name = rows::text(&rows, person, &mut scratch);
            feed.builder.set_person(rows::utf8(&rows, person, name)?);
        }
        let when = match time {
            Some(time) => rows::time(&rows, time, spec.time)?,
            None => None,
        };
        for &(column, variable, role) in &columns {
            if rows::is_missing(&rows, column) {
                continue;
            }
            if is_elsewhere {
                feed.builder.reject_outcome(Reason::NoPatient, variable);
                continue;
            }
            let value = rows::value(&rows, column, &feed.builder, variable)?;
            match role {
                Role::Static | Role::Outcome => feed.builder.add_once(variable, value),
                _ => feed.builder.add(variable, when, value),
            }
        }
    }
    let mut mapped: Vec<usize> = columns.iter().map(|(column, ..)| *column).collect();
    mapped.extend(ids.columns());
    mapped.extend(time);
    mapped.extend(person);
    Ok(rows::unmapped(&rows, &mapped))
}

/// Reads a file with a column of times and one column per patient, all of one variable.
pub(crate) fn read_panel(mut rows: impl Rows, spec: &TableSpec, feed: &mut Feed<'_>) -> Result<Vec<String>> {
    let time = rows::column(&rows, &spec.columns.time)?;
    let dynamic: Vec<u32> = (0u32..)
        .zip(feed.builder.variables().as_slice())
        .filter(|(_, it)| it.role == Role::Dynamic)
        .map(|(variable, _)| variable)
        .filter(|&variable| feed.builder.is_read(variable))
        .collect();
    let [variable] = dynamic[..] else {
        let reason = format!("a wide_panel is of one dynamic variable, the table has {}", dynamic.len());
        return Err(SeriesError::Variables { reason }.into());
    };
    let series: Vec<(usize, String)> =
        rows.header().iter().cloned().enumerate().filter(|(column, _)| *column != time).collect();
    for (_, name) in &series {
        feed.begin(name, || rows.file().clone())?;
    }
    while rows.advance()? {
        let when = rows::time(&rows, time, spec.time)?;
        for (column, name) in &series {
            if rows::is_missing(&rows, *column) {
                continue;
            }
            let value = rows::value(&rows, *column, &feed.builder, variable)?;
            feed.builder.begin(name);
            feed.builder.add(variable, when, value);
        }
    }
    Ok(Vec::new())
}
