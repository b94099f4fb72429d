//! Simulated intensive care stays with known groups and a known drift.
//!
//! Made by this project, from no patient's data: for demonstrations, tests and benchmarks in which the truth
//! must be known. Groups lie on the corners of a simplex code over seven vital signs, so every two are
//! equally far apart; they differ in level, in trend, and in how later heart rate depends on earlier signs.
//! After the drift a new group appears, further from every group than those from each other, so that a
//! clustering of the stays before must call it noise, and with a relation of its own, so that old models err.

use fastrand::Rng;
use tsc_core::Result;

use crate::builder::SeriesTableBuilder;
use crate::error::SeriesError;
use crate::params::SeriesParams;
use crate::table::SeriesTable;
use crate::variables::{Role, VariableSpec, VariableTable};

const HOURS: f64 = 48.0;
const MS_PER_HOUR: f64 = 3_600_000.0;

/// Most groups a cohort can have: six corners span five dimensions, those the clusterer's view keeps.
pub const MAX_GROUPS: usize = 6;

/// What to simulate.
///
/// # Examples
///
/// ```
/// use tsc_series::simulate::Cohort;
/// use tsc_series::Featurizer;
/// let cohort = Cohort { patients: 200, drift_at: Some(0.5), ..Cohort::default() };
/// let simulated = cohort.simulate()?;
/// assert_eq!(simulated.table.n_patients(), 200);
/// assert!(simulated.truth.groups[..100].iter().all(|&group| group < 4)); // the new group is number 4
/// assert!(simulated.truth.groups[100..].contains(&4));
///
/// let matrix = Featurizer::new(Cohort::params())?.fit(&simulated.table)?.transform(&simulated.table)?;
/// assert_eq!(matrix.n_samples(), 200);
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Cohort {
    /// Stays, in order of arrival; default 1,000.
    pub patients: usize,
    /// Groups before the drift, 1..=6; default 4.
    pub groups: usize,
    /// Share of patients, in 0..=1, after which a new group appears; default none.
    pub drift_at: Option<f64>,
    /// Same seed, same stays. A patient depends on seed, groups, own position and drift alone.
    pub seed: u64,
}

impl Default for Cohort {
    fn default() -> Self {
        Self { patients: 1_000, groups: 4, drift_at: None, seed: 42 }
    }
}

/// What is known about each simulated patient, in the table's order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Truth {
    /// Group 0..`groups`, or `groups` for the group that appears with the drift.
    pub groups: Vec<usize>,
    /// Whether the patient came after the drift began.
    pub after_drift: Vec<bool>,
}

/// Stays and what is known about them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SimulatedCohort {
    /// The stays, cleaned: errors of recording are part of the simulation.
    pub table: SeriesTable,
    /// Group and time of each patient.
    pub truth: Truth,
}

impl Cohort {
    /// Draws the cohort. Deterministic, one thread.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if `patients` is 0, `groups` not in 1..=6, or `drift_at` not in 0..=1.
    pub fn simulate(&self) -> Result<SimulatedCohort> {
        self.check()?;
        let mut builder = SeriesTable::builder(variables()?);
        let mut truth = Truth { groups: Vec::new(), after_drift: Vec::new() };
        for position in 0..self.patients {
            // One generator per patient, so that a longer cohort starts with the same stays.
            let mut rng =
                Rng::with_seed(self.seed.wrapping_add((position as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            let progress = self.drift_progress(position);
            let group = self.group(progress, &mut rng);
            Stay::draw(self.groups, group, &mut rng).record(
                &format!("sim-{:06}", position + 1),
                &mut builder,
                &mut rng,
            );
            truth.groups.push(group);
            truth.after_drift.push(progress.is_some());
        }
        Ok(SimulatedCohort { table: builder.finish()?, truth })
    }

    /// [`SeriesParams::icu`], clustering by mean, smallest and largest value of eight vital signs.
    ///
    /// The simulated groups differ in levels, not in how closely they are watched, so the columns of the
    /// preset itself would not show them.
    #[must_use]
    pub fn params() -> SeriesParams {
        let vitals = ["HR", "MAP", "SysABP", "RespRate", "Urine", "Temp", "SaO2", "GCS"];
        let levels = |vital: &&str| ["mean", "min", "max"].map(|stat| format!("{vital}.{stat}"));
        SeriesParams { cluster_columns: vitals.iter().flat_map(levels).collect(), ..SeriesParams::icu() }
    }

    fn check(&self) -> Result<()> {
        let fault = |key, value: String, bound| Err(SeriesError::Setting { key, value, bound }.into());
        if self.patients == 0 {
            return fault("patients", "0".into(), "at least 1");
        }
        if !(1..=MAX_GROUPS).contains(&self.groups) {
            return fault("groups", self.groups.to_string(), "in 1..=6");
        }
        match self.drift_at {
            Some(at) if !(0.0..=1.0).contains(&at) => fault("drift_at", at.to_string(), "in 0..=1"),
            _ => Ok(()),
        }
    }

    /// 0 where the drift begins, 1 at the last patient; `None` before.
    fn drift_progress(&self, position: usize) -> Option<f64> {
        let start = self.drift_at? * self.patients as f64;
        let since = position as f64 - start;
        (since >= 0.0).then(|| since / (self.patients as f64 - start).max(1.0))
    }

    fn group(&self, progress: Option<f64>, rng: &mut Rng) -> usize {
        let old = rng.usize(0..self.groups);
        // Over a third of the time after the drift the new group grows from 40 % to 85 % of the patients.
        let share = progress.map_or(0.0, |progress| 0.40 + 0.45 * (3.0 * progress).min(1.0));
        if rng.f64() < share { self.groups } else { old }
    }
}

/// The variables of an intensive care stay that are simulated.
fn variables() -> Result<VariableTable> {
    let vitals = VITALS.iter().map(|vital| vital.name);
    let others =
        ["SysABP", "Age", "Gender", "Height", "Weight", "ICUType", "Length_of_stay", "In-hospital_death"];
    let names: Vec<&str> = vitals.chain(others).chain(LABS.map(|lab| lab.name)).collect();
    let mut variables: Vec<VariableSpec> = VariableTable::icu().into();
    variables.retain(|variable| names.contains(&variable.name.as_str()));
    for variable in &mut variables {
        // Weight is simulated at admission only.
        if variable.role == Role::StaticAndDynamic {
            variable.role = Role::Static;
        }
    }
    VariableTable::new(variables)
}

/// A laboratory value: healthy level, change per unit of summed severity, spread, decimals.
struct Lab {
    name: &'static str,
    healthy: f64,
    step: f64,
    spread: f64,
    decimals: i32,
}

const LABS: [Lab; 4] = [
    Lab { name: "Creatinine", healthy: 0.9, step: 0.08, spread: 0.1, decimals: 2 },
    Lab { name: "Lactate", healthy: 1.2, step: 0.15, spread: 0.2, decimals: 1 },
    Lab { name: "WBC", healthy: 10.0, step: 0.4, spread: 1.0, decimals: 1 },
    Lab { name: "Platelets", healthy: 220.0, step: -5.0, spread: 20.0, decimals: 0 },
];

/// A vital sign: healthy level, change per unit of severity, spread within a patient, hours between records.
struct Vital {
    name: &'static str,
    healthy: f64,
    step: f64,
    spread: f64,
    gap: f64,
    decimals: i32,
}

const fn vital(name: &'static str, [healthy, step, spread, gap]: [f64; 4], decimals: i32) -> Vital {
    Vital { name, healthy, step, spread, gap, decimals }
}

const AXES: usize = 7;
const HEART_RATE: usize = 0;
const MEAN_PRESSURE: usize = 1;
const VITALS: [Vital; AXES] = [
    vital("HR", [78.0, 16.0, 3.0, 0.9], 0),
    vital("MAP", [92.0, -14.0, 3.0, 1.0], 0),
    vital("RespRate", [15.0, 4.0, 1.2, 1.1], 0),
    vital("Urine", [130.0, -28.0, 12.0, 1.8], 0),
    vital("Temp", [36.7, 0.6, 0.15, 3.5], 1),
    vital("SaO2", [98.0, -2.2, 0.5, 1.5], 0),
    vital("GCS", [14.5, -2.2, 0.4, 4.0], 0),
];

/// Words of the [7, 3] simplex code: every two differ in four of seven places.
const WORDS: [[u8; AXES]; MAX_GROUPS] = [
    [0, 0, 0, 0, 0, 0, 0],
    [1, 0, 1, 0, 1, 0, 1],
    [0, 1, 1, 0, 0, 1, 1],
    [1, 1, 0, 0, 1, 1, 0],
    [0, 0, 0, 1, 1, 1, 1],
    [1, 0, 1, 1, 0, 1, 0],
];

/// Trend of heart rate per hour, by group; the last is that of the new group.
const TRENDS: [f64; MAX_GROUPS + 1] = [-0.05, 0.25, -0.25, 0.15, -0.15, 0.30, -0.20];

/// Which sign's deviation moves later heart rate, and by how much per deviation of 1; new group last.
const RELATIONS: [(usize, f64); MAX_GROUPS + 1] =
    [(4, 8.0), (1, 9.0), (2, -9.0), (6, 8.0), (2, 8.0), (4, -9.0), (2, 11.0)];

/// What the new group's later heart rate changes by, whatever the other signs.
const NEW_GROUP_SHIFT: f64 = -16.0;

/// How far the new group lies from the healthy corner, relative to the mean of the groups.
const NEW_GROUP_REACH: f64 = 5.2;

/// Spread of patients of one group, in units of severity; two groups are 2 apart.
const PATIENT_SPREAD: f64 = 0.16;

struct Stay {
    /// Severity per sign: 0 healthy, 1 as in a group that has the sign.
    severity: [f64; AXES],
    /// Heart rate per hour, around hour 21.
    trend: f64,
    /// Change of heart rate from hour 42 on.
    late_shift: f64,
    stay_days: f64,
    dies: bool,
}

impl Stay {
    fn draw(groups: usize, group: usize, rng: &mut Rng) -> Self {
        let is_new = group == groups;
        let row = if is_new { MAX_GROUPS } else { group };
        let mut severity = if is_new { new_group(groups) } else { WORDS[group].map(f64::from) };
        let mut deviations = [0.0; AXES];
        for (severity, deviation) in severity.iter_mut().zip(&mut deviations) {
            *deviation = normal(rng);
            *severity += PATIENT_SPREAD * *deviation;
        }
        let (axis, effect) = RELATIONS[row];
        let shift = if is_new { NEW_GROUP_SHIFT } else { 0.0 };
        let total: f64 = severity.iter().sum();
        let stay_days =
            (1.0 + 0.9 * total + 0.8 * deviations[MEAN_PRESSURE].abs() + 0.5 * normal(rng).abs()).round();
        Self {
            severity,
            trend: TRENDS[row] + 0.03 * normal(rng),
            late_shift: shift + effect * deviations[axis] + 1.5 * normal(rng),
            stay_days: stay_days.max(2.0),
            dies: rng.f64() < (0.03 + 0.02 * total).clamp(0.0, 0.9),
        }
    }

    fn record(&self, id: &str, builder: &mut SeriesTableBuilder, rng: &mut Rng) {
        record_statics(id, builder, rng);
        for (axis, vital) in VITALS.iter().enumerate() {
            let level = vital.healthy + vital.step * self.severity[axis];
            let mut hour = vital.gap * rng.f64();
            while hour <= HOURS {
                let mut value = level + vital.spread * normal(rng);
                if axis == HEART_RATE {
                    value += self.trend * (hour - 21.0);
                    value += if hour >= 42.0 { self.late_shift } else { 0.0 };
                }
                let value = plausible(vital.name, round(value, vital.decimals));
                push(builder, id, hour, vital.name, error_of_recording(vital.name, value, rng));
                if axis == MEAN_PRESSURE {
                    push(builder, id, hour, "SysABP", round(value * 1.4 + 2.0 * normal(rng), 0));
                    repeat_with_another_value(builder, id, hour, value, rng);
                }
                hour += vital.gap * (0.4 + 1.2 * rng.f64());
            }
        }
        self.record_labs(id, builder, rng);
        let days = if rng.f64() < 0.015 { -1.0 } else { self.stay_days };
        builder.push(id, 0, "Length_of_stay", days);
        builder.push(id, 0, "In-hospital_death", f64::from(u8::from(self.dies)));
    }

    fn record_labs(&self, id: &str, builder: &mut SeriesTableBuilder, rng: &mut Rng) {
        let total: f64 = self.severity.iter().sum();
        for lab in &LABS {
            if rng.f64() < 0.25 {
                continue;
            }
            let mut hour = 6.0 * rng.f64();
            while hour <= HOURS {
                let value = lab.healthy + lab.step * total + lab.spread * normal(rng);
                push(builder, id, hour, lab.name, plausible(lab.name, round(value, lab.decimals)));
                hour += 6.0 + 10.0 * rng.f64();
            }
        }
    }
}

/// Beyond the mean of the groups, seen from the healthy corner: in the space they span, and outside of it all.
fn new_group(groups: usize) -> [f64; AXES] {
    let mut severity = [0.0; AXES];
    for (axis, severity) in severity.iter_mut().enumerate() {
        let sum: u8 = WORDS[..groups].iter().map(|word| word[axis]).sum();
        *severity = NEW_GROUP_REACH * f64::from(sum) / groups as f64;
    }
    if groups == 1 { WORDS[1].map(|bit| NEW_GROUP_REACH * 0.5 * f64::from(bit)) } else { severity }
}

fn record_statics(id: &str, builder: &mut SeriesTableBuilder, rng: &mut Rng) {
    let height = 170.0 + 9.0 * normal(rng);
    builder.push(id, 0, "Age", (45.0 + 45.0 * rng.f64()).floor());
    builder.push(id, 0, "Gender", f64::from(rng.u8(0..2)));
    // As in real stays, unknown heights and weights are recorded as -1.
    builder.push(id, 0, "Height", if rng.f64() < 0.3 { -1.0 } else { round(height, 1) });
    let weight = 0.48 * height + 10.0 * normal(rng);
    builder.push(id, 0, "Weight", if rng.f64() < 0.08 { -1.0 } else { round(weight, 1) });
    builder.push(id, 0, "ICUType", f64::from(rng.u8(1..5)));
}

/// One record in 500 is an impossible value, one in 2,000 no number.
fn error_of_recording(name: &str, value: f64, rng: &mut Rng) -> f64 {
    match rng.u32(0..2_000) {
        0 => f64::NAN,
        1..=4 if name == "Temp" => -17.8,
        1..=4 if name != "Urine" => 0.0,
        _ => value,
    }
}

fn repeat_with_another_value(
    builder: &mut SeriesTableBuilder,
    id: &str,
    hour: f64,
    value: f64,
    rng: &mut Rng,
) {
    if rng.u32(0..500) == 0 {
        push(builder, id, hour, "MAP", value + 1.0);
    }
}

fn push(builder: &mut SeriesTableBuilder, id: &str, hour: f64, variable: &str, value: f64) {
    // Whole minutes, as records have them; at most 48 h, so the cast is exact.
    let minutes = (hour * 60.0).floor();
    builder.push(id, (minutes * MS_PER_HOUR / 60.0) as i64, variable, value);
}

fn plausible(name: &str, value: f64) -> f64 {
    match name {
        "SaO2" => value.clamp(60.0, 100.0),
        "GCS" => value.clamp(3.0, 15.0),
        "Urine" => value.max(0.0),
        _ => value.max(0.1),
    }
}

fn round(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (value * scale).round() / scale
}

/// Nearly normal, mean 0, deviation 1, within 6: sums only, so the bits are the same on every machine.
fn normal(rng: &mut Rng) -> f64 {
    (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0
}
