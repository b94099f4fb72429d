//! Defaults: the seed's, and by training rows where nobody set a key.

use std::collections::BTreeMap;

use super::{Boosting, GbmParams, Head};

struct Size {
    num_leaves: u32,
    max_depth: i32,
    min_data_in_leaf: usize,
    min_data_in_bin: u32,
    max_bin: u32,
    lambda_l2: f64,
    bagging: bool,
}

fn size(n: usize, head: Head) -> Size {
    let resource = head == Head::Resource;
    let (num_leaves, max_depth, min_data_in_leaf, min_data_in_bin, max_bin, lambda_l2) = match n {
        0..50 => (4, 2, 5, 1, 31, 1.0),
        50..200 => (7, 3, (n / 20).max(5), 1, 31, 1.0),
        200..1_000 => (15, 5, (n / 40).max(10), 3, 63, 0.5),
        1_000..10_000 => (if resource { 15 } else { 31 }, -1, 20, 3, 127, 0.0),
        _ => (if resource { 31 } else { 63 }, -1, 20, 3, 255, 0.0),
    };
    let bagging = n >= 200;
    Size { num_leaves, max_depth, min_data_in_leaf, min_data_in_bin, max_bin, lambda_l2, bagging }
}

pub(super) fn defaults(params: &GbmParams, n_rows: usize) -> BTreeMap<String, String> {
    let resource = params.head == Head::Resource;
    let seed = if resource { (15, "0.1", "0.8", "0.7") } else { (31, "0.05", "0.9", "0.8") };
    let (num_leaves, learning_rate, feature_fraction, bagging_fraction) = seed;
    let mut all = BTreeMap::new();
    let mut put = |name: &str, value: String| all.insert(name.to_owned(), value);
    put("num_threads", "1".into());
    put("deterministic", "true".into());
    put("force_col_wise", "true".into());
    put("objective", params.objective().name().into());
    put("metric", params.objective().metric().name().into());
    put("boosting", Boosting::Gbdt.name().into());
    put("num_iterations", "100".into());
    // Later rounds of dart rescale earlier trees, so such a model cannot be cut.
    let patience = if params.boosting == Some(Boosting::Dart) { "0" } else { "50" };
    put("early_stopping_round", patience.into());
    put("learning_rate", learning_rate.into());
    put("num_leaves", num_leaves.to_string());
    put("feature_fraction", feature_fraction.into());
    put("bagging_fraction", bagging_fraction.into());
    put("bagging_freq", "5".into());
    put("lambda_l1", "0".into());
    put("lambda_l2", "0".into());
    put("min_data_in_leaf", "20".into());
    put("seed", "42".into());
    put("verbosity", "-1".into());
    if params.auto_size {
        let size = size(n_rows, params.head);
        put("num_leaves", size.num_leaves.to_string());
        put("max_depth", size.max_depth.to_string());
        put("min_data_in_leaf", size.min_data_in_leaf.to_string());
        put("min_data_in_bin", size.min_data_in_bin.to_string());
        put("max_bin", size.max_bin.to_string());
        put("lambda_l2", size.lambda_l2.to_string());
        // A forest without bags is refused by LightGBM.
        if !size.bagging && params.boosting != Some(Boosting::Rf) {
            put("bagging_fraction", "1".into());
            put("bagging_freq", "0".into());
        }
    }
    if params.boosting == Some(Boosting::Goss) {
        put("bagging_fraction", "1".into());
        put("bagging_freq", "0".into());
    }
    all
}
