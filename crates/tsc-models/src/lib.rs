#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod error;
mod gbdt;
#[cfg(test)]
mod golden;
mod lightgbm;
mod linear;
mod params;

pub use gbdt::GbdtModel;
pub use lightgbm::LightGbm;
pub use linear::{FittedLinear, Linear, LinearParams};
pub use params::{Boosting, GbmParams, Head, Metric, Objective, Scalar};
pub use tsc_core::{FittedRegressor, Regressor};
