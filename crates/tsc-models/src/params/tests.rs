use super::*;

fn table(text: &str) -> GbmParams {
    serde_json::from_str(text).unwrap()
}

#[track_caller]
fn refuses(text: &str, expected: &str) {
    let found: Vec<String> = table(text).check().iter().map(ToString::to_string).collect();
    assert_eq!(found, [expected], "for {text}");
}

/// M-06: the seed's two parameter sets parse unchanged and take effect.
#[test]
fn the_seeds_parameters_take_effect() {
    let seed = r#"{"objective":"regression","metric":"rmse","boosting_type":"gbdt","num_leaves":31,
        "learning_rate":0.05,"feature_fraction":0.9,"bagging_fraction":0.8,"bagging_freq":5,"verbose":-1,
        "random_state":42,"n_estimators":100,"early_stopping_rounds":50}"#;
    let params = table(seed);
    assert_eq!(params.check(), []);
    assert_eq!(params.extra, BTreeMap::new());
    let defaults = GbmParams::time_series().with_auto_size(false).resolved(40);
    assert_eq!(params.with_auto_size(false).resolved(40), defaults);
    let resource = GbmParams::resource().with_auto_size(false).resolved(40);
    assert_eq!(
        ["num_leaves", "learning_rate", "feature_fraction", "bagging_fraction"].map(|k| resource[k].as_str()),
        ["15", "0.1", "0.8", "0.7"]
    );
}

/// M-07: what decides bins and pre-filtering is in the one string, loop keys are not.
#[test]
fn one_string_holds_dataset_and_booster_keys() {
    let params = table(r#"{"min_child_samples": 2, "max_bins": 15, "n_estimators": 7}"#);
    let text = params.render(30, Loss::Configured);
    for pair in [
        "min_data_in_leaf=2",
        "max_bin=15",
        "num_threads=1",
        "deterministic=true",
        "force_col_wise=true",
        "seed=42",
        "verbosity=-1",
        "objective=regression",
        "metric=rmse",
    ] {
        assert!(text.split(' ').any(|p| p == pair), "{pair} in {text}");
    }
    assert!(!text.contains("num_iterations") && !text.contains("early_stopping"));
    assert!(text.split(' ').is_sorted());
    let row_wise = table(r#"{"force_row_wise": true}"#).render(30, Loss::Configured);
    assert!(row_wise.contains("force_row_wise=true") && !row_wise.contains("force_col_wise"));
    assert!(params.render(30, Loss::Quantile(0.1)).contains("alpha=0.1"));
}

/// M-04, M-05: unknown, refused, ill-typed and disagreeing names are named.
#[test]
fn broken_rules_are_named() {
    refuses(r#"{"num_leafs": 3}"#, "num_leafs is no LightGBM parameter, did you mean num_leaf");
    refuses(
        r#"{"n_jobs": 4}"#,
        "n_jobs cannot be set: one booster is one thread and clusters are fitted in parallel; use the key `threads`",
    );
    refuses(
        r#"{"model_input": "a.txt"}"#,
        "model_input cannot be set: data and models never travel through files of the trainer",
    );
    refuses(r#"{"num_leaves": 31, "max_leaves": 15}"#, "max_leaves is 15, but num_leaves is 31");
    refuses(r#"{"num_leaves": 1}"#, "num_leaves is 1, must be at least 2");
    refuses(r#"{"num_leaves": 200000}"#, "num_leaves is 200000, must be at most 131072");
    refuses(r#"{"num_leaves": "many"}"#, "num_leaves is many, must be a whole number");
    refuses(r#"{"learning_rate": 0.0005}"#, "learning_rate is 0.0005, must be in [0.001, 1]");
    refuses(r#"{"feature_fraction": 0}"#, "feature_fraction is 0, must be in (0, 1]");
    refuses(r#"{"bagging_fraction": 1.5}"#, "bagging_fraction is 1.5, must be in (0, 1]");
    refuses(r#"{"bagging_freq": -1}"#, "bagging_freq is -1, must be at least 0");
    refuses(r#"{"lambda_l1": -0.1}"#, "lambda_l1 is -0.1, must be at least 0 and finite");
    refuses(r#"{"min_data_in_leaf": 0}"#, "min_data_in_leaf is 0, must be at least 1");
    refuses(r#"{"n_estimators": 0}"#, "num_iterations is 0, must be at least 1");
    refuses(r#"{"path_smooth": "x"}"#, "path_smooth is x, must be a finite number");
    refuses(r#"{"extra_trees": 1}"#, "extra_trees is 1, must be true or false");
    refuses(
        r#"{"interaction_constraints": "[0] num_threads=8"}"#,
        "interaction_constraints is [0] num_threads=8, must not hold spaces, quotes, = or control characters",
    );
    refuses(
        r#"{"sub_feature_bynode": 0.5, "colsample_bynode": 0.4}"#,
        "sub_feature_bynode is 0.5, but colsample_bynode is 0.4",
    );
    refuses(r#"{"boosting": "plant"}"#, "boosting is plant, must be one of gbdt, rf, dart, goss");
    refuses(
        r#"{"deterministic": false}"#,
        "deterministic is false, must be true: equal input gives equal models",
    );
    refuses(
        r#"{"boosting": "dart", "early_stopping_round": 5}"#,
        "early_stopping_round must be 0 with boosting dart: later rounds rescale earlier trees, so a model cannot be cut",
    );
    assert_eq!(table(r#"{"num_leaves": 31.0, "max_leaves": 31}"#).check(), []);
    assert_eq!(table(r#"{"multiclass": 1, "num_class": 3}"#).check().len(), 2);
}

/// Sizes of models.md 4.3, one n inside and one at each border.
#[test]
fn unset_keys_follow_the_training_rows() {
    let keys = [
        "num_leaves",
        "max_depth",
        "min_data_in_leaf",
        "min_data_in_bin",
        "max_bin",
        "lambda_l2",
        "bagging_freq",
    ];
    let check = |params: GbmParams, n: usize, expected: [&str; 7]| {
        let all = params.resolved(n);
        assert_eq!(keys.map(|k| all[k].as_str()), expected, "for {n} rows");
    };
    check(GbmParams::time_series(), 10, ["4", "2", "5", "1", "31", "1", "0"]);
    check(GbmParams::time_series(), 49, ["4", "2", "5", "1", "31", "1", "0"]);
    check(GbmParams::time_series(), 50, ["7", "3", "5", "1", "31", "1", "0"]);
    check(GbmParams::time_series(), 199, ["7", "3", "9", "1", "31", "1", "0"]);
    check(GbmParams::time_series(), 200, ["15", "5", "10", "3", "63", "0.5", "5"]);
    check(GbmParams::time_series(), 999, ["15", "5", "24", "3", "63", "0.5", "5"]);
    check(GbmParams::time_series(), 1_000, ["31", "-1", "20", "3", "127", "0", "5"]);
    check(GbmParams::resource(), 1_000, ["15", "-1", "20", "3", "127", "0", "5"]);
    check(GbmParams::time_series(), 10_000, ["63", "-1", "20", "3", "255", "0", "5"]);
    check(GbmParams::resource(), 10_000, ["31", "-1", "20", "3", "255", "0", "5"]);
    let set = GbmParams { num_leaves: Some(9), ..GbmParams::time_series() };
    assert_eq!(set.resolved(10)["num_leaves"], "9");
}

#[test]
fn a_table_survives_a_round_trip() {
    let params = table(
        r#"{"eta": 0.1, "path_smooth": 0.5, "monotone_constraints": [1, -1], "metric": ["rmse", "mae"]}"#,
    );
    assert_eq!(params.check(), []);
    let text = serde_json::to_string(&params).unwrap();
    assert_eq!(table(&text), params);
    assert_eq!(params.resolved(100)["monotone_constraints"], "1,-1");
    assert_eq!(params.resolved(100)["metric"], "rmse,l1");
}
