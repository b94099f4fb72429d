use serde::{Deserialize, Serialize};

/// Scale a target is fitted on; predictions and scores are always on the original one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// As it is.
    #[default]
    Identity,
    /// log(1 + value), for skewed quantities that are never negative, such as a length of stay.
    Log1p,
}

impl Transform {
    /// To the scale of the fit.
    #[must_use]
    pub fn apply(self, value: f64) -> f64 {
        match self {
            Self::Identity => value,
            Self::Log1p => value.ln_1p(),
        }
    }

    /// Back to the original scale.
    #[must_use]
    pub fn invert(self, value: f64) -> f64 {
        match self {
            Self::Identity => value,
            Self::Log1p => value.exp_m1(),
        }
    }
}
