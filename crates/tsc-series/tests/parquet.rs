//! Reading Parquet: the files of `golden/parquet.py`, written by pyarrow 25.0.1.
#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used, reason = "the helpers of a test file are tests too")]

use proptest::prelude::*;
use tsc_core::Result;
use tsc_series::{PatientIx, Reason, SeriesTable, Source, TableSpec, TimeKind};

const WIDE: &[u8] = include_bytes!("golden/wide.parquet");
const WIDE_V2: &[u8] = include_bytes!("golden/wide_v2.parquet");
const WIDE_ZSTD: &[u8] = include_bytes!("golden/wide_zstd.parquet");
const LONG: &[u8] = include_bytes!("golden/long.parquet");

fn read(bytes: &[u8], toml: &str) -> Result<SeriesTable> {
    let source = Source::Bytes { name: "cohort.parquet", bytes };
    SeriesTable::read(source, &TableSpec::from_toml(toml)?)
}

fn wide(time: &str, format: &str) -> String {
    format!(
        r#"
        format = "wide"
        columns = {{ patient = "stay", time = "{time}" }}
        time = "{format}"
        variables = [
            {{ name = "hr" }}, {{ name = "temp" }}, {{ name = "gcs" }}, {{ name = "vent" }},
            {{ name = "sex", role = "static", categories = {{ Male = 1, Female = 0 }} }},
        ]
        "#
    )
}

/// S-06: a duration tells its unit itself, whatever is declared for plain numbers.
#[test]
fn every_type_is_read_as_pyarrow_wrote_it() {
    for bytes in [WIDE, WIDE_V2] {
        let table = read(bytes, &wide("since", "hours")).unwrap();
        let series = |patient: usize, name: &str| {
            let (times, values) = table.series(PatientIx(patient), table.variable(name).unwrap());
            (times.to_vec(), values.to_vec())
        };
        assert_eq!(table.patients(), ["7", "9"]);
        assert_eq!(table.time_kind(), TimeKind::Relative);
        assert_eq!(series(0, "hr"), (vec![0, 180_000], vec![80.0, 82.5]));
        assert_eq!(series(1, "hr"), (vec![0], vec![90.0]));
        assert_eq!(series(1, "temp"), (vec![0, 1_500], vec![38.25, 39.0]));
        assert_eq!(series(0, "gcs").1, [15.0, 14.0, 13.0]);
        assert_eq!(series(0, "vent").1, [1.0, 0.0, 1.0]);
        let sex = table.variable("sex").unwrap();
        assert_eq!((table.fixed(PatientIx(0), sex), table.fixed(PatientIx(1), sex)), (Some(1.0), Some(0.0)));
        // A missing cell is no row, and a repeated static value is read once.
        assert_eq!((table.quality().rows.read, table.quality().rows.rejected), (3 + 4 + 4 + 4 + 2, 0));
        assert_eq!(table.quality().unmapped_columns, ["when", "day", "hours", "cost"]);
    }
}

#[test]
fn times_are_numbers_timestamps_or_dates() {
    let table = read(WIDE, &wide("hours", "hours")).unwrap();
    assert_eq!(table.series(PatientIx(1), table.variable("gcs").unwrap()).0, [7_200_000]);
    // Python: datetime(2024, 3, 31, 12, 30, 15, 250000, tzinfo=utc).timestamp(), and of 2024-02-29.
    for (column, expected) in [("when", 1_711_888_215_250), ("day", 1_709_164_800_000)] {
        let table = read(WIDE, &wide(column, "date")).unwrap();
        assert_eq!(table.time_kind(), TimeKind::Calendar);
        assert_eq!(table.series(PatientIx(0), table.variable("hr").unwrap()).0, [expected], "{column}");
    }
}

/// S-26.
#[test]
fn structural_faults_name_file_column_and_type() {
    let check = |bytes: &[u8], toml: &str, code: &str, message: &str| {
        let error = read(bytes, toml).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (code, message));
    };
    check(
        WIDE,
        &wide("when", "hours"),
        "TSC-DAT-130",
        "cohort.parquet, line 1: the time \"1711888215250\" does not count since admission as the other times do",
    );
    check(
        WIDE,
        "format = \"wide\"\ncolumns = { patient = \"stay\", time = \"since\" }\nvariables = [{ name = \"cost\" }]",
        "TSC-DAT-133",
        "cohort.parquet, column cost is of type Decimal(DecimalType { scale: 2, precision: 10 }), \
         expected numbers, texts, dates or times",
    );
    check(
        WIDE,
        "format = \"wide\"\ncolumns = { patient = \"stay_id\", time = \"since\" }",
        "TSC-DAT-105",
        "cohort.parquet has no column \"stay_id\", the nearest is \"stay\"",
    );
    let packed = read(WIDE_ZSTD, &wide("since", "hours")).unwrap_err();
    assert_eq!(packed.code(), "TSC-DAT-103");
    assert!(packed.to_string().contains("zstd"), "{packed}");
    let error = read(b"PAR1", &wide("since", "hours")).unwrap_err();
    assert_eq!(error.code(), "TSC-DAT-103");
}

#[test]
fn a_long_table_is_read_in_batches() {
    let table = read(LONG, "max_rejected_ratio = 0.1").unwrap();
    assert_eq!((table.n_patients(), table.n_values()), (100, 4_500));
    assert_eq!(table.quality().count(Reason::NonFinite), 500);
    // Row 4,998: patient P99, hour 48, HR 60 + 4998 % 7.
    let last = table.series(PatientIx(99), table.variable("HR").unwrap());
    assert_eq!((last.0.last(), last.1.last()), (Some(&(48 * 3_600_000)), Some(&60.0)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// S-26: a damaged or cut file is an error or other values, never a panic.
    #[test]
    fn damage_never_panics(at in 0..WIDE.len(), byte in any::<u8>(), keep in 0..WIDE.len()) {
        let mut bytes = WIDE.to_vec();
        bytes[at] = byte;
        if let Ok(table) = read(&bytes, &wide("since", "hours")) {
            prop_assert!(table.n_patients() > 0);
        }
        if let Ok(table) = read(&WIDE[..keep], &wide("since", "hours")) {
            prop_assert!(table.n_patients() > 0);
        }
    }
}
