use std::collections::BTreeMap;

use tsc_core::Result;

use crate::clean::{Cleaned, clean};
use crate::error::SeriesError;
use crate::quality::{Counts, Coverage, QualityReport, Reason, Tally, median};
use crate::table::SeriesTable;
use crate::time_kind::TimeKind;
use crate::variables::{Role, VariableTable};

#[derive(Clone, Copy, Debug)]
struct Row {
    patient: u32,
    variable: u32,
    time: i64,
    value: f64,
    number: u64,
}

/// Collects rows in any order; [`SeriesTableBuilder::finish`] cleans and sorts them.
#[must_use]
#[derive(Clone)]
pub struct SeriesTableBuilder {
    time_kind: TimeKind,
    variables: VariableTable,
    lookup: BTreeMap<String, u32>,
    patients: Vec<String>,
    patient_lookup: BTreeMap<String, u32>,
    last_patient: Option<u32>,
    dynamic: Vec<Row>,
    fixed: Vec<Row>,
    outcomes: Vec<Row>,
    counts: Counts,
    rows: Tally,
    outcome_cells: Tally,
}

impl std::fmt::Debug for SeriesTableBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeriesTableBuilder").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl SeriesTableBuilder {
    pub(crate) fn new(variables: VariableTable) -> Self {
        let variables = variables.with_companions();
        let numbers = 0u32..;
        let mut lookup: BTreeMap<String, u32> =
            variables.as_slice().iter().map(|v| v.name.clone()).zip(numbers).collect();
        // Companions are derived, never read.
        for companion in (0..variables.len()).filter_map(|variable| variables.companion(variable)) {
            lookup.remove(&variables.as_slice()[companion].name);
        }
        Self {
            time_kind: TimeKind::default(),
            variables,
            lookup,
            patients: Vec::new(),
            patient_lookup: BTreeMap::new(),
            last_patient: None,
            dynamic: Vec::new(),
            fixed: Vec::new(),
            outcomes: Vec::new(),
            counts: Counts::default(),
            rows: Tally::default(),
            outcome_cells: Tally::default(),
        }
    }

    /// Says what the times count from; without it they count from admission.
    pub fn with_times(self, time_kind: TimeKind) -> Self {
        Self { time_kind, ..self }
    }

    /// Adds a value measured at `time_ms`, in the variable's unit.
    ///
    /// The variable's role decides where it goes: a series, a static value (`time_ms` does not matter, except
    /// that a `StaticAndDynamic` variable is static at 0 only), or an outcome. What cannot be used is counted.
    pub fn push(&mut self, patient: &str, time_ms: i64, variable: &str, value: f64) {
        self.push_row(patient, Some(time_ms), variable, Some(value));
    }

    /// Makes sure that a patient is in the table, with or without values.
    pub fn add_patient(&mut self, patient: &str) {
        self.patient(patient);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.patients.is_empty()
    }

    pub(crate) fn holds(&self, patient: &str) -> bool {
        self.patient_lookup.contains_key(patient)
    }

    fn patient(&mut self, id: &str) -> u32 {
        // Files hold a patient's rows together, so the last one is nearly always right.
        if let Some(last) = self.last_patient
            && self.patients[last as usize] == id
        {
            return last;
        }
        let number = match self.patient_lookup.get(id) {
            Some(&number) => number,
            None => {
                let number =
                    u32::try_from(self.patients.len()).expect("fewer than 2^32 patients fit in memory");
                self.patients.push(id.to_string());
                self.patient_lookup.insert(id.to_string(), number);
                number
            }
        };
        self.last_patient = Some(number);
        number
    }

    /// `None` for a time that could not be read, and for a value that is no number.
    pub(crate) fn push_row(&mut self, patient: &str, time: Option<i64>, variable: &str, value: Option<f64>) {
        let known = self.lookup.get(variable).copied();
        let role = known.map(|v| self.variables.as_slice()[v as usize].role);
        let number = self.rows.read + self.outcome_cells.read + 1;
        let tally = if role.is_some_and(Role::is_outcome) { &mut self.outcome_cells } else { &mut self.rows };
        tally.read += 1;
        let fault = match (known, role) {
            _ if patient.is_empty() => Some(Reason::NoPatient),
            (Some(_), Some(Role::Static | Role::Outcome)) => value.is_none().then_some(Reason::Unparsable),
            (Some(_), Some(_)) if time.is_none() => Some(Reason::NoTime),
            (Some(_), Some(_)) => value.is_none().then_some(Reason::Unparsable),
            _ => Some(Reason::UnknownVariable),
        };
        let (Some(known), Some(role), Some(value), None) = (known, role, value, fault) else {
            tally.rejected += 1;
            self.counts.add(fault.unwrap_or(Reason::Unparsable), variable, number);
            if !patient.is_empty() {
                self.patient(patient);
            }
            return;
        };
        let time = time.unwrap_or(0);
        let row = Row { patient: self.patient(patient), variable: known, time, value, number };
        match role {
            Role::Dynamic | Role::OutcomeSeries => self.dynamic.push(row),
            Role::StaticAndDynamic if time != 0 => self.dynamic.push(row),
            Role::StaticAndDynamic | Role::Static => self.fixed.push(row),
            Role::Outcome => self.outcomes.push(row),
        }
    }

    /// A row that only says whose rows follow: read and used, without a value.
    pub(crate) fn count_key_row(&mut self) {
        self.rows.read += 1;
        self.rows.used += 1;
    }

    /// An outcome of a patient that the series do not hold.
    pub(crate) fn reject_outcome(&mut self, reason: Reason, variable: &str) {
        self.outcome_cells.read += 1;
        self.outcome_cells.rejected += 1;
        self.counts.add(reason, variable, self.rows.read + self.outcome_cells.read);
    }

    /// Cleans (sentinel, range, repeats), sorts and counts.
    ///
    /// Of several values of one patient, variable and time the last in row order stays; of several static
    /// values or outcomes of a patient the first.
    ///
    /// # Errors
    ///
    /// `InvalidData` if there is no patient.
    pub fn finish(mut self) -> Result<SeriesTable> {
        if self.patients.is_empty() {
            return Err(SeriesError::NoPatient { source_name: "the input".into() }.into());
        }
        let cells = self.patients.len() * self.variables.len();
        let mut cleaner = Cleaner {
            variables: &self.variables,
            counts: std::mem::take(&mut self.counts),
            conflicts: BTreeMap::new(),
        };
        let mut fixed = vec![f64::NAN; cells];
        cleaner.keep_first(&self.fixed, &mut self.rows, &mut fixed);
        cleaner.keep_first(&self.outcomes, &mut self.outcome_cells, &mut fixed);

        let (sorted, starts) = by_cell(&self.dynamic, cells, self.variables.len());
        drop(std::mem::take(&mut self.dynamic));
        let mut columns = Columns::with_capacity(cells, sorted.len());
        for cell in 0..cells {
            let variable = cell % self.variables.len();
            let is_outcome = self.variables.as_slice()[variable].role.is_outcome();
            let tally = if is_outcome { &mut self.outcome_cells } else { &mut self.rows };
            columns.begin();
            cleaner.keep_last(&sorted[starts[cell]..starts[cell + 1]], tally, &mut columns);
        }
        columns.offsets.push(columns.values.len());
        let (counts, conflicts) = (cleaner.counts, cleaner.conflicts);

        let mut table = SeriesTable {
            time_kind: self.time_kind,
            variables: self.variables,
            patients: self.patients,
            offsets: columns.offsets,
            times: columns.times,
            values: columns.values,
            fixed,
            quality: QualityReport {
                rows: self.rows,
                outcomes: self.outcome_cells,
                counts: counts.into_list(),
                conflicting_repeats: conflicts,
                ..QualityReport::default()
            },
        };
        describe(&mut table);
        Ok(table)
    }
}

struct Columns {
    offsets: Vec<usize>,
    times: Vec<i64>,
    values: Vec<f64>,
    /// Times of the present series at which a value is censored: the next series, if that is its companion.
    censored: Vec<i64>,
}

impl Columns {
    fn with_capacity(cells: usize, values: usize) -> Self {
        Self {
            offsets: Vec::with_capacity(cells + 1),
            times: Vec::with_capacity(values),
            values: Vec::with_capacity(values),
            censored: Vec::new(),
        }
    }

    fn begin(&mut self) {
        self.offsets.push(self.values.len());
        // A companion stands right behind its variable.
        self.values.resize(self.values.len() + self.censored.len(), 1.0);
        self.times.append(&mut self.censored);
    }
}

/// Rows grouped by (patient, variable), each group by time, equal times in row order.
fn by_cell(rows: &[Row], cells: usize, width: usize) -> (Vec<Row>, Vec<usize>) {
    let cell = |row: &Row| row.patient as usize * width + row.variable as usize;
    let mut starts = vec![0usize; cells + 1];
    for row in rows {
        starts[cell(row) + 1] += 1;
    }
    for index in 1..=cells {
        starts[index] += starts[index - 1];
    }
    let mut next = starts.clone();
    let mut sorted = rows.to_vec();
    for row in rows {
        let place = &mut next[cell(row)];
        sorted[*place] = *row;
        *place += 1;
    }
    for index in 0..cells {
        sorted[starts[index]..starts[index + 1]].sort_by_key(|row| row.time);
    }
    (sorted, starts)
}

struct Cleaner<'a> {
    variables: &'a VariableTable,
    counts: Counts,
    conflicts: BTreeMap<String, u64>,
}

impl Cleaner<'_> {
    /// The value, and whether it is a stand-in; counts what is changed or rejected.
    fn clean(&mut self, row: &Row, tally: &mut Tally) -> Option<(f64, bool)> {
        let spec = &self.variables.as_slice()[row.variable as usize];
        let (reason, kept) = match clean(row.value, spec) {
            Cleaned::Kept(value) => return Some((value, false)),
            Cleaned::Clamped(value) => (Reason::Clamped, Some((value, false))),
            Cleaned::Censored(value) if spec.has_companion() => (Reason::Censored, Some((value, true))),
            Cleaned::Censored(_) => (Reason::Censored, None),
            Cleaned::Rejected(reason) => (reason, None),
        };
        self.counts.add(reason, &spec.name, row.number);
        tally.rejected += u64::from(kept.is_none());
        kept
    }

    fn repeat(&mut self, row: &Row, tally: &mut Tally) {
        tally.rejected += 1;
        self.counts.add(Reason::Repeat, &self.variables.as_slice()[row.variable as usize].name, row.number);
    }

    fn conflict(&mut self, variable: u32) {
        let name = &self.variables.as_slice()[variable as usize].name;
        *self.conflicts.entry(name.clone()).or_insert(0) += 1;
    }

    /// Rows of one patient and variable, by time.
    fn keep_last(&mut self, rows: &[Row], tally: &mut Tally, columns: &mut Columns) {
        for same_time in rows.chunk_by(|a, b| a.time == b.time) {
            // Conflicts are a fact of the source, so they are seen before a range removes one of the values.
            let numbers = || same_time.iter().map(|row| row.value).filter(|value| value.is_finite());
            if numbers().zip(numbers().skip(1)).any(|(a, b)| a != b) {
                self.conflict(same_time[0].variable);
            }
            let mut kept: Option<(&Row, (f64, bool))> = None;
            for row in same_time {
                if let Some(value) = self.clean(row, tally)
                    && let Some((superseded, _)) = kept.replace((row, value))
                {
                    self.repeat(superseded, tally);
                }
            }
            if let Some((row, (value, is_censored))) = kept {
                tally.used += 1;
                columns.times.push(row.time);
                columns.values.push(value);
                if is_censored {
                    columns.censored.push(row.time);
                }
            }
        }
    }

    /// Static values or outcomes, in row order.
    fn keep_first(&mut self, rows: &[Row], tally: &mut Tally, fixed: &mut [f64]) {
        let mut conflicting = std::collections::BTreeSet::new();
        for row in rows {
            let cell = row.patient as usize * self.variables.len() + row.variable as usize;
            let Some((value, _)) = self.clean(row, tally) else { continue };
            if fixed[cell].is_nan() {
                fixed[cell] = value;
                tally.used += 1;
                continue;
            }
            if fixed[cell] != value && conflicting.insert(cell) {
                self.conflict(row.variable);
            }
            self.repeat(row, tally);
        }
    }
}

fn describe(table: &mut SeriesTable) {
    let (patients, width) = (table.patients.len(), table.variables.len());
    let roles: Vec<Role> = table.variables.as_slice().iter().map(|v| v.role).collect();
    let is_measured = |patient: &usize| {
        let ends = &table.offsets[patient * width..=(patient + 1) * width];
        ends.windows(2).zip(&roles).any(|(ends, role)| role.is_dynamic() && ends[0] < ends[1])
    };
    let without = (0..patients).filter(|patient| !is_measured(patient)).count();
    let mut coverage = Vec::with_capacity(width);
    let mut values = Vec::new();
    for (variable, spec) in table.variables.as_slice().iter().enumerate() {
        values.clear();
        let mut covered = 0;
        for patient in 0..patients {
            let cell = patient * width + variable;
            let series = &table.values[table.offsets[cell]..table.offsets[cell + 1]];
            let fixed = Some(table.fixed[cell]).filter(|v| !v.is_nan());
            covered += u64::from(!series.is_empty() || fixed.is_some());
            values.extend_from_slice(series);
            values.extend(fixed);
        }
        coverage.push(Coverage {
            variable: spec.name.clone(),
            unit: spec.unit.clone(),
            patients: covered,
            values: values.len() as u64,
            min: values.iter().copied().min_by(f64::total_cmp),
            max: values.iter().copied().max_by(f64::total_cmp),
            median: median(&mut values),
        });
    }
    table.quality.patients = patients as u64;
    table.quality.patients_without_dynamic = without as u64;
    table.quality.coverage = coverage;
}
