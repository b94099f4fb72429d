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
    let text = format!("{more}\n[tracking]\nuri = {uri:?}\n");
    PipelineConfig::from_toml(&text).context("the example's configuration")
}

/// Clusters of at least 15 of 5 neighbours; linear models where this build has no LightGBM.
pub const STAGES: &str = "noise_threshold = 0.25\nbatch_size = 200\nexpanding_window_size = 4000\n\
    [hdbscan_params]\nmin_cluster_size = 15\nmin_samples = 5\n";

/// A score or a dash.
#[must_use]
pub fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.3}"))
}
