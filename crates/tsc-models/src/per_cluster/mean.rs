use tsc_core::{Features, FittedRegressor, Importance, Result};

use super::report::FeatureImportance;

/// Models fitted on different parts of the same rows; predicts the mean of their predictions.
///
/// The models of the folds of a cross-validation, each of which left out another part, together predict better
/// than one model of all rows: their errors partly cancel. A single member predicts as itself, bit for bit.
#[derive(Clone, Debug)]
pub struct FoldMean<F> {
    members: Vec<F>,
}

impl<F: FittedRegressor> FoldMean<F> {
    /// `None` without a member, or if members differ in width.
    #[must_use]
    pub fn new(members: Vec<F>) -> Option<Self> {
        let width = members.first()?.n_features();
        members.iter().all(|member| member.n_features() == width).then_some(Self { members })
    }

    /// The models, in the order of the folds; at least one.
    #[must_use]
    pub fn members(&self) -> &[F] {
        &self.members
    }

    /// Number of features.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.members[0].n_features()
    }

    /// One value per sample; a sample's value depends on that sample alone. O(members x samples).
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width.
    pub fn predict(&self, x: Features<'_>) -> Result<Vec<f64>> {
        self.mean(x.n_samples(), |member, out| member.predict_into(x, out))
    }

    /// Contribution of each feature to each prediction, `n_samples x (n_features + 1)`, the base value last.
    ///
    /// The mean of the members' contributions, so each row sums to the mean of their raw predictions.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if the backend cannot; `InvalidData` on another width.
    pub fn contributions(&self, x: Features<'_>) -> Result<Vec<f64>> {
        self.mean(x.n_samples() * (self.n_features() + 1), |member, out| member.contributions_into(x, out))
    }

    fn mean(&self, length: usize, fill: impl Fn(&F, &mut [f64]) -> Result<()>) -> Result<Vec<f64>> {
        let mut sum = vec![0.0; length];
        fill(&self.members[0], &mut sum)?;
        let mut one = vec![0.0; if self.members.len() > 1 { length } else { 0 }];
        for member in &self.members[1..] {
            fill(member, &mut one)?;
            sum.iter_mut().zip(&one).for_each(|(sum, value)| *sum += value);
        }
        let n = self.members.len() as f64;
        sum.iter_mut().for_each(|sum| *sum /= n);
        Ok(sum)
    }

    /// Mean importance of each feature, where the backend knows it.
    #[must_use]
    pub fn feature_importance(&self) -> Option<FeatureImportance> {
        let all: Option<Vec<Importance<'_>>> = self.members.iter().map(F::feature_importance).collect();
        let all = all?;
        let mean = |of: &dyn Fn(&Importance<'_>) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
        let column = |of: &dyn Fn(&Importance<'_>, usize) -> f64| -> Vec<f64> {
            (0..self.n_features()).map(|feature| mean(&|importance| of(importance, feature))).collect()
        };
        Some(FeatureImportance {
            split: column(&|importance, feature| importance.split[feature]),
            gain: column(&|importance, feature| importance.gain[feature]),
        })
    }
}
