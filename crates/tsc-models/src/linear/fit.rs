//! Standardise, solve, fold back.

use std::ops::ControlFlow;

use linfa::Dataset;
use linfa::traits::Fit;
use linfa_linear::LinearRegression;
use ndarray16::{Array1, Array2};
use tsc_core::{
    Curve, Features, FitOutcome, FitWarning, FittedRegressorExt, Loss, Progress, RegressionScores, Result,
    Stage, Targets, TrainingSet, Watch, check_lengths, check_width,
};

use super::elastic::Descent;
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
    let mut descent = Descent::new(&problem.columns, &problem.targets);
    if let Some(penalty) = params.penalty {
        ask(watch, 0, 1)?;
        let (model, warnings) = problem.solve(params, &mut descent, penalty)?;
        return Ok(FitOutcome { model, best_round: 0, history: Vec::new(), warnings });
    }
    // From there on the soft threshold keeps every coefficient at 0. Ridge has no such point, so its path
    // starts where scikit-learn's does, as if a thousandth of the penalty were absolute.
    let first = descent.strongest() / params.l1_ratio.max(1e-3);
    let tuning = set.tuning.filter(|_| set.rounds.is_none());
    let steps = set.rounds.unwrap_or(STEPS).clamp(1, STEPS);
    let (mut curve, mut path) = (Vec::new(), Vec::new());
    let (mut least, mut best_round, mut warnings) = (f64::INFINITY, steps, Vec::new());
    for step in 1..=steps {
        ask(watch, step - 1, steps)?;
        let penalty = first * PATH_RATIO.powf(f64::from(step - 1) / f64::from(STEPS - 1));
        let (model, told) = problem.solve(params, &mut descent, penalty)?;
        let Some((x, y)) = tuning else {
            warnings = told;
            path = vec![model];
            continue;
        };
        let scores = RegressionScores::of(y.as_slice(), &model.predict(x)?);
        let rmse = scores.rmse.unwrap_or(f64::INFINITY);
        if step == 1 || rmse < least {
            (least, best_round, warnings) = (rmse, step, told);
        }
        curve.push(rmse);
        path.push(model);
    }
    let model = FittedLinear::of_path(path).expect("the path has at least one step");
    let history =
        if tuning.is_some() { vec![Curve { metric: "rmse".into(), values: curve }] } else { Vec::new() };
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
    /// One column behind the other.
    columns: Vec<f64>,
    /// Centred.
    targets: Vec<f64>,
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
        let mut columns = Vec::with_capacity(n * varying.len());
        for &column in &varying {
            columns.extend(x.rows().map(|row| (row[column] - means[column]) / deviations[column]));
        }
        let target_mean = y.as_slice().iter().sum::<f64>() / n as f64;
        let targets = y.as_slice().iter().map(|v| v - target_mean).collect();
        Self { varying, means, deviations, target_mean, columns, targets }
    }

    fn solve(
        &self,
        params: &LinearParams,
        descent: &mut Descent<'_>,
        penalty: f64,
    ) -> Result<(FittedLinear, Vec<FitWarning>)> {
        let mut warnings = Vec::new();
        let constant = self.targets.iter().all(|v| *v == 0.0);
        if constant {
            warnings.push(FitWarning::ConstantTarget { value: self.target_mean });
        }
        let scaled = if constant || self.varying.is_empty() {
            vec![0.0; self.varying.len()]
        } else if penalty == 0.0 {
            self.least_squares()?
        } else {
            let passes = descent.run(penalty, params.l1_ratio, params.tolerance, params.max_iterations);
            if passes >= params.max_iterations {
                warnings.push(FitWarning::NotConverged { iterations: passes });
            }
            descent.coefficients.clone()
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

    fn least_squares(&self) -> Result<Vec<f64>> {
        // linfa's decomposition needs a tall matrix.
        let (have, need) = (self.targets.len(), self.varying.len() + 1);
        if have < need {
            return Err(ModelsError::TooFew { what: "rows for least squares", have, need }.into());
        }
        let columns = Array2::from_shape_vec((self.varying.len(), have), self.columns.clone());
        let columns = columns.map_err(|e| ModelsError::Linear(e.to_string()))?.reversed_axes();
        let dataset = Dataset::new(columns, Array1::from(self.targets.clone()));
        let solved = LinearRegression::new().with_intercept(false).fit(&dataset);
        Ok(solved.map_err(|e| ModelsError::Linear(e.to_string()))?.params().to_vec())
    }
}
