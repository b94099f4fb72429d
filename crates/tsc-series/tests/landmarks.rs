//! Distances to training series as features.
#![allow(clippy::unwrap_used, reason = "the helpers of a test file are tests too")]

use tsc_core::{Load, MemoryArtifacts, Millis, Save};
use tsc_series::{
    FeatureSet, Featurizer, FittedFeaturizer, PatientIx, Rows, SeriesDistance, SeriesParams, SeriesTable,
    VariableSpec, VariableTable,
};

const HOUR: i64 = 3_600_000;

/// Rising, falling and peaked series, and one that does not vary.
fn table() -> SeriesTable {
    let mut builder = SeriesTable::builder(VariableTable::new(vec![VariableSpec::new("HR")]).unwrap());
    let peak = |hour: i64| if hour == 5 { 9.0 } else { 1.0 };
    for (patient, value) in [
        ("c", (|hour| hour as f64) as fn(i64) -> f64),
        ("a", |hour| 2.0 * hour as f64 + 70.0),
        ("b", |hour| -hour as f64),
        ("e", |_| 5.0),
        ("d", peak),
    ] {
        (0..12).for_each(|hour| builder.push(patient, hour * HOUR, "HR", value(hour)));
    }
    builder.finish().unwrap()
}

fn params(features: Vec<FeatureSet>) -> SeriesParams {
    SeriesParams {
        rows: Rows::PerPatient { cut: Millis(12 * HOUR as u64) },
        features,
        landmarks: 2,
        ..SeriesParams::default()
    }
}

fn fit(features: Vec<FeatureSet>, table: &SeriesTable) -> FittedFeaturizer {
    Featurizer::new(params(features)).unwrap().fit(table).unwrap()
}

/// The first landmark is that of the smallest identifier, the second the farthest from it.
#[test]
fn features_are_distances_to_series_chosen_farthest_first() {
    let table = table();
    let fitted = fit(vec![FeatureSet::Sbd], &table);
    let matrix = fitted.transform(&table).unwrap();
    assert_eq!(matrix.schema().names().collect::<Vec<_>>(), ["HR.sbd1", "HR.sbd2"]);
    let hr = table.variable("HR").unwrap();
    let of = |a: usize, b: usize| {
        SeriesDistance::Sbd.between(table.series(PatientIx(a), hr).1, table.series(PatientIx(b), hr).1)
    };
    // Patient a, and the one of b and d that is farther from it.
    let second = if of(2, 1) > of(4, 1) { 2 } else { 4 };
    for (row, cells) in matrix.features().rows().enumerate().filter(|(row, _)| *row != 3) {
        assert_eq!(cells, [of(row, 1), of(row, second)]);
    }
    // A series that does not vary has no shape: imputed.
    assert_eq!(matrix.quality().imputed.len(), 2);

    // S-02, S-22: whatever the order of patients, and stored.
    let order = [4, 3, 2, 1, 0].map(PatientIx);
    assert_eq!(fit(vec![FeatureSet::Sbd], &table.select(&order)), fitted);
    let mut files = MemoryArtifacts::new();
    fitted.save(&mut files).unwrap();
    assert_eq!(FittedFeaturizer::load(1, &files).unwrap(), fitted);
}

#[cfg(feature = "dtw")]
#[test]
fn warping_distances_are_in_the_unit_of_the_variable() {
    let table = table();
    let matrix = fit(vec![FeatureSet::Dtw], &table).transform(&table).unwrap();
    let hr = table.variable("HR").unwrap();
    let a = table.series(PatientIx(1), hr).1;
    for (row, cells) in matrix.features().rows().enumerate() {
        assert_eq!(cells[0], SeriesDistance::Dtw.between(table.series(PatientIx(row), hr).1, a));
    }
    let condensed = SeriesDistance::Dtw.condensed(&table, hr);
    assert_eq!((condensed.len(), condensed[0]), (10, matrix.features().row(0)[0]));
}
