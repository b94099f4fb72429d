use serde::{Deserialize, Serialize};
use tsc_core::{DetectorState, DriftDetector, Excess, Observation, Reading, Result};

use super::is_share;
use super::mean::Mean;
use super::stored::{MOST, damaged, fixed, flag, open_unit, parameter};

const NAME: &str = "eddm";

/// Settings of [`Eddm`]; the defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EddmParams {
    /// Values, and errors, before the first check; default 30.
    pub warm_start: u64,
    /// Share of the longest distance below which it warns, between 0 and 1; default 0.95.
    pub alpha: f64,
    /// Share below which it is a drift, at most `alpha`; default 0.9. Smaller fires less often.
    pub beta: f64,
}

impl Default for EddmParams {
    fn default() -> Self {
        Self { warm_start: 30, alpha: 0.95, beta: 0.9 }
    }
}

/// Early drift detection method: the distance between errors against the longest one so far.
///
/// With p' the mean distance and s' its deviation, the largest p' + 2 s' is kept; a drift is a share of
/// it below beta. Input: values in 0..=1, an error from 0.5 on; others are left out.
///
/// Not a default anywhere in this crate: one false alarm per 415 rows. O(1) per value.
///
/// # Examples
///
/// ```
/// use tsc_core::{DriftDetector, Observation, Reading};
/// use tsc_monitor::{Eddm, EddmParams};
/// let mut eddm = Eddm::new(EddmParams::default())?;
/// let errors = (0..600_u32).map(|i| if i >= 400 || i % 10 == 9 { 1.0 } else { 0.0 });
/// let found = errors
///     .map(|value| eddm.update(Observation { value, variance: None, n: 1 }))
///     .position(|reading| matches!(reading, Reading::Drift { .. }));
/// assert!(found.is_some_and(|i| i >= 400));
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: Baena-Garcia et al., IWKDDS 2006; order of operations as river 0.26.1.
#[derive(Clone, Debug, PartialEq)]
pub struct Eddm {
    params: EddmParams,
    distance: Mean,
    squares: f64,
    seen: u64,
    last_error: u64,
    longest: f64,
    reading: Level,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    Stable,
    Warning,
    Drift,
}

impl Eddm {
    /// A detector that has seen nothing.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming a parameter outside its bound.
    pub fn new(params: EddmParams) -> Result<Self> {
        open_unit("alpha", params.alpha)?;
        let usable = params.beta > 0.0 && params.beta <= params.alpha;
        parameter(usable, "beta", params.beta, "be above 0 and at most alpha")?;
        Ok(Self {
            params,
            distance: Mean::default(),
            squares: 0.0,
            seen: 0,
            last_error: 0,
            longest: -1.0,
            reading: Level::Stable,
        })
    }

    fn error(&mut self) {
        let before = self.distance.value;
        let distance = (self.seen - self.last_error) as f64;
        self.distance.push(distance);
        self.squares += (distance - before) * (distance - self.distance.value);
        self.last_error = self.seen;
        if self.seen <= self.params.warm_start {
            return;
        }
        let length = self.length();
        if length > self.longest {
            self.longest = length;
        } else if self.distance.n > self.params.warm_start {
            let share = length / self.longest;
            self.reading = match () {
                () if share < self.params.beta => Level::Drift,
                () if share < self.params.alpha => Level::Warning,
                () => Level::Stable,
            };
        }
    }

    fn length(&self) -> f64 {
        let n = self.distance.n;
        let variance = if n > 1 { self.squares / (n - 1) as f64 } else { 0.0 };
        self.distance.value + 2.0 * variance.max(0.0).sqrt()
    }
}

impl DriftDetector for Eddm {
    fn update(&mut self, x: Observation) -> Reading {
        if !is_share(x.value) {
            return Reading::Stable;
        }
        if self.reading == Level::Drift {
            self.reset();
        }
        self.seen += 1;
        if x.value >= 0.5 {
            self.error();
        }
        // Between two errors the last reading holds: the distance has not changed.
        let statistic = self.length() / self.longest;
        match self.reading {
            Level::Drift => {
                let excess = Excess { statistic, limit: self.params.beta };
                Reading::Drift { excess, since: None }
            }
            Level::Warning => Reading::Warning(Excess { statistic, limit: self.params.alpha }),
            Level::Stable if self.distance.n <= self.params.warm_start => {
                Reading::Learning { need: self.params.warm_start - self.distance.n + 1 }
            }
            Level::Stable => Reading::Stable,
        }
    }

    fn reset(&mut self) {
        (self.distance, self.squares, self.longest) = (Mean::default(), 0.0, -1.0);
        (self.seen, self.last_error, self.reading) = (0, 0, Level::Stable);
    }

    fn state(&self) -> DetectorState {
        let counts = vec![
            self.distance.n,
            self.seen,
            self.last_error,
            u64::from(self.reading == Level::Drift),
            u64::from(self.reading == Level::Warning),
        ];
        let values = vec![self.distance.value, self.squares, self.longest];
        DetectorState { detector: NAME.into(), counts, values }
    }

    fn restore(&mut self, state: &DetectorState) -> Result<()> {
        let ([n, seen, last_error, drift, warning], [value, squares, longest]) = fixed(state, NAME)?;
        if n > seen || last_error > seen || seen > MOST || value < 0.0 || squares < 0.0 {
            return Err(damaged(NAME, "holds counts that do not add up"));
        }
        let (drift, warning) = (flag(drift, NAME)?, flag(warning, NAME)?);
        // Such a reading is made of a share of the longest distance.
        if (drift || warning) && longest <= 0.0 {
            return Err(damaged(NAME, "holds a reading without a distance"));
        }
        self.reading = match (drift, warning) {
            (true, _) => Level::Drift,
            (false, true) => Level::Warning,
            (false, false) => Level::Stable,
        };
        (self.distance, self.squares, self.longest) = (Mean { n, value }, squares, longest);
        (self.seen, self.last_error) = (seen, last_error);
        Ok(())
    }
}
