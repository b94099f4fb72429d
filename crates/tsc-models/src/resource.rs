//! A head per measured resource column, with its unit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::{
    ArtifactSink, ArtifactSource, Error, Features, FitWarning, FittedRegressor, Intervals, Label,
    PredictionSource, Prefixed, RegressionScores, Regressor, ResourceColumn, ResourceKind, ResourceTargets,
    Result, Stage, Unit, Watch, damaged,
};

use crate::error::ModelsError;
use crate::per_cluster::{
    FittedPerCluster, ModelFault, ModelWarning, ModelsReport, NoiseValue, PerCluster, SegmentedRows,
};
use crate::transform::Transform;

const INDEX: &str = "resources.json";
const VERSION: u32 = 1;
/// A repeated extreme is suspected to be a sentinel from this many repetitions on.
const SENTINEL_COUNT: usize = 5;

/// Settings of one head, from the table `resources.<name>`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceHeadParams {
    /// Scale the head is fitted on; predictions and scores stay in the unit. Default identity.
    pub transform: Transform,
}

/// Settings of the heads by the name of their resource; heads without an entry take the defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceParams(pub BTreeMap<String, ResourceHeadParams>);

impl ResourceParams {
    /// Settings of one head.
    #[must_use]
    pub fn of(&self, kind: &ResourceKind) -> ResourceHeadParams {
        self.0.get(kind.name()).cloned().unwrap_or_default()
    }
}

/// The models of one resource column.
#[derive(Clone, Debug)]
pub struct ResourceHead<F> {
    kind: ResourceKind,
    unit: Unit,
    transform: Transform,
    models: FittedPerCluster<F>,
}

/// The heads of all measured columns, ordered by kind. No column, no head.
#[derive(Clone, Debug)]
pub struct FittedResources<F> {
    heads: Vec<ResourceHead<F>>,
}

/// What the fit of one head found; scores are in its unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResourceReport {
    /// Which resource.
    pub kind: ResourceKind,
    /// Unit of predictions and scores.
    pub unit: Unit,
    /// Scale of the fit.
    pub transform: Transform,
    /// Rows where it was not measured; they leave this head only.
    pub missing: u64,
    /// Its models.
    pub models: ModelsReport,
}

/// Predicted values of one resource, one per row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResourcePrediction {
    /// Which resource.
    pub kind: ResourceKind,
    /// Unit of the values.
    pub unit: Unit,
    /// NaN exactly where the source is `Unavailable`.
    pub values: Vec<f64>,
    /// Who made each value.
    pub sources: Vec<PredictionSource>,
    /// Bounds in the unit, where intervals were asked for.
    pub intervals: Option<Intervals>,
    /// Models that failed.
    pub faults: Vec<ModelFault>,
}

/// Fits one head per column of `resources`; independent columns give independent heads.
///
/// A missing cell (NaN) takes its row out of that head only.
///
/// # Errors
///
/// `InvalidData` naming the row of a negative value under `log1p`; `InvalidConfig` for settings of a column
/// that is not there; else as [`PerCluster::fit`], at stage `ResourceModel`.
///
/// # Examples
///
/// ```
/// use tsc_core::{Features, FoldSpec, Label, Millis, ResourceKind, ResourceTargets, Split, Unit, Watch, folds};
/// use tsc_models::{Linear, LinearParams, NoiseValue, PerCluster, PerClusterParams, ResourceParams,
///     SegmentedRows, fit_resources};
/// let x: Vec<f64> = (0..60).map(|i| f64::from(i % 20)).collect();
/// let days: Vec<f64> = x.iter().map(|v| 1.0 + v / 2.0).collect();
/// let labels = Label::from_ids(&[0; 60]);
/// let spec = FoldSpec { split: Split::Auto, holdout: 0.2, folds: 4, gap: Millis(0), seed: 42 };
/// let split = folds(60, None, None, &spec)?;
/// let x = Features::new(&x, 1)?;
/// let rows = SegmentedRows { x, labels: &labels, n_clusters: 1, groups: None, folds: &split, references: &[] };
/// let resources = ResourceTargets::new().with(ResourceKind::named("length_of_stay")?, Unit::Days, &days)?;
/// let heads = PerCluster::new(Linear::new(LinearParams::default())?, PerClusterParams::default())?;
/// # #[cfg(feature = "linear")] {
/// let (fitted, reports) =
///     fit_resources(&heads, &rows, &resources, &ResourceParams::default(), &Watch::NONE)?;
/// let predicted = fitted.predict(x, &labels, &labels, NoiseValue::Pooled)?;
/// assert_eq!((predicted[0].unit.clone(), reports.len()), (Unit::Days, 1));
/// assert!((predicted[0].values[19] - 10.5).abs() < 0.1);
/// # }
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[doc(alias = "fit_resource_models")]
pub fn fit_resources<R: Regressor>(
    heads: &PerCluster<R>,
    rows: &SegmentedRows<'_>,
    resources: &ResourceTargets<'_>,
    params: &ResourceParams,
    watch: &Watch<'_>,
) -> Result<(FittedResources<R::Fitted>, Vec<ResourceReport>)> {
    let there = |name: &str| resources.columns().iter().any(|column| column.kind.name() == name);
    if let Some(name) = params.0.keys().find(|name| !there(name)) {
        return Err(ModelsError::NoSuchColumn(name.clone()).into());
    }
    let mut fitted = Vec::new();
    let mut reports = Vec::new();
    for column in resources.columns() {
        let (head, report) = fit_head(heads, rows, column, params.of(&column.kind).transform, watch)
            .map_err(|error| error.at_stage(Stage::ResourceModel))?;
        fitted.push(head);
        reports.push(report);
    }
    Ok((FittedResources { heads: fitted }, reports))
}

fn fit_head<R: Regressor>(
    heads: &PerCluster<R>,
    rows: &SegmentedRows<'_>,
    column: &ResourceColumn<'_>,
    transform: Transform,
    watch: &Watch<'_>,
) -> Result<(ResourceHead<R::Fitted>, ResourceReport)> {
    let ResourceColumn { kind, unit, values } = column;
    if transform == Transform::Log1p
        && let Some(row) = values.iter().position(|v| *v < 0.0)
    {
        return Err(ModelsError::NegativeResource { kind: kind.to_string(), row }.into());
    }
    // Plain forecasts are of the target, not of a resource.
    let rows = &SegmentedRows { references: &[], ..*rows };
    let (models, mut report) = heads.fit_transformed(rows, values, transform, watch)?;
    if let Some(warning) = suspected_sentinel(values) {
        report.warnings.push(ModelWarning { cluster: None, warning });
    }
    let head = ResourceHead { kind: kind.clone(), unit: unit.clone(), transform, models };
    let negative = head.negative_predictions(rows)?;
    if negative > 0 {
        let warning = FitWarning::NegativePredictions { count: negative };
        report.warnings.push(ModelWarning { cluster: None, warning });
    }
    let missing = values.iter().filter(|v| v.is_nan()).count() as u64;
    let report =
        ResourceReport { kind: kind.clone(), unit: unit.clone(), transform, missing, models: report };
    Ok((head, report))
}

// Codes such as -1 or -999999 for "unknown" repeat exactly and lie away from everything measured.
fn suspected_sentinel(values: &[f64]) -> Option<FitWarning> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (*sorted.first()?, *sorted.last()?);
    let repeated_low = sorted.iter().take_while(|v| **v == low).count();
    let repeated_high = sorted.iter().rev().take_while(|v| **v == high).count();
    let inner = sorted.get(repeated_low..sorted.len().checked_sub(repeated_high)?)?;
    // With one extreme taken away the rest must still have a spread of its own.
    let low_rest = &sorted[repeated_low..];
    let high_rest = &sorted[..sorted.len() - repeated_high];
    let spread = |rest: &[f64]| rest.last().zip(rest.first()).map(|(last, first)| last - first);
    let far = |gap: f64, rest: &[f64]| spread(rest).is_some_and(|spread| spread > 0.0 && gap > spread);
    if inner.is_empty() {
        return None;
    }
    if repeated_low >= SENTINEL_COUNT && far(low_rest[0] - low, low_rest) {
        return Some(FitWarning::SuspectedSentinel { value: low, count: repeated_low as u64 });
    }
    if repeated_high >= SENTINEL_COUNT && far(high - high_rest[high_rest.len() - 1], high_rest) {
        return Some(FitWarning::SuspectedSentinel { value: high, count: repeated_high as u64 });
    }
    None
}

impl<F: FittedRegressor> ResourceHead<F> {
    /// Which resource.
    #[must_use]
    pub fn kind(&self) -> &ResourceKind {
        &self.kind
    }

    /// Unit of its predictions.
    #[must_use]
    pub fn unit(&self) -> &Unit {
        &self.unit
    }

    /// Scale of its models.
    #[must_use]
    pub fn transform(&self) -> Transform {
        self.transform
    }

    /// Its models, on the scale of the fit.
    #[must_use]
    pub fn models(&self) -> &FittedPerCluster<F> {
        &self.models
    }

    // Kept as they are: a clipped value would hide that the objective does not fit the resource.
    fn negative_predictions(&self, rows: &SegmentedRows<'_>) -> Result<u64> {
        let predicted = self.predict(rows.x, rows.labels, rows.labels, NoiseValue::Pooled)?;
        Ok(rows.folds.holdout.iter().filter(|&&row| predicted.values[row] < 0.0).count() as u64)
    }

    fn predict(
        &self,
        x: Features<'_>,
        density: &[Label],
        labels: &[Label],
        noise: NoiseValue,
    ) -> Result<ResourcePrediction> {
        let n = x.n_samples();
        let mut values = vec![f64::NAN; n];
        let mut sources = vec![PredictionSource::Unavailable; n];
        let faults = self.models.predict_into(x, density, labels, noise, &mut values, &mut sources)?;
        let mut intervals = self.models.intervals(x, density, labels, noise, &values)?;
        if let Some(Intervals { lower, upper, .. }) = &mut intervals {
            lower.iter_mut().chain(upper).flatten().for_each(|bound| *bound = self.transform.invert(*bound));
        }
        for (value, source) in values.iter_mut().zip(&mut sources) {
            *value = self.transform.invert(*value);
            // The exponential of a far outlier may overflow.
            if !value.is_finite() {
                (*value, *source) = (f64::NAN, PredictionSource::Unavailable);
            }
        }
        let (kind, unit) = (self.kind.clone(), self.unit.clone());
        Ok(ResourcePrediction { kind, unit, values, sources, intervals, faults })
    }
}

/// Stored form, version 1.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireIndex {
    format_version: u32,
    heads: Vec<WireHead>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHead {
    kind: ResourceKind,
    unit: Unit,
    transform: Transform,
}

impl<F: FittedRegressor> FittedResources<F> {
    /// No head: what a training batch without resource columns gives.
    #[must_use]
    pub fn none() -> Self {
        Self { heads: Vec::new() }
    }

    /// Fits every head once more on all rows of `rows.folds.fit`; see [`PerCluster::refit`].
    ///
    /// # Errors
    ///
    /// As [`fit_resources`]; `InvalidConfig` if a head's column is missing.
    pub fn refit<R: Regressor<Fitted = F>>(
        &self,
        heads: &PerCluster<R>,
        rows: &SegmentedRows<'_>,
        resources: &ResourceTargets<'_>,
        watch: &Watch<'_>,
    ) -> Result<Self> {
        let refit = |head: &ResourceHead<F>| {
            let column = resources.columns().iter().find(|column| column.kind == head.kind);
            let column = column.ok_or_else(|| ModelsError::NoSuchColumn(head.kind.to_string()))?;
            let models = heads.refit_transformed(&head.models, rows, column.values, head.transform, watch)?;
            let (kind, unit) = (head.kind.clone(), head.unit.clone());
            Ok(ResourceHead { kind, unit, transform: head.transform, models })
        };
        let heads: Result<Vec<_>> = self.heads.iter().map(refit).collect();
        Ok(Self { heads: heads.map_err(|error: Error| error.at_stage(Stage::ResourceModel))? })
    }

    /// The heads, ordered by kind.
    #[must_use]
    pub fn heads(&self) -> &[ResourceHead<F>] {
        &self.heads
    }

    /// Predictions of every head, in its unit; labels as in [`FittedPerCluster::predict_into`].
    ///
    /// # Errors
    ///
    /// As [`FittedPerCluster::predict_into`], at stage `ResourceModel`.
    #[doc(alias = "predict_resources")]
    pub fn predict(
        &self,
        x: Features<'_>,
        density: &[Label],
        labels: &[Label],
        noise: NoiseValue,
    ) -> Result<Vec<ResourcePrediction>> {
        let predict = |head: &ResourceHead<F>| head.predict(x, density, labels, noise);
        let all: Result<Vec<_>> = self.heads.iter().map(predict).collect();
        all.map_err(|error| error.at_stage(Stage::ResourceModel))
    }

    /// Refuses measured columns in another unit than their heads; columns without a head pass.
    ///
    /// # Errors
    ///
    /// `InvalidData` naming both units.
    pub fn check_units(&self, measured: &ResourceTargets<'_>) -> Result<()> {
        for head in &self.heads {
            if let Some(column) = measured.columns().iter().find(|column| column.kind == head.kind)
                && column.unit != head.unit
            {
                let (given, fitted) = (column.unit.to_string(), head.unit.to_string());
                return Err(ModelsError::Unit { kind: head.kind.to_string(), given, fitted }.into());
            }
        }
        Ok(())
    }

    /// Scores of predictions against the measured columns that have a head, in the head's unit.
    ///
    /// # Errors
    ///
    /// As [`FittedResources::check_units`]; `InvalidData` if a column has another number of rows.
    pub fn evaluate(
        &self,
        predictions: &[ResourcePrediction],
        measured: &ResourceTargets<'_>,
    ) -> Result<Vec<(ResourceKind, RegressionScores)>> {
        self.check_units(measured)?;
        let mut scores = Vec::new();
        for column in measured.columns() {
            let Some(predicted) = predictions.iter().find(|p| p.kind == column.kind) else { continue };
            let (have, need) = (column.values.len(), predicted.values.len());
            if have != need {
                return Err(ModelsError::Length { what: "a resource column", have, need }.into());
            }
            scores.push((column.kind.clone(), RegressionScores::of(column.values, &predicted.values)));
        }
        Ok(scores)
    }

    /// Writes a folder per head, named like its resource, and an index.
    ///
    /// # Errors
    ///
    /// Those of the sink.
    pub fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        for head in &self.heads {
            let folder: &mut dyn ArtifactSink = &mut *sink;
            head.models.save(&mut Prefixed::new(head.kind.name(), folder))?;
        }
        let heads = self.heads.iter().map(|head| WireHead {
            kind: head.kind.clone(),
            unit: head.unit.clone(),
            transform: head.transform,
        });
        let index = WireIndex { format_version: VERSION, heads: heads.collect() };
        sink.put(INDEX, &serde_json::to_vec_pretty(&index).map_err(|e| damaged(INDEX, e))?)
    }

    /// Reads what [`FittedResources::save`] wrote.
    ///
    /// # Errors
    ///
    /// `Artifact` if a file is missing or damaged, or a model is of another kind.
    pub fn restore<R: Regressor<Fitted = F>>(regressor: &R, source: &dyn ArtifactSource) -> Result<Self> {
        let index: WireIndex = serde_json::from_slice(&source.get(INDEX)?).map_err(|e| damaged(INDEX, e))?;
        if index.format_version != VERSION {
            let found = index.format_version;
            return Err(damaged(INDEX, format!("its version is {found}, this build reads {VERSION}")));
        }
        let mut heads: Vec<ResourceHead<F>> = Vec::new();
        for WireHead { kind, unit, transform } in index.heads {
            if heads.last().is_some_and(|last| last.kind >= kind) {
                return Err(damaged(INDEX, format!("head {kind} stands twice or out of order")));
            }
            let models = FittedPerCluster::restore(regressor, &Prefixed::new(kind.name(), source))?;
            heads.push(ResourceHead { kind, unit, transform, models });
        }
        Ok(Self { heads })
    }
}

#[cfg(test)]
mod tests;
