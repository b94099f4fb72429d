//! Reading wide tables and panels, units, categories, and files with one fault each.
#![allow(clippy::unwrap_used, reason = "the helpers of a test file are tests too")]

use proptest::prelude::*;
use tsc_core::Result;
use tsc_series::{PatientIx, QualityWarning, Reason, SeriesTable, Source, TableSpec, TimeKind};

fn read(text: impl AsRef<[u8]>, toml: &str) -> Result<SeriesTable> {
    let source = Source::Bytes { name: "ward.csv", bytes: text.as_ref() };
    SeriesTable::read(source, &TableSpec::from_toml(toml)?)
}

fn values(table: &SeriesTable, patient: &str, variable: &str) -> Vec<f64> {
    table.series(table.patient(patient).unwrap(), table.variable(variable).unwrap()).1.to_vec()
}

fn fixed(table: &SeriesTable, patient: &str, variable: &str) -> Option<f64> {
    table.fixed(table.patient(patient).unwrap(), table.variable(variable).unwrap())
}

#[track_caller]
fn check_error(text: impl AsRef<[u8]>, toml: &str, code: &str, message: &str) {
    let error = read(text, toml).expect_err("the input has a structural fault");
    assert_eq!((error.code(), error.to_string().as_str()), (code, message));
}

const WIDE: &str = "format = \"wide\"\n";

/// S-03, S-04: composite ids are joined, static values and outcomes are columns, an empty cell is no row.
#[test]
fn a_wide_table_has_series_statics_and_outcomes() {
    let toml = r#"
        format = "wide"
        columns = { patient = ["org", "ward"], time = "hour" }
        delimiter = ";"
        variables = [
            { name = "HR", column = "heart rate", outlier = [1, 390] },
            { name = "Sex", role = "static", categories = { Male = 1, Female = 0 } },
            { name = "Weight", role = "static_and_dynamic" },
            { name = "left", role = "outcome_series" },
            { name = "died", role = "outcome" },
        ]
    "#;
    let text = "\u{feff}org;ward;hour;heart rate;Sex;Weight;left;died;note\r\n\
        8J094;1;0;80;Male;70;9;0;a\r\n\
        8J094;1;1;;Male;71;8;0;\"b;c\"\r\n\
        1E10;2;0;400;Female;;7;1;\r\n\
        1E10;2;1;NA;Female;;6;1;\r\n";
    let table = read(text, toml).unwrap();
    assert_eq!(table.patients(), ["8J094|1", "1E10|2"]);
    assert_eq!(values(&table, "8J094|1", "HR"), [80.0]);
    assert_eq!(values(&table, "1E10|2", "HR"), [0.0; 0]);
    assert_eq!((fixed(&table, "8J094|1", "Sex"), fixed(&table, "1E10|2", "Sex")), (Some(1.0), Some(0.0)));
    assert_eq!(
        (fixed(&table, "8J094|1", "Weight"), values(&table, "8J094|1", "Weight")),
        (Some(70.0), vec![71.0])
    );
    assert_eq!(values(&table, "1E10|2", "left"), [7.0, 6.0]);
    assert_eq!(fixed(&table, "1E10|2", "died"), Some(1.0));
    let quality = table.quality();
    // HR 2, Sex 2 (told once a patient), Weight 2; outcomes: 4 of each time, 2 of the patients.
    assert_eq!((quality.rows.read, quality.rows.used, quality.rows.rejected), (6, 5, 1));
    assert_eq!((quality.outcomes.read, quality.outcomes.used), (6, 6));
    assert_eq!(quality.unmapped_columns, ["note"]);
}

/// Without declared variables every other column is one.
#[test]
fn undeclared_columns_are_dynamic_variables() {
    let table = read("patient,time,a,b\nA,0,1,\nA,1,,2\nB,0,,\n", WIDE).unwrap();
    assert_eq!((values(&table, "A", "a"), values(&table, "A", "b")), (vec![1.0], vec![2.0]));
    // A patient with nothing is kept and counted.
    assert_eq!((table.n_patients(), table.quality().patients_without_dynamic), (2, 1));
}

/// S-03: a declared column must be there, except an outcome, which is not known yet when patients are scored.
#[test]
fn an_absent_column_is_an_error_and_an_absent_outcome_is_not() {
    let toml = |role: &str| {
        format!("{WIDE}variables = [{{ name = \"HR\" }}, {{ name = \"attendances\", role = \"{role}\" }}]")
    };
    let text = "patient,time,HR,atendances\nA,0,80,5\n";
    check_error(
        text,
        &toml("dynamic"),
        "TSC-DAT-105",
        "ward.csv has no column \"attendances\", the nearest is \"atendances\"",
    );
    assert_eq!(values(&read(text, &toml("outcome")).unwrap(), "A", "HR"), [80.0]);
}

/// S-05.
#[test]
fn an_unknown_category_is_missing_and_counted() {
    let toml = r#"
        format = "wide"
        max_rejected_ratio = 1.0
        variables = [{ name = "sex", role = "static", categories = { Male = 1, Female = 0 } }]
    "#;
    let table = read("patient,sex\nA,Male\nB,unknown\nC,null\nD,1\n", toml).unwrap();
    let sexes: Vec<_> = ["A", "B", "C", "D"].map(|patient| fixed(&table, patient, "sex")).to_vec();
    assert_eq!(sexes, [Some(1.0), None, None, Some(1.0)]);
    assert_eq!(table.quality().count_of(Reason::UnknownCategory, "sex"), 1);
}

/// S-09 and the trap of static values that change: the first wins, counted.
#[test]
fn of_conflicting_statics_the_first_wins() {
    let toml = format!("{WIDE}variables = [{{ name = \"age\", role = \"static\" }}]");
    let table = read("patient,age\nA,54\nB,60\nA,54\nA,55\n", &toml).unwrap();
    assert_eq!(fixed(&table, "A", "age"), Some(54.0));
    assert_eq!((table.quality().count(Reason::Repeat), table.quality().rows.read), (1, 3));
    assert_eq!(table.quality().conflicting_repeats.get("age"), Some(&1));
}

#[test]
fn a_panel_has_a_patient_a_column() {
    let toml = "format = \"wide_panel\"\ncolumns = { time = \"month\" }";
    let table = read("month,T001,T002\n2000-01,27,\n2000-02,30,5\n", toml).unwrap();
    assert_eq!((table.time_kind(), table.patients().len()), (TimeKind::Calendar, 2));
    let t001 = table.series(PatientIx(0), table.variable("value").unwrap());
    // Python: datetime(2000, 1, 1, tzinfo=utc).timestamp(), and of 2000-02-01.
    assert_eq!(t001, (&[946_684_800_000, 949_363_200_000][..], &[27.0, 30.0][..]));
    assert_eq!(values(&table, "T002", "value"), [5.0]);
    check_error(
        "month,T001\n2000-01,1\n",
        &format!("{toml}\nvariables = [{{ name = \"a\" }}, {{ name = \"b\" }}]"),
        "TSC-DAT-111",
        "variable table: a wide_panel is of one dynamic variable, the table has 2",
    );
}

/// Section 5.2: a declared unit holds for every value, or each row says its own. 98.6 F = 37 C.
#[test]
fn values_are_converted_to_the_variables_unit() {
    let temp =
        r#"variables = [{ name = "Temp", unit = "C", convert = [{ from = "F" }], outlier = [20, 47] }]"#;
    let table = read("patient,time,variable,value\nA,0,Temp,98.6\nA,1,Temp,37\n", temp).unwrap();
    assert!((values(&table, "A", "Temp")[0] - 37.0).abs() < 1e-12);
    assert_eq!(table.quality().count(Reason::OutOfRange), 1);

    let by_row = format!("max_rejected_ratio = 1.0\ncolumns.unit = \"unit\"\n{temp}");
    let text =
        "patient,time,variable,value,unit\nA,0,Temp,98.6,F\nA,1,Temp,37,C\nA,2,Temp,37,\nA,3,Temp,310,K\n";
    let table = read(text, &by_row).unwrap();
    let found = values(&table, "A", "Temp");
    assert!(found.len() == 3 && found.iter().all(|c| (c - 37.0).abs() < 1e-12), "{found:?}");
    assert_eq!(table.quality().count(Reason::UnitMismatch), 1);

    check_error(
        "patient,time,variable,value\n",
        r#"variables = [{ name = "T", unit = "C", convert = [{ from = "F" }, { from = "K", offset = -273.15 }] }]"#,
        "TSC-DAT-111",
        "variable table: T has several units in convert, which needs a column of units (columns.unit)",
    );
    let unknown = r#"variables = [{ name = "T", unit = "C", convert = [{ from = "R" }] }]"#;
    assert!(read("", unknown).unwrap_err().to_string().contains("T.convert from R to C is not known"));
}

/// S-11: FiO2 in percent is seen though the range removes every value of it.
#[test]
fn a_wrong_unit_is_suspected_from_the_median() {
    let rows = |value: f64| {
        let row = |i: usize| format!("P{},{i},FiO2,{}\n", i % 7, value + (i % 3) as f64);
        format!("patient,time,variable,value\n{}", (0..60).map(row).collect::<String>())
    };
    let table = read(rows(49.0), "").unwrap();
    let expected =
        QualityWarning::SuspectedUnit { variable: "FiO2".into(), from: "%".parse().unwrap(), median: 50.0 };
    assert_eq!(table.quality().warnings, [expected]);
    assert_eq!(read(rows(-0.5), "").unwrap().quality().warnings, []); // 0.5 is the typical fraction
}

/// S-10: the extreme of 20 cells is suspected, of 19 not, and a declared one is none.
#[test]
fn an_extreme_that_comes_again_and_again_is_suspected() {
    let rows = |times: usize| {
        let normal = (0..200).map(|i| format!("A,{i},beds,{}\n", 50 + i % 20));
        let extreme = (0..times).map(|i| format!("A,{},beds,-999999\n", 200 + i));
        format!("patient,time,variable,value\n{}", normal.chain(extreme).collect::<String>())
    };
    let plain = "variables = [{ name = \"beds\" }]";
    let declared = "variables = [{ name = \"beds\", sentinels = [-999999] }]";
    let warnings = |times, toml| read(rows(times), toml).unwrap().quality().warnings.clone();
    let expected =
        QualityWarning::SuspectedSentinel { variable: "beds".into(), value: -999_999.0, count: 20 };
    assert_eq!(warnings(20, plain), [expected]);
    assert_eq!(warnings(19, plain), []);
    assert_eq!(warnings(20, declared), []);
}

/// Section 5.3, by the settings of the table.
#[test]
fn range_action_and_repairs_are_settings() {
    let text = "patient,time,variable,value\nA,0,HR,350\nA,0,Height,431.8\n";
    let table = read(text, "").unwrap();
    assert_eq!((values(&table, "A", "HR"), fixed(&table, "A", "Height")), (vec![300.0], None));
    let table = read(text, "range_action = \"missing\"\nrepair = true").unwrap();
    assert_eq!(values(&table, "A", "HR"), [0.0; 0]);
    // 431.8 / 2.54 = 170.
    assert!((fixed(&table, "A", "Height").unwrap() - 170.0).abs() < 1e-9);
    assert_eq!((table.quality().count(Reason::Repaired), table.quality().count(Reason::OutOfRange)), (1, 1));
}

/// OMOP: concepts by code, the day where the time is missing, stays of one person in one group (S-28).
#[test]
fn omop_measurements_are_read_by_concept() {
    let toml = r#"
        format = "omop_measurement"
        columns = { patient = "visit_occurrence_id" }
        codes = { 3027018 = "HR", 3020891 = "Temp", 8541 = "1/min", 9289 = "F", 586323 = "C" }
        variables = [
            { name = "HR", unit = "1/min" },
            { name = "Temp", unit = "C", convert = [{ from = "F" }] },
        ]
    "#;
    let text = "measurement_id,person_id,measurement_concept_id,measurement_date,measurement_datetime,\
        value_as_number,unit_concept_id,visit_occurrence_id\n\
        1,5,3027018,2024-03-31,2024-03-31 12:30:00,80,8541,100\n\
        2,5,3020891,2024-03-31,,98.6,9289,100\n\
        3,5,3027018,2024-04-01,2024-04-01 00:00:00,82,8541,101\n\
        4,6,3027018,2024-04-01,2024-04-01 00:00:00,84,,102\n\
        5,6,999,2024-04-01,2024-04-01 00:00:00,84,,102\n";
    let table = read(text, toml).unwrap();
    assert_eq!(table.patients(), ["100", "101", "102"]);
    assert_eq!(table.series(PatientIx(0), table.variable("HR").unwrap()).0, [1_711_888_200_000]);
    let (times, temp) = table.series(PatientIx(0), table.variable("Temp").unwrap());
    assert!(times == [1_711_843_200_000] && (temp[0] - 37.0).abs() < 1e-12);
    assert_eq!(table.quality().count_of(Reason::UnknownVariable, "999"), 1);
    let groups = table.groups();
    assert!(groups[0] == groups[1] && groups[0] != groups[2]);
    assert_eq!(table.select(&[PatientIx(2), PatientIx(0)]).groups(), [groups[2], groups[0]]);
}

/// S-26, S-06: files with one fault each.
#[test]
fn nasty_files_are_errors_that_name_the_place() {
    let long = "patient,time,variable,value\n";
    check_error(
        format!("{long}A,0,HR,80\nA,2024-03-31,HR,80\n"),
        "",
        "TSC-DAT-130",
        "ward.csv, line 3: the time \"2024-03-31\" does not count since admission as the other times do",
    );
    check_error(
        format!("{long}A,2024-03-31,HR,80\nA,12:30,HR,80\n"),
        "time = \"date\"",
        "TSC-DAT-130",
        "ward.csv, line 3: the time \"12:30\" does not count of the calendar as the other times do",
    );
    check_error(
        format!("{long}A,0,\"HR,80\nA,1,HR,80\n"),
        "",
        "TSC-DAT-103",
        "ward.csv, line 2 is damaged: a quoted field does not end",
    );
    // UTF-16, as some spreadsheets write it.
    check_error(
        b"\xff\xfep\0a\0t\0",
        "",
        "TSC-DAT-107",
        "ward.csv, line 1, column 1 is not UTF-8: \"\u{fffd}\u{fffd}p\\\\0a\\\\0t\\\\0\"",
    );
    // Latin-1 in a name: "M\xfcller".
    check_error(
        [long.as_bytes(), b"M\xfcller,0,HR,80\n"].concat(),
        "",
        "TSC-DAT-107",
        "ward.csv, line 2, column patient is not UTF-8: \"M\u{fffd}ller\"",
    );
    check_error(
        "patient,time,a\nA,0,1\nA,1\n",
        WIDE,
        "TSC-DAT-106",
        "ward.csv, line 3 has 2 fields, the header has 3: \"A,1\"",
    );
    check_error("format = 1", "format = 1", "TSC-DAT-132", "input settings: wanted string or table");
}

/// Duplicate rows and time running backwards are no faults: rows may come in any order (S-09).
#[test]
fn duplicates_are_counted_and_order_does_not_matter() {
    let forward = "patient,time,a\nA,0,1\nA,1,2\nB,0,3\nA,2,4\n";
    let backward = "patient,time,a\nA,2,4\nA,1,2\nA,1,2\nB,0,3\nA,0,1\n";
    let (forward, backward) = (read(forward, WIDE).unwrap(), read(backward, WIDE).unwrap());
    for patient in ["A", "B"] {
        assert_eq!(values(&forward, patient, "a"), values(&backward, patient, "a"));
    }
    assert_eq!(
        (backward.quality().count(Reason::Repeat), backward.quality().conflicting_repeats.len()),
        (1, 0)
    );
}

/// Storage: 16 bytes a value and 16 an offset, of which 8 are the static value's place.
#[test]
fn gaps_and_coverage_are_reported() {
    let table = read("patient,time,a\nA,0,1\nA,1,2\nA,4,3\nB,0,5\n", WIDE).unwrap();
    let coverage = &table.quality().coverage[0];
    let hours = |h: u64| Some(tsc_core::Millis(h * 3_600_000));
    assert_eq!((coverage.patients, coverage.values, coverage.median), (2, 4, Some(2.5)));
    assert_eq!((coverage.mean_gap, coverage.longest_gap), (hours(2), hours(3)));
}

#[test]
fn a_spec_survives_toml_with_the_defaults_of_its_format() {
    for format in ["long", "wide", "wide_panel", "physionet2012", "yaib", "omop_measurement"] {
        let spec = TableSpec::from_toml(&format!("format = \"{format}\"")).unwrap();
        assert_eq!(spec, TableSpec::preset(spec.format), "{format}");
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<TableSpec>(&text).unwrap(), spec, "{format}");
    }
    assert!(TableSpec::from_toml("columns = { who = \"x\" }").is_err());
}

proptest! {
    /// S-26, S-25: no text panics any reader, and rows read are used or rejected.
    #[test]
    fn random_tables_never_panic(
        format in prop::sample::select(vec!["long", "wide", "wide_panel", "omop_measurement"]),
        rows in "([A,0-9:\\-.eHRinfaN\"\n; TZ]{0,12},){0,4}[0-9.eE+\\-]{0,8}\n",
        time in prop::sample::select(vec!["hours", "date"]),
    ) {
        let header = match format {
            "omop_measurement" => "person_id,measurement_datetime,measurement_date,measurement_concept_id,value_as_number,unit_concept_id\n",
            _ => "patient,time,variable,value\n",
        };
        let toml = format!("format = \"{format}\"\ntime = \"{time}\"\nmax_rejected_ratio = 1.0");
        for text in [format!("{header}{rows}"), rows.clone()] {
            if let Ok(table) = read(&text, &toml) {
                let quality = table.quality();
                for tally in [quality.rows, quality.outcomes] {
                    prop_assert_eq!(tally.read, tally.used + tally.rejected);
                }
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for toml in [WIDE, "format = \"wide_panel\"", "format = \"omop_measurement\""] {
            for name in ["ward.csv", "ward.csv.gz", "ward.parquet"] {
                let source = Source::Bytes { name, bytes: &bytes };
                let spec = TableSpec::from_toml(toml).unwrap();
                if let Ok(table) = SeriesTable::read(source, &spec) {
                    prop_assert!(table.n_patients() > 0);
                }
            }
        }
    }
}
