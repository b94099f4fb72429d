use serde::{Deserialize, Serialize};
use tsc_core::{Result, Violation};

use crate::error::ClusterError;

/// Widest view that `Auto` leaves as it is.
const AUTO_COLUMNS: usize = 10;
/// Components `Auto` reduces to above that.
const AUTO_COMPONENTS: usize = 5;

/// Settings of [`ClusterView`](super::ClusterView).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ViewParams {
    /// Standardised values beyond this many deviations are set to it, above 0, default 5. Smaller
    /// lets single extreme values count less.
    pub clip: f64,
    /// Projection to principal components, default `auto`.
    pub reduce: Reduce,
}

impl Default for ViewParams {
    fn default() -> Self {
        Self { clip: 5.0, reduce: Reduce::Auto }
    }
}

impl ViewParams {
    /// All violations, sorted by key; empty if the parameters can be used.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut out = Vec::new();
        if !(self.clip > 0.0 && self.clip.is_finite()) {
            out.push(Violation::new("clip", format!("is {}, must be above 0 and finite", self.clip)));
        }
        if self.reduce == Reduce::Components(0) {
            out.push(Violation::new("reduce", "asks for 0 components, must be at least 1"));
        }
        out
    }
}

/// Whether the view is projected: `"auto"`, `"none"` or a number of components.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Spelled", into = "Spelled")]
pub enum Reduce {
    /// Up to 10 columns none, above that 5 components: densities lose contrast in many dimensions.
    #[default]
    Auto,
    /// No projection.
    None,
    /// This many components, at most the columns and samples - 1.
    Components(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelled {
    Word(Word),
    Components(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Auto,
    None,
}

impl From<Spelled> for Reduce {
    fn from(spelled: Spelled) -> Self {
        match spelled {
            Spelled::Word(Word::Auto) => Reduce::Auto,
            Spelled::Word(Word::None) => Reduce::None,
            Spelled::Components(n) => Reduce::Components(n),
        }
    }
}

impl From<Reduce> for Spelled {
    fn from(reduce: Reduce) -> Self {
        match reduce {
            Reduce::Auto => Spelled::Word(Word::Auto),
            Reduce::None => Spelled::Word(Word::None),
            Reduce::Components(n) => Spelled::Components(n),
        }
    }
}

impl Reduce {
    pub(crate) fn components(self, n_samples: usize, n_columns: usize) -> Result<Option<usize>> {
        let available = n_columns.min((n_samples - 1).max(1));
        match self {
            Reduce::None => Ok(None),
            Reduce::Auto if n_columns <= AUTO_COLUMNS => Ok(None),
            Reduce::Auto => Ok(Some(AUTO_COMPONENTS.min(available))),
            Reduce::Components(components) if components > available => {
                Err(ClusterError::TooManyComponents { components, available, n_samples, n_columns }.into())
            }
            Reduce::Components(components) => Ok(Some(components)),
        }
    }
}
