//! Inputs that the benches share.
#![forbid(unsafe_code)]

use tsc_pipeline::cluster::{Hdbscan, HdbscanParams};
#[cfg(feature = "lightgbm")]
use tsc_pipeline::models::{GbdtModel, GbmParams, LightGbm};
use tsc_pipeline::prelude::*;
use tsc_testing::Cohort;

/// The size for measuring, or the small one where each bench runs once as a test.
///
/// Cargo gives `--bench` to a bench that it measures, and criterion `--test` means once all the same.
#[must_use]
pub fn size(measured: usize, tested: usize) -> usize {
    let is_measured =
        std::env::args().any(|it| it == "--bench") && !std::env::args().any(|it| it == "--test");
    if is_measured { measured } else { tested }
}

/// The clusterer of the peer comparison: clusters of at least 25, 10 neighbours.
///
/// # Errors
///
/// None: the parameters are in range.
pub fn hdbscan() -> Result<Hdbscan> {
    Hdbscan::new(HdbscanParams { min_cluster_size: 25, min_samples: Some(10), ..HdbscanParams::default() })
}

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

/// A LightGBM model of 100 trees with 31 leaves on 24 features, and `rows` samples of its kind, row by row.
///
/// # Errors
///
/// Those of the fit.
#[cfg(feature = "lightgbm")]
pub fn boosted(rows: usize) -> Result<(GbdtModel, Vec<f64>)> {
    const WIDTH: usize = 24;
    let cells: Vec<f64> = (0..rows.max(5_000) * WIDTH).map(|i| (i * 7_919 % 10_007) as f64 / 1e4).collect();
    let train = Features::new(&cells[..5_000 * WIDTH], WIDTH)?;
    let y: Vec<f64> = train.rows().map(|row| (6.0 * row[0]).sin() + row[1] * row[2] + row[3]).collect();
    let params = GbmParams::time_series().with_auto_size(false);
    let model = LightGbm::new(params)?.fit(train, Targets::new(&y)?)?;
    Ok((model, cells[..rows * WIDTH].to_vec()))
}
