use std::sync::Arc;

use tsc_core::{Batch, Features, GroupId, ResourceKind, ResourceTargets, RowId, Schema, Timestamp, Unit};

use crate::quality::QualityReport;
use crate::references::Reference;
use crate::scale::Inverse;

/// A measured resource, one value per row, NaN where missing.
#[derive(Clone, Debug)]
pub(crate) struct ResourceValues {
    pub(crate) kind: ResourceKind,
    pub(crate) unit: Unit,
    pub(crate) values: Vec<f64>,
}

/// Finite features with names, targets, resources, and the patient of each row.
#[derive(Clone)]
pub struct FeatureMatrix {
    pub(crate) schema: Arc<Schema>,
    pub(crate) values: Vec<f64>,
    pub(crate) patients: Vec<String>,
    pub(crate) ids: Vec<RowId>,
    pub(crate) groups: Vec<GroupId>,
    pub(crate) is_calendar: bool,
    pub(crate) times: Vec<Timestamp>,
    pub(crate) known_at: Vec<Timestamp>,
    pub(crate) targets: Option<Vec<f64>>,
    /// Empty if targets are in their variable's unit.
    pub(crate) inverses: Vec<Inverse>,
    pub(crate) references: Vec<Reference>,
    pub(crate) resources: Vec<ResourceValues>,
    pub(crate) quality: Arc<QualityReport>,
}

impl std::fmt::Debug for FeatureMatrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeatureMatrix")
            .field("n_samples", &self.patients.len())
            .field("n_features", &self.schema.n_features())
            .finish_non_exhaustive()
    }
}

impl FeatureMatrix {
    /// Number of rows, at least 1.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.patients.len()
    }

    /// The checked matrix.
    ///
    /// # Panics
    ///
    /// Never: the values are imputed and the matrix is not empty.
    #[must_use]
    pub fn features(&self) -> Features<'_> {
        Features::new(&self.values, self.schema.n_features())
            .expect("imputed features are finite and not empty")
    }

    /// Everything a fit or a scoring call takes: features, schema, targets, resources, ids, groups and times.
    ///
    /// The time of a row is when its target is known, so that a split by time trains on nothing that was not known
    /// at the cut, whatever the step ahead. Times that count from admission are left out: they are no order of stays.
    ///
    /// # Panics
    ///
    /// Never: every column has one entry per row.
    #[must_use]
    pub fn batch(&self) -> Batch<'_> {
        const ONE_PER_ROW: &str = "every column has one entry per row";
        let mut resources = ResourceTargets::new();
        for column in &self.resources {
            resources = resources
                .with(column.kind.clone(), column.unit.clone(), &column.values)
                .expect("resource names are unique by SeriesParams::check, values are cleaned");
        }
        let batch = Batch::new(self.features())
            .with_schema(&self.schema)
            .and_then(|batch| batch.with_ids(&self.ids))
            .and_then(|batch| batch.with_groups(&self.groups))
            .and_then(|batch| batch.with_resources(resources))
            .expect(ONE_PER_ROW);
        let batch = match &self.targets {
            Some(targets) => batch.with_targets(targets).expect(ONE_PER_ROW),
            None => batch,
        };
        let references = self.references.iter().map(|r| tsc_core::Reference { name: r.name, values: r.in_form() });
        let batch = batch.with_references(references.collect()).expect(ONE_PER_ROW);
        if self.is_calendar { batch.with_times(&self.known_at).expect(ONE_PER_ROW) } else { batch }
    }

    /// Names, units and use of the features.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Target of each row in the form of [`crate::ScaleParams`], NaN where missing; `None` if the settings name no target.
    #[must_use]
    pub fn targets(&self) -> Option<&[f64]> {
        self.targets.as_deref()
    }

    /// Time of each row: milliseconds since admission, or since the epoch for calendar times.
    ///
    /// Whatever happens before it may be in the features, nothing else.
    #[must_use]
    pub fn times(&self) -> &[Timestamp] {
        &self.times
    }

    /// When each row's target is known: rows to train on at a time are those whose target is known by then.
    ///
    /// The end of the target's window or period; for an outcome the row's time.
    #[must_use]
    pub fn known_at(&self) -> &[Timestamp] {
        &self.known_at
    }

    /// Naive forecasts of each row in the target variable's unit; none for an outcome.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Turns predictions of the rows, in their order, from the target's form into its variable's unit.
    ///
    /// The inverse of [`crate::ScaleParams::form`]; predictions themselves where the form is `level`.
    ///
    /// # Panics
    ///
    /// If there is not one prediction per row.
    #[must_use]
    pub fn to_unit(&self, predictions: &[f64]) -> Vec<f64> {
        assert_eq!(predictions.len(), self.n_samples(), "one prediction per row");
        if self.inverses.is_empty() {
            return predictions.to_vec();
        }
        self.inverses.iter().zip(predictions).map(|(inverse, &value)| inverse.unit(value)).collect()
    }

    /// Whether targets are in another form than their variable's unit.
    #[must_use]
    pub fn is_scaled(&self) -> bool {
        !self.inverses.is_empty()
    }

    /// Turns bounds or values of some rows into the unit: `shift` and `factor` of each row, 0 and 1 for `level`.
    pub fn frames(&self) -> impl Iterator<Item = (f64, f64)> {
        (0..self.n_samples())
            .map(|row| self.inverses.get(row).map_or((0.0, 1.0), |inverse| (inverse.shift, inverse.factor)))
    }

    /// Resource columns with unit, NaN where missing.
    pub fn resources(&self) -> impl Iterator<Item = (&ResourceKind, &Unit, &[f64])> {
        self.resources.iter().map(|column| (&column.kind, &column.unit, column.values.as_slice()))
    }

    /// Group (patient) of each row.
    #[must_use]
    pub fn groups(&self) -> &[GroupId] {
        &self.groups
    }

    /// Identity of each row, as hashes.
    #[must_use]
    pub fn ids(&self) -> &[RowId] {
        &self.ids
    }

    /// Identifier of each row's patient, as in the input; for the caller's own files only.
    #[must_use]
    pub fn patients(&self) -> &[String] {
        &self.patients
    }

    /// The chosen rows, in the order given; the quality report stays that of all rows.
    ///
    /// # Panics
    ///
    /// If `rows` is empty or names a row beyond the last.
    #[must_use]
    pub fn select_rows(&self, rows: &[usize]) -> FeatureMatrix {
        let mut values = Vec::new();
        self.features().gather(rows, &mut values);
        let choose = |column: &[f64]| rows.iter().map(|&row| column[row]).collect::<Vec<f64>>();
        FeatureMatrix {
            schema: Arc::clone(&self.schema),
            values,
            patients: rows.iter().map(|&row| self.patients[row].clone()).collect(),
            ids: rows.iter().map(|&row| self.ids[row]).collect(),
            groups: rows.iter().map(|&row| self.groups[row]).collect(),
            is_calendar: self.is_calendar,
            times: rows.iter().map(|&row| self.times[row]).collect(),
            known_at: rows.iter().map(|&row| self.known_at[row]).collect(),
            targets: self.targets.as_deref().map(choose),
            inverses: match self.inverses.is_empty() {
                true => Vec::new(),
                false => rows.iter().map(|&row| self.inverses[row]).collect(),
            },
            references: self
                .references
                .iter()
                .map(|reference| Reference {
                    name: reference.name,
                    values: choose(&reference.values),
                    in_form: reference.in_form.as_deref().map(choose),
                })
                .collect(),
            resources: self
                .resources
                .iter()
                .map(|column| ResourceValues {
                    kind: column.kind.clone(),
                    unit: column.unit.clone(),
                    values: choose(&column.values),
                })
                .collect(),
            quality: Arc::clone(&self.quality),
        }
    }

    /// What was read, rejected, changed, imputed and dropped.
    #[must_use]
    pub fn quality(&self) -> &QualityReport {
        &self.quality
    }
}
