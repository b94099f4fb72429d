use tsc_core::{FitOutcome, Result, TrainingSet, Watch};

use super::LightGbm;
use crate::error::ModelsError;
use crate::gbdt::GbdtModel;

pub(super) fn refit(_: &LightGbm, _: &GbdtModel, _: &TrainingSet<'_>, _: f64) -> Result<GbdtModel> {
    Err(ModelsError::NoFeature { backend: "LightGBM", feature: "lightgbm" }.into())
}

/// The backend is never replaced silently.
pub(super) fn fit(_: &LightGbm, _: &TrainingSet<'_>, _: &Watch<'_>) -> Result<FitOutcome<GbdtModel>> {
    Err(ModelsError::NoFeature { backend: "LightGBM", feature: "lightgbm" }.into())
}
