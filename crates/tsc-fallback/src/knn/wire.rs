//! Stored form, version 1. The index is rebuilt on load, and the evaluation when it is asked for.

use serde::{Deserialize, Serialize};
use tsc_core::{Features, Label, MaxDistance, Result, damaged};
use tsc_neighbors::NeighborIndex;

use super::fitted::FittedKnn;
use super::params::{Algorithm, KnnParams, Weights};
use crate::stored::{CapV1, MetricV1, check_codes};

#[derive(Serialize, Deserialize)]
struct ModelV1 {
    n_neighbors: u64,
    weights: WeightsV1,
    algorithm: AlgorithmV1,
    metric: MetricV1,
    max_distance: CapV1,
    min_strength: f64,
    evaluate: bool,
    n_features: u64,
    rows: Vec<f64>,
    codes: Vec<u32>,
    labels: Vec<i32>,
    caps: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
enum WeightsV1 {
    Uniform,
    Distance,
}

#[derive(Serialize, Deserialize)]
enum AlgorithmV1 {
    Auto,
    Brute,
    KdTree,
    BallTree,
}

pub(crate) struct Borrowed<'a> {
    pub(crate) params: &'a KnnParams,
    pub(crate) index: &'a NeighborIndex,
    pub(crate) codes: &'a [u32],
    pub(crate) labels: &'a [Label],
    pub(crate) caps: &'a [f64],
}

pub(crate) fn encode(file: &str, m: &Borrowed<'_>) -> Result<Vec<u8>> {
    let p = m.params;
    let model = ModelV1 {
        n_neighbors: p.n_neighbors as u64,
        weights: match p.weights {
            Weights::Uniform => WeightsV1::Uniform,
            Weights::Distance => WeightsV1::Distance,
        },
        algorithm: match p.algorithm {
            Algorithm::Auto => AlgorithmV1::Auto,
            Algorithm::Brute => AlgorithmV1::Brute,
            Algorithm::KdTree => AlgorithmV1::KdTree,
            Algorithm::BallTree => AlgorithmV1::BallTree,
        },
        metric: MetricV1::of(&p.metric).ok_or_else(|| damaged(file, "its metric has no stored form"))?,
        max_distance: CapV1::of(p.max_distance),
        min_strength: p.min_strength,
        evaluate: p.evaluate,
        n_features: m.index.n_features() as u64,
        rows: m.index.as_slice().to_vec(),
        codes: m.codes.to_vec(),
        labels: m.labels.iter().map(|l| l.id()).collect(),
        caps: m.caps.to_vec(),
    };
    postcard::to_stdvec(&model).map_err(|e| damaged(file, e))
}

pub(crate) fn decode(file: &str, bytes: &[u8]) -> Result<FittedKnn> {
    let (m, rest) = postcard::take_from_bytes::<ModelV1>(bytes).map_err(|e| damaged(file, e))?;
    if !rest.is_empty() {
        return Err(damaged(file, format!("{} bytes follow the model", rest.len())));
    }
    let fits =
        |v: u64| usize::try_from(v).map_err(|_| damaged(file, "a number is too large for this machine"));
    let params = KnnParams {
        n_neighbors: fits(m.n_neighbors)?,
        weights: match m.weights {
            WeightsV1::Uniform => Weights::Uniform,
            WeightsV1::Distance => Weights::Distance,
        },
        algorithm: match m.algorithm {
            AlgorithmV1::Auto => Algorithm::Auto,
            AlgorithmV1::Brute => Algorithm::Brute,
            AlgorithmV1::KdTree => Algorithm::KdTree,
            AlgorithmV1::BallTree => Algorithm::BallTree,
        },
        metric: m.metric.metric(),
        max_distance: MaxDistance::from(m.max_distance),
        min_strength: m.min_strength,
        evaluate: m.evaluate,
    };
    if let Some(violation) = params.check().first() {
        return Err(damaged(file, violation));
    }
    let n_features = fits(m.n_features)?;
    let labels = check_codes(file, &m.labels, &m.codes, &m.caps)?;
    if Some(m.rows.len()) != m.codes.len().checked_mul(n_features) {
        return Err(damaged(file, format!("{} values for {} samples", m.rows.len(), m.codes.len())));
    }
    let x = Features::new(&m.rows, n_features).map_err(|e| damaged(file, e))?;
    let index =
        NeighborIndex::build(x, &params.metric, params.algorithm.plan()).map_err(|e| damaged(file, e))?;
    Ok(FittedKnn::assemble(params, index, m.codes, labels, m.caps))
}
