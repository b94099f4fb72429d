//! Panels of series of unlike size: what a variable is divided by, and the form of the target.

use serde::{Deserialize, Serialize};

/// Form in which the target is learnt. [`crate::FeatureMatrix::to_unit`] turns predictions back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetForm {
    /// The value itself; features are not divided either.
    #[default]
    Level,
    /// Value over scale.
    Ratio,
    /// Value less the last one, over scale.
    ScaledDifference,
    /// Value less its exponentially smoothed forecast with the season put back (see `season`), over scale.
    SmoothedDifference,
}

/// Scale of a variable at a row: the mean of its last `window` periods, and at least the floor.
///
/// The floor is `floor` times the median scale of the training rows, in the variable's unit. A small floor lets
/// series that are near zero decide what is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScaleParams {
    /// Form of the target; default `level`, which scales nothing.
    pub form: TargetForm,
    /// Periods whose mean is the scale, at least 1; default 12. More makes it steadier and later.
    pub window: usize,
    /// Share of the median training scale below which no scale falls, above 0; default 0.5. More makes small
    /// series count less.
    pub floor: f64,
}

impl Default for ScaleParams {
    fn default() -> Self {
        Self { form: TargetForm::Level, window: 12, floor: 0.5 }
    }
}

/// What turns one row's target into the unit of its variable: `shift + factor * value`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Inverse {
    pub(crate) shift: f64,
    pub(crate) factor: f64,
}

impl TargetForm {
    /// The inverse at a row with this scale, last value and smoothed forecast.
    pub(crate) fn inverse(self, scale: f64, last: f64, smoothed: f64) -> Inverse {
        match self {
            TargetForm::Level => Inverse { shift: 0.0, factor: 1.0 },
            TargetForm::Ratio => Inverse { shift: 0.0, factor: scale },
            TargetForm::ScaledDifference => Inverse { shift: last, factor: scale },
            TargetForm::SmoothedDifference => Inverse { shift: smoothed, factor: scale },
        }
    }
}

impl Inverse {
    /// From the variable's unit to the form.
    pub(crate) fn form(self, value: f64) -> f64 {
        (value - self.shift) / self.factor
    }

    /// From the form to the variable's unit.
    pub(crate) fn unit(self, value: f64) -> f64 {
        self.shift + self.factor * value
    }
}
