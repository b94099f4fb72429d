use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::{Millis, Result, Unit};

use crate::aggregate::Aggregate;
use crate::conversion::Conversion;
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
    /// What became of the patient, one value; never a feature.
    Outcome,
    /// What became of the patient as told at each time (hours that remain), a series; never a feature.
    OutcomeSeries,
}

impl Role {
    /// Whether the variable has a series that may give features.
    #[must_use]
    pub fn is_dynamic(self) -> bool {
        matches!(self, Role::Dynamic | Role::StaticAndDynamic)
    }

    /// Whether the variable has one value per patient that may be a feature.
    #[must_use]
    pub fn is_static(self) -> bool {
        matches!(self, Role::Static | Role::StaticAndDynamic)
    }

    /// Whether the variable is an outcome, of the patient or of each time.
    #[must_use]
    pub fn is_outcome(self) -> bool {
        matches!(self, Role::Outcome | Role::OutcomeSeries)
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

/// A recorded value that only says "a few": a count that is kept from the public.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Censored {
    /// What is recorded, such as -999999.
    pub sentinel: f64,
    /// What stands in for it in a series; a censored static value or outcome is missing instead.
    pub value: f64,
}

/// An error of recording that can be undone: values between two bounds are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repair {
    /// Values that are wrong, both ends included, in the variable's unit.
    pub between: [f64; 2],
    /// What makes them right.
    pub factor: f64,
}

/// One variable: name, role, unit, and how its values are cleaned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariableSpec {
    /// Name as in the data: letters, digits, `_`, `.` and `-`.
    pub name: String,
    /// Its name in the input, if another; default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What its values are; default `dynamic`.
    #[serde(default)]
    pub role: Role,
    /// Unit, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Values that stand for "missing"; default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sentinels: Vec<f64>,
    /// Value that stands for "a few"; default none. See [`crate::SeriesTable::censored`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub censored: Option<Censored>,
    /// Numbers of texts, such as `{ Male = 1, Female = 0 }`; a text beyond them that is no number is missing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub categories: BTreeMap<String, f64>,
    /// Units that the input has instead of `unit`; default none. One holds for every value unless the input has
    /// a column of units; then a value in a unit that is neither `unit` nor one of these is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub convert: Vec<Conversion>,
    /// Undone before the range is looked at, if [`crate::TableSpec::repair`] says so; default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
    /// Bounds outside which a value becomes missing; default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlier: Option<[f64; 2]>,
    /// Bounds to which a value inside `outlier` is clamped; default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<[f64; 2]>,
    /// Usual median, by which a wrong unit is recognised; default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typical: Option<f64>,
    /// What no value means; default `missing`.
    #[serde(default)]
    pub absent: Absent,
    /// How a bin's values become one; default none, which is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<Aggregate>,
    /// How long a value is carried forward; default none, which leaves it to the grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill_limit: Option<Millis>,
}

impl VariableSpec {
    /// A dynamic variable without unit, sentinels or bounds.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            column: None,
            role: Role::Dynamic,
            unit: None,
            sentinels: Vec::new(),
            censored: None,
            categories: BTreeMap::new(),
            convert: Vec::new(),
            repair: None,
            outlier: None,
            valid: None,
            typical: None,
            absent: Absent::Missing,
            aggregate: None,
            fill_limit: None,
        }
    }

    /// Its name in the input.
    pub(crate) fn input_name(&self) -> &str {
        self.column.as_deref().unwrap_or(&self.name)
    }

    /// Whether censored values become stand-ins with a companion variable that marks them.
    pub(crate) fn has_companion(&self) -> bool {
        self.censored.is_some() && self.role == Role::Dynamic
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
        let numbers = [
            ("sentinels", self.sentinels.clone()),
            ("censored", self.censored.iter().flat_map(|c| [c.sentinel, c.value]).collect()),
            ("categories", self.categories.values().copied().collect()),
            ("repair", self.repair.iter().flat_map(|r| [r.between[0], r.between[1], r.factor]).collect()),
            ("typical", self.typical.into_iter().collect()),
        ];
        for (key, numbers) in numbers {
            if let Some(number) = numbers.iter().find(|number| !number.is_finite()) {
                return Err(format!("{name}.{key} holds {number}, must be finite"));
            }
        }
        for conversion in &self.convert {
            let from = &conversion.from;
            match conversion.linear(name, self.unit.as_ref()) {
                Some(linear)
                    if linear.factor.is_finite() && linear.factor != 0.0 && linear.offset.is_finite() => {}
                Some(_) => {
                    return Err(format!("{name}.convert from {from} needs a finite factor that is not 0"));
                }
                None => {
                    let to = self.unit.as_ref().map_or("no unit".into(), ToString::to_string);
                    return Err(format!(
                        "{name}.convert from {from} to {to} is not known, give factor or offset"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn companion_name(name: &str) -> String {
    format!("{name}.censored")
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

    /// 48 dynamic and 4 static variables and the label of a YAIB cohort, named as there.
    ///
    /// # Panics
    ///
    /// Never: the table is part of the crate.
    #[must_use]
    pub fn yaib() -> Self {
        Self::from_toml(include_str!("yaib.toml")).expect("the shipped table is valid: tested")
    }

    pub(crate) fn map(self, change: impl FnMut(VariableSpec) -> VariableSpec) -> Self {
        Self { variables: self.variables.into_iter().map(change).collect() }
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

    /// Puts `<name>.censored` behind each dynamic variable that has a censored value; nothing if they are there.
    pub(crate) fn with_companions(self) -> Self {
        let marked = self.variables.iter().filter(|v| v.has_companion());
        let names: Vec<String> = marked.map(|v| companion_name(&v.name)).collect();
        let mut variables = Vec::with_capacity(self.variables.len() + names.len());
        for variable in self.variables.into_iter().filter(|v| !names.contains(&v.name)) {
            let companion = variable.has_companion().then(|| VariableSpec {
                absent: Absent::Zero,
                aggregate: Some(Aggregate::Any),
                ..VariableSpec::new(companion_name(&variable.name))
            });
            variables.push(variable);
            variables.extend(companion);
        }
        Self { variables }
    }

    /// Position of the variable that marks the censored values of another.
    pub(crate) fn companion(&self, variable: usize) -> Option<usize> {
        let spec = &self.variables[variable];
        let next = self.variables.get(variable + 1).filter(|_| spec.has_companion())?;
        (next.name == companion_name(&spec.name)).then_some(variable + 1)
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
