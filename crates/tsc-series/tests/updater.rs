//! S-23: running summaries equal the batch transform of the same values.
#![allow(clippy::unwrap_used, reason = "the helpers of a test file are tests too")]

use proptest::prelude::*;
use tsc_core::{ErrorKind, Millis, Timestamp};
use tsc_series::{
    Absent, Aggregate, FeatureSet, Featurizer, FittedFeaturizer, Role, Rows, SeriesParams, SeriesTable,
    Updater, VariableSpec, VariableTable,
};

const HOUR: i64 = 3_600_000;

type Cell = (i64, &'static str, f64);

fn table(rows: &[Cell]) -> SeriesTable {
    let variables = vec![
        VariableSpec {
            aggregate: Some(Aggregate::Mean),
            outlier: Some([0.0, 500.0]),
            ..VariableSpec::new("hr")
        },
        VariableSpec::new("lab"),
        VariableSpec { absent: Absent::Zero, ..VariableSpec::new("vent") },
        VariableSpec { role: Role::StaticAndDynamic, ..VariableSpec::new("weight") },
    ];
    let mut builder = SeriesTable::builder(VariableTable::new(variables).unwrap());
    builder.add_patient("T");
    for (time, variable, value) in rows {
        builder.push("T", *time, variable, *value);
    }
    builder.finish().unwrap()
}

fn fitted(cut: i64) -> FittedFeaturizer {
    let params = SeriesParams {
        rows: Rows::PerPatient { cut: Millis(cut as u64) },
        features: vec![
            FeatureSet::Stats,
            FeatureSet::Missingness,
            FeatureSet::LogCounts,
            FeatureSet::Carried,
            FeatureSet::Recent,
        ],
        missing_ratio: [0.0, 1.0],
        ..SeriesParams::default()
    };
    let mut rows = Vec::new();
    for patient in 0..6i64 {
        for at in 0..=patient {
            let value = 50.0 + (patient * at) as f64;
            rows.push((
                patient,
                at * HOUR / 2,
                ["hr", "lab", "vent", "weight"][((patient + at) % 4) as usize],
                value,
            ));
            rows.push((patient, 9 * HOUR + at * 7, "hr", value * 1.5));
        }
    }
    let mut builder = SeriesTable::builder(table(&[]).variables().clone());
    for (patient, time, variable, value) in rows {
        builder.push(&patient.to_string(), time, variable, value);
    }
    Featurizer::new(params).unwrap().fit(&builder.finish().unwrap()).unwrap()
}

fn pushed(fitted: &FittedFeaturizer, rows: &[Cell]) -> Updater {
    let mut updater = fitted.updater().unwrap();
    rows.iter().for_each(|(time, variable, value)| updater.push("T", *time, variable, *value));
    updater
}

fn is_exact(name: &str) -> bool {
    [".count", ".log_count", ".min", ".max", ".first", ".last", ".carried", ".missing", ".hours_since_last"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
}

proptest! {
    #[test]
    fn a_row_equals_the_batch_transform_of_the_same_prefix(
        rows in prop::collection::vec((0..10i64 * 60, 0..4usize, -10.0..600.0f64), 0..60),
        cut in 1i64..600,
        stop in 0usize..60,
    ) {
        let mut rows: Vec<Cell> = rows
            .into_iter()
            .map(|(minute, v, value)| (minute * 60_000, ["hr", "lab", "vent", "weight"][v], value))
            .filter(|row| row.0 < cut * 60_000)
            .collect();
        rows.sort_by_key(|row| row.0);
        let fitted = fitted(cut * 60_000);
        let matrix = fitted.transform(&table(&rows)).unwrap();
        // Half of the way it is stored and read again.
        let (before, after) = rows.split_at(stop.min(rows.len()));
        let state = pushed(&fitted, before).state().unwrap();
        let mut updater = fitted.updater_from(&state).unwrap();
        after.iter().for_each(|(time, variable, value)| updater.push("T", *time, variable, *value));
        let row = updater.row("T", Timestamp(cut * 60_000)).unwrap();
        for ((name, got), expected) in matrix.schema().names().zip(&row).zip(matrix.features().row(0)) {
            let bound = if is_exact(name) { 0.0 } else { 1e-9 * expected.abs().max(1.0) };
            prop_assert!((got - expected).abs() <= bound, "{name}: {got}, expected {expected}");
        }
        prop_assert_eq!(updater.late(), 0);
    }
}

#[test]
fn late_and_impossible_values_are_counted_and_change_nothing() {
    let fitted = fitted(10 * HOUR);
    let rows = [(0, "hr", 80.0), (HOUR, "hr", 90.0)];
    let mut updater = pushed(&fitted, &rows);
    let before = updater.row("T", Timestamp(2 * HOUR)).unwrap();
    updater.push("T", HOUR / 2, "hr", 85.0);
    updater.push("T", 2 * HOUR, "hr", 501.0);
    updater.push("T", 2 * HOUR, "unheard of", 1.0);
    assert_eq!((updater.late(), updater.rejected()), (1, 2));
    assert_eq!(updater.row("T", Timestamp(2 * HOUR)).unwrap(), before);
    // Of one time the last value counts, as in a table.
    updater.push("T", HOUR, "hr", 100.0);
    let mean = fitted.schema().position("hr.mean").unwrap();
    assert_eq!(updater.row("T", Timestamp(2 * HOUR)).unwrap()[mean], 90.0);
    let error = updater.row("T", Timestamp(HOUR)).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidData, "TSC-DAT-140"));
    updater.remove("T");
    assert_eq!(
        updater.row("T", Timestamp(HOUR)).unwrap(),
        fitted.updater().unwrap().row("X", Timestamp(HOUR)).unwrap()
    );
}

#[test]
fn what_running_summaries_cannot_tell_is_refused() {
    let table = table(&[(0, "hr", 80.0), (HOUR, "hr", 90.0)]);
    let check = |features: Vec<FeatureSet>, window| {
        let rows = Rows::PerStep { from: Millis(HOUR as u64 / 2), every: Millis(HOUR as u64) };
        let params = SeriesParams { rows, features, window, ..SeriesParams::default() };
        Featurizer::new(params).unwrap().fit(&table).unwrap().updater().map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(check(vec![FeatureSet::Robust], None), "hr.median needs more than running summaries");
    assert_eq!(
        check(vec![FeatureSet::Stats], Some(Millis(2 * HOUR as u64))),
        "hr.mean needs more than running summaries"
    );
    let fitted = fitted(HOUR);
    assert_eq!(fitted.updater_from(b"{}").unwrap_err().kind(), ErrorKind::Artifact);
    let foreign = br#"{"patients":{"T":{"series":[],"fixed":[]}},"late":0,"rejected":0}"#;
    assert_eq!(fitted.updater_from(foreign).unwrap_err().kind(), ErrorKind::Artifact);
}
