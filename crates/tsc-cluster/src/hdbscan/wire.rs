//! Stored form, version 2: what was measured. Everything chosen from it is chosen again on load.
//!
//! The rows, and for each at most 26 B: core distance, edge of the spanning tree.

use serde::{Deserialize, Serialize};
use tsc_core::{Features, Result, damaged};
use tsc_neighbors::{Metric, Plan};

use super::mst::{Edge, Mst};
use super::params::{Counts, HdbscanParams, Method, Prediction};
use super::tree::{ClusterTree, check_spanning};

#[derive(Serialize, Deserialize)]
struct ModelV2<Column> {
    params: ParamsV2,
    n_features: u64,
    rows: Option<Column>,
    core_distances: Column,
    edges: Vec<(u32, u32, f64)>,
}

#[derive(Serialize, Deserialize)]
struct ParamsV2 {
    min_cluster_size: u64,
    min_samples: Option<u64>,
    counts_self: bool,
    metric: MetricV2,
    alpha: f64,
    leaf: bool,
    epsilon: f64,
    epsilon_max: Option<f64>,
    persistence: f64,
    max_cluster_size: Option<u64>,
    allow_single_cluster: bool,
    n_clusters: Option<u64>,
    predicts_as_hdbscan: bool,
    plan: PlanV2,
    max_matrix_bytes: u64,
}

#[derive(Serialize, Deserialize)]
enum MetricV2 {
    Euclidean,
    Manhattan,
    Chebyshev,
    Minkowski(f64),
    Cosine,
    Haversine,
}

#[derive(Serialize, Deserialize)]
enum PlanV2 {
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
    let model = ModelV2 {
        params: store_params(params).ok_or_else(|| damaged(file, "its metric or plan has no stored form"))?,
        n_features: n_features as u64,
        rows,
        core_distances: tree.core_distances(),
        edges: tree.mst().edges().iter().map(|e| (e.a, e.b, e.weight)).collect(),
    };
    postcard::to_stdvec(&model).map_err(|e| damaged(file, e))
}

pub(crate) fn decode(file: &str, bytes: &[u8]) -> Result<Stored> {
    let (model, rest) =
        postcard::take_from_bytes::<ModelV2<Vec<f64>>>(bytes).map_err(|e| damaged(file, e))?;
    if !rest.is_empty() {
        return Err(damaged(file, format!("{} bytes follow the model", rest.len())));
    }
    let fits =
        |v: u64| usize::try_from(v).map_err(|_| damaged(file, "a number is too large for this machine"));
    let params = read_params(&model.params, model.rows.is_some(), fits)?;
    if let Some(violation) = params.check().first() {
        return Err(damaged(file, violation));
    }
    let n = model.core_distances.len();
    if n < params.min_cluster_size {
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
    let edges: Vec<Edge> = model.edges.iter().map(|&(a, b, weight)| Edge { a, b, weight }).collect();
    check_spanning(&model.core_distances, &edges).map_err(|e| damaged(file, e))?;
    let measured = model.core_distances.iter().copied().chain(edges.iter().map(|e| e.weight));
    if measured.into_iter().any(f64::is_infinite) {
        return Err(damaged(file, "a distance is infinite"));
    }
    let tree = ClusterTree::new(&params, model.core_distances, Mst::from_edges(edges));
    Ok(Stored { params, n_features, rows: model.rows, tree })
}

/// `None` for a variant added to the core type without a stored form.
fn store_params(p: &HdbscanParams) -> Option<ParamsV2> {
    Some(ParamsV2 {
        min_cluster_size: p.min_cluster_size as u64,
        min_samples: p.min_samples.map(|v| v as u64),
        counts_self: p.min_samples_counts == Counts::OthersAndSelf,
        metric: match p.metric {
            Metric::Euclidean => MetricV2::Euclidean,
            Metric::Manhattan => MetricV2::Manhattan,
            Metric::Chebyshev => MetricV2::Chebyshev,
            Metric::Minkowski(power) => MetricV2::Minkowski(power),
            Metric::Cosine => MetricV2::Cosine,
            Metric::Haversine => MetricV2::Haversine,
            _ => return None,
        },
        alpha: p.alpha,
        leaf: p.cluster_selection_method == Method::Leaf,
        epsilon: p.cluster_selection_epsilon,
        epsilon_max: p.cluster_selection_epsilon_max,
        persistence: p.cluster_selection_persistence,
        max_cluster_size: p.max_cluster_size.map(|v| v as u64),
        allow_single_cluster: p.allow_single_cluster,
        n_clusters: p.n_clusters.map(|v| v as u64),
        predicts_as_hdbscan: p.prediction == Prediction::Hdbscan,
        plan: match p.plan {
            Plan::Auto => PlanV2::Auto,
            Plan::KdTree => PlanV2::KdTree,
            Plan::Tiled => PlanV2::Tiled,
            _ => return None,
        },
        max_matrix_bytes: p.max_matrix_bytes as u64,
    })
}

fn read_params(
    p: &ParamsV2,
    prediction_data: bool,
    fits: impl Fn(u64) -> Result<usize>,
) -> Result<HdbscanParams> {
    Ok(HdbscanParams {
        min_cluster_size: fits(p.min_cluster_size)?,
        min_samples: p.min_samples.map(&fits).transpose()?,
        min_samples_counts: if p.counts_self { Counts::OthersAndSelf } else { Counts::Others },
        metric: match p.metric {
            MetricV2::Euclidean => Metric::Euclidean,
            MetricV2::Manhattan => Metric::Manhattan,
            MetricV2::Chebyshev => Metric::Chebyshev,
            MetricV2::Minkowski(power) => Metric::Minkowski(power),
            MetricV2::Cosine => Metric::Cosine,
            MetricV2::Haversine => Metric::Haversine,
        },
        alpha: p.alpha,
        cluster_selection_method: if p.leaf { Method::Leaf } else { Method::Eom },
        cluster_selection_epsilon: p.epsilon,
        cluster_selection_epsilon_max: p.epsilon_max,
        cluster_selection_persistence: p.persistence,
        max_cluster_size: p.max_cluster_size.map(&fits).transpose()?,
        allow_single_cluster: p.allow_single_cluster,
        n_clusters: p.n_clusters.map(&fits).transpose()?,
        prediction_data,
        prediction: if p.predicts_as_hdbscan { Prediction::Hdbscan } else { Prediction::Consistent },
        max_matrix_bytes: usize::try_from(p.max_matrix_bytes).unwrap_or(usize::MAX),
        plan: match p.plan {
            PlanV2::Auto => Plan::Auto,
            PlanV2::KdTree => Plan::KdTree,
            PlanV2::Tiled => Plan::Tiled,
        },
    })
}
