//! Stored form, version 1.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tsc_core::{Result, damaged};

use super::cells::MAX_CELLS;
use super::{Cells, Reference};

#[derive(Serialize, Deserialize)]
struct ReferenceV1 {
    names: Vec<String>,
    cells: Vec<CellsV1>,
    n_samples: u64,
    n_clusters: u64,
    holdout_noise: f64,
    n_holdout: u64,
    holdout_rmse: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct CellsV1 {
    edges: Vec<f64>,
    counts: Vec<u64>,
}

pub(super) fn encode(reference: &Reference) -> postcard::Result<Vec<u8>> {
    let cells = |c: &Cells| CellsV1 { edges: c.edges.clone(), counts: c.counts.clone() };
    postcard::to_stdvec(&ReferenceV1 {
        names: reference.names.clone(),
        cells: reference.cells.iter().map(cells).collect(),
        n_samples: reference.n_samples,
        n_clusters: reference.n_clusters as u64,
        holdout_noise: reference.holdout_noise,
        n_holdout: reference.n_holdout,
        holdout_rmse: reference.holdout_rmse,
    })
}

pub(super) fn decode(file: &str, bytes: &[u8]) -> Result<Reference> {
    let (stored, rest) = postcard::take_from_bytes::<ReferenceV1>(bytes).map_err(|e| damaged(file, e))?;
    if !rest.is_empty() {
        return Err(damaged(file, format!("{} bytes follow the reference", rest.len())));
    }
    let (names, cells) = (stored.names.len(), stored.cells.len());
    if names == 0 || names != cells {
        return Err(damaged(file, format!("{names} names for the cells of {cells} features")));
    }
    if stored.names.iter().collect::<BTreeSet<_>>().len() != names {
        return Err(damaged(file, "a feature name is used twice"));
    }
    for (feature, cells) in stored.cells.iter().enumerate() {
        if let Some(problem) = problem(cells, stored.n_samples) {
            return Err(damaged(file, format!("feature {feature}: {problem}")));
        }
    }
    if !(0.0..=1.0).contains(&stored.holdout_noise) {
        return Err(damaged(file, "the held-out noise lies outside 0..=1"));
    }
    if stored.holdout_rmse.is_some_and(|v| !v.is_finite() || v < 0.0) {
        return Err(damaged(file, "the held-out loss is negative or not finite"));
    }
    let n_clusters = usize::try_from(stored.n_clusters)
        .map_err(|_| damaged(file, "the number of clusters is too large for this machine"))?;
    Ok(Reference {
        names: stored.names,
        cells: stored.cells.into_iter().map(|c| Cells { edges: c.edges, counts: c.counts }).collect(),
        n_samples: stored.n_samples,
        n_clusters,
        holdout_noise: stored.holdout_noise,
        n_holdout: stored.n_holdout,
        holdout_rmse: stored.holdout_rmse,
    })
}

fn problem(cells: &CellsV1, n_samples: u64) -> Option<&'static str> {
    if cells.counts.len() != cells.edges.len() + 1 || cells.counts.len() > MAX_CELLS {
        return Some("its counts do not fit its edges");
    }
    let rising = cells.edges.windows(2).all(|pair| pair[0] < pair[1]);
    if !rising || !cells.edges.iter().all(|e| e.is_finite()) {
        return Some("its edges do not rise");
    }
    let total = cells.counts.iter().try_fold(0_u64, |sum, &n| sum.checked_add(n));
    (total != Some(n_samples) || n_samples == 0).then_some("its counts do not add up to the rows")
}
