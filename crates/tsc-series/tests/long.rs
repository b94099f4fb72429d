//! Reading long delimited files: mapping, counting, structural faults.
#![allow(clippy::unwrap_used, reason = "the helpers of a test file are tests too")]

use proptest::prelude::*;
use tsc_core::Result;
use tsc_series::{
    ColumnMap, PatientIx, Reason, SeriesTable, Source, TableSpec, TimeFormat, TimeKind, VariableSpec,
    VariableTable,
};

fn read_with(text: impl AsRef<[u8]>, spec: &TableSpec) -> Result<SeriesTable> {
    SeriesTable::read(Source::Bytes { name: "ward.csv", bytes: text.as_ref() }, spec)
}

fn lenient() -> TableSpec {
    TableSpec { max_rejected_ratio: 1.0, ..TableSpec::default() }
}

#[track_caller]
fn check_error(text: impl AsRef<[u8]>, spec: &TableSpec, code: &str, message: &str) {
    let error = read_with(text, spec).expect_err("the input has a structural fault");
    assert_eq!((error.code(), error.to_string().as_str()), (code, message));
}

/// S-03, S-07: names are mapped, order of columns is free, the rest is listed.
#[test]
fn columns_are_mapped_by_name_and_the_rest_is_listed() {
    let columns = ColumnMap {
        patient: "stay".into(),
        time: "when".into(),
        variable: "what".into(),
        value: "how much".into(),
        ..ColumnMap::default()
    };
    let spec = TableSpec { columns, delimiter: ';', time: TimeFormat::Minutes, ..TableSpec::default() };
    let text = "\u{feff}what;how much;nurse;stay;when\r\nHR;80;x;\"A;1\";90\r\n";
    let table = read_with(text, &spec).unwrap();
    assert_eq!(table.patients(), ["A;1"]);
    assert_eq!(table.series(PatientIx(0), table.variable("HR").unwrap()), (&[5_400_000][..], &[80.0][..]));
    assert_eq!(table.quality().unmapped_columns, ["nurse"]);
}

/// S-04: identifiers are strings, whatever they look like.
#[test]
fn identifiers_stay_what_they_are() {
    let text = "patient,time,variable,value\n1E10,0,HR,80\n007,0,HR,80\n7,0,HR,80\n8J094,0,HR,80\n";
    let table = read_with(text, &TableSpec::default()).unwrap();
    assert_eq!(table.patients(), ["1E10", "007", "7", "8J094"]);
}

/// S-25: what cannot be used is counted by reason and variable, with the first row.
#[test]
fn cell_faults_are_counted_by_reason_and_variable() {
    let text = "patient,time,variable,value\n\
        A,0,HR,80\nA,x,HR,81\nA,1,HR,high\nA,2,HR,NA\nA,3,HR,0\nA,4,HR,350\n,5,HR,80\nA,6,Mood,3\nA,0,HR,82\n\
        A,0,Age,54\nA,1,Age,55\nA,,Length_of_stay,-1\n";
    let table = read_with(text, &lenient()).unwrap();
    let quality = table.quality();
    let found: Vec<_> =
        quality.counts.iter().map(|c| (c.reason, c.variable.as_str(), c.count, c.first_row)).collect();
    assert_eq!(
        found,
        [
            (Reason::Sentinel, "Length_of_stay", 1, 12),
            (Reason::Unparsable, "HR", 1, 3),
            (Reason::NonFinite, "HR", 1, 4),
            (Reason::OutOfRange, "HR", 1, 5),
            (Reason::Clamped, "HR", 1, 6),
            (Reason::UnknownVariable, "Mood", 1, 8),
            (Reason::Repeat, "Age", 1, 11),
            (Reason::Repeat, "HR", 1, 1),
            (Reason::NoPatient, "HR", 1, 7),
            (Reason::NoTime, "HR", 1, 2),
        ]
    );
    // Of one time the last in row order stays (82), of statics the first (54): S-09.
    assert_eq!(
        table.series(PatientIx(0), table.variable("HR").unwrap()),
        (&[0, 14_400_000][..], &[82.0, 300.0][..])
    );
    assert_eq!(table.fixed(PatientIx(0), table.variable("Age").unwrap()), Some(54.0));
    assert_eq!((quality.rows.read, quality.rows.used, quality.rows.rejected), (11, 3, 8));
    assert_eq!((quality.outcomes.read, quality.outcomes.used, quality.outcomes.rejected), (1, 0, 1));
    assert_eq!(quality.conflicting_repeats.get("HR"), Some(&1));
    let hr = quality.coverage.iter().find(|c| c.variable == "HR").unwrap();
    assert_eq!(
        (hr.patients, hr.values, hr.min, hr.median, hr.max),
        (1, 2, Some(82.0), Some(191.0), Some(300.0))
    );
}

#[test]
fn a_quality_report_survives_json() {
    let table = read_with("patient,time,variable,value\nA,0,HR,80\nA,0,HR,0\n", &lenient()).unwrap();
    let json = serde_json::to_string(table.quality()).unwrap();
    assert_eq!(&serde_json::from_str::<tsc_series::QualityReport>(&json).unwrap(), table.quality());
}

#[test]
fn too_many_unreadable_cells_are_an_error_with_examples() {
    let rows = |bad: usize| {
        let row = |i: usize| format!("A,{i},HR,{}\n", if i < bad { "?" } else { "80" });
        format!("patient,time,variable,value\n{}", (0..100).map(row).collect::<String>())
    };
    assert!(read_with(rows(5), &TableSpec::default()).is_ok());
    check_error(
        rows(6),
        &TableSpec::default(),
        "TSC-DAT-110",
        "6 of 100 rows could not be read, more than the share 0.05 allows; Unparsable in \"HR\" 6 times, first in row 1",
    );
    // A value out of range is a fact about the measurement, not a fault of the file.
    let impossible = "patient,time,variable,value\nA,0,HR,0\nA,1,HR,0\n";
    assert!(read_with(impossible, &TableSpec { max_rejected_ratio: 0.0, ..TableSpec::default() }).is_ok());
}

/// S-26.
#[test]
fn structural_faults_name_file_line_and_text() {
    let spec = TableSpec::default();
    check_error(
        "patient,time,variable,valeu\nA,0,HR,80\n",
        &spec,
        "TSC-DAT-105",
        "ward.csv has no column \"value\", the nearest is \"valeu\"",
    );
    check_error("", &spec, "TSC-DAT-105", "ward.csv has no column \"patient\", the nearest is \"\"");
    check_error("patient,time,variable,value\n", &spec, "TSC-DAT-109", "ward.csv holds no patient");
    check_error(
        "patient,time,variable,value\nA,0,HR,80\nA,1,HR,80,90\n",
        &spec,
        "TSC-DAT-106",
        "ward.csv, line 3 has 5 fields, the header has 4: \"A,1,HR,80,90\"",
    );
    check_error(
        b"patient,time,variable,value\nA,0,HR,80\nB\xfe,0,HR,80\n",
        &spec,
        "TSC-DAT-107",
        "ward.csv, line 3, column patient is not UTF-8: \"B\u{fffd}\"",
    );
}

#[test]
fn settings_out_of_bounds_are_refused() {
    let text = "patient,time,variable,value\nA,0,HR,80\n";
    check_error(
        text,
        &TableSpec { delimiter: '"', ..TableSpec::default() },
        "TSC-DAT-117",
        "delimiter is '\"', must be a tab, or one ASCII character that is no quote, letter or digit",
    );
    check_error(
        text,
        &TableSpec { max_rejected_ratio: 1.5, ..TableSpec::default() },
        "TSC-DAT-117",
        "max_rejected_ratio is 1.5, must be in 0..=1",
    );
}

#[cfg(feature = "archive")]
#[test]
fn a_gzip_file_reads_like_the_plain_one() {
    use std::io::Write;
    let text = "patient,time,variable,value\nA,0,HR,80\n";
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let source = Source::Bytes { name: "ward.csv.gz", bytes: &packed };
    let spec = TableSpec::default();
    assert_eq!(SeriesTable::read(source, &spec).unwrap(), read_with(text, &spec).unwrap());
    let cut = Source::Bytes { name: "ward.csv.gz", bytes: &packed[..packed.len() - 9] };
    assert_eq!(SeriesTable::read(cut, &spec).unwrap_err().code(), "TSC-DAT-103");
}

#[test]
fn a_variable_table_from_toml_decides_what_is_read() {
    let own = r#"
        max_rejected_ratio = 1.0
        columns = { patient = "id" }
        variables = [{ name = "CRP", unit = "mg/L", outlier = [0, 600], valid = [0, 500] }]
    "#;
    let spec: TableSpec = toml::from_str(own).unwrap();
    let table = read_with("id,time,variable,value\nA,0,CRP,550\nA,0,HR,80\n", &spec).unwrap();
    assert_eq!(table.series(PatientIx(0), table.variable("CRP").unwrap()).1, [500.0]);
    assert_eq!(table.quality().count_of(Reason::UnknownVariable, "HR"), 1);
    assert!(toml::from_str::<TableSpec>("format = \"tall\"").is_err());
}

#[test]
fn a_variable_table_with_a_broken_rule_is_refused_by_name() {
    let check = |text: &str, message: &str| {
        let error = VariableTable::from_toml(text).unwrap_err();
        assert_eq!((error.code(), error.to_string().contains(message)), ("TSC-DAT-111", true), "{error}");
    };
    check("variables = [{ name = \"a b\" }]", "name \"a b\" must be letters");
    check("variables = [{ name = \"A\" }, { name = \"A\" }]", "name A is used twice");
    check("variables = [{ name = \"A\", outlier = [2, 1] }]", "A.outlier is [2, 1], must be two rising");
    check(
        "variables = [{ name = \"A\", outlier = [0, 1], valid = [0, 2] }]",
        "A.valid is [0, 2], must lie inside",
    );
    check("variables = [{ name = \"A\", sentinels = [nan] }]", "A.sentinels holds NaN");
    check("variables = [{ name = \"A\", unti = \"x\" }]", "unti");
    let changed = VariableTable::icu().with(vec![VariableSpec::new("HR"), VariableSpec::new("CRP")]).unwrap();
    assert_eq!((changed.len(), changed.get("HR").unwrap().outlier), (47, None));
}

/// S-06: dates of three lengths; an offset is subtracted. Expected: `datetime.timestamp()` of Python 3.11.
#[test]
fn dates_make_a_calendar_table() {
    let text = "patient,time,variable,value\n\
        A,2024-03,HR,80\nA,2024-03-31,HR,81\nA,2024-03-31T12:30:15.250+01:00,HR,82\nA,1969-12-31 23:59,HR,83\nA,2024-02-30,HR,84\n";
    let spec = TableSpec { time: TimeFormat::Date, ..lenient() };
    let table = read_with(text, &spec).unwrap();
    assert_eq!(table.time_kind(), TimeKind::Calendar);
    assert_eq!(
        table.series(PatientIx(0), table.variable("HR").unwrap()),
        (
            &[-60_000, 1_709_251_200_000, 1_711_843_200_000, 1_711_884_615_250][..],
            &[83.0, 80.0, 81.0, 82.0][..]
        )
    );
    assert_eq!(table.quality().count(Reason::NoTime), 1); // there is no 30 February
}

/// S-10: a suppressed count gives its stand-in and a mark, and is no outcome.
#[test]
fn a_censored_value_is_a_stand_in_with_a_mark() {
    let own = r#"
        variables = [
            { name = "beds", censored = { sentinel = -999999, value = 2 }, outlier = [0, 1000] },
            { name = "covid", role = "outcome", censored = { sentinel = -999999, value = 2 } },
        ]
    "#;
    let spec: TableSpec = toml::from_str(own).unwrap();
    let text = "patient,time,variable,value\nA,0,beds,7\nA,1,beds,-999999\nA,0,covid,-999999\n";
    let table = read_with(text, &spec).unwrap();
    let beds = table.variable("beds").unwrap();
    let hour = 3_600_000;
    assert_eq!(table.series(PatientIx(0), beds), (&[0, hour][..], &[7.0, 2.0][..]));
    assert_eq!(table.censored(PatientIx(0), beds), [hour]);
    let mark = table.variable("beds.censored").unwrap();
    assert_eq!(table.series(PatientIx(0), mark), (&[hour][..], &[1.0][..]));
    assert_eq!(table.fixed(PatientIx(0), table.variable("covid").unwrap()), None);
    assert_eq!(table.quality().count(Reason::Censored), 2);
    assert_eq!((table.quality().rows.used, table.quality().outcomes.rejected), (2, 1));
    // A table of the same variables, companion and all, reads the same.
    let again = TableSpec { variables: table.variables().clone(), ..spec };
    assert_eq!(read_with(text, &again).unwrap(), table);
}

/// An outcome that is told at each time is a series, and never counted as a measurement.
#[test]
fn an_outcome_of_each_time_is_a_series() {
    let own = r#"variables = [{ name = "hours_left", role = "outcome_series" }]"#;
    let spec: TableSpec = toml::from_str(own).unwrap();
    let table =
        read_with("patient,time,variable,value\nA,0,hours_left,5\nA,1,hours_left,4\n", &spec).unwrap();
    let left = table.variable("hours_left").unwrap();
    assert_eq!(table.series(PatientIx(0), left).1, [5.0, 4.0]);
    assert_eq!((table.quality().outcomes.used, table.quality().patients_without_dynamic), (2, 1));
}

proptest! {
    /// S-25: rows read = used + rejected, and the reasons add up, whatever is pushed.
    #[test]
    fn rows_read_are_used_or_rejected(
        rows in prop::collection::vec(
            (0..4usize, -2i64..5, 0..6usize, prop_oneof![Just(f64::NAN), Just(-1.0), -10.0..500.0f64]),
            1..60,
        )
    ) {
        let names = ["HR", "Weight", "Age", "Length_of_stay", "Mood", "MechVent"];
        let mut builder = SeriesTable::builder(VariableTable::icu());
        builder.add_patient("P0");
        for (patient, time, variable, value) in &rows {
            let patient = if *patient == 3 { String::new() } else { format!("P{patient}") };
            builder.push(&patient, *time, names[*variable], *value);
        }
        let table = builder.finish().unwrap();
        let quality = table.quality();
        for tally in [quality.rows, quality.outcomes] {
            prop_assert_eq!(tally.read, tally.used + tally.rejected);
        }
        prop_assert_eq!(quality.rows.read + quality.outcomes.read, rows.len() as u64);
        let rejecting: u64 =
            quality.counts.iter().filter(|c| c.reason != Reason::Clamped).map(|c| c.count).sum();
        prop_assert_eq!(rejecting, quality.rows.rejected + quality.outcomes.rejected);
        let stored: u64 = quality.coverage.iter().map(|c| c.values).sum();
        prop_assert_eq!(stored, quality.rows.used + quality.outcomes.used);
    }

    /// Times of a series rise and are unique, whatever the order of rows (S-09).
    #[test]
    fn series_are_sorted_whatever_the_order_of_rows(times in prop::collection::vec(-50i64..50, 1..40)) {
        let mut builder = SeriesTable::builder(VariableTable::icu());
        for time in &times {
            builder.push("A", *time, "HR", 80.0);
        }
        let table = builder.finish().unwrap();
        let (sorted, _) = table.series(PatientIx(0), table.variable("HR").unwrap());
        let expected: Vec<i64> = times.iter().copied().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        prop_assert_eq!(sorted, expected.as_slice());
    }

    /// S-26: no text and no bytes panic.
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let header = b"patient,time,variable,value\n";
        for text in [bytes.clone(), [header.as_slice(), &bytes].concat()] {
            if let Ok(table) = read_with(&text, &lenient()) {
                prop_assert!(table.n_patients() > 0);
            }
        }
    }

    #[test]
    fn random_rows_never_panic(rows in "([A,0-9:\\-.eHRinfaN\"\n;]{0,12},){3}[0-9.eE+\\-]{0,8}\n") {
        let text = format!("patient,time,variable,value\n{rows}");
        if let Ok(table) = read_with(&text, &lenient()) {
            let tally = table.quality().rows;
            prop_assert_eq!(tally.read, tally.used + tally.rejected);
        }
    }
}
