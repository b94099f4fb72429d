//! Folders that MLflow knows as models: a LightGBM booster, and a whole pipeline bundle.
//!
//! What is packaged of a pipeline contains training feature vectors (the fallback and the clusterer
//! need them), so whoever may read the registry may read those.

mod folder;
mod identity;
mod lightgbm;
mod pipeline;

pub(crate) use folder::read_folder;
pub(crate) use identity::{Identity, with_identity};
pub use lightgbm::write_lightgbm_model;
pub use pipeline::{BUNDLE_FOLDER, PipelineModel, write_pipeline_model};

/// Newest MLflow this crate is tested with, which every `MLmodel` file names.
pub const MLFLOW_VERSION: &str = "3.17.2";
