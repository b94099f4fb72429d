use std::{fmt, fs, time::Instant};

/// What one call took; memory is absent where the system does not tell it.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// Wall time.
    pub seconds: f64,
    /// Largest resident set of the process while the call ran.
    pub peak_mb: Option<f64>,
    /// The same above the resident set with the input loaded.
    pub rise_mb: Option<f64>,
}

impl Spent {
    /// A call that was repeated, by the time of one.
    #[must_use]
    pub fn each(self, calls: usize) -> Self {
        Self { seconds: self.seconds / calls as f64, ..self }
    }
}

/// Runs the call and measures it.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub fn measure<T>(call: impl FnOnce() -> T) -> (T, Spent) {
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

/// The line of JSON that xtask reads.
#[derive(Debug)]
pub struct Report(Vec<(&'static str, f64)>);

impl Report {
    /// Time and memory of the measured call.
    #[must_use]
    pub fn new(spent: Spent) -> Self {
        let memory = [("peak_mb", spent.peak_mb), ("rise_mb", spent.rise_mb)];
        Self(vec![("seconds", spent.seconds)]).with_known(memory)
    }

    /// A further figure; JSON has no NaN and no infinity, and such a figure is left out.
    #[must_use]
    pub fn with(self, name: &'static str, value: f64) -> Self {
        self.with_known([(name, Some(value))])
    }

    /// Further figures, as far as they are known.
    #[must_use]
    pub fn with_known(mut self, figures: impl IntoIterator<Item = (&'static str, Option<f64>)>) -> Self {
        let known = figures.into_iter().filter_map(|(name, value)| Some((name, value?)));
        self.0.extend(known.filter(|(_, value)| value.is_finite()));
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<String> =
            self.0.iter().map(|(name, value)| format!("\"{name}\": {value:?}")).collect();
        write!(f, "{{{}}}", members.join(", "))
    }
}

/// Runs the call so often and gives the median of its times in microseconds, beside what all took together.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub fn measure_each<T>(calls: usize, mut call: impl FnMut(usize) -> T) -> (f64, Spent) {
    let mut times = Vec::with_capacity(calls);
    let ((), spent) = measure(|| {
        for number in 0..calls {
            let start = Instant::now();
            std::hint::black_box(call(number));
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
    });
    times.sort_by(f64::total_cmp);
    (times.get(calls / 2).copied().unwrap_or(f64::NAN), spent)
}
