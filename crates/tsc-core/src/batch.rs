use crate::features::input;
use crate::{Features, GroupId, ResourceTargets, Result, RowId, Schema, Timestamp};

/// A plain forecast of the target that models must beat, such as the last value; one value per row, NaN where
/// there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference<'a> {
    /// Name in reports, such as `last value`.
    pub name: &'a str,
    /// In the target's unit.
    pub values: &'a [f64],
}

/// What is fitted on or scored in one call: rows, and whatever is known about them.
///
/// Every column has one entry per row. Targets may be NaN where they are not known: such rows are
/// clustered and scored, and neither trained on nor evaluated.
///
/// # Examples
///
/// ```
/// use tsc_core::{Batch, Features};
/// let x = Features::new(&[1.0, 2.0, 3.0], 1)?;
/// let batch = Batch::new(x).with_targets(&[0.5, f64::NAN, 0.7])?;
/// assert_eq!(batch.n_samples(), 3);
/// assert!(Batch::new(x).with_targets(&[0.5]).is_err());
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    values: &'a [f64],
    n_features: usize,
    checked: bool,
    schema: Option<&'a Schema>,
    targets: Option<&'a [f64]>,
    resources: ResourceTargets<'a>,
    ids: Option<&'a [RowId]>,
    groups: Option<&'a [GroupId]>,
    times: Option<&'a [Timestamp]>,
    references: Vec<Reference<'a>>,
    batch_id: Option<String>,
    at: Option<Timestamp>,
}

impl<'a> Batch<'a> {
    /// Rows whose values are known to be finite.
    #[must_use]
    pub fn new(x: Features<'a>) -> Self {
        Self::over(x.as_slice(), x.n_features(), true)
    }

    /// Rows that may hold NaN or infinite cells; the pipeline screens them by `data.on_invalid_*`.
    ///
    /// # Errors
    ///
    /// `InvalidData` if there is no row, no feature, or the length is no multiple of `n_features`.
    pub fn raw(values: &'a [f64], n_features: usize) -> Result<Self> {
        if n_features == 0 || values.is_empty() || !values.len().is_multiple_of(n_features) {
            return Err(input(
                "TSC-DAT-012",
                format!("{} values and {n_features} features make no whole, non-empty matrix", values.len()),
            ));
        }
        Ok(Self::over(values, n_features, false))
    }

    fn over(values: &'a [f64], n_features: usize, checked: bool) -> Self {
        Self {
            values,
            n_features,
            checked,
            schema: None,
            targets: None,
            resources: ResourceTargets::new(),
            ids: None,
            groups: None,
            times: None,
            references: Vec::new(),
            batch_id: None,
            at: None,
        }
    }

    /// Names, units and use of the features.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the schema has another number of features.
    pub fn with_schema(mut self, schema: &'a Schema) -> Result<Self> {
        if schema.n_features() != self.n_features {
            return Err(input(
                "TSC-DAT-013",
                format!("the schema has {} features, the batch has {}", schema.n_features(), self.n_features),
            ));
        }
        self.schema = Some(schema);
        Ok(self)
    }

    /// Target of each row, NaN where unknown.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the length is not the number of rows.
    pub fn with_targets(mut self, targets: &'a [f64]) -> Result<Self> {
        self.check_length("targets", targets.len())?;
        self.targets = Some(targets);
        Ok(self)
    }

    /// Measured resources of each row.
    ///
    /// # Errors
    ///
    /// `InvalidData` if a column's length is not the number of rows.
    pub fn with_resources(mut self, resources: ResourceTargets<'a>) -> Result<Self> {
        for column in resources.columns() {
            self.check_length(column.kind.name(), column.values.len())?;
        }
        self.resources = resources;
        Ok(self)
    }

    /// Identity of each row.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the length is not the number of rows.
    pub fn with_ids(mut self, ids: &'a [RowId]) -> Result<Self> {
        self.check_length("ids", ids.len())?;
        self.ids = Some(ids);
        Ok(self)
    }

    /// Group (patient) of each row.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the length is not the number of rows.
    pub fn with_groups(mut self, groups: &'a [GroupId]) -> Result<Self> {
        self.check_length("groups", groups.len())?;
        self.groups = Some(groups);
        Ok(self)
    }

    /// Calendar time of each row.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the length is not the number of rows.
    pub fn with_times(mut self, times: &'a [Timestamp]) -> Result<Self> {
        self.check_length("times", times.len())?;
        self.times = Some(times);
        Ok(self)
    }

    /// Plain forecasts of the target, which a fit reports beside its models.
    ///
    /// # Errors
    ///
    /// `InvalidData` if a forecast's length is not the number of rows.
    pub fn with_references(mut self, references: Vec<Reference<'a>>) -> Result<Self> {
        for reference in &references {
            self.check_length(reference.name, reference.values.len())?;
        }
        self.references = references;
        Ok(self)
    }

    /// Key by which a repeated delivery is recognised.
    #[must_use]
    pub fn with_batch_id(mut self, id: impl Into<String>) -> Self {
        self.batch_id = Some(id.into());
        self
    }

    /// When the batch happened; now, if not said.
    #[must_use]
    pub fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    fn check_length(&self, what: &str, length: usize) -> Result<()> {
        if length == self.n_samples() {
            return Ok(());
        }
        Err(input(
            "TSC-DAT-014",
            format!("{what} has {length} entries, the batch has {} rows", self.n_samples()),
        ))
    }

    /// Number of rows, at least 1.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.values.len() / self.n_features
    }

    /// Number of features, at least 1.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// All cells, row-major; not necessarily finite.
    #[must_use]
    pub fn values(&self) -> &'a [f64] {
        self.values
    }

    /// The checked matrix, if the batch was made from one.
    #[must_use]
    pub fn features(&self) -> Option<Features<'a>> {
        self.checked.then(|| Features::trusted(self.values, self.n_features))
    }

    /// Names, units and use of the features.
    #[must_use]
    pub fn schema(&self) -> Option<&'a Schema> {
        self.schema
    }

    /// Target of each row, NaN where unknown.
    #[must_use]
    pub fn targets(&self) -> Option<&'a [f64]> {
        self.targets
    }

    /// Measured resource columns.
    #[must_use]
    pub fn resources(&self) -> &ResourceTargets<'a> {
        &self.resources
    }

    /// Identity of each row.
    #[must_use]
    pub fn ids(&self) -> Option<&'a [RowId]> {
        self.ids
    }

    /// Group of each row.
    #[must_use]
    pub fn groups(&self) -> Option<&'a [GroupId]> {
        self.groups
    }

    /// Calendar time of each row.
    #[must_use]
    pub fn times(&self) -> Option<&'a [Timestamp]> {
        self.times
    }

    /// Plain forecasts of the target.
    #[must_use]
    pub fn references(&self) -> &[Reference<'a>] {
        &self.references
    }

    /// Key by which a repeated delivery is recognised.
    #[must_use]
    pub fn batch_id(&self) -> Option<&str> {
        self.batch_id.as_deref()
    }

    /// When the batch happened.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.at
    }
}
