//! Panels: rows per period, features against a peer, targets, naive forecasts, local scales.
#![allow(clippy::unwrap_used, reason = "the helpers of a test file are tests too")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use tsc_core::{ArtifactSource, ErrorKind, Load, MemoryArtifacts, Millis, Save, Timestamp, Unit, restore};
use tsc_series::{
    Aggregate, Censored, FeatureMatrix, FeatureSet, Featurizer, FittedFeaturizer, Grid, PatientIx,
    ResourceSpec, Rolling, Rows, ScaleParams, SeriesParams, SeriesTable, TargetForm, TargetSpec, TimeKind,
    VariableSpec, VariableTable, WindowStat,
};

const DAY: i64 = 86_400_000;
/// First days of the months of 2001 to 2005 since 1970, by Python's datetime.
const MARCH_2001: i64 = 11_382;
const LENGTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// First day of the month `months` after March 2001; 2004 has 29 days in February.
fn month(months: usize) -> i64 {
    let mut day = MARCH_2001;
    for at in 0..months {
        let (month, year) = ((2 + at) % 12, 2001 + (2 + at) / 12);
        day += LENGTHS[month] + i64::from(month == 1 && year == 2004);
    }
    day * DAY
}

fn table_of(variables: Vec<VariableSpec>, rows: &[(&str, i64, &str, f64)]) -> SeriesTable {
    let variables = VariableTable::new(variables).unwrap();
    let mut builder = SeriesTable::builder(variables).with_times(TimeKind::Calendar);
    for (patient, time, variable, value) in rows {
        builder.push(patient, *time, variable, *value);
    }
    builder.finish().unwrap()
}

fn monthly(series: &[(&str, &[f64])]) -> SeriesTable {
    let row = |name| move |(at, value): (usize, &f64)| (name, month(at), "y", *value);
    let rows: Vec<_> = series.iter().flat_map(|(name, y)| y.iter().enumerate().map(row(*name))).collect();
    table_of(vec![VariableSpec::new("y")], &rows)
}

fn forecast(params: SeriesParams) -> SeriesParams {
    SeriesParams { target: Some(TargetSpec::Forecast { variable: "y".into() }), ..params }
}

/// Lags 1 and 2, next month.
fn short() -> SeriesParams {
    forecast(SeriesParams {
        rows: Rows::Panel { from: 1, every: 1 },
        lags: vec![1, 2],
        rolling: Vec::new(),
        trends: Vec::new(),
        season: None,
        horizon: vec![1],
        scale: ScaleParams::default(),
        ..SeriesParams::monthly()
    })
}

fn fit(params: SeriesParams, table: &SeriesTable) -> FittedFeaturizer {
    Featurizer::new(params).unwrap().fit(table).unwrap()
}

fn features(params: SeriesParams, table: &SeriesTable) -> FeatureMatrix {
    fit(params, table).transform(table).unwrap()
}

fn column(matrix: &FeatureMatrix, feature: &str) -> Vec<f64> {
    let position = matrix.schema().position(feature).unwrap_or_else(|| panic!("no {feature}"));
    matrix.features().rows().map(|row| row[position]).collect()
}

fn reference<'m>(matrix: &'m FeatureMatrix, name: &str) -> &'m [f64] {
    &matrix.references().iter().find(|r| r.name == name).unwrap_or_else(|| panic!("no {name}")).values
}

#[derive(Deserialize)]
struct Golden {
    mlforecast: String,
    series: BTreeMap<String, Vec<f64>>,
    features: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
}

/// S-19. mlforecast 1.1.0, by tests/golden/panel.py.
#[test]
fn panel_features_equal_mlforecast() {
    let golden: Golden = serde_json::from_str(include_str!("golden/panel.json")).unwrap();
    assert_eq!(golden.mlforecast, "1.1.0");
    let series: Vec<(&str, &[f64])> =
        golden.series.iter().map(|(name, y)| (name.as_str(), y.as_slice())).collect();
    let rolling = |window, stat| Rolling { window, stat };
    let params = SeriesParams {
        rows: Rows::Panel { from: 15, every: 1 },
        lags: vec![1, 2, 12, 15],
        rolling: vec![
            rolling(3, WindowStat::Mean),
            rolling(12, WindowStat::Std),
            rolling(4, WindowStat::Min),
            rolling(4, WindowStat::Max),
        ],
        ewm: vec![0.3],
        expanding: vec![WindowStat::Mean, WindowStat::Std, WindowStat::Min, WindowStat::Max],
        ..short()
    };
    let matrix = features(params, &monthly(&series));
    let mut checked = 0;
    for (feature, by_series) in &golden.features {
        let ours = column(&matrix, feature);
        for (name, expected) in by_series {
            let rows = (0..matrix.n_samples()).filter(|&row| matrix.patients()[row] == *name);
            let ours: Vec<f64> = rows.map(|row| ours[row]).collect();
            // mlforecast has no row for the month after the last.
            assert_eq!(ours.len(), expected.len() + 1, "{name} {feature}");
            for (got, expected) in ours.iter().zip(expected) {
                assert!(
                    (got - expected).abs() <= 1e-9 * expected.abs(),
                    "{name} {feature}: {got}, {expected}"
                );
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 14 * (25 + 16 + 13));
}

#[test]
fn a_row_is_made_when_a_month_has_ended_and_its_target_is_the_next_one() {
    let matrix = features(short(), &monthly(&[("A", &[3.0, 5.0, 4.0, 8.0])]));
    assert_eq!(column(&matrix, "y.lag1"), [3.0, 5.0, 4.0, 8.0]);
    // Unknown at first: the median of 3, 5 and 4.
    assert_eq!(column(&matrix, "y.lag2"), [4.0, 3.0, 5.0, 4.0]);
    // April to July 2001.
    assert_eq!(column(&matrix, "month"), [4.0, 5.0, 6.0, 7.0]);
    let targets = matrix.targets().unwrap();
    assert_eq!(targets[..3], [5.0, 4.0, 8.0]);
    assert!(targets[3].is_nan());
    assert_eq!(matrix.quality().rows_without_target, 1);
    let stamps = |from: usize| (from..from + 4).map(|at| Timestamp(month(at))).collect::<Vec<_>>();
    assert_eq!((matrix.times(), matrix.known_at()), (&stamps(1)[..], &stamps(2)[..]));
    let batch = matrix.batch();
    assert_eq!((batch.times(), batch.groups().unwrap()[0]), (Some(matrix.known_at()), matrix.groups()[0]));
    let ids: std::collections::BTreeSet<_> = matrix.ids().iter().collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn several_steps_are_rows_with_the_step_as_a_feature() {
    let y: Vec<f64> = (0..30).map(f64::from).collect();
    let params = SeriesParams { season: Some(12), horizon: vec![1, 14], ..short() };
    let fitted = fit(params, &monthly(&[("A", &y)]));
    let matrix = fitted.transform(&monthly(&[("A", &y)])).unwrap();
    assert_eq!(matrix.n_samples(), 60);
    assert_eq!(column(&matrix, "step")[..4], [1.0, 14.0, 1.0, 14.0]);
    // The row after month 24 forecasts months 24 and 37: a year before the first, two before the second.
    let row = 2 * 24 - 2;
    assert_eq!(matrix.times()[row], Timestamp(month(24)));
    assert_eq!(column(&matrix, "y.season1")[row..row + 2], [12.0, 13.0]);
    assert_eq!(column(&matrix, "y.season2")[row..row + 2], [0.0, 1.0]);
    assert_eq!(column(&matrix, "y.season_mean")[row..row + 2], [6.0, 7.0]);
    // Value over the mean of the 12 months that end with it; the year before has no 12.
    let ratio = 12.0 / 6.5;
    assert_eq!(column(&matrix, "y.season_index")[row..row + 2], [ratio, 13.0 / 7.5]);
    // March 2001 and 24, 37 months: March 2003, April 2004.
    assert_eq!(column(&matrix, "month")[row..row + 2], [3.0, 4.0]);
    assert_eq!(matrix.targets().unwrap()[row], 24.0);
    assert!(matrix.targets().unwrap()[row + 1].is_nan());
    // 14 periods of the calendar, months of 31 days.
    assert_eq!(fitted.horizon(), Millis(14 * 31 * DAY as u64));
    assert_eq!(matrix.known_at()[row + 1], Timestamp(month(38)));
}

#[test]
fn naive_forecasts_are_in_the_unit_whatever_the_form() {
    let y: Vec<f64> = (0..26).map(|t| f64::from(100 + t)).collect();
    for form in [TargetForm::Level, TargetForm::Ratio, TargetForm::ScaledDifference] {
        let scale = ScaleParams { form, ..ScaleParams::default() };
        let params = SeriesParams { season: Some(12), scale, ..short() };
        let matrix = features(params, &monthly(&[("A", &y)]));
        // The row after month 24, with 124 last.
        let row = 24;
        let of = |name: &str| reference(&matrix, name)[row];
        assert_eq!((of("last"), of("seasonal")), (124.0, 113.0));
        assert_eq!(of("recent_mean"), 118.5);
        assert_eq!(of("growth"), 124.0 * (113.0 / 112.0));
        // S-21: back in the unit.
        let targets = matrix.targets().unwrap();
        let back = matrix.to_unit(targets);
        assert!((back[row] - 125.0).abs() < 1e-12, "{form:?}");
        let expected = match form {
            TargetForm::Level => 125.0,
            TargetForm::Ratio => 125.0 / 118.5,
            _ => 1.0 / 118.5,
        };
        assert!((targets[row] - expected).abs() < 1e-15 * 125.0, "{form:?}");
        let lag = column(&matrix, "y.lag1")[row];
        assert_eq!(lag, if form == TargetForm::Level { 124.0 } else { 124.0 / 118.5 });
        let some = matrix.select_rows(&[row]);
        assert_eq!((reference(&some, "last"), some.to_unit(&[targets[row]])[0]), (&[124.0][..], back[row]));
    }
    let no_season = features(short(), &monthly(&[("A", &y)]));
    let names: Vec<&str> = no_season.references().iter().map(|r| r.name).collect();
    assert_eq!(names, ["last", "recent_mean"]);
}

fn wave(level: f64, n: usize) -> Vec<f64> {
    (0..n).map(|t| level * (1.0 + 0.1 * (t as f64).sin())).collect()
}

#[test]
fn fit_transform_is_fit_and_then_transform() {
    let table = monthly(&[("a", &wave(100.0, 40)), ("b", &wave(9.0, 30))]);
    let featurizer = Featurizer::new(forecast(SeriesParams::monthly())).unwrap();
    let fitted = featurizer.fit(&table).unwrap();
    let (again, matrix) = featurizer.fit_transform(&table).unwrap();
    assert_eq!(again, fitted);
    let apart = fitted.transform(&table).unwrap();
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert!(bits(matrix.features().as_slice()) == bits(apart.features().as_slice()));
    assert!(bits(matrix.targets().unwrap()) == bits(apart.targets().unwrap()));
    assert_eq!((matrix.ids(), matrix.quality()), (apart.ids(), apart.quality()));
}

/// S-21: series that are zero for a year neither blow up their own targets nor move other series' features.
#[test]
fn the_floor_keeps_series_of_zeros_small() {
    let series: Vec<(String, Vec<f64>)> =
        (0..20).map(|at| (format!("S{at}"), wave(100.0 + f64::from(at), 30))).collect();
    let mut named: Vec<(&str, &[f64])> = series.iter().map(|(n, y)| (n.as_str(), y.as_slice())).collect();
    let scale = ScaleParams { form: TargetForm::ScaledDifference, ..ScaleParams::default() };
    // From the second month on, so that no lag is imputed.
    let params = SeriesParams { scale, rows: Rows::Panel { from: 2, every: 1 }, ..short() };
    let before = features(params.clone(), &monthly(&named));
    let mut zeros = vec![0.0; 18];
    zeros.extend([0.0, 1.0, 3.0]);
    named.push(("Z", &zeros));
    let after = features(params.clone(), &monthly(&named));
    let n = before.n_samples();
    let cells = n * before.schema().n_features();
    assert!(after.features().as_slice()[..cells] == *before.features().as_slice());
    assert_eq!(after.targets().unwrap()[..10], before.targets().unwrap()[..10]);
    // The median scale is near 110, so half of it near 55: the step from 1 to 3 is 2 / 55.
    let largest = after.targets().unwrap()[n..].iter().copied().fold(0.0, f64::max);
    assert!((0.03..0.045).contains(&largest), "{largest}");
    // With next to no floor the first step away from zero is all that counts.
    let tiny = ScaleParams { floor: 1e-12, ..scale };
    let blown = features(SeriesParams { scale: tiny, ..params }, &monthly(&named));
    let largest = blown.targets().unwrap()[n..].iter().copied().fold(0.0, f64::max);
    assert!(largest > 1e9, "{largest}");
}

fn weeks(rows: &[(i64, f64)]) -> SeriesTable {
    let spec = VariableSpec { aggregate: Some(Aggregate::Sum), ..VariableSpec::new("y") };
    let rows: Vec<_> = rows.iter().map(|&(day, value)| ("H", day * DAY, "y", value)).collect();
    table_of(vec![spec], &rows)
}

/// Traps: filled targets; Friday and Sunday weeks, two rows in one; every second week missing.
#[test]
fn a_carried_value_is_a_feature_and_never_a_target() {
    // Friday 2020-07-31 and Sunday 2020-08-02 share a week; the next two weeks are missing; then Sundays again.
    let friday = 18_474;
    let table = weeks(&[(friday, 4.0), (friday + 2, 2.0), (friday + 23, 9.0), (friday + 30, 8.0)]);
    let params = SeriesParams { grid: Grid::Week, ..short() };
    let matrix = features(params, &table);
    // Rows after week 0, the two carried ones, weeks 3 and 4.
    assert_eq!(column(&matrix, "y.lag1"), [6.0, 6.0, 6.0, 9.0, 8.0]);
    let targets = matrix.targets().unwrap();
    assert!(targets[0].is_nan() && targets[1].is_nan() && targets[4].is_nan());
    assert_eq!(targets[2..4], [9.0, 8.0]);
    assert_eq!(reference(&matrix, "last"), [6.0, 6.0, 6.0, 9.0, 8.0]);
}

#[test]
fn a_stand_in_is_a_feature_with_a_mark_and_never_a_target() {
    let censored = Some(Censored { sentinel: -999_999.0, value: 2.0 });
    let spec = VariableSpec { censored, ..VariableSpec::new("y") };
    let rows: Vec<_> = [10.0, -999_999.0, 12.0, 13.0]
        .iter()
        .enumerate()
        .map(|(at, &value)| ("H", month(at), "y", value))
        .collect();
    let matrix = features(short(), &table_of(vec![spec], &rows));
    assert_eq!(column(&matrix, "y.lag1"), [10.0, 2.0, 12.0, 13.0]);
    assert_eq!(column(&matrix, "y.censored.lag1"), [0.0, 1.0, 0.0, 0.0]);
    let targets = matrix.targets().unwrap();
    assert!(targets[0].is_nan());
    assert_eq!(targets[1..3], [12.0, 13.0]);
}

#[test]
fn a_series_may_be_a_resource_of_the_same_period() {
    let icu = VariableSpec { unit: Some(Unit::Count), ..VariableSpec::new("icu") };
    let mut rows = Vec::new();
    for (at, (y, beds)) in [(10.0, 1.0), (11.0, 3.0), (13.0, 2.0)].into_iter().enumerate() {
        rows.extend([("H", month(at), "y", y), ("H", month(at), "icu", beds)]);
    }
    let resources = vec![ResourceSpec::new("icu_beds", "icu")];
    let matrix =
        features(SeriesParams { resources, ..short() }, &table_of(vec![VariableSpec::new("y"), icu], &rows));
    let (kind, unit, values) = matrix.resources().next().unwrap();
    assert_eq!((kind.name(), unit, &values[..2]), ("icu_beds", &Unit::Count, &[3.0, 2.0][..]));
    assert!(values[2].is_nan());
}

#[test]
fn rows_begin_after_from_periods_and_can_be_thinned() {
    let y = wave(50.0, 24);
    let of = |rows| features(SeriesParams { rows, ..short() }, &monthly(&[("A", &y)])).n_samples();
    assert_eq!(of(Rows::Panel { from: 1, every: 1 }), 24);
    assert_eq!(of(Rows::Panel { from: 15, every: 1 }), 10);
    assert_eq!(of(Rows::Panel { from: 15, every: 4 }), 3);
    let none = Featurizer::new(SeriesParams { rows: Rows::Panel { from: 25, every: 1 }, ..short() }).unwrap();
    let error = none.fit(&monthly(&[("A", &y)])).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidData, "TSC-DAT-141"));
}

#[test]
fn times_of_another_kind_are_refused() {
    let mut builder = SeriesTable::builder(VariableTable::new(vec![VariableSpec::new("y")]).unwrap());
    builder.push("A", 0, "y", 1.0);
    let relative = builder.finish().unwrap();
    let error = Featurizer::new(short()).unwrap().fit(&relative).unwrap_err();
    assert_eq!(error.code(), "TSC-DAT-140");
    assert_eq!(error.to_string(), "rows of this kind on a grid of month need calendar dates");
    let stay = SeriesParams { target: None, ..SeriesParams::default() };
    let error = Featurizer::new(stay).unwrap().fit(&monthly(&[("A", &[1.0, 2.0])])).unwrap_err();
    assert_eq!(error.to_string(), "rows of this kind on a grid of 1h need times since admission");
    // Two values at the ends of time on a grid of hours.
    let wide =
        table_of(vec![VariableSpec::new("y")], &[("A", -(1 << 51), "y", 1.0), ("A", 1 << 51, "y", 2.0)]);
    let hourly = SeriesParams { grid: Grid::Every(Millis(3_600_000)), ..short() };
    let error = Featurizer::new(hourly).unwrap().fit(&wide).unwrap_err();
    assert!(error.to_string().contains("periods of the grid, at most 400000 are allowed"), "{error}");
}

#[test]
fn an_hourly_panel_counts_from_admission() {
    let mut builder = SeriesTable::builder(VariableTable::new(vec![VariableSpec::new("y")]).unwrap());
    for hour in 0..6 {
        builder.push("A", hour * 3_600_000 + 60_000, "y", (hour * hour) as f64);
    }
    let grid = Grid::Every(Millis(3_600_000));
    let matrix = features(SeriesParams { grid, ..short() }, &builder.finish().unwrap());
    assert_eq!(matrix.targets().unwrap()[..5], [1.0, 4.0, 9.0, 16.0, 25.0]);
    assert_eq!((matrix.times()[0], matrix.batch().times()), (Timestamp(3_600_000), None));
}

#[test]
fn a_restored_featurizer_scales_alike() {
    let table = monthly(&[("A", &wave(10.0, 30)), ("B", &wave(1000.0, 30))]);
    let scale = ScaleParams { form: TargetForm::Ratio, ..ScaleParams::default() };
    let fitted = fit(SeriesParams { scale, ..forecast(SeriesParams::monthly()) }, &table);
    let mut files = MemoryArtifacts::new();
    fitted.save(&mut files).unwrap();
    let restored: FittedFeaturizer = restore(&fitted.kind().into(), &files).unwrap();
    assert_eq!(restored, fitted);
    let again = restored.transform(&table).unwrap();
    assert_eq!(again.features().as_slice(), fitted.transform(&table).unwrap().features().as_slice());
    let text = String::from_utf8(files.get("featurizer.json").unwrap()).unwrap();
    files.overwrite("featurizer.json", text.replacen("\"floors\": [", "\"floors\": [1.0,", 1).into_bytes());
    assert_eq!(FittedFeaturizer::load(1, &files).unwrap_err().code(), "TSC-ART-003");
}

#[test]
fn settings_read_as_the_guide_writes_them() {
    let text = r#"
        rows = { kind = "panel", from = 12 }
        features = ["panel"]
        grid = "month"
        lags = [1, 12]
        rolling = [{ window = 3, stat = "mean" }]
        season = 12
        horizon = 3
        scale = { form = "ratio" }
        target = { kind = "forecast", variable = "y" }
    "#;
    let params: SeriesParams = toml::from_str(text).unwrap();
    assert_eq!((params.rows, &params.horizon[..]), (Rows::Panel { from: 12, every: 1 }, &[1, 2, 3][..]));
    assert_eq!(params.check(), []);
    let list: SeriesParams = toml::from_str("horizon = [2, 12]").unwrap();
    assert_eq!(list.horizon, [2, 12]);
    let back: SeriesParams = toml::from_str(&toml::to_string(&params).unwrap()).unwrap();
    assert_eq!(back, params);
}

#[test]
fn broken_settings_name_key_value_and_bound() {
    let check = |change: fn(&mut SeriesParams), expected: &str| {
        let mut params = short();
        change(&mut params);
        let found: Vec<String> = params.check().iter().map(ToString::to_string).collect();
        assert_eq!(found.join("; "), expected);
    };
    check(
        |p| p.rows = Rows::Panel { from: 0, every: 0 },
        "rows.from is 0, must be at least 1; rows.every is 0, must be at least 1",
    );
    check(|p| p.lags = vec![0], "lags holds 0, must be in 1..=1000");
    check(|p| p.lags = vec![2, 2], "lags holds 2 twice");
    check(
        |p| p.rolling = vec![Rolling { window: 1, stat: WindowStat::Std }],
        "rolling holds 1, must be in 2..=1000",
    );
    check(|p| p.horizon = vec![], "horizon must be rising steps, at least one");
    check(|p| p.horizon = vec![2, 1], "horizon must be rising steps, at least one");
    check(|p| p.ewm = vec![1.5], "ewm holds 1.5, must be in 0..=1");
    check(|p| p.scale.floor = 0.0, "scale.floor is 0, must be above 0");
    check(|p| p.season = Some(1), "season holds 1, must be in 2..=1000");
    check(|p| p.grid = Grid::Every(Millis(0)), "grid is 0s, must be above 0");
    check(
        |p| p.rows = Rows::PerStep { from: Millis(1), every: Millis(1) },
        "features names panel, which needs rows of kind panel; target.kind is forecast, which needs rows of kind panel",
    );
}

/// Rows by series, time and step, with everything a model is given.
type ByRow = BTreeMap<(String, i64, u64), (Vec<u64>, Vec<u64>)>;

fn by_row(matrix: &FeatureMatrix) -> ByRow {
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<u64>>();
    let zeros = matrix.to_unit(&vec![0.0; matrix.n_samples()]);
    let ones = matrix.to_unit(&vec![1.0; matrix.n_samples()]);
    (0..matrix.n_samples())
        .map(|row| {
            let known: Vec<f64> =
                matrix.references().iter().map(|r| r.values[row]).chain([zeros[row], ones[row]]).collect();
            let step = matrix.schema().position("step").map_or(0.0, |at| matrix.features().row(row)[at]);
            let key = (matrix.patients()[row].clone(), matrix.times()[row].0, step as u64);
            (key, (bits(matrix.features().row(row)), bits(&known)))
        })
        .collect()
}

fn everything() -> SeriesParams {
    forecast(SeriesParams {
        rows: Rows::Panel { from: 2, every: 1 },
        features: vec![
            FeatureSet::Panel,
            FeatureSet::Stats,
            FeatureSet::Robust,
            FeatureSet::Trend,
            FeatureSet::Filled,
            FeatureSet::Carried,
            FeatureSet::Recent,
            FeatureSet::Missingness,
        ],
        recent: Millis(70 * DAY as u64),
        ewm: vec![0.3],
        differences: vec![1, 12],
        expanding: vec![WindowStat::Mean, WindowStat::Std, WindowStat::Min, WindowStat::Max],
        scale: ScaleParams { form: TargetForm::ScaledDifference, ..ScaleParams::default() },
        horizon: vec![1, 13],
        ..SeriesParams::monthly()
    })
}

proptest! {
    /// S-15, S-16, S-20: nothing at or after a row's time reaches its features, scale or naive forecasts, and
    /// rows before a change are still there.
    #[test]
    fn later_values_change_no_bit_of_earlier_rows(
        y in prop::collection::vec(1.0..200.0f64, 4..40),
        gaps in prop::collection::vec(any::<bool>(), 46),
        cut in 2usize..40,
        other in prop::collection::vec(1.0..1e6f64, 0..6),
    ) {
        let cut = cut.min(y.len() - 1);
        let row = |name| move |(at, value): (usize, f64)| (name, month(at), "y", value);
        let series = |y: &[f64]| {
            let mut rows: Vec<_> = wave(80.0, 41).into_iter().enumerate().map(row("A")).collect();
            rows.extend(y.iter().copied().enumerate().filter(|(at, _)| *at == 0 || !gaps[*at]).map(row("T")));
            table_of(vec![VariableSpec::new("y")], &rows)
        };
        let fitted = fit(everything(), &monthly(&[("A", &wave(80.0, 41)), ("B", &wave(50.0, 40))]));
        let whole = by_row(&fitted.transform(&series(&y)).unwrap());
        let changed: Vec<f64> = y[..cut].iter().copied().chain(other).collect();
        let after = by_row(&fitted.transform(&series(&changed)).unwrap());
        let early = |rows: ByRow| rows.into_iter().filter(|((_, at, _), _)| *at <= month(cut)).collect::<ByRow>();
        let (mut whole, mut after) = (early(whole), early(after));
        // Whether there is a row at the cut depends on the value before it, which may be a gap: both or none.
        prop_assert_eq!(whole.len(), after.len());
        prop_assert_eq!(std::mem::take(&mut whole), std::mem::take(&mut after));
    }

    /// S-02: order of rows, selection of series and threads change no bit.
    #[test]
    fn order_selection_and_threads_change_no_bit(seed in 0u64..1000) {
        let names = ["A", "B", "C"];
        let mut rows = Vec::new();
        for (name, level) in names.iter().zip([10.0, 200.0, 3000.0]) {
            rows.extend(wave(level, 30).into_iter().enumerate().map(|(at, value)| (*name, month(at), "y", value)));
        }
        let table = table_of(vec![VariableSpec::new("y")], &rows);
        let expected = by_row(&features(everything(), &table));
        fastrand::Rng::with_seed(seed).shuffle(&mut rows);
        let shuffled = table_of(vec![VariableSpec::new("y")], &rows);
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        prop_assert_eq!(&one.install(|| by_row(&features(everything(), &shuffled))), &expected);
        let fitted = fit(everything(), &table);
        for at in 0..3 {
            let alone = by_row(&fitted.transform(&table.select(&[PatientIx(at)])).unwrap());
            prop_assert!(alone.iter().all(|(key, row)| expected[key] == *row));
        }
    }
}
