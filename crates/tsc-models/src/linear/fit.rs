//! Standardise, solve with linfa, fold back.

use std::ops::ControlFlow;

use linfa::Dataset;
use linfa::traits::Fit;
use linfa_elasticnet::ElasticNet;
use linfa_linear::LinearRegression;
use ndarray16::{Array1, Array2};
use tsc_core::{
    Curve, Features, FitOutcome, FitWarning, FittedRegressorExt, Loss, Progress, RegressionScores, Result,
    Stage, Targets, TrainingSet, Watch, check_lengths, check_width,
};

use super::fitted::Wire;
use super::{FittedLinear, LinearParams};
use crate::error::ModelsError;

const STEPS: u32 = 20;
/// Last penalty of the path over the first.
const PATH_RATIO: f64 = 1e-3;

pub(super) fn fit(
    params: &LinearParams,
    set: &TrainingSet<'_>,
    watch: &Watch<'_>,
) -> Result<FitOutcome<FittedLinear>> {
    check(params, set)?;
    let problem = Problem::new(set.x, set.y);
    if let Some(penalty) = params.penalty {
        ask(watch, 0, 1)?;
        let (model, warnings) = problem.solve(params, penalty)?;
        return Ok(FitOutcome { model, best_round: 0, history: Vec::new(), warnings });
    }
    let first = problem.weakest_penalty_of_zeros(params.l1_ratio);
    let penalty = |step: u32| first * PATH_RATIO.powf(f64::from(step - 1) / f64::from(STEPS - 1));
    let Some((tuning_x, tuning_y)) = set.tuning.filter(|_| set.rounds.is_none()) else {
        ask(watch, 0, 1)?;
        let step = set.rounds.unwrap_or(STEPS).clamp(1, STEPS);
        let (model, warnings) = problem.solve(params, penalty(step))?;
        return Ok(FitOutcome { model, best_round: step, history: Vec::new(), warnings });
    };
    let (mut curve, mut path) = (Vec::new(), Vec::new());
    let mut best: Option<(f64, u32, Vec<FitWarning>)> = None;
    for step in 1..=STEPS {
        ask(watch, step - 1, STEPS)?;
        let (model, warnings) = problem.solve(params, penalty(step))?;
        let scores = RegressionScores::of(tuning_y.as_slice(), &model.predict(tuning_x)?);
        let rmse = scores.rmse.unwrap_or(f64::INFINITY);
        curve.push(rmse);
        if best.as_ref().is_none_or(|(least, ..)| rmse < *least) {
            best = Some((rmse, step, warnings));
        }
        path.push(model);
    }
    let (_, best_round, warnings) = best.expect("the path has at least one step");
    let history = vec![Curve { metric: "rmse".into(), values: curve }];
    let model = FittedLinear::of_path(path).expect("the path has at least one step");
    Ok(FitOutcome { model, best_round, history, warnings })
}

fn check(params: &LinearParams, set: &TrainingSet<'_>) -> Result<()> {
    check_lengths(set.x, set.y)?;
    let lacks = |lacking| Err(ModelsError::Lacks { what: "linear", lacking }.into());
    if set.weights.is_some() {
        return lacks("sample weights");
    }
    if set.offset.is_some() || set.tuning_offset.is_some() {
        return lacks("an offset");
    }
    if set.loss != Loss::Configured {
        return lacks("a quantile loss");
    }
    if params.penalty.is_some() && (set.tuning.is_some() || set.rounds.is_some()) {
        return lacks("tuning samples or rounds at a fixed penalty");
    }
    if let Some((x, y)) = set.tuning {
        check_lengths(x, y)?;
        check_width(x, set.x.n_features(), Stage::TimeSeriesModel)?;
    }
    Ok(())
}

fn ask(watch: &Watch<'_>, round: u32, rounds: u32) -> Result<()> {
    match (watch.0)(&Progress { cluster: None, round, rounds }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(reason) => Err(ModelsError::Stopped { reason }.into()),
    }
}

/// Columns that vary, standardised, with what folds a solution back.
struct Problem {
    /// Numbers of the columns that vary.
    varying: Vec<usize>,
    means: Vec<f64>,
    deviations: Vec<f64>,
    target_mean: f64,
    dataset: Dataset<f64, f64, ndarray16::Ix1>,
}

impl Problem {
    fn new(x: Features<'_>, y: Targets<'_>) -> Self {
        let (n, d) = (x.n_samples(), x.n_features());
        let mut means = vec![0.0; d];
        let mut deviations = vec![0.0; d];
        let mut varying = Vec::new();
        for column in 0..d {
            let values = || x.rows().map(move |row| row[column]);
            let first = x.row(0)[column];
            if values().all(|v| v == first) {
                means[column] = first;
                continue;
            }
            let mean = values().sum::<f64>() / n as f64;
            let deviation = (values().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
            (means[column], deviations[column]) = (mean, deviation);
            // Values may differ by less than the rounding of their squares.
            if deviation > 0.0 && deviation.is_finite() {
                varying.push(column);
            }
        }
        let scaled = Array2::from_shape_fn((n, varying.len()), |(row, k)| {
            let column = varying[k];
            (x.row(row)[column] - means[column]) / deviations[column]
        });
        let target_mean = y.as_slice().iter().sum::<f64>() / n as f64;
        let centred = Array1::from_iter(y.as_slice().iter().map(|v| v - target_mean));
        Self { varying, means, deviations, target_mean, dataset: Dataset::new(scaled, centred) }
    }

    // From there on the soft threshold keeps every coefficient at 0. Ridge has no such point, so its path
    // starts where scikit-learn's does, as if a thousandth of the penalty were absolute.
    fn weakest_penalty_of_zeros(&self, l1_ratio: f64) -> f64 {
        let n = self.dataset.targets.len() as f64;
        let correlations = self.dataset.records.t().dot(&self.dataset.targets);
        let largest = correlations.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        largest / (n * l1_ratio.max(1e-3))
    }

    fn solve(&self, params: &LinearParams, penalty: f64) -> Result<(FittedLinear, Vec<FitWarning>)> {
        let mut warnings = Vec::new();
        let constant = self.dataset.targets.iter().all(|v| *v == 0.0);
        if constant {
            warnings.push(FitWarning::ConstantTarget { value: self.target_mean });
        }
        let scaled = if constant || self.varying.is_empty() {
            Array1::zeros(self.varying.len())
        } else if penalty == 0.0 {
            self.least_squares()?
        } else {
            let solver = ElasticNet::params()
                .penalty(penalty)
                .l1_ratio(params.l1_ratio)
                .max_iterations(params.max_iterations)
                .tolerance(params.tolerance)
                .with_intercept(false);
            let solved = solver.fit(&self.dataset).map_err(|e| ModelsError::Linear(e.to_string()))?;
            if solved.n_steps() >= params.max_iterations {
                warnings.push(FitWarning::NotConverged { iterations: solved.n_steps() });
            }
            solved.hyperplane().clone()
        };
        let mut coefficients = vec![0.0; self.means.len()];
        for (column, value) in self.varying.iter().zip(&scaled) {
            coefficients[*column] = value / self.deviations[*column];
        }
        let at_zero = coefficients.iter().zip(&self.means).map(|(c, mean)| c * mean).sum::<f64>();
        let wire = Wire {
            penalty,
            intercept: self.target_mean - at_zero,
            coefficients,
            means: self.means.clone(),
            deviations: self.deviations.clone(),
        };
        let model = FittedLinear::from_wire(wire).map_err(ModelsError::Linear)?;
        Ok((model, warnings))
    }

    fn least_squares(&self) -> Result<Array1<f64>> {
        // linfa's decomposition needs a tall matrix.
        let (have, need) = (self.dataset.targets.len(), self.varying.len() + 1);
        if have < need {
            return Err(ModelsError::TooFew { what: "rows for least squares", have, need }.into());
        }
        let solved = LinearRegression::new().with_intercept(false).fit(&self.dataset);
        Ok(solved.map_err(|e| ModelsError::Linear(e.to_string()))?.params().clone())
    }
}
