//! What every [`Regressor`] keeps.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};

use tsc_core::{
    ErrorKind, Features, FitOutcome, FittedRegressor, FittedRegressorExt, Loss, Regressor, StopReason,
    Targets, TrainingSet, Watch,
};

use crate::clusterer::queries;
use crate::generators::segmented_regression;
use crate::stored;
use crate::unwinding::must_panic;

/// Runs all checks on 240 samples of three segments with different slopes.
///
/// # Panics
///
/// At the first broken promise, naming it.
pub fn suite<R: Regressor>(regressor: &R) {
    let data = segmented_regression(80, 3, 0.2, 21);
    suite_on(regressor, data.features(), data.targets());
}

/// Runs all checks on samples of the caller's choice.
///
/// # Panics
///
/// At the first broken promise, naming it.
pub fn suite_on<R: Regressor>(regressor: &R, x: Features<'_>, y: Targets<'_>) {
    let fitted = regressor.fit(x, y).unwrap_or_else(|e| panic!("the suite's samples can be fitted: {e:?}"));
    assert_eq!(fitted.n_features(), x.n_features(), "n_features is the training width");
    let again = regressor.fit(x, y).expect("what was fitted once is fitted again");
    assert_eq!(stored::files(&again), stored::files(&fitted), "two fits give the same bits");

    learns_at_least_the_mean(&fitted, x, y);
    constant_targets_are_predicted(regressor, x);
    lengths_must_match(regressor, x, y);
    each_sample_stands_alone(&fitted, x);
    importance_has_one_entry_per_feature(&fitted);
    contributions_add_up(regressor, &fitted, x);
    fit_set_keeps_its_word(regressor, &fitted, x, y);
    stored::suite(&fitted, &|kind, files| regressor.restore(kind, files), &|f| {
        let mut bits = vec![f.n_features() as u64];
        // A damaged file may declare another width; then there is nothing to ask.
        if f.n_features() == x.n_features() {
            bits.extend(f.predict(x).iter().flatten().map(|v| v.to_bits()));
        }
        bits
    });
}

fn learns_at_least_the_mean(fitted: &impl FittedRegressor, x: Features<'_>, y: Targets<'_>) {
    let predicted = fitted.predict(x).expect("training samples have the training width");
    assert!(predicted.iter().all(|v| v.is_finite()), "predictions of finite samples are finite");
    let mean = y.as_slice().iter().sum::<f64>() / y.len() as f64;
    let of_mean: f64 = y.as_slice().iter().map(|t| (t - mean).powi(2)).sum();
    let of_model: f64 = y.as_slice().iter().zip(&predicted).map(|(t, p)| (t - p).powi(2)).sum();
    assert!(of_model <= of_mean * (1.0 + 1e-6), "training predictions are no worse than the mean");
}

fn constant_targets_are_predicted<R: Regressor>(regressor: &R, x: Features<'_>) {
    let constant = vec![42.5; x.n_samples()];
    let y = Targets::new(&constant).expect("finite");
    let fitted = regressor.fit(x, y).unwrap_or_else(|e| panic!("a constant target can be fitted: {e:?}"));
    let predicted = fitted.predict(x).expect("the training width");
    assert!(predicted.iter().all(|p| (p - 42.5).abs() < 42.5e-5), "a constant target is predicted");
}

fn lengths_must_match<R: Regressor>(regressor: &R, x: Features<'_>, y: Targets<'_>) {
    let short = Targets::new(&y.as_slice()[1..]).expect("finite");
    let error = regressor.fit(x, short).expect_err("targets of another length are an error");
    assert_eq!(error.kind(), ErrorKind::InvalidData, "targets of another length are InvalidData: {error:?}");
}

fn each_sample_stands_alone(fitted: &impl FittedRegressor, training: Features<'_>) {
    let queries = queries(training);
    let x = Features::new(&queries, training.n_features()).expect("queries are finite");
    let whole = fitted.predict(x).expect("queries have the training width");
    for size in [1, 7] {
        for start in (0..x.n_samples()).step_by(size) {
            let end = (start + size).min(x.n_samples());
            let part = fitted.predict(x.slice(start..end)).expect("a chunk is predicted like the whole");
            let same = part.iter().zip(&whole[start..end]).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "a sample's result depends on that sample alone (samples {start}..{end})");
        }
    }

    let wide = vec![0.5; 3 * (x.n_features() + 1)];
    let wide = Features::new(&wide, x.n_features() + 1).expect("a finite matrix");
    let mut out = [-7.25; 3];
    let error = fitted.predict_into(wide, &mut out).expect_err("another width is an error");
    assert_eq!(error.kind(), ErrorKind::InvalidData, "another width is an InvalidData error: {error:?}");
    assert_eq!(out, [-7.25; 3], "an error leaves `out` untouched");

    for length in [x.n_samples() - 1, x.n_samples() + 1] {
        must_panic("an `out` of another length panics", || fitted.predict_into(x, &mut vec![0.0; length]));
    }
}

fn importance_has_one_entry_per_feature(fitted: &impl FittedRegressor) {
    let Some(importance) = fitted.feature_importance() else { return };
    for column in [&importance.split, &importance.gain] {
        assert_eq!(column.len(), fitted.n_features(), "importance has one entry per feature");
        assert!(column.iter().all(|v| v.is_finite() && *v >= 0.0), "importance is finite and not negative");
    }
}

fn contributions_add_up<R: Regressor>(regressor: &R, fitted: &R::Fitted, x: Features<'_>) {
    let x = x.slice(0..x.n_samples().min(20));
    let width = x.n_features() + 1;
    let mut out = vec![0.0; x.n_samples() * width];
    if !regressor.capabilities().contributions {
        let error = fitted.contributions_into(x, &mut out).expect_err("contributions were not promised");
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "missing contributions are InvalidConfig");
        return;
    }
    fitted.contributions_into(x, &mut out).unwrap_or_else(|e| panic!("contributions were promised: {e:?}"));
    let predicted = fitted.predict(x).expect("the training width");
    for (row, p) in out.chunks_exact(width).zip(predicted) {
        let sum: f64 = row.iter().sum();
        assert!((sum - p).abs() <= 1e-6 * p.abs().max(1.0), "contributions add up to the prediction");
    }
    must_panic("contributions into another length panic", || {
        fitted.contributions_into(x, &mut vec![0.0; x.n_samples() * width + 1])
    });
}

fn fit_set_keeps_its_word<R: Regressor>(regressor: &R, fitted: &R::Fitted, x: Features<'_>, y: Targets<'_>) {
    let plain = TrainingSet::new(x, y).expect("lengths match");
    let outcome = regressor.fit_set(&plain, &Watch::NONE).expect("the plain case is always served");
    assert_eq!(stored::files(&outcome.model), stored::files(fitted), "fit_set without extras is fit");

    let can = regressor.capabilities();
    let weights = vec![1.0; x.n_samples()];
    let cases = [
        (can.weights, "weights", TrainingSet { weights: Some(&weights), ..plain }),
        (can.offset, "an offset", TrainingSet { offset: Some(&weights), ..plain }),
        (can.early_stopping, "early stopping", TrainingSet { tuning: Some((x, y)), ..plain }),
        (can.quantile, "quantile loss", TrainingSet { loss: Loss::Quantile(0.5), ..plain }),
    ];
    for (promised, what, set) in cases {
        match regressor.fit_set(&set, &Watch::NONE) {
            Ok(outcome) => {
                assert!(promised, "{what} is not a capability, yet it was not refused");
                let predicted = outcome.model.predict(x).expect("the training width");
                assert!(predicted.iter().all(|v| v.is_finite()), "predictions with {what} are finite");
            }
            Err(error) => {
                assert!(!promised, "{what} is a capability: {error:?}");
                assert_eq!(
                    error.kind(),
                    ErrorKind::InvalidConfig,
                    "missing {what} is InvalidConfig: {error:?}"
                );
            }
        }
    }

    if can.early_stopping {
        cut_is_a_fit_of_fewer_rounds(regressor, &TrainingSet { tuning: Some((x, y)), ..plain });
    }

    let asked = AtomicU32::new(0);
    let stop = |_: &tsc_core::Progress| {
        asked.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Break(StopReason::Cancelled)
    };
    let stopped = regressor.fit_set(&plain, &Watch(&stop));
    assert!(asked.load(Ordering::Relaxed) == 0 || stopped.is_err(), "a stopped fit is an error");
}

fn cut_is_a_fit_of_fewer_rounds<R: Regressor>(regressor: &R, set: &TrainingSet<'_>) {
    let FitOutcome { mut model, best_round, .. } =
        regressor.fit_set(set, &Watch::NONE).expect("early stopping was promised");
    for rounds in [best_round, best_round / 2 + 1] {
        model.cut(rounds);
        let fewer = TrainingSet { tuning: None, rounds: Some(rounds), ..*set };
        let fitted = regressor.fit_set(&fewer, &Watch::NONE).expect("a fixed number of rounds").model;
        let predicted = |model: &R::Fitted| model.predict(set.x).expect("the training width");
        assert_eq!(
            predicted(&model),
            predicted(&fitted),
            "cut at a round gives the model of that many rounds"
        );
    }
}

#[cfg(test)]
mod tests;
