//! What a retrain sees: the newest labelled rows.

mod column;
#[cfg(test)]
mod tests;
mod wire;

use tsc_core::{Batch, Features, GroupId, ResourceKind, ResourceTargets, Result, RowId, Timestamp, Unit};

use crate::error::RetrainError;
use column::Partial;

/// The newest labelled rows, exactly: a ring over rows, not over batches.
///
/// A row enters if its target and all its cells are finite; resource values may be NaN. After rows
/// 0..1199 with a capacity of 500 it holds rows 700..1199. Groups, ids and times are handed on once every
/// row in the window has one: a made-up group could put a patient on both sides of a split.
///
/// Memory: at most twice the capacity plus one batch. Pushing is O(rows x features), amortised.
///
/// # Examples
///
/// ```
/// use tsc_core::{Batch, Features};
/// use tsc_retrain::Window;
/// let mut window = Window::new(1, 3);
/// let x = [1.0, 2.0, 3.0, 4.0, 5.0];
/// let y = [10.0, f64::NAN, 30.0, 40.0, 50.0];
/// assert_eq!(window.push(&Batch::new(Features::new(&x, 1)?).with_targets(&y)?)?, 4);
/// assert_eq!(window.batch()?.targets(), Some(&[30.0, 40.0, 50.0][..]));
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[doc(alias = "ExpandedWindowRetrainer")]
#[derive(Clone)]
pub struct Window {
    n_features: usize,
    capacity: usize,
    // Rows before `start` have left the window; they are cut off when they are as many as the capacity.
    start: usize,
    values: Vec<f64>,
    targets: Vec<f64>,
    resources: Vec<Resource>,
    groups: Partial<GroupId>,
    ids: Partial<RowId>,
    times: Partial<Timestamp>,
}

#[derive(Clone)]
struct Resource {
    kind: ResourceKind,
    unit: Unit,
    values: Vec<f64>,
}

impl Window {
    /// An empty window of at most `capacity` rows of `n_features` features.
    ///
    /// # Panics
    ///
    /// If one of them is 0; the configuration refuses both.
    #[must_use]
    pub fn new(n_features: usize, capacity: usize) -> Self {
        assert!(n_features > 0 && capacity > 0, "a window has a feature and room for a row");
        Self {
            n_features,
            capacity,
            start: 0,
            values: Vec::new(),
            targets: Vec::new(),
            resources: Vec::new(),
            groups: Partial::default(),
            ids: Partial::default(),
            times: Partial::default(),
        }
    }

    /// Number of rows held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len() - self.start
    }

    /// Whether no row is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Most rows held.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Number of features of a row.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Earliest and latest time of the rows, once every row has a time.
    #[must_use]
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let times = self.times.complete(self.start)?;
        Some((*times.iter().min()?, *times.iter().max()?))
    }

    /// Appends the labelled rows of a batch and lets the oldest rows beyond the capacity go.
    ///
    /// Answers how many rows were labelled and finite.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the batch has another width, or a resource in another unit; the window is then
    /// unchanged.
    pub fn push(&mut self, batch: &Batch<'_>) -> Result<usize> {
        if batch.n_features() != self.n_features {
            return Err(
                RetrainError::WindowWidth { found: batch.n_features(), expected: self.n_features }.into()
            );
        }
        self.check_units(batch)?;
        let Some(targets) = batch.targets() else { return Ok(0) };
        let cells = batch.values().chunks_exact(self.n_features);
        let rows: Vec<usize> = cells
            .enumerate()
            .filter(|(row, cells)| targets[*row].is_finite() && cells.iter().all(|v| v.is_finite()))
            .map(|(row, _)| row)
            .collect();
        // Rows that would leave at once are not copied first.
        let newest = &rows[rows.len().saturating_sub(self.capacity)..];
        self.append(batch, targets, newest);
        Ok(rows.len())
    }

    fn check_units(&self, batch: &Batch<'_>) -> Result<()> {
        for column in batch.resources().columns() {
            if let Some(held) = self.resources.iter().find(|held| held.kind == column.kind)
                && held.unit != column.unit
            {
                return Err(RetrainError::ResourceUnit {
                    kind: column.kind.clone(),
                    found: column.unit.clone(),
                    expected: held.unit.clone(),
                }
                .into());
            }
        }
        Ok(())
    }

    fn append(&mut self, batch: &Batch<'_>, targets: &[f64], rows: &[usize]) {
        let held = self.targets.len();
        for column in batch.resources().columns() {
            if !self.resources.iter().any(|r| r.kind == column.kind) {
                let (kind, unit) = (column.kind.clone(), column.unit.clone());
                self.resources.push(Resource { kind, unit, values: vec![f64::NAN; held] });
            }
        }
        for resource in &mut self.resources {
            let column = batch.resources().columns().iter().find(|c| c.kind == resource.kind);
            resource.values.extend(rows.iter().map(|&row| column.map_or(f64::NAN, |c| c.values[row])));
        }
        for &row in rows {
            let cells = row * self.n_features..(row + 1) * self.n_features;
            self.values.extend_from_slice(&batch.values()[cells]);
            self.targets.push(targets[row]);
        }
        self.groups.extend(batch.groups(), rows, GroupId(0));
        self.ids.extend(batch.ids(), rows, RowId(0));
        self.times.extend(batch.times(), rows, Timestamp(0));
        self.trim();
    }

    fn trim(&mut self) {
        self.start = self.start.max(self.targets.len().saturating_sub(self.capacity));
        if self.start < self.capacity {
            return;
        }
        self.values.drain(..self.start * self.n_features);
        self.targets.drain(..self.start);
        for resource in &mut self.resources {
            resource.values.drain(..self.start);
        }
        self.groups.drain(self.start);
        self.ids.drain(self.start);
        self.times.drain(self.start);
        self.start = 0;
    }

    /// Changes the capacity; fewer than the rows held lets the oldest go.
    ///
    /// # Panics
    ///
    /// If it is 0.
    pub fn set_capacity(&mut self, capacity: usize) {
        assert!(capacity > 0, "a window has room for a row");
        self.capacity = capacity;
        self.trim();
    }

    /// The rows, oldest first, as a batch to fit on.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the window is empty.
    pub fn batch(&self) -> Result<Batch<'_>> {
        let x = Features::new(&self.values[self.start * self.n_features..], self.n_features)?;
        let mut resources = ResourceTargets::new();
        for resource in &self.resources {
            let values = &resource.values[self.start..];
            // A column that was never measured is no column: no data, no head.
            if values.iter().any(|v| v.is_finite()) {
                resources = resources.with(resource.kind.clone(), resource.unit.clone(), values)?;
            }
        }
        let mut batch = Batch::new(x).with_targets(&self.targets[self.start..])?.with_resources(resources)?;
        if let Some(groups) = self.groups.complete(self.start) {
            batch = batch.with_groups(groups)?;
        }
        if let Some(ids) = self.ids.complete(self.start) {
            batch = batch.with_ids(ids)?;
        }
        if let Some(times) = self.times.complete(self.start) {
            batch = batch.with_times(times)?;
        }
        Ok(batch)
    }
}

// Rows are patients': only their number is shown.
impl std::fmt::Debug for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Window")
            .field("rows", &self.len())
            .field("capacity", &self.capacity)
            .field("n_features", &self.n_features)
            .field("resources", &self.resources.iter().map(|r| r.kind.name()).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
