use serde::{Deserialize, Serialize};
use tsc_core::{DetectorState, DriftDetector, Excess, Observation, Reading, Result};

use super::mean::Mean;
use super::stored::{MOST, damaged, fixed, flag, parameter};
use super::{Direction, is_value};

const NAME: &str = "page_hinkley";

/// Settings of [`PageHinkley`]; the defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageHinkleyParams {
    /// Values before the first check; default 30.
    pub min_instances: u64,
    /// Slack per value, in the unit of the values, at least 0; default 0.005.
    pub delta: f64,
    /// Limit of the sum, in the unit of the values, above 0; default 50, which a noise ratio never
    /// reaches.
    pub threshold: f64,
    /// Weight of the past, above 0 and at most 1; default 0.9999. Smaller forgets faster.
    pub alpha: f64,
    /// Which changes count; default both.
    pub direction: Direction,
}

impl Default for PageHinkleyParams {
    fn default() -> Self {
        Self {
            min_instances: 30,
            delta: 0.005,
            threshold: 50.0,
            alpha: 1.0 - 0.0001,
            direction: Direction::Both,
        }
    }
}

/// Page-Hinkley's test: the sum of deviations from the running mean, above its smallest value.
///
/// With m the mean so far, U = alpha U + (x - m) - delta and D = alpha D + (x - m) + delta; a change is
/// U - min U or max D - D above the threshold. As in river, max D starts at -1, so that a fall is found
/// later by up to 1 in the sum than a rise.
///
/// Not a default anywhere in this crate: with a threshold of 50 on unit normal values it fires falsely
/// every 1,664 values. O(1) per value.
///
/// # Examples
///
/// ```
/// use tsc_core::{DriftDetector, Observation, Reading};
/// use tsc_monitor::{PageHinkley, PageHinkleyParams};
/// let params = PageHinkleyParams { threshold: 5.0, ..PageHinkleyParams::default() };
/// let mut test = PageHinkley::new(params)?;
/// let step = (0..100_u32).map(|i| if i < 50 { 0.0 } else { 1.0 });
/// let first = step
///     .map(|value| test.update(Observation { value, variance: None, n: 1 }))
///     .position(|reading| matches!(reading, Reading::Drift { .. }));
/// assert_eq!(first, Some(55));
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: Page, Biometrika 41 (1954), 100-115; order of operations as river 0.26.1.
#[derive(Clone, Debug, PartialEq)]
pub struct PageHinkley {
    params: PageHinkleyParams,
    mean: Mean,
    up: f64,
    down: f64,
    lowest_up: f64,
    highest_down: f64,
    seen: u64,
    since_up: u64,
    since_down: u64,
    fired: bool,
}

impl PageHinkley {
    /// A test that has seen nothing.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming a parameter outside its bound.
    pub fn new(params: PageHinkleyParams) -> Result<Self> {
        let p = params;
        parameter(p.delta >= 0.0 && p.delta <= super::LARGEST, "delta", p.delta, "be finite and at least 0")?;
        let limit = p.threshold > 0.0 && p.threshold.is_finite();
        parameter(limit, "threshold", p.threshold, "be finite and above 0")?;
        parameter(p.alpha > 0.0 && p.alpha <= 1.0, "alpha", p.alpha, "be above 0 and at most 1")?;
        Ok(Self {
            params,
            mean: Mean::default(),
            up: 0.0,
            down: 0.0,
            lowest_up: f64::MAX,
            highest_down: -1.0,
            seen: 0,
            since_up: 0,
            since_down: 0,
            fired: false,
        })
    }

    fn clear(&mut self) {
        (self.mean, self.up, self.down) = (Mean::default(), 0.0, 0.0);
        (self.lowest_up, self.highest_down) = (f64::MAX, -1.0);
        self.fired = false;
    }
}

impl DriftDetector for PageHinkley {
    fn update(&mut self, x: Observation) -> Reading {
        if !is_value(x.value) {
            return Reading::Stable;
        }
        if self.fired {
            self.clear();
        }
        let PageHinkleyParams { min_instances, delta, threshold, alpha, direction } = self.params;
        self.mean.push(x.value);
        self.seen += 1;
        let deviation = x.value - self.mean.value;
        self.up = alpha * self.up + deviation - delta;
        self.down = alpha * self.down + deviation + delta;
        if self.up < self.lowest_up {
            (self.lowest_up, self.since_up) = (self.up, self.seen);
        }
        if self.down > self.highest_down {
            (self.highest_down, self.since_down) = (self.down, self.seen);
        }
        if self.mean.n < min_instances {
            return Reading::Learning { need: min_instances - self.mean.n };
        }
        let (up, down) = (self.up - self.lowest_up, self.highest_down - self.down);
        let drift = |statistic, since| {
            let excess = Excess { statistic, limit: threshold };
            Reading::Drift { excess, since: Some(since) }
        };
        let reading = match () {
            () if direction.rises() && up > threshold => drift(up, self.since_up),
            () if direction.falls() && down > threshold => drift(down, self.since_down),
            () => return Reading::Stable,
        };
        self.fired = true;
        reading
    }

    fn reset(&mut self) {
        self.clear();
        (self.seen, self.since_up, self.since_down) = (0, 0, 0);
    }

    fn state(&self) -> DetectorState {
        let counts = vec![self.mean.n, self.seen, self.since_up, self.since_down, u64::from(self.fired)];
        let values = vec![self.mean.value, self.up, self.down, self.lowest_up, self.highest_down];
        DetectorState { detector: NAME.into(), counts, values }
    }

    fn restore(&mut self, state: &DetectorState) -> Result<()> {
        let (counts, values) = fixed(state, NAME)?;
        let [n, seen, since_up, since_down, fired] = counts;
        let [mean, up, down, lowest_up, highest_down] = values;
        if n > seen || since_up > seen || since_down > seen || seen > MOST {
            return Err(damaged(NAME, "holds counts that do not add up"));
        }
        let fired = flag(fired, NAME)?;
        let mean = Mean { n, value: mean };
        let params = self.params;
        *self = Self { params, mean, up, down, lowest_up, highest_down, seen, since_up, since_down, fired };
        Ok(())
    }
}
