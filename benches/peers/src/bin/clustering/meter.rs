//! Wall time and resident memory of one call.

use std::{fmt, fs, time::Instant};

/// What one call took; memory is absent where the system does not tell it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub(crate) seconds: f64,
    /// Largest resident set of the process while the call ran.
    peak_mb: Option<f64>,
    /// The same above the resident set with the input loaded.
    rise_mb: Option<f64>,
}

impl Spent {
    /// A call that was repeated, by the time of one.
    pub(crate) fn each(self, calls: usize) -> Self {
        Self { seconds: self.seconds / calls as f64, ..self }
    }
}

/// Runs the call and measures it.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) fn measure<T>(call: impl FnOnce() -> T) -> (T, Spent) {
    // Linux then counts the peak anew, so that what loading took does not hide what the call takes;
    // a system without this file has no `/proc/self/status` either.
    let _reset = fs::write("/proc/self/clear_refs", "5");
    let loaded_mb = resident_mb("VmRSS:");
    let start = Instant::now();
    let result = call();
    let seconds = start.elapsed().as_secs_f64();
    let peak_mb = resident_mb("VmHWM:");
    let rise_mb = peak_mb.zip(loaded_mb).map(|(peak, loaded)| peak - loaded);
    (result, Spent { seconds, peak_mb, rise_mb })
}

fn resident_mb(field: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}

/// The line that xtask reads.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) spent: Spent,
    /// Seconds of the fit that the measured call starts from, if there is one.
    pub(crate) setup: Option<f64>,
    /// One number that a right result of the same input has too.
    pub(crate) check: Option<f64>,
    /// Size of the input in memory.
    pub(crate) input_mb: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\"seconds\": {:?}, \"input_mb\": {:?}", self.spent.seconds, self.input_mb)?;
        let optional = [
            ("peak_mb", self.spent.peak_mb),
            ("rise_mb", self.spent.rise_mb),
            ("setup", self.setup),
            ("check", self.check),
        ];
        for (name, value) in optional {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                write!(f, ", \"{name}\": {value:?}")?;
            }
        }
        f.write_str("}")
    }
}
