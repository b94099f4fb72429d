use serde::{Deserialize, Serialize};
use tsc_core::{DetectorState, DriftDetector, Excess, Observation, Reading, Result};

use super::mean::Mean;
use super::stored::{MOST, damaged, fixed, flag, open_unit, parameter};
use super::{Direction, is_share};

const NAME: &str = "hddm_a";

/// Settings of [`HddmA`]; the defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HddmAParams {
    /// Level of a drift, between 0 and 1; default 0.001. Smaller fires less often.
    pub drift_confidence: f64,
    /// Level of a warning, at least `drift_confidence`; default 0.005.
    pub warning_confidence: f64,
    /// Which changes count; default rises.
    pub direction: Direction,
}

impl Default for HddmAParams {
    fn default() -> Self {
        Self { drift_confidence: 0.001, warning_confidence: 0.005, direction: Direction::Up }
    }
}

pub(super) fn check_levels(drift: f64, warning: f64) -> Result<()> {
    open_unit("drift_confidence", drift)?;
    let usable = warning >= drift && warning < 1.0;
    parameter(usable, "warning_confidence", warning, "be below 1 and at least drift_confidence")
}

/// Drift detection by Hoeffding's bound on running means.
///
/// The stream is cut where mean + bound was smallest; the mean of all n values is compared with that of
/// the first m at sqrt((n - m) / (2 m n) ln(2 / level)). Input: values in 0..=1; others are left out.
/// O(1) per value.
///
/// # Examples
///
/// ```
/// use tsc_core::{DriftDetector, Observation, Reading};
/// use tsc_monitor::{HddmA, HddmAParams};
/// let mut hddm = HddmA::new(HddmAParams::default())?;
/// let errors = (0..200_u32).map(|i| if i >= 100 || i % 10 == 0 { 1.0 } else { 0.0 });
/// let found = errors
///     .map(|value| hddm.update(Observation { value, variance: None, n: 1 }))
///     .position(|reading| matches!(reading, Reading::Drift { .. }));
/// assert!(found.is_some_and(|i| (100..140).contains(&i)));
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: Frias-Blanco et al., IEEE Trans. Knowl. Data Eng. 27 (2015), 810-823, test A; order of
/// operations as river 0.26.1.
#[derive(Clone, Debug, PartialEq)]
pub struct HddmA {
    params: HddmAParams,
    low: Mean,
    high: Mean,
    all: Mean,
    fired: bool,
}

impl HddmA {
    /// A detector that has seen nothing.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming a parameter outside its bound.
    pub fn new(params: HddmAParams) -> Result<Self> {
        check_levels(params.drift_confidence, params.warning_confidence)?;
        let empty = Mean::default();
        Ok(Self { params, low: empty, high: empty, all: empty, fired: false })
    }

    fn bound(&self, n: u64) -> f64 {
        (1.0 / (2.0 * n as f64) * (1.0 / self.params.drift_confidence).ln()).sqrt()
    }

    // Statistic and limit of a change since `first` was cut off.
    fn excess(&self, first: Mean, change: f64, level: f64) -> Option<Excess> {
        if first.n == self.all.n {
            return None;
        }
        let (n, m) = (self.all.n as f64, first.n as f64);
        let share = (n - m) / m * (1.0 / n);
        let limit = (share / 2.0 * (2.0 / level).ln()).sqrt();
        (change >= limit).then_some(Excess { statistic: change, limit })
    }
}

impl DriftDetector for HddmA {
    fn update(&mut self, x: Observation) -> Reading {
        if !is_share(x.value) {
            return Reading::Stable;
        }
        if self.fired {
            self.reset();
        }
        self.all.push(x.value);
        if self.low.n == 0 {
            (self.low, self.high) = (self.all, self.all);
        }
        let bound = self.bound(self.all.n);
        if self.low.value + self.bound(self.low.n) >= self.all.value + bound {
            self.low = self.all;
        }
        if self.high.value - self.bound(self.high.n) <= self.all.value - bound {
            self.high = self.all;
        }
        let (rise, fall) = (self.all.value - self.low.value, self.high.value - self.all.value);
        let HddmAParams { drift_confidence, warning_confidence, direction } = self.params;
        let test = |level| {
            let up = direction.rises().then(|| self.excess(self.low, rise, level)).flatten();
            let down = || direction.falls().then(|| self.excess(self.high, fall, level)).flatten();
            up.or_else(down)
        };
        if let Some(excess) = test(drift_confidence) {
            self.fired = true;
            return Reading::Drift { excess, since: None };
        }
        test(warning_confidence).map_or(Reading::Stable, Reading::Warning)
    }

    fn reset(&mut self) {
        let empty = Mean::default();
        (self.low, self.high, self.all, self.fired) = (empty, empty, empty, false);
    }

    fn state(&self) -> DetectorState {
        let means = [self.low, self.high, self.all];
        let mut counts = means.map(|mean| mean.n).to_vec();
        counts.push(u64::from(self.fired));
        DetectorState { detector: NAME.into(), counts, values: means.map(|mean| mean.value).to_vec() }
    }

    fn restore(&mut self, state: &DetectorState) -> Result<()> {
        let ([low, high, all, fired], values) = fixed::<4, 3>(state, NAME)?;
        if low > all || high > all || all > MOST || (all > 0 && (low == 0 || high == 0)) {
            return Err(damaged(NAME, "holds counts that do not add up"));
        }
        self.fired = flag(fired, NAME)?;
        let mean = |n, value| Mean { n, value };
        (self.low, self.high, self.all) = (mean(low, values[0]), mean(high, values[1]), mean(all, values[2]));
        Ok(())
    }
}
