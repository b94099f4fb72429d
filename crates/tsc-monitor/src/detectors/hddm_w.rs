use serde::{Deserialize, Serialize};
use tsc_core::{DetectorState, DriftDetector, Excess, Observation, Reading, Result};

use super::hddm_a::check_levels;
use super::stored::{damaged, fixed, flag, open_unit};
use super::{Direction, is_share};

const NAME: &str = "hddm_w";

/// Settings of [`HddmW`]; the defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HddmWParams {
    /// Level of a drift, between 0 and 1; default 0.001. Smaller fires less often.
    pub drift_confidence: f64,
    /// Level of a warning, at least `drift_confidence`; default 0.005.
    pub warning_confidence: f64,
    /// Weight of the newest value, between 0 and 1; default 0.05. Larger finds large changes sooner.
    pub lambda: f64,
    /// Which changes count; default rises.
    pub direction: Direction,
}

impl Default for HddmWParams {
    fn default() -> Self {
        Self { drift_confidence: 0.001, warning_confidence: 0.005, lambda: 0.05, direction: Direction::Up }
    }
}

/// Weighted mean, and the sum of its squared weights.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Weighted {
    mean: f64,
    weight: f64,
    any: bool,
}

impl Weighted {
    const EMPTY: Self = Self { mean: 0.0, weight: 1.0, any: false };

    fn push(&mut self, x: f64, lambda: f64) {
        self.mean = if self.any { lambda * x + (1.0 - lambda) * self.mean } else { x };
        self.any = true;
        let past = 1.0 - lambda;
        self.weight = lambda * lambda + past * past * self.weight;
    }

    fn bound(&self, level: f64) -> f64 {
        bound(self.weight, level)
    }
}

// McDiarmid's bound of a weighted mean.
fn bound(weight: f64, level: f64) -> f64 {
    (weight * (1.0 / level).ln() / 2.0).sqrt()
}

/// Drift detection by McDiarmid's bound on exponentially weighted means.
///
/// The stream is cut where mean + bound was smallest; the weighted mean since is compared with the one
/// before at sqrt(w ln(1 / level) / 2), w the sum of both squared weights. Input: values in 0..=1;
/// others are left out. O(1) per value.
///
/// # Examples
///
/// ```
/// use tsc_core::{DriftDetector, Observation, Reading};
/// use tsc_monitor::{HddmW, HddmWParams};
/// let mut hddm = HddmW::new(HddmWParams::default())?;
/// let errors = (0..200_u32).map(|i| if i >= 100 || i % 10 == 0 { 1.0 } else { 0.0 });
/// let found = errors
///     .map(|value| hddm.update(Observation { value, variance: None, n: 1 }))
///     .position(|reading| matches!(reading, Reading::Drift { .. }));
/// assert!(found.is_some_and(|i| (100..120).contains(&i)));
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: Frias-Blanco et al., IEEE Trans. Knowl. Data Eng. 27 (2015), 810-823, test W; order of
/// operations as river 0.26.1.
#[derive(Clone, Debug, PartialEq)]
pub struct HddmW {
    params: HddmWParams,
    all: Weighted,
    /// Up to the cut and since, for rises and for falls.
    rise: (Weighted, Weighted),
    fall: (Weighted, Weighted),
    rise_cut: f64,
    fall_cut: f64,
    fired: bool,
}

impl HddmW {
    /// A detector that has seen nothing.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming a parameter outside its bound.
    pub fn new(params: HddmWParams) -> Result<Self> {
        check_levels(params.drift_confidence, params.warning_confidence)?;
        open_unit("lambda", params.lambda)?;
        let empty = Weighted::EMPTY;
        Ok(Self {
            params,
            all: empty,
            rise: (empty, empty),
            fall: (empty, empty),
            rise_cut: f64::MAX,
            fall_cut: f64::MIN,
            fired: false,
        })
    }

    fn test(&self, level: f64) -> Option<Excess> {
        let excess = |(before, since): (Weighted, Weighted), sign: f64| {
            let limit = bound(before.weight + since.weight, level);
            let statistic = sign * (since.mean - before.mean);
            (before.any && since.any && statistic > limit).then_some(Excess { statistic, limit })
        };
        let direction = self.params.direction;
        let up = direction.rises().then(|| excess(self.rise, 1.0)).flatten();
        up.or_else(|| direction.falls().then(|| excess(self.fall, -1.0)).flatten())
    }
}

impl DriftDetector for HddmW {
    fn update(&mut self, x: Observation) -> Reading {
        if !is_share(x.value) {
            return Reading::Stable;
        }
        if self.fired {
            self.reset();
        }
        let HddmWParams { drift_confidence, warning_confidence, lambda, .. } = self.params;
        self.all.push(x.value, lambda);
        let bound = self.all.bound(drift_confidence);
        if self.all.mean + bound < self.rise_cut {
            self.rise_cut = self.all.mean + bound;
            self.rise = (self.all, Weighted::EMPTY);
        } else {
            self.rise.1.push(x.value, lambda);
        }
        if self.all.mean - bound > self.fall_cut {
            self.fall_cut = self.all.mean - bound;
            self.fall = (self.all, Weighted::EMPTY);
        } else {
            self.fall.1.push(x.value, lambda);
        }
        if let Some(excess) = self.test(drift_confidence) {
            self.fired = true;
            return Reading::Drift { excess, since: None };
        }
        self.test(warning_confidence).map_or(Reading::Stable, Reading::Warning)
    }

    fn reset(&mut self) {
        let empty = Weighted::EMPTY;
        (self.all, self.rise, self.fall) = (empty, (empty, empty), (empty, empty));
        (self.rise_cut, self.fall_cut, self.fired) = (f64::MAX, f64::MIN, false);
    }

    fn state(&self) -> DetectorState {
        let all = [self.all, self.rise.0, self.rise.1, self.fall.0, self.fall.1];
        let mut counts = all.map(|it| u64::from(it.any)).to_vec();
        counts.push(u64::from(self.fired));
        let mut values: Vec<f64> = all.iter().flat_map(|it| [it.mean, it.weight]).collect();
        values.extend([self.rise_cut, self.fall_cut]);
        DetectorState { detector: NAME.into(), counts, values }
    }

    fn restore(&mut self, state: &DetectorState) -> Result<()> {
        let (counts, values) = fixed::<6, 12>(state, NAME)?;
        let mut all = [Weighted::EMPTY; 5];
        for (i, it) in all.iter_mut().enumerate() {
            *it = Weighted { any: flag(counts[i], NAME)?, mean: values[2 * i], weight: values[2 * i + 1] };
            if !(0.0..=1.0).contains(&it.weight) {
                return Err(damaged(NAME, "holds a weight outside 0..=1"));
            }
        }
        self.fired = flag(counts[5], NAME)?;
        (self.all, self.rise, self.fall) = (all[0], (all[1], all[2]), (all[3], all[4]));
        (self.rise_cut, self.fall_cut) = (values[10], values[11]);
        Ok(())
    }
}
