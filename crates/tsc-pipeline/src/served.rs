use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tsc_cluster::ClusterView;
use tsc_core::{
    Assignment, BoxClusterer, BoxFallback, BoxRegressor, Clusterer, Degradation, Degraded, Features,
    FittedClusterer, FittedFallback, Intervals, Label, NoiseFallback, PredictionSource, Predictions,
    Regressor, ResourceKind, Result, Schema, Stage, Timestamp, Unit, check_width,
};
use tsc_models::{Fault, FittedPerCluster, FittedResources, ModelFault, NoiseValue, ResourcePrediction};
use tsc_monitor::Reference;

/// Rows scored by one task; the size changes no result.
const CHUNK: usize = 256;

/// Everything that was fitted together: scaler, clusters, models, fallback, monitoring reference, version.
///
/// Immutable and replaced whole; a reader that holds it never sees clusters of one version with models of
/// another. Scoring is row-parallel and gives the same bits for any chunking and thread count.
#[derive(Debug)]
pub struct Models<C: Clusterer = BoxClusterer, R: Regressor = BoxRegressor, N: NoiseFallback = BoxFallback> {
    pub(crate) version: u64,
    pub(crate) fitted_at: Timestamp,
    pub(crate) schema: Schema,
    pub(crate) medians: Vec<f64>,
    pub(crate) view: ClusterView,
    pub(crate) clusterer: C::Fitted,
    pub(crate) fallback: Option<N::Fitted>,
    pub(crate) target: FittedPerCluster<R::Fitted>,
    pub(crate) resources: FittedResources<R::Fitted>,
    /// The models of the target that were measured, where those that serve were fitted once more afterwards.
    pub(crate) measured: Option<FittedPerCluster<R::Fitted>>,
    pub(crate) noise_value: NoiseValue,
    pub(crate) degradation: Degradation,
    pub(crate) reference: Arc<Reference>,
    pub(crate) facts: FitFacts,
}

/// What a later retrain, report or comparison needs to know of a fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FitFacts {
    /// Rows the models were fitted on.
    pub(crate) training_samples: u64,
    /// Noise among held-out rows, before the fallback.
    pub(crate) holdout_noise: f64,
    /// Held-out RMSE of the served predictions.
    pub(crate) holdout_rmse: Option<f64>,
    /// Mean of each cluster's members in original units.
    pub(crate) centers: Vec<Vec<f64>>,
}

/// Predictions of one resource for a batch, in its unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResourcePredictions {
    /// Which resource.
    pub kind: ResourceKind,
    /// Unit of the values.
    pub unit: Unit,
    /// One value per row; NaN exactly where the source is `Unavailable`.
    #[serde(with = "tsc_core::nan_as_null")]
    pub values: Vec<f64>,
    /// Who made each value.
    pub sources: Vec<PredictionSource>,
    /// Bounds in the unit, where intervals were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intervals: Option<Intervals>,
}

impl<C: Clusterer, R: Regressor, N: NoiseFallback> Models<C, R, N> {
    /// Number of this set of models, from 1; rises with each promotion.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When it was fitted.
    #[must_use]
    pub fn fitted_at(&self) -> Timestamp {
        self.fitted_at
    }

    /// Names, order, units and use of the features.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Number of clusters.
    #[must_use]
    pub fn n_clusters(&self) -> usize {
        self.clusterer.n_clusters()
    }

    /// The fitted clusters.
    #[must_use]
    pub fn clusterer(&self) -> &C::Fitted {
        &self.clusterer
    }

    /// The fitted fallback, unless the fit had no cluster or skipped it.
    #[must_use]
    pub fn fallback(&self) -> Option<&N::Fitted> {
        self.fallback.as_ref()
    }

    /// The fitted models of the target.
    #[must_use]
    pub fn target(&self) -> &FittedPerCluster<R::Fitted> {
        &self.target
    }

    /// Names of the columns of numbers that a table of scores has behind value and source: the bounds of the
    /// value, then each resource with its bounds.
    #[must_use]
    pub fn further_columns(&self) -> Vec<String> {
        let bounds = |name: &str, head: &FittedPerCluster<R::Fitted>| -> Vec<String> {
            let pair = |level| [format!("{name} lower {level}"), format!("{name} upper {level}")];
            head.interval_levels().flat_map(pair).collect()
        };
        let mut names = bounds("value", &self.target);
        for head in self.resources.heads() {
            let name = format!("{} ({})", head.kind(), head.unit());
            names.push(name.clone());
            names.extend(bounds(&name, head.models()));
        }
        names
    }

    /// Labels, values and sources of each sample of `x`, `(n_samples, n_features)` in training units.
    ///
    /// Bit-identical for any chunking and from any thread, without side effects.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width; `Prediction` if the clusterer fails (unless `best_effort`), or if a
    /// model fails under `strict`.
    pub fn predict(&self, x: Features<'_>) -> Result<Predictions> {
        Ok(self.score(x)?.predictions)
    }

    /// Resource predictions for samples whose labels are known from [`Models::predict`].
    ///
    /// # Errors
    ///
    /// As [`Models::predict`].
    ///
    /// # Panics
    ///
    /// If `predictions` has another number of samples than `x`.
    pub fn predict_resources(
        &self,
        x: Features<'_>,
        predictions: &Predictions,
    ) -> Result<Vec<ResourcePredictions>> {
        assert_eq!(predictions.len(), x.n_samples(), "one prediction per sample");
        Ok(self.score_resources(x, predictions)?.0)
    }

    pub(crate) fn score(&self, x: Features<'_>) -> Result<Scored> {
        self.score_by(&self.target, x)
    }

    /// What the models say that never saw the rows held out from their fit.
    pub(crate) fn score_as_measured(&self, x: Features<'_>) -> Result<Scored> {
        self.score_by(self.measured.as_ref().unwrap_or(&self.target), x)
    }

    fn score_by(&self, target: &FittedPerCluster<R::Fitted>, x: Features<'_>) -> Result<Scored> {
        check_width(x, self.schema.n_features(), Stage::Input)?;
        let starts: Vec<usize> = (0..x.n_samples()).step_by(CHUNK).collect();
        let parts: Vec<Scored> = starts
            .par_iter()
            .map(|&start| self.score_chunk(target, x.slice(start..x.n_samples().min(start + CHUNK))))
            .collect::<Result<_>>()?;
        let mut all = Scored { predictions: Predictions::unavailable(0), degraded: Vec::new() };
        for part in parts {
            let (into, from) = (&mut all.predictions, part.predictions);
            into.density_labels.extend(from.density_labels);
            into.labels.extend(from.labels);
            into.strengths.extend(from.strengths);
            into.values.extend(from.values);
            into.sources.extend(from.sources);
            match (&mut into.intervals, from.intervals) {
                (Some(all), Some(more)) => all.append(more),
                (all, more) => *all = more,
            }
            for item in part.degraded {
                if !all.degraded.contains(&item) {
                    all.degraded.push(item);
                }
            }
        }
        Ok(all)
    }

    fn score_chunk(&self, target: &FittedPerCluster<R::Fitted>, x: Features<'_>) -> Result<Scored> {
        let n = x.n_samples();
        let mut degraded = Vec::new();
        let mut out = Predictions::unavailable(n);
        match self.segment(x) {
            Ok((density, finals, fault)) => {
                out.density_labels = density;
                out.labels = finals.iter().map(|a| a.label).collect();
                out.strengths = finals.iter().map(|a| a.strength).collect();
                if let Some(fault) = fault {
                    self.record(fault, &mut degraded)?;
                }
            }
            Err(error) if self.degradation == Degradation::BestEffort => {
                degraded.push(Degraded::from(&error))
            }
            Err(error) => return Err(error),
        }
        let mut buffer = Vec::new();
        let x_model = model_columns(x, &self.schema, &mut buffer);
        let faults = target.predict_into(
            x_model,
            &out.density_labels,
            &out.labels,
            self.noise_value,
            &mut out.values,
            &mut out.sources,
        )?;
        for fault in faults {
            self.record(degraded_by(&fault, Stage::TimeSeriesModel), &mut degraded)?;
        }
        out.intervals =
            target.intervals(x_model, &out.density_labels, &out.labels, self.noise_value, &out.values)?;
        Ok(Scored { predictions: out, degraded })
    }

    /// Density labels, final assignments, and the fallback's fault where it failed.
    fn segment(&self, x: Features<'_>) -> Result<(Vec<Label>, Vec<Assignment>, Option<Degraded>)> {
        let mut buffer = Vec::new();
        let view = self.view.apply_into(x, &mut buffer)?;
        let mut assigned = vec![Assignment::NOISE; view.n_samples()];
        self.clusterer.assign_into(view, &mut assigned)?;
        let density: Vec<Label> = assigned.iter().map(|a| a.label).collect();
        let fault = fill_noise(self.fallback.as_ref(), view, &mut assigned).err();
        Ok((density, assigned, fault.as_ref().map(Degraded::from)))
    }

    fn record(&self, fault: Degraded, degraded: &mut Vec<Degraded>) -> Result<()> {
        if self.degradation == Degradation::Strict {
            return Err(crate::error::strict(&fault));
        }
        degraded.push(fault);
        Ok(())
    }

    pub(crate) fn score_resources(
        &self,
        x: Features<'_>,
        predictions: &Predictions,
    ) -> Result<(Vec<ResourcePredictions>, Vec<Degraded>)> {
        let mut buffer = Vec::new();
        let x = model_columns(x, &self.schema, &mut buffer);
        let mut degraded = Vec::new();
        let mut out = Vec::new();
        let (density, labels) = (&predictions.density_labels, &predictions.labels);
        for head in self.resources.predict(x, density, labels, self.noise_value)? {
            for fault in &head.faults {
                self.record(degraded_by(fault, Stage::ResourceModel), &mut degraded)?;
            }
            let ResourcePrediction { kind, unit, values, sources, intervals, .. } = head;
            out.push(ResourcePredictions { kind, unit, values, sources, intervals });
        }
        Ok((out, degraded))
    }
}

/// Predictions and what went wrong on the way.
#[derive(Debug)]
pub(crate) struct Scored {
    pub(crate) predictions: Predictions,
    pub(crate) degraded: Vec<Degraded>,
}

fn degraded_by(fault: &ModelFault, stage: Stage) -> Degraded {
    let model = fault.cluster.map_or("the pooled model".into(), |c| format!("the model of cluster {c}"));
    match &fault.fault {
        Fault::Failed { code, message } => Degraded::new(stage, code, format!("{model}: {message}")),
        _ => Degraded::new(stage, "TSC-MOD-091", format!("{model} gave no finite value")),
    }
}

/// Labels of noise samples by the fallback; the others keep theirs.
pub(crate) fn fill_noise<F: FittedFallback>(
    fallback: Option<&F>,
    view: Features<'_>,
    assigned: &mut [Assignment],
) -> Result<()> {
    let Some(fallback) = fallback else { return Ok(()) };
    let noise: Vec<usize> = (0..assigned.len()).filter(|&i| assigned[i].label.is_noise()).collect();
    if noise.is_empty() {
        return Ok(());
    }
    let mut buffer = Vec::new();
    let mut found = vec![Assignment::NOISE; noise.len()];
    fallback.assign_into(view.gather(&noise, &mut buffer), &mut found)?;
    for (&row, &assignment) in noise.iter().zip(&found) {
        assigned[row] = assignment;
    }
    Ok(())
}

/// The columns that regressors see, copied only if the schema hides some from them.
pub(crate) fn model_columns<'b>(x: Features<'b>, schema: &Schema, buffer: &'b mut Vec<f64>) -> Features<'b> {
    let columns: Vec<usize> =
        (0..schema.n_features()).filter(|&c| schema.columns()[c].column_use.models()).collect();
    if columns.len() == schema.n_features() {
        return x;
    }
    buffer.clear();
    buffer.extend(x.rows().flat_map(|row| columns.iter().map(|&c| row[c])));
    match Features::new(buffer, columns.len()) {
        Ok(x) => x,
        Err(e) => unreachable!("columns of a checked matrix are finite and a schema has model columns: {e}"),
    }
}

/// The columns that clusterer and fallback see.
pub(crate) fn cluster_columns(schema: &Schema) -> Vec<usize> {
    (0..schema.n_features()).filter(|&c| schema.columns()[c].column_use.clusters()).collect()
}
