use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::{Millis, Unit};

use crate::error::excerpt;

/// Why a row was rejected or its value changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reason {
    /// A value that stands for "missing".
    Sentinel,
    /// A value that stands for "a few": a stand-in in a series, missing as a static value or outcome.
    Censored,
    /// A value that is no number.
    Unparsable,
    /// A missing, infinite or NaN value.
    NonFinite,
    /// A value outside the `outlier` bounds.
    OutOfRange,
    /// A value set to the nearer `valid` bound: changed, not rejected.
    Clamped,
    /// An error of recording that was undone: changed, not rejected.
    Repaired,
    /// A text that is neither a declared category nor a number.
    UnknownCategory,
    /// A value in a unit that the variable has no conversion from.
    UnitMismatch,
    /// A variable that the variable table does not name.
    UnknownVariable,
    /// Another row holds the value of the same patient, variable and time.
    Repeat,
    /// A row without a patient, or of a patient that the series do not hold.
    NoPatient,
    /// A row without a readable time.
    NoTime,
}

impl Reason {
    /// Faults of the file rather than of the measurement: these count against `max_rejected_ratio`.
    #[must_use]
    pub fn is_cell_fault(self) -> bool {
        matches!(
            self,
            Reason::Unparsable
                | Reason::NonFinite
                | Reason::NoPatient
                | Reason::NoTime
                | Reason::UnknownCategory
                | Reason::UnitMismatch
        )
    }
}

/// Rows of one kind. `read = used + rejected`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Rows seen.
    pub read: u64,
    /// Rows that ended up in the table.
    pub used: u64,
    /// Rows that did not.
    pub rejected: u64,
}

/// How often a reason applied to a variable, and where first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityCount {
    /// Why.
    pub reason: Reason,
    /// Name of the variable; empty where it is not known.
    pub variable: String,
    /// Number of rows.
    pub count: u64,
    /// Number of the first such row, counted from 1 over all rows read.
    pub first_row: u64,
}

/// What is known about one variable after cleaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Name of the variable.
    pub variable: String,
    /// Its unit.
    pub unit: Option<Unit>,
    /// Patients with a value.
    pub patients: u64,
    /// Values.
    pub values: u64,
    /// Smallest value, if there is one.
    pub min: Option<f64>,
    /// Median, if there is a value.
    pub median: Option<f64>,
    /// Largest value, if there is one.
    pub max: Option<f64>,
    /// Mean time between consecutive values of a patient, if there are two.
    #[serde(default)]
    pub mean_gap: Option<Millis>,
    /// Longest such time.
    #[serde(default)]
    pub longest_gap: Option<Millis>,
}

impl Coverage {
    fn add(&mut self, more: &Coverage) {
        let of = |a: Option<f64>, b: Option<f64>, pick: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (a, b) => a.or(b),
        };
        self.median = if self.values == 0 { more.median } else { self.median.filter(|_| more.values == 0) };
        // Mean gaps are weighted by the number of gaps, values less patients.
        let (here, there) =
            (self.values.saturating_sub(self.patients), more.values.saturating_sub(more.patients));
        self.mean_gap = match (self.mean_gap, more.mean_gap) {
            (Some(Millis(a)), Some(Millis(b))) if here + there > 0 => {
                let share = there as f64 / (here + there) as f64;
                Some(Millis((a as f64 + (b as f64 - a as f64) * share) as u64))
            }
            (a, b) => a.or(b),
        };
        self.longest_gap = self.longest_gap.max(more.longest_gap);
        self.patients += more.patients;
        self.values += more.values;
        self.min = of(self.min, more.min, f64::min);
        self.max = of(self.max, more.max, f64::max);
    }
}

/// Something in the data that a person should look at; nothing was changed because of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum QualityWarning {
    /// The smallest or largest value comes 20 times or more, beyond 10 interquartile ranges from the quartiles,
    /// and is not declared in `sentinels`.
    SuspectedSentinel {
        /// Name of the variable.
        variable: String,
        /// The value.
        value: f64,
        /// How often it comes.
        count: u64,
    },
    /// The median is within 10 % of the typical one in another unit: declare it in `convert`.
    SuspectedUnit {
        /// Name of the variable.
        variable: String,
        /// The unit it seems to be in.
        from: Unit,
        /// The median as recorded.
        median: f64,
    },
    /// Rows are stays, and nothing says which stays are of one person, so splits keep stays together, not persons.
    StaysAsGroups,
}

/// Share of the rows in which a feature was imputed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Imputed {
    /// Name of the feature.
    pub feature: String,
    /// Share of rows, above 0.
    pub ratio: f64,
}

/// Why a column was dropped at fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// No training patient has a value.
    Empty,
    /// All training patients have the same value.
    Constant,
}

/// A column that was dropped at fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedColumn {
    /// Name of the feature.
    pub feature: String,
    /// Why.
    pub reason: DropReason,
}

/// What was read, rejected and changed: counts only, never a patient's identity or value.
///
/// The lower half is filled by [`crate::FittedFeaturizer::transform`] and empty in a table's report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QualityReport {
    /// Rows of series and statics.
    pub rows: Tally,
    /// Cells of outcomes.
    pub outcomes: Tally,
    /// Rows by reason and variable, ordered.
    pub counts: Vec<QualityCount>,
    /// Places (patient, variable, time) that were given differing values, by variable.
    pub conflicting_repeats: BTreeMap<String, u64>,
    /// What a person should look at.
    #[serde(default)]
    pub warnings: Vec<QualityWarning>,
    /// Columns of the input that nothing maps to.
    pub unmapped_columns: Vec<String>,
    /// Patients in the table.
    pub patients: u64,
    /// Patients without any dynamic value; they are kept.
    pub patients_without_dynamic: u64,
    /// Each variable after cleaning.
    pub coverage: Vec<Coverage>,
    /// Features with imputed rows.
    pub imputed: Vec<Imputed>,
    /// Columns dropped at fit.
    pub dropped_columns: Vec<DroppedColumn>,
    /// Fitted variables that the transformed table does not have; imputed in every row.
    pub absent_variables: Vec<String>,
    /// Rows without a target.
    pub rows_without_target: u64,
}

impl QualityReport {
    /// Adds what was found in further patients. A median of all cannot be told from those of parts.
    pub(crate) fn add(&mut self, other: &QualityReport) {
        for (tally, more) in [(&mut self.rows, other.rows), (&mut self.outcomes, other.outcomes)] {
            tally.read += more.read;
            tally.used += more.used;
            tally.rejected += more.rejected;
        }
        let mut counts: BTreeMap<_, _> =
            self.counts.drain(..).map(|c| ((c.reason, c.variable), (c.count, c.first_row))).collect();
        for more in &other.counts {
            let key = (more.reason, more.variable.clone());
            counts.entry(key).or_insert((0, more.first_row)).0 += more.count;
        }
        self.counts = Counts { by_reason: counts, unknown_names: 0 }.into_list();
        for (variable, count) in &other.conflicting_repeats {
            *self.conflicting_repeats.entry(variable.clone()).or_insert(0) += count;
        }
        self.patients += other.patients;
        self.patients_without_dynamic += other.patients_without_dynamic;
        if self.coverage.is_empty() {
            self.coverage.clone_from(&other.coverage);
        } else {
            self.coverage.iter_mut().zip(&other.coverage).for_each(|(all, more)| all.add(more));
        }
        for warning in &other.warnings {
            if !self.warnings.contains(warning) {
                self.warnings.push(warning.clone());
            }
        }
    }

    /// Rows with a reason, over all variables, outcomes too.
    #[must_use]
    pub fn count(&self, reason: Reason) -> u64 {
        self.counts.iter().filter(|c| c.reason == reason).map(|c| c.count).sum()
    }

    /// Rows with a reason in one variable.
    #[must_use]
    pub fn count_of(&self, reason: Reason, variable: &str) -> u64 {
        let wanted = |c: &&QualityCount| c.reason == reason && c.variable == variable;
        self.counts.iter().find(wanted).map_or(0, |c| c.count)
    }
}

/// Names of unknown variables come from the file: this many are told apart.
const MAX_UNKNOWN_NAMES: usize = 100;
const OTHER: &str = "(other)";

/// Counts while a table is built.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    by_reason: BTreeMap<(Reason, String), (u64, u64)>,
    unknown_names: usize,
}

impl Counts {
    pub(crate) fn add(&mut self, reason: Reason, variable: &str, row: u64) {
        let mut key = (reason, variable.to_string());
        if reason == Reason::UnknownVariable {
            key.1 = excerpt(variable.as_bytes());
            if !self.by_reason.contains_key(&key) {
                self.unknown_names += 1;
                if self.unknown_names > MAX_UNKNOWN_NAMES {
                    key.1 = OTHER.into();
                }
            }
        }
        let entry = self.by_reason.entry(key).or_insert((0, row));
        entry.0 += 1;
        entry.1 = entry.1.min(row);
    }

    pub(crate) fn into_list(self) -> Vec<QualityCount> {
        self.by_reason
            .into_iter()
            .map(|((reason, variable), (count, first_row))| QualityCount {
                reason,
                variable,
                count,
                first_row,
            })
            .collect()
    }
}

/// Median of `values`, reordering them; the mean of the middle two if their number is even.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let odd = values.len() % 2 == 1;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if odd {
        return Some(upper);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp)?;
    // Halves first: the sum of two large values may overflow.
    Some(lower / 2.0 + upper / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle_value_or_the_mean_of_the_middle_two() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&mut [f64::MAX, f64::MAX]), Some(f64::MAX));
    }

    #[test]
    fn a_file_full_of_unknown_names_does_not_grow_the_report_without_bound() {
        let mut counts = Counts::default();
        for row in 0..500 {
            counts.add(Reason::UnknownVariable, &format!("v{row}"), row + 1);
        }
        let list = counts.into_list();
        assert_eq!(list.len(), MAX_UNKNOWN_NAMES + 1);
        assert_eq!(list.iter().map(|c| c.count).sum::<u64>(), 500);
    }
}
