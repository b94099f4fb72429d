#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod error;
mod index;
mod kernel;
mod knn;
mod metric;
mod neighborhoods;
mod pairs;
mod parallel;
mod search;
#[expect(unsafe_code, reason = "code for a processor's vector units is unsafe to call on another")]
mod simd;
mod spanning;
mod tree;

pub use index::{Edge, NeighborIndex, Plan, SpanningTree};
pub use metric::{Distance, Metric};
pub use neighborhoods::{Neighbor, Neighborhoods};
pub use parallel::for_each_chunk;
pub use search::Scratch;
