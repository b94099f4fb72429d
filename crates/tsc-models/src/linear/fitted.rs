use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Features, FittedRegressor, Importance, Load, Result, Save,
    Stage, check_width, damaged,
};

const FILE: &str = "model.json";

/// A linear model in original units.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedLinear {
    wire: Wire,
    importance: Vec<f64>,
    /// The models at the steps before this one, first step first; empty unless tuning samples chose.
    before: Vec<FittedLinear>,
}

/// The stored form, version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wire {
    pub(super) penalty: f64,
    pub(super) intercept: f64,
    pub(super) coefficients: Vec<f64>,
    /// Training mean of each column.
    pub(super) means: Vec<f64>,
    /// Population standard deviation of each column.
    pub(super) deviations: Vec<f64>,
}

impl FittedLinear {
    pub(super) fn from_wire(wire: Wire) -> std::result::Result<Self, String> {
        let n_features = wire.coefficients.len();
        if n_features == 0 {
            return Err("the model has no coefficient".into());
        }
        if wire.means.len() != n_features || wire.deviations.len() != n_features {
            return Err(format!("{n_features} coefficients do not match the means or deviations"));
        }
        let importance: Vec<f64> =
            wire.coefficients.iter().zip(&wire.deviations).map(|(c, sd)| c.abs() * sd).collect();
        let all = [&wire.coefficients, &wire.means, &wire.deviations, &importance];
        let finite = all.iter().all(|column| column.iter().all(|v| v.is_finite()));
        if !(finite && wire.intercept.is_finite() && wire.penalty.is_finite()) {
            return Err("a number is not finite".into());
        }
        if wire.deviations.iter().any(|sd| *sd < 0.0) {
            return Err("a deviation is negative".into());
        }
        Ok(Self { wire, importance, before: Vec::new() })
    }

    /// The last of the steps, which can be cut back to any other.
    #[cfg(feature = "linear")]
    pub(super) fn of_path(mut steps: Vec<FittedLinear>) -> Option<FittedLinear> {
        let last = steps.pop()?;
        Some(Self { before: steps, ..last })
    }

    /// One coefficient per feature, in target units per feature unit.
    #[must_use]
    pub fn coefficients(&self) -> &[f64] {
        &self.wire.coefficients
    }

    /// Prediction where all features are 0.
    #[must_use]
    pub fn intercept(&self) -> f64 {
        self.wire.intercept
    }

    /// The penalty it was fitted with, on standardised columns.
    #[must_use]
    pub fn penalty(&self) -> f64 {
        self.wire.penalty
    }
}

impl FittedRegressor for FittedLinear {
    fn n_features(&self) -> usize {
        self.wire.coefficients.len()
    }

    fn predict_into(&self, x: Features<'_>, out: &mut [f64]) -> Result<()> {
        check_width(x, self.n_features(), Stage::TimeSeriesModel)?;
        assert_eq!(out.len(), x.n_samples(), "one prediction per sample");
        for (row, value) in x.rows().zip(out) {
            *value =
                row.iter().zip(&self.wire.coefficients).fold(self.wire.intercept, |sum, (x, c)| sum + c * x);
        }
        Ok(())
    }

    /// A round is a step on the path of penalties.
    fn cut(&mut self, rounds: u32) {
        let step = rounds.max(1) as usize - 1;
        if step < self.before.len() {
            let last = self.before.swap_remove(step);
            self.before.truncate(step);
            *self = Self { before: std::mem::take(&mut self.before), ..last };
        }
    }

    /// |coefficient| x standard deviation, in both columns.
    fn feature_importance(&self) -> Option<Importance<'_>> {
        let importance = Cow::Borrowed(self.importance.as_slice());
        Some(Importance { split: importance.clone(), gain: importance })
    }

    /// Coefficient x (value - training mean); the base value is the prediction at the training mean.
    fn contributions_into(&self, x: Features<'_>, out: &mut [f64]) -> Result<()> {
        check_width(x, self.n_features(), Stage::TimeSeriesModel)?;
        let width = self.n_features() + 1;
        assert_eq!(out.len(), x.n_samples() * width, "one contribution per cell and a base value per sample");
        let Wire { intercept, coefficients, means, .. } = &self.wire;
        let base = coefficients.iter().zip(means).fold(*intercept, |sum, (c, mean)| sum + c * mean);
        for (row, out) in x.rows().zip(out.chunks_exact_mut(width)) {
            for (feature, value) in row.iter().enumerate() {
                out[feature] = coefficients[feature] * (value - means[feature]);
            }
            out[width - 1] = base;
        }
        Ok(())
    }
}

impl Save for FittedLinear {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        let json = serde_json::to_vec(&self.wire).map_err(|e| damaged(FILE, e))?;
        sink.put(FILE, &json)
    }
}

impl Load for FittedLinear {
    const KIND: ArtifactKind = ArtifactKind { name: "linear", version: 1 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let wire: Wire = serde_json::from_slice(&source.get(FILE)?).map_err(|e| damaged(FILE, e))?;
        Self::from_wire(wire).map_err(|message| damaged(FILE, message))
    }
}
