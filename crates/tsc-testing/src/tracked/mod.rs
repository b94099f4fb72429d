//! Trackers for tests: one that remembers, one that fails, one that counts.

mod counting;
mod failing;
mod memory;

pub use counting::CountingTracker;
pub use failing::FailingTracker;
pub use memory::{MemoryTracker, Metric, RunRecord};
