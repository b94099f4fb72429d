//! Loss of predictions whose targets have not arrived, and of those that arrive late.

mod estimate;
mod pending;
#[cfg(test)]
mod tests;

pub use estimate::{EstimatedLoss, LossEstimator, LossKind};
pub use pending::{JoinReport, JoinedRow, PendingParams, PendingState, PendingTargets};
