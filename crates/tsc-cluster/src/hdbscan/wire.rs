//! Stored form, version 1: what was measured. Everything chosen from it is chosen again on load.

use serde::{Deserialize, Serialize};
use tsc_core::{Features, Result, damaged};
use tsc_neighbors::{Metric, Plan};

use super::hierarchy::DisjointSets;
use super::mst::{Edge, Mst};
use super::params::{Counts, HdbscanParams, Method};
use super::tree::ClusterTree;

#[derive(Serialize, Deserialize)]
struct ModelV1 {
    params: ParamsV1,
    n_features: u64,
    rows: Option<Vec<f64>>,
    core_distances: Vec<f64>,
    edges: Vec<(u32, u32, f64)>,
}

#[derive(Serialize, Deserialize)]
struct ParamsV1 {
    min_cluster_size: u64,
    min_samples: Option<u64>,
    counts_self: bool,
    metric: MetricV1,
    alpha: f64,
    leaf: bool,
    epsilon: f64,
    epsilon_max: Option<f64>,
    persistence: f64,
    max_cluster_size: Option<u64>,
    allow_single_cluster: bool,
    plan: PlanV1,
}

#[derive(Serialize, Deserialize)]
enum MetricV1 {
    Euclidean,
    Manhattan,
    Chebyshev,
    Minkowski(f64),
    Cosine,
    Haversine,
}

#[derive(Serialize, Deserialize)]
enum PlanV1 {
    Auto,
    KdTree,
    Tiled,
}

pub(crate) struct Stored {
    pub(crate) params: HdbscanParams,
    pub(crate) n_features: usize,
    pub(crate) rows: Option<Vec<f64>>,
    pub(crate) tree: ClusterTree,
}

pub(crate) fn encode(
    file: &str,
    params: &HdbscanParams,
    n_features: usize,
    rows: Option<&[f64]>,
    tree: &ClusterTree,
) -> Result<Vec<u8>> {
    let model = ModelV1 {
        params: store_params(params).ok_or_else(|| damaged(file, "its metric or plan has no stored form"))?,
        n_features: n_features as u64,
        rows: rows.map(<[f64]>::to_vec),
        core_distances: tree.core_distances().to_vec(),
        edges: tree.mst().edges().iter().map(|e| (e.a, e.b, e.weight)).collect(),
    };
    postcard::to_stdvec(&model).map_err(|e| damaged(file, e))
}

pub(crate) fn decode(file: &str, bytes: &[u8]) -> Result<Stored> {
    let (model, rest) = postcard::take_from_bytes::<ModelV1>(bytes).map_err(|e| damaged(file, e))?;
    if !rest.is_empty() {
        return Err(damaged(file, format!("{} bytes follow the model", rest.len())));
    }
    let fits =
        |v: u64| usize::try_from(v).map_err(|_| damaged(file, "a number is too large for this machine"));
    let params = read_params(&model, fits)?;
    if let Some(violation) = params.check().first() {
        return Err(damaged(file, violation));
    }
    let n = model.core_distances.len();
    if n < params.min_cluster_size || u32::try_from(n).is_err() {
        return Err(damaged(
            file,
            format!("{n} core distances, min_cluster_size {}", params.min_cluster_size),
        ));
    }
    let n_features = fits(model.n_features)?;
    if n_features == 0 {
        return Err(damaged(file, "the model has no feature"));
    }
    if let Some(rows) = &model.rows {
        if Some(rows.len()) != n.checked_mul(n_features) {
            return Err(damaged(file, format!("{} values for {n} samples of {n_features}", rows.len())));
        }
        Features::new(rows, n_features).map_err(|e| damaged(file, e))?;
    }
    let distance = |d: f64| d >= 0.0 && d.is_finite();
    if !model.core_distances.iter().all(|&d| distance(d)) {
        return Err(damaged(file, "a core distance is negative or not finite"));
    }
    let mut sets = DisjointSets::new(n);
    for &(a, b, weight) in &model.edges {
        let inside = (a as usize) < n && (b as usize) < n;
        if !inside || !distance(weight) || !sets.join(a, b) {
            return Err(damaged(file, format!("edge {a} - {b} does not belong to a spanning tree")));
        }
    }
    if model.edges.len() + 1 != n {
        return Err(damaged(file, format!("{} edges do not span {n} samples", model.edges.len())));
    }
    let edges = model.edges.iter().map(|&(a, b, weight)| Edge { a, b, weight }).collect();
    let tree = ClusterTree::new(model.core_distances, Mst::from_edges(edges));
    Ok(Stored { params, n_features, rows: model.rows, tree })
}

/// `None` for a variant added to the core type without a stored form.
fn store_params(p: &HdbscanParams) -> Option<ParamsV1> {
    Some(ParamsV1 {
        min_cluster_size: p.min_cluster_size as u64,
        min_samples: p.min_samples.map(|v| v as u64),
        counts_self: p.min_samples_counts == Counts::OthersAndSelf,
        metric: match p.metric {
            Metric::Euclidean => MetricV1::Euclidean,
            Metric::Manhattan => MetricV1::Manhattan,
            Metric::Chebyshev => MetricV1::Chebyshev,
            Metric::Minkowski(power) => MetricV1::Minkowski(power),
            Metric::Cosine => MetricV1::Cosine,
            Metric::Haversine => MetricV1::Haversine,
            _ => return None,
        },
        alpha: p.alpha,
        leaf: p.cluster_selection_method == Method::Leaf,
        epsilon: p.cluster_selection_epsilon,
        epsilon_max: p.cluster_selection_epsilon_max,
        persistence: p.cluster_selection_persistence,
        max_cluster_size: p.max_cluster_size.map(|v| v as u64),
        allow_single_cluster: p.allow_single_cluster,
        plan: match p.plan {
            Plan::Auto => PlanV1::Auto,
            Plan::KdTree => PlanV1::KdTree,
            Plan::Tiled => PlanV1::Tiled,
            _ => return None,
        },
    })
}

fn read_params(model: &ModelV1, fits: impl Fn(u64) -> Result<usize>) -> Result<HdbscanParams> {
    let p = &model.params;
    Ok(HdbscanParams {
        min_cluster_size: fits(p.min_cluster_size)?,
        min_samples: p.min_samples.map(&fits).transpose()?,
        min_samples_counts: if p.counts_self { Counts::OthersAndSelf } else { Counts::Others },
        metric: match p.metric {
            MetricV1::Euclidean => Metric::Euclidean,
            MetricV1::Manhattan => Metric::Manhattan,
            MetricV1::Chebyshev => Metric::Chebyshev,
            MetricV1::Minkowski(power) => Metric::Minkowski(power),
            MetricV1::Cosine => Metric::Cosine,
            MetricV1::Haversine => Metric::Haversine,
        },
        alpha: p.alpha,
        cluster_selection_method: if p.leaf { Method::Leaf } else { Method::Eom },
        cluster_selection_epsilon: p.epsilon,
        cluster_selection_epsilon_max: p.epsilon_max,
        cluster_selection_persistence: p.persistence,
        max_cluster_size: p.max_cluster_size.map(&fits).transpose()?,
        allow_single_cluster: p.allow_single_cluster,
        prediction_data: model.rows.is_some(),
        plan: match p.plan {
            PlanV1::Auto => Plan::Auto,
            PlanV1::KdTree => Plan::KdTree,
            PlanV1::Tiled => Plan::Tiled,
        },
    })
}
