//! What the measuring programs of `cargo xtask bench` share: arguments, inputs and outputs, time and memory.
#![forbid(unsafe_code)]

mod arguments;
mod meter;
mod npy;

pub use arguments::Arguments;
pub use meter::{Report, Spent, measure, measure_each};
pub use npy::{write_f64, write_i32};
