use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Named sets of values that a configuration can start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Preset {
    /// A few hundred patients.
    Small,
    /// Tens of thousands of patients.
    Large,
    /// A hospital cohort.
    Medical,
    /// Fast enough for large batches.
    HighPerformance,
    /// Little memory.
    Memory,
    /// Short fits.
    Speed,
    /// Long fits.
    Accuracy,
    /// Small batches, background retrains.
    Realtime,
    /// Large batches.
    Batch,
    /// Few retrains.
    Stable,
    /// Slow to retrain, strongly regularised.
    Conservative,
    /// Between the two.
    Balanced,
    /// Quick to retrain.
    Aggressive,
}

const ALL: [Preset; 13] = [
    Preset::Small,
    Preset::Large,
    Preset::Medical,
    Preset::HighPerformance,
    Preset::Memory,
    Preset::Speed,
    Preset::Accuracy,
    Preset::Realtime,
    Preset::Batch,
    Preset::Stable,
    Preset::Conservative,
    Preset::Balanced,
    Preset::Aggressive,
];

fn clustering(size: u32, samples: u32, epsilon: f64, method: &str) -> Value {
    json!({"min_cluster_size": size, "min_samples": samples,
        "cluster_selection_epsilon": epsilon, "cluster_selection_method": method})
}

fn trees(leaves: u32, rate: f64, rounds: u32) -> Value {
    json!({"num_leaves": leaves, "learning_rate": rate, "n_estimators": rounds})
}

fn with(mut table: Value, more: Value) -> Value {
    if let (Some(table), Value::Object(more)) = (table.as_object_mut(), more) {
        table.extend(more);
    }
    table
}

fn l1_l2(l1: f64, l2: f64) -> Value {
    json!({"lambda_l1": l1, "lambda_l2": l2})
}

fn behaviour(noise: f64, batch: u32, window: u32) -> Value {
    json!({"noise_threshold": noise, "batch_size": batch, "expanding_window_size": window})
}

fn stages(cluster: Value, target: Value, resource: Value, neighbors: u32) -> Value {
    json!({"hdbscan_params": cluster, "lgb_timeseries_params": target,
        "lgb_resource_params": resource, "knn_params": {"n_neighbors": neighbors}})
}

impl Preset {
    /// Names as a configuration writes them.
    #[must_use]
    pub fn names() -> Vec<String> {
        ALL.iter().map(|p| json!(p).as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The keys that differ from the defaults.
    pub(super) fn overrides(self) -> Value {
        let fractions = |f: f64| json!({"feature_fraction": f, "bagging_fraction": f});
        match self {
            Preset::Small => with(
                stages(clustering(8, 3, 0.1, "eom"), trees(15, 0.08, 50), trees(10, 0.12, 30), 3),
                behaviour(0.25, 50, 1000),
            ),
            Preset::Large => with(
                stages(
                    clustering(100, 30, 0.0, "eom"),
                    with(trees(127, 0.03, 200), json!({"feature_fraction": 0.8})),
                    trees(63, 0.05, 100),
                    15,
                ),
                behaviour(0.35, 2000, 30_000),
            ),
            Preset::Medical => with(
                stages(
                    clustering(25, 10, 0.1, "eom"),
                    with(with(trees(50, 0.04, 150), l1_l2(0.1, 0.1)), json!({"min_data_in_leaf": 15})),
                    trees(25, 0.06, 80),
                    8,
                ),
                behaviour(0.25, 200, 8000),
            ),
            Preset::HighPerformance => with(
                stages(
                    clustering(50, 15, 0.0, "eom"),
                    with(trees(31, 0.1, 50), fractions(0.7)),
                    trees(15, 0.15, 30),
                    5,
                ),
                behaviour(0.4, 1000, 10_000),
            ),
            Preset::Memory => {
                json!({"lgb_timeseries_params": with(json!({"num_leaves": 31}), fractions(0.7)),
                "batch_size": 500, "expanding_window_size": 5000})
            }
            Preset::Speed => with(
                stages(clustering(50, 20, 0.0, "eom"), trees(15, 0.15, 30), json!({}), 3),
                json!({"batch_size": 2000}),
            ),
            Preset::Accuracy => with(
                stages(
                    clustering(15, 5, 0.1, "eom"),
                    with(trees(127, 0.02, 300), l1_l2(0.05, 0.05)),
                    json!({}),
                    10,
                ),
                json!({"noise_threshold": 0.2}),
            ),
            Preset::Realtime => {
                with(behaviour(0.2, 100, 3000), json!({"retraining": {"mode": "background"}}))
            }
            Preset::Batch => behaviour(0.35, 2000, 20_000),
            Preset::Stable => behaviour(0.5, 1000, 50_000),
            Preset::Conservative => with(
                stages(
                    clustering(30, 15, 0.05, "eom"),
                    with(
                        with(trees(31, 0.03, 150), l1_l2(0.2, 0.2)),
                        json!({"feature_fraction": 0.8, "bagging_fraction": 0.7}),
                    ),
                    with(trees(20, 0.05, 100), l1_l2(0.1, 0.1)),
                    10,
                ),
                behaviour(0.35, 300, 12_000),
            ),
            Preset::Balanced => with(
                stages(
                    clustering(20, 8, 0.1, "eom"),
                    with(with(trees(45, 0.06, 100), l1_l2(0.1, 0.1)), json!({"feature_fraction": 0.85})),
                    with(trees(25, 0.08, 75), l1_l2(0.05, 0.05)),
                    6,
                ),
                behaviour(0.25, 200, 8000),
            ),
            Preset::Aggressive => with(
                stages(
                    clustering(10, 5, 0.2, "leaf"),
                    with(
                        with(trees(63, 0.08, 80), l1_l2(0.05, 0.05)),
                        json!({"feature_fraction": 0.95, "bagging_fraction": 0.9}),
                    ),
                    with(trees(31, 0.12, 60), l1_l2(0.02, 0.02)),
                    3,
                ),
                behaviour(0.15, 150, 6000),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PipelineConfig;

    #[test]
    fn every_preset_is_valid_and_warns_of_nothing() {
        for preset in ALL {
            let config = PipelineConfig::preset(preset);
            assert_eq!(config.violations(), [], "{preset:?}");
            assert_eq!(config.lint(), [], "{preset:?}");
        }
        assert_eq!(PipelineConfig::default().lint(), []);
    }

    #[test]
    fn a_preset_sets_what_its_table_says() {
        let medical = PipelineConfig::preset(Preset::Medical);
        assert_eq!(medical.hdbscan_params.min_cluster_size, 25);
        assert_eq!(medical.hdbscan_params.min_samples, Some(10));
        assert_eq!((medical.knn_params.n_neighbors, medical.batch_size), (8, 200));
        assert_eq!(medical.expanding_window_size, 8000);
    }
}
