use tsc_core::{FittedRegressor, MemoryArtifacts, Save};

use super::*;

#[test]
fn broken_settings_are_all_named_at_once() {
    let params = LinearParams { penalty: Some(-1.0), l1_ratio: 1.5, max_iterations: 0, tolerance: 0.0 };
    assert_eq!(
        Linear::new(params).unwrap_err().to_string(),
        "penalty is -1, must be at least 0 and finite; l1_ratio is 1.5, must be in [0, 1]; \
         max_iterations is 0, must be at least 1; tolerance is 0, must be in (0, 1)"
    );
}

/// A bundle with a linear model loads and scores in every build.
#[test]
fn a_stored_model_scores_without_linfa() {
    let mut files = MemoryArtifacts::new();
    files.overwrite(
        "model.json",
        br#"{"penalty":0.1,"intercept":1.0,"coefficients":[2.0,-0.5],"means":[1.0,4.0],"deviations":[1.0,2.0]}"#
            .to_vec(),
    );
    let linear = Linear::new(LinearParams::default()).unwrap();
    let stored = StoredKind { name: "linear".into(), version: 1 };
    let fitted = linear.restore(&stored, &files).unwrap();
    let x = Features::new(&[3.0, 2.0], 2).unwrap();
    let (mut value, mut parts) = ([0.0], [0.0; 3]);
    fitted.predict_into(x, &mut value).unwrap();
    fitted.contributions_into(x, &mut parts).unwrap();
    assert_eq!((value, parts), ([6.0], [4.0, 1.0, 1.0]));
    assert_eq!(fitted.feature_importance().unwrap().gain.as_ref(), [2.0, 1.0]);
    assert_eq!(fitted.kind().name, "linear");

    for (from, to) in
        [("[1.0,4.0]", "[1.0]"), ("[2.0,-0.5]", "[]"), ("0.1", "1e999"), ("\"penalty\"", "\"x\"")]
    {
        let text = String::from_utf8(files.get("model.json").unwrap()).unwrap().replacen(from, to, 1);
        let mut broken = MemoryArtifacts::new();
        broken.overwrite("model.json", text.into_bytes());
        assert_eq!(linear.restore(&stored, &broken).unwrap_err().code(), "TSC-ART-003", "{from}");
    }
}

#[cfg(not(feature = "linear"))]
#[test]
fn fitting_without_the_feature_is_an_error_naming_it() {
    let linear = Linear::new(LinearParams::default()).unwrap();
    let x = Features::new(&[1.0, 2.0], 1).unwrap();
    let error = linear.fit(x, Targets::new(&[1.0, 2.0]).unwrap()).unwrap_err();
    assert_eq!(error.code(), "TSC-MOD-003");
    assert!(error.to_string().contains("`linear`"));
}

#[cfg(feature = "linear")]
mod fitting {
    use serde::Deserialize;
    use tsc_core::{FitWarning, FittedRegressor, FittedRegressorExt, RegressorExt};

    use super::super::*;
    use crate::golden;

    #[derive(Deserialize)]
    struct Golden {
        n_features: usize,
        x: Vec<f64>,
        y: Vec<f64>,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        penalty: f64,
        l1_ratio: f64,
        coefficients: Vec<f64>,
        intercept: f64,
    }

    /// M-25: coefficients of scikit-learn's `ElasticNet` and `LinearRegression`; a constant column gets 0.
    #[test]
    fn coefficients_are_scikit_learns() {
        let golden: Golden = golden::json("elastic_net.json");
        let x = Features::new(&golden.x, golden.n_features).unwrap();
        let y = Targets::new(&golden.y).unwrap();
        for case in &golden.cases {
            let params = LinearParams {
                penalty: Some(case.penalty),
                l1_ratio: case.l1_ratio,
                max_iterations: 100_000,
                tolerance: 1e-12,
            };
            let fitted = Linear::new(params).unwrap().fit(x, y).unwrap();
            for (ours, theirs) in fitted.coefficients().iter().zip(&case.coefficients) {
                assert!((ours - theirs).abs() <= 1e-6, "penalty {}: {ours} {theirs}", case.penalty);
            }
            assert!((fitted.intercept() - case.intercept).abs() <= 1e-6);
            assert_eq!(fitted.coefficients()[4], 0.0);
        }
        assert_eq!(golden.cases.len(), 4);
    }

    #[test]
    fn the_conformance_suite_passes() {
        let path = Linear::new(LinearParams::default()).unwrap();
        tsc_testing::regressor::suite(&path);
        tsc_testing::regressor::suite(&path.boxed());
        let fixed = LinearParams { penalty: Some(0.05), ..LinearParams::default() };
        tsc_testing::regressor::suite(&Linear::new(fixed).unwrap());
    }

    /// The path starts where every coefficient is 0, and tuning samples choose a step of it.
    #[test]
    fn tuning_samples_choose_the_penalty() {
        let golden: Golden = golden::json("elastic_net.json");
        let x = Features::new(&golden.x, golden.n_features).unwrap();
        let set = TrainingSet::new(x.slice(0..40), Targets::new(&golden.y[..40]).unwrap()).unwrap();
        let tuning = (x.slice(40..60), Targets::new(&golden.y[40..]).unwrap());
        let linear = Linear::new(LinearParams::default()).unwrap();
        let mut chosen = linear.fit_set(&TrainingSet { tuning: Some(tuning), ..set }, &Watch::NONE).unwrap();
        assert_eq!(chosen.history[0].values.len(), 20);
        let least = chosen.history[0].values.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(chosen.history[0].values[chosen.best_round as usize - 1], least);
        chosen.model.cut(chosen.best_round);
        let again = TrainingSet { rounds: Some(chosen.best_round), ..set };
        let again = linear.fit_set(&again, &Watch::NONE).unwrap().model;
        assert_eq!(again.coefficients(), chosen.model.coefficients());
        let start = linear.fit_set(&TrainingSet { rounds: Some(1), ..set }, &Watch::NONE).unwrap().model;
        assert!(start.coefficients().iter().all(|c| c.abs() < 1e-9), "{:?}", start.coefficients());
        let second = linear.fit_set(&TrainingSet { rounds: Some(2), ..set }, &Watch::NONE).unwrap().model;
        assert!(second.coefficients().iter().any(|c| c.abs() > 1e-3));
    }

    #[test]
    fn what_cannot_be_fitted_is_named() {
        let x = Features::new(&[1.0, 2.0, 3.0, 2.0, 1.0, 5.0], 3).unwrap();
        let y = Targets::new(&[1.0, 2.0]).unwrap();
        let at = |penalty| Linear::new(LinearParams { penalty, ..LinearParams::default() }).unwrap();
        let error = at(Some(0.0)).fit(x, y).unwrap_err();
        assert_eq!(error.to_string(), "2 rows for least squares, needs 4");
        let set = TrainingSet { tuning: Some((x, y)), ..TrainingSet::new(x, y).unwrap() };
        assert_eq!(at(Some(0.1)).fit_set(&set, &Watch::NONE).unwrap_err().code(), "TSC-MOD-014");
        let few = LinearParams { penalty: Some(1e-6), max_iterations: 1, ..LinearParams::default() };
        let set = TrainingSet::new(x, y).unwrap();
        let outcome = Linear::new(few).unwrap().fit_set(&set, &Watch::NONE).unwrap();
        assert_eq!(outcome.warnings, [FitWarning::NotConverged { iterations: 1 }]);
        assert!(outcome.model.predict(x).unwrap().iter().all(|v| v.is_finite()));
    }
}
