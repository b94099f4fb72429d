//! The bundle as a model folder that MLflow lists.

use std::path::Path;

use tsc_core::{Clusterer, NoiseFallback, Regressor, Result};

use crate::bundle::Folder;
use crate::served::Models;

/// `None` without the feature, where the bundle itself is logged.
#[cfg(feature = "mlflow")]
pub(super) fn package<C: Clusterer, R: Regressor, N: NoiseFallback>(
    bundle: &Path,
    models: &Models<C, R, N>,
    content_hash: &str,
) -> Result<Option<Folder>> {
    let folder = Folder::scratch()?;
    let tree = super::segments::hdbscan(&models.clusterer)
        .map(|hdbscan| serde_json::to_vec(&hdbscan.extraction().assignment_tree()))
        .transpose()
        .map_err(|e| tsc_core::damaged("tree.json", e))?;
    let model = tsc_mlflow::packaging::PipelineModel {
        model_version: models.version,
        content_hash: content_hash.into(),
        crate_version: env!("CARGO_PKG_VERSION").into(),
        features: models.schema.names().map(str::to_owned).collect(),
        medians: models.medians.clone(),
        further_outputs: models.further_columns(),
        tree,
    };
    tsc_mlflow::packaging::write_pipeline_model(bundle, folder.path(), &model)?;
    Ok(Some(folder))
}

#[cfg(not(feature = "mlflow"))]
pub(super) fn package<C: Clusterer, R: Regressor, N: NoiseFallback>(
    _bundle: &Path,
    _models: &Models<C, R, N>,
    _content_hash: &str,
) -> Result<Option<Folder>> {
    Ok(None)
}
