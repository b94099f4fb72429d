use serde::{Deserialize, Serialize};
use tsc_core::{DetectorState, DriftDetector, Excess, Observation, Reading, Result};

use super::stored::{damaged, flag, open_unit, parameter, parts};
use super::{Direction, is_share};

const NAME: &str = "fhddm";

/// Settings of [`Fhddm`]; the defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FhddmParams {
    /// Values in the window, 1..=100,000; default 100. Larger finds smaller changes, later.
    pub window: usize,
    /// Level, between 0 and 1; default 1e-6. Smaller fires less often.
    pub confidence: f64,
    /// Which changes count; default falls, for a stream of right answers.
    pub direction: Direction,
}

impl Default for FhddmParams {
    fn default() -> Self {
        Self { window: 100, confidence: 1e-6, direction: Direction::Down }
    }
}

/// Fast Hoeffding drift detection: the share of ones in a window against its extreme so far.
///
/// A fall of more than sqrt(ln(1 / level) / (2 w)) below the largest share over w values is a drift, or
/// such a rise above the smallest. Input: values in 0..=1, a one from 0.5 on; others are left out.
/// O(1) per value, one bit of history per value of the window.
///
/// # Examples
///
/// ```
/// use tsc_core::{DriftDetector, Observation, Reading};
/// use tsc_monitor::{Fhddm, FhddmParams};
/// let mut fhddm = Fhddm::new(FhddmParams::default())?;
/// let right = (0..200_u32).map(|i| if i < 100 { 1.0 } else { 0.0 });
/// let first = right
///     .map(|value| fhddm.update(Observation { value, variance: None, n: 1 }))
///     .position(|reading| matches!(reading, Reading::Drift { .. }));
/// assert_eq!(first, Some(126)); // 27 wrong answers: 0.27 > sqrt(ln(1e6) / 200) = 0.263
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: Pesaranghader, Viktor, ECML-PKDD 2016; order of operations as river 0.26.1.
#[derive(Clone, Debug, PartialEq)]
pub struct Fhddm {
    params: FhddmParams,
    ones: Vec<bool>,
    /// Where the next value goes.
    next: usize,
    filled: usize,
    count: usize,
    largest: usize,
    smallest: usize,
    fired: bool,
}

impl Fhddm {
    /// An empty window.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming a parameter outside its bound.
    pub fn new(params: FhddmParams) -> Result<Self> {
        let usable = (1..=100_000).contains(&params.window);
        parameter(usable, "window", params.window as f64, "lie in 1..=100,000")?;
        open_unit("confidence", params.confidence)?;
        Ok(Self {
            params,
            ones: vec![false; params.window],
            next: 0,
            filled: 0,
            count: 0,
            largest: 0,
            smallest: params.window,
            fired: false,
        })
    }

    fn push(&mut self, one: bool) {
        if self.filled == self.params.window {
            self.count -= usize::from(self.ones[self.next]);
        } else {
            self.filled += 1;
        }
        self.ones[self.next] = one;
        self.count += usize::from(one);
        self.next = (self.next + 1) % self.params.window;
    }
}

impl DriftDetector for Fhddm {
    fn update(&mut self, x: Observation) -> Reading {
        if !is_share(x.value) {
            return Reading::Stable;
        }
        if self.fired {
            self.reset();
        }
        self.push(x.value >= 0.5);
        let FhddmParams { window, confidence, direction } = self.params;
        if self.filled < window {
            return Reading::Learning { need: (window - self.filled) as u64 };
        }
        self.largest = self.largest.max(self.count);
        self.smallest = self.smallest.min(self.count);
        let n = window as f64;
        let limit = ((1.0 / confidence).ln() / (2.0 * n)).sqrt();
        let share = |count: usize| count as f64 / n;
        let fall = if direction.falls() { share(self.largest) - share(self.count) } else { 0.0 };
        let rise = if direction.rises() { share(self.count) - share(self.smallest) } else { 0.0 };
        let statistic = fall.max(rise);
        if statistic <= limit {
            return Reading::Stable;
        }
        self.fired = true;
        Reading::Drift { excess: Excess { statistic, limit }, since: None }
    }

    fn reset(&mut self) {
        self.ones.fill(false);
        (self.next, self.filled, self.count, self.fired) = (0, 0, 0, false);
        (self.largest, self.smallest) = (0, self.params.window);
    }

    fn state(&self) -> DetectorState {
        // Oldest first, so that where the ring begins is no part of the state.
        let start = if self.filled == self.params.window { self.next } else { 0 };
        let in_order = (0..self.filled).map(|i| self.ones[(start + i) % self.params.window]);
        let extremes = [self.largest as u64, self.smallest as u64, u64::from(self.fired)];
        let counts = extremes.into_iter().chain(in_order.map(u64::from)).collect();
        DetectorState { detector: NAME.into(), counts, values: Vec::new() }
    }

    fn restore(&mut self, state: &DetectorState) -> Result<()> {
        let (counts, values) = parts(state, NAME)?;
        let ([largest, smallest, fired, ones @ ..], []) = (counts, values) else {
            return Err(damaged(NAME, "has another size"));
        };
        let most = self.params.window as u64;
        if *largest > most || *smallest > most || ones.len() > self.params.window {
            return Err(damaged(NAME, "holds a longer window than these parameters allow"));
        }
        let mut restored = Self::new(self.params)?;
        for &one in ones {
            restored.push(flag(one, NAME)?);
        }
        (restored.largest, restored.smallest) = (*largest as usize, *smallest as usize);
        restored.fired = flag(*fired, NAME)?;
        *self = restored;
        Ok(())
    }
}
