use serde::{Deserialize, Serialize};
use tsc_core::{DetectorState, DriftDetector, Excess, Observation, Reading, Result};

use super::law::{Law, log_likelihood_step};
use super::run_length::log_likelihood_limit;
use super::{Baseline, Cusum, CusumParams, FalseAlarms, Sides, cusum_limit, ewma_limit, variance_inflation};
use crate::detectors::{damaged, fixed, parameter};

const NAME: &str = "proportion_chart";
/// Rows that a baseline needs before a batch is judged.
const FEWEST_ROWS: u64 = 200;
/// Share of the limit from which on the chart is near it.
const WARNING: f64 = 0.8;

/// What a chart adds up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Scheme {
    /// Two-sided sums of standardised shares, less `k` deviations a batch: the default, k 0.5. A smaller
    /// k finds smaller changes, later.
    Cusum {
        /// Slack in deviations, above 0 and at most 10.
        k: f64,
    },
    /// Exponentially weighted mean of standardised shares; `lambda` is the weight of the newest.
    Ewma {
        /// Above 0 and at most 1; smaller finds smaller changes, later.
        lambda: f64,
    },
    /// Two sums of log likelihood ratios: odds `ratio` times as high, or as low, as the baseline's.
    LogLikelihood {
        /// Above 1 and at most 100.
        ratio: f64,
    },
}

/// Settings of a [`ProportionChart`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProportionChartParams {
    /// What is added up; default CUSUM with k 0.5.
    pub scheme: Scheme,
    /// Batches between false alarms of this chart; default 2,000.
    pub false_alarms: FalseAlarms,
    /// Rows of a usual batch, which the limit is solved for; default 500.
    pub batch_rows: u64,
    /// Correlation of neighbouring batches, below 1; default 0. See
    /// [`serial_correlation`](crate::serial_correlation).
    pub phi: f64,
    /// Largest step, in deviations, that counts; default none. With 4 and the default k, a single batch
    /// adds 3.5 at most: one odd batch is then no alarm.
    pub clip: Option<f64>,
}

impl Default for ProportionChartParams {
    fn default() -> Self {
        Self {
            scheme: Scheme::Cusum { k: 0.5 },
            false_alarms: FalseAlarms::default(),
            batch_rows: 500,
            phi: 0.0,
            clip: None,
        }
    }
}

/// Chart of a share, such as the noise ratio, one update per batch.
///
/// **Self-starting.** A batch of n rows is standardised by what all M rows known so far predict,
/// z = (x/n - q) / sqrt(q (1 - q) (1/n + 1/M)), and joins them at once. It does not join while the chart
/// alarms, and only then. The error of the reference, which is one and the same for all batches, is so
/// paid off; a frozen reference of 2,000 rows alarms four times as often as asked for.
///
/// **Limit.** Solved at construction from [`FalseAlarms`] by a Markov chain on the binomial law of
/// `batch_rows` rows at the reference's share. n may differ from batch to batch; the limit stays.
///
/// An [`Observation`] is the share `value` of `n` rows; one without rows, or outside 0..=1, is left out.
/// `since` of a drift is the first batch of the sum that alarms, counted from 0. A slow trend is absorbed
/// by the baseline: it needs a test against the frozen reference beside this chart.
///
/// O(1) per batch.
///
/// # Examples
///
/// ```
/// use tsc_core::{DriftDetector, Observation, Reading};
/// use tsc_monitor::{ProportionChart, ProportionChartParams};
/// // 200 of 2,000 held-out rows were noise.
/// let mut chart = ProportionChart::new(200, 2_000, ProportionChartParams::default())?;
/// let mut batch = |value| chart.update(Observation { value, variance: None, n: 500 });
/// assert_eq!(batch(0.10), Reading::Stable);
/// assert!(matches!(batch(0.30), Reading::Drift { since: Some(1), .. }));
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: Hawkins, Technometrics 29 (1987) for self-starting charts; Page, Biometrika 41 (1954).
#[derive(Clone, Debug, PartialEq)]
pub struct ProportionChart {
    params: ProportionChartParams,
    reference: Baseline,
    baseline: Baseline,
    limits: CusumParams,
    sums: Cusum,
    ewma: f64,
}

impl ProportionChart {
    /// A chart whose baseline starts with `counted` of `rows` held-out rows, or with none.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming a parameter outside its bound, or more counted rows than rows.
    pub fn new(counted: u64, rows: u64, params: ProportionChartParams) -> Result<Self> {
        parameter(counted <= rows, "counted", counted as f64, "be at most rows")?;
        parameter(rows <= 1 << 52, "rows", rows as f64, "be at most 2^52")?;
        let n = params.batch_rows;
        parameter((1..=1_000_000).contains(&n), "batch_rows", n as f64, "lie in 1..=1,000,000")?;
        parameter((-1.0..1.0).contains(&params.phi), "phi", params.phi, "be at least -1 and below 1")?;
        if let Some(clip) = params.clip {
            parameter((1.0..=1e6).contains(&clip), "clip", clip, "lie in 1..=1e6")?;
        }
        let batches = params.false_alarms.batches();
        let reference = Baseline { counted, rows };
        // Without a reference there is no share to solve for.
        let share = reference.share();
        let law = if rows < FEWEST_ROWS { Law::Normal } else { Law::standardised(n, share) };
        let (k, h) = match params.scheme {
            Scheme::Cusum { k } => {
                parameter(k > 0.0, "k", k, "be above 0")?;
                (k, cusum_limit(&law, k, batches)?)
            }
            Scheme::Ewma { lambda } => (0.0, ewma_limit(&law, lambda, batches)?),
            Scheme::LogLikelihood { ratio } => {
                parameter(ratio > 1.0 && ratio <= 100.0, "ratio", ratio, "be above 1 and at most 100")?;
                (0.0, Self::likelihood_limit(n, share, ratio, batches))
            }
        };
        let limits = CusumParams { k, h, clip: params.clip, sides: Sides::Both };
        Ok(Self { params, reference, baseline: reference, limits, sums: Cusum::default(), ewma: 0.0 })
    }

    fn likelihood_limit(n: u64, share: f64, ratio: f64, batches: f64) -> f64 {
        let rise = Law::log_likelihood(n, share, ratio);
        // Odds lower by the ratio: -x ln(ratio) - n ln(p / ratio + 1 - p), the negated step of the law.
        let fall = match Law::log_likelihood(n, share, ratio) {
            Law::Binomial { slope, cumulative, .. } => {
                let per_row = log_likelihood_step(share, 1.0 / ratio).1;
                Law::Binomial { slope, offset: -per_row * n as f64, cumulative }
            }
            other => other,
        };
        log_likelihood_limit(&rise, &fall, batches)
    }

    /// Limit of the statistic, in the unit of the scheme.
    #[must_use]
    pub fn limit(&self) -> f64 {
        self.limits.h
    }

    /// The statistic, to be compared with [`ProportionChart::limit`].
    #[must_use]
    pub fn statistic(&self) -> f64 {
        self.largest().0
    }

    /// Share of all rows known so far.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.baseline.share()
    }

    fn largest(&self) -> (f64, u64) {
        match self.params.scheme {
            Scheme::Ewma { lambda } => {
                let deviation = (lambda / (2.0 - lambda)).sqrt();
                (self.ewma.abs() / deviation, self.sums.largest().1)
            }
            _ => self.sums.largest(),
        }
    }

    fn step(&mut self, counted: u64, rows: u64) {
        let inflation = variance_inflation(self.params.phi);
        match self.params.scheme {
            Scheme::Cusum { .. } => {
                let z = self.baseline.standardise(counted, rows, inflation);
                self.sums.step(z, &self.limits);
            }
            Scheme::Ewma { lambda } => {
                let z = self.baseline.standardise(counted, rows, inflation);
                let z = self.params.clip.map_or(z, |clip| z.clamp(-clip, clip));
                // Capped as the sums are, so that an alarm ends soon after the change.
                let cap = 1.3 * self.limits.h * (lambda / (2.0 - lambda)).sqrt();
                let crossed = self.ewma.signum() != z.signum();
                self.ewma = ((1.0 - lambda) * self.ewma + lambda * z).clamp(-cap, cap);
                self.sums.seen += 1;
                if crossed {
                    self.sums.up_since = self.sums.seen - 1;
                }
            }
            Scheme::LogLikelihood { ratio } => {
                let (x, n) = (counted as f64, rows as f64);
                let llr = |ratio: f64| {
                    let (per_counted, per_row) = log_likelihood_step(self.baseline.share(), ratio);
                    (x * per_counted + n * per_row) / inflation
                };
                let (up, down) = (llr(ratio), llr(1.0 / ratio));
                self.sums.add(up, down, &self.limits);
            }
        }
    }
}

impl DriftDetector for ProportionChart {
    fn update(&mut self, x: Observation) -> Reading {
        if !(0.0..=1.0).contains(&x.value) || x.n == 0 || x.n > 1 << 40 {
            return Reading::Stable;
        }
        let counted = (x.value * x.n as f64).round() as u64;
        if self.baseline.rows < FEWEST_ROWS {
            self.baseline.join(counted, x.n);
            self.sums.seen += 1;
            (self.sums.up_since, self.sums.down_since) = (self.sums.seen, self.sums.seen);
            return Reading::Learning { need: FEWEST_ROWS.saturating_sub(self.baseline.rows) };
        }
        self.step(counted, x.n);
        let (statistic, since) = self.largest();
        let excess = Excess { statistic, limit: self.limits.h };
        if statistic >= self.limits.h {
            return Reading::Drift { excess, since: Some(since) };
        }
        self.baseline.join(counted, x.n);
        if statistic >= WARNING * self.limits.h { Reading::Warning(excess) } else { Reading::Stable }
    }

    fn reset(&mut self) {
        (self.baseline, self.sums, self.ewma) = (self.reference, Cusum::default(), 0.0);
    }

    fn state(&self) -> DetectorState {
        let Cusum { up, down, seen, up_since, down_since } = self.sums;
        let counts = vec![self.baseline.counted, self.baseline.rows, seen, up_since, down_since];
        DetectorState { detector: NAME.into(), counts, values: vec![up, down, self.ewma] }
    }

    fn restore(&mut self, state: &DetectorState) -> Result<()> {
        let (counts, values) = fixed::<5, 3>(state, NAME)?;
        let [counted, rows, seen, up_since, down_since] = counts;
        let [up, down, ewma] = values;
        let sums = Cusum { up, down, seen, up_since, down_since };
        if counted > rows || rows > 1 << 52 || seen > 1 << 52 || !sums.is_valid(&self.limits) {
            return Err(damaged(NAME, "holds counts that do not add up"));
        }
        if ewma.abs() > 1.3 * self.limits.h {
            return Err(damaged(NAME, "holds a mean beyond its range"));
        }
        (self.baseline, self.sums, self.ewma) = (Baseline { counted, rows }, sums, ewma);
        Ok(())
    }
}
