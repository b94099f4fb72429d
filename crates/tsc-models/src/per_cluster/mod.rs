//! A model per cluster and a pooled one behind them, weighed by held-out evidence.

mod bounds;
mod fit;
mod fitted;
mod mean;
mod report;
mod store;
mod tasks;
mod weight;

use serde::{Deserialize, Serialize};
use tsc_core::{
    Features, Folds, GroupId, Label, Reference, Regressor, Result, Stage, Violation, Watch, all_valid,
};

pub use fitted::{Fault, FittedPerCluster, ModelFault, NoiseValue};
pub use mean::FoldMean;
pub use report::{
    ClusterReport, ComparedScores, FeatureImportance, Gain, ModelReport, ModelWarning, ModelsReport,
    SkipReason, SkippedCluster,
};
pub use weight::{Weight, WeightReason};

use crate::interval::IntervalParams;
use crate::transform::Transform;
use crate::value::Measure;

/// Who serves a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// A blend of pooled and own model, by out-of-fold evidence.
    #[default]
    Shrink,
    /// The cluster's own model alone.
    Own,
    /// The pooled model alone; own models are still fitted and stored.
    Pooled,
}

/// Settings of [`PerCluster`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerClusterParams {
    /// Fit rows a cluster needs for a model of its own, >= 2. Default 10.
    pub min_cluster_rows: usize,
    /// Who serves a cluster. Default shrink.
    pub selection: Selection,
    /// Standard errors of evidence a cluster's own model must show, >= 0; larger trusts the pooled model
    /// more. Default 1.
    pub selection_z: f64,
    /// Whether a fit also tries its segments shuffled among groups, to tell what segments gain from what models
    /// of any parts gain; about as long again as the models of the clusters. Default true.
    pub permuted_control: bool,
    /// Prediction intervals. Default none.
    pub intervals: IntervalParams,
}

impl Default for PerClusterParams {
    fn default() -> Self {
        Self {
            min_cluster_rows: 10,
            selection: Selection::Shrink,
            selection_z: 1.0,
            permuted_control: true,
            intervals: IntervalParams::default(),
        }
    }
}

impl PerClusterParams {
    /// Every broken rule.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        if self.min_cluster_rows < 2 {
            let message = format!("is {}, must be at least 2", self.min_cluster_rows);
            found.push(Violation::new("min_cluster_rows", message));
        }
        if !(self.selection_z >= 0.0 && self.selection_z.is_finite()) {
            let message = format!("is {}, must be at least 0 and finite", self.selection_z);
            found.push(Violation::new("selection_z", message));
        }
        let inside = |v: Violation| Violation::new(format!("intervals.{}", v.path), v.message);
        found.extend(self.intervals.check().into_iter().map(inside));
        found
    }
}

/// Rows with their clusters, groups and split: what every head of one fit shares.
#[derive(Clone, Copy, Debug)]
pub struct SegmentedRows<'a> {
    /// Raw features.
    pub x: Features<'a>,
    /// Cluster or noise of each row, as training sees it.
    pub labels: &'a [Label],
    /// Number of clusters; no label may name another.
    pub n_clusters: usize,
    /// Group (patient) of each row; without it each row is its own group.
    pub groups: Option<&'a [GroupId]>,
    /// Holdout and inner folds, made once by `tsc_core::folds`.
    pub folds: &'a Folds,
    /// Plain forecasts of the target, reported beside the models; one value per row.
    pub references: &'a [Reference<'a>],
}

/// Description of the models of one head: a regressor, fitted per cluster and pooled.
///
/// The pooled model is fitted on all fit rows, noise included; every cluster with enough fit rows gets a
/// model of its own. The holdout is seen by none of them. With `selection = shrink` cluster c serves
/// `(1 - w) * pooled + w * own`, where `w = clamp(b - z se(b), 0, 1)` and b is the slope of `y - pooled`
/// on `own - pooled` over out-of-fold predictions, its standard error taken by group.
///
/// Where the regressor stops early, each fold stops on its own held-out rows; all are cut at the upper median
/// of their rounds, and out-of-fold predictions are taken there. With two or more folds by group a model is the
/// mean of its folds' models ([`FoldMean`]); else, and where rows are told apart by time, one model is fitted on
/// all fit rows with that number of rounds.
///
/// Models are fitted in parallel in the caller's rayon pool. The same bytes on any number of threads.
///
/// # Examples
///
/// ```
/// use tsc_core::{Features, FoldSpec, Label, Millis, Split, Watch, folds};
/// use tsc_models::{Linear, LinearParams, NoiseValue, PerCluster, PerClusterParams, SegmentedRows};
/// let x: Vec<f64> = (0..80).map(|i| f64::from(i % 20)).collect();
/// let y: Vec<f64> = (0..80).map(|i| if i < 40 { x[i] } else { -x[i] }).collect();
/// let labels = Label::from_ids(&[vec![0; 40], vec![1; 40]].concat());
/// let spec = FoldSpec { split: Split::Auto, holdout: 0.2, folds: 4, gap: Millis(0), seed: 42 };
/// let split = folds(80, None, None, &spec)?;
/// let x = Features::new(&x, 1)?;
/// let rows = SegmentedRows { x, labels: &labels, n_clusters: 2, groups: None, folds: &split, references: &[] };
/// let models = PerCluster::new(Linear::new(LinearParams::default())?, PerClusterParams::default())?;
/// # #[cfg(feature = "linear")] {
/// let (fitted, report) = models.fit(&rows, &y, &Watch::NONE)?;
/// assert_eq!(report.clusters.len(), 2);
/// assert!(report.clusters[0].weight.value > 0.9, "the slopes differ, so each cluster serves itself");
/// assert!(report.gain.unwrap().difference < 0.0);
/// # let _ = (fitted, NoiseValue::Pooled);
/// # }
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[doc(alias = "ClusterSpecificModelManager")]
#[derive(Clone, Debug)]
pub struct PerCluster<R> {
    regressor: R,
    params: PerClusterParams,
}

impl<R: Regressor> PerCluster<R> {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation of [`PerClusterParams::check`].
    pub fn new(regressor: R, params: PerClusterParams) -> Result<Self> {
        all_valid(&params.check(), Stage::TimeSeriesModel, "TSC-MOD-002")?;
        Ok(Self { regressor, params })
    }

    /// The regressor.
    #[must_use]
    pub fn regressor(&self) -> &R {
        &self.regressor
    }

    /// The settings.
    #[must_use]
    pub fn params(&self) -> &PerClusterParams {
        &self.params
    }

    /// Fits the pooled model and a model per cluster with enough rows.
    ///
    /// `y` has one entry per row; NaN is an unknown target, which is neither trained on nor evaluated. A
    /// cluster whose fit fails or panics is skipped with the reason; its siblings finish.
    ///
    /// # Errors
    ///
    /// `InvalidData` if lengths differ, a label names no cluster, a target is infinite or fewer than 2 fit
    /// rows have one; `InvalidConfig` for shrink without folds; the pooled model's own error; `Training` if
    /// `watch` stopped the fit.
    #[doc(alias = "fit_timeseries_models")]
    pub fn fit(
        &self,
        rows: &SegmentedRows<'_>,
        y: &[f64],
        watch: &Watch<'_>,
    ) -> Result<(FittedPerCluster<R::Fitted>, ModelsReport)> {
        self.fit_transformed(rows, y, Transform::Identity, watch)
    }

    /// Fits the same models once more on every row of `rows.folds.fit`, at the rounds and weights they have.
    ///
    /// Pass folds without a holdout, after everything that is reported of `fitted` was measured: then what serves
    /// has seen the rows that were held out too. A cluster that has too few rows now has no model of its own.
    ///
    /// # Errors
    ///
    /// As [`PerCluster::fit`], and that of any model: all are fitted again, or none.
    pub fn refit(
        &self,
        fitted: &FittedPerCluster<R::Fitted>,
        rows: &SegmentedRows<'_>,
        y: &[f64],
        watch: &Watch<'_>,
    ) -> Result<FittedPerCluster<R::Fitted>> {
        self.refit_transformed(fitted, rows, y, Transform::Identity, watch)
    }

    pub(crate) fn refit_transformed(
        &self,
        fitted: &FittedPerCluster<R::Fitted>,
        rows: &SegmentedRows<'_>,
        y: &[f64],
        transform: Transform,
        watch: &Watch<'_>,
    ) -> Result<FittedPerCluster<R::Fitted>> {
        fit::refit(self, fitted, rows, y, transform, watch)
    }

    /// How held-out predictions are judged: by what training minimises.
    pub(crate) fn measure(&self, n_rows: usize) -> Measure {
        match weight::SelectionLoss::of(&self.regressor.resolved_params(n_rows)) {
            weight::SelectionLoss::Squared => Measure::Rmse,
            weight::SelectionLoss::Absolute | weight::SelectionLoss::Percentage => Measure::Mae,
        }
    }

    pub(crate) fn fit_transformed(
        &self,
        rows: &SegmentedRows<'_>,
        y: &[f64],
        transform: Transform,
        watch: &Watch<'_>,
    ) -> Result<(FittedPerCluster<R::Fitted>, ModelsReport)> {
        fit::fit(self, rows, y, transform, watch)
    }
}

#[cfg(test)]
mod tests;
