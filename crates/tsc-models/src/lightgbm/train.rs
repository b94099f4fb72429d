//! One training task: Dataset, booster, rounds, text; every handle is gone when it ends.

use std::ops::ControlFlow;

use tsc_core::{
    Curve, FitOutcome, FitWarning, Loss, Progress, Result, Targets, TrainingSet, Watch, check_lengths,
    check_width,
};

use super::LightGbm;
use super::ffi::{Booster, Dataset, Session};
use crate::error::ModelsError;
use crate::gbdt::GbdtModel;
use crate::params::{Metric, Objective};

/// How often the watch is asked, in rounds.
const WATCH_EVERY: u32 = 10;

pub(super) fn fit(
    backend: &LightGbm,
    set: &TrainingSet<'_>,
    watch: &Watch<'_>,
) -> Result<FitOutcome<GbdtModel>> {
    check(backend, set)?;
    let n_rows = set.x.n_samples();
    let params = backend.params.render(n_rows, set.loss);
    let mut warnings = warnings_before(backend, set);

    let session = Session::start()?;
    let train = training_rows(&session, set, &params)?;
    let tuning = match set.tuning {
        Some((x, y)) => {
            let mut tuning = Dataset::new(&session, x, &params, Some(&train))?;
            tuning.set("label", &labels(y))?;
            if let Some(offset) = set.tuning_offset {
                tuning.set_offset(offset)?;
            }
            Some(tuning)
        }
        None => None,
    };
    let mut booster = Booster::new(&train, &params)?;
    if let Some(tuning) = &tuning {
        booster.watch(tuning)?;
    }
    let limits = Limits::of(backend, set);
    let grown = grow(&mut booster, &limits, watch)?;
    let model = GbdtModel::parse(&booster.text()?)?;
    if !model.splits_within(grown.best_round) {
        warnings.push(FitWarning::NothingLearned);
    } else if limits.stops && grown.best_round == limits.rounds {
        warnings.push(FitWarning::CapReached { rounds: limits.rounds });
    }
    Ok(FitOutcome { model, best_round: grown.best_round, history: grown.history, warnings })
}

fn training_rows<'s>(session: &'s Session, set: &TrainingSet<'_>, params: &str) -> Result<Dataset<'s>> {
    let mut train = Dataset::new(session, set.x, params, None)?;
    train.set("label", &labels(set.y))?;
    if let Some(weights) = set.weights {
        train.set("weight", &weights.iter().map(|&w| w as f32).collect::<Vec<_>>())?;
    }
    if let Some(offset) = set.offset {
        train.set_offset(offset)?;
    }
    Ok(train)
}

/// The same trees with leaf values moved toward those of `set`.
pub(super) fn refit(
    backend: &LightGbm,
    model: &GbdtModel,
    set: &TrainingSet<'_>,
    decay: f64,
) -> Result<GbdtModel> {
    check(backend, set)?;
    let mut leaves = vec![0; set.x.n_samples() * model.n_trees()];
    model.leaves_into(set.x, &mut leaves)?;
    let leaves: Vec<i32> = leaves.into_iter().map(|leaf| leaf as i32).collect();
    let params = backend.params.render(set.x.n_samples(), set.loss);
    let session = Session::start()?;
    let train = training_rows(&session, set, &params)?;
    let mut booster = Booster::new(&train, &format!("{params} refit_decay_rate={decay}"))?;
    booster.adopt(model.text())?;
    booster.refit(&leaves)?;
    GbdtModel::parse(&booster.text()?)
}

/// What ends a training loop.
struct Limits {
    rounds: u32,
    patience: u32,
    min_delta: f64,
    metrics: Vec<Metric>,
    first_metric_only: bool,
    measures: bool,
    stops: bool,
}

impl Limits {
    fn of(backend: &LightGbm, set: &TrainingSet<'_>) -> Self {
        let resolved = backend.params.resolved(set.x.n_samples());
        let number = |key: &str| resolved.get(key).and_then(|text| text.parse().ok());
        let patience = backend.patience();
        let measures = set.tuning.is_some();
        Self {
            rounds: set.rounds.or(number("num_iterations")).unwrap_or(100),
            patience,
            min_delta: resolved.get("early_stopping_min_delta").and_then(|t| t.parse().ok()).unwrap_or(0.0),
            metrics: backend.params.metrics(set.loss),
            first_metric_only: resolved.get("first_metric_only").is_some_and(|text| text == "true"),
            measures,
            stops: measures && patience > 0 && set.rounds.is_none(),
        }
    }
}

struct Grown {
    best_round: u32,
    history: Vec<Curve>,
}

/// Best value of a metric so far, and where it was.
struct Best {
    value: f64,
    step: u32,
    rounds: u32,
}

// Python's `train` with the callback `early_stopping`: the first metric without an improvement for `patience`
// rounds ends the loop, and the model is cut where that metric was best. A round that adds no tree still
// counts, because the next one may draw other rows or features.
fn grow(booster: &mut Booster<'_>, limits: &Limits, watch: &Watch<'_>) -> Result<Grown> {
    let names = limits.metrics.iter().map(|m| m.name().to_owned());
    let mut history: Vec<Curve> =
        names.filter(|_| limits.measures).map(|metric| Curve { metric, values: Vec::new() }).collect();
    let mut best: Vec<Best> = Vec::new();
    for step in 0..limits.rounds {
        if step % WATCH_EVERY == 0 {
            let progress = Progress { cluster: None, round: step, rounds: limits.rounds };
            if let ControlFlow::Break(reason) = (watch.0)(&progress) {
                return Err(ModelsError::Stopped { reason }.into());
            }
        }
        booster.update()?;
        if !limits.measures {
            continue;
        }
        let rounds = booster.rounds()?;
        let values = booster.metrics()?;
        for (curve, &value) in history.iter_mut().zip(&values) {
            curve.values.push(value);
        }
        for (index, &value) in values.iter().enumerate().take(limits.metrics.len()) {
            let sign = if limits.metrics[index].larger_is_better() { -1.0 } else { 1.0 };
            match best.get_mut(index) {
                None => best.push(Best { value, step, rounds }),
                Some(best) if sign * (best.value - value) > limits.min_delta => {
                    *best = Best { value, step, rounds };
                }
                Some(best) => {
                    let judged = index == 0 || !limits.first_metric_only;
                    if limits.stops && judged && step - best.step >= limits.patience {
                        let best_round = best.rounds;
                        return Ok(Grown { best_round, history });
                    }
                }
            }
        }
    }
    let best_round = match best.first() {
        Some(best) if limits.stops => best.rounds,
        _ => booster.rounds()?,
    };
    Ok(Grown { best_round, history })
}

// LightGBM keeps targets in f32.
fn labels(y: Targets<'_>) -> Vec<f32> {
    y.as_slice().iter().map(|&value| value as f32).collect()
}

fn check(backend: &LightGbm, set: &TrainingSet<'_>) -> Result<()> {
    check_lengths(set.x, set.y)?;
    let objective = match set.loss {
        Loss::Configured => backend.params.objective(),
        Loss::Quantile(level) if level > 0.0 && level < 1.0 => Objective::Quantile,
        _ => return Err(ModelsError::Lacks { what: "LightGBM", lacking: "a quantile outside (0, 1)" }.into()),
    };
    domain(objective, set.y)?;
    if let Some((x, y)) = set.tuning {
        check_lengths(x, y)?;
        check_width(x, set.x.n_features(), tsc_core::Stage::TimeSeriesModel)?;
        domain(objective, y)?;
    }
    if let Some(weights) = set.weights {
        if weights.len() != set.x.n_samples() {
            let (have, need) = (weights.len(), set.x.n_samples());
            return Err(ModelsError::Length { what: "weights", have, need }.into());
        }
        // Below the smallest normal f32 a weight would turn into 0 on its way to LightGBM.
        let usable = |w: &f64| *w >= f64::from(f32::MIN_POSITIVE) && *w <= f64::from(f32::MAX);
        if let Some(row) = weights.iter().position(|w| !usable(w)) {
            return Err(ModelsError::Value { what: "weight", row, problem: "not positive and finite" }.into());
        }
    }
    offset(set.offset, set.x.n_samples())?;
    match (set.tuning, set.tuning_offset) {
        (Some((x, _)), given) if given.is_some() == set.offset.is_some() => offset(given, x.n_samples())?,
        (None, None) => {}
        _ => {
            let lacking = "tuning samples and training samples of which only one has an offset";
            return Err(ModelsError::Lacks { what: "LightGBM", lacking }.into());
        }
    }
    let fits = |y: Targets<'_>| y.as_slice().iter().position(|v| v.abs() > f64::from(f32::MAX));
    if let Some(row) = fits(set.y).or(set.tuning.and_then(|(_, y)| fits(y))) {
        return Err(
            ModelsError::Value { what: "target", row, problem: "too large for LightGBM's f32" }.into()
        );
    }
    if set.rounds == Some(0) {
        return Err(ModelsError::Lacks { what: "LightGBM", lacking: "0 rounds" }.into());
    }
    Ok(())
}

fn offset(offset: Option<&[f64]>, need: usize) -> Result<()> {
    let Some(offset) = offset else { return Ok(()) };
    if offset.len() != need {
        return Err(ModelsError::Length { what: "offset", have: offset.len(), need }.into());
    }
    match offset.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(row) => Err(ModelsError::Value { what: "offset", row, problem: "not finite" }.into()),
    }
}

fn domain(objective: Objective, y: Targets<'_>) -> Result<()> {
    let (allowed, domain): (fn(f64) -> bool, _) = match objective {
        Objective::Poisson | Objective::Tweedie => (|v| v >= 0.0, "at least 0"),
        Objective::Gamma => (|v| v > 0.0, "above 0"),
        Objective::Binary => (|v| v == 0.0 || v == 1.0, "0 or 1"),
        Objective::CrossEntropy => (|v| (0.0..=1.0).contains(&v), "in [0, 1]"),
        _ => return Ok(()),
    };
    match y.as_slice().iter().position(|&v| !allowed(v)) {
        None => Ok(()),
        Some(row) => Err(ModelsError::TargetDomain { row, objective: objective.name(), domain }.into()),
    }
}

fn warnings_before(backend: &LightGbm, set: &TrainingSet<'_>) -> Vec<FitWarning> {
    let y = set.y.as_slice();
    let mut warnings = Vec::new();
    if y.iter().all(|&v| v == y[0]) {
        warnings.push(FitWarning::ConstantTarget { value: y[0] });
    } else {
        let n = y.len() as f64;
        let mean = y.iter().sum::<f64>() / n;
        let sd = (y.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        let rounding = y.iter().map(|&v| (v - f64::from(v as f32)).abs()).fold(0.0, f64::max);
        if rounding > 1e-6 * sd {
            warnings.push(FitWarning::TargetPrecision { relative_error: rounding / sd });
        }
    }
    let resolved = backend.params.resolved(y.len());
    let number = |key: &str| resolved.get(key).and_then(|text| text.parse::<u32>().ok());
    if let (Some(num_leaves), Some(min_data_in_leaf)) = (number("num_leaves"), number("min_data_in_leaf")) {
        let rows = y.len() as u64;
        if u64::from(num_leaves) * u64::from(min_data_in_leaf) > rows && backend.params.num_leaves.is_some() {
            warnings.push(FitWarning::LeavesCannotFill { num_leaves, min_data_in_leaf, rows });
        }
    }
    warnings
}
