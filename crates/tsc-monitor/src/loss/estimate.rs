use serde::{Deserialize, Serialize};
use tsc_core::{Features, FittedRegressor, Label, Regressor, Result, Stage, Targets, check_width};

use crate::error::MonitorError;

const FOLDS: usize = 5;
const FEWEST_ROWS: usize = 50;
/// Two-sided 95 % of the normal law.
const Z: f64 = 1.959_963_984_540_054;

/// Which loss is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Mean of |target - prediction|, in the target's unit.
    Absolute,
    /// Root of the mean of (target - prediction) squared, in the target's unit.
    Squared,
}

/// A loss without targets: an estimate, never a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EstimatedLoss {
    /// Which loss.
    pub kind: LossKind,
    /// The estimate, at least 0.
    pub value: f64,
    /// 95 % interval of the realised loss of these rows.
    pub interval: (f64, f64),
    /// The same loss, measured on the rows the estimator learned from.
    pub baseline: f64,
    /// Rows it stands for.
    pub n: u64,
}

/// Direct loss estimation: a second model that learns how wrong the first one is where.
///
/// It learns the absolute or squared error of each row from features, cluster and prediction. The errors
/// have to be **out of fold**: a model is better on rows it was fitted on, and an estimator that learns
/// from those promises too small a loss for ever. What the estimator itself misses is measured by five
/// folds, and is the width of the interval.
///
/// It sees a change of the rows, not of what the target does with them: after that only targets tell.
///
/// # Examples
///
/// ```
/// use tsc_core::{Features, Label};
/// use tsc_monitor::{LossEstimator, LossKind};
/// # use tsc_testing::ToyRegressor;
/// let x: Vec<f64> = (0..100).map(f64::from).collect();
/// let labels = vec![Label::from_ids(&[0])[0]; 100];
/// let (predictions, targets) = (vec![1.0; 100], vec![3.0; 100]);
/// let x = Features::new(&x, 1)?;
/// // The toy learns the mean.
/// let kind = LossKind::Absolute;
/// let estimator = LossEstimator::fit(&ToyRegressor, kind, x, &labels, &predictions, &targets)?;
/// let loss = estimator.estimate(x, &labels, &predictions)?;
/// assert_eq!((loss.value, loss.baseline, loss.n), (2.0, 2.0, 100));
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: as NannyML's direct loss estimation.
#[derive(Debug)]
pub struct LossEstimator<M> {
    model: M,
    kind: LossKind,
    n_features: usize,
    rows: f64,
    baseline: f64,
    /// Variance of what the estimator misses a row.
    variance: f64,
}

impl<M: FittedRegressor> LossEstimator<M> {
    /// Learns from rows `x`, `(n_samples, n_features)`, with their cluster, their out-of-fold prediction
    /// and their target. Six fits of `regressor`.
    ///
    /// # Errors
    ///
    /// `InvalidData` if a column has another length or there are fewer than 50 rows, or a prediction or
    /// target is not finite; those of the regressor.
    pub fn fit<R: Regressor<Fitted = M>>(
        regressor: &R,
        kind: LossKind,
        x: Features<'_>,
        labels: &[Label],
        predictions: &[f64],
        targets: &[f64],
    ) -> Result<Self> {
        let n = x.n_samples();
        let inputs = inputs(x, labels, predictions)?;
        if targets.len() != n {
            let got = targets.len();
            return Err(MonitorError::PredictionCount { column: "targets", got, n_samples: n }.into());
        }
        if n < FEWEST_ROWS {
            let statistic = "loss estimation";
            return Err(MonitorError::TooFewRows { statistic, got: n, needed: FEWEST_ROWS }.into());
        }
        let losses: Vec<f64> = predictions.iter().zip(targets).map(|(p, y)| kind.of(y - p)).collect();
        let width = x.n_features() + 2;
        let mut missed = 0.0;
        for fold in 0..FOLDS {
            let (mut seen, mut left) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
            for (i, row) in inputs.chunks_exact(width).enumerate() {
                let side = if i % FOLDS == fold { &mut left } else { &mut seen };
                side.0.extend_from_slice(row);
                side.1.push(losses[i]);
            }
            let model = regressor.fit(Features::new(&seen.0, width)?, Targets::new(&seen.1)?)?;
            let mut out = vec![0.0; left.1.len()];
            model.predict_into(Features::new(&left.0, width)?, &mut out)?;
            missed += out.iter().zip(&left.1).map(|(p, y)| (p - y).powi(2)).sum::<f64>();
        }
        let model = regressor.fit(Features::new(&inputs, width)?, Targets::new(&losses)?)?;
        let rows = n as f64;
        let mean = losses.iter().sum::<f64>() / rows;
        let (n_features, baseline, variance) = (x.n_features(), kind.shown(mean), missed / rows);
        Ok(Self { model, kind, n_features, rows, baseline, variance })
    }

    /// Loss of rows whose targets are not known. One prediction of the model; O(n d) beside it.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the width is another one, a column has another length, or a prediction is not
    /// finite; those of the model.
    pub fn estimate(&self, x: Features<'_>, labels: &[Label], predictions: &[f64]) -> Result<EstimatedLoss> {
        check_width(x, self.n_features, Stage::Monitoring)?;
        let inputs = inputs(x, labels, predictions)?;
        let mut losses = vec![0.0; x.n_samples()];
        self.model.predict_into(Features::new(&inputs, self.n_features + 2)?, &mut losses)?;
        let n = losses.len() as f64;
        let mean = losses.iter().map(|loss| loss.max(0.0)).sum::<f64>() / n;
        // The rows' own scatter, and that of the rows learned from.
        let half = Z * (self.variance * (1.0 / n + 1.0 / self.rows)).sqrt();
        Ok(EstimatedLoss {
            kind: self.kind,
            value: self.kind.shown(mean),
            interval: (self.kind.shown((mean - half).max(0.0)), self.kind.shown(mean + half)),
            baseline: self.baseline,
            n: losses.len() as u64,
        })
    }
}

impl LossKind {
    fn of(self, error: f64) -> f64 {
        match self {
            Self::Absolute => error.abs(),
            Self::Squared => error * error,
        }
    }

    fn shown(self, mean: f64) -> f64 {
        match self {
            Self::Absolute => mean,
            Self::Squared => mean.sqrt(),
        }
    }
}

/// Features, then the cluster's number (-1 for noise), then the prediction.
fn inputs(x: Features<'_>, labels: &[Label], predictions: &[f64]) -> Result<Vec<f64>> {
    let n_samples = x.n_samples();
    for (column, got) in [("labels", labels.len()), ("predictions", predictions.len())] {
        if got != n_samples {
            return Err(MonitorError::PredictionCount { column, got, n_samples }.into());
        }
    }
    let mut inputs = Vec::with_capacity(n_samples * (x.n_features() + 2));
    for ((row, label), prediction) in x.rows().zip(labels).zip(predictions) {
        inputs.extend_from_slice(row);
        inputs.extend([f64::from(label.id()), *prediction]);
    }
    Ok(inputs)
}
