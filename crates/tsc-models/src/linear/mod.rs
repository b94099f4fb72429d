//! Elastic net and least squares: fitted behind the feature `linear`, scored by every build.

#[cfg(feature = "linear")]
mod elastic;
#[cfg(not(feature = "linear"))]
#[path = "absent.rs"]
mod fit;
#[cfg(feature = "linear")]
mod fit;
mod fitted;

use serde::{Deserialize, Serialize};
use tsc_core::{
    ArtifactSource, Capabilities, Features, FitOutcome, Regressor, Result, Stage, StoredKind, Targets,
    TrainingSet, Violation, Watch, all_valid,
};

pub use fitted::FittedLinear;

/// Settings of [`Linear`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinearParams {
    /// Strength of the penalty, >= 0; larger shrinks coefficients toward 0, 0 is least squares.
    ///
    /// Unset, it is chosen on tuning samples from a logarithmic path of 20 values that starts where all
    /// coefficients are 0 and ends at a thousandth of that; without tuning samples the last value is used.
    pub penalty: Option<f64>,
    /// Share of the absolute penalty, 0..=1; 1 is the lasso, 0 is ridge. Default 0.5.
    pub l1_ratio: f64,
    /// Passes over the columns at most, >= 1. Default 1000.
    pub max_iterations: u32,
    /// Duality gap at which a fit ends, as a share of the targets' sum of squares, > 0; larger ends sooner.
    /// Default 1e-6.
    pub tolerance: f64,
}

impl Default for LinearParams {
    fn default() -> Self {
        Self { penalty: None, l1_ratio: 0.5, max_iterations: 1_000, tolerance: 1e-6 }
    }
}

impl LinearParams {
    /// Every broken rule.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        if let Some(penalty) = self.penalty.filter(|p| !(p.is_finite() && *p >= 0.0)) {
            found.push(Violation::new("penalty", format!("is {penalty}, must be at least 0 and finite")));
        }
        if !(0.0..=1.0).contains(&self.l1_ratio) {
            found.push(Violation::new("l1_ratio", format!("is {}, must be in [0, 1]", self.l1_ratio)));
        }
        if self.max_iterations == 0 {
            found.push(Violation::new("max_iterations", "is 0, must be at least 1"));
        }
        if !(self.tolerance > 0.0 && self.tolerance < 1.0) {
            found.push(Violation::new("tolerance", format!("is {}, must be in (0, 1)", self.tolerance)));
        }
        found
    }
}

/// Elastic net on raw columns; least squares at penalty 0.
///
/// Columns are standardised inside `fit` and the coefficients folded back, so they are in original units
/// and nothing is scaled at scoring. Constant columns get 0. The objective is scikit-learn's:
/// `|y - Xw|^2 / (2 n) + penalty (l1_ratio |w|_1 + (1 - l1_ratio) |w|^2 / 2)` on the standardised columns.
///
/// A fit copies the matrix once and keeps a column of covariances for each coefficient that was not 0:
/// O(columns^2) memory at most. The passes are coordinate descent on these, each step of a path from the
/// solution of the step before; least squares is linfa's.
///
/// Limits: no sample weights, no offset, no quantile loss.
///
/// # Examples
///
/// ```
/// use tsc_core::{Features, FittedRegressorExt, Regressor, Targets};
/// use tsc_models::{Linear, LinearParams};
/// let x = Features::new(&[0.0, 1.0, 2.0, 3.0], 1)?;
/// let linear = Linear::new(LinearParams { penalty: Some(0.0), ..LinearParams::default() })?;
/// let fitted = linear.fit(x, Targets::new(&[1.0, 3.0, 5.0, 7.0])?);
/// # #[cfg(feature = "linear")] {
/// let fitted = fitted?;
/// assert!((fitted.coefficients()[0] - 2.0).abs() < 1e-12);
/// assert!((fitted.predict(x)?[3] - 7.0).abs() < 1e-12);
/// # }
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Linear {
    params: LinearParams,
}

impl Linear {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation of [`LinearParams::check`].
    pub fn new(params: LinearParams) -> Result<Self> {
        all_valid(&params.check(), Stage::TimeSeriesModel, "TSC-MOD-002")?;
        Ok(Self { params })
    }

    /// The settings.
    #[must_use]
    pub fn params(&self) -> &LinearParams {
        &self.params
    }
}

impl Regressor for Linear {
    type Fitted = FittedLinear;

    fn fit(&self, x: Features<'_>, y: Targets<'_>) -> Result<FittedLinear> {
        Ok(self.fit_set(&TrainingSet::new(x, y)?, &Watch::NONE)?.model)
    }

    /// With an unset penalty a round is a step on the path of penalties.
    fn fit_set(&self, set: &TrainingSet<'_>, watch: &Watch<'_>) -> Result<FitOutcome<FittedLinear>> {
        fit::fit(&self.params, set, watch)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            early_stopping: self.params.penalty.is_none(),
            contributions: true,
            ..Capabilities::default()
        }
    }

    fn resolved_params(&self, _n_samples: usize) -> Vec<(String, String)> {
        let LinearParams { penalty, l1_ratio, max_iterations, tolerance } = &self.params;
        vec![
            ("l1_ratio".into(), l1_ratio.to_string()),
            ("max_iterations".into(), max_iterations.to_string()),
            ("penalty".into(), penalty.map_or("path".into(), |p| p.to_string())),
            ("tolerance".into(), tolerance.to_string()),
        ]
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedLinear> {
        tsc_core::restore(stored, source)
    }
}

#[cfg(test)]
mod tests;
