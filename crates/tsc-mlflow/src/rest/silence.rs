use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::clock;
use crate::counters::lock;

/// How long a server may be silent before nobody waits for it any more.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same for one that has never answered: it is rather absent than busy.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);
/// After a pause without questions the old silence says nothing.
const STALE: Duration = Duration::from_secs(30);

/// Since when a server has been asked in vain, by whichever thread.
#[derive(Debug, Default)]
pub(super) struct Silence(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    asked: Option<Instant>,
    has_answered: bool,
}

impl Silence {
    /// A request is about to be sent.
    pub(super) fn asked(&self) {
        let now = clock::instant();
        let mut state = lock(&self.0);
        state.since.get_or_insert(now);
        state.asked = Some(now);
    }

    /// Something came back, be it an error.
    pub(super) fn answered(&self) {
        let mut state = lock(&self.0);
        state.since = None;
        state.has_answered = true;
    }

    /// Whether it has lasted longer than a caller should wait.
    pub(super) fn is_long(&self) -> bool {
        lock(&self.0).is_long(clock::instant())
    }
}

impl State {
    fn is_long(&self, now: Instant) -> bool {
        let patience = if self.has_answered { PATIENCE } else { FIRST_PATIENCE };
        let lasts = |span: Option<Instant>| span.map(|start| now.saturating_duration_since(start));
        lasts(self.since).is_some_and(|lasted| lasted >= patience)
            && lasts(self.asked).is_some_and(|ago| ago < STALE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_never_answered_is_given_up_sooner_and_tried_again_after_a_pause() {
        let start = clock::instant();
        let after = |ms| start + Duration::from_millis(ms);
        let never = State { since: Some(start), asked: Some(start), has_answered: false };
        assert!(!never.is_long(after(999)) && never.is_long(after(1000)));
        assert!(!never.is_long(after(30_000)), "a later caller may ask again");
        let busy = State { has_answered: true, ..never };
        assert!(!busy.is_long(after(4999)) && busy.is_long(after(5000)));
        let silence = Silence(Mutex::new(busy));
        silence.answered();
        assert!(!lock(&silence.0).is_long(after(9000)));
        assert!(!Silence::default().is_long(), "nobody has asked yet");
    }
}
