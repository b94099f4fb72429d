//! Drift of the structure of the clusters: one chart a signal, against rows the fit did not see.

mod drift;
mod moments;
mod reference;
mod score;
#[cfg(test)]
mod tests;

pub use drift::{
    ClusterBatch, ClusterDrift, ClusterDriftParams, ClusterDriftState, ClusterFinding, ClusterSignal,
};
pub use reference::ClusterReference;
