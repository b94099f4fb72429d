use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::features::input;

/// Name of a resource column that is not one of the seed's three.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceName(String);

impl ResourceName {
    /// Letters, digits, `_` and `-`, so that the name can stand in a path and in a metric key.
    ///
    /// # Errors
    ///
    /// `InvalidData` naming what is wrong.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return Err(input(
                "TSC-DAT-010",
                format!("resource name {name:?} must be letters, digits, _ and - only"),
            ));
        }
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which resource a column measures.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ResourceKind {
    /// Time a case takes.
    ProcessingTime,
    /// Memory a case takes.
    MemoryUsage,
    /// Work a case takes.
    ComputationalComplexity,
    /// Any other measured resource, such as `length_of_stay`.
    Custom(ResourceName),
}

impl ResourceKind {
    /// The kind with this name: one of the seed's three, else a custom one.
    ///
    /// # Errors
    ///
    /// As [`ResourceName::new`].
    pub fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "processing_time" => Self::ProcessingTime,
            "memory_usage" => Self::MemoryUsage,
            "computational_complexity" => Self::ComputationalComplexity,
            other => Self::Custom(ResourceName::new(other)?),
        })
    }

    /// Name in files, metrics and paths.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::ProcessingTime => "processing_time",
            Self::MemoryUsage => "memory_usage",
            Self::ComputationalComplexity => "computational_complexity",
            Self::Custom(name) => name.as_str(),
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ResourceKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ResourceKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::named(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Unit of a resource or feature; values of two units are never mixed.
///
/// # Examples
///
/// ```
/// use tsc_core::Unit;
/// assert_eq!("days".parse::<Unit>().unwrap(), Unit::Days);
/// assert_eq!("mmHg".parse::<Unit>().unwrap(), Unit::Other("mmHg".into()));
/// assert_eq!(Unit::Currency("EUR".into()).to_string(), "currency(EUR)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
    /// Days.
    Days,
    /// 2^20 bytes.
    Mebibytes,
    /// Hospital beds.
    Beds,
    /// A number of things.
    Count,
    /// A share.
    Ratio,
    /// Money, by its ISO 4217 code.
    Currency(String),
    /// Any other unit, as written.
    Other(String),
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unit::Seconds => f.write_str("seconds"),
            Unit::Minutes => f.write_str("minutes"),
            Unit::Hours => f.write_str("hours"),
            Unit::Days => f.write_str("days"),
            Unit::Mebibytes => f.write_str("mebibytes"),
            Unit::Beds => f.write_str("beds"),
            Unit::Count => f.write_str("count"),
            Unit::Ratio => f.write_str("ratio"),
            Unit::Currency(code) => write!(f, "currency({code})"),
            Unit::Other(text) => f.write_str(text),
        }
    }
}

impl FromStr for Unit {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Ok(match text {
            "seconds" => Unit::Seconds,
            "minutes" => Unit::Minutes,
            "hours" => Unit::Hours,
            "days" => Unit::Days,
            "mebibytes" => Unit::Mebibytes,
            "beds" => Unit::Beds,
            "count" => Unit::Count,
            "ratio" => Unit::Ratio,
            "" => return Err("a unit must not be empty".into()),
            other => match other.strip_prefix("currency(").and_then(|rest| rest.strip_suffix(')')) {
                Some(code) => Unit::Currency(code.into()),
                None => Unit::Other(other.into()),
            },
        })
    }
}

impl Serialize for Unit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Measured values of one resource, one per sample; NaN where it was not measured (yet).
#[derive(Clone, Debug)]
pub struct ResourceColumn<'a> {
    /// Which resource.
    pub kind: ResourceKind,
    /// Unit of the values.
    pub unit: Unit,
    /// One value per sample, NaN = missing.
    pub values: &'a [f64],
}

/// Measured resource columns of a batch, ordered by kind. No column, no head.
#[derive(Clone, Debug, Default)]
pub struct ResourceTargets<'a> {
    columns: Vec<ResourceColumn<'a>>,
}

impl<'a> ResourceTargets<'a> {
    /// No column.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a measured column.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the kind is there already, if the length differs from the other columns,
    /// or if a value is infinite.
    pub fn with(mut self, kind: ResourceKind, unit: Unit, values: &'a [f64]) -> Result<Self> {
        if let Some(first) = self.columns.first()
            && first.values.len() != values.len()
        {
            return Err(input(
                "TSC-DAT-011",
                format!(
                    "resource {kind} has {} values, {} has {}",
                    values.len(),
                    first.kind,
                    first.values.len()
                ),
            ));
        }
        if let Some(row) = values.iter().position(|v| v.is_infinite()) {
            return Err(input("TSC-DAT-011", format!("resource {kind} is infinite at row {row}")));
        }
        match self.columns.binary_search_by(|c| c.kind.cmp(&kind)) {
            Ok(_) => Err(input("TSC-DAT-011", format!("resource {kind} is given twice"))),
            Err(at) => {
                self.columns.insert(at, ResourceColumn { kind, unit, values });
                Ok(self)
            }
        }
    }

    /// The columns, ordered by kind.
    #[must_use]
    pub fn columns(&self) -> &[ResourceColumn<'a>] {
        &self.columns
    }
}
