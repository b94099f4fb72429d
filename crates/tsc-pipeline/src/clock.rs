//! The only place of this crate that reads a clock or the process's memory.
#![expect(clippy::disallowed_methods, reason = "the composition reads the clock so that no stage has to")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tsc_core::Timestamp;

/// Milliseconds since the epoch; 0 on a machine whose clock is before 1970.
pub(crate) fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}

/// Seconds since it was started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Resident and peak resident memory of this process in MiB; `None` where the system does not say.
pub(crate) fn memory_mib() -> (Option<f64>, Option<f64>) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kib / 1024.0)
    };
    (field("VmRSS:"), field("VmHWM:"))
}
