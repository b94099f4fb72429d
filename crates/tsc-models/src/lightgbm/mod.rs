//! LightGBM as a [`Regressor`]: trained through C++ behind the feature `lightgbm`, scored in safe Rust.

#[cfg(feature = "lightgbm")]
#[expect(unsafe_code, reason = "LightGBM is C++; this is the only module of the crate that calls it")]
mod ffi;
#[cfg(feature = "lightgbm")]
mod train;
#[cfg(not(feature = "lightgbm"))]
#[path = "absent.rs"]
mod train;

use tsc_core::{
    ArtifactSource, Capabilities, Features, FitOutcome, Regressor, Result, Stage, StoredKind, Targets,
    TrainingSet, Watch, all_valid,
};

use crate::error::ModelsError;
use crate::gbdt::GbdtModel;
use crate::params::{Boosting, GbmParams};

/// LightGBM 4.7: gradient boosted trees with checked parameters.
///
/// One booster is one thread; models are fitted in parallel over clusters instead. Equal input gives equal
/// text on any number of threads. Without the feature `lightgbm` it still restores and scores models, and
/// `fit` is an error.
///
/// Limits: an objective of one output, no ranking, no multiclass, no linear leaves.
///
/// # Examples
///
/// ```
/// use tsc_core::{Features, FittedRegressorExt, Regressor, Targets};
/// use tsc_models::{GbmParams, LightGbm};
/// let x: Vec<f64> = (0..200).map(f64::from).collect();
/// let y: Vec<f64> = x.iter().map(|&v| if v < 100.0 { 1.0 } else { 3.0 }).collect();
/// let x = Features::new(&x, 1)?;
/// let fitted = LightGbm::new(GbmParams::time_series())?.fit(x, Targets::new(&y)?);
/// # #[cfg(feature = "lightgbm")] {
/// let predicted = fitted?.predict(x)?;
/// assert!((predicted[0] - 1.0).abs() < 0.05 && (predicted[199] - 3.0).abs() < 0.05);
/// # }
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LightGbm {
    params: GbmParams,
}

impl LightGbm {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation of [`GbmParams::check`].
    pub fn new(params: GbmParams) -> Result<Self> {
        all_valid(&params.check(), Stage::TimeSeriesModel, "TSC-MOD-002")?;
        Ok(Self { params })
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &GbmParams {
        &self.params
    }

    /// `model` with up to `rounds` more rounds, trained on what it leaves of the targets of `set`.
    ///
    /// The trees are those of Python's `train(.., init_model=model)`. Rounds without a split end the training.
    /// Tuning samples and `set.rounds` are not looked at; an offset is added to the model's raw score.
    ///
    /// # Errors
    ///
    /// As `fit_set`; `InvalidConfig` for `rf` and `dart`, whose trees are not independent of later ones;
    /// `InvalidData` if the model has another width, other feature names or another objective.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "lightgbm")] {
    /// use tsc_core::{Features, Regressor, Targets, TrainingSet};
    /// use tsc_models::{GbmParams, LightGbm};
    /// let cells: Vec<f64> = (0..200).map(f64::from).collect();
    /// let set = TrainingSet::new(Features::new(&cells, 1)?, Targets::new(&cells)?)?;
    /// let backend = LightGbm::new(GbmParams { num_iterations: Some(10), ..GbmParams::time_series() })?;
    /// let first = backend.fit(set.x, set.y)?;
    /// let more = backend.continue_from(&first, &set, 90)?;
    /// assert_eq!(more.n_trees(), 100);
    /// let error = |value: f64| (value - 180.0).abs();
    /// assert!(error(more.predict_one(&[180.0])?) < error(first.predict_one(&[180.0])?));
    /// # }
    /// # Ok::<(), tsc_core::Error>(())
    /// ```
    pub fn continue_from(&self, model: &GbdtModel, set: &TrainingSet<'_>, rounds: u32) -> Result<GbdtModel> {
        self.goes_on()?;
        let mut offset = vec![0.0; set.x.n_samples()];
        model.raw_into(set.x, &mut offset)?;
        for (sum, given) in offset.iter_mut().zip(set.offset.unwrap_or_default()) {
            *sum += given;
        }
        let (rounds, offset) = (Some(rounds), Some(offset.as_slice()));
        let set = TrainingSet { offset, rounds, tuning: None, tuning_offset: None, ..*set };
        let added = self.fit_set(&set, &Watch::NONE)?.model;
        model.followed_by(&added)
    }

    /// The trees of `model` with leaf values moved toward `set`: `decay` of the old value, the rest new.
    ///
    /// `decay` is in 0..=1; larger keeps more. Equals Python's `Booster.refit`. Tuning samples and rounds are
    /// not looked at.
    ///
    /// # Errors
    ///
    /// As [`LightGbm::continue_from`]; `InvalidConfig` for another decay.
    pub fn refit_leaves(&self, model: &GbdtModel, set: &TrainingSet<'_>, decay: f64) -> Result<GbdtModel> {
        self.goes_on()?;
        if !(0.0..=1.0).contains(&decay) {
            return Err(ModelsError::Lacks { what: "LightGBM", lacking: "a decay outside [0, 1]" }.into());
        }
        let set = TrainingSet { tuning: None, tuning_offset: None, rounds: None, ..*set };
        let refitted = train::refit(self, model, &set, decay)?;
        refitted.check_like(model)?;
        Ok(refitted)
    }

    fn goes_on(&self) -> Result<()> {
        match self.params.boosting {
            Some(Boosting::Rf | Boosting::Dart) => {
                Err(ModelsError::Lacks { what: "LightGBM", lacking: "more rounds of rf or dart" }.into())
            }
            _ => Ok(()),
        }
    }

    fn patience(&self) -> u32 {
        // Patience does not depend on the number of rows.
        self.params.resolved(0)["early_stopping_round"].parse().unwrap_or(0)
    }
}

impl Regressor for LightGbm {
    type Fitted = GbdtModel;

    fn fit(&self, x: Features<'_>, y: Targets<'_>) -> Result<GbdtModel> {
        Ok(self.fit_set(&TrainingSet::new(x, y)?, &Watch::NONE)?.model)
    }

    /// Early stopping watches `tuning`, never `x`: without tuning rows all rounds are trained.
    fn fit_set(&self, set: &TrainingSet<'_>, watch: &Watch<'_>) -> Result<FitOutcome<GbdtModel>> {
        train::fit(self, set, watch)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            weights: true,
            offset: true,
            early_stopping: self.patience() > 0,
            quantile: true,
            contributions: true,
            continuation: !matches!(self.params.boosting, Some(Boosting::Rf | Boosting::Dart)),
        }
    }

    fn resolved_params(&self, n_samples: usize) -> Vec<(String, String)> {
        self.params.resolved(n_samples).into_iter().collect()
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<GbdtModel> {
        tsc_core::restore(stored, source)
    }
}

#[cfg(test)]
mod tests;
