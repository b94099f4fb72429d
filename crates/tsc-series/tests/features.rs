//! Features, targets and the stored form.
#![allow(clippy::unwrap_used, reason = "the helpers of a test file are tests too")]

use proptest::prelude::*;
use tsc_core::{ArtifactSource, ErrorKind, Load, MemoryArtifacts, Millis, Save, Unit, restore};
use tsc_series::{
    DropReason, FeatureMatrix, FeatureSet, Featurizer, FittedFeaturizer, PatientIx, ResourceSpec, Rows,
    SeriesParams, SeriesTable, TargetSpec, VariableSpec, VariableTable,
};

const HOUR: i64 = 3_600_000;
const CUT: i64 = 42 * HOUR;

type Cell<'a> = (&'a str, i64, &'a str, f64);

fn table_of(variables: VariableTable, rows: &[Cell<'_>]) -> SeriesTable {
    let mut builder = SeriesTable::builder(variables);
    for (patient, time, variable, value) in rows {
        builder.push(patient, *time, variable, *value);
    }
    builder.finish().unwrap()
}

fn table(rows: &[Cell<'_>]) -> SeriesTable {
    table_of(VariableTable::icu(), rows)
}

/// Three stays, the third without a temperature.
fn stays() -> Vec<Cell<'static>> {
    vec![
        ("A", 0, "HR", 80.0),
        ("A", 10 * HOUR, "HR", 90.0),
        ("A", 43 * HOUR, "HR", 100.0),
        ("A", 45 * HOUR, "HR", 110.0),
        ("A", HOUR, "Temp", 37.0),
        ("A", 0, "Age", 50.0),
        ("A", 0, "Length_of_stay", 4.0),
        ("B", HOUR, "HR", 70.0),
        ("B", 3 * HOUR, "HR", 76.0),
        ("B", 2 * HOUR, "Temp", 38.0),
        ("B", 48 * HOUR, "HR", 60.0),
        ("B", 0, "Age", 60.0),
        ("B", 0, "Length_of_stay", -1.0),
        ("C", 5 * HOUR, "HR", 100.0),
        ("C", 0, "Age", 70.0),
    ]
}

/// The icu settings, clustering by everything: a small table lacks most columns of the preset.
fn params() -> SeriesParams {
    SeriesParams { cluster_columns: vec!["*".into()], ..SeriesParams::icu() }
}

fn fit(params: SeriesParams, table: &SeriesTable) -> FittedFeaturizer {
    Featurizer::new(params).unwrap().fit(table).unwrap()
}

fn cell(matrix: &FeatureMatrix, row: usize, feature: &str) -> f64 {
    matrix.features().row(row)[matrix.schema().position(feature).unwrap_or_else(|| panic!("no {feature}"))]
}

fn bits(matrix: &FeatureMatrix) -> Vec<u64> {
    matrix.features().as_slice().iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_row_holds_the_statistics_of_the_values_before_the_cut() {
    let table = table(&stays());
    let matrix = fit(params(), &table).transform(&table).unwrap();
    assert_eq!(matrix.patients(), ["A", "B", "C"]);
    for (feature, expected) in [
        ("HR.mean", 85.0),
        ("HR.std", 50f64.sqrt()),
        ("HR.min", 80.0),
        ("HR.last", 90.0),
        ("HR.slope", 1.0),
        ("HR.count", 2.0),
        ("HR.log_count", 3f64.ln()),
        ("HR.hours_since_last", 32.0),
        ("Age", 50.0),
        ("Temp.missing", 0.0),
    ] {
        let got = cell(&matrix, 0, feature);
        assert!((got - expected).abs() <= 1e-12 * expected.abs(), "{feature}: {got}, {expected}");
    }
    assert_eq!(cell(&matrix, 2, "Temp.missing"), 1.0);
    // Medians of the training patients that have a value: of 37 and 38.
    assert_eq!(cell(&matrix, 2, "Temp.mean"), 37.5);
    let imputed = &matrix.quality().imputed;
    let temp = imputed.iter().find(|i| i.feature == "Temp.mean").unwrap();
    assert!((temp.ratio - 1.0 / 3.0).abs() < 1e-15);
}

/// S-14, S-17: half-open window, nothing filled, -1 is no stay of -1 days.
#[test]
fn targets_come_from_the_window_alone_and_missing_ones_are_nan() {
    let table = table(&stays());
    let matrix = fit(params(), &table).transform(&table).unwrap();
    let targets = matrix.targets().unwrap();
    assert_eq!(targets[0], 105.0);
    assert!(targets[1].is_nan(), "B's value at 48:00 lies outside 42..48 h");
    assert!(targets[2].is_nan());
    assert_eq!(matrix.quality().rows_without_target, 2);

    let batch = matrix.batch();
    assert_eq!((batch.n_samples(), batch.times()), (3, None));
    assert_eq!(batch.groups().unwrap(), table.groups());
    let [resource] = batch.resources().columns() else { panic!("one resource") };
    assert_eq!((resource.kind.name(), &resource.unit), ("length_of_stay", &Unit::Days));
    assert_eq!(resource.values[0], 4.0);
    assert!(resource.values[1].is_nan() && resource.values[2].is_nan());
}

#[test]
fn an_outcome_can_be_the_target() {
    let target = Some(TargetSpec::Outcome { name: "Length_of_stay".into() });
    let table = table(&stays());
    let matrix = fit(SeriesParams { target, ..params() }, &table).transform(&table).unwrap();
    assert_eq!(matrix.targets().unwrap()[0], 4.0);
    assert!(matrix.targets().unwrap()[1].is_nan());
}

/// S-12.
#[test]
fn a_stay_without_a_ventilator_record_is_not_ventilated() {
    let mut rows = stays();
    rows.extend([("A", HOUR, "MechVent", 1.0), ("B", HOUR, "MechVent", 1.0)]);
    let table = table(&rows);
    let fitted = fit(params(), &table);
    let matrix = fitted.transform(&table).unwrap();
    assert_eq!(cell(&matrix, 2, "MechVent.mean"), 0.0);
    assert!(fitted.schema().position("MechVent.missing").is_none());
}

#[test]
fn constant_and_empty_columns_are_dropped_and_listed() {
    let mut rows = stays();
    rows.extend(["A", "B", "C"].map(|patient| (patient, 0, "Gender", 1.0)));
    let table = table(&rows);
    let fitted = fit(params(), &table);
    let listed = |name: &str| fitted.dropped_columns().iter().find(|c| c.feature == name).map(|c| c.reason);
    assert_eq!(listed("Gender"), Some(DropReason::Constant));
    assert_eq!(listed("Height"), Some(DropReason::Empty));
    assert_eq!(listed("MAP.*"), Some(DropReason::Empty));
    assert_eq!(listed("Temp.std"), Some(DropReason::Empty));
    assert_eq!(listed("HR.mean"), None);
    assert!(fitted.schema().names().all(|name| !name.starts_with("MAP")));
    assert_eq!(fitted.transform(&table).unwrap().quality().dropped_columns, fitted.dropped_columns());
}

#[test]
fn units_and_uses_stand_in_the_schema() {
    let globs = vec!["HR.mean".into(), "*.log_count".into()];
    let fitted = fit(SeriesParams { cluster_columns: globs, ..params() }, &table(&stays()));
    let column = |name: &str| &fitted.schema().columns()[fitted.schema().position(name).unwrap()];
    let of = |name: &str| (column(name).unit.as_ref().map(ToString::to_string), column(name).column_use);
    use tsc_core::ColumnUse::{Both, Cluster, Model};
    assert_eq!(of("HR.mean"), (Some("1/min".into()), Both));
    assert_eq!(of("HR.slope"), (Some("1/min/h".into()), Model));
    assert_eq!(of("HR.log_count"), (None, Cluster));
    assert_eq!(of("HR.count"), (Some("count".into()), Model));
    assert_eq!(of("Temp.hours_since_last"), (Some("hours".into()), Model));
    assert_eq!(of("Temp.missing"), (None, Model));
    assert_eq!(fitted.horizon(), Millis(6 * HOUR as u64));
}

/// Liveness: each key changes an output.
#[test]
fn each_setting_changes_an_output() {
    let table = table(&stays());
    let base = fit(params(), &table).transform(&table).unwrap();
    let changed = |change: fn(&mut SeriesParams)| {
        let mut changed = params();
        change(&mut changed);
        fit(changed, &table).transform(&table).unwrap()
    };
    let earlier = changed(|p| p.rows = Rows::PerPatient { cut: Millis(9 * HOUR as u64) });
    assert_eq!(cell(&earlier, 0, "HR.last"), 80.0);
    let fewer = changed(|p| p.features = vec![FeatureSet::Stats]);
    assert!(
        fewer.schema().position("Temp.missing").is_none() && base.schema().position("Temp.missing").is_some()
    );
    let narrow = changed(|p| p.missing_ratio = [0.5, 0.9]);
    assert!(narrow.schema().position("Temp.missing").is_none());
    assert_eq!(changed(|p| p.target = None).targets(), None);
    assert_eq!(changed(|p| p.resources.clear()).resources().count(), 0);
}

#[test]
fn names_that_the_table_lacks_are_refused_with_their_key() {
    let check = |change: fn(&mut SeriesParams), code: &str, message: &str| {
        let mut params = params();
        change(&mut params);
        let error = Featurizer::new(params).unwrap().fit(&table(&stays())).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (code, message));
    };
    check(
        |p| p.target = Some(TargetSpec::Outcome { name: "HR".into() }),
        "TSC-DAT-113",
        "the table has no outcome variable \"HR\", which target.name names",
    );
    check(
        |p| p.resources = vec![ResourceSpec::new("cost", "Cost")],
        "TSC-DAT-113",
        "the table has no outcome variable \"Cost\", which resources.outcome names",
    );
    check(
        |p| p.resources = vec![ResourceSpec::new("death", "In-hospital_death")],
        "TSC-DAT-111",
        "variable table: In-hospital_death is a resource, so it needs a unit",
    );
    check(
        |p| p.cluster_columns = vec!["HRR.*".into()],
        "TSC-DAT-116",
        // 10 of HR, 9 of Temp (no std, no slope), Age.
        "cluster_columns [HRR.*] match none of the 20 features",
    );
    let broken = SeriesParams { features: Vec::new(), ..params() };
    let error = Featurizer::new(broken).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidConfig, "TSC-DAT-112"));
    let alone = table(&[("A", 0, "HR", 80.0)]);
    assert_eq!(Featurizer::new(params()).unwrap().fit(&alone).unwrap_err().code(), "TSC-DAT-115");
}

/// S-27: absent variables are imputed and listed, unknown ones ignored, another unit is an error.
#[test]
fn new_data_may_lack_a_variable_but_not_change_its_unit() {
    let fitted = fit(params(), &table(&stays()));
    let own = |unit: Unit| {
        let hr = VariableSpec { unit: Some(unit), ..VariableSpec::new("HR") };
        VariableTable::new(vec![hr, VariableSpec::new("CRP")]).unwrap()
    };
    let rows = [("N", 0, "HR", 75.0), ("N", 0, "CRP", 5.0)];
    let matrix = fitted.transform(&table_of(own(Unit::Other("1/min".into())), &rows)).unwrap();
    assert_eq!(matrix.quality().absent_variables, ["Age", "Temp"]);
    assert_eq!(cell(&matrix, 0, "HR.mean"), 75.0);
    assert_eq!(cell(&matrix, 0, "Age"), 60.0);
    assert!(matrix.targets().unwrap()[0].is_nan());

    let error = fitted.transform(&table_of(own(Unit::Other("1/s".into())), &rows)).unwrap_err();
    assert_eq!(error.to_string(), "variable HR is in 1/s, the featurizer was fitted on 1/min");
    assert_eq!(error.code(), "TSC-DAT-114");
    let empty = table(&stays()).select(&[]);
    assert_eq!(fitted.transform(&empty).unwrap_err().code(), "TSC-DAT-109");
}

/// S-02: the same bits after a reload.
#[test]
fn a_restored_featurizer_gives_the_same_bits() {
    let table = table(&stays());
    let fitted = fit(params(), &table);
    let mut files = MemoryArtifacts::new();
    fitted.save(&mut files).unwrap();
    assert_eq!(files.files().keys().collect::<Vec<_>>(), ["featurizer.json"]);
    let restored: FittedFeaturizer = restore(&fitted.kind().into(), &files).unwrap();
    assert_eq!(restored, fitted);
    assert_eq!(bits(&restored.transform(&table).unwrap()), bits(&fitted.transform(&table).unwrap()));
    let mut again = MemoryArtifacts::new();
    restored.save(&mut again).unwrap();
    assert_eq!(again, files);
}

#[test]
fn a_damaged_file_is_an_error_and_never_a_panic() {
    let mut files = MemoryArtifacts::new();
    assert_eq!(FittedFeaturizer::load(1, &files).unwrap_err().kind(), ErrorKind::Artifact);
    fit(params(), &table(&stays())).save(&mut files).unwrap();
    let whole = files.get("featurizer.json").unwrap();
    let mut rng = fastrand::Rng::with_seed(3);
    let mut load = |bytes: Vec<u8>| {
        files.overwrite("featurizer.json", bytes);
        FittedFeaturizer::load(1, &files)
    };
    for cut in (0..whole.len()).step_by(61) {
        assert_eq!(load(whole[..cut].to_vec()).unwrap_err().kind(), ErrorKind::Artifact);
    }
    let text = String::from_utf8(whole.clone()).unwrap();
    let swap = |from: &str, to: &str| text.replacen(from, to, 1).into_bytes();
    for (from, to) in [
        ("\"variable\": ", "\"variable\": 9"),
        ("\"feature\": \"Age\"", "\"feature\": \"Rage\""),
        ("\"cut\": \"42h\"", "\"cut\": \"0s\""),
        ("\"cut\": \"42h\"", "\"cut\": \"43h\""),
        ("\"variable\": \"HR\"", "\"variable\": \"Age\""),
    ] {
        assert_ne!(swap(from, to), whole, "{from} is in the file");
        let error = load(swap(from, to)).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Artifact, "TSC-ART-003"), "{from}: {error}");
    }
    for _ in 0..500 {
        let mut bytes = whole.clone();
        let at = rng.usize(0..bytes.len());
        bytes[at] = rng.u8(..);
        // Any answer will do: a changed digit of a median is still a median.
        let _answer = load(bytes).map(|fitted| fitted.schema().n_features());
    }
}

#[test]
fn selected_rows_and_selected_patients_agree() {
    let table = table(&stays());
    let fitted = fit(params(), &table);
    let whole = fitted.transform(&table).unwrap();
    let chosen = fitted.transform(&table.select(&[PatientIx(2), PatientIx(0)])).unwrap();
    let rows = whole.select_rows(&[2, 0]);
    assert_eq!((rows.patients(), bits(&rows)), (chosen.patients(), bits(&chosen)));
    assert_eq!((rows.ids(), rows.groups()), (chosen.ids(), chosen.groups()));
    assert_eq!(rows.targets().unwrap()[1], 105.0);
    assert_eq!(rows.resources().next().unwrap().2[1], 4.0);
}

#[test]
fn debug_output_shows_no_value_and_no_patient() {
    let table = table(&[("Marked-id", HOUR, "HR", 123.456), ("Other", HOUR, "HR", 80.0)]);
    let matrix = fit(params(), &table).transform(&table).unwrap();
    let text = format!("{table:?} {matrix:?} {:?}", matrix.quality());
    assert!(!text.contains("Marked-id"), "{text}");
    assert!(!format!("{table:?} {matrix:?}").contains("123"));
}

fn any_rows() -> impl Strategy<Value = Vec<(usize, i64, usize, f64)>> {
    prop::collection::vec((0..4usize, 0..48i64 * 60, 0..4usize, 1.0..400.0f64), 1..80)
}

const PATIENTS: [&str; 4] = ["A", "B", "C", "D"];
const VARIABLES: [&str; 4] = ["HR", "MAP", "Urine", "MechVent"];

fn named(rows: &[(usize, i64, usize, f64)]) -> Vec<Cell<'static>> {
    rows.iter().map(|&(p, minute, v, value)| (PATIENTS[p], minute * 60_000, VARIABLES[v], value)).collect()
}

fn fitted_on_stays() -> FittedFeaturizer {
    let mut rows = stays();
    rows.extend([
        ("A", 0, "MAP", 70.0),
        ("B", 0, "MAP", 80.0),
        ("A", 0, "Urine", 50.0),
        ("C", HOUR, "Urine", 60.0),
    ]);
    rows.extend([("A", HOUR, "MechVent", 1.0), ("A", HOUR, "MAP", 75.0)]);
    fit(params(), &table(&rows))
}

proptest! {
    /// S-15: nothing at or after the cut reaches a feature.
    #[test]
    fn values_at_or_after_the_cut_change_no_bit(rows in any_rows(), later in any_rows()) {
        let fitted = fitted_on_stays();
        let all_patients = PATIENTS.map(|patient| (patient, 0, "Age", 50.0));
        let mut before: Vec<Cell<'_>> = all_patients.to_vec();
        before.extend(named(&rows).into_iter().filter(|row| row.1 < CUT));
        let mut with_later = before.clone();
        with_later.extend([("A", CUT, "HR", 399.0), ("B", CUT, "MechVent", 1.0)]);
        with_later.extend(named(&later).into_iter().map(|(p, time, v, value)| (p, CUT + time, v, value)));
        let expected = bits(&fitted.transform(&table(&before)).unwrap());
        prop_assert_eq!(bits(&fitted.transform(&table(&with_later)).unwrap()), expected);
    }

    /// S-02: the order of patients and of a patient's rows does not matter, nor how patients are cut into batches.
    #[test]
    fn order_and_chunks_change_no_bit(rows in any_rows(), seed in 0u64..1000) {
        let mut unique = std::collections::BTreeMap::new();
        for row in named(&rows) {
            unique.insert((row.0, row.1, row.2), row);
        }
        let mut rows: Vec<Cell<'_>> = unique.into_values().collect();
        let fitted = fitted_on_stays();
        let in_order = table(&rows);
        let expected = fitted.transform(&in_order).unwrap();
        fastrand::Rng::with_seed(seed).shuffle(&mut rows);
        let shuffled = fitted.transform(&table(&rows)).unwrap();
        for (row, patient) in expected.patients().iter().enumerate() {
            let other = shuffled.patients().iter().position(|p| p == patient).unwrap();
            prop_assert_eq!(bits(&expected.select_rows(&[row])), bits(&shuffled.select_rows(&[other])));
            let alone = fitted.transform(&in_order.select(&[PatientIx(row)])).unwrap();
            prop_assert_eq!(bits(&alone), bits(&expected.select_rows(&[row])));
        }
    }

    /// S-22: what is learnt depends on the set of training patients, not on their order, nor on others.
    #[test]
    fn the_fitted_form_does_not_depend_on_the_order_of_training_patients(seed in 0u64..1000) {
        let table = table(&stays());
        let mut order = [PatientIx(0), PatientIx(1), PatientIx(2)];
        fastrand::Rng::with_seed(seed).shuffle(&mut order);
        prop_assert_eq!(fit(params(), &table.select(&order)), fit(params(), &table));
    }

    #[test]
    fn test_patients_change_no_byte_of_the_featurizer(rows in any_rows()) {
        let training = table(&stays());
        let mut all = stays();
        all.extend(named(&rows).into_iter().map(|(_, time, v, value)| ("T", time, v, value)));
        let with_test = table(&all).select(&[PatientIx(0), PatientIx(1), PatientIx(2)]);
        let stored = |table: &SeriesTable| {
            let mut files = MemoryArtifacts::new();
            fit(params(), table).save(&mut files).unwrap();
            files
        };
        prop_assert_eq!(stored(&with_test), stored(&training));
    }

    /// Features are finite whatever finite values come in.
    #[test]
    fn features_are_finite_for_any_values(values in prop::collection::vec(any::<f64>(), 1..20)) {
        let variables = VariableTable::new(vec![VariableSpec::new("X")]).unwrap();
        let params = SeriesParams { cluster_columns: vec![], target: None, resources: vec![], ..params() };
        let training = table_of(variables.clone(), &[("A", 0, "X", 1.0), ("A", 1, "X", 3.0), ("B", 0, "X", 2.0)]);
        let fitted = fit(params, &training);
        let rows: Vec<Cell<'_>> =
            values.iter().enumerate().map(|(i, &value)| ("N", i as i64 * HOUR, "X", value)).collect();
        let matrix = fitted.transform(&table_of(variables, &rows)).unwrap();
        prop_assert!(matrix.features().as_slice().iter().all(|value| value.is_finite()));
    }
}
