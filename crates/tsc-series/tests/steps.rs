//! A row each hour of a stay: what it knows, when it exists, what it predicts.
#![allow(clippy::unwrap_used, reason = "the helpers of a test file are tests too")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use tsc_core::{Millis, Timestamp, Unit};
use tsc_series::{
    Absent, Aggregate, FeatureMatrix, FeatureSet, Featurizer, Role, Rows, SeriesParams, SeriesTable,
    TargetSpec, VariableSpec, VariableTable,
};

const HOUR: i64 = 3_600_000;

type Cell<'a> = (&'a str, i64, &'a str, f64);

fn table(rows: &[Cell<'_>]) -> SeriesTable {
    let dynamic = |name: &str| VariableSpec { aggregate: Some(Aggregate::Mean), ..VariableSpec::new(name) };
    let variables = vec![
        dynamic("hr"),
        dynamic("map"),
        VariableSpec { absent: Absent::Zero, ..VariableSpec::new("vent") },
        VariableSpec { role: Role::Static, ..VariableSpec::new("age") },
        VariableSpec { role: Role::OutcomeSeries, unit: Some(Unit::Hours), ..VariableSpec::new("label") },
    ];
    let mut builder = SeriesTable::builder(VariableTable::new(variables).unwrap());
    for (patient, time, variable, value) in rows {
        builder.push(patient, *time, variable, *value);
    }
    builder.finish().unwrap()
}

/// The hourly preset from hour 2 on.
fn hourly() -> SeriesParams {
    SeriesParams {
        rows: Rows::PerStep { from: Millis(2 * HOUR as u64), every: Millis(HOUR as u64) },
        ..SeriesParams::icu_hourly()
    }
}

fn features(params: SeriesParams, table: &SeriesTable) -> FeatureMatrix {
    Featurizer::new(params).unwrap().fit(table).unwrap().transform(table).unwrap()
}

fn column(matrix: &FeatureMatrix, feature: &str) -> Vec<f64> {
    let position = matrix.schema().position(feature).unwrap_or_else(|| panic!("no {feature}"));
    matrix.features().rows().map(|row| row[position]).collect()
}

/// Hours 0 to 4 of a stay, the remaining hours told at each, and another stay that ends within the second hour.
fn stays() -> Vec<Cell<'static>> {
    let mut rows = vec![("B", 0, "hr", 70.0), ("B", HOUR / 2, "hr", 72.0), ("A", 0, "age", 60.0)];
    for (hour, hr) in [80.0, 84.0, 90.0, 100.0, 95.0].into_iter().enumerate() {
        rows.push(("A", hour as i64 * HOUR, "hr", hr));
        rows.push(("A", hour as i64 * HOUR, "label", 10.0 - hour as f64));
    }
    rows.extend([("A", 0, "map", 70.0), ("A", HOUR, "vent", 1.0)]);
    rows
}

#[test]
fn a_row_knows_what_was_measured_before_it_and_predicts_the_next_hour() {
    let matrix = features(hourly(), &table(&stays()));
    // S-16: stay B ended before hour 2, so it has no row; A was seen last at hour 4.
    assert_eq!(matrix.patients(), ["A"; 4]);
    assert_eq!(matrix.times(), [2, 3, 4, 5].map(|hour| Timestamp(hour * HOUR)));
    assert_eq!(matrix.known_at()[0], Timestamp(3 * HOUR));
    assert_eq!(matrix.batch().times(), None);
    assert_eq!(column(&matrix, "hr.carried"), [84.0, 90.0, 100.0, 95.0]);
    assert_eq!(column(&matrix, "hr.count"), [2.0, 3.0, 4.0, 5.0]);
    assert_eq!(column(&matrix, "hr.recent_mean"), [82.0, 254.0 / 3.0, 88.5, 89.8]);
    assert_eq!(column(&matrix, "hours"), [2.0, 3.0, 4.0, 5.0]);
    let targets = matrix.targets().unwrap();
    assert_eq!(targets[..3], [90.0, 100.0, 95.0]);
    assert!(targets[3].is_nan(), "hour 5 was not seen: nothing carries it there");
    let (_, unit, remaining) = matrix.resources().next().unwrap();
    assert_eq!((unit, &remaining[..3]), (&Unit::Hours, &[8.0, 7.0, 6.0][..]));
    assert!(remaining[3].is_nan(), "the last outcome was told an hour before the row");
    let reference = |name: &str| &matrix.references().iter().find(|r| r.name == name).unwrap().values;
    assert_eq!(reference("last")[1], 90.0);
    assert_eq!(reference("recent_mean")[0], 82.0);
    let ids: std::collections::BTreeSet<_> = matrix.ids().iter().collect();
    assert_eq!((ids.len(), matrix.groups()[0]), (4, matrix.groups()[3]));
}

#[test]
fn a_value_is_carried_for_its_fill_limit_and_a_device_that_is_off_is_zero() {
    let mut rows = stays();
    rows.extend((5..12).map(|hour| ("A", hour * HOUR, "hr", 90.0)));
    let features = [FeatureSet::Carried, FeatureSet::Missingness, FeatureSet::Filled, FeatureSet::Robust];
    let params = SeriesParams { features: features.to_vec(), feature_columns: vec![], ..hourly() };
    let matrix = self::features(params, &table(&rows));
    // map was measured at hour 0 and is known for 6 h; then the median of what was known, which is 70 too: so it
    // does not vary and is dropped. Its hours since last do vary.
    assert_eq!(matrix.schema().position("map.carried"), None);
    assert_eq!(column(&matrix, "map.hours_since_last")[..3], [2.0, 3.0, 4.0]);
    assert_eq!(column(&matrix, "map.filled")[..2], [0.5, 1.0 / 3.0]);
    assert_eq!(column(&matrix, "hr.median")[..2], [82.0, 84.0]);
    assert_eq!(column(&matrix, "hr.range")[..2], [4.0, 10.0]);
    // Stay B is first, with one row. vent was recorded at hour 1, carried for 24 h as the last value.
    assert_eq!(matrix.schema().position("vent.carried"), None);
    let early = SeriesParams {
        rows: Rows::PerStep { from: Millis(HOUR as u64), every: Millis(HOUR as u64) },
        ..hourly()
    };
    assert_eq!(column(&self::features(early, &table(&rows)), "vent.carried")[..3], [0.0, 0.0, 1.0]);
}

#[test]
fn a_window_forgets_what_lies_further_back() {
    let params = SeriesParams { window: Some(Millis(2 * HOUR as u64)), ..hourly() };
    let matrix = features(params, &table(&stays()));
    assert_eq!(column(&matrix, "hr.recent_mean")[3], 89.8);
    assert_eq!(matrix.schema().position("hr.count"), None, "two values in each window");
}

/// The los task of the MIMIC demo: 48 last values and counts, 3 numbers of 6 vital signs, hour and 4 statics.
#[test]
fn the_hourly_preset_has_119_features_on_48_variables() {
    let mut names: Vec<String> = ["hr", "map", "resp", "o2sat", "sbp", "temp"].map(String::from).to_vec();
    names.extend((0..42).map(|at| format!("lab{at}")));
    let statics = ["age", "sex", "height", "weight"]
        .map(|name| VariableSpec { role: Role::Static, ..VariableSpec::new(name) });
    let remaining =
        VariableSpec { role: Role::OutcomeSeries, unit: Some(Unit::Hours), ..VariableSpec::new("label") };
    let variables = names.iter().map(VariableSpec::new).chain(statics).chain([remaining]).collect();
    let mut builder = SeriesTable::builder(VariableTable::new(variables).unwrap());
    for (at, patient) in ["A", "B"].into_iter().enumerate() {
        for hour in 0..30i64 {
            for (place, name) in names.iter().enumerate() {
                builder.push(patient, hour * HOUR, name, (hour * hour) as f64 + (place + at) as f64);
            }
        }
        for name in ["age", "sex", "height", "weight"] {
            builder.push(patient, 0, name, at as f64);
        }
    }
    let matrix = features(SeriesParams::icu_hourly(), &builder.finish().unwrap());
    assert_eq!((matrix.schema().n_features(), matrix.n_samples()), (119, 2 * 7));
}

fn everything() -> SeriesParams {
    SeriesParams {
        features: vec![
            FeatureSet::Stats,
            FeatureSet::Missingness,
            FeatureSet::LogCounts,
            FeatureSet::Robust,
            FeatureSet::Carried,
            FeatureSet::Recent,
            FeatureSet::Filled,
            FeatureSet::Clock,
            FeatureSet::Trend,
        ],
        feature_columns: Vec::new(),
        season: Some(3),
        target: Some(TargetSpec::Lead {
            variable: "hr".into(),
            from: Millis(0),
            to: Millis(HOUR as u64),
            aggregate: Aggregate::Mean,
        }),
        ..hourly()
    }
}

fn by_row(matrix: &FeatureMatrix) -> BTreeMap<(String, i64), Vec<u64>> {
    (0..matrix.n_samples())
        .map(|row| {
            let references = matrix.references().iter().map(|r| r.values[row]);
            let cells = matrix.features().row(row).iter().copied().chain(references);
            ((matrix.patients()[row].clone(), matrix.times()[row].0), cells.map(f64::to_bits).collect())
        })
        .collect()
}

fn any_rows() -> impl Strategy<Value = Vec<(i64, usize, f64)>> {
    prop::collection::vec((0..12i64 * 60, 0..3usize, 1.0..400.0f64), 1..60)
}

proptest! {
    /// S-15, S-16: values at or after a row's time change no bit of it; with values later on it is still there.
    #[test]
    fn values_at_or_after_a_row_change_no_bit_of_it(rows in any_rows(), later in any_rows(), cut in 2i64..12) {
        let named = |rows: &[(i64, usize, f64)], from: i64| -> Vec<Cell<'static>> {
            rows.iter().map(|&(minute, v, value)| ("T", from + minute * 60_000, ["hr", "map", "vent"][v], value)).collect()
        };
        let fitted = Featurizer::new(everything()).unwrap().fit(&table(&stays())).unwrap();
        let rows_of = |rows: &[Cell<'_>]| fitted.transform(&table(rows)).map(|matrix| by_row(&matrix)).unwrap_or_default();
        let cut = cut * HOUR;
        let mut before = named(&rows, 0);
        before.retain(|row| row.1 < cut);
        // Observed at the cut, either way.
        before.push(("T", cut - 1, "map", 80.0));
        let mut after = before.clone();
        after.push(("T", cut, "hr", 399.0));
        after.extend(named(&later, cut));
        let expected = rows_of(&before);
        prop_assert!(expected.contains_key(&("T".to_string(), cut)));
        let got = rows_of(&after);
        prop_assert!(expected.iter().all(|(key, cells)| got[key] == *cells));
    }
}
