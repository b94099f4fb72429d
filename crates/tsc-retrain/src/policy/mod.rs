//! When to retrain. Each policy gets the signals of a batch and answers with a vote.

mod any_of;
mod every;
mod noise_threshold;

pub use any_of::AnyOf;
pub use every::Every;
pub use noise_threshold::NoiseThreshold;

use tsc_core::{PolicyState, Result, Trigger};

use crate::error::RetrainError;

/// Rank of a trigger, the smallest first: manual, performance, drift, volume, schedule.
pub(crate) fn rank(trigger: &Trigger) -> u8 {
    match trigger {
        Trigger::ManualCommand { .. } => 0,
        Trigger::PerformanceDegradation { .. } => 1,
        Trigger::NoiseThresholdExceeded { .. } => 2,
        Trigger::ScheduledRetraining { .. } => 4,
        // Data volume and whatever is added later.
        _ => 3,
    }
}

fn check_owner(state: &PolicyState, name: &'static str, counts: usize, children: usize) -> Result<()> {
    if state.policy != name {
        return Err(RetrainError::ForeignState { found: state.policy.clone(), expected: name }.into());
    }
    if state.counts.len() != counts || !state.values.is_empty() || state.children.len() != children {
        let what = format!(
            "{} counts, {} values and {} children, expected {counts}, 0 and {children}",
            state.counts.len(),
            state.values.len(),
            state.children.len()
        );
        return Err(RetrainError::DamagedState { policy: name, what }.into());
    }
    Ok(())
}
