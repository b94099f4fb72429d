use serde::{Deserialize, Serialize};

use crate::features::input;
use crate::{Result, Unit};

/// Which stages see a feature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnUse {
    /// Clusterer and fallback only.
    Cluster,
    /// Regressors only.
    Model,
    /// Every stage.
    #[default]
    Both,
}

impl ColumnUse {
    /// Whether clusterer and fallback see the feature.
    #[must_use]
    pub fn clusters(self) -> bool {
        self != ColumnUse::Model
    }

    /// Whether the regressors see the feature.
    #[must_use]
    pub fn models(self) -> bool {
        self != ColumnUse::Cluster
    }
}

/// One feature: name, unit, use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Unique name.
    pub name: String,
    /// Unit of the values, where known.
    pub unit: Option<Unit>,
    /// Which stages see it.
    pub column_use: ColumnUse,
}

/// Names, order, units and use of the features of a matrix.
///
/// # Examples
///
/// ```
/// use tsc_core::Schema;
/// let schema = Schema::named(["heart_rate", "age"])?;
/// assert_eq!(schema.n_features(), 2);
/// assert_ne!(schema.hash(), Schema::named(["age", "heart_rate"])?.hash());
/// assert!(Schema::named(["age", "age"]).is_err());
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Column>", into = "Vec<Column>")]
pub struct Schema {
    columns: Vec<Column>,
}

impl Schema {
    /// Checks that there is a column, that no name is empty or used twice, and that clusterer and
    /// regressors see at least one column each.
    ///
    /// # Errors
    ///
    /// `InvalidData` naming the column.
    pub fn new(columns: Vec<Column>) -> Result<Self> {
        let mut seen = std::collections::BTreeSet::new();
        for column in &columns {
            if column.name.is_empty() {
                return Err(input("TSC-DAT-008", "a feature has an empty name"));
            }
            if !seen.insert(column.name.as_str()) {
                return Err(input("TSC-DAT-008", format!("feature name {} is used twice", column.name)));
            }
        }
        if !columns.iter().any(|c| c.column_use.clusters()) || !columns.iter().any(|c| c.column_use.models())
        {
            return Err(input(
                "TSC-DAT-009",
                "the schema needs at least one column for clustering and one for the models",
            ));
        }
        Ok(Self { columns })
    }

    /// Columns that every stage sees, without units.
    ///
    /// # Errors
    ///
    /// As [`Schema::new`].
    pub fn named<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        let column = |name: S| Column { name: name.into(), unit: None, column_use: ColumnUse::Both };
        Self::new(names.into_iter().map(column).collect())
    }

    /// `f0, f1, ..`, for data that come without names.
    ///
    /// # Panics
    ///
    /// If `n_features` is 0.
    #[must_use]
    pub fn unnamed(n_features: usize) -> Self {
        assert!(n_features > 0, "a schema has at least one feature");
        Self::named((0..n_features).map(|i| format!("f{i}")))
            .expect("numbered names are unique and not empty")
    }

    /// The columns in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Number of features.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.columns.len()
    }

    /// The names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|c| c.name.as_str())
    }

    /// Position of a feature.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// 16 hex digits over names, order, units and uses (FNV-1a): a check for mix-ups, not for security.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut text = String::new();
        for column in &self.columns {
            let unit = column.unit.as_ref().map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("{}\u{1f}{unit}\u{1f}{:?}\u{1e}", column.name, column.column_use));
        }
        format!("{:016x}", crate::ids::fnv1a(text.as_bytes()))
    }
}

impl TryFrom<Vec<Column>> for Schema {
    type Error = crate::Error;

    fn try_from(columns: Vec<Column>) -> Result<Self> {
        Self::new(columns)
    }
}

impl From<Schema> for Vec<Column> {
    fn from(schema: Schema) -> Self {
        schema.columns
    }
}
