//! The simulated cohort is what it says.
#![allow(clippy::unwrap_used, reason = "the helpers of a test file are tests too")]

use tsc_series::simulate::{Cohort, MAX_GROUPS, SimulatedCohort};
use tsc_series::{FeatureMatrix, Featurizer, PatientIx, Reason};

fn drifting() -> (Cohort, SimulatedCohort) {
    let cohort = Cohort { patients: 600, drift_at: Some(0.5), ..Cohort::default() };
    let simulated = cohort.simulate().unwrap();
    (cohort, simulated)
}

/// Features as a pipeline sees them: fitted on the stays before the drift.
fn matrix(simulated: &SimulatedCohort, training: usize) -> FeatureMatrix {
    let chosen: Vec<PatientIx> = (0..training).map(PatientIx).collect();
    let fitted = Featurizer::new(Cohort::params()).unwrap().fit(&simulated.table.select(&chosen)).unwrap();
    fitted.transform(&simulated.table).unwrap()
}

/// The clusterer's columns, standardised by the first `training` rows and clipped to 5 deviations.
fn view(matrix: &FeatureMatrix, training: usize) -> Vec<Vec<f64>> {
    let columns: Vec<usize> = (0..matrix.schema().n_features())
        .filter(|&column| matrix.schema().columns()[column].column_use.clusters())
        .collect();
    let x = matrix.features();
    let scale = |&column: &usize| {
        let values: Vec<f64> = x.rows().take(training).map(|row| row[column]).collect();
        let mean = values.iter().sum::<f64>() / training as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / training as f64;
        (mean, variance.sqrt())
    };
    let scales: Vec<(f64, f64)> = columns.iter().map(scale).collect();
    let standard = |row: &[f64]| {
        columns.iter().zip(&scales).map(|(&c, (mean, sd))| ((row[c] - mean) / sd).clamp(-5.0, 5.0)).collect()
    };
    x.rows().map(standard).collect()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt()
}

/// Distance from each of `rows` to its `k`-th nearest other row among `among`.
fn kth_nearest(rows: &[usize], among: &[usize], view: &[Vec<f64>], k: usize) -> Vec<f64> {
    rows.iter()
        .map(|&row| {
            let others = among.iter().filter(|&&other| other != row);
            let mut all: Vec<f64> = others.map(|&other| distance(&view[row], &view[other])).collect();
            all.sort_by(f64::total_cmp);
            all[k - 1]
        })
        .collect()
}

fn smallest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

/// What density clustering needs: inside a group everyone has a near neighbourhood, other groups are beyond
/// it, and the new group is further from every old stay than old groups from each other, so it is noise.
#[test]
fn groups_are_dense_and_apart_and_the_new_group_is_further_away() {
    let (cohort, simulated) = drifting();
    let training = 300;
    let view = view(&matrix(&simulated, training), training);
    let of = |group: usize, rows: std::ops::Range<usize>| -> Vec<usize> {
        rows.filter(|&row| simulated.truth.groups[row] == group).collect()
    };
    let old: Vec<usize> = (0..training).collect();
    let mut between = f64::INFINITY;
    let mut within: f64 = 0.0;
    for group in 0..cohort.groups {
        let own = of(group, 0..training);
        let others: Vec<usize> = old.iter().copied().filter(|row| !own.contains(row)).collect();
        within = within.max(largest(&kth_nearest(&own, &own, &view, 10)));
        between = between.min(smallest(&kth_nearest(&own, &others, &view, 1)));
    }
    assert!(between > within, "{between:.2} between groups, {within:.2} within");
    let new = of(cohort.groups, training..600);
    let away = smallest(&kth_nearest(&new, &old, &view, 1));
    let widest_gap = (0..cohort.groups)
        .map(|group| {
            let own = of(group, 0..training);
            let others: Vec<usize> = old.iter().copied().filter(|row| !own.contains(row)).collect();
            smallest(&kth_nearest(&own, &others, &view, 1))
        })
        .fold(0.0, f64::max);
    assert!(away > widest_gap, "{away:.2} to the new group, at most {widest_gap:.2} between old ones");
}

#[test]
fn the_new_group_comes_with_the_drift_and_grows_to_most_patients() {
    let (cohort, simulated) = drifting();
    let share = |rows: std::ops::Range<usize>| {
        let n = rows.len();
        rows.filter(|&row| simulated.truth.groups[row] == cohort.groups).count() as f64 / n as f64
    };
    assert_eq!(share(0..300), 0.0);
    assert!(share(300..350) > 0.3, "{}", share(300..350));
    assert!(share(450..600) > 0.7, "{}", share(450..600));
    assert_eq!(simulated.truth.after_drift.iter().filter(|after| **after).count(), 300);
    let calm = Cohort { drift_at: None, ..cohort }.simulate().unwrap();
    assert!(calm.truth.groups.iter().all(|&group| group < 4));
}

/// Slope of target over the deviation of one sign inside a group, by least squares.
fn relation(matrix: &FeatureMatrix, rows: &[usize], feature: &str) -> f64 {
    let column = matrix.schema().position(feature).unwrap();
    let (x, y) = (matrix.features(), matrix.targets().unwrap());
    let pairs: Vec<(f64, f64)> =
        rows.iter().map(|&row| (x.row(row)[column], y[row])).filter(|(_, y)| !y.is_nan()).collect();
    let n = pairs.len() as f64;
    let mean = |f: fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>() / n;
    let (mx, my) = (mean(|p| p.0), mean(|p| p.1));
    let cross: f64 = pairs.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
    cross / pairs.iter().map(|(x, _)| (x - mx).powi(2)).sum::<f64>()
}

/// By construction: +8 beats per deviation of temperature (0.16 x 0.6 C) in group 0, none in group 1;
/// -9 per deviation of respiratory rate (0.16 x 4 per minute) in group 2, +11 in the new group.
#[test]
fn groups_differ_in_how_later_heart_rate_depends_on_earlier_signs() {
    let cohort = Cohort { patients: 2_000, drift_at: Some(0.5), ..Cohort::default() };
    let simulated = cohort.simulate().unwrap();
    let matrix = matrix(&simulated, 1_000);
    let slope = |group: usize, feature: &str| {
        let rows: Vec<usize> = (0..2_000).filter(|&row| simulated.truth.groups[row] == group).collect();
        relation(&matrix, &rows, feature)
    };
    assert!((slope(2, "RespRate.mean") + 9.0 / 0.64).abs() < 3.0, "{}", slope(2, "RespRate.mean"));
    assert!((slope(4, "RespRate.mean") - 11.0 / 0.64).abs() < 3.0, "{}", slope(4, "RespRate.mean"));
    assert!(slope(0, "RespRate.mean").abs() < 3.0, "{}", slope(0, "RespRate.mean"));
    assert!(slope(0, "Temp.mean") > 40.0 && slope(1, "Temp.mean").abs() < 20.0);
}

#[test]
fn dirt_reaches_the_cleaning_table_and_length_of_stay_follows_severity() {
    let simulated = Cohort { patients: 1_000, ..Cohort::default() }.simulate().unwrap();
    let quality = simulated.table.quality();
    for reason in [Reason::Sentinel, Reason::OutOfRange, Reason::NonFinite, Reason::Repeat] {
        assert!(quality.count(reason) > 10, "{reason:?}");
    }
    assert!(quality.rows.rejected < quality.rows.read / 50);
    let matrix = matrix(&simulated, 1_000);
    let days = matrix.resources().next().unwrap().2;
    let mean = |sick: bool| {
        let of = |row: &usize| (simulated.truth.groups[*row] != 0) == sick && !days[*row].is_nan();
        let rows: Vec<usize> = (0..1_000).filter(of).collect();
        rows.iter().map(|&row| days[row]).sum::<f64>() / rows.len() as f64
    };
    assert!(mean(true) > mean(false) + 2.0, "{} {}", mean(true), mean(false));
    assert!(matrix.schema().position("Lactate.missing").is_some());
}

#[test]
fn the_same_seed_gives_the_same_stays_and_a_longer_cohort_starts_with_them() {
    let cohort = Cohort { patients: 30, ..Cohort::default() };
    let first = cohort.simulate().unwrap();
    assert_eq!(first, cohort.simulate().unwrap());
    assert_ne!(first.table, Cohort { seed: 43, ..cohort.clone() }.simulate().unwrap().table);
    let longer = Cohort { patients: 60, ..cohort }.simulate().unwrap();
    let start: Vec<PatientIx> = (0..30).map(PatientIx).collect();
    let (a, b) = (first.table.clone(), longer.table.select(&start));
    assert_eq!(a.patients(), b.patients());
    for patient in start {
        for variable in (0..a.variables().len()).map(tsc_series::VariableIx) {
            assert_eq!(a.series(patient, variable), b.series(patient, variable));
        }
    }
}

#[test]
fn settings_out_of_bounds_are_refused() {
    let check = |cohort: Cohort, message: &str| {
        let error = cohort.simulate().unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), ("TSC-DAT-117", message));
    };
    check(Cohort { patients: 0, ..Cohort::default() }, "patients is 0, must be at least 1");
    check(Cohort { groups: 0, ..Cohort::default() }, "groups is 0, must be in 1..=6");
    check(Cohort { groups: MAX_GROUPS + 1, ..Cohort::default() }, "groups is 7, must be in 1..=6");
    check(Cohort { drift_at: Some(f64::NAN), ..Cohort::default() }, "drift_at is NaN, must be in 0..=1");
    assert!(Cohort { groups: 1, drift_at: Some(0.0), patients: 5, ..Cohort::default() }.simulate().is_ok());
}
