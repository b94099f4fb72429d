use tsc_core::{ErrorKind, MemoryArtifacts, Save};

use super::*;
use crate::golden;

#[test]
fn broken_parameters_are_all_named_at_once() {
    let params = GbmParams { num_leaves: Some(1), lambda_l1: Some(-1.0), ..GbmParams::default() };
    let error = LightGbm::new(params).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidConfig, "TSC-MOD-002"));
    let expected = "lambda_l1 is -1, must be at least 0 and finite; num_leaves is 1, must be at least 2";
    assert_eq!(error.to_string(), expected);
}

/// M-02: a model of any build is restored and scored by every build.
#[test]
fn a_stored_model_is_restored_by_the_description() {
    let model = GbdtModel::parse(&golden::text("score_numeric.txt")).unwrap();
    let mut files = MemoryArtifacts::new();
    model.save(&mut files).unwrap();
    let backend = LightGbm::new(GbmParams::default()).unwrap();
    let again = backend.restore(&model.kind().into(), &files).unwrap();
    let row = [0.1, 0.2, 0.3, 0.4, 0.5];
    assert_eq!(again.predict_one(&row).unwrap(), model.predict_one(&row).unwrap());
    let newer = StoredKind { name: "lightgbm".into(), version: 2 };
    assert_eq!(backend.restore(&newer, &files).unwrap_err().code(), "TSC-ART-001");
}

/// M-02: the backend is never replaced silently.
#[cfg(not(feature = "lightgbm"))]
#[test]
fn fitting_without_the_feature_is_an_error_naming_it() {
    let backend = LightGbm::new(GbmParams::default()).unwrap();
    let error =
        backend.fit(Features::new(&[1.0, 2.0], 1).unwrap(), Targets::new(&[1.0, 2.0]).unwrap()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidConfig, "TSC-MOD-003"));
    assert!(error.to_string().contains("`lightgbm`"));
}

#[cfg(feature = "lightgbm")]
mod training {
    use std::collections::{BTreeMap, BTreeSet};
    use std::ops::ControlFlow;

    use serde::Deserialize;
    use tsc_core::{FitWarning, FittedRegressor, FittedRegressorExt, Loss, RegressorExt, StopReason};

    use super::super::ffi::oracle;
    use super::*;
    use crate::params::Objective;

    #[derive(Deserialize)]
    struct Rows {
        n_features: usize,
        x: Vec<f64>,
        y: Vec<f64>,
        weights: Vec<f64>,
        tuning_x: Vec<f64>,
        tuning_y: Vec<f64>,
        noise_y: Vec<f64>,
        noise_tuning_y: Vec<f64>,
    }

    #[derive(Deserialize)]
    struct Case {
        params: GbmParams,
        rows: usize,
        best_round: u32,
        curves: BTreeMap<String, Vec<f64>>,
    }

    fn rows() -> Rows {
        golden::json("training_rows.json")
    }

    fn fit_case(name: &str) -> (Case, FitOutcome<GbdtModel>) {
        let rows = rows();
        let case: Case = golden::json(&format!("train_{name}.json"));
        let backend = LightGbm::new(case.params.clone().with_auto_size(false)).unwrap();
        let (y, tuning_y) =
            if name == "noise" { (&rows.noise_y, &rows.noise_tuning_y) } else { (&rows.y, &rows.tuning_y) };
        let mut cells = rows.x[..case.rows * rows.n_features].to_vec();
        if name == "categorical" {
            // What the generator does to the first column.
            cells.iter_mut().step_by(4).for_each(|cell| *cell = (4.0 * (*cell + 4.0)).floor());
        }
        let x = Features::new(&cells, rows.n_features).unwrap();
        let tuning =
            (Features::new(&rows.tuning_x, rows.n_features).unwrap(), Targets::new(tuning_y).unwrap());
        let set = TrainingSet {
            weights: (name == "weights").then_some(rows.weights.as_slice()),
            tuning: (!case.curves.is_empty()).then_some(tuning),
            ..TrainingSet::new(x, Targets::new(&y[..case.rows]).unwrap()).unwrap()
        };
        let outcome = backend.fit_set(&set, &Watch::NONE).unwrap();
        (case, outcome)
    }

    /// C3, C4, M-19, F-20: the trees of Python's `lightgbm.train` on the same rows, byte for byte.
    #[test]
    fn trees_are_pythons() {
        for name in [
            "plain",
            "first_40_rows",
            "weights",
            "early_stopping",
            "noise",
            "two_metrics",
            "quantile",
            "preset_small",
            "preset_medical",
            "categorical",
        ] {
            let (case, outcome) = fit_case(name);
            let theirs = golden::text(&format!("train_{name}.txt"));
            let best = outcome.model.truncated(outcome.best_round);
            assert_eq!(golden::trees(best.text()), golden::trees(&theirs), "{name}");
            assert_eq!(golden::importances(best.text()), golden::importances(&theirs), "{name}");
            assert_eq!(outcome.best_round, case.best_round, "{name}");
            let ours: BTreeMap<String, Vec<f64>> =
                outcome.history.into_iter().map(|c| (c.metric, c.values)).collect();
            assert_eq!(ours, case.curves, "{name}");
        }
    }

    /// A fold that stopped early is scored at any round it trained, and at its last one beyond that.
    #[test]
    fn a_cut_model_scores_like_lightgbm_at_that_round() {
        let rows = rows();
        let x = Features::new(&rows.tuning_x, rows.n_features).unwrap();
        let (_, outcome) = fit_case("early_stopping");
        let trained = outcome.history[0].values.len() as u32;
        assert!(outcome.best_round < trained && outcome.model.n_trees() == trained as usize);
        for round in [1, outcome.best_round - 2, outcome.best_round, trained, trained + 9] {
            let theirs = oracle::predict(outcome.model.text(), &rows.tuning_x, 4, round as i32);
            assert_eq!(outcome.model.truncated(round).predict(x).unwrap(), theirs, "{round}");
        }
    }

    /// Section 8: a blend is one text that LightGBM loads and predicts the weighted sum of.
    #[test]
    fn a_blend_is_the_weighted_sum_to_lightgbm_too() {
        let rows = rows();
        let models = ["plain", "early_stopping", "weights"].map(|name| fit_case(name).1.model);
        let parts = [(0.5, &models[0]), (0.2, &models[1]), (0.3, &models[2])];
        let blend = GbdtModel::blend(&parts).unwrap();
        let x = Features::new(&rows.tuning_x, rows.n_features).unwrap();
        let theirs = oracle::predict(blend.text(), &rows.tuning_x, rows.n_features, -1);
        assert_eq!(blend.predict(x).unwrap(), theirs);
        let each = parts.map(|(_, model)| oracle::predict(model.text(), &rows.tuning_x, rows.n_features, -1));
        for (row, value) in theirs.iter().enumerate() {
            let expected: f64 = parts.iter().zip(&each).map(|((weight, _), each)| weight * each[row]).sum();
            assert!((value - expected).abs() <= 4e-15 * expected.abs().max(1.0), "{value} {expected}");
        }
    }

    /// The raw score that a fit starts from is what `init_score` is in Python; tuning rows have their own.
    #[test]
    fn an_offset_is_left_to_the_caller() {
        let rows = rows();
        let x = Features::new(&rows.x, rows.n_features).unwrap();
        let tuning_x = Features::new(&rows.tuning_x, rows.n_features).unwrap();
        let (_, first) = fit_case("plain");
        let (offset, tuning_offset) =
            (first.model.predict(x).unwrap(), first.model.predict(tuning_x).unwrap());
        let set = TrainingSet {
            offset: Some(&offset),
            tuning: Some((tuning_x, Targets::new(&rows.tuning_y).unwrap())),
            tuning_offset: Some(&tuning_offset),
            ..TrainingSet::new(x, Targets::new(&rows.y).unwrap()).unwrap()
        };
        let backend = LightGbm::new(GbmParams::default()).unwrap();
        let outcome = backend.fit_set(&set, &Watch::NONE).unwrap();
        let rmse = |added: &[f64]| {
            let sum =
                tuning_offset.iter().zip(added).zip(&rows.tuning_y).map(|((o, a), y)| (o + a - y).powi(2));
            (sum.sum::<f64>() / rows.tuning_y.len() as f64).sqrt()
        };
        let added = outcome.model.truncated(1).predict(tuning_x).unwrap();
        assert!(
            (outcome.history[0].values[0] - rmse(&added)).abs() < 1e-6,
            "LightGBM measures in f32 targets"
        );

        let code = |set: TrainingSet<'_>| backend.fit_set(&set, &Watch::NONE).unwrap_err().code();
        assert_eq!(code(TrainingSet { tuning_offset: None, ..set }), "TSC-MOD-014");
        assert_eq!(code(TrainingSet { tuning: None, ..set }), "TSC-MOD-014");
        assert_eq!(code(TrainingSet { offset: Some(&[1.0]), ..set }), "TSC-MOD-011");
        let broken = vec![f64::NAN; offset.len()];
        assert_eq!(code(TrainingSet { offset: Some(&broken), ..set }), "TSC-MOD-011");
    }

    /// M-28: the trees of Python's `init_model` and `Booster.refit`.
    #[test]
    fn warm_starts_are_pythons() {
        let rows = rows();
        let x = Features::new(&rows.x[120 * rows.n_features..], rows.n_features).unwrap();
        let set = TrainingSet {
            weights: Some(&rows.weights[120..]),
            ..TrainingSet::new(x, Targets::new(&rows.y[120..]).unwrap()).unwrap()
        };
        let params = GbmParams { num_leaves: Some(7), min_data_in_leaf: Some(5), ..GbmParams::time_series() };
        let backend = LightGbm::new(params.clone().with_auto_size(false)).unwrap();
        assert!(backend.capabilities().continuation);
        let first = GbdtModel::parse(&golden::text("warm_first.txt")).unwrap();
        let continued = backend.continue_from(&first, &set, 4).unwrap();
        assert_eq!(golden::trees(continued.text()), golden::trees(&golden::text("warm_continued.txt")));
        assert_eq!(
            golden::importances(continued.text()),
            golden::importances(&golden::text("warm_continued.txt"))
        );
        let refitted = backend.refit_leaves(&first, &set, 0.7).unwrap();
        assert_eq!(golden::trees(refitted.text()), golden::trees(&golden::text("warm_refitted.txt")));

        let quantile =
            LightGbm::new(GbmParams { objective: Some(Objective::Quantile), ..params.clone() }).unwrap();
        let error = quantile.continue_from(&first, &set, 4).unwrap_err();
        let expected = "models cannot be put together: objective quantile of one is regression of the other";
        assert_eq!(error.to_string(), expected);
        assert_eq!(quantile.refit_leaves(&first, &set, 0.7).unwrap_err().to_string(), expected);
        let narrow = GbdtModel::parse(&golden::text("score_stump.txt")).unwrap();
        assert_eq!(backend.continue_from(&narrow, &set, 4).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(backend.refit_leaves(&first, &set, 1.5).unwrap_err().code(), "TSC-MOD-014");
        let dart = GbmParams { boosting: Some(Boosting::Dart), ..params };
        assert_eq!(
            LightGbm::new(dart).unwrap().continue_from(&first, &set, 4).unwrap_err().code(),
            "TSC-MOD-014"
        );
    }

    /// More rounds that find no split leave the model as it was.
    #[test]
    fn rounds_that_learn_nothing_are_not_added() {
        let rows = rows();
        let x = Features::new(&rows.x[..30 * 4], 4).unwrap();
        let set = TrainingSet::new(x, Targets::new(&rows.y[..30]).unwrap()).unwrap();
        let first = GbdtModel::parse(&golden::text("warm_first.txt")).unwrap();
        let params = GbmParams { min_data_in_leaf: Some(20), ..GbmParams::time_series() };
        let backend = LightGbm::new(params).unwrap();
        assert_eq!(backend.continue_from(&first, &set, 5).unwrap().text(), first.text());
    }

    /// F-20, M-19: early stopping watches held-out rows, so pure noise stops within patience + 10.
    #[test]
    fn noise_stops_early() {
        let (case, outcome) = fit_case("noise");
        let patience = case.params.early_stopping_round.unwrap() as usize;
        assert!(outcome.history[0].values.len() <= patience + 10);
        assert!(outcome.best_round <= 10);
    }

    /// M-04: the alias table is LightGBM's own.
    #[test]
    fn the_alias_table_is_lightgbms() {
        let theirs: BTreeMap<String, BTreeSet<String>> =
            serde_json::from_str(&oracle::parameter_aliases()).unwrap();
        let ours: BTreeMap<String, BTreeSet<String>> = crate::params::PARAMETERS
            .iter()
            .map(|p| (p.name.to_owned(), p.aliases.iter().map(|&a| a.to_owned()).collect()))
            .collect();
        assert_eq!(ours, theirs);
        assert_eq!(ours.values().map(BTreeSet::len).sum::<usize>(), 167);
    }

    /// C2: what is trained here scores to LightGBM's own bits.
    #[test]
    fn own_models_score_to_lightgbms_bits() {
        let rows = rows();
        for name in ["plain", "quantile", "first_40_rows"] {
            let (_, outcome) = fit_case(name);
            let x = Features::new(&rows.tuning_x, rows.n_features).unwrap();
            let text = outcome.model.text();
            let theirs = oracle::predict(text, &rows.tuning_x, rows.n_features, -1);
            assert_eq!(outcome.model.predict(x).unwrap(), theirs, "{name}");
            assert_eq!(golden::trees(&oracle::saved_again(text)), golden::trees(text), "{name}");
        }
        // Categories, NaN and zeros on Python's texts, with rows the golden files do not hold.
        for name in ["categorical", "nan", "zero_as_missing", "rf", "poisson"] {
            let text = golden::text(&format!("score_{name}.txt"));
            let model = GbdtModel::parse(&text).unwrap();
            let cells: Vec<f64> = (0..5 * 300)
                .map(|i| match i * 7919 % 23 {
                    0 => f64::NAN,
                    1 => 0.0,
                    k => (f64::from(i * 104_729 % 1009) - 400.0) / f64::from(10 + k),
                })
                .collect();
            let ours: Vec<u64> =
                cells.chunks(5).map(|row| model.predict_one(row).unwrap().to_bits()).collect();
            let theirs: Vec<u64> =
                oracle::predict(&text, &cells, 5, -1).iter().map(|v| v.to_bits()).collect();
            assert_eq!(ours, theirs, "{name}");
        }
    }

    #[test]
    fn the_conformance_suite_passes() {
        let backend = LightGbm::new(GbmParams::time_series()).unwrap();
        tsc_testing::regressor::suite(&backend);
        tsc_testing::regressor::suite(&backend.boxed());
        tsc_testing::regressor::suite(&LightGbm::new(GbmParams::resource()).unwrap());
    }

    /// M-06: the model's own parameter block shows what was set.
    #[test]
    fn the_parameter_block_shows_what_was_set() {
        let (_, outcome) = fit_case("preset_medical");
        for line in [
            "[num_leaves: 50]",
            "[learning_rate: 0.04]",
            "[lambda_l1: 0.1]",
            "[lambda_l2: 0.1]",
            "[min_data_in_leaf: 15]",
            "[feature_fraction: 0.9]",
            "[bagging_fraction: 0.8]",
            "[bagging_freq: 5]",
            "[seed: 42]",
            "[num_threads: 1]",
            "[deterministic: 1]",
            "[force_col_wise: 1]",
        ] {
            assert!(outcome.model.text().contains(line), "{line}");
        }
    }

    /// M-07, trap 1: a small leaf must reach the Dataset too, or 30 rows train nothing.
    #[test]
    fn thirty_rows_learn_with_small_leaves() {
        let x: Vec<f64> = (0..30).map(f64::from).collect();
        let y: Vec<f64> = x.iter().map(|v| f64::from(u8::from(*v > 12.0))).collect();
        let mut params = GbmParams { num_iterations: Some(20), ..GbmParams::time_series() };
        let fit = |params: &GbmParams| {
            let set = TrainingSet::new(Features::new(&x, 1).unwrap(), Targets::new(&y).unwrap()).unwrap();
            LightGbm::new(params.clone()).unwrap().fit_set(&set, &Watch::NONE).unwrap()
        };
        params.min_data_in_leaf = Some(2);
        let learned = fit(&params);
        assert_eq!((learned.best_round, learned.model.n_trees(), learned.model.splits()), (20, 20, true));
        params.min_data_in_leaf = Some(20);
        let constant = fit(&params);
        assert!(constant.warnings.contains(&FitWarning::NothingLearned), "{:?}", constant.warnings);
    }

    #[test]
    fn what_cannot_be_trained_is_named() {
        let x = [1.0, 2.0, 3.0, 4.0];
        let x = Features::new(&x, 1).unwrap();
        let with = |objective: &str| {
            let mut params = GbmParams::default();
            params.set("objective", objective);
            LightGbm::new(params).unwrap()
        };
        let fit = |objective: &str, y: &[f64]| with(objective).fit(x, Targets::new(y).unwrap()).unwrap_err();
        let error = fit("poisson", &[1.0, 2.0, -3.0, 4.0]);
        assert_eq!(
            error.to_string(),
            "the target of row 2 is outside the domain of objective poisson: at least 0"
        );
        assert_eq!(fit("gamma", &[1.0, 2.0, 0.0, 4.0]).code(), "TSC-MOD-005");
        assert_eq!(fit("binary", &[1.0, 0.0, 0.0, 0.5]).code(), "TSC-MOD-005");
        assert_eq!(fit("cross_entropy", &[1.0, 0.0, 0.0, 1.5]).code(), "TSC-MOD-005");
        assert_eq!(fit("regression", &[1.0, 0.0, 0.0, 1e39]).code(), "TSC-MOD-011");
        assert_eq!(fit("regression", &[1.0, 0.0]).code(), "TSC-DAT-016");
        let set = TrainingSet::new(x, Targets::new(&[1.0, 2.0, 3.0, 4.0]).unwrap()).unwrap();
        let fit = |set: &TrainingSet<'_>| with("regression").fit_set(set, &Watch::NONE).unwrap_err();
        assert_eq!(fit(&TrainingSet { weights: Some(&[1.0]), ..set }).code(), "TSC-MOD-011");
        assert_eq!(fit(&TrainingSet { weights: Some(&[1.0, 1.0, 0.0, 1.0]), ..set }).code(), "TSC-MOD-011");
        assert_eq!(fit(&TrainingSet { loss: Loss::Quantile(1.0), ..set }).code(), "TSC-MOD-014");
        assert_eq!(fit(&TrainingSet { rounds: Some(0), ..set }).code(), "TSC-MOD-014");
        let mut wrong = GbmParams::default();
        wrong.set("monotone_constraints", "1,1,1");
        let error = LightGbm::new(wrong).unwrap().fit_set(&set, &Watch::NONE).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Training, "TSC-MOD-004"));
    }

    #[test]
    fn a_watch_stops_the_fit() {
        let rows = rows();
        let x = Features::new(&rows.x, rows.n_features).unwrap();
        let set = TrainingSet::new(x, Targets::new(&rows.y).unwrap()).unwrap();
        let stop = |p: &tsc_core::Progress| {
            if p.round >= 20 { ControlFlow::Break(StopReason::Deadline) } else { ControlFlow::Continue(()) }
        };
        let error = LightGbm::new(GbmParams::default()).unwrap().fit_set(&set, &Watch(&stop)).unwrap_err();
        assert_eq!(error.to_string(), "the fit was stopped: deadline");
    }

    const CHILD: &str = "TSC_TEST_SILENT_CHILD";

    /// M-09: no word of LightGBM on standard output, from any thread, at the loudest level, on any error.
    #[test]
    fn nothing_is_printed_on_standard_output() {
        if std::env::var_os(CHILD).is_some() {
            return train_loudly();
        }
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "lightgbm::tests::training::nothing_is_printed_on_standard_output",
                "--nocapture",
            ])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{printed}");
        assert!(printed.contains("1 passed"), "the child ran: {printed}");
        assert!(!printed.contains("LightGBM"), "{printed}");
    }

    fn train_loudly() {
        use rayon::prelude::*;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        pool.install(|| {
            (0..6).into_par_iter().for_each(|i| {
                let rows = rows();
                let x = Features::new(&rows.x, rows.n_features).unwrap();
                let set = TrainingSet::new(x, Targets::new(&rows.y).unwrap()).unwrap();
                let mut params = GbmParams { verbosity: Some(3), ..GbmParams::default() };
                if i % 3 == 0 {
                    params.set("monotone_constraints", "1,1,1");
                } else if i % 3 == 1 {
                    params.min_data_in_leaf = Some(1_000);
                }
                let outcome = LightGbm::new(params).unwrap().fit_set(&set, &Watch::NONE);
                assert_eq!(outcome.is_err(), i % 3 == 0);
            });
        });
    }

    /// C5, M-26: scoring and contributions of many rows are cut into tasks, and the bits do not tell.
    #[test]
    fn scores_do_not_depend_on_the_threads() {
        let (_, outcome) = fit_case("plain");
        let cells: Vec<f64> = rows().x.iter().copied().cycle().take(4 * 5_000).collect();
        let x = Features::new(&cells, 4).unwrap();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut shares = vec![f64::NAN; 100 * 5];
            pool.install(|| outcome.model.contributions_into(x.slice(0..100), &mut shares)).unwrap();
            (pool.install(|| outcome.model.predict(x)).unwrap(), shares)
        };
        let one = on(1);
        assert!(on(2) == one && on(16) == one);
        assert_eq!(one.0, oracle::predict(outcome.model.text(), &cells, 4, -1));
    }

    /// C5 in part, M-26: threads that train at the same time do not disturb each other.
    #[test]
    fn parallel_boosters_give_the_same_text() {
        use rayon::prelude::*;
        let alone = fit_case("early_stopping").1.model;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap();
        let together: Vec<String> = pool.install(|| {
            (0..24).into_par_iter().map(|_| fit_case("early_stopping").1.model.text().to_owned()).collect()
        });
        assert!(together.iter().all(|text| text == alone.text()));
    }

    #[test]
    fn warnings_carry_their_numbers() {
        let x: Vec<f64> = (0..40).map(f64::from).collect();
        let set = |y: &[f64]| {
            let backend = LightGbm::new(GbmParams { num_leaves: Some(31), ..GbmParams::default() }).unwrap();
            let set = TrainingSet::new(Features::new(&x, 1).unwrap(), Targets::new(y).unwrap()).unwrap();
            backend.fit_set(&set, &Watch::NONE).unwrap().warnings
        };
        let constant = set(&[2.5; 40]);
        assert!(constant.contains(&FitWarning::ConstantTarget { value: 2.5 }), "{constant:?}");
        let cannot_fill = FitWarning::LeavesCannotFill { num_leaves: 31, min_data_in_leaf: 5, rows: 40 };
        assert!(constant.contains(&cannot_fill), "{constant:?}");
        let far: Vec<f64> = (0..40).map(|i| 1e8 + f64::from(i % 2)).collect();
        let found = set(&far)
            .into_iter()
            .any(|w| matches!(w, FitWarning::TargetPrecision { relative_error } if relative_error > 0.5));
        assert!(found, "1e8 + 1 is not an f32");
    }
}
