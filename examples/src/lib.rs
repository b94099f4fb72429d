//! What the examples share: configurations, and a temporary store for their runs.
#![forbid(unsafe_code)]

use anyhow::{Context, Result};
use tempfile::TempDir;
use tsc_pipeline::PipelineConfig;

/// A configuration whose runs go to `MLFLOW_TRACKING_URI`, or to an embedded store that vanishes with `dir`.
///
/// # Errors
///
/// If `more`, in TOML, breaks a rule of the configuration.
pub fn config(dir: &TempDir, more: &str) -> Result<PipelineConfig> {
    let uri = std::env::var("MLFLOW_TRACKING_URI")
        .unwrap_or_else(|_| format!("sqlite:///{}", dir.path().join("mlflow.db").display()));
    PipelineConfig::from_toml(&format!("tracking.uri = {uri:?}\n{more}"))
        .context("the example's configuration")
}

/// Clusters of at least 15 of 5 neighbours. Dotted keys, so that tables and further keys may follow.
pub const STAGES: &str = "noise_threshold = 0.25\nbatch_size = 200\nexpanding_window_size = 4000\n\
    hdbscan_params.min_cluster_size = 15\nhdbscan_params.min_samples = 5\n";

/// A score or a dash.
#[must_use]
pub fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.3}"))
}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
