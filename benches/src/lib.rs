//! Inputs that the benches share.
#![forbid(unsafe_code)]

use tsc_pipeline::prelude::*;
use tsc_testing::Cohort;

/// Linear models, clusters of at least 25; nothing is tracked.
///
/// # Errors
///
/// Those of the configuration or the fit.
pub fn fitted(rows: usize) -> Result<FittedPipeline> {
    let config = PipelineConfig::from_toml(
        "batch_size = 1000\n[tracking]\nuri = \"off\"\n[models]\nbackend = \"linear\"\n\
         [hdbscan_params]\nmin_cluster_size = 25\nmin_samples = 10",
    )?;
    Ok(Pipeline::from_config(&config)?.fit_initial(&Cohort::new(rows, 1).batch())?.0)
}
