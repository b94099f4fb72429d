use fastrand::Rng;
use serde::{Deserialize, Serialize};
use tsc_core::{DetectorState, DriftDetector, Excess, Observation, Reading, Result};

use super::is_value;
use super::stored::{damaged, flag, open_unit, parameter, parts};
use crate::statistics::ks_exact_p;

const NAME: &str = "kswin";
// As river: a smaller distance is not a drift, however sure.
const MIN_DISTANCE: f64 = 0.1;

/// Settings of [`Kswin`]; the defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KswinParams {
    /// Level of each test, between 0 and 1; default 0.005. Smaller fires less often.
    pub alpha: f64,
    /// Values in the window, at most 10,000; default 100.
    pub window: usize,
    /// Newest values that are compared with as many of the older ones, 2..=window / 2; default 30.
    pub recent: usize,
    /// Seed of the draws; default 0.
    pub seed: u64,
}

impl Default for KswinParams {
    fn default() -> Self {
        Self { alpha: 0.005, window: 100, recent: 30, seed: 0 }
    }
}

/// Kolmogorov-Smirnov test of the newest values against a draw of older ones, value by value.
///
/// Draws `recent` of the older values of the window without replacement, and calls a distance above 0.1
/// with an exact two-sided p of at most alpha a drift; only the newest values are kept then.
///
/// The draws are seeded, so a stream gives the same readings every time; they are not Python's, so the
/// detections agree with river's by rate, not by index. The tests overlap: with the default level clean
/// streams fire every few hundred values.
///
/// O(r log r) per value, r the newest values; the window and two buffers are the memory.
///
/// # Examples
///
/// ```
/// use tsc_core::{DriftDetector, Observation, Reading};
/// use tsc_monitor::{Kswin, KswinParams};
/// let mut kswin = Kswin::new(KswinParams { alpha: 1e-4, ..KswinParams::default() })?;
/// let step = (0..300_u32).map(|i| f64::from(i % 7) + if i < 150 { 0.0 } else { 7.0 });
/// let found = step
///     .map(|value| kswin.update(Observation { value, variance: None, n: 1 }))
///     .position(|reading| matches!(reading, Reading::Drift { .. }));
/// assert!(found.is_some_and(|i| (150..180).contains(&i)));
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: Raab, Heusinger, Schleif, Neurocomputing 416 (2020), 340-351.
#[derive(Clone, Debug)]
pub struct Kswin {
    params: KswinParams,
    /// Smallest difference of counts that is a drift.
    critical: usize,
    /// Oldest first.
    window: std::collections::VecDeque<f64>,
    older: Vec<f64>,
    newest: Vec<f64>,
    rng: Rng,
    fired: bool,
}

impl Kswin {
    /// An empty window.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming a parameter outside its bound.
    pub fn new(params: KswinParams) -> Result<Self> {
        open_unit("alpha", params.alpha)?;
        let usable = (4..=10_000).contains(&params.window);
        parameter(usable, "window", params.window as f64, "lie in 4..=10,000")?;
        let r = params.recent;
        parameter((2..=params.window / 2).contains(&r), "recent", r as f64, "lie in 2..=window / 2")?;
        // p falls with the distance, so the smallest critical one decides every test.
        let is_drift =
            |&h: &usize| h as f64 / r as f64 > MIN_DISTANCE && ks_exact_p(r, r, h * r) <= params.alpha;
        let candidates: Vec<usize> = (1..=r).collect();
        let critical = candidates.partition_point(|h| !is_drift(h)) + 1;
        Ok(Self {
            params,
            critical,
            window: std::collections::VecDeque::with_capacity(params.window + 1),
            older: Vec::with_capacity(params.window),
            newest: Vec::with_capacity(r),
            rng: Rng::with_seed(params.seed),
            fired: false,
        })
    }

    // Largest difference between the counts of both samples at or below any value.
    fn distance(&mut self) -> usize {
        let (n, r) = (self.params.window, self.params.recent);
        self.older.clear();
        self.older.extend(self.window.iter().take(n - r));
        // The first r places of a shuffle: a draw without replacement.
        for i in 0..r {
            let j = self.rng.usize(i..n - r);
            self.older.swap(i, j);
        }
        self.older.truncate(r);
        self.older.sort_unstable_by(f64::total_cmp);
        self.newest.clear();
        self.newest.extend(self.window.iter().skip(n - r));
        self.newest.sort_unstable_by(f64::total_cmp);
        let (mut i, mut j, mut largest) = (0, 0, 0);
        while i < r && j < r {
            let at = self.older[i].min(self.newest[j]);
            while i < r && self.older[i] <= at {
                i += 1;
            }
            while j < r && self.newest[j] <= at {
                j += 1;
            }
            largest = largest.max(i.abs_diff(j));
        }
        largest
    }
}

impl DriftDetector for Kswin {
    fn update(&mut self, x: Observation) -> Reading {
        if !is_value(x.value) {
            return Reading::Stable;
        }
        self.fired = false;
        let n = self.params.window;
        self.window.push_back(x.value);
        if self.window.len() > n {
            self.window.pop_front();
        }
        if self.window.len() < n {
            return Reading::Learning { need: (n - self.window.len()) as u64 };
        }
        let distance = self.distance();
        if distance < self.critical {
            return Reading::Stable;
        }
        self.fired = true;
        self.window.drain(..n - self.params.recent);
        let r = self.params.recent as f64;
        let excess = Excess { statistic: distance as f64 / r, limit: self.critical as f64 / r };
        Reading::Drift { excess, since: None }
    }

    fn reset(&mut self) {
        self.window.clear();
        self.rng = Rng::with_seed(self.params.seed);
        self.fired = false;
    }

    fn state(&self) -> DetectorState {
        let counts = vec![self.rng.get_seed(), u64::from(self.fired)];
        DetectorState { detector: NAME.into(), counts, values: self.window.iter().copied().collect() }
    }

    fn restore(&mut self, state: &DetectorState) -> Result<()> {
        let (counts, values) = parts(state, NAME)?;
        let [seed, fired] = counts else { return Err(damaged(NAME, "has another size")) };
        if values.len() > self.params.window {
            return Err(damaged(NAME, "holds a longer window than these parameters allow"));
        }
        self.fired = flag(*fired, NAME)?;
        self.rng = Rng::with_seed(*seed);
        self.window.clear();
        self.window.extend(values);
        Ok(())
    }
}
