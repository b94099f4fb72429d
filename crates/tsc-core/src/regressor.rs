use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    ArtifactKind, ArtifactSink, ArtifactSource, ClusterId, Error, ErrorKind, Features, Result, Save, Stage,
    StoredKind, Targets,
};

/// What a fit minimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Loss {
    /// The loss of the description's own parameters.
    #[default]
    Configured,
    /// Quantile loss at this level, 0..1.
    Quantile(f64),
}

/// Everything a fit may be given.
#[derive(Clone, Copy, Debug)]
pub struct TrainingSet<'a> {
    /// Samples to train on.
    pub x: Features<'a>,
    /// Their targets.
    pub y: Targets<'a>,
    /// One weight per sample, all positive.
    pub weights: Option<&'a [f64]>,
    /// The raw score each sample starts from; the fitted model predicts what has to be added to it.
    pub offset: Option<&'a [f64]>,
    /// Early stopping watches these samples, never `x`.
    pub tuning: Option<(Features<'a>, Targets<'a>)>,
    /// The raw scores the tuning samples start from; given with both `tuning` and `offset`, or not at all.
    pub tuning_offset: Option<&'a [f64]>,
    /// What is minimised.
    pub loss: Loss,
    /// A fixed number of rounds, without early stopping.
    pub rounds: Option<u32>,
}

impl<'a> TrainingSet<'a> {
    /// The plain case: samples and targets only.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the lengths differ.
    pub fn new(x: Features<'a>, y: Targets<'a>) -> Result<Self> {
        check_lengths(x, y)?;
        Ok(Self {
            x,
            y,
            weights: None,
            offset: None,
            tuning: None,
            tuning_offset: None,
            loss: Loss::Configured,
            rounds: None,
        })
    }

    fn is_plain(&self) -> bool {
        self.weights.is_none()
            && self.offset.is_none()
            && self.tuning.is_none()
            && self.tuning_offset.is_none()
            && self.loss == Loss::Configured
            && self.rounds.is_none()
    }
}

/// Refuses targets of another length than the samples.
///
/// # Errors
///
/// `InvalidData` naming both lengths.
pub fn check_lengths(x: Features<'_>, y: Targets<'_>) -> Result<()> {
    if x.n_samples() == y.len() {
        return Ok(());
    }
    Err(crate::features::input(
        "TSC-DAT-016",
        format!("{} samples and {} targets do not match", x.n_samples(), y.len()),
    ))
}

/// A metric over the rounds of a fit, on the tuning samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Metric such as `rmse`.
    pub metric: String,
    /// Value after each round, the first round first.
    pub values: Vec<f64>,
}

/// Something about a fit that a person should know; the fit itself succeeded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FitWarning {
    /// Targets lose more than 1e-6 of their deviation in f32.
    TargetPrecision {
        /// Largest rounding error over the targets' standard deviation.
        relative_error: f64,
    },
    /// No split improved the loss: the model is a constant.
    NothingLearned,
    /// The best round is the last allowed one.
    CapReached {
        /// The cap.
        rounds: u32,
    },
    /// Leaves times rows per leaf exceed the training rows.
    LeavesCannotFill {
        /// Configured leaves.
        num_leaves: u32,
        /// Configured rows per leaf.
        min_data_in_leaf: u32,
        /// Training rows.
        rows: u64,
    },
    /// All targets are equal.
    ConstantTarget {
        /// The value.
        value: f64,
    },
    /// The solver stopped before its tolerance.
    NotConverged {
        /// Iterations made.
        iterations: u32,
    },
    /// No groups and no times: each row counted as its own group.
    RowsAsGroups,
    /// Served predictions are worse than the pooled model's on held-out rows.
    ClustersDoNotHelp {
        /// Mean loss of served minus pooled.
        difference: f64,
    },
    /// A resource head predicts below zero.
    NegativePredictions {
        /// How many held-out predictions.
        count: u64,
    },
    /// An extreme value repeats and was not declared as a sentinel.
    SuspectedSentinel {
        /// The value.
        value: f64,
        /// How often.
        count: u64,
    },
}

/// What a fit gives.
#[derive(Clone, Debug)]
pub struct FitOutcome<F> {
    /// The fitted model at every round it trained; [`FittedRegressor::cut`] at `best_round` gives the best.
    pub model: F,
    /// Round with the best value on the tuning samples, else the last one; 0 for models without rounds.
    pub best_round: u32,
    /// Curves on the tuning samples; empty without them.
    pub history: Vec<Curve>,
    /// What a person should know.
    pub warnings: Vec<FitWarning>,
}

/// Where a running fit is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Cluster whose model is fitted; `None` for the pooled one.
    pub cluster: Option<ClusterId>,
    /// Rounds done.
    pub round: u32,
    /// Rounds at most.
    pub rounds: u32,
}

/// Why a fit was stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StopReason {
    /// Somebody asked.
    Cancelled,
    /// Time is up.
    Deadline,
}

/// Asked at least every ten rounds whether the fit shall go on; a stopped fit is an error.
#[derive(Clone, Copy)]
pub struct Watch<'a>(pub &'a (dyn Fn(&Progress) -> ControlFlow<StopReason> + Sync));

impl Watch<'static> {
    /// Never stops a fit.
    pub const NONE: Watch<'static> = Watch(&|_| ControlFlow::Continue(()));
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch(..)")
    }
}

/// What a backend can do beyond plain samples and targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Sample weights.
    pub weights: bool,
    /// A raw score per sample to start from.
    pub offset: bool,
    /// Early stopping on tuning samples.
    pub early_stopping: bool,
    /// Quantile loss.
    pub quantile: bool,
    /// Per-feature contributions.
    pub contributions: bool,
    /// Going on from a fitted model.
    pub continuation: bool,
}

/// Importance of each feature; all zero for a model that never splits.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance<'a> {
    /// How often a feature splits (|coefficient| x sd for linear models).
    pub split: Cow<'a, [f64]>,
    /// Total gain of its splits (the same as `split` for linear models).
    pub gain: Cow<'a, [f64]>,
}

/// Description of a regression method.
///
/// Implementors keep: `fit` is deterministic, whatever the thread count.
pub trait Regressor: fmt::Debug + Send + Sync {
    /// The fitted form.
    type Fitted: FittedRegressor;

    /// Fits plain samples and targets.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the lengths differ, `Training` if the backend cannot fit.
    fn fit(&self, x: Features<'_>, y: Targets<'_>) -> Result<Self::Fitted>;

    /// Fits with weights, offsets, tuning samples, another loss or fixed rounds, as far as the backend can.
    ///
    /// The default serves the plain case.
    ///
    /// # Errors
    ///
    /// As `fit`; `InvalidConfig` naming what the backend lacks.
    fn fit_set(&self, set: &TrainingSet<'_>, _watch: &Watch<'_>) -> Result<FitOutcome<Self::Fitted>> {
        if !set.is_plain() {
            return Err(lacks(self, "weights, offsets, tuning samples, quantile loss or fixed rounds"));
        }
        let model = self.fit(set.x, set.y)?;
        Ok(FitOutcome { model, best_round: 0, history: Vec::new(), warnings: Vec::new() })
    }

    /// What `fit_set` accepts beyond the plain case.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// Parameters that `fit` would use for `n_samples` rows, for reports and runs.
    fn resolved_params(&self, _n_samples: usize) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Reads what [`Save::save`] of the fitted form wrote; usually `tsc_core::restore(stored, source)`.
    ///
    /// # Errors
    ///
    /// `Artifact` if kind or version do not match, or a file is missing or damaged.
    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<Self::Fitted>;
}

/// A fitted regression model: immutable, scored from any thread.
pub trait FittedRegressor: Any + Save + fmt::Debug + Send + Sync {
    /// Width of the training matrix.
    fn n_features(&self) -> usize;

    /// One predicted value per sample; a sample's value depends on that sample alone.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width; `out` is then untouched.
    ///
    /// # Panics
    ///
    /// If `out.len() != x.n_samples()`.
    fn predict_into(&self, x: Features<'_>, out: &mut [f64]) -> Result<()>;

    /// Keeps the first `rounds` rounds, at least one; a model of fewer rounds, or of none, stays as it is.
    ///
    /// A fit that stopped early can so be scored at any round it trained, without a second fit. Whatever
    /// promises early stopping implements it.
    fn cut(&mut self, _rounds: u32) {}

    /// Importance of each feature, where the backend knows it.
    fn feature_importance(&self) -> Option<Importance<'_>> {
        None
    }

    /// Contribution of each feature to each prediction: `n_samples x (n_features + 1)`, the base value last.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if the backend cannot; `InvalidData` on another width.
    fn contributions_into(&self, _x: Features<'_>, _out: &mut [f64]) -> Result<()> {
        Err(lacks(self, "contributions"))
    }
}

#[cold]
fn lacks(backend: &(impl fmt::Debug + ?Sized), what: &str) -> Error {
    let name = format!("{backend:?}");
    let name = name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned();
    Error::new(
        ErrorKind::InvalidConfig,
        Stage::TimeSeriesModel,
        "TSC-MOD-001",
        format!("the backend {name} does not offer {what}"),
    )
    .with_help("ask Regressor::capabilities first, or use another backend")
}

impl dyn FittedRegressor {
    /// The model as a type of its own, also from within boxes; `None` if it is another one.
    #[must_use]
    pub fn downcast_ref<T: FittedRegressor>(&self) -> Option<&T> {
        let any: &dyn Any = self;
        match any.downcast_ref::<Box<dyn FittedRegressor>>() {
            Some(boxed) => boxed.as_ref().downcast_ref(),
            None => any.downcast_ref(),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl FittedRegressor for Box<dyn FittedRegressor> {
    fn n_features(&self) -> usize {
        (**self).n_features()
    }

    fn predict_into(&self, x: Features<'_>, out: &mut [f64]) -> Result<()> {
        (**self).predict_into(x, out)
    }

    fn cut(&mut self, rounds: u32) {
        (**self).cut(rounds);
    }

    fn feature_importance(&self) -> Option<Importance<'_>> {
        (**self).feature_importance()
    }

    fn contributions_into(&self, x: Features<'_>, out: &mut [f64]) -> Result<()> {
        (**self).contributions_into(x, out)
    }
}

impl Save for Box<dyn FittedRegressor> {
    fn kind(&self) -> ArtifactKind {
        (**self).kind()
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        (**self).save(sink)
    }
}

/// Any regressor behind one type; clones share the description.
#[derive(Clone, Debug)]
pub struct BoxRegressor(Arc<dyn Regressor<Fitted = Box<dyn FittedRegressor>>>);

#[deny(clippy::missing_trait_methods)]
impl Regressor for BoxRegressor {
    type Fitted = Box<dyn FittedRegressor>;

    fn fit(&self, x: Features<'_>, y: Targets<'_>) -> Result<Self::Fitted> {
        self.0.fit(x, y)
    }

    fn fit_set(&self, set: &TrainingSet<'_>, watch: &Watch<'_>) -> Result<FitOutcome<Self::Fitted>> {
        self.0.fit_set(set, watch)
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn resolved_params(&self, n_samples: usize) -> Vec<(String, String)> {
        self.0.resolved_params(n_samples)
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<Self::Fitted> {
        self.0.restore(stored, source)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<R: Regressor + ?Sized> Regressor for &R {
    type Fitted = R::Fitted;

    fn fit(&self, x: Features<'_>, y: Targets<'_>) -> Result<Self::Fitted> {
        (**self).fit(x, y)
    }

    fn fit_set(&self, set: &TrainingSet<'_>, watch: &Watch<'_>) -> Result<FitOutcome<Self::Fitted>> {
        (**self).fit_set(set, watch)
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    fn resolved_params(&self, n_samples: usize) -> Vec<(String, String)> {
        (**self).resolved_params(n_samples)
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<Self::Fitted> {
        (**self).restore(stored, source)
    }
}

struct Erased<R>(R);

// The backend's own name, not the wrapper's, belongs into messages.
impl<R: fmt::Debug> fmt::Debug for Erased<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<R: Regressor<Fitted: 'static>> Regressor for Erased<R> {
    type Fitted = Box<dyn FittedRegressor>;

    fn fit(&self, x: Features<'_>, y: Targets<'_>) -> Result<Self::Fitted> {
        Ok(Box::new(self.0.fit(x, y)?))
    }

    fn fit_set(&self, set: &TrainingSet<'_>, watch: &Watch<'_>) -> Result<FitOutcome<Self::Fitted>> {
        let FitOutcome { model, best_round, history, warnings } = self.0.fit_set(set, watch)?;
        Ok(FitOutcome { model: Box::new(model), best_round, history, warnings })
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn resolved_params(&self, n_samples: usize) -> Vec<(String, String)> {
        self.0.resolved_params(n_samples)
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<Self::Fitted> {
        Ok(Box::new(self.0.restore(stored, source)?))
    }
}

/// Convenience for callers of [`Regressor`].
pub trait RegressorExt: Regressor + Sized {
    /// The same regressor behind one type.
    fn boxed(self) -> BoxRegressor
    where
        Self: 'static,
    {
        BoxRegressor(Arc::new(Erased(self)))
    }
}

impl<R: Regressor> RegressorExt for R {}

/// Convenience for callers of [`FittedRegressor`].
pub trait FittedRegressorExt: FittedRegressor {
    /// Predictions for `x`, in a new column.
    ///
    /// # Errors
    ///
    /// As [`FittedRegressor::predict_into`].
    fn predict(&self, x: Features<'_>) -> Result<Vec<f64>> {
        let mut out = vec![f64::NAN; x.n_samples()];
        self.predict_into(x, &mut out)?;
        Ok(out)
    }
}

impl<R: FittedRegressor + ?Sized> FittedRegressorExt for R {}

fn _dyn(_: &dyn FittedRegressor, _: &dyn Regressor<Fitted = Box<dyn FittedRegressor>>) {}
