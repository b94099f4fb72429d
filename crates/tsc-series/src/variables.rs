use serde::{Deserialize, Serialize};
use tsc_core::{Result, Unit};

use crate::error::SeriesError;

/// What a variable's values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Measured again and again.
    #[default]
    Dynamic,
    /// One value per patient, whatever its time.
    Static,
    /// Both: the value at time 0 is the static one, later values are the series (weight in PhysioNet 2012).
    StaticAndDynamic,
    /// What became of the patient; never a feature.
    Outcome,
}

impl Role {
    /// Whether the variable has a series.
    #[must_use]
    pub fn is_dynamic(self) -> bool {
        matches!(self, Role::Dynamic | Role::StaticAndDynamic)
    }

    /// Whether the variable has one value per patient that may be a feature.
    #[must_use]
    pub fn is_static(self) -> bool {
        matches!(self, Role::Static | Role::StaticAndDynamic)
    }
}

/// What it means that a patient has no value of a variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absent {
    /// Not measured: imputed.
    #[default]
    Missing,
    /// Known to be zero: a device that is recorded only while it is on.
    Zero,
}

/// One variable: name, role, unit, and how its values are cleaned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariableSpec {
    /// Name as in the data: letters, digits, `_`, `.` and `-`.
    pub name: String,
    /// What its values are; default `dynamic`.
    #[serde(default)]
    pub role: Role,
    /// Unit, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Values that stand for "missing"; default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sentinels: Vec<f64>,
    /// Bounds outside which a value becomes missing; default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlier: Option<[f64; 2]>,
    /// Bounds to which a value inside `outlier` is clamped; default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<[f64; 2]>,
    /// What no value means; default `missing`.
    #[serde(default)]
    pub absent: Absent,
}

impl VariableSpec {
    /// A dynamic variable without unit, sentinels or bounds.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            role: Role::Dynamic,
            unit: None,
            sentinels: Vec::new(),
            outlier: None,
            valid: None,
            absent: Absent::Missing,
        }
    }

    fn check(&self) -> std::result::Result<(), String> {
        let name = &self.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(format!("name {name:?} must be letters, digits, _, . and - only"));
        }
        for (key, bounds) in [("outlier", self.outlier), ("valid", self.valid)] {
            if let Some([low, high]) = bounds
                && !(low.is_finite() && high.is_finite() && low <= high)
            {
                return Err(format!("{name}.{key} is [{low}, {high}], must be two rising finite numbers"));
            }
        }
        if let (Some([low, high]), Some([inner_low, inner_high])) = (self.outlier, self.valid)
            && (inner_low < low || inner_high > high)
        {
            return Err(format!(
                "{name}.valid is [{inner_low}, {inner_high}], must lie inside outlier [{low}, {high}]"
            ));
        }
        match self.sentinels.iter().find(|s| !s.is_finite()) {
            Some(sentinel) => Err(format!("{name}.sentinels holds {sentinel}, must be finite")),
            None => Ok(()),
        }
    }
}

/// The variables that are read, in order. Names are unique.
///
/// # Examples
///
/// ```
/// use tsc_series::VariableTable;
/// let icu = VariableTable::icu();
/// assert_eq!(icu.get("HR").and_then(|v| v.outlier), Some([1.0, 390.0]));
///
/// let own = VariableTable::from_toml(r#"variables = [{ name = "CRP", unit = "mg/L", outlier = [0, 600] }]"#)?;
/// assert_eq!(own.len(), 1);
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<VariableSpec>", into = "Vec<VariableSpec>")]
pub struct VariableTable {
    variables: Vec<VariableSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    variables: VariableTable,
}

impl VariableTable {
    /// Checks names, bounds and sentinels.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming the first variable that breaks a rule, or a name used twice.
    pub fn new(variables: Vec<VariableSpec>) -> Result<Self> {
        let mut seen = std::collections::BTreeSet::new();
        for variable in &variables {
            variable.check().map_err(|reason| SeriesError::Variables { reason })?;
            if !seen.insert(variable.name.as_str()) {
                let reason = format!("name {} is used twice", variable.name);
                return Err(SeriesError::Variables { reason }.into());
            }
        }
        Ok(Self { variables })
    }

    /// Reads a TOML text with one array `variables`.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if it is no such text, or as [`VariableTable::new`].
    pub fn from_toml(text: &str) -> Result<Self> {
        let file: TableFile = toml::from_str(text)
            .map_err(|error| SeriesError::Variables { reason: error.message().trim().to_string() })?;
        Ok(file.variables)
    }

    /// 5 static, 37 dynamic (weight is both) and 5 outcome variables of a stay, named as in PhysioNet 2012.
    ///
    /// # Panics
    ///
    /// Never: the table is part of the crate.
    #[must_use]
    pub fn icu() -> Self {
        Self::from_toml(include_str!("ranges.toml")).expect("the shipped table is valid: tested")
    }

    /// Adds variables; one whose name is there already replaces it.
    ///
    /// # Errors
    ///
    /// As [`VariableTable::new`].
    pub fn with(self, changes: Vec<VariableSpec>) -> Result<Self> {
        let mut variables = self.variables;
        for change in changes {
            match variables.iter_mut().find(|v| v.name == change.name) {
                Some(place) => *place = change,
                None => variables.push(change),
            }
        }
        Self::new(variables)
    }

    /// The variables in order.
    #[must_use]
    pub fn as_slice(&self) -> &[VariableSpec] {
        &self.variables
    }

    /// Number of variables.
    #[must_use]
    pub fn len(&self) -> usize {
        self.variables.len()
    }

    /// Whether there is no variable.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.variables.is_empty()
    }

    /// The variable of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&VariableSpec> {
        self.variables.iter().find(|v| v.name == name)
    }

    /// Position of a variable.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.variables.iter().position(|v| v.name == name)
    }
}

impl Default for VariableTable {
    fn default() -> Self {
        Self::icu()
    }
}

impl TryFrom<Vec<VariableSpec>> for VariableTable {
    type Error = tsc_core::Error;

    fn try_from(variables: Vec<VariableSpec>) -> Result<Self> {
        Self::new(variables)
    }
}

impl From<VariableTable> for Vec<VariableSpec> {
    fn from(table: VariableTable) -> Self {
        table.variables
    }
}
