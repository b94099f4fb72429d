//! `scaler.json`: plain JSON, f64 written so that the same bits are read.

use serde::{Deserialize, Serialize};
use tsc_core::{Result, damaged};

use super::projection::Projection;
use super::{ClusterView, check_columns};
use crate::scaler::Scaler;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewV1 {
    n_in: usize,
    columns: Vec<usize>,
    mean: Vec<f64>,
    scale: Vec<f64>,
    constant_features: Vec<usize>,
    clip: f64,
    projection: Option<ProjectionV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectionV1 {
    mean: Vec<f64>,
    components: Vec<Vec<f64>>,
    explained_variance: Vec<f64>,
    explained_variance_ratio: Vec<f64>,
}

pub(crate) fn encode(file: &str, view: &ClusterView) -> Result<Vec<u8>> {
    let projection = view.projection.as_ref().map(|p| ProjectionV1 {
        mean: p.mean.clone(),
        components: p.components.chunks_exact(p.mean.len()).map(<[f64]>::to_vec).collect(),
        explained_variance: p.explained_variance.clone(),
        explained_variance_ratio: p.explained_variance_ratio.clone(),
    });
    let stored = ViewV1 {
        n_in: view.n_in,
        columns: view.columns.clone(),
        mean: view.scaler.mean().to_vec(),
        scale: view.scaler.scale().to_vec(),
        constant_features: view.scaler.constant_features().to_vec(),
        clip: view.clip,
        projection,
    };
    serde_json::to_vec(&stored).map_err(|e| damaged(file, e))
}

pub(crate) fn decode(file: &str, bytes: &[u8]) -> Result<ClusterView> {
    let stored: ViewV1 = serde_json::from_slice(bytes).map_err(|e| damaged(file, e))?;
    check_columns(&stored.columns, stored.n_in).map_err(|e| damaged(file, e))?;
    let d = stored.columns.len();
    let scaler = Scaler::from_parts(stored.mean, stored.scale, stored.constant_features)
        .filter(|s| s.mean().len() == d)
        .ok_or_else(|| damaged(file, format!("it lacks a mean and a scale above 0 for {d} columns")))?;
    if !(stored.clip > 0.0 && stored.clip.is_finite()) {
        return Err(damaged(file, format!("clip is {}, must be above 0 and finite", stored.clip)));
    }
    let projection = stored.projection.map(|p| projection(file, p, d)).transpose()?;
    Ok(ClusterView { n_in: stored.n_in, columns: stored.columns, scaler, clip: stored.clip, projection })
}

fn projection(file: &str, p: ProjectionV1, d: usize) -> Result<Projection> {
    let k = p.components.len();
    let shaped = k > 0
        && k <= d
        && p.mean.len() == d
        && p.components.iter().all(|c| c.len() == d)
        && p.explained_variance.len() == k
        && p.explained_variance_ratio.len() == k;
    // Bounds that any true component keeps, and that keep what is projected finite.
    let bounded = p.components.iter().flatten().all(|w| w.abs() <= 1.0 + 1e-9)
        && p.mean.iter().all(|m| m.abs() <= f64::MAX / 4.0 / d as f64)
        && p.explained_variance.iter().chain(&p.explained_variance_ratio).all(|v| *v >= 0.0 && v.is_finite());
    if !shaped || !bounded {
        return Err(damaged(file, format!("its components do not fit {d} columns")));
    }
    Ok(Projection {
        mean: p.mean,
        components: p.components.concat(),
        explained_variance: p.explained_variance,
        explained_variance_ratio: p.explained_variance_ratio,
    })
}
