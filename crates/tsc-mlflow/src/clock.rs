//! The one place of this crate that reads a clock: stamps of log calls, and waiting.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch, MLflow's unit.
#[expect(
    clippy::disallowed_methods,
    reason = "log calls are stamped where they are made, so a replay is exact"
)]
pub(crate) fn now_ms() -> i64 {
    ms_of(SystemTime::now())
}

/// The same for a time of the file system.
pub(crate) fn ms_of(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time for the file system.
pub(crate) fn system(ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms.max(0).unsigned_abs())
}

/// A point on the monotonic clock, for deadlines.
#[expect(clippy::disallowed_methods, reason = "deadlines of flush, replay and the breaker")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// `2026-01-31 23:59:59.123000`, as MLflow writes it.
pub(crate) fn utc(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (second, ms) = (of_day / 1_000, of_day % 1_000);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{ms:03}000",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// Date of a day number since 1970-01-01, after Howard Hinnant, "chrono-compatible low-level date algorithms".
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    // `date -u -d @…` of GNU coreutils.
    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(utc(0), "1970-01-01 00:00:00.000000");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00:00.000000");
        assert_eq!(utc(1_700_000_000_123), "2023-11-14 22:13:20.123000");
        assert_eq!(utc(-1), "1969-12-31 23:59:59.999000");
    }
}
