use std::collections::{BTreeMap, BTreeSet};

use tsc_core::{GroupId, Result};

use crate::clean::{Cleaned, Cleaning, RangeAction};
use crate::conversion::Linear;
use crate::error::SeriesError;
use crate::names::Names;
use crate::quality::{Counts, QualityReport, Reason, Tally};
use crate::table::SeriesTable;
use crate::time_kind::TimeKind;
use crate::variables::{Role, VariableTable};

#[derive(Clone, Copy, Debug)]
struct Row {
    time: i64,
    value: f64,
    variable: u32,
    /// Position among the rows of this builder, from 1; saturating, as it is for the report only.
    number: u32,
}

/// Rows of one patient that were added one after another.
#[derive(Clone, Copy, Debug)]
struct Segment {
    patient: u32,
    start: usize,
}

/// Collects rows in any order; [`SeriesTableBuilder::finish`] cleans and sorts them.
#[must_use]
#[derive(Clone)]
pub struct SeriesTableBuilder {
    time_kind: TimeKind,
    variables: VariableTable,
    names: Names,
    cleaning: Vec<Cleaning>,
    /// By variable: its own unit and those that the input may name instead.
    units: Vec<Vec<(String, Linear)>>,
    patients: Vec<String>,
    /// Person of each patient, where the input says it.
    groups: Vec<Option<GroupId>>,
    patient_lookup: BTreeMap<String, u32>,
    current: Option<u32>,
    /// Static values and outcomes that were added, by patient and variable.
    once: BTreeMap<(u32, u32), u64>,
    dynamic: Vec<Row>,
    segments: Vec<Segment>,
    fixed: Vec<(u32, Row)>,
    outcomes: Vec<(u32, Row)>,
    counts: Counts,
    rows: Tally,
    outcome_cells: Tally,
    /// Rows read before the first of this table.
    rows_before: u64,
}

impl std::fmt::Debug for SeriesTableBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeriesTableBuilder").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl SeriesTableBuilder {
    pub(crate) fn new(variables: VariableTable) -> Self {
        Self::with_cleaning(variables, RangeAction::Clamp, false, false)
    }

    /// `unit_by_row`: units are converted by [`Self::in_unit`] instead of for every value.
    pub(crate) fn with_cleaning(
        variables: VariableTable,
        action: RangeAction,
        repair: bool,
        unit_by_row: bool,
    ) -> Self {
        let variables = variables.with_companions();
        let specs = variables.as_slice();
        let is_derived = |position: u32| {
            (position as usize).checked_sub(1).is_some_and(|v| variables.companion(v).is_some())
        };
        // Companions are derived, never read.
        let names = specs.iter().map(|v| v.input_name()).zip(0..).filter(|(_, v)| !is_derived(*v));
        let names = Names::new(names);
        let cleaning = specs.iter().map(|v| Cleaning::of(v, action, repair, unit_by_row)).collect();
        let units = specs.iter().map(|v| {
            let own = v.unit.iter().map(|unit| (unit.to_string(), Linear { factor: 1.0, offset: 0.0 }));
            let other =
                |c: &crate::Conversion| Some((c.from.to_string(), c.linear(&v.name, v.unit.as_ref())?));
            own.chain(v.convert.iter().filter_map(other)).collect()
        });
        let units = units.collect();
        Self {
            time_kind: TimeKind::default(),
            names,
            cleaning,
            units,
            variables,
            patients: Vec::new(),
            groups: Vec::new(),
            patient_lookup: BTreeMap::new(),
            current: None,
            once: BTreeMap::new(),
            dynamic: Vec::new(),
            segments: Vec::new(),
            fixed: Vec::new(),
            outcomes: Vec::new(),
            counts: Counts::default(),
            rows: Tally::default(),
            outcome_cells: Tally::default(),
            rows_before: 0,
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
        self.begin(patient);
        match self.names.get(variable.as_bytes()) {
            Some(known) => self.add(known, Some(time_ms), Ok(value)),
            None => self.add_unknown(variable),
        }
    }

    /// Makes sure that a patient is in the table, with or without values.
    pub fn add_patient(&mut self, patient: &str) {
        self.begin(patient);
    }

    pub(crate) fn n_patients(&self) -> usize {
        self.patients.len()
    }

    pub(crate) fn holds(&self, patient: &str) -> bool {
        self.patient_lookup.contains_key(patient)
    }

    /// Whether the input has this variable, rather than that it is derived.
    pub(crate) fn is_read(&self, variable: u32) -> bool {
        let name = self.variables.as_slice()[variable as usize].input_name();
        self.names.get(name.as_bytes()) == Some(variable)
    }

    pub(crate) fn variables(&self) -> &VariableTable {
        &self.variables
    }

    /// Position of the variable of a name in the input.
    #[inline]
    pub(crate) fn variable(&self, name: &[u8]) -> Option<u32> {
        self.names.get(name)
    }

    /// Whether the rows of this patient are being added.
    #[inline]
    pub(crate) fn is_current(&self, patient: &[u8]) -> bool {
        match self.current {
            Some(current) => self.patients[current as usize].as_bytes() == patient,
            None => patient.is_empty(),
        }
    }

    /// The rows that follow are this patient's; an empty name is nobody's.
    pub(crate) fn begin(&mut self, patient: &str) {
        if self.is_current(patient.as_bytes()) {
            return;
        }
        if patient.is_empty() {
            self.current = None;
            return;
        }
        let number = match self.patient_lookup.get(patient) {
            Some(&number) => number,
            None => {
                let number =
                    u32::try_from(self.patients.len()).expect("fewer than 2^32 patients fit in memory");
                self.patients.push(patient.to_string());
                self.groups.push(None);
                self.patient_lookup.insert(patient.to_string(), number);
                number
            }
        };
        self.current = Some(number);
    }

    /// The current patient is this person, who may have other stays.
    pub(crate) fn set_person(&mut self, person: &str) {
        if let Some(current) = self.current
            && !person.is_empty()
        {
            self.groups[current as usize].get_or_insert_with(|| GroupId::of(person));
        }
    }

    /// Adds a value of the current patient; `None` for a time that could not be read.
    pub(crate) fn add(&mut self, variable: u32, time: Option<i64>, value: std::result::Result<f64, Reason>) {
        let role = self.variables.as_slice()[variable as usize].role;
        let number = self.count_row(role.is_outcome());
        let has_time = matches!(role, Role::Dynamic | Role::StaticAndDynamic | Role::OutcomeSeries);
        let fault = match (self.current, value) {
            (None, _) => Reason::NoPatient,
            (Some(_), _) if has_time && time.is_none() => Reason::NoTime,
            (Some(_), Err(reason)) => reason,
            (Some(patient), Ok(value)) => {
                let time = time.unwrap_or(0);
                let number = u32::try_from(number - self.rows_before).unwrap_or(u32::MAX);
                let row = Row { time, value, variable, number };
                match role {
                    Role::Dynamic | Role::OutcomeSeries => self.add_dynamic(patient, row),
                    Role::StaticAndDynamic if time != 0 => self.add_dynamic(patient, row),
                    Role::StaticAndDynamic | Role::Static => self.fixed.push((patient, row)),
                    Role::Outcome => self.outcomes.push((patient, row)),
                }
                return;
            }
        };
        self.tally(role.is_outcome()).rejected += 1;
        self.counts.add(fault, &self.variables.as_slice()[variable as usize].name, number);
    }

    #[inline]
    fn add_dynamic(&mut self, patient: u32, row: Row) {
        if self.segments.last().is_none_or(|segment| segment.patient != patient) {
            self.segments.push(Segment { patient, start: self.dynamic.len() });
        }
        self.dynamic.push(row);
    }

    /// As [`Self::add`] for a variable of one value per patient, unless the same value was added before: a file
    /// with a row per time repeats it in each.
    pub(crate) fn add_once(&mut self, variable: u32, value: std::result::Result<f64, Reason>) {
        if let (Some(patient), Ok(value)) = (self.current, value)
            && self.once.insert((patient, variable), value.to_bits()) == Some(value.to_bits())
        {
            return;
        }
        self.add(variable, None, value);
    }

    /// A row of the current patient with a variable that the table does not have.
    pub(crate) fn add_unknown(&mut self, name: &str) {
        let number = self.count_row(false);
        self.rows.rejected += 1;
        let reason = if self.current.is_some() { Reason::UnknownVariable } else { Reason::NoPatient };
        self.counts.add(reason, name, number);
    }

    /// The number that a text means for a variable.
    pub(crate) fn category(&self, variable: u32, text: &str) -> std::result::Result<f64, Reason> {
        let categories = &self.variables.as_slice()[variable as usize].categories;
        match categories.get(text) {
            Some(&number) => Ok(number),
            None if categories.is_empty() => Err(Reason::Unparsable),
            None => Err(Reason::UnknownCategory),
        }
    }

    pub(crate) fn has_categories(&self, variable: u32) -> bool {
        !self.variables.as_slice()[variable as usize].categories.is_empty()
    }

    /// A value in the unit that its row names; no name means the variable's own.
    pub(crate) fn in_unit(&self, variable: u32, unit: &[u8], value: f64) -> std::result::Result<f64, Reason> {
        // A sentinel has no unit, so it is not converted.
        let is_plain = matches!(
            self.cleaning[variable as usize].clean(value),
            Cleaned::Rejected(_) | Cleaned::Censored(_)
        );
        if unit.is_empty() || is_plain {
            return Ok(value);
        }
        let units = &self.units[variable as usize];
        let found = units.iter().find(|(name, _)| name.as_bytes() == unit);
        found.map(|(_, linear)| linear.apply(value)).ok_or(Reason::UnitMismatch)
    }

    fn tally(&mut self, is_outcome: bool) -> &mut Tally {
        if is_outcome { &mut self.outcome_cells } else { &mut self.rows }
    }

    /// Number of the row, counted from 1.
    fn count_row(&mut self, is_outcome: bool) -> u64 {
        self.tally(is_outcome).read += 1;
        self.rows_before + self.rows.read + self.outcome_cells.read
    }

    /// A row that only says whose rows follow: read and used, without a value.
    pub(crate) fn count_key_row(&mut self) {
        self.rows.read += 1;
        self.rows.used += 1;
    }

    /// An outcome of a patient that the series do not hold.
    pub(crate) fn reject_outcome(&mut self, reason: Reason, variable: u32) {
        let number = self.count_row(true);
        self.outcome_cells.rejected += 1;
        self.counts.add(reason, &self.variables.as_slice()[variable as usize].name, number);
    }

    /// Takes what was added and goes on without it, counting rows onwards.
    pub(crate) fn take(&mut self) -> Self {
        let next = Self {
            time_kind: self.time_kind,
            variables: self.variables.clone(),
            names: self.names.clone(),
            cleaning: self.cleaning.clone(),
            units: self.units.clone(),
            rows_before: self.rows_before + self.rows.read + self.outcome_cells.read,
            patients: Vec::new(),
            groups: Vec::new(),
            patient_lookup: BTreeMap::new(),
            current: None,
            once: BTreeMap::new(),
            dynamic: Vec::with_capacity(self.dynamic.len()),
            segments: Vec::new(),
            fixed: Vec::new(),
            outcomes: Vec::new(),
            counts: Counts::default(),
            rows: Tally::default(),
            outcome_cells: Tally::default(),
        };
        std::mem::replace(self, next)
    }

    /// Cleans (sentinel, unit, repair, range, repeats), sorts and counts.
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
        let width = self.variables.len();
        let cells = self.patients.len() * width;
        let mut cleaner = Cleaner {
            variables: &self.variables,
            cleaning: &self.cleaning,
            counts: std::mem::take(&mut self.counts),
            conflicts: BTreeMap::new(),
            odd: vec![Vec::new(); width],
            rows_before: self.rows_before,
        };
        let mut fixed = vec![f64::NAN; cells];
        cleaner.keep_first(&self.fixed, &mut self.rows, &mut fixed);
        cleaner.keep_first(&self.outcomes, &mut self.outcome_cells, &mut fixed);

        let mut columns = Columns::with_capacity(cells, self.dynamic.len());
        let mut by_patient = ByPatient::new(&self.dynamic, self.segments, width);
        for patient in 0..self.patients.len() {
            by_patient.gather(patient);
            for (variable, it) in self.variables.as_slice().iter().enumerate() {
                let tally = if it.role.is_outcome() { &mut self.outcome_cells } else { &mut self.rows };
                columns.begin();
                cleaner.keep_last(by_patient.series(variable), tally, &mut columns);
            }
        }
        drop(std::mem::take(&mut self.dynamic));
        columns.offsets.push(columns.values.len());
        columns.times.shrink_to_fit();
        columns.values.shrink_to_fit();
        let Cleaner { counts, conflicts, odd, .. } = cleaner;

        let is_person_known = self.groups.iter().any(Option::is_some);
        let groups = self.patients.iter().zip(&self.groups);
        let groups = groups.map(|(patient, person)| person.unwrap_or_else(|| GroupId::of(patient)));
        let groups = is_person_known.then(|| groups.collect());
        let mut table = SeriesTable {
            time_kind: self.time_kind,
            variables: self.variables,
            groups,
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
        crate::describe::describe(&mut table, odd);
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

    #[inline]
    fn keep(&mut self, time: i64, value: f64, is_censored: bool) {
        self.times.push(time);
        self.values.push(value);
        if is_censored {
            self.censored.push(time);
        }
    }
}

/// The rows of one patient at a time, by variable and time.
struct ByPatient<'a> {
    rows: &'a [Row],
    /// In the order of patients; a patient whose rows do not stand together has several.
    segments: Vec<(u32, std::ops::Range<usize>)>,
    next: usize,
    sorted: Vec<Row>,
    /// Where each variable begins in `sorted`, and the end.
    starts: Vec<usize>,
}

impl<'a> ByPatient<'a> {
    fn new(rows: &'a [Row], segments: Vec<Segment>, width: usize) -> Self {
        let ends = segments.iter().skip(1).map(|segment| segment.start).chain([rows.len()]);
        let mut segments: Vec<_> =
            segments.iter().zip(ends).map(|(segment, end)| (segment.patient, segment.start..end)).collect();
        // Stable, so that a patient's rows stay in their order.
        segments.sort_by_key(|(patient, _)| *patient);
        Self { rows, segments, next: 0, sorted: Vec::new(), starts: vec![0; width + 1] }
    }

    /// Sorts the rows of the next patient, equal times in row order.
    fn gather(&mut self, patient: usize) {
        let mut end = self.next;
        while self.segments.get(end).is_some_and(|(of, _)| *of as usize == patient) {
            end += 1;
        }
        let segments = &self.segments[self.next..end];
        self.next = end;
        let rows = || segments.iter().flat_map(|(_, range)| &self.rows[range.clone()]);
        self.starts.fill(0);
        for row in rows() {
            self.starts[row.variable as usize + 1] += 1;
        }
        for variable in 1..self.starts.len() {
            self.starts[variable] += self.starts[variable - 1];
        }
        let total = self.starts[self.starts.len() - 1];
        self.sorted.clear();
        self.sorted.resize(total, Row { time: 0, value: 0.0, variable: 0, number: 0 });
        for row in rows() {
            let place = &mut self.starts[row.variable as usize];
            self.sorted[*place] = *row;
            *place += 1;
        }
        // Each start has moved to the next one's.
        self.starts.rotate_right(1);
        self.starts[0] = 0;
        for variable in 0..self.starts.len() - 1 {
            let series = &mut self.sorted[self.starts[variable]..self.starts[variable + 1]];
            if !series.is_sorted_by_key(|row| row.time) {
                series.sort_by_key(|row| row.time);
            }
        }
    }

    fn series(&self, variable: usize) -> &[Row] {
        &self.sorted[self.starts[variable]..self.starts[variable + 1]]
    }
}

struct Cleaner<'a> {
    variables: &'a VariableTable,
    cleaning: &'a [Cleaning],
    counts: Counts,
    conflicts: BTreeMap<String, u64>,
    /// By variable: values that the range changed or removed, as they were.
    odd: Vec<Vec<f64>>,
    rows_before: u64,
}

impl Cleaner<'_> {
    /// The value, and whether it is a stand-in; counts what is changed or rejected.
    #[inline]
    fn clean(&mut self, row: &Row, tally: &mut Tally) -> Option<(f64, bool)> {
        match self.cleaning[row.variable as usize].clean(row.value) {
            Cleaned::Kept(value) => Some((value, false)),
            other => self.count(other, row, tally),
        }
    }

    #[cold]
    fn count(&mut self, cleaned: Cleaned, row: &Row, tally: &mut Tally) -> Option<(f64, bool)> {
        let spec = &self.variables.as_slice()[row.variable as usize];
        let (reason, kept) = match cleaned {
            Cleaned::Kept(value) => return Some((value, false)),
            Cleaned::Clamped(value) => (Reason::Clamped, Some((value, false))),
            Cleaned::Repaired(value) => (Reason::Repaired, Some((value, false))),
            Cleaned::Censored(value) if spec.has_companion() => (Reason::Censored, Some((value, true))),
            Cleaned::Censored(_) => (Reason::Censored, None),
            Cleaned::OutOfRange(_) => (Reason::OutOfRange, None),
            Cleaned::Rejected(reason) => (reason, None),
        };
        match cleaned {
            Cleaned::OutOfRange(value) => self.odd[row.variable as usize].push(value),
            Cleaned::Clamped(_) => {
                let recorded = self.cleaning[row.variable as usize].in_unit(row.value);
                self.odd[row.variable as usize].push(recorded);
            }
            _ => {}
        }
        self.counts.add(reason, &spec.name, self.rows_before + u64::from(row.number));
        tally.rejected += u64::from(kept.is_none());
        kept
    }

    fn repeat(&mut self, row: &Row, tally: &mut Tally) {
        tally.rejected += 1;
        let number = self.rows_before + u64::from(row.number);
        self.counts.add(Reason::Repeat, &self.variables.as_slice()[row.variable as usize].name, number);
    }

    fn conflict(&mut self, variable: u32) {
        let name = &self.variables.as_slice()[variable as usize].name;
        *self.conflicts.entry(name.clone()).or_insert(0) += 1;
    }

    /// Rows of one patient and variable, by time.
    fn keep_last(&mut self, rows: &[Row], tally: &mut Tally, columns: &mut Columns) {
        for same_time in rows.chunk_by(|a, b| a.time == b.time) {
            if let [row] = same_time {
                if let Some((value, is_censored)) = self.clean(row, tally) {
                    columns.keep(row.time, value, is_censored);
                    tally.used += 1;
                }
                continue;
            }
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
                columns.keep(row.time, value, is_censored);
                tally.used += 1;
            }
        }
    }

    /// Static values or outcomes, in row order.
    fn keep_first(&mut self, rows: &[(u32, Row)], tally: &mut Tally, fixed: &mut [f64]) {
        let mut conflicting = BTreeSet::new();
        for (patient, row) in rows {
            let cell = *patient as usize * self.variables.len() + row.variable as usize;
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
