use serde::{Deserialize, Serialize};
use tsc_core::{Result, RetrainOutcome, Timestamp, Trigger};

use crate::RetrainParams;
use crate::policy::rank;

/// Turns triggers into at most one retrain at a time.
///
/// - After a success nothing but a manual request starts for `min_interval`.
/// - After a failure, rejection, deferral or rollback nothing but a manual request starts for
///   `backoff_initial`, doubled each further time up to `backoff_max`. The pause after a *success* is not
///   started by a failure, so a breach that persists retriggers after the back-off.
/// - However many manual requests come while one retrain runs, one further run follows.
///
/// # Examples
///
/// ```
/// use tsc_core::{RetrainOutcome, Timestamp, Trigger};
/// use tsc_retrain::{Admission, RetrainParams, TriggerQueue};
/// let mut queue = TriggerQueue::new(&RetrainParams::default())?;
/// let breach = Trigger::NoiseThresholdExceeded { noise_ratio: 0.5, threshold: 0.3, consecutive: 3 };
/// assert_eq!(queue.offer(breach.clone(), Timestamp(0)), Admission::Queued);
/// assert_eq!(queue.start(), Some(breach.clone()));
/// queue.finish(RetrainOutcome::Promoted, Timestamp(0));
/// let hour = Timestamp(3_600_000);
/// assert_eq!(queue.offer(breach.clone(), Timestamp(1000)), Admission::Muted { until: hour });
/// assert_eq!(queue.offer(breach, hour), Admission::Queued);
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TriggerQueue {
    min_interval: i64,
    backoff_initial: i64,
    backoff_max: i64,
    state: QueueState,
}

/// What became of an offered trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Admission {
    /// It waits for [`TriggerQueue::start`], or replaced a waiting one of lower rank.
    Queued,
    /// One of the same or a higher rank is waiting already.
    Merged,
    /// A pause after the last retrain is not over; the policy will offer it again.
    Muted {
        /// End of the pause.
        until: Timestamp,
    },
    /// A retrain is running; the policy will offer it again.
    Busy,
}

/// All state of a [`TriggerQueue`]; JSON only, because [`Trigger`] is tagged by `kind`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueState {
    running: Option<Trigger>,
    pending: Option<Trigger>,
    last_success: Option<Timestamp>,
    blocked_until: Option<Timestamp>,
    failures: u32,
    statistics: QueueStatistics,
}

/// How often triggers were offered and what became of them.
#[doc(alias = "get_trigger_statistics")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct QueueStatistics {
    /// Accepted.
    pub queued: u64,
    /// Lost to a waiting one.
    pub merged: u64,
    /// Refused during a pause.
    pub muted: u64,
    /// Refused while a retrain ran.
    pub busy: u64,
    /// Retrains started.
    pub started: u64,
    /// Retrains that replaced the champion.
    pub succeeded: u64,
    /// Retrains that did not.
    pub unsuccessful: u64,
}

impl TriggerQueue {
    /// An empty queue with the pauses of the table `retraining`.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every broken bound.
    pub fn new(params: &RetrainParams) -> Result<Self> {
        Self::restore(params, QueueState::default())
    }

    /// The queue that [`TriggerQueue::state`] described.
    ///
    /// A retrain that was running when the state was taken is waiting again: its process is gone.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every broken bound of `params`.
    pub fn restore(params: &RetrainParams, mut state: QueueState) -> Result<Self> {
        params.validate()?;
        if let Some(lost) = state.running.take() {
            state.pending = Some(match state.pending.take() {
                Some(waiting) if rank(&waiting) <= rank(&lost) => waiting,
                _ => lost,
            });
        }
        let ms = |millis: tsc_core::Millis| i64::try_from(millis.0).unwrap_or(i64::MAX);
        Ok(Self {
            min_interval: ms(params.min_interval),
            backoff_initial: ms(params.backoff_initial),
            backoff_max: ms(params.backoff_max),
            state,
        })
    }

    /// All state, to be stored.
    #[must_use]
    pub fn state(&self) -> &QueueState {
        &self.state
    }

    /// Hands over a trigger. A manual one is never muted and may wait while a retrain runs.
    #[doc(alias = "request_manual_retraining")]
    pub fn offer(&mut self, trigger: Trigger, now: Timestamp) -> Admission {
        let admission = self.admit(trigger, now);
        let count = &mut self.state.statistics;
        *match admission {
            Admission::Queued => &mut count.queued,
            Admission::Merged => &mut count.merged,
            Admission::Muted { .. } => &mut count.muted,
            Admission::Busy => &mut count.busy,
        } += 1;
        admission
    }

    fn admit(&mut self, trigger: Trigger, now: Timestamp) -> Admission {
        if !matches!(trigger, Trigger::ManualCommand { .. }) {
            if self.state.running.is_some() {
                return Admission::Busy;
            }
            if let Some(until) = self.muted_until(now) {
                return Admission::Muted { until };
            }
        }
        if let Some(waiting) = &self.state.pending
            && rank(waiting) <= rank(&trigger)
        {
            return Admission::Merged;
        }
        self.state.pending = Some(trigger);
        Admission::Queued
    }

    /// Until when only manual requests start; `None` if there is no pause at `now`.
    #[must_use]
    pub fn muted_until(&self, now: Timestamp) -> Option<Timestamp> {
        let cooldown = self.state.last_success.map(|t| Timestamp(t.0.saturating_add(self.min_interval)));
        cooldown.max(self.state.blocked_until).filter(|until| now < *until)
    }

    /// Takes the waiting trigger, if no retrain is running; from here to `finish` one is.
    pub fn start(&mut self) -> Option<Trigger> {
        if self.state.running.is_some() {
            return None;
        }
        let trigger = self.state.pending.take()?;
        self.state.running = Some(trigger.clone());
        self.state.statistics.started += 1;
        Some(trigger)
    }

    /// Ends the running retrain and starts the pause its outcome asks for.
    ///
    /// Without a running retrain this still counts: an operator's rollback is a failure too.
    pub fn finish(&mut self, outcome: RetrainOutcome, now: Timestamp) {
        let state = &mut self.state;
        state.running = None;
        if outcome == RetrainOutcome::Promoted {
            state.last_success = Some(now);
            state.blocked_until = None;
            state.failures = 0;
            state.statistics.succeeded += 1;
            return;
        }
        state.failures = state.failures.saturating_add(1);
        state.statistics.unsuccessful += 1;
        let factor = 1_i64.checked_shl(state.failures - 1).filter(|f| *f > 0).unwrap_or(i64::MAX);
        let pause = self.backoff_initial.saturating_mul(factor).min(self.backoff_max);
        state.blocked_until = Some(Timestamp(now.0.saturating_add(pause)));
    }

    /// The retrain that is running.
    #[must_use]
    pub fn running(&self) -> Option<&Trigger> {
        self.state.running.as_ref()
    }

    /// The trigger that waits.
    #[must_use]
    pub fn pending(&self) -> Option<&Trigger> {
        self.state.pending.as_ref()
    }

    /// When a challenger was last promoted.
    #[must_use]
    pub fn last_success(&self) -> Option<Timestamp> {
        self.state.last_success
    }

    /// Unsuccessful retrains since the last success.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.state.failures
    }

    /// How often triggers were offered and what became of them.
    #[must_use]
    pub fn statistics(&self) -> QueueStatistics {
        self.state.statistics
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tsc_core::Millis;

    const MINUTE: i64 = 60_000;

    fn queue() -> TriggerQueue {
        TriggerQueue::new(&RetrainParams::default()).unwrap()
    }

    fn noise() -> Trigger {
        Trigger::NoiseThresholdExceeded { noise_ratio: 0.5, threshold: 0.3, consecutive: 3 }
    }

    fn manual() -> Trigger {
        Trigger::ManualCommand { reason: "new ward".into() }
    }

    fn run(queue: &mut TriggerQueue, outcome: RetrainOutcome, minute: i64) {
        assert_eq!(queue.offer(noise(), Timestamp(minute * MINUTE)), Admission::Queued);
        assert!(queue.start().is_some());
        queue.finish(outcome, Timestamp(minute * MINUTE));
    }

    // F-29: in the seed a failed retrain starts the one-hour cooldown.
    #[test]
    fn f29_a_failed_retrain_retriggers_after_the_backoff_not_after_the_cooldown() {
        let mut queue = queue();
        run(&mut queue, RetrainOutcome::Failed, 0);
        let until = Timestamp(5 * MINUTE);
        assert_eq!(queue.offer(noise(), Timestamp(5 * MINUTE - 1)), Admission::Muted { until });
        assert_eq!(queue.offer(noise(), until), Admission::Queued);
    }

    #[test]
    fn f29_the_cooldown_counts_from_the_last_success() {
        let mut queue = queue();
        run(&mut queue, RetrainOutcome::Promoted, 0);
        run(&mut queue, RetrainOutcome::Failed, 60);
        assert_eq!(queue.muted_until(Timestamp(61 * MINUTE)), Some(Timestamp(65 * MINUTE)));
        assert_eq!(queue.last_success(), Some(Timestamp(0)));
    }

    #[test]
    fn the_backoff_doubles_up_to_its_bound_and_a_success_ends_it() {
        let mut queue = queue();
        let mut minute = 0;
        let mut pauses = Vec::new();
        for _ in 0..14 {
            run(&mut queue, RetrainOutcome::Rejected, minute);
            let until = queue.muted_until(Timestamp(minute * MINUTE)).unwrap();
            pauses.push(until.0 / MINUTE - minute);
            minute = until.0 / MINUTE;
        }
        assert_eq!(pauses[..5], [5, 10, 20, 40, 80]);
        assert_eq!(pauses[11..], [10_080; 3]); // 7 days; 5 x 2^11 minutes would be 10,240
        run(&mut queue, RetrainOutcome::Promoted, minute);
        assert_eq!(queue.failures(), 0);
        minute += 60;
        run(&mut queue, RetrainOutcome::Failed, minute);
        assert_eq!(queue.muted_until(Timestamp(minute * MINUTE)), Some(Timestamp((minute + 5) * MINUTE)));
    }

    #[test]
    fn a_hundred_failures_do_not_overflow() {
        let mut queue = queue();
        for _ in 0..100 {
            queue.finish(RetrainOutcome::Failed, Timestamp(i64::MAX - 1));
        }
        assert_eq!(queue.muted_until(Timestamp(0)), Some(Timestamp(i64::MAX)));
    }

    #[test]
    fn a_manual_request_skips_cooldown_and_backoff() {
        for outcome in [RetrainOutcome::Promoted, RetrainOutcome::Failed] {
            let mut queue = queue();
            run(&mut queue, outcome, 0);
            assert_eq!(queue.offer(manual(), Timestamp(1)), Admission::Queued);
            assert_eq!(queue.start(), Some(manual()));
        }
    }

    #[test]
    fn five_requests_while_one_runs_give_one_further_run() {
        let mut queue = queue();
        queue.offer(noise(), Timestamp(0));
        queue.start();
        let answers: Vec<Admission> = (0..5).map(|i| queue.offer(manual(), Timestamp(i))).collect();
        assert_eq!(answers[0], Admission::Queued);
        assert_eq!(answers[1..], [Admission::Merged; 4]);
        assert_eq!(queue.offer(noise(), Timestamp(6)), Admission::Busy);
        assert_eq!(queue.start(), None);
        queue.finish(RetrainOutcome::Promoted, Timestamp(7));
        assert_eq!(queue.start(), Some(manual()));
        queue.finish(RetrainOutcome::Promoted, Timestamp(8));
        assert_eq!(queue.start(), None);
        assert_eq!(queue.statistics().started, 2);
    }

    #[test]
    fn a_higher_rank_replaces_the_waiting_trigger() {
        let mut queue = queue();
        let schedule = Trigger::ScheduledRetraining { interval_ms: 1, elapsed_ms: 1 };
        queue.offer(schedule.clone(), Timestamp(0));
        assert_eq!(queue.offer(noise(), Timestamp(0)), Admission::Queued);
        assert_eq!(queue.offer(schedule, Timestamp(0)), Admission::Merged);
        assert_eq!(queue.start(), Some(noise()));
    }

    #[test]
    fn each_pause_key_changes_the_outcome() {
        let base = RetrainParams::default();
        let pauses = |params: &RetrainParams| {
            let mut queue = TriggerQueue::new(params).unwrap();
            queue.finish(RetrainOutcome::Promoted, Timestamp(0));
            let cooldown = queue.muted_until(Timestamp(0)).unwrap();
            let mut queue = TriggerQueue::new(params).unwrap();
            queue.finish(RetrainOutcome::Failed, Timestamp(0));
            let first = queue.muted_until(Timestamp(0)).unwrap();
            (0..30).for_each(|_| queue.finish(RetrainOutcome::Failed, Timestamp(0)));
            [cooldown, first, queue.muted_until(Timestamp(0)).unwrap()].map(|t| t.0 / MINUTE)
        };
        assert_eq!(pauses(&base), [60, 5, 10_080]);
        assert_eq!(pauses(&RetrainParams { min_interval: Millis(120_000), ..base.clone() }), [2, 5, 10_080]);
        assert_eq!(
            pauses(&RetrainParams { backoff_initial: Millis(60_000), ..base.clone() }),
            [60, 1, 10_080]
        );
        assert_eq!(pauses(&RetrainParams { backoff_max: Millis(1_200_000), ..base }), [60, 5, 20]);
    }

    #[test]
    fn a_retrain_lost_with_its_process_waits_again() {
        let params = RetrainParams::default();
        let mut queue = queue();
        queue.offer(noise(), Timestamp(0));
        queue.start();
        let text = serde_json::to_string(queue.state()).unwrap();
        let mut restored = TriggerQueue::restore(&params, serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(restored.start(), Some(noise()));
    }

    proptest! {
        // Whatever is offered whenever, and however retrains end: no policy's trigger starts in a pause.
        #[test]
        fn policies_are_silent_during_their_cooldown(
            steps in prop::collection::vec((0..4_000_000_i64, any::<bool>(), 0..5_u8), 1..60)
        ) {
            let params = RetrainParams::default();
            let mut queue = TriggerQueue::new(&params).unwrap();
            let (mut now, mut success, mut failure) = (0, None::<i64>, None::<i64>);
            for (wait, by_hand, outcome) in steps {
                now += wait;
                queue.offer(if by_hand { manual() } else { noise() }, Timestamp(now));
                // Saving and restoring in between changes nothing.
                let text = serde_json::to_string(queue.state()).unwrap();
                queue = TriggerQueue::restore(&params, serde_json::from_str(&text).unwrap()).unwrap();
                let Some(trigger) = queue.start() else { continue };
                if !matches!(trigger, Trigger::ManualCommand { .. }) {
                    prop_assert!(success.is_none_or(|t| now - t >= 3_600_000));
                    prop_assert!(failure.is_none_or(|t| now - t >= 300_000));
                }
                let outcome = [
                    RetrainOutcome::Promoted, RetrainOutcome::Rejected, RetrainOutcome::Failed,
                    RetrainOutcome::Deferred, RetrainOutcome::RolledBack,
                ][usize::from(outcome)];
                queue.finish(outcome, Timestamp(now));
                if outcome == RetrainOutcome::Promoted { (success, failure) = (Some(now), None) }
                else { failure = Some(now) }
            }
        }
    }
}
