//! Every LightGBM 4.7.0 parameter with its aliases: the table of `LGBM_DumpParamAliases`.

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Float,
    Text,
    List,
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) aliases: &'static [&'static str],
    /// Why the parameter is refused although LightGBM knows it.
    pub(crate) refused: Option<&'static str>,
}

const fn known(name: &'static str, kind: Kind, aliases: &'static [&'static str]) -> Parameter {
    Parameter { name, kind, aliases, refused: None }
}

const fn refused(name: &'static str, why: &'static str, aliases: &'static [&'static str]) -> Parameter {
    Parameter { name, kind: Kind::Text, aliases, refused: Some(why) }
}

const THREADS: &str = "one booster is one thread and clusters are fitted in parallel; use the key `threads`";
const DEVICE: &str = "only the serial CPU learner is built, so that equal input gives equal models";
const NETWORK: &str = "training is local";
const FILE: &str = "data and models never travel through files of the trainer";
const LINEAR: &str = "trees with linear leaves cannot be scored here; use the linear backend";
const PREDICT: &str = "scoring has no options";
const RANKING: &str = "ranking and multiclass objectives are not offered";
const REFIT: &str = "leaves are not refitted during training";

/// Sorted by canonical name.
pub(crate) static PARAMETERS: &[Parameter] = &[
    known("alpha", Kind::Float, &[]),
    refused("auc_mu_weights", RANKING, &[]),
    refused("bagging_by_query", RANKING, &[]),
    known("bagging_fraction", Kind::Float, &["bagging", "sub_row", "subsample"]),
    known("bagging_freq", Kind::Int, &["subsample_freq"]),
    known("bagging_seed", Kind::Int, &["bagging_fraction_seed"]),
    known("bin_construct_sample_cnt", Kind::Int, &["subsample_for_bin"]),
    known("boost_from_average", Kind::Bool, &[]),
    known("boosting", Kind::Text, &["boost", "boosting_type"]),
    known("cat_l2", Kind::Float, &[]),
    known("cat_smooth", Kind::Float, &[]),
    known(
        "categorical_feature",
        Kind::Text,
        &["cat_column", "cat_feature", "categorical_column", "categorical_features"],
    ),
    known("cegb_penalty_feature_coupled", Kind::List, &[]),
    known("cegb_penalty_feature_lazy", Kind::List, &[]),
    known("cegb_penalty_split", Kind::Float, &[]),
    known("cegb_tradeoff", Kind::Float, &[]),
    refused("config", FILE, &["config_file"]),
    refused("convert_model", FILE, &["convert_model_file"]),
    refused("convert_model_language", FILE, &[]),
    refused("data", FILE, &["data_filename", "train", "train_data", "train_data_file"]),
    known("data_random_seed", Kind::Int, &["data_seed"]),
    known("data_sample_strategy", Kind::Text, &[]),
    known("deterministic", Kind::Bool, &[]),
    refused("device_type", DEVICE, &["device"]),
    known("drop_rate", Kind::Float, &["rate_drop"]),
    known("drop_seed", Kind::Int, &[]),
    known("early_stopping_min_delta", Kind::Float, &[]),
    known(
        "early_stopping_round",
        Kind::Int,
        &["early_stopping", "early_stopping_rounds", "n_iter_no_change"],
    ),
    known("enable_bundle", Kind::Bool, &["bundle", "is_enable_bundle"]),
    refused("eval_at", RANKING, &["map_at", "map_eval_at", "ndcg_at", "ndcg_eval_at"]),
    known("extra_seed", Kind::Int, &[]),
    known("extra_trees", Kind::Bool, &["extra_tree"]),
    known("fair_c", Kind::Float, &[]),
    known("feature_contri", Kind::List, &["fc", "feature_contrib", "feature_penalty", "fp"]),
    known("feature_fraction", Kind::Float, &["colsample_bytree", "sub_feature"]),
    known("feature_fraction_bynode", Kind::Float, &["colsample_bynode", "sub_feature_bynode"]),
    known("feature_fraction_seed", Kind::Int, &[]),
    known("feature_pre_filter", Kind::Bool, &[]),
    known("first_metric_only", Kind::Bool, &[]),
    known("force_col_wise", Kind::Bool, &[]),
    known("force_row_wise", Kind::Bool, &[]),
    refused("forcedbins_filename", FILE, &[]),
    refused(
        "forcedsplits_filename",
        FILE,
        &["forced_splits", "forced_splits_file", "forced_splits_filename", "fs"],
    ),
    refused("gpu_device_id", DEVICE, &[]),
    refused("gpu_device_id_list", DEVICE, &[]),
    refused("gpu_platform_id", DEVICE, &[]),
    refused("gpu_use_dp", DEVICE, &[]),
    refused("group_column", FILE, &["group", "group_id", "query", "query_column", "query_id"]),
    refused("header", FILE, &["has_header"]),
    known("histogram_pool_size", Kind::Float, &["hist_pool_size"]),
    refused("ignore_column", FILE, &["blacklist", "ignore_feature"]),
    refused("input_model", FILE, &["model_in", "model_input"]),
    known("interaction_constraints", Kind::Text, &[]),
    known("is_enable_sparse", Kind::Bool, &["enable_sparse", "is_sparse", "sparse"]),
    refused("is_provide_training_metric", FILE, &["is_training_metric", "train_metric", "training_metric"]),
    known("is_unbalance", Kind::Bool, &["unbalance", "unbalanced_sets"]),
    refused("label_column", FILE, &["label"]),
    refused("label_gain", RANKING, &[]),
    known("lambda_l1", Kind::Float, &["l1_regularization", "reg_alpha"]),
    known("lambda_l2", Kind::Float, &["l2_regularization", "lambda", "reg_lambda"]),
    refused("lambdarank_norm", RANKING, &[]),
    refused("lambdarank_position_bias_regularization", RANKING, &[]),
    refused("lambdarank_truncation_level", RANKING, &[]),
    known("learning_rate", Kind::Float, &["eta", "shrinkage_rate"]),
    refused("linear_lambda", LINEAR, &[]),
    refused("linear_tree", LINEAR, &["linear_trees"]),
    refused("local_listen_port", NETWORK, &["local_port", "port"]),
    refused("machine_list_filename", NETWORK, &["machine_list", "machine_list_file", "mlist"]),
    refused("machines", NETWORK, &["nodes", "workers"]),
    known("max_bin", Kind::Int, &["max_bins"]),
    known("max_bin_by_feature", Kind::List, &[]),
    known("max_cat_threshold", Kind::Int, &[]),
    known("max_cat_to_onehot", Kind::Int, &[]),
    known("max_delta_step", Kind::Float, &["max_leaf_output", "max_tree_output"]),
    known("max_depth", Kind::Int, &[]),
    known("max_drop", Kind::Int, &[]),
    known("metric", Kind::List, &["metric_types", "metrics"]),
    refused("metric_freq", FILE, &["output_freq"]),
    known("min_data_in_bin", Kind::Int, &[]),
    known(
        "min_data_in_leaf",
        Kind::Int,
        &["min_child_samples", "min_data", "min_data_per_leaf", "min_samples_leaf"],
    ),
    known("min_data_per_group", Kind::Int, &[]),
    known("min_gain_to_split", Kind::Float, &["min_split_gain"]),
    known(
        "min_sum_hessian_in_leaf",
        Kind::Float,
        &["min_child_weight", "min_hessian", "min_sum_hessian", "min_sum_hessian_per_leaf"],
    ),
    known("monotone_constraints", Kind::List, &["mc", "monotone_constraint", "monotonic_cst"]),
    known("monotone_constraints_method", Kind::Text, &["mc_method", "monotone_constraining_method"]),
    known("monotone_penalty", Kind::Float, &["mc_penalty", "monotone_splits_penalty", "ms_penalty"]),
    refused("multi_error_top_k", RANKING, &[]),
    known("neg_bagging_fraction", Kind::Float, &["neg_bagging", "neg_sub_row", "neg_subsample"]),
    refused("num_class", RANKING, &["num_classes"]),
    refused("num_gpu", DEVICE, &[]),
    known("num_grad_quant_bins", Kind::Int, &[]),
    refused("num_iteration_predict", PREDICT, &[]),
    known(
        "num_iterations",
        Kind::Int,
        &[
            "max_iter",
            "n_estimators",
            "n_iter",
            "nrounds",
            "num_boost_round",
            "num_iteration",
            "num_round",
            "num_rounds",
            "num_tree",
            "num_trees",
        ],
    ),
    known("num_leaves", Kind::Int, &["max_leaf", "max_leaf_nodes", "max_leaves", "num_leaf"]),
    refused("num_machines", NETWORK, &["num_machine"]),
    refused("num_threads", THREADS, &["n_jobs", "nthread", "nthreads", "num_thread"]),
    known("objective", Kind::Text, &["app", "application", "loss", "objective_type"]),
    refused("objective_seed", RANKING, &[]),
    known("other_rate", Kind::Float, &[]),
    refused("output_model", FILE, &["model_out", "model_output"]),
    refused(
        "output_result",
        FILE,
        &["name_pred", "pred_name", "predict_name", "predict_result", "prediction_name", "prediction_result"],
    ),
    refused("parser_config_file", FILE, &[]),
    known("path_smooth", Kind::Float, &[]),
    known("poisson_max_delta_step", Kind::Float, &[]),
    known("pos_bagging_fraction", Kind::Float, &["pos_bagging", "pos_sub_row", "pos_subsample"]),
    refused("pre_partition", NETWORK, &["is_pre_partition"]),
    refused("precise_float_parser", FILE, &[]),
    refused("pred_early_stop", PREDICT, &[]),
    refused("pred_early_stop_freq", PREDICT, &[]),
    refused("pred_early_stop_margin", PREDICT, &[]),
    refused("predict_contrib", PREDICT, &["contrib", "is_predict_contrib"]),
    refused("predict_disable_shape_check", PREDICT, &[]),
    refused("predict_leaf_index", PREDICT, &["is_predict_leaf_index", "leaf_index"]),
    refused("predict_raw_score", PREDICT, &["is_predict_raw_score", "predict_rawscore", "raw_score"]),
    known("quant_train_renew_leaf", Kind::Bool, &[]),
    refused("refit_decay_rate", REFIT, &[]),
    known("reg_sqrt", Kind::Bool, &[]),
    refused("save_binary", FILE, &["is_save_binary", "is_save_binary_file"]),
    refused("saved_feature_importance_type", FILE, &[]),
    known("scale_pos_weight", Kind::Float, &[]),
    known("seed", Kind::Int, &["random_seed", "random_state"]),
    known("sigmoid", Kind::Float, &[]),
    known("skip_drop", Kind::Float, &[]),
    refused("snapshot_freq", FILE, &["save_period"]),
    refused("start_iteration_predict", PREDICT, &[]),
    known("stochastic_rounding", Kind::Bool, &[]),
    refused("task", FILE, &["task_type"]),
    refused("time_out", NETWORK, &[]),
    refused("top_k", DEVICE, &["topk"]),
    known("top_rate", Kind::Float, &[]),
    refused("tree_learner", DEVICE, &["tree", "tree_learner_type", "tree_type"]),
    known("tweedie_variance_power", Kind::Float, &[]),
    refused("two_round", FILE, &["two_round_loading", "use_two_round_loading"]),
    known("uniform_drop", Kind::Bool, &[]),
    known("use_missing", Kind::Bool, &[]),
    known("use_quantized_grad", Kind::Bool, &[]),
    refused(
        "valid",
        FILE,
        &["test", "test_data", "test_data_file", "valid_data", "valid_data_file", "valid_filenames"],
    ),
    known("verbosity", Kind::Int, &["verbose"]),
    refused("weight_column", FILE, &["weight"]),
    known("xgboost_dart_mode", Kind::Bool, &[]),
    known("zero_as_missing", Kind::Bool, &[]),
];

/// The row a name or alias belongs to.
pub(crate) fn find(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|p| p.name == name || p.aliases.contains(&name))
}

/// The known name nearest to `name`, if at most three edits away.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    PARAMETERS
        .iter()
        .filter(|p| p.refused.is_none())
        .flat_map(|p| std::iter::once(p.name).chain(p.aliases.iter().copied()))
        .map(|known| (edits(name, known), known))
        .filter(|&(distance, known)| distance <= 3 && distance < known.len())
        .min()
        .map(|(_, known)| known)
}

fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_alias_stands_once() {
        let mut names: Vec<&str> = PARAMETERS
            .iter()
            .flat_map(|p| std::iter::once(p.name).chain(p.aliases.iter().copied()))
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), all), (141 + 167, 141 + 167));
    }

    #[test]
    fn the_nearest_name_is_the_one_with_fewest_edits() {
        assert_eq!(nearest("num_leafs"), Some("num_leaf"));
        assert_eq!(nearest("lerning_rate"), Some("learning_rate"));
        assert_eq!(nearest("qwertyuiop"), None);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
