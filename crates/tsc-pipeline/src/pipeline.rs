use std::sync::Arc;

use tsc_cluster::Hdbscan;
use tsc_core::{
    Batch, BoxClusterer, BoxFallback, BoxRegressor, Clusterer, ClustererExt, Event, ModelRegistry,
    NoiseFallback, NoiseFallbackExt, Observer, Regressor, RegressorExt, Result, Schema, Tracker,
};
use tsc_fallback::KnnFallback;
use tsc_models::{GbmParams, LightGbm, Linear, LinearParams};
use tsc_series::FittedFeaturizer;

use crate::bundle::BundleSource;
use crate::clock;
use crate::config::{Backend, ConfigErrors, PipelineConfig};
use crate::fit::{Stages, fit, refit};
use crate::fitted::FittedPipeline;
use crate::observers::Observers;
use crate::reports::TrainingReport;
use crate::screen::{Columns, medians, screen};
use crate::segments::{SegmentStability, Segmenter, SizedHdbscan};
use crate::served::cluster_columns;
use crate::tracking::{FitRuns, Tracking, TrackingChoice};

/// A pipeline as plain data: stages, configuration, tracker. Nothing is open or fitted.
///
/// `C` finds the clusters, `R` predicts, `N` labels noise; the defaults are boxed, so one type holds any stage.
/// Cloning is cheap; clones share the observers.
///
/// # Examples
///
/// ```
/// use tsc_pipeline::prelude::*;
/// let x: Vec<f64> = (0..200).flat_map(|i| [f64::from(i % 2) * 50.0 + f64::from(i % 7), f64::from(i % 5)]).collect();
/// let y: Vec<f64> = x.chunks(2).map(|row| 2.0 * row[0] + row[1]).collect();
/// let config = PipelineConfig::from_toml("[tracking]\nuri = \"off\"\n[models]\nbackend = \"linear\"")?;
/// # #[cfg(feature = "linear")] {
/// let batch = Batch::new(Features::new(&x, 2)?).with_targets(&y)?;
/// let (mut fitted, training) = Pipeline::from_config(&config)?.fit_initial(&batch)?;
/// assert!(training.clustering.n_clusters >= 2);
/// let report = fitted.process_batch(&Batch::new(Features::new(&x[..20], 2)?))?;
/// assert_eq!(report.predictions.values.len(), 10);
/// # }
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "TimeSeriesClusteringPipeline")]
#[derive(Debug)]
pub struct Pipeline<C = BoxClusterer, R = BoxRegressor, N = BoxFallback> {
    pub(crate) config: Arc<PipelineConfig>,
    pub(crate) stages: Arc<Stages<C, R, N>>,
    pub(crate) tracking: TrackingChoice,
    pub(crate) observers: Observers,
    pub(crate) featurizer: Option<Arc<FittedFeaturizer>>,
}

impl<C, R, N> Clone for Pipeline<C, R, N> {
    fn clone(&self) -> Self {
        Self {
            config: Arc::clone(&self.config),
            stages: Arc::clone(&self.stages),
            tracking: self.tracking.clone(),
            observers: self.observers.clone(),
            featurizer: self.featurizer.clone(),
        }
    }
}

impl Pipeline {
    /// The stages that the configuration names, tracked where it says.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation.
    pub fn from_config(config: &PipelineConfig) -> Result<Self> {
        let violations = config.violations();
        if !violations.is_empty() {
            return Err(ConfigErrors(violations).into());
        }
        Ok(Self {
            stages: Arc::new(Stages {
                clusterer: clusterer(config)?,
                regressor: regressor(config)?,
                resource_regressor: backend(config, &config.lgb_resource_params)?,
                fallback: KnnFallback::new(config.knn_params.clone())?.boxed(),
            }),
            config: Arc::new(config.clone()),
            tracking: TrackingChoice::Configured,
            observers: Observers::default(),
            featurizer: None,
        })
    }

    /// Starts a pipeline of own stages; `build` exists once all three are given.
    pub fn builder() -> PipelineBuilder<(), (), ()> {
        PipelineBuilder {
            config: PipelineConfig::default(),
            clusterer: (),
            regressor: (),
            fallback: (),
            tracking: TrackingChoice::Off,
            observers: Observers::default(),
        }
    }

    /// A stored pipeline, with the stages of its configuration.
    ///
    /// `source` is a bundle folder, or a `models:/` address in the registry.
    ///
    /// # Errors
    ///
    /// `Artifact` naming the file that is missing, damaged, or of another kind or a newer version.
    pub fn load(source: impl Into<BundleSource>) -> Result<FittedPipeline> {
        let bundle = source.into().open()?;
        let pipeline = Self::from_config(&bundle.config()?)?;
        bundle.restore(pipeline)
    }
}

fn clusterer(config: &PipelineConfig) -> Result<BoxClusterer> {
    let hdbscan = config.hdbscan_params.clone();
    Ok(match config.segments.auto_size {
        true => SizedHdbscan { hdbscan, segments: config.segments.clone() }.boxed(),
        false => Hdbscan::new(hdbscan)?.boxed(),
    })
}

/// The regressor of the target that a configuration names, for a model beside the pipeline.
///
/// # Errors
///
/// `InvalidConfig` naming every parameter that cannot be used.
pub fn regressor(config: &PipelineConfig) -> Result<BoxRegressor> {
    backend(config, &config.lgb_timeseries_params)
}

fn backend(config: &PipelineConfig, params: &GbmParams) -> Result<BoxRegressor> {
    match config.models.backend {
        Backend::Lightgbm => {
            let mut params = params.clone();
            if params.seed.is_none() {
                params.seed = Some((config.random_state % (i32::MAX as u64 + 1)) as i32);
            }
            Ok(LightGbm::new(params.with_auto_size(config.models.auto_size))?.boxed())
        }
        Backend::Linear => Ok(Linear::new(LinearParams::default())?.boxed()),
    }
}

impl<C: Clusterer, R: Regressor, N: NoiseFallback> Pipeline<C, R, N> {
    /// Fits every stage on the batch, registers the result, and returns the serving pipeline.
    ///
    /// A fifth of the rows (`training.validation_fraction`), split by group or time, is held out: the only
    /// source of reported scores. On an error nothing half-made is left, and the process may fit again at once.
    ///
    /// # Errors
    ///
    /// `InvalidData` for rows that cannot be used (too few, not finite, no targets), or the stage's own error.
    pub fn fit_initial(self, batch: &Batch<'_>) -> Result<(FittedPipeline<C, R, N>, TrainingReport)> {
        let (tracking, degraded) = Tracking::open(&self.tracking, &self.config)?;
        let observers = self.observers.clone();
        observers.tell(&Event::FitStarted { n_samples: batch.n_samples() });
        let mut runs = FitRuns::open(&tracking, tsc_core::Experiment::Training, &self.config);
        runs.degraded.extend(degraded);
        let result = self.first_fit(batch, tracking, &mut runs);
        match result {
            Ok((fitted, report)) => {
                runs.finish(tsc_core::RunStatus::Finished);
                for degraded in &report.degraded {
                    observers.tell(&Event::Degraded(degraded));
                }
                observers.tell(&Event::FitFinished {
                    model_version: report.model_version,
                    n_clusters: report.clustering.n_clusters,
                    noise_ratio: report.clustering.noise_ratio,
                });
                Ok((fitted, report))
            }
            Err(error) => {
                runs.fail(&error);
                Err(error)
            }
        }
    }
}

impl<C: Clusterer, R: Regressor, N: NoiseFallback> Pipeline<C, R, N> {
    fn first_fit(
        self,
        batch: &Batch<'_>,
        tracking: Tracking,
        runs: &mut FitRuns,
    ) -> Result<(FittedPipeline<C, R, N>, TrainingReport)> {
        let at = batch.time().unwrap_or_else(clock::now);
        let unnamed;
        let schema = match batch.schema() {
            Some(schema) => schema,
            None => {
                unnamed = Schema::unnamed(batch.n_features());
                &unnamed
            }
        };
        let medians = medians(batch.values(), batch.n_features());
        let name = |column: usize| schema.columns()[column].name.clone();
        let screened = screen(batch, self.config.data.on_invalid_fit, || medians.clone(), name)?;
        let need = self.config.rows_needed();
        let x = screened.features()?.ok_or_else(|| crate::error::too_few_rows(0, need))?;
        let columns = Columns::of(batch, &screened);
        let rows = columns.batch(x)?;
        let pool = thread_pool(self.config.threads)?;
        let mut fit = in_pool(pool.as_deref(), || {
            let fit = fit(&self.stages, &self.config, schema, &rows, medians, 1, at)?;
            refit(&self.stages, &self.config, &rows, fit)
        })?;
        fit.report.rejected.clone_from(&screened.rejected);
        let missing = batch.values().iter().filter(|value| !value.is_finite()).count();
        fit.report.missing_ratio = missing as f64 / batch.values().len() as f64;
        FittedPipeline::first(self, tracking, pool, fit, &rows, runs)
    }

    /// How far thirds of these rows agree on the segments; fits no model and writes nothing.
    ///
    /// Rows are screened as for a fit, and need neither targets nor, without groups, patients. Each of `cuts` cuts
    /// costs three fits of the clusterer on a third of the rows, with seeds from `random_state` on; the same
    /// bits for any number of threads.
    ///
    /// # Errors
    ///
    /// `InvalidData` for rows that cannot be used or fewer than 3 groups, or the clusterer's own error, such as a
    /// third with fewer rows than `min_cluster_size`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tsc_pipeline::prelude::*;
    /// let rows: Vec<f64> = (0..300).map(|i| f64::from(i % 2) * 50.0 + f64::from(i % 7)).collect();
    /// # let text = "models.backend = \"linear\"";
    /// # #[cfg(feature = "linear")] {
    /// let config = PipelineConfig::from_toml(text)?;
    /// let batch = Batch::new(Features::new(&rows, 1)?);
    /// let stability = Pipeline::from_config(&config)?.segment_stability(&batch, 2)?;
    /// assert_eq!(stability.agreements.len(), 6);
    /// assert!(stability.noise_ratio() < 0.5);
    /// # }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn segment_stability(&self, batch: &Batch<'_>, cuts: usize) -> Result<SegmentStability> {
        let unnamed;
        let schema = match batch.schema() {
            Some(schema) => schema,
            None => {
                unnamed = Schema::unnamed(batch.n_features());
                &unnamed
            }
        };
        let medians = || medians(batch.values(), batch.n_features());
        let name = |column: usize| schema.columns()[column].name.clone();
        let screened = screen(batch, self.config.data.on_invalid_fit, medians, name)?;
        let x = screened.features()?.ok_or_else(|| crate::error::too_few_rows(0, 3))?;
        let groups = batch.groups().map(|groups| screened.pick(groups));
        let segmenter = Segmenter {
            clusterer: &self.stages.clusterer,
            view: &self.config.cluster_view,
            columns: &cluster_columns(schema),
        };
        let pool = thread_pool(self.config.threads)?;
        in_pool(pool.as_deref(), || segmenter.stability(x, groups.as_deref(), cuts, self.config.random_state))
    }

    /// Adds an observer; clones made before share it.
    #[must_use]
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.observers.add(observer);
        self
    }

    /// Sends runs to `tracker` instead of where the configuration says; versions are then registered nowhere.
    #[must_use]
    pub fn with_tracker(self, tracker: impl Tracker + 'static) -> Self {
        let tracking = Tracking { tracker: Arc::new(tracker), registry: None, off: false };
        Self { tracking: TrackingChoice::Given(tracking), ..self }
    }

    /// Sends runs to `tracker` and versions to `registry` instead of where the configuration says.
    #[must_use]
    pub fn with_tracking(
        self,
        tracker: impl Tracker + 'static,
        registry: impl ModelRegistry + 'static,
    ) -> Self {
        let registry: Arc<dyn ModelRegistry> = Arc::new(registry);
        let tracking = Tracking { tracker: Arc::new(tracker), registry: Some(registry), off: false };
        Self { tracking: TrackingChoice::Given(tracking), ..self }
    }

    /// Keeps the featurizer that made the rows in every bundle, so that a stored pipeline takes patient series.
    #[must_use]
    pub fn with_featurizer(self, featurizer: FittedFeaturizer) -> Self {
        Self { featurizer: Some(Arc::new(featurizer)), ..self }
    }

    /// The configuration it was made from.
    #[must_use]
    pub fn config(&self) -> &PipelineConfig {
        &self.config
    }

    /// A stored pipeline with own stages.
    ///
    /// # Errors
    ///
    /// As [`Pipeline::load`].
    pub fn load_with(self, source: impl Into<BundleSource>) -> Result<FittedPipeline<C, R, N>> {
        let bundle = source.into().open()?;
        let config = Arc::new(bundle.config()?);
        bundle.restore(Self { config, ..self })
    }
}

pub(crate) fn thread_pool(threads: usize) -> Result<Option<Arc<rayon::ThreadPool>>> {
    if threads == 0 {
        return Ok(None);
    }
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => Ok(Some(Arc::new(pool))),
        Err(e) => Err(tsc_core::Error::new(
            tsc_core::ErrorKind::InvalidConfig,
            tsc_core::Stage::Input,
            "TSC-CFG-004",
            format!("{threads} threads cannot be started: {e}"),
        )
        .with_help("lower threads, or set it to 0 for all cores")),
    }
}

pub(crate) fn in_pool<T: Send>(pool: Option<&rayon::ThreadPool>, work: impl FnOnce() -> T + Send) -> T {
    match pool {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

/// A pipeline in the making; a place still `()` is a stage not chosen yet.
#[must_use]
#[derive(Debug)]
pub struct PipelineBuilder<C, R, N> {
    config: PipelineConfig,
    clusterer: C,
    regressor: R,
    fallback: N,
    tracking: TrackingChoice,
    observers: Observers,
}

impl<C, R, N> PipelineBuilder<C, R, N> {
    /// Everything that is not a stage: thresholds, splits, names.
    pub fn config(mut self, config: PipelineConfig) -> Self {
        self.config = config;
        self
    }

    /// Finds the clusters.
    pub fn clusterer<C2: Clusterer>(self, clusterer: C2) -> PipelineBuilder<C2, R, N> {
        let Self { config, regressor, fallback, tracking, observers, .. } = self;
        PipelineBuilder { config, clusterer, regressor, fallback, tracking, observers }
    }

    /// Predicts target and resources.
    pub fn regressor<R2: Regressor + Clone>(self, regressor: R2) -> PipelineBuilder<C, R2, N> {
        let Self { config, clusterer, fallback, tracking, observers, .. } = self;
        PipelineBuilder { config, clusterer, regressor, fallback, tracking, observers }
    }

    /// Labels noise.
    pub fn fallback<N2: NoiseFallback>(self, fallback: N2) -> PipelineBuilder<C, R, N2> {
        let Self { config, clusterer, regressor, tracking, observers, .. } = self;
        PipelineBuilder { config, clusterer, regressor, fallback, tracking, observers }
    }

    /// Where runs go; without it, nowhere.
    pub fn tracker(mut self, tracker: impl Tracker + 'static) -> Self {
        self.tracking = self.tracking.with_tracker(Arc::new(tracker));
        self
    }

    /// Where versions are registered.
    pub fn registry(mut self, registry: impl ModelRegistry + 'static) -> Self {
        self.tracking = self.tracking.with_registry(Arc::new(registry));
        self
    }

    /// Is told about every event.
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.observers.add(observer);
        self
    }
}

impl<C: Clusterer, R: Regressor + Clone, N: NoiseFallback> PipelineBuilder<C, R, N> {
    /// The finished description.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation.
    pub fn build(self) -> Result<Pipeline<C, R, N>> {
        let violations = self.config.violations();
        if !violations.is_empty() {
            return Err(ConfigErrors(violations).into());
        }
        Ok(Pipeline {
            stages: Arc::new(Stages {
                clusterer: self.clusterer,
                resource_regressor: self.regressor.clone(),
                regressor: self.regressor,
                fallback: self.fallback,
            }),
            config: Arc::new(self.config),
            tracking: self.tracking,
            observers: self.observers,
            featurizer: None,
        })
    }
}
