use tsc_core::{PolicyState, Result, RetrainPolicy, Signals, Stage, Violation, Vote, all_valid};

use super::{check_owner, rank};
use crate::params::CONFIG;

const NAME: &str = "any_of";

/// Retrains as soon as one of its policies wants to.
///
/// Every policy sees every batch. A veto of any of them wins; among several triggers the first by rank
/// (manual, performance, drift, volume, schedule), then by position; suggestions give the largest weight.
#[derive(Debug)]
pub struct AnyOf {
    children: Vec<Box<dyn RetrainPolicy>>,
}

impl AnyOf {
    /// The composition of at least one policy.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` without any policy.
    pub fn new(children: Vec<Box<dyn RetrainPolicy>>) -> Result<Self> {
        let none = [Violation::new("any_of", "has no policy, needs at least 1")];
        all_valid(&none[..usize::from(children.is_empty())], Stage::Retraining, CONFIG)?;
        Ok(Self { children })
    }
}

impl RetrainPolicy for AnyOf {
    fn decide(&mut self, signals: &Signals<'_>) -> Vote {
        let votes: Vec<Vote> = self.children.iter_mut().map(|child| child.decide(signals)).collect();
        votes.into_iter().fold(Vote::Keep, stronger)
    }

    fn state(&self) -> PolicyState {
        PolicyState {
            policy: NAME.into(),
            counts: Vec::new(),
            values: Vec::new(),
            children: self.children.iter().map(|child| child.state()).collect(),
        }
    }

    fn restore(&mut self, state: &PolicyState) -> Result<()> {
        check_owner(state, NAME, 0, self.children.len())?;
        let before = self.state();
        let take = |children: &mut [Box<dyn RetrainPolicy>], from: &PolicyState| {
            children.iter_mut().zip(&from.children).try_for_each(|(child, stored)| child.restore(stored))
        };
        let Err(refused) = take(&mut self.children, state) else { return Ok(()) };
        // Children before the refused one have already taken their part over.
        take(&mut self.children, &before)?;
        Err(refused)
    }
}

fn stronger(first: Vote, second: Vote) -> Vote {
    match (&first, &second) {
        (Vote::Veto(_), _) => first,
        (_, Vote::Veto(_)) => second,
        (Vote::Retrain(a), Vote::Retrain(b)) => {
            if rank(b) < rank(a) {
                second
            } else {
                first
            }
        }
        (Vote::Retrain(_), _) => first,
        (_, Vote::Retrain(_)) => second,
        (Vote::Suggest(a), Vote::Suggest(b)) => Vote::Suggest(a.max(*b)),
        (_, Vote::Suggest(_)) => second,
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoiseThreshold, RetrainParams, Trigger};
    use tsc_core::{Millis, Timestamp};

    fn noise() -> Trigger {
        Trigger::NoiseThresholdExceeded { noise_ratio: 0.5, threshold: 0.3, consecutive: 3 }
    }

    fn schedule() -> Trigger {
        Trigger::ScheduledRetraining { interval_ms: 1, elapsed_ms: 2 }
    }

    #[test]
    fn a_veto_wins_then_the_trigger_of_the_first_rank() {
        let veto = Vote::Veto("frozen".into());
        assert_eq!(stronger(Vote::Retrain(noise()), veto.clone()), veto);
        assert_eq!(stronger(Vote::Retrain(schedule()), Vote::Retrain(noise())), Vote::Retrain(noise()));
        assert_eq!(stronger(Vote::Suggest(0.2), Vote::Suggest(0.7)), Vote::Suggest(0.7));
        assert_eq!(stronger(Vote::Suggest(0.2), Vote::Retrain(schedule())), Vote::Retrain(schedule()));
        assert_eq!(stronger(Vote::Keep, Vote::Keep), Vote::Keep);
    }

    #[test]
    fn every_policy_sees_every_batch() {
        let params = RetrainParams { schedule: Some(Millis(1)), ..RetrainParams::default() };
        let mut both = params.policy(0.3).unwrap();
        let mut alone = NoiseThreshold::new(&params, 0.3).unwrap();
        let mut signals = Signals::new(Timestamp(10), Timestamp(0));
        signals.noise_ratio = Some(0.4);
        // The schedule votes at once; the noise count must go on below it.
        for _ in 0..3 {
            both.decide(&signals);
            alone.decide(&signals);
        }
        assert_eq!(both.state().children[0], alone.state());
        assert!(matches!(both.decide(&signals), Vote::Retrain(Trigger::NoiseThresholdExceeded { .. })));
    }

    #[test]
    fn state_travels_through_every_child() {
        let params = RetrainParams { schedule: Some(Millis(1000)), ..RetrainParams::default() };
        let mut first = params.policy(0.3).unwrap();
        let mut signals = Signals::new(Timestamp(0), Timestamp(0));
        signals.noise_ratio = Some(0.4);
        first.decide(&signals);
        first.decide(&signals);
        let mut second = params.policy(0.3).unwrap();
        second.restore(&first.state()).unwrap();
        assert_eq!(second.decide(&signals), first.decide(&signals));
        let mut without_schedule = RetrainParams::default().policy(0.3).unwrap();
        assert_eq!(without_schedule.restore(&first.state()).unwrap_err().code(), "TSC-RTR-003");
    }

    #[test]
    fn a_refused_state_changes_no_child() {
        let params = RetrainParams { schedule: Some(Millis(1000)), ..RetrainParams::default() };
        let mut policy = params.policy(0.3).unwrap();
        let before = policy.state();
        let mut mixed = before.clone();
        mixed.children[0].counts[0] = 2;
        mixed.children[1].policy = "noise_threshold".into();
        assert_eq!(policy.restore(&mixed).unwrap_err().code(), "TSC-RTR-002");
        assert_eq!(policy.state(), before);
    }

    #[test]
    fn a_composition_of_nothing_is_refused() {
        assert_eq!(AnyOf::new(Vec::new()).unwrap_err().code(), "TSC-RTR-001");
    }
}
