//! Folders that MLflow knows as models: a LightGBM booster, and a whole pipeline bundle.
//!
//! Python scores a pipeline with one module of numpy and lightgbm, `loader.py`, which reads the bundle's own
//! files: JSON, LightGBM's texts, and postcard, of which a few lines read all that is used. So there is one truth,
//! and no second form of a model that could differ. One thing a bundle does not hold: the clusters chosen of an
//! HDBSCAN tree, which Rust chooses anew from spanning tree and parameters on every load. To do that again in
//! Python, ties and all, would be a second implementation; what was chosen is packaged instead, as
//! `data/portable/tree.json`.
//!
//! What is packaged of a pipeline contains training feature vectors (the fallback and the clusterer
//! need them), so whoever may read the registry may read those.

mod environment;
mod folder;
mod identity;
mod lightgbm;
mod pipeline;
mod python_function;

pub(crate) use folder::{is_of_model, read_folder, remove_folder};
pub(crate) use identity::{Identity, with_identity};
pub use lightgbm::write_lightgbm_model;
pub use pipeline::{BUNDLE_FOLDER, PipelineModel, write_pipeline_model};

/// Newest MLflow this crate is tested with, which every `MLmodel` file names.
pub const MLFLOW_VERSION: &str = "3.17.2";
