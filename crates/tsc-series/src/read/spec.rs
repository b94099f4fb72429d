//! How an input is read, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::Result;

use super::cell;
use crate::clean::RangeAction;
use crate::error::SeriesError;
use crate::time_kind::TimeKind;
use crate::variables::{VariableSpec, VariableTable};

/// Shape of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// One file with a row per value: patient, time, variable, value.
    #[default]
    Long,
    /// One file with a row per patient and time, and a column per variable; an empty cell was not measured.
    ///
    /// Static values and outcomes may be columns too, repeated in each row. Without `variables` every other
    /// column is a dynamic variable.
    Wide,
    /// One file with a row per time and a column per patient (or product, or ward), all of one variable, `value`
    /// if no other is declared.
    WidePanel,
    /// PhysioNet / Computing in Cardiology Challenge 2012: one CSV per stay, outcomes beside.
    ///
    /// A `set-*.tar.gz`, a folder that holds one, or a folder of stays; outcomes come from the
    /// `Outcomes-*.txt` beside, if there is one. Times are HH:MM since admission and may exceed 24 h.
    #[serde(rename = "physionet2012")]
    PhysioNet2012,
    /// A cohort of YAIB (van de Water et al., ICLR 2024): a folder with `dyn`, `sta` and `outc`, each `.parquet`.
    ///
    /// An `outc` with a column of times gives outcomes of each time, one without outcomes of the stay. Needs the
    /// feature `parquet`.
    Yaib,
    /// Rows of the table MEASUREMENT of the OMOP common data model, version 5; `codes` names the concepts.
    OmopMeasurement,
}

/// The columns that name a patient, joined with `|`. In a file one name, or a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMore", into = "OneOrMore")]
pub struct IdColumns(pub Vec<String>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for IdColumns {
    fn from(names: OneOrMore) -> Self {
        match names {
            OneOrMore::One(name) => Self(vec![name]),
            OneOrMore::More(names) => Self(names),
        }
    }
}

impl From<IdColumns> for OneOrMore {
    fn from(mut names: IdColumns) -> Self {
        if names.0.len() == 1 { OneOrMore::One(names.0.remove(0)) } else { OneOrMore::More(names.0) }
    }
}

impl From<&str> for IdColumns {
    fn from(name: &str) -> Self {
        Self(vec![name.into()])
    }
}

/// Names of the columns. Other columns are ignored and listed in the quality report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnMap {
    /// Who; default `patient`. Not in a wide panel.
    pub patient: IdColumns,
    /// When; default `time`.
    pub time: String,
    /// The day, for rows whose `time` is empty; default none. In a long file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// What; default `variable`. In a long file.
    pub variable: String,
    /// How much; default `value`. In a long file.
    pub value: String,
    /// Unit of the value; default none. In a long file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The person whose stay it is; default none. Stays of one person are kept on one side of a split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

impl Default for ColumnMap {
    fn default() -> Self {
        Self {
            patient: "patient".into(),
            time: "time".into(),
            day: None,
            variable: "variable".into(),
            value: "value".into(),
            unit: None,
            person: None,
        }
    }
}

/// How the time column is written, which decides the table's [`TimeKind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeFormat {
    /// Hours since admission, or `HH:MM` of any length.
    #[default]
    Hours,
    /// Minutes since admission, or `HH:MM`.
    Minutes,
    /// Seconds since admission, or `HH:MM`.
    Seconds,
    /// Calendar dates: `2024-03`, `2024-03-31`, `2024-03-31T12:30:15.250+01:00` (a space for `T`, seconds and
    /// offset may be left out). An offset is subtracted; without one the time is taken as it stands.
    Date,
}

impl TimeFormat {
    /// What times so written count from.
    #[must_use]
    pub fn kind(self) -> TimeKind {
        match self {
            TimeFormat::Hours | TimeFormat::Minutes | TimeFormat::Seconds => TimeKind::Relative,
            TimeFormat::Date => TimeKind::Calendar,
        }
    }

    fn unit_ms(self) -> Option<f64> {
        match self {
            TimeFormat::Hours => Some(3_600_000.0),
            TimeFormat::Minutes => Some(60_000.0),
            TimeFormat::Seconds => Some(1_000.0),
            TimeFormat::Date => None,
        }
    }

    #[inline]
    pub(crate) fn parse(self, text: &[u8]) -> Option<i64> {
        match self.unit_ms() {
            Some(unit) => cell::time(text, unit),
            None => cell::date(text),
        }
    }

    /// A number of its units; a date is no number.
    pub(crate) fn of_number(self, number: f64) -> Option<i64> {
        cell::millis(number, self.unit_ms()?)
    }
}

/// Whether a patient's rows stand together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOrder {
    /// They do: a stream needs only a chunk of patients in memory.
    #[default]
    Grouped,
    /// They may not: a stream reads all and gives one table.
    Any,
}

/// What is unpacked at most; more is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one member or stay, and of one row; default 64 MiB.
    pub entry_bytes: u64,
    /// Bytes of all members together; default 4 GiB.
    pub total_bytes: u64,
    /// Unpacked size over packed size, once 1 MiB is unpacked; default 200.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entry_bytes: 64 << 20, total_bytes: 4 << 30, ratio: 200 }
    }
}

/// How an input is read: shape, columns, time, limits and variables, all as data.
///
/// A file is delimited text, the same with the suffix `.gz`, or, with the feature `parquet`, a `.parquet` file.
///
/// Structural faults are errors that name file, member, line, column and text: a missing column, a ragged
/// row, invalid UTF-8, a damaged archive, a limit, times of two kinds, no patient. Cell faults are counted; more
/// than `max_rejected_ratio` of the rows with an unreadable value, unit or time, or without a patient, is an
/// error too (sentinels, ranges, repeats and unknown variables are not faults of the file).
///
/// From a file, keys that are left out have the defaults of the `format`.
///
/// # Examples
///
/// ```
/// use tsc_series::{PatientIx, SeriesTable, Source, TableSpec};
/// let spec: TableSpec = TableSpec::from_toml(r#"
///     format = "wide"
///     columns = { patient = ["org", "type"], time = "period" }
///     time = "date"
/// "#)?;
/// let csv = b"period,org,type,attendances\n2017-03,RF4,1,21289\n2017-04,RF4,1,\n2017-05,RF4,1,23000\n";
/// let table = SeriesTable::read(Source::Bytes { name: "ae.csv", bytes: csv }, &spec)?;
/// assert_eq!(table.patients(), ["RF4|1"]);
/// let attendances = table.variable("attendances").unwrap();
/// assert_eq!(table.series(PatientIx(0), attendances).1, [21_289.0, 23_000.0]); // an empty cell is no value
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "SpecFile")]
pub struct TableSpec {
    /// Shape; default `long`.
    pub format: Format,
    /// Column names.
    pub columns: ColumnMap,
    /// How the time column is written; default `hours`. PhysioNet 2012 is always `HH:MM`.
    pub time: TimeFormat,
    /// Field delimiter, one ASCII character; default a comma.
    pub delimiter: char,
    /// Whether a patient's rows stand together; default `grouped`. Only a stream needs to know.
    pub order: RowOrder,
    /// Names of the codes in the columns of variables and units; default none. In a long file.
    pub codes: BTreeMap<String, String>,
    /// What becomes of a value between `outlier` and `valid`; default `clamp`.
    pub range_action: RangeAction,
    /// Whether known errors of recording are undone, see [`VariableSpec::repair`]; default `false`.
    pub repair: bool,
    /// Limits on what is unpacked.
    pub limits: Limits,
    /// Share of unreadable rows above which reading fails, 0..=1; default 0.05.
    pub max_rejected_ratio: f64,
    /// Variables; default [`VariableTable::icu`], for YAIB [`VariableTable::yaib`], for a wide file none declared.
    pub variables: VariableTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecFile {
    #[serde(default)]
    format: Format,
    #[serde(default)]
    columns: ColumnsFile,
    time: Option<TimeFormat>,
    delimiter: Option<char>,
    order: Option<RowOrder>,
    codes: Option<BTreeMap<String, String>>,
    range_action: Option<RangeAction>,
    repair: Option<bool>,
    limits: Option<Limits>,
    max_rejected_ratio: Option<f64>,
    variables: Option<VariableTable>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnsFile {
    patient: Option<IdColumns>,
    time: Option<String>,
    day: Option<String>,
    variable: Option<String>,
    value: Option<String>,
    unit: Option<String>,
    person: Option<String>,
}

impl From<SpecFile> for TableSpec {
    fn from(file: SpecFile) -> Self {
        let preset = Self::preset(file.format);
        Self {
            format: file.format,
            columns: ColumnMap {
                patient: file.columns.patient.unwrap_or(preset.columns.patient),
                time: file.columns.time.unwrap_or(preset.columns.time),
                day: file.columns.day.or(preset.columns.day),
                variable: file.columns.variable.unwrap_or(preset.columns.variable),
                value: file.columns.value.unwrap_or(preset.columns.value),
                unit: file.columns.unit.or(preset.columns.unit),
                person: file.columns.person.or(preset.columns.person),
            },
            time: file.time.unwrap_or(preset.time),
            delimiter: file.delimiter.unwrap_or(preset.delimiter),
            order: file.order.unwrap_or(preset.order),
            codes: file.codes.unwrap_or(preset.codes),
            range_action: file.range_action.unwrap_or(preset.range_action),
            repair: file.repair.unwrap_or(preset.repair),
            limits: file.limits.unwrap_or(preset.limits),
            max_rejected_ratio: file.max_rejected_ratio.unwrap_or(preset.max_rejected_ratio),
            variables: file.variables.unwrap_or(preset.variables),
        }
    }
}

impl Default for TableSpec {
    fn default() -> Self {
        Self {
            format: Format::Long,
            columns: ColumnMap::default(),
            time: TimeFormat::Hours,
            delimiter: ',',
            order: RowOrder::Grouped,
            codes: BTreeMap::new(),
            range_action: RangeAction::Clamp,
            repair: false,
            limits: Limits::default(),
            max_rejected_ratio: 0.05,
            variables: VariableTable::icu(),
        }
    }
}

impl TableSpec {
    /// The defaults of a format.
    ///
    /// # Panics
    ///
    /// Never: the name of the wide panel's variable is valid.
    ///
    /// # Examples
    ///
    /// ```
    /// use tsc_series::{Format, SeriesTable, Source, TableSpec};
    /// let csv = b"patient,time,variable,value\nA,0.5,HR,80\nA,27:30,HR,90\n";
    /// let spec = TableSpec::preset(Format::Long);
    /// let table = SeriesTable::read(Source::Bytes { name: "ward.csv", bytes: csv }, &spec)?;
    /// let hr = table.variable("HR").unwrap();
    /// assert_eq!(table.series(table.patient("A").unwrap(), hr).0, [1_800_000, 99_000_000]);
    /// # Ok::<(), tsc_core::Error>(())
    /// ```
    #[must_use]
    pub fn preset(format: Format) -> Self {
        let named =
            |variables: Vec<VariableSpec>| VariableTable::new(variables).expect("plain names are valid");
        let preset = Self { format, ..Self::default() };
        match format {
            Format::Long | Format::PhysioNet2012 => preset,
            Format::Wide => Self { variables: named(Vec::new()), ..preset },
            Format::WidePanel => {
                Self { time: TimeFormat::Date, variables: named(vec![VariableSpec::new("value")]), ..preset }
            }
            Format::Yaib => Self {
                columns: ColumnMap { patient: "stay_id".into(), ..ColumnMap::default() },
                time: TimeFormat::Seconds,
                variables: VariableTable::yaib(),
                ..preset
            },
            Format::OmopMeasurement => Self {
                columns: ColumnMap {
                    patient: "person_id".into(),
                    time: "measurement_datetime".into(),
                    day: Some("measurement_date".into()),
                    variable: "measurement_concept_id".into(),
                    value: "value_as_number".into(),
                    unit: Some("unit_concept_id".into()),
                    person: Some("person_id".into()),
                },
                time: TimeFormat::Date,
                ..preset
            },
        }
    }

    /// Reads the keys of a TOML text; those left out have the defaults of its `format`.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if it is no such text.
    pub fn from_toml(text: &str) -> Result<Self> {
        toml::from_str(text)
            .map_err(|error| SeriesError::Spec { reason: error.message().trim().to_string() }.into())
    }

    /// What the times of a table so read count from.
    #[must_use]
    pub fn time_kind(&self) -> TimeKind {
        match self.format {
            Format::PhysioNet2012 => TimeKind::Relative,
            _ => self.time.kind(),
        }
    }

    /// Whether the unit of a value is told in its row.
    pub(crate) fn has_unit_column(&self) -> bool {
        matches!(self.format, Format::Long | Format::OmopMeasurement) && self.columns.unit.is_some()
    }

    /// Whether patients are stays of which nobody knows the person.
    pub(crate) fn has_stays_as_groups(&self) -> bool {
        let is_stay = match self.format {
            Format::PhysioNet2012 | Format::Yaib => true,
            Format::OmopMeasurement => self.columns.patient.0 != ["person_id"],
            Format::Long | Format::Wide | Format::WidePanel => false,
        };
        is_stay && self.columns.person.is_none()
    }

    pub(crate) fn check(&self) -> Result<()> {
        let fault = |key, value: String, bound| Err(SeriesError::Setting { key, value, bound }.into());
        if !self.delimiter.is_ascii()
            || self.delimiter <= '"' && self.delimiter != '\t'
            || self.delimiter.is_ascii_alphanumeric()
        {
            let bound = "a tab, or one ASCII character that is no quote, letter or digit";
            return fault("delimiter", format!("{:?}", self.delimiter), bound);
        }
        if !(0.0..=1.0).contains(&self.max_rejected_ratio) {
            return fault("max_rejected_ratio", self.max_rejected_ratio.to_string(), "in 0..=1");
        }
        if self.columns.patient.0.is_empty() {
            return fault("columns.patient", "empty".into(), "one name or more");
        }
        let several = self.variables.as_slice().iter().find(|variable| variable.convert.len() > 1);
        if let Some(variable) = several
            && !self.has_unit_column()
        {
            let reason = format!(
                "{} has several units in convert, which needs a column of units (columns.unit)",
                variable.name
            );
            return Err(SeriesError::Variables { reason }.into());
        }
        Ok(())
    }
}
