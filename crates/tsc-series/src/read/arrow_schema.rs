//! Units of Arrow durations: Parquet has no such type, so writers keep them in a copy of the Arrow schema.

use std::collections::BTreeMap;

/// Position of `Duration` in the union of Arrow types, and the fields read here, in the order of Schema.fbs.
const DURATION: u8 = 18;
const MESSAGE_HEADER: usize = 2;
const SCHEMA_FIELDS: usize = 1;
const FIELD_NAME: usize = 0;
const FIELD_TYPE_KIND: usize = 2;
const FIELD_TYPE: usize = 3;
const DURATION_UNIT: usize = 0;

/// Milliseconds of one unit, by column, from the text under the key `ARROW:schema`.
///
/// A text that is no such schema has no durations: the declared unit of time holds then.
pub(crate) fn duration_units(text: &str) -> BTreeMap<String, f64> {
    base64(text).and_then(|bytes| durations(&bytes)).unwrap_or_default()
}

fn durations(bytes: &[u8]) -> Option<BTreeMap<String, f64>> {
    // An encapsulated message: a marker (since version 0.15), a length, then the flat buffer.
    let start = if bytes.starts_with(&[0xff; 4]) { 8 } else { 4 };
    let buffer = Buffer(bytes.get(start..)?);
    let message = buffer.offset(0)?;
    let schema = buffer.table(message, MESSAGE_HEADER)?;
    let fields = buffer.table(schema, SCHEMA_FIELDS)?;
    let mut units = BTreeMap::new();
    for position in 0..buffer.number(fields)? {
        let field = buffer.offset(fields.checked_add(4)?.checked_add(position.checked_mul(4)?)?)?;
        let Some(kind) = buffer.field(field, FIELD_TYPE_KIND)? else { continue };
        if *buffer.0.get(kind)? != DURATION {
            continue;
        }
        let name = buffer.table(field, FIELD_NAME)?;
        let text = buffer.0.get(name + 4..)?.get(..buffer.number(name)?)?;
        let unit = match buffer.field(buffer.table(field, FIELD_TYPE)?, DURATION_UNIT)? {
            Some(at) => *buffer.0.get(at)?,
            // The default of the schema: milliseconds.
            None => 1,
        };
        let unit_ms = [1_000.0, 1.0, 1e-3, 1e-6].get(usize::from(unit))?;
        units.insert(std::str::from_utf8(text).ok()?.to_string(), *unit_ms);
    }
    Some(units)
}

/// A flat buffer; every access is checked.
struct Buffer<'a>(&'a [u8]);

impl Buffer<'_> {
    fn number(&self, at: usize) -> Option<usize> {
        let bytes = self.0.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    }

    /// Where an offset at `at` points to.
    fn offset(&self, at: usize) -> Option<usize> {
        at.checked_add(self.number(at)?).filter(|&to| to < self.0.len())
    }

    /// Where a field of a table is; `Some(None)` if it has its default.
    fn field(&self, table: usize, field: usize) -> Option<Option<usize>> {
        let back = i32::from_le_bytes(self.0.get(table..table.checked_add(4)?)?.try_into().ok()?);
        let vtable = usize::try_from(i64::try_from(table).ok()? - i64::from(back)).ok()?;
        let short = |at: usize| {
            let bytes = self.0.get(at..at.checked_add(2)?)?;
            Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)))
        };
        let entry = 4 + 2 * field;
        if entry + 2 > short(vtable)? {
            return Some(None);
        }
        match short(vtable.checked_add(entry)?)? {
            0 => Some(None),
            inside => Some(Some(table.checked_add(inside)?)),
        }
    }

    /// Where the table, vector or text of a field begins.
    fn table(&self, table: usize, field: usize) -> Option<usize> {
        self.offset(self.field(table, field)??)
    }
}

/// RFC 4648, with or without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written by pyarrow 25.0.1: `base64(pyarrow.schema([...]).serialize())`.
    const SCHEMA: &str = "/////7ABAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAgAAABMAQAADAEAAOAAAAC0AAAAiAAAAFwAAAAwAAAABAAAAOT+//8AAAEFEAAAABgAAAAEAAAAAAAAAAQAAABuYW1lAAAAAGT///8M////AAABEhAAAAAUAAAABAAAAAAAAAACAAAAbnMAADr///8AAAMANP///wAAARIQAAAAFAAAAAQAAAAAAAAAAgAAAHVzAABi////AAACAFz///8AAAEKEAAAABQAAAAEAAAAAAAAAAEAAAB0AAAAiv///wAAAgCE////AAABEhAAAAAYAAAABAAAAAAAAAACAAAAbXMAAAQABAAEAAAArP///wAAAQMQAAAAFAAAAAQAAAAAAAAAAQAAAHgAAADa////AAACANT///8AAAESEAAAABgAAAAEAAAAAAAAAAEAAABzAAYACAAGAAYAAAAAAAAAEAAUAAgABgAHAAwAAAAQABAAAAAAAAECEAAAABwAAAAEAAAAAAAAAAIAAABpZAAACAAMAAgABwAIAAAAAAAAASAAAAA=";

    #[test]
    fn units_of_durations_are_read_and_other_types_passed_over() {
        let expected = [("ms", 1.0), ("ns", 1e-6), ("s", 1_000.0), ("us", 1e-3)];
        let expected: BTreeMap<String, f64> =
            expected.into_iter().map(|(name, unit)| (name.to_string(), unit)).collect();
        assert_eq!(duration_units(SCHEMA), expected);
    }

    #[test]
    fn what_is_no_schema_has_no_durations() {
        for text in ["", "====", "%", "AAAA", "/////wAAAAA"] {
            assert!(duration_units(text).is_empty(), "{text:?}");
        }
    }

    proptest! {
        /// S-26: no bytes panic.
        #[test]
        fn a_damaged_schema_never_panics(at in 0..SCHEMA.len(), byte in prop::sample::select(b"A/+9z".to_vec())) {
            let mut text = SCHEMA.as_bytes().to_vec();
            text[at] = byte;
            duration_units(std::str::from_utf8(&text).unwrap());
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            durations(&bytes);
        }
    }
}
