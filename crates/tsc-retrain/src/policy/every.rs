use tsc_core::{
    Millis, PolicyState, Result, RetrainPolicy, Signals, Stage, Trigger, Violation, Vote, all_valid,
};

use super::check_owner;
use crate::params::CONFIG;

const NAME: &str = "every";

/// Retrains when an interval has passed since the last success, or since the fit if there was none.
///
/// It needs no memory of its own, so it also fires in a process that has just started, and once after a
/// long sleep.
#[doc(alias = "check_scheduled_retraining")]
#[derive(Clone, Copy, Debug)]
pub struct Every {
    interval: Millis,
}

impl Every {
    /// A retrain each `interval`.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if the interval is 0.
    pub fn new(interval: Millis) -> Result<Self> {
        let zero = [Violation::new("schedule", "is 0s, must be above 0")];
        all_valid(&zero[..usize::from(interval.0 == 0)], Stage::Retraining, CONFIG)?;
        Ok(Self { interval })
    }
}

impl RetrainPolicy for Every {
    fn decide(&mut self, signals: &Signals<'_>) -> Vote {
        let last = signals.last_success.map_or(signals.last_fit, |success| success.max(signals.last_fit));
        let elapsed_ms = u64::try_from(signals.now.since(last)).unwrap_or(0);
        if elapsed_ms < self.interval.0 {
            return Vote::Keep;
        }
        Vote::Retrain(Trigger::ScheduledRetraining { interval_ms: self.interval.0, elapsed_ms })
    }

    fn state(&self) -> PolicyState {
        PolicyState { policy: NAME.into(), counts: Vec::new(), values: Vec::new(), children: Vec::new() }
    }

    fn restore(&mut self, state: &PolicyState) -> Result<()> {
        check_owner(state, NAME, 0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tsc_core::Timestamp;

    const HOUR: i64 = 3_600_000;

    #[track_caller]
    fn check(now: i64, fit: i64, success: Option<i64>, fires: bool) {
        let mut policy = Every::new("24h".parse().unwrap()).unwrap();
        let mut signals = Signals::new(Timestamp(now), Timestamp(fit));
        signals.last_success = success.map(Timestamp);
        assert_eq!(matches!(policy.decide(&signals), Vote::Retrain(_)), fires);
    }

    // F-28: the seed's first schedule never fires.
    #[test]
    fn f28_the_schedule_fires_on_a_fresh_process_given_times() {
        check(24 * HOUR, 0, None, true);
        check(24 * HOUR - 1, 0, None, false);
    }

    #[test]
    fn the_last_success_counts_where_there_was_one() {
        check(30 * HOUR, 0, Some(10 * HOUR), false);
        check(34 * HOUR, 0, Some(10 * HOUR), true);
    }

    #[test]
    fn a_clock_set_back_does_not_fire() {
        check(-HOUR, 0, None, false);
        check(i64::MIN, i64::MAX, None, false);
    }

    #[test]
    fn an_interval_of_zero_is_refused() {
        assert_eq!(Every::new(Millis(0)).unwrap_err().to_string(), "schedule is 0s, must be above 0");
    }
}
