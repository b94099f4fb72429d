use tsc_core::{GroupId, Result};

use crate::builder::SeriesTableBuilder;
use crate::quality::QualityReport;
use crate::read::{PatientStream, Source, TableSpec};
use crate::time_kind::TimeKind;
use crate::variables::VariableTable;

/// Position of a patient in a [`SeriesTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatientIx(pub usize);

/// Position of a variable in the table's [`VariableTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariableIx(pub usize);

/// Cleaned measurements in long form: values sorted by (patient, variable, time), never padded.
///
/// Two flat columns (times in milliseconds of the table's [`TimeKind`], values in the variable's unit)
/// with one offset per (patient, variable): 16 bytes a value and 8 an offset. Static values and outcomes
/// stand beside them, one per patient. Patients keep the order in which they first appeared. Immutable.
///
/// # Examples
///
/// ```
/// use tsc_series::{PatientIx, Reason, SeriesTable, VariableTable};
/// let mut builder = SeriesTable::builder(VariableTable::icu());
/// builder.push("stay-1", 3_600_000, "HR", 88.0);
/// builder.push("stay-1", 0, "HR", 80.0);
/// builder.push("stay-1", 7_200_000, "HR", 0.0); // impossible: counted, not stored
/// builder.push("stay-1", 0, "Age", 54.0);
/// let table = builder.finish()?;
///
/// let hr = table.variable("HR").unwrap();
/// assert_eq!(table.series(PatientIx(0), hr), (&[0, 3_600_000][..], &[80.0, 88.0][..]));
/// assert_eq!(table.fixed(PatientIx(0), table.variable("Age").unwrap()), Some(54.0));
/// assert_eq!(table.quality().count_of(Reason::OutOfRange, "HR"), 1);
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone)]
pub struct SeriesTable {
    pub(crate) time_kind: TimeKind,
    pub(crate) variables: VariableTable,
    pub(crate) patients: Vec<String>,
    /// By patient, if the input says who the persons are.
    pub(crate) groups: Option<Vec<GroupId>>,
    /// One per (patient, variable), and the end.
    pub(crate) offsets: Vec<usize>,
    pub(crate) times: Vec<i64>,
    pub(crate) values: Vec<f64>,
    /// Static value or outcome per (patient, variable), NaN where there is none.
    pub(crate) fixed: Vec<f64>,
    pub(crate) quality: QualityReport,
}

/// Two tables are equal if all is equal, missing static values and outcomes too.
impl PartialEq for SeriesTable {
    fn eq(&self, other: &Self) -> bool {
        let same_fixed = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
        self.time_kind == other.time_kind
            && self.variables == other.variables
            && self.patients == other.patients
            && self.groups == other.groups
            && self.offsets == other.offsets
            && self.times == other.times
            && self.values == other.values
            && self.fixed.len() == other.fixed.len()
            && self.fixed.iter().zip(&other.fixed).all(same_fixed)
            && self.quality == other.quality
    }
}

// A table of patient values is not for logs.
impl std::fmt::Debug for SeriesTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeriesTable")
            .field("patients", &self.patients.len())
            .field("variables", &self.variables.len())
            .field("values", &self.values.len())
            .finish_non_exhaustive()
    }
}

impl SeriesTable {
    /// Reads and cleans a file, folder or archive.
    ///
    /// # Errors
    ///
    /// `InvalidData` naming file, archive member, line, column and the first 32 characters of the text, if the
    /// input has a structural fault: see [`TableSpec`]. Faults of single cells are counted instead.
    pub fn read(source: Source<'_>, spec: &TableSpec) -> Result<Self> {
        crate::read::read(source, spec)
    }

    /// Reads an input of any size in tables of a chunk of patients.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if the settings are out of their bounds; reading starts with
    /// [`PatientStream::for_each`].
    pub fn stream<'a>(source: Source<'a>, spec: &'a TableSpec) -> Result<PatientStream<'a>> {
        PatientStream::new(source, spec)
    }

    /// Starts an empty table of these variables, with relative times; see [`SeriesTableBuilder::with_times`].
    pub fn builder(variables: VariableTable) -> SeriesTableBuilder {
        SeriesTableBuilder::new(variables)
    }

    /// Number of patients, at least 1 unless the table is an empty selection.
    #[must_use]
    pub fn n_patients(&self) -> usize {
        self.patients.len()
    }

    /// Identifiers of the patients, in order.
    #[must_use]
    pub fn patients(&self) -> &[String] {
        &self.patients
    }

    /// Group of each patient, for splits: the person, if the input says who that is, else the patient.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupId> {
        if let Some(groups) = &self.groups {
            return groups.clone();
        }
        self.patients.iter().map(|patient| GroupId::of(patient)).collect()
    }

    /// Position of a patient; searches all of them.
    #[must_use]
    pub fn patient(&self, id: &str) -> Option<PatientIx> {
        self.patients.iter().position(|p| p == id).map(PatientIx)
    }

    /// What its times count from.
    #[must_use]
    pub fn time_kind(&self) -> TimeKind {
        self.time_kind
    }

    /// The variables of the table.
    #[must_use]
    pub fn variables(&self) -> &VariableTable {
        &self.variables
    }

    /// Position of a variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<VariableIx> {
        self.variables.position(name).map(VariableIx)
    }

    /// Number of values in all series.
    #[must_use]
    pub fn n_values(&self) -> usize {
        self.values.len()
    }

    /// Times (ms of the table's [`TimeKind`], rising, unique) and values of one series; empty where nothing was
    /// measured, and for a variable that has one value per patient.
    ///
    /// # Panics
    ///
    /// If patient or variable is beyond the last.
    #[must_use]
    pub fn series(&self, patient: PatientIx, variable: VariableIx) -> (&[i64], &[f64]) {
        let range = self.cell(patient.0, variable.0);
        (&self.times[range.clone()], &self.values[range])
    }

    /// Times at which a series holds the stand-in of a censored value, which must not become a target.
    ///
    /// They are the times of the companion variable `<name>.censored` (1 wherever a value is censored), which
    /// a table has for each dynamic variable with [`crate::VariableSpec::censored`].
    ///
    /// # Panics
    ///
    /// If patient or variable is beyond the last.
    #[must_use]
    pub fn censored(&self, patient: PatientIx, variable: VariableIx) -> &[i64] {
        let companion = self.variables.companion(variable.0);
        companion.map_or(&[], |companion| self.series(patient, VariableIx(companion)).0)
    }

    fn cell(&self, patient: usize, variable: usize) -> std::ops::Range<usize> {
        assert!(variable < self.variables.len(), "variable {variable} is beyond the last");
        let cell = patient * self.variables.len() + variable;
        self.offsets[cell]..self.offsets[cell + 1]
    }

    /// Static value or outcome of a patient; `None` where it is missing.
    ///
    /// # Panics
    ///
    /// If patient or variable is beyond the last.
    #[must_use]
    pub fn fixed(&self, patient: PatientIx, variable: VariableIx) -> Option<f64> {
        assert!(variable.0 < self.variables.len(), "variable {} is beyond the last", variable.0);
        Some(self.fixed[patient.0 * self.variables.len() + variable.0]).filter(|v| !v.is_nan())
    }

    /// The chosen patients, in the order given; the quality report stays that of the whole input.
    ///
    /// # Panics
    ///
    /// If a patient is beyond the last.
    #[must_use]
    pub fn select(&self, patients: &[PatientIx]) -> SeriesTable {
        let width = self.variables.len();
        let mut chosen = SeriesTable {
            time_kind: self.time_kind,
            variables: self.variables.clone(),
            patients: Vec::with_capacity(patients.len()),
            groups: self.groups.as_ref().map(|groups| patients.iter().map(|p| groups[p.0]).collect()),
            offsets: vec![0],
            times: Vec::new(),
            values: Vec::new(),
            fixed: Vec::with_capacity(patients.len() * width),
            quality: self.quality.clone(),
        };
        for &PatientIx(patient) in patients {
            chosen.patients.push(self.patients[patient].clone());
            let (first, last) = (patient * width, (patient + 1) * width);
            let (start, end) = (self.offsets[first], self.offsets[last]);
            let base = chosen.values.len();
            chosen.offsets.extend(self.offsets[first + 1..=last].iter().map(|offset| base + offset - start));
            chosen.times.extend_from_slice(&self.times[start..end]);
            chosen.values.extend_from_slice(&self.values[start..end]);
            chosen.fixed.extend_from_slice(&self.fixed[first..last]);
        }
        chosen
    }

    /// The values before a time (milliseconds, as the table counts them) of all patients: what was known then.
    ///
    /// Static values and outcomes stay, also of a patient without an earlier value, and so does the quality report.
    #[must_use]
    pub fn before(&self, time: i64) -> SeriesTable {
        let mut known = SeriesTable {
            time_kind: self.time_kind,
            variables: self.variables.clone(),
            patients: self.patients.clone(),
            groups: self.groups.clone(),
            offsets: vec![0],
            times: Vec::new(),
            values: Vec::new(),
            fixed: self.fixed.clone(),
            quality: self.quality.clone(),
        };
        for cell in self.offsets.windows(2) {
            let (times, values) = (&self.times[cell[0]..cell[1]], &self.values[cell[0]..cell[1]]);
            let end = times.partition_point(|&at| at < time);
            known.times.extend_from_slice(&times[..end]);
            known.values.extend_from_slice(&values[..end]);
            known.offsets.push(known.values.len());
        }
        known
    }

    /// What was read, rejected and changed.
    #[must_use]
    pub fn quality(&self) -> &QualityReport {
        &self.quality
    }
}
