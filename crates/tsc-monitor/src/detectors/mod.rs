//! Detectors of change in a stream of single values.
//!
//! Each follows river 0.26.1 index for index, unless its parameters say otherwise, and takes every
//! [`Observation`](tsc_core::Observation) as one value: `n` and `variance` are not used. A value that is
//! not finite, or beyond 1e100, is no observation: it changes nothing and reads `Stable`. Detectors of
//! shares also leave out values outside 0..=1. After a `Drift` the next value starts anew.

mod adwin;
mod ddm;
mod eddm;
mod fhddm;
mod hddm_a;
mod hddm_w;
mod kswin;
mod mean;
mod page_hinkley;
mod stored;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use adwin::{Adwin, AdwinParams, AfterDrift};
pub use ddm::{Ddm, DdmParams};
pub use eddm::{Eddm, EddmParams};
pub use fhddm::{Fhddm, FhddmParams};
pub use hddm_a::{HddmA, HddmAParams};
pub use hddm_w::{HddmW, HddmWParams};
pub use kswin::{Kswin, KswinParams};
pub use page_hinkley::{PageHinkley, PageHinkleyParams};
pub(crate) use stored::{damaged, fixed, open_unit, parameter};

/// Which changes of a mean count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Rises.
    Up,
    /// Falls.
    Down,
    /// Either.
    Both,
}

impl Direction {
    fn rises(self) -> bool {
        self != Self::Down
    }

    fn falls(self) -> bool {
        self != Self::Up
    }
}

// Squares of such values, summed over any stream, stay finite: so does every stored state.
const LARGEST: f64 = 1e100;

fn is_value(x: f64) -> bool {
    x.abs() <= LARGEST
}

fn is_share(x: f64) -> bool {
    (0.0..=1.0).contains(&x)
}
