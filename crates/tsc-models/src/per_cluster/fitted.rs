//! Serving: each row by its cluster's blend, else by the pooled model, else by nobody.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tsc_core::{ClusterId, Features, FittedRegressor, Label, PredictionSource, Result, Stage, check_width};

use super::bounds::Bounds;
use super::mean::FoldMean;
use super::report::FeatureImportance;
use crate::error::ModelsError;

/// What noise of the clusterer gets when the fallback named a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseValue {
    /// The pooled value; the fallback's label stays its segment.
    #[default]
    Pooled,
    /// The blend of the fallback's cluster.
    Fallback,
}

/// A model with what is known about it.
#[derive(Clone, Debug)]
pub(super) struct Stored<F> {
    pub(super) model: FoldMean<F>,
    /// Models of the bounds, two per level; empty without.
    pub(super) quantiles: Vec<FoldMean<F>>,
    pub(super) rows: u64,
    pub(super) rounds: u32,
    pub(super) params: BTreeMap<String, String>,
    pub(super) importance: Option<FeatureImportance>,
}

#[derive(Clone, Debug)]
pub(super) struct Own<F> {
    pub(super) stored: Stored<F>,
    pub(super) weight: f64,
}

/// The models of one head: pooled, and one per cluster that had enough rows.
#[derive(Clone, Debug)]
pub struct FittedPerCluster<F> {
    pub(super) n_features: usize,
    pub(super) n_clusters: usize,
    pub(super) pooled: Stored<F>,
    pub(super) clusters: BTreeMap<ClusterId, Own<F>>,
    pub(super) bounds: Option<Bounds>,
}

/// A model that failed while scoring; the pooled value, or nothing, was served instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelFault {
    /// Cluster of the model; `None` for the pooled one.
    pub cluster: Option<ClusterId>,
    /// Rows it gave no usable value for.
    pub rows: u64,
    /// The first of them.
    pub first_row: usize,
    /// What happened.
    pub fault: Fault,
}

/// What happened to a model that failed while scoring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// Its value is NaN or infinite.
    NotFinite,
    /// It answered with an error.
    Failed {
        /// Code of the error.
        code: String,
        /// Its message.
        message: String,
    },
}

// Rows scored by one task; fewer stay on one thread.
const CHUNK: usize = 1_024;

impl<F: FittedRegressor> FittedPerCluster<F> {
    /// Number of features.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Number of clusters the clusterer found.
    #[must_use]
    pub fn n_clusters(&self) -> usize {
        self.n_clusters
    }

    /// The pooled model.
    #[must_use]
    pub fn pooled(&self) -> &FoldMean<F> {
        &self.pooled.model
    }

    /// A cluster's own model, whatever its weight.
    #[must_use]
    pub fn own(&self, cluster: ClusterId) -> Option<&FoldMean<F>> {
        self.clusters.get(&cluster).map(|own| &own.stored.model)
    }

    /// Share of a cluster's own model in what is served, 0..=1; 0 without one.
    #[must_use]
    pub fn weight(&self, cluster: ClusterId) -> f64 {
        self.clusters.get(&cluster).map_or(0.0, |own| own.weight)
    }

    /// The model of a scope; `None` is the pooled one.
    pub(super) fn stored(&self, scope: Option<ClusterId>) -> Option<&Stored<F>> {
        match scope {
            None => Some(&self.pooled),
            Some(cluster) => self.clusters.get(&cluster).map(|own| &own.stored),
        }
    }

    /// Clusters with a model of their own, ascending.
    pub fn modelled(&self) -> impl Iterator<Item = ClusterId> + '_ {
        self.clusters.keys().copied()
    }

    /// Scores rows into `values` and `sources`; a value is NaN exactly where the source is `Unavailable`.
    ///
    /// `density` are the clusterer's labels, `labels` the final ones. Noise gets the pooled value, or with
    /// [`NoiseValue::Fallback`] the blend of its final label. A model that fails is replaced by the pooled
    /// one and reported; where the pooled one fails too, the row is unavailable. A row's value depends on
    /// that row alone. Row-parallel in the caller's rayon pool.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width, a column of another length, or a label that names no cluster.
    #[doc(alias = "predict_timeseries")]
    pub fn predict_into(
        &self,
        x: Features<'_>,
        density: &[Label],
        labels: &[Label],
        noise: NoiseValue,
        values: &mut [f64],
        sources: &mut [PredictionSource],
    ) -> Result<Vec<ModelFault>> {
        check_width(x, self.n_features, Stage::TimeSeriesModel)?;
        let need = x.n_samples();
        for (what, have) in [
            ("density labels", density.len()),
            ("labels", labels.len()),
            ("values", values.len()),
            ("sources", sources.len()),
        ] {
            if have != need {
                return Err(ModelsError::Length { what, have, need }.into());
            }
        }
        check_labels(density, self.n_clusters)?;
        check_labels(labels, self.n_clusters)?;

        let mut by_pooled = Vec::new();
        let mut by_own: BTreeMap<ClusterId, Vec<usize>> = BTreeMap::new();
        for row in 0..need {
            let own = self.serving(density[row], labels[row], noise);
            if let Some((cluster, _)) = own {
                by_own.entry(cluster).or_default().push(row);
            }
            if own.is_none_or(|(_, own)| own.weight < 1.0) {
                by_pooled.push(row);
            }
        }
        let mut faults = Vec::new();
        values.fill(f64::NAN);
        sources.fill(PredictionSource::Unavailable);
        for (&row, value) in by_pooled.iter().zip(score(&self.pooled.model, None, x, &by_pooled, &mut faults))
        {
            if value.is_finite() {
                values[row] = value;
                sources[row] = PredictionSource::Pooled;
            }
        }
        let mut without_pooled = Vec::new();
        for (cluster, rows) in by_own {
            let own = &self.clusters[&cluster];
            let predicted = score(&own.stored.model, Some(cluster), x, &rows, &mut faults);
            for (&row, value) in rows.iter().zip(predicted) {
                let source = if density[row].is_noise() {
                    PredictionSource::Fallback
                } else {
                    PredictionSource::Cluster
                };
                let served = if own.weight < 1.0 { blend(own.weight, values[row], value) } else { value };
                if served.is_finite() {
                    values[row] = served;
                    sources[row] = source;
                } else if own.weight >= 1.0 {
                    without_pooled.push(row);
                }
            }
        }
        let instead = score(&self.pooled.model, None, x, &without_pooled, &mut faults);
        for (&row, value) in without_pooled.iter().zip(instead) {
            if value.is_finite() {
                values[row] = value;
                sources[row] = PredictionSource::Pooled;
            }
        }
        Ok(faults)
    }

    pub(super) fn serving(
        &self,
        density: Label,
        label: Label,
        noise: NoiseValue,
    ) -> Option<(ClusterId, &Own<F>)> {
        if density.is_noise() && noise == NoiseValue::Pooled {
            return None;
        }
        let cluster = label.cluster()?;
        let own = self.clusters.get(&cluster).filter(|own| own.weight > 0.0)?;
        Some((cluster, own))
    }
}

pub(super) fn blend(weight: f64, pooled: f64, own: f64) -> f64 {
    (1.0 - weight) * pooled + weight * own
}

/// Refuses labels that name no cluster.
pub(super) fn check_labels(labels: &[Label], n_clusters: usize) -> Result<()> {
    let beyond = |label: &Label| label.cluster().is_some_and(|c| c.0 as usize >= n_clusters);
    match labels.iter().position(beyond) {
        None => Ok(()),
        Some(row) => Err(ModelsError::LabelOutOfRange { label: labels[row].id(), row, n_clusters }.into()),
    }
}

/// Values of the chosen rows, NaN where the model gave none, which is then among the faults.
pub(super) fn score<F: FittedRegressor>(
    model: &FoldMean<F>,
    cluster: Option<ClusterId>,
    x: Features<'_>,
    rows: &[usize],
    faults: &mut Vec<ModelFault>,
) -> Vec<f64> {
    let chunk = |rows: &[usize]| {
        // Rows in a run need no copy.
        let last = rows[rows.len() - 1];
        if last - rows[0] + 1 == rows.len() && rows.is_sorted() {
            return model.predict(x.slice(rows[0]..last + 1));
        }
        model.predict(x.gather(rows, &mut Vec::new()))
    };
    let chunks: Vec<Result<Vec<f64>>> = if rows.len() <= CHUNK {
        rows.chunks(CHUNK).map(chunk).collect()
    } else {
        rows.par_chunks(CHUNK).map(chunk).collect()
    };
    let mut values = Vec::with_capacity(rows.len());
    let mut not_finite = Vec::new();
    for (rows, result) in rows.chunks(CHUNK).zip(chunks) {
        match result {
            Ok(chunk) => {
                not_finite
                    .extend(rows.iter().zip(&chunk).filter(|(_, v)| !v.is_finite()).map(|(&row, _)| row));
                values.extend(chunk);
            }
            Err(error) => {
                values.extend(rows.iter().map(|_| f64::NAN));
                faults.push(ModelFault {
                    cluster,
                    rows: rows.len() as u64,
                    first_row: rows[0],
                    fault: Fault::Failed { code: error.code().to_owned(), message: error.to_string() },
                });
            }
        }
    }
    if let Some(&first_row) = not_finite.first() {
        let rows = not_finite.len() as u64;
        faults.push(ModelFault { cluster, rows, first_row, fault: Fault::NotFinite });
    }
    values
}
