//! Pauses between attempts to reach what does not answer.

use std::time::{Duration, Instant};

use crate::clock;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Keeps the writer from knocking at a store that does not answer.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    pub(crate) open_until: Option<Instant>,
    pause: Duration,
}

impl Breaker {
    /// Nothing is asked for a while, each time twice as long, at most a minute.
    pub(crate) fn trip(&mut self) {
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.open_until = Some(clock::instant() + self.pause);
    }

    pub(crate) fn close(&mut self) {
        *self = Self::default();
    }
}
