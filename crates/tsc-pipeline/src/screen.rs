use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tsc_core::{
    Batch, Error, ErrorKind, Features, GroupId, Reference, ResourceTargets, Result, RowId, Stage, Timestamp,
};

use crate::config::OnInvalid;

/// A cell that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rejected {
    /// Row of the batch.
    pub row: usize,
    /// First bad feature of the row.
    pub column: usize,
    /// Its name.
    pub name: String,
    /// `NaN` or `infinite`; never the value.
    pub reason: String,
}

/// What is left of a batch after its invalid rows were dealt with; every column is row-aligned.
#[derive(Debug)]
pub(crate) struct Screened<'a> {
    pub(crate) values: Cow<'a, [f64]>,
    pub(crate) n_features: usize,
    /// Row of the batch behind each usable row; `None` when all rows are usable.
    pub(crate) kept: Option<Vec<usize>>,
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) imputed: u64,
}

impl Screened<'_> {
    pub(crate) fn n_samples(&self) -> usize {
        self.values.len() / self.n_features
    }

    /// The usable rows; `None` when there are none.
    pub(crate) fn features(&self) -> Result<Option<Features<'_>>> {
        if self.values.is_empty() { Ok(None) } else { Features::new(&self.values, self.n_features).map(Some) }
    }

    /// Entries of a batch column for the usable rows.
    pub(crate) fn pick<'b, T: Copy>(&self, column: &'b [T]) -> Cow<'b, [T]> {
        match &self.kept {
            None => Cow::Borrowed(column),
            Some(kept) => kept.iter().map(|&row| column[row]).collect(),
        }
    }
}

/// The row-aligned columns of a batch that a fit or the window needs, for the usable rows.
#[derive(Debug)]
pub(crate) struct Columns<'a> {
    pub(crate) targets: Option<Cow<'a, [f64]>>,
    pub(crate) resources: Vec<(tsc_core::ResourceKind, tsc_core::Unit, Cow<'a, [f64]>)>,
    pub(crate) groups: Option<Cow<'a, [GroupId]>>,
    pub(crate) ids: Option<Cow<'a, [RowId]>>,
    pub(crate) times: Option<Cow<'a, [Timestamp]>>,
    pub(crate) references: Vec<(&'a str, Cow<'a, [f64]>)>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(batch: &Batch<'a>, screened: &Screened<'_>) -> Self {
        Self {
            targets: batch.targets().map(|column| screened.pick(column)),
            resources: batch
                .resources()
                .columns()
                .iter()
                .map(|c| (c.kind.clone(), c.unit.clone(), screened.pick(c.values)))
                .collect(),
            groups: batch.groups().map(|column| screened.pick(column)),
            ids: batch.ids().map(|column| screened.pick(column)),
            times: batch.times().map(|column| screened.pick(column)),
            references: batch.references().iter().map(|r| (r.name, screened.pick(r.values))).collect(),
        }
    }

    pub(crate) fn resource_targets(&self) -> Result<ResourceTargets<'_>> {
        let mut targets = ResourceTargets::new();
        for (kind, unit, values) in &self.resources {
            targets = targets.with(kind.clone(), unit.clone(), values)?;
        }
        Ok(targets)
    }

    /// The usable rows as a checked batch.
    pub(crate) fn batch<'b>(&'b self, x: Features<'b>) -> Result<Batch<'b>> {
        let mut batch = Batch::new(x).with_resources(self.resource_targets()?)?;
        if let Some(targets) = &self.targets {
            batch = batch.with_targets(targets)?;
        }
        if let Some(groups) = &self.groups {
            batch = batch.with_groups(groups)?;
        }
        if let Some(ids) = &self.ids {
            batch = batch.with_ids(ids)?;
        }
        if let Some(times) = &self.times {
            batch = batch.with_times(times)?;
        }
        let references = self.references.iter().map(|(name, values)| Reference { name, values }).collect();
        batch.with_references(references)
    }
}

/// Deals with NaN and infinite cells by `policy`; `medians` fill them under `ImputeMedian`.
pub(crate) fn screen<'a>(
    batch: &Batch<'a>,
    policy: OnInvalid,
    medians: impl FnOnce() -> Vec<f64>,
    name: impl Fn(usize) -> String,
) -> Result<Screened<'a>> {
    let (values, n_features) = (batch.values(), batch.n_features());
    let whole =
        Screened { values: Cow::Borrowed(values), n_features, kept: None, rejected: Vec::new(), imputed: 0 };
    if batch.features().is_some() || values.iter().all(|v| v.is_finite()) {
        return Ok(whole);
    }
    let mut rejected = Vec::new();
    let mut kept = Vec::new();
    for (row, cells) in values.chunks_exact(n_features).enumerate() {
        match cells.iter().position(|v| !v.is_finite()) {
            None => kept.push(row),
            Some(column) => rejected.push(Rejected {
                row,
                column,
                name: name(column),
                reason: if cells[column].is_nan() { "NaN".into() } else { "infinite".into() },
            }),
        }
    }
    match policy {
        OnInvalid::Reject => Err(refused(&rejected, batch.n_samples())),
        OnInvalid::Quarantine => {
            let values = kept.iter().flat_map(|&row| &values[row * n_features..(row + 1) * n_features]);
            Ok(Screened { values: values.copied().collect(), kept: Some(kept), rejected, ..whole })
        }
        OnInvalid::ImputeMedian => {
            let medians = medians();
            let mut filled = values.to_vec();
            let mut imputed = 0;
            for cells in filled.chunks_exact_mut(n_features) {
                for (cell, median) in cells.iter_mut().zip(&medians).filter(|(cell, _)| !cell.is_finite()) {
                    *cell = *median;
                    imputed += 1;
                }
            }
            Ok(Screened { values: Cow::Owned(filled), imputed, ..whole })
        }
    }
}

#[cold]
fn refused(rejected: &[Rejected], n_samples: usize) -> Error {
    let first: Vec<String> = rejected
        .iter()
        .take(10)
        .map(|r| format!("feature [{}, {}] ({}) is {}", r.row, r.column, r.name, r.reason))
        .collect();
    Error::new(
        ErrorKind::InvalidData,
        Stage::Input,
        "TSC-DAT-020",
        format!("{} of {n_samples} rows hold invalid cells: {}", rejected.len(), first.join(", ")),
    )
    .with_help("correct the cells, or set data.on_invalid_fit / data.on_invalid_batch to quarantine or impute_median")
}

/// Median of the finite cells of each column; 0 for a column without any.
pub(crate) fn medians(values: &[f64], n_features: usize) -> Vec<f64> {
    (0..n_features)
        .map(|column| {
            let mut cells: Vec<f64> =
                values.iter().skip(column).step_by(n_features).copied().filter(|v| v.is_finite()).collect();
            cells.sort_unstable_by(f64::total_cmp);
            let n = cells.len();
            match n {
                0 => 0.0,
                _ if n % 2 == 1 => cells[n / 2],
                _ => f64::midpoint(cells[n / 2 - 1], cells[n / 2]),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;

    fn with(policy: OnInvalid) -> Result<(Vec<f64>, Option<Vec<usize>>)> {
        let batch = Batch::raw(&[1.0, 2.0, NAN, 4.0, 5.0, f64::INFINITY, 7.0, 8.0], 2)?;
        let screened = screen(&batch, policy, || medians(batch.values(), 2), |c| format!("f{c}"))?;
        Ok((screened.values.to_vec(), screened.kept))
    }

    #[test]
    fn quarantine_leaves_the_invalid_rows_out() {
        let (values, kept) = with(OnInvalid::Quarantine).unwrap();
        assert_eq!(values, [1.0, 2.0, 7.0, 8.0]);
        assert_eq!(kept.unwrap(), [0, 3]);
    }

    #[test]
    fn reject_names_the_cells_and_never_their_values() {
        let error = with(OnInvalid::Reject).unwrap_err();
        assert_eq!(
            error.to_string(),
            "2 of 4 rows hold invalid cells: feature [1, 0] (f0) is NaN, feature [2, 1] (f1) is infinite"
        );
    }

    #[test]
    fn imputation_fills_with_the_median_of_the_finite_cells() {
        let (values, kept) = with(OnInvalid::ImputeMedian).unwrap();
        assert_eq!(values, [1.0, 2.0, 5.0, 4.0, 5.0, 4.0, 7.0, 8.0]);
        assert_eq!(kept, None);
    }
}
