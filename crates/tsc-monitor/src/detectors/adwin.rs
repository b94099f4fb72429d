use serde::{Deserialize, Serialize};
use tsc_core::{DetectorState, DriftDetector, Excess, Observation, Reading, Result};

use super::is_value;
use super::stored::{MOST, damaged, flag, open_unit, parameter, parts};

const NAME: &str = "adwin";
const MAX_BUCKETS: usize = 100;
// Row i holds buckets of 2^i values: more rows than any stream fills.
const MAX_ROWS: usize = 56;
const MAX_STORED_ROWS: usize = 48;

/// What is left of the window after a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterDrift {
    /// Nothing: the next value starts an empty window, as river's public ADWIN does.
    Restart,
    /// The newer part, as in the paper: a large step is then reported several times while the older
    /// part is dropped bucket by bucket.
    Shrink,
}

/// Settings of [`Adwin`]; the defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdwinParams {
    /// Confidence, between 0 and 1; default 0.002. Smaller fires less often.
    pub delta: f64,
    /// Values between two checks, at least 1; default 32. Larger is faster and later.
    pub clock: u64,
    /// Buckets of one size before two are merged, 1..=100; default 5. More cuts are tried with more.
    pub max_buckets: usize,
    /// Shortest part a cut may leave, at least 1; default 5.
    pub min_window_length: u64,
    /// No check before this many values are in the window; default 10.
    pub grace_period: u64,
    /// What is left after a detection; default [`AfterDrift::Restart`].
    pub after_drift: AfterDrift,
}

impl Default for AdwinParams {
    fn default() -> Self {
        Self {
            delta: 0.002,
            clock: 32,
            max_buckets: 5,
            min_window_length: 5,
            grace_period: 10,
            after_drift: AfterDrift::Restart,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bucket {
    total: f64,
    variance: f64,
}

/// Adaptive windowing: the longest window whose parts have the same mean.
///
/// Every cut of the window into an older part of n0 values and a newer one of n1 is tried; with l the
/// shortest part, m = 1/(n0-l+1) + 1/(n1-l+1), s2 the variance of the window, w its width and
/// d = ln(2 ln(w) / delta), a difference of the means above sqrt(2 m s2 d) + 2 m d / 3 is a change.
/// Values may have any scale and sign.
///
/// O(log w) per value, amortised, and O(log w) buckets; all memory is taken at construction.
///
/// # Examples
///
/// ```
/// use tsc_core::{DriftDetector, Observation, Reading};
/// use tsc_monitor::{Adwin, AdwinParams};
/// let mut adwin = Adwin::new(AdwinParams::default())?;
/// let step = (0..400_u32).map(|i| if i < 200 { 0.0 } else { 1.0 });
/// let found: Vec<usize> = step
///     .map(|value| adwin.update(Observation { value, variance: None, n: 1 }))
///     .enumerate()
///     .filter(|(_, reading)| matches!(reading, Reading::Drift { .. }))
///     .map(|(i, _)| i)
///     .collect();
/// assert_eq!(found, [223]); // the first check, every 32 values, that has seen enough of the step
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: Bifet, Gavalda, SIAM Int. Conf. Data Mining 2007, 443-448; order of operations as river 0.26.1.
#[derive(Clone, Debug, PartialEq)]
pub struct Adwin {
    params: AdwinParams,
    /// Buckets of each row, oldest first; the last row is the oldest.
    buckets: Vec<Bucket>,
    filled: [usize; MAX_ROWS],
    rows: usize,
    width: f64,
    total: f64,
    variance: f64,
    tick: u64,
    seen: u64,
    fired: bool,
}

impl Adwin {
    /// An empty window.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming a parameter outside its bound.
    pub fn new(params: AdwinParams) -> Result<Self> {
        open_unit("delta", params.delta)?;
        parameter(params.clock >= 1, "clock", params.clock as f64, "be at least 1")?;
        let buckets = (1..=MAX_BUCKETS).contains(&params.max_buckets);
        parameter(buckets, "max_buckets", params.max_buckets as f64, "lie in 1..=100")?;
        let shortest = params.min_window_length;
        parameter(shortest >= 1, "min_window_length", shortest as f64, "be at least 1")?;
        Ok(Self {
            params,
            buckets: vec![Bucket::default(); MAX_ROWS * (params.max_buckets + 1)],
            filled: [0; MAX_ROWS],
            rows: 1,
            width: 0.0,
            total: 0.0,
            variance: 0.0,
            tick: 0,
            seen: 0,
            fired: false,
        })
    }

    /// Values in the window.
    #[must_use]
    pub fn width(&self) -> u64 {
        self.width as u64
    }

    /// Sum of the values in the window.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Mean of the window; `None` while it is empty.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.width > 0.0).then(|| self.total / self.width)
    }

    /// Sum of squared deviations from the mean of the window.
    #[must_use]
    pub fn squared_deviations(&self) -> f64 {
        self.variance
    }

    fn clear(&mut self) {
        self.filled = [0; MAX_ROWS];
        (self.rows, self.width, self.total, self.variance, self.tick) = (1, 0.0, 0.0, 0.0, 0);
        self.fired = false;
    }

    fn at(&self, row: usize, i: usize) -> Bucket {
        self.buckets[row * (self.params.max_buckets + 1) + i]
    }

    fn append(&mut self, row: usize, bucket: Bucket) {
        let at = row * (self.params.max_buckets + 1) + self.filled[row];
        self.buckets[at] = bucket;
        self.filled[row] += 1;
    }

    fn drop_first(&mut self, row: usize, n: usize) {
        let start = row * (self.params.max_buckets + 1);
        self.buckets.copy_within(start + n..start + self.filled[row], start);
        self.filled[row] -= n;
    }

    fn insert(&mut self, value: f64) {
        self.append(0, Bucket { total: value, variance: 0.0 });
        self.width += 1.0;
        if self.width > 1.0 {
            let before = self.width - 1.0;
            let deviation = value - self.total / before;
            self.variance += before * deviation * deviation / self.width;
        }
        self.total += value;
        self.compress();
    }

    fn compress(&mut self) {
        for row in 0..MAX_ROWS - 1 {
            if self.filled[row] != self.params.max_buckets + 1 {
                return;
            }
            self.rows = self.rows.max(row + 2);
            let size = size_of_row(row);
            let (a, b) = (self.at(row, 0), self.at(row, 1));
            let difference = a.total / size - b.total / size;
            let between = size * size * difference * difference / (size + size);
            let merged = Bucket { total: a.total + b.total, variance: a.variance + b.variance + between };
            self.append(row + 1, merged);
            self.drop_first(row, 2);
        }
    }

    fn drop_oldest(&mut self) {
        let row = self.rows - 1;
        let n = size_of_row(row);
        let oldest = self.at(row, 0);
        self.width -= n;
        self.total -= oldest.total;
        let difference = oldest.total / n - self.total / self.width;
        self.variance -= oldest.variance + n * self.width * difference * difference / (n + self.width);
        self.drop_first(row, 1);
        while self.rows > 1 && self.filled[self.rows - 1] == 0 {
            self.rows -= 1;
        }
    }

    // The first cut, from the oldest value on, whose parts differ. Behind the newest value nothing is left.
    fn cut(&self) -> Option<Excess> {
        let shortest = self.params.min_window_length as f64;
        let (mut n0, mut u0) = (0.0, 0.0);
        let (mut n1, mut u1) = (self.width, self.total);
        for row in (0..self.rows).rev() {
            for i in 0..self.filled[row] {
                let total = self.at(row, i).total;
                n0 += size_of_row(row);
                n1 -= size_of_row(row);
                u0 += total;
                u1 -= total;
                if n1 >= shortest && n0 >= shortest {
                    let (statistic, limit) = ((u0 / n0 - u1 / n1).abs(), self.limit(n0, n1));
                    if statistic > limit {
                        return Some(Excess { statistic, limit });
                    }
                }
            }
        }
        None
    }

    fn limit(&self, n0: f64, n1: f64) -> f64 {
        let shortest = self.params.min_window_length as f64;
        let delta = (2.0 * self.width.ln() / self.params.delta).ln();
        let m = 1.0 / (n0 - shortest + 1.0) + 1.0 / (n1 - shortest + 1.0);
        (2.0 * m * (self.variance / self.width) * delta).sqrt() + 2.0 / 3.0 * delta * m
    }
}

fn size_of_row(row: usize) -> f64 {
    (1_u64 << row) as f64
}

impl DriftDetector for Adwin {
    fn update(&mut self, x: Observation) -> Reading {
        if !is_value(x.value) {
            return Reading::Stable;
        }
        if self.fired && self.params.after_drift == AfterDrift::Restart {
            self.clear();
        }
        self.fired = false;
        self.insert(x.value);
        self.tick += 1;
        self.seen += 1;
        let grace = self.params.grace_period;
        if self.width <= grace as f64 {
            return Reading::Learning { need: grace - self.width as u64 + 1 };
        }
        if !self.tick.is_multiple_of(self.params.clock) {
            return Reading::Stable;
        }
        let mut first = None;
        while let Some(excess) = self.cut() {
            first = first.or(Some(excess));
            self.drop_oldest();
        }
        let Some(excess) = first else { return Reading::Stable };
        self.fired = true;
        Reading::Drift { excess, since: Some(self.seen - self.width as u64) }
    }

    fn reset(&mut self) {
        self.clear();
        self.seen = 0;
    }

    fn state(&self) -> DetectorState {
        let mut counts = vec![self.tick, self.seen, u64::from(self.fired)];
        let mut values = vec![self.total, self.variance];
        for row in 0..self.rows {
            counts.push(self.filled[row] as u64);
            for i in 0..self.filled[row] {
                let bucket = self.at(row, i);
                values.extend([bucket.total, bucket.variance]);
            }
        }
        DetectorState { detector: NAME.into(), counts, values }
    }

    fn restore(&mut self, state: &DetectorState) -> Result<()> {
        let (counts, values) = parts(state, NAME)?;
        let ([tick, seen, fired, filled @ ..], [total, variance, buckets @ ..]) = (counts, values) else {
            return Err(damaged(NAME, "is cut off"));
        };
        let most = self.params.max_buckets as u64;
        // Between the newest and the oldest row a row may be empty only while values are dropped.
        if filled.is_empty() || filled.len() > MAX_STORED_ROWS || filled.iter().any(|&n| n > most) {
            return Err(damaged(NAME, "holds more buckets than these parameters allow"));
        }
        if filled.iter().sum::<u64>() * 2 != buckets.len() as u64 || *tick > MOST || *seen > MOST {
            return Err(damaged(NAME, "holds counts that do not add up"));
        }
        let mut restored = Self::new(self.params)?;
        let mut buckets = buckets.chunks_exact(2);
        for (row, &n) in filled.iter().enumerate() {
            for bucket in buckets.by_ref().take(n as usize) {
                restored.append(row, Bucket { total: bucket[0], variance: bucket[1] });
                restored.width += size_of_row(row);
            }
        }
        if restored.width > *seen as f64 {
            return Err(damaged(NAME, "holds a window longer than the stream"));
        }
        restored.rows = filled.len();
        (restored.total, restored.variance) = (*total, *variance);
        (restored.tick, restored.seen, restored.fired) = (*tick, *seen, flag(*fired, NAME)?);
        *self = restored;
        Ok(())
    }
}
