//! Every real set that is shared with the project, read and counted. Expected: pandas 3.1.1, without this crate.
//!
//! PhysioNet 2012 has a file of its own.
#![allow(clippy::unwrap_used, reason = "the helpers of a test file are tests too")]

use tsc_series::{
    Censored, PatientIx, Reason, SeriesTable, Source, TableSpec, TimeKind, VariableSpec, VariableTable,
};

const DAY: i64 = 86_400_000;

fn read(file: &str, spec: &TableSpec) -> Option<SeriesTable> {
    let path = tsc_testing::shared(file)?;
    Some(SeriesTable::read(Source::Path(&path), spec).unwrap())
}

fn spec(toml: &str) -> TableSpec {
    TableSpec::from_toml(toml).unwrap()
}

#[test]
fn hospital_demand_is_a_panel_of_84_months_and_767_products() {
    let toml = "format = \"wide_panel\"\ncolumns = { time = \"month\" }";
    let Some(table) = read("data/hyndman_hospital/hospital.csv", &spec(toml)) else { return };
    assert_eq!((table.n_patients(), table.n_values()), (767, 84 * 767));
    assert_eq!(table.time_kind(), TimeKind::Calendar);
    let value = table.variable("value").unwrap();
    let (times, values) = table.series(table.patient("T001").unwrap(), value);
    assert_eq!((times[0], times[83]), (946_684_800_000, 1_164_931_200_000)); // 2000-01, 2006-12
    assert_eq!((values[0], values[83]), (27.0, 17.0));
    let total: f64 = (0..767).map(|p| table.series(PatientIx(p), value).1.iter().sum::<f64>()).sum();
    assert_eq!(total, 17_215_990.0);
}

/// S-04: `RF4|1`, and ids such as `E84068` stay texts.
#[test]
fn attendances_have_composite_ids() {
    let toml = r#"
        format = "wide"
        columns = { patient = ["org_code", "type"], time = "period" }
        time = "date"
    "#;
    let Some(table) = read("data/nhs/ae_attendances.csv", &spec(toml)) else { return };
    assert_eq!((table.n_patients(), table.n_values()), (428, 3 * 12_765));
    let attendances = table.variable("attendances").unwrap();
    let series = |p: usize| table.series(PatientIx(p), attendances);
    assert_eq!((0..428).filter(|&p| series(p).0.len() == 36).count(), 281);
    assert_eq!((0..428).map(|p| series(p).1.iter().sum::<f64>()).sum::<f64>(), 72_019_402.0);
    let rf4 = table.patient("RF4|1").unwrap();
    let march = series(rf4.0).0.iter().position(|&time| time == 1_488_326_400_000).unwrap(); // 2017-03-01
    assert_eq!(series(rf4.0).1[march], 21_289.0);
    assert_eq!((table.quality().rows.read, table.quality().rows.rejected), (3 * 12_765, 0));
}

/// The traps of the hospital weeks: -999999, and weeks that end on Fridays and on Sundays stay as dated.
#[test]
fn hospital_weeks_keep_their_dates_and_mark_what_is_suppressed() {
    let used = VariableSpec {
        censored: Some(Censored { sentinel: -999_999.0, value: 2.0 }),
        ..VariableSpec::new("used_icu_avg")
    };
    let variables = VariableTable::new(vec![used, VariableSpec::new("total_icu_sum")]).unwrap();
    let toml = r#"
        format = "wide"
        columns = { patient = "hospital_pk", time = "date" }
        time = "date"
    "#;
    let spec = TableSpec { variables, ..spec(toml) };
    let Some(table) = read("data/hhs_ny_hospitals/raw_hospitalData_Hospital_NY.csv", &spec) else { return };
    assert_eq!(table.n_patients(), 167);
    let used = table.variable("used_icu_avg").unwrap();
    let marks: usize = (0..167).map(|p| table.censored(PatientIx(p), used).len()).sum();
    assert_eq!((marks, table.quality().count(Reason::Censored)), (1_188, 1_188));
    let values: usize = (0..167).map(|p| table.series(PatientIx(p), used).0.len()).sum();
    assert_eq!(values, 16_497);
    for p in (0..167).map(PatientIx) {
        let (times, values) = table.series(p, used);
        assert!(values.iter().all(|&value| value >= 0.0));
        let stand_in = |time| values[times.binary_search(time).unwrap()] == 2.0;
        assert!(table.censored(p, used).iter().all(stand_in));
    }
    // 1970-01-01 was a Thursday: day 1 of a week is a Friday, day 3 a Sunday.
    let beds = table.variable("total_icu_sum").unwrap();
    let days = |weekday| {
        let times = (0..167).flat_map(|p| table.series(PatientIx(p), beds).0.iter());
        times.filter(|&&time| time.rem_euclid(7 * DAY) == weekday * DAY).count()
    };
    assert_eq!(days(1) + days(3), 19_809);
    assert!(days(3) > 0);
    assert_eq!(table.quality().counts.iter().filter(|c| c.reason != Reason::Censored).count(), 0);
    // Counties and the other 17 columns are listed.
    assert_eq!(table.quality().unmapped_columns.len(), 24 - 4);
}

/// S-10: without a declaration the sentinel is suspected, and the county is no number.
#[test]
fn an_undeclared_sentinel_of_the_hospital_weeks_is_suspected() {
    let toml = r#"
        format = "wide"
        columns = { patient = "hospital_pk", time = "date" }
        time = "date"
        variables = [{ name = "total_adult_confirmed_covid_avg" }]
    "#;
    let file = "data/hhs_ny_hospitals/raw_hospitalData_Hospital_NY.csv";
    let Some(table) = read(file, &spec(toml)) else { return };
    let json = serde_json::to_value(&table.quality().warnings).unwrap();
    assert_eq!(
        json,
        serde_json::json!([{ "kind": "suspected_sentinel", "variable": "total_adult_confirmed_covid_avg", "value": -999_999.0, "count": 4_621 }])
    );
    let path = tsc_testing::shared(file).unwrap();
    let all = TableSpec { variables: VariableTable::new(Vec::new()).unwrap(), ..spec(toml) };
    let error = SeriesTable::read(Source::Path(&path), &all).unwrap_err();
    assert_eq!(error.code(), "TSC-DAT-110");
    assert!(error.to_string().contains("Unparsable in \"county\" 20281 times"), "{error}");
}

#[cfg(feature = "parquet")]
#[test]
fn a_yaib_cohort_has_statics_series_and_outcomes_of_each_hour() {
    let Some(table) = read("data/yaib_icu_demo/los/mimic_demo", &TableSpec::preset(tsc_series::Format::Yaib))
    else {
        return;
    };
    assert_eq!((table.n_patients(), table.time_kind()), (132, TimeKind::Relative));
    let quality = table.quality();
    let statics = 4 * 132 - 70 - 21;
    assert_eq!(quality.rows.read, 75_760 + statics);
    assert_eq!(quality.outcomes.used, 9_656);
    let stay = table.patient("201006").unwrap();
    let series = |name: &str| table.series(stay, table.variable(name).unwrap());
    assert_eq!(
        (&series("hr").0[..3], &series("hr").1[..3]),
        (&[0, 3_600_000, 7_200_000][..], &[100.0, 104.5, 104.5][..])
    );
    assert_eq!(series("label").1[..3], [168.0, 168.0, 168.0]);
    let label = table.variable("label").unwrap();
    let total: f64 = (0..132).map(|p| table.series(PatientIx(p), label).1.iter().sum::<f64>()).sum();
    assert_eq!(total, 765_327.0);
    let sex = table.variable("sex").unwrap();
    let men = (0..132).filter(|&p| table.fixed(PatientIx(p), sex) == Some(1.0)).count();
    let women = (0..132).filter(|&p| table.fixed(PatientIx(p), sex) == Some(0.0)).count();
    assert_eq!((men, women), (71, 61));
    // Of 8,682 heart rates 2 are 0.
    let coverage = |name: &str| quality.coverage.iter().find(|c| c.variable == name).unwrap();
    assert_eq!(
        (coverage("hr").values, coverage("crp").values, coverage("fio2").median),
        (8_680, 0, Some(50.0))
    );
    assert_eq!(quality.warnings, [tsc_series::QualityWarning::StaysAsGroups]);
}

/// The trap of the same stay with other values in the other task: hr 103.5 at hour 0, not 100.
#[cfg(feature = "parquet")]
#[test]
fn the_other_yaib_cohort_has_one_outcome_a_stay() {
    let spec = TableSpec::preset(tsc_series::Format::Yaib);
    let Some(table) = read("data/yaib_icu_demo/mortality24/mimic_demo", &spec) else { return };
    let label = table.variable("label").unwrap();
    let deaths = (0..99).filter(|&p| table.fixed(PatientIx(p), label) == Some(1.0)).count();
    assert_eq!((table.n_patients(), deaths), (99, 21));
    let hr = table.series(table.patient("201006").unwrap(), table.variable("hr").unwrap());
    assert_eq!(hr.1[0], 103.5);
    assert_eq!(table.quality().outcomes.used, 99);
}
