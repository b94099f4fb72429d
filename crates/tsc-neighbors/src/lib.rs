#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod index;
mod kernel;
mod knn;
mod metric;
mod neighborhoods;
mod pairs;
mod parallel;
mod search;
mod spanning;
mod tree;

pub use index::{Edge, NeighborIndex, Plan, SpanningTree};
pub use metric::{Distance, Metric};
pub use neighborhoods::{Neighbor, Neighborhoods};
pub use parallel::for_each_chunk;
pub use search::Scratch;
