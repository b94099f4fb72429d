use tsc_core::{FitOutcome, Result, TrainingSet, Watch};

use super::{FittedLinear, LinearParams};
use crate::error::ModelsError;

/// The backend is never replaced silently.
pub(super) fn fit(_: &LinearParams, _: &TrainingSet<'_>, _: &Watch<'_>) -> Result<FitOutcome<FittedLinear>> {
    Err(ModelsError::NoFeature { backend: "linear", feature: "linear" }.into())
}
