use std::fmt;

use tsc_core::{Error, ErrorKind, Stage};

/// Where in an input a structural fault is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) member: Option<String>,
    pub(crate) line: Option<u64>,
}

impl Place {
    pub(crate) fn file(file: &str) -> Self {
        Self { file: file.into(), member: None, line: None }
    }

    pub(crate) fn member(&self, member: &str) -> Self {
        Self { file: self.file.clone(), member: Some(excerpt(member.as_bytes())), line: None }
    }

    pub(crate) fn line(&self, line: u64) -> Self {
        Self { line: Some(line), ..self.clone() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(member) = &self.member {
            write!(f, ", member {member}")?;
        }
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        Ok(())
    }
}

/// The first 32 characters of a text from a file, printable.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(128)];
    String::from_utf8_lossy(head).chars().take(32).flat_map(char::escape_debug).collect()
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum SeriesError {
    #[error("{place}: {reason}")]
    Unreadable { place: Place, reason: String },
    #[error("{place} holds {found}, expected {expected}")]
    NoInput { place: Place, found: String, expected: &'static str },
    #[error("{place} is damaged: {reason}")]
    Damaged { place: Place, reason: String },
    #[error("{place} has {what} of more than {limit}")]
    TooLarge { place: Place, what: &'static str, limit: u64 },
    #[error("{place} has no column {column:?}, the nearest is {nearest:?}")]
    MissingColumn { place: Place, column: String, nearest: String },
    #[error("{place} has {found} fields, the header has {expected}: {text:?}")]
    Ragged { place: Place, found: usize, expected: usize, text: String },
    #[error("{place}, column {column} is not UTF-8: {text:?}")]
    NotUtf8 { place: Place, column: String, text: String },
    #[error("{place}: {what}: {text:?}")]
    Stay { place: Place, what: &'static str, text: String },
    #[error("{source_name} holds no patient")]
    NoPatient { source_name: String },
    #[error("{rejected} of {read} rows could not be read, more than the share {limit} allows; {examples}")]
    TooManyRejected { rejected: u64, read: u64, limit: f64, examples: String },
    #[error("variable table: {reason}")]
    Variables { reason: String },
    #[error("the table has no {role} variable {name:?}, which {key} names")]
    UnknownName { role: &'static str, name: String, key: String },
    #[error("variable {name} is in {found}, the featurizer was fitted on {fitted}")]
    UnitMismatch { name: String, found: String, fitted: String },
    #[error("{reason}")]
    Times { reason: String },
    #[error("none of the {patients} patients is observed long enough for a row: {rows}")]
    NoRow { patients: usize, rows: String },
    #[error("{feature} needs more than running summaries")]
    NotRunning { feature: String },
    #[error("no feature varies over the {patients} training patients")]
    NoFeature { patients: usize },
    #[error("cluster_columns [{globs}] match none of the {features} features")]
    NoClusterColumn { globs: String, features: usize },
    #[error("{key} is {value}, must be {bound}")]
    Setting { key: &'static str, value: String, bound: &'static str },
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "a delimited text has one type"))]
    #[error("{place}, column {column} is of type {found}, expected numbers, texts, dates or times")]
    ColumnType { place: Place, column: String, found: String },
    #[error("input settings: {reason}")]
    Spec { reason: String },
    #[error("{place}: the time {text:?} does not count {counts_from} as the other times do")]
    MixedTimes { place: Place, text: String, counts_from: &'static str },
    #[error("{place}: a patient whose rows began in line {first} comes again after another")]
    Reappears { place: Place, first: u64 },
}

impl SeriesError {
    fn describe(&self) -> (ErrorKind, &'static str, &'static str) {
        use ErrorKind::{InvalidConfig, InvalidData};
        match self {
            Self::Unreadable { .. } => {
                (InvalidData, "TSC-DAT-101", "check that the path exists and is readable")
            }
            Self::NoInput { .. } => (InvalidData, "TSC-DAT-102", "name the archive or folder itself"),
            Self::Damaged { .. } => (InvalidData, "TSC-DAT-103", "download or copy the file again"),
            Self::TooLarge { .. } => {
                (InvalidData, "TSC-DAT-104", "if the file is genuine, raise the limit in `limits`")
            }
            Self::MissingColumn { .. } => (
                InvalidData,
                "TSC-DAT-105",
                "map the column's name in `columns` (`[input.columns]` of a configuration)",
            ),
            Self::Ragged { .. } => (InvalidData, "TSC-DAT-106", "quote fields that hold the delimiter"),
            Self::NotUtf8 { .. } => (InvalidData, "TSC-DAT-107", "save the file as UTF-8"),
            Self::Stay { .. } => {
                (InvalidData, "TSC-DAT-108", "keep one file per stay, named by its RecordID")
            }
            Self::NoPatient { .. } => (InvalidData, "TSC-DAT-109", "check that the input is not empty"),
            Self::TooManyRejected { .. } => (
                InvalidData,
                "TSC-DAT-110",
                "correct the time unit or the column map, or raise `max_rejected_ratio`",
            ),
            Self::Variables { .. } => {
                (InvalidConfig, "TSC-DAT-111", "correct the named entry of `variables`")
            }
            Self::UnknownName { .. } => (
                InvalidConfig,
                "TSC-DAT-113",
                "name a variable of the table that has this role, or leave the key out",
            ),
            Self::UnitMismatch { .. } => {
                (InvalidData, "TSC-DAT-114", "convert the values to the unit of the training data")
            }
            Self::Times { .. } => (
                InvalidData,
                "TSC-DAT-140",
                "check `input.time`, `series.rows` and `series.grid`: they say what the times count from",
            ),
            Self::NoRow { .. } => {
                (InvalidData, "TSC-DAT-141", "lower `from` of `series.rows`, or pass longer series")
            }
            Self::NotRunning { .. } => (
                InvalidConfig,
                "TSC-DAT-142",
                "leave its family out of `features`, or transform the whole table instead",
            ),
            Self::NoFeature { .. } => {
                (InvalidData, "TSC-DAT-115", "fit on patients with differing measurements")
            }
            Self::NoClusterColumn { .. } => {
                (InvalidConfig, "TSC-DAT-116", "write globs over feature names, such as `HR.*`")
            }
            Self::Setting { .. } => {
                (InvalidConfig, "TSC-DAT-117", "set the named key to a value inside its bound")
            }
            Self::Spec { .. } => (
                InvalidConfig,
                "TSC-DAT-132",
                "correct the named key; docs/CONFIG.md lists those of `[input]`",
            ),
            Self::ColumnType { .. } => {
                (InvalidData, "TSC-DAT-133", "write the column as numbers or texts, one value a row")
            }
            Self::MixedTimes { .. } => (
                InvalidData,
                "TSC-DAT-130",
                "set `time` to how the times are written; one input has one kind of times",
            ),
            Self::Reappears { .. } => {
                (InvalidData, "TSC-DAT-131", "sort the rows by patient, or set `order = \"any\"`")
            }
        }
    }
}

impl From<SeriesError> for Error {
    #[cold]
    fn from(error: SeriesError) -> Self {
        let (kind, code, help) = error.describe();
        Error::typed(kind, Stage::Preprocessing, code, error).with_help(help)
    }
}
