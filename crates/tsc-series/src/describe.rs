//! Coverage of a finished table, and what in it looks wrong.

use rayon::prelude::*;
use tsc_core::Millis;

use crate::conversion::shipped;
use crate::quality::{Coverage, QualityWarning, median};
use crate::table::SeriesTable;
use crate::variables::{Role, VariableSpec};

/// Cells of one value before it is suspected to be a sentinel.
const SENTINEL_CELLS: usize = 20;
/// Interquartile ranges that it lies beyond the quartiles.
const SENTINEL_RANGES: f64 = 10.0;
/// How near a median must be to the typical one in another unit.
const UNIT_TOLERANCE: f64 = 0.1;

/// Fills coverage and warnings, variables in parallel. `odd`: by variable, values that the range changed or removed,
/// as they were.
pub(crate) fn describe(table: &mut SeriesTable, odd: Vec<Vec<f64>>) {
    let (patients, width) = (table.patients.len(), table.variables.len());
    let roles: Vec<Role> = table.variables.as_slice().iter().map(|v| v.role).collect();
    let is_measured = |patient: &usize| {
        let ends = &table.offsets[patient * width..=(patient + 1) * width];
        ends.windows(2).zip(&roles).any(|(ends, role)| role.is_dynamic() && ends[0] < ends[1])
    };
    let without = (0..patients).filter(|patient| !is_measured(patient)).count();
    let described =
        table.variables.as_slice().par_iter().enumerate().zip(odd).map(|((variable, spec), mut odd)| {
            let mut values = Vec::new();
            let mut covered = 0;
            let mut gaps = Gaps::default();
            for patient in 0..patients {
                let cell = patient * width + variable;
                let range = table.offsets[cell]..table.offsets[cell + 1];
                let fixed = Some(table.fixed[cell]).filter(|v| !v.is_nan());
                covered += u64::from(!range.is_empty() || fixed.is_some());
                gaps.add(&table.times[range.clone()]);
                values.extend_from_slice(&table.values[range]);
                values.extend(fixed);
            }
            let (min, max) = extremes(&values);
            let middle = median(&mut values);
            let coverage = Coverage {
                variable: spec.name.clone(),
                unit: spec.unit.clone(),
                patients: covered,
                values: values.len() as u64,
                min: (!values.is_empty()).then_some(min),
                median: middle,
                max: (!values.is_empty()).then_some(max),
                mean_gap: gaps.mean(),
                longest_gap: gaps.longest,
            };
            // As recorded, so that a range that removes a sentinel or a wrong unit does not hide it.
            let is_odd = !odd.is_empty();
            if let Some(clamped_to) = spec.valid.filter(|_| is_odd) {
                values.retain(|value| !clamped_to.contains(value));
            }
            values.append(&mut odd);
            let recorded_ends = if is_odd { extremes(&values) } else { (min, max) };
            let sentinel = suspected_sentinel(spec, &values, recorded_ends);
            let recorded = if is_odd { median(&mut values) } else { middle };
            let unit = recorded.and_then(|recorded| suspected_unit(spec, recorded));
            (coverage, [sentinel, unit])
        });
    let (coverage, warnings): (Vec<_>, Vec<_>) = described.unzip();
    table.quality.patients = patients as u64;
    table.quality.patients_without_dynamic = without as u64;
    table.quality.coverage = coverage;
    table.quality.warnings = warnings.into_iter().flatten().flatten().collect();
}

#[derive(Default)]
struct Gaps {
    total: u64,
    count: u64,
    longest: Option<Millis>,
}

impl Gaps {
    /// Rising times of one patient.
    fn add(&mut self, times: &[i64]) {
        let gap = |pair: &[i64]| pair[1].abs_diff(pair[0]);
        if let Some(longest) = times.windows(2).map(gap).max() {
            self.longest = self.longest.max(Some(Millis(longest)));
            self.total = self.total.saturating_add(times[times.len() - 1].abs_diff(times[0]));
            self.count += times.len() as u64 - 1;
        }
    }

    fn mean(&self) -> Option<Millis> {
        self.total.checked_div(self.count).map(Millis)
    }
}

/// Smallest and largest value; infinite if there is none.
fn extremes(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
}

fn suspected_sentinel(
    spec: &VariableSpec,
    values: &[f64],
    (low, high): (f64, f64),
) -> Option<QualityWarning> {
    let is_far = |extreme: f64| {
        // Quartiles of the others: a sentinel may be more than a quarter of all.
        let mut others: Vec<f64> = values.iter().copied().filter(|value| *value != extreme).collect();
        let n = others.len();
        if n == 0 {
            return false;
        }
        let mut quartile = |position: usize| *others.select_nth_unstable_by(position, f64::total_cmp).1;
        let (first, third) = (quartile(n / 4), quartile(3 * n / 4));
        let reach = SENTINEL_RANGES * (third - first);
        // Without a spread every other value would be far.
        reach > 0.0 && (extreme < first - reach || extreme > third + reach)
    };
    let found = [low, high].into_iter().find_map(|extreme| {
        let count = values.iter().filter(|value| **value == extreme).count();
        (count >= SENTINEL_CELLS && is_far(extreme)).then_some((extreme, count))
    });
    found.map(|(value, count)| QualityWarning::SuspectedSentinel {
        variable: spec.name.clone(),
        value,
        count: count as u64,
    })
}

fn suspected_unit(spec: &VariableSpec, median: f64) -> Option<QualityWarning> {
    let typical = spec.typical?;
    let is_near = |expected: f64| (median - expected).abs() <= UNIT_TOLERANCE * expected.abs();
    if is_near(typical) {
        return None;
    }
    let found = shipped(&spec.name, spec.unit.as_ref()).find(|it| is_near(it.linear.invert(typical)))?;
    let from = found.from.parse().ok()?;
    Some(QualityWarning::SuspectedUnit { variable: spec.name.clone(), from, median })
}
