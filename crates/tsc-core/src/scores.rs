use serde::{Deserialize, Serialize};

/// Scores of predicted against true values; an undefined score is `None`, never 0.
///
/// A NaN prediction (unavailable) or a NaN truth (unknown) lowers `coverage` or `n` and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RegressionScores {
    /// Rows with a known truth and a prediction.
    pub n: u64,
    /// Share of the rows with a known truth that have a prediction; `None` without such rows.
    pub coverage: Option<f64>,
    /// Root mean squared error, in the target's unit.
    pub rmse: Option<f64>,
    /// Mean absolute error, in the target's unit.
    pub mae: Option<f64>,
    /// 1 - SSE / SST; `None` for a constant truth.
    pub r2: Option<f64>,
    /// Mean absolute percentage error over rows with truth != 0, in percent.
    pub mape: Option<f64>,
    /// Largest absolute error.
    pub max_error: Option<f64>,
    /// 1 - var(residual) / var(truth); `None` for a constant truth.
    pub explained_variance: Option<f64>,
    /// Mean of truth - prediction.
    pub residual_mean: Option<f64>,
    /// Population standard deviation of truth - prediction.
    pub residual_sd: Option<f64>,
}

impl RegressionScores {
    /// Scores of `predicted` against `truth`, both one value per sample.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use tsc_core::RegressionScores;
    /// let scores = RegressionScores::of(&[3.0, -0.5, 2.0, 7.0], &[2.5, 0.0, 2.0, 8.0]);
    /// assert_eq!(scores.rmse.unwrap(), 0.375_f64.sqrt());
    /// assert!((scores.r2.unwrap() - 0.948_608_137_044_967_8).abs() < 1e-15);
    /// assert_eq!(RegressionScores::of(&[1.0, 1.0], &[1.0, 2.0]).r2, None);
    /// ```
    #[must_use]
    pub fn of(truth: &[f64], predicted: &[f64]) -> Self {
        assert_eq!(truth.len(), predicted.len(), "one prediction per true value");
        let known = truth.iter().filter(|t| t.is_finite()).count();
        let pairs: Vec<(f64, f64)> = truth
            .iter()
            .zip(predicted)
            .filter(|(t, p)| t.is_finite() && p.is_finite())
            .map(|(&t, &p)| (t, p))
            .collect();
        let coverage = (known > 0).then(|| pairs.len() as f64 / known as f64);
        if pairs.is_empty() {
            return Self { coverage, ..Self::default() };
        }
        let n = pairs.len() as f64;
        let mean_truth = pairs.iter().map(|p| p.0).sum::<f64>() / n;
        let residual_mean = pairs.iter().map(|p| p.0 - p.1).sum::<f64>() / n;
        let sse = pairs.iter().map(|p| (p.0 - p.1).powi(2)).sum::<f64>();
        let sst = pairs.iter().map(|p| (p.0 - mean_truth).powi(2)).sum::<f64>();
        let residual_var = pairs.iter().map(|p| (p.0 - p.1 - residual_mean).powi(2)).sum::<f64>() / n;
        let constant = pairs.iter().all(|p| p.0 == pairs[0].0);
        let nonzero: Vec<f64> =
            pairs.iter().filter(|p| p.0 != 0.0).map(|p| ((p.0 - p.1) / p.0).abs()).collect();
        Self {
            n: pairs.len() as u64,
            coverage,
            rmse: Some((sse / n).sqrt()),
            mae: Some(pairs.iter().map(|p| (p.0 - p.1).abs()).sum::<f64>() / n),
            r2: (!constant).then(|| 1.0 - sse / sst),
            mape: (!nonzero.is_empty()).then(|| 100.0 * nonzero.iter().sum::<f64>() / nonzero.len() as f64),
            max_error: pairs.iter().map(|p| (p.0 - p.1).abs()).reduce(f64::max),
            explained_variance: (!constant).then(|| 1.0 - residual_var / (sst / n)),
            residual_mean: Some(residual_mean),
            residual_sd: Some(residual_var.sqrt()),
        }
    }
}
