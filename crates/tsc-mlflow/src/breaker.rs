//! Pauses between attempts to reach what does not answer.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use tsc_core::Error;

use crate::clock;
use crate::config::Retries;
use crate::error::RestError;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// What a server asks for beyond this is not waited for.
const LONGEST_WISH: Duration = Duration::from_secs(600);

/// Keeps the writer from knocking at a store that does not answer.
#[derive(Debug)]
pub(crate) struct Breaker {
    retries: Retries,
    pub(crate) open_until: Option<Instant>,
    failures: u32,
}

impl Breaker {
    pub(crate) fn new(retries: &Retries) -> Self {
        Self { retries: retries.clone(), open_until: None, failures: 0 }
    }

    /// Nothing is asked for a while, each time twice as long, at most a minute unless the server asks for more.
    pub(crate) fn trip(&mut self, fault: Option<&Error>) {
        // The writer never gives up, so it must not knock without a pause.
        let pause = self.retries.pause(self.failures, fault).max(FIRST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.open_until = Some(clock::instant() + pause);
    }

    pub(crate) fn close(&mut self) {
        (self.open_until, self.failures) = (None, 0);
    }
}

impl Retries {
    /// How long to wait after so many failures before this one.
    pub(crate) fn pause(&self, failures: u32, fault: Option<&Error>) -> Duration {
        let doubled = 2_f64.powi(failures.min(16).cast_signed()) * self.factor.0 as f64 / 2.0;
        let pause = Duration::from_secs_f64(doubled / 1e3).min(LONGEST_PAUSE);
        // The seeds of the standard library's maps are random, which is all that is needed here.
        let random = RandomState::new().hash_one(failures) % self.jitter.0.max(1);
        let wish = fault.and_then(RestError::of).and_then(|rest| rest.retry_after);
        let wish = wish.filter(|_| self.respect_retry_after).unwrap_or_default().min(LONGEST_WISH);
        (pause + Duration::from_millis(random)).max(wish)
    }
}

#[cfg(test)]
mod tests {
    use tsc_core::Millis;

    use super::*;

    fn refused(retry_after: u64) -> Error {
        let wish = Some(Duration::from_secs(retry_after));
        RestError { retry_after: wish, ..RestError::new(Some(503), "busy".into(), "GET http://h".into()) }
            .into()
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_last_as_long_as_the_server_asks() {
        let retries = Retries { jitter: Millis(0), ..Retries::default() };
        let pauses = |n, fault: Option<&Error>| retries.pause(n, fault).as_secs();
        let doubling: Vec<u64> = (0..8).map(|n| pauses(n, None)).collect();
        assert_eq!(doubling, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!((pauses(u32::MAX, None), pauses(0, Some(&refused(30)))), (60, 30));
        assert_eq!((pauses(3, Some(&refused(1))), pauses(0, Some(&refused(u64::MAX)))), (8, 600));
        let deaf = Retries { respect_retry_after: false, ..retries.clone() };
        assert_eq!(deaf.pause(0, Some(&refused(30))).as_secs(), 1);
    }

    #[test]
    fn jitter_lengthens_a_pause_by_less_than_itself() {
        let retries = Retries { factor: Millis(0), jitter: Millis(40), ..Retries::default() };
        let pauses: std::collections::BTreeSet<u128> =
            (0..200).map(|_| retries.pause(0, None).as_millis()).collect();
        assert!(pauses.len() > 10 && pauses.iter().all(|pause| *pause < 40), "{pauses:?}");
    }

    #[test]
    fn the_writer_pauses_for_a_second_at_least_and_begins_anew_after_success() {
        let mut breaker =
            Breaker::new(&Retries { factor: Millis(0), jitter: Millis(0), ..Retries::default() });
        let pause = |breaker: &Breaker| breaker.open_until.map(|until| until - clock::instant());
        breaker.trip(None);
        assert!(pause(&breaker).unwrap() > Duration::from_millis(900));
        breaker.close();
        assert_eq!((breaker.open_until, breaker.failures), (None, 0));
    }
}
