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

use crate::gbdt::GbdtModel;
use crate::params::GbmParams;

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
            ..Capabilities::default()
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
