//! The one place of this crate that reads a clock: stamps of log calls, and waiting.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch, MLflow's unit.
#[expect(clippy::disallowed_methods, reason = "log calls are stamped where they are made, so a replay is exact")]
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A point on the monotonic clock, for deadlines.
#[expect(clippy::disallowed_methods, reason = "deadlines of flush, replay and the breaker")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
