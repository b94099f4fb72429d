#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod columns;
mod error;
mod index;
mod kernel;
mod metric;
mod neighborhoods;
mod parallel;
mod search;
mod tiles;

pub use columns::ColumnSet;
pub use index::{NeighborIndex, Plan};
pub use metric::Metric;
pub use neighborhoods::{Neighbor, Neighborhoods};
pub use parallel::for_each_chunk;
pub use search::Scratch;
