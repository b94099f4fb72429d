use serde::{Deserialize, Serialize};
use tsc_core::stats::wilson_interval;
use tsc_core::{
    ClusterId, DetectorState, DriftDetector, Features, Label, Observation, Reading, Result, Stage,
    check_width,
};

use super::moments::Moments;
use super::reference::{Cluster, ClusterReference, check, scale};
use super::score::chi_square_score;
use crate::charts::{Cusum, CusumParams, Sides, one_sided_limit};
use crate::detectors::parameter;
use crate::error::MonitorError;
use crate::statistics::Counts;
use crate::{FalseAlarms, Law, ProportionChart, ProportionChartParams, Scheme, cusum_limit};

/// What about the clusters changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClusterSignal {
    /// Share of noise before the fallback.
    NoiseShare,
    /// How the rows spread over the clusters and noise.
    MassShift,
    /// Where the rows of a cluster lie.
    CentroidMovement,
    /// How far they scatter.
    ScaleChange,
    /// How surely they belong.
    MembershipDecay,
    /// Share of rows that the fallback labelled.
    FallbackReliance,
}

/// Settings of [`ClusterDrift`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterDriftParams {
    /// Batches between false alarms of all charts together; default 2,000.
    pub false_alarms: FalseAlarms,
    /// Slack of each chart in deviations; default 0.5. Smaller finds smaller changes, later.
    pub k: f64,
    /// Largest step of a chart in deviations; default 4: a single odd batch is no alarm.
    pub clip: f64,
    /// Rows of a usual batch; default 500.
    pub batch_rows: u64,
}

impl Default for ClusterDriftParams {
    fn default() -> Self {
        Self { false_alarms: FalseAlarms::default(), k: 0.5, clip: 4.0, batch_rows: 500 }
    }
}

/// One batch as the clusters see it.
#[derive(Clone, Copy, Debug)]
pub struct ClusterBatch<'a> {
    /// `(n_samples, n_features)`, in the units the clusterer sees.
    pub x: Features<'a>,
    /// Labels before the fallback.
    pub labels: &'a [Label],
    /// Strengths of the assignments, where known.
    pub strengths: Option<&'a [f64]>,
    /// Rows that the fallback labelled, where it ran.
    pub fallback_rows: Option<u64>,
}

/// A change of the clusters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClusterFinding {
    /// What changed.
    pub signal: ClusterSignal,
    /// The cluster that changed most; `None` for noise and fallback.
    pub cluster: Option<ClusterId>,
    /// How much, in this batch: the share itself for noise and fallback; Jensen-Shannon divergence in
    /// nats for mass; shift over radius; ratio of variances; fall of the mean strength.
    pub effect: f64,
    /// Interval of 95 %, for the shares.
    pub interval: Option<(f64, f64)>,
    /// The chart, and the limit it reached.
    pub statistic: f64,
    /// The limit.
    pub limit: f64,
    /// Batch at which it probably began, counted from 0.
    pub since: u64,
}

/// Running state of [`ClusterDrift`], to be stored: no number in it is NaN or infinite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterDriftState {
    noise: DetectorState,
    fallback: Option<DetectorState>,
    mass: Vec<u64>,
    /// Centres, distances and strengths each have a baseline: one signal that alarms leaves the others'
    /// going on.
    centres: Vec<Cluster>,
    distances: Vec<Cluster>,
    strengths: Vec<Moments>,
    mass_chart: Cusum,
    centre_chart: Cusum,
    scale_chart: Cusum,
    strength_chart: Cusum,
    batches: u64,
}

/// Charts of the structure of the clusters, one update per batch.
///
/// | signal | step of its chart | sides |
/// |---|---|---|
/// | noise share | standardised share | both |
/// | mass shift | normal score of the chi-square test of the batch against all rows so far, K + 1 cells | up |
/// | centroid movement | normal score of the squared shifts over their errors, summed over clusters | up |
/// | scale change | mean squared distance from the batch's own centres, standardised | both |
/// | membership decay | mean strength, standardised | both |
/// | fallback reliance | standardised share | both |
///
/// Every chart is a CUSUM with one limit for its share of the false alarms, its steps clipped. Every
/// baseline starts with the held-out rows of the [`ClusterReference`] and takes in each batch after
/// judging it, unless its chart alarms. Correlated features and heavy tails are allowed for by what the
/// held-out rows show of them.
///
/// Membership is charted once strengths are given, fallback once it is counted; both are part of the
/// budget from the start. What it does not see: a cluster that is born inside another, and changes slower
/// than the baseline learns.
///
/// O(n d) per batch; memory O(K d), fixed at construction.
///
/// # Examples
///
/// ```
/// use tsc_core::{Features, Label};
/// use tsc_monitor::{ClusterBatch, ClusterDrift, ClusterDriftParams, ClusterReference, ClusterSignal};
/// let rows = |offset: f64| (0..400).map(move |i| offset + f64::from(i % 20) / 20.0).collect::<Vec<_>>();
/// let labels = vec![Label::from_ids(&[0])[0]; 400];
/// let reference = ClusterReference::fit(Features::new(&rows(0.0), 1)?, &labels, None, 1)?;
/// let mut drift = ClusterDrift::new(&reference, ClusterDriftParams::default())?;
/// let mut observe = |offset| {
///     let x = rows(offset);
///     let batch = ClusterBatch { x: Features::new(&x, 1)?, labels: &labels, strengths: None, fallback_rows: None };
///     drift.observe(&batch)
/// };
/// assert!(observe(0.0)?.is_empty());
/// let found = (0..5).find_map(|_| observe(0.5).unwrap().pop()).unwrap();
/// assert_eq!(found.signal, ClusterSignal::CentroidMovement);
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClusterDrift {
    n_features: usize,
    noise: ProportionChart,
    fallback: Option<ProportionChart>,
    share_params: ProportionChartParams,
    one_sided: CusumParams,
    two_sided: CusumParams,
    state: ClusterDriftState,
}

const CHARTS: usize = 6;
/// Rows of a cluster that a batch needs before its centre, scale and strength say anything.
const FEWEST_IN_BATCH: f64 = 3.0;
const FEWEST_IN_REFERENCE: f64 = 20.0;
const NAME: &str = "cluster_drift";

impl ClusterDrift {
    /// Charts that have seen nothing but the reference.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming a parameter outside its bound.
    pub fn new(reference: &ClusterReference, params: ClusterDriftParams) -> Result<Self> {
        let ClusterDriftParams { false_alarms, k, clip, batch_rows } = params;
        parameter(k > 0.0 && k <= 10.0, "k", k, "be above 0 and at most 10")?;
        parameter((1.0..=1e6).contains(&clip), "clip", clip, "lie in 1..=1e6")?;
        let share = false_alarms.split(CHARTS);
        let share_params = ProportionChartParams {
            scheme: Scheme::Cusum { k },
            false_alarms: share,
            batch_rows,
            clip: Some(clip),
            phi: 0.0,
        };
        let mass = reference.mass().to_vec();
        let rows: u64 = mass.iter().sum();
        let noise = ProportionChart::new(mass[mass.len() - 1], rows, share_params)?;
        let chart = |h, sides| CusumParams { k, h, clip: Some(clip), sides };
        let clusters = &reference.clusters;
        let state = ClusterDriftState {
            noise: noise.state(),
            fallback: None,
            mass,
            centres: clusters.clone(),
            distances: clusters.clone(),
            strengths: clusters.iter().map(|c| c.strength).collect(),
            mass_chart: Cusum::default(),
            centre_chart: Cusum::default(),
            scale_chart: Cusum::default(),
            strength_chart: Cusum::default(),
            batches: 0,
        };
        Ok(Self {
            n_features: reference.n_features(),
            noise,
            fallback: None,
            share_params,
            one_sided: chart(one_sided_limit(&Law::Normal, k, share.batches()), Sides::Up),
            two_sided: chart(cusum_limit(&Law::Normal, k, share.batches())?, Sides::Both),
            state,
        })
    }

    /// Takes one batch and names what alarms now; at most one finding a signal.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the width is not the reference's, a column has another length, a label names a
    /// cluster that the reference has not, or a strength is not finite; nothing is observed then.
    pub fn observe(&mut self, batch: &ClusterBatch<'_>) -> Result<Vec<ClusterFinding>> {
        check_width(batch.x, self.n_features, Stage::Monitoring)?;
        check(batch.x, batch.labels, batch.strengths, self.state.centres.len())?;
        let seen = Seen::of(batch, &self.state);
        let mut findings = Vec::new();
        self.step_noise(&seen, &mut findings);
        self.step_mass(&seen, &mut findings);
        self.step_centres(&seen, &mut findings);
        self.step_scales(&seen, batch, &mut findings);
        self.step_strengths(&seen, &mut findings);
        self.step_fallback(&seen, batch.fallback_rows, &mut findings)?;
        self.state.batches += 1;
        Ok(findings)
    }

    fn step_noise(&mut self, seen: &Seen, findings: &mut Vec<ClusterFinding>) {
        let noise = seen.mass[seen.mass.len() - 1];
        let reading = self.noise.update(share(noise, seen.rows));
        findings.extend(share_finding(ClusterSignal::NoiseShare, reading, noise, seen.rows));
        self.state.noise = self.noise.state();
    }

    fn step_fallback(
        &mut self,
        seen: &Seen,
        rows: Option<u64>,
        findings: &mut Vec<ClusterFinding>,
    ) -> Result<()> {
        let Some(labelled) = rows.map(|rows| rows.min(seen.rows)) else { return Ok(()) };
        let mut chart = match self.fallback.take() {
            Some(chart) => chart,
            None => ProportionChart::new(0, 0, self.share_params)?,
        };
        let reading = chart.update(share(labelled, seen.rows));
        findings.extend(share_finding(ClusterSignal::FallbackReliance, reading, labelled, seen.rows));
        self.state.fallback = Some(chart.state());
        self.fallback = Some(chart);
        Ok(())
    }

    fn step_mass(&mut self, seen: &Seen, findings: &mut Vec<ClusterFinding>) {
        let (reference, current) = merged(&self.state.mass, &seen.mass);
        let Ok(counts) = Counts::new(&reference, &current) else { return };
        let dof = counts.used_cells() - 1;
        if dof > 0 {
            let z = chi_square_score(counts.chi_square().statistic, dof as f64);
            self.state.mass_chart.step(z, &self.one_sided);
            let alarm = alarm(&self.state.mass_chart, &self.one_sided);
            if let Some((statistic, since)) = alarm {
                let share = |row: &[u64], at: usize| row[at] as f64 / row.iter().sum::<u64>() as f64;
                let change = |at: usize| (share(&seen.mass, at) - share(&self.state.mass, at)).abs();
                let most = (0..seen.mass.len()).max_by(|&a, &b| change(a).total_cmp(&change(b)));
                findings.push(ClusterFinding {
                    signal: ClusterSignal::MassShift,
                    cluster: most.and_then(|at| cluster_id(at, self.state.centres.len())),
                    effect: counts.jensen_shannon(),
                    interval: None,
                    statistic,
                    limit: self.one_sided.h,
                    since,
                });
                return;
            }
        }
        self.state.mass.iter_mut().zip(&seen.mass).for_each(|(all, n)| *all = all.saturating_add(*n));
    }

    fn step_centres(&mut self, seen: &Seen, findings: &mut Vec<ClusterFinding>) {
        // Q is a sum of correlated squares: as a chi-square variable it has mean^2 / tr(R^2) degrees.
        let (mut q, mut mean, mut spread) = (0.0, 0.0, 0.0);
        let mut most = (0, f64::NEG_INFINITY);
        for (at, (cluster, batch)) in self.state.centres.iter().zip(&seen.clusters).enumerate() {
            if !enough(cluster.rows(), batch) {
                continue;
            }
            let n = batch[0].n;
            let shift = |(own, here): (&Moments, &Moments)| {
                (here.mean - own.mean).powi(2) / (scale(own) * (1.0 / n + 1.0 / own.n))
            };
            let d = self.n_features as f64;
            let own: f64 = cluster.features.iter().zip(batch).map(shift).sum();
            q += own;
            mean += d;
            spread += cluster.correlation;
            let score = (own - d) / (2.0 * cluster.correlation).sqrt();
            if score > most.1 {
                most = (at, score);
            }
        }
        if mean > 0.0 {
            let dof = mean * mean / spread;
            let z = chi_square_score(q * dof / mean, dof);
            self.state.centre_chart.step(z, &self.one_sided);
            if let Some((statistic, since)) = alarm(&self.state.centre_chart, &self.one_sided) {
                let cluster = &self.state.centres[most.0];
                let moved = cluster.features.iter().zip(&seen.clusters[most.0]);
                let shift: f64 = moved.map(|(own, here)| (here.mean - own.mean).powi(2)).sum();
                findings.push(ClusterFinding {
                    signal: ClusterSignal::CentroidMovement,
                    cluster: cluster_id(most.0, self.state.centres.len()),
                    effect: (shift.sqrt() / cluster.radius()).min(f64::MAX),
                    interval: None,
                    statistic,
                    limit: self.one_sided.h,
                    since,
                });
                return;
            }
        }
        for (cluster, batch) in self.state.centres.iter_mut().zip(&seen.clusters) {
            cluster.features.iter_mut().zip(batch).for_each(|(all, n)| all.merge(n));
        }
    }

    fn step_scales(&mut self, seen: &Seen, batch: &ClusterBatch<'_>, findings: &mut Vec<ClusterFinding>) {
        // Of each cluster: mean squared distance from the batch's own centre, with the degree that costs.
        let (mut sum, mut variance) = (0.0, 0.0);
        let mut most = (0, 0.0_f64, 1.0);
        for (at, (cluster, here)) in self.state.distances.iter().zip(&seen.clusters).enumerate() {
            if !enough(cluster.rows(), here) {
                continue;
            }
            let n = here[0].n;
            let squares: f64 =
                cluster.features.iter().zip(here).map(|(own, here)| here.squares() / scale(own)).sum();
            let expected = cluster.distance.mean * cluster.distance.n / (cluster.distance.n - 1.0);
            let off = squares / (n - 1.0) - expected;
            let own = n * n * cluster.distance.variance() * (1.0 / n + 1.0 / cluster.distance.n);
            sum += n * off;
            variance += own;
            let score = (n * off).abs() / own.sqrt();
            if score > most.1 {
                most = (at, score, squares / (n - 1.0) / expected);
            }
        }
        if variance > 0.0 {
            self.state.scale_chart.step(sum / variance.sqrt(), &self.two_sided);
            if let Some((statistic, since)) = alarm(&self.state.scale_chart, &self.two_sided) {
                findings.push(ClusterFinding {
                    signal: ClusterSignal::ScaleChange,
                    cluster: cluster_id(most.0, self.state.distances.len()),
                    effect: most.2.min(f64::MAX),
                    interval: None,
                    statistic,
                    limit: self.two_sided.h,
                    since,
                });
                return;
            }
        }
        for (row, label) in batch.x.rows().zip(batch.labels) {
            let Some(cluster) = label.cluster().map(|id| &mut self.state.distances[id.0 as usize]) else {
                continue;
            };
            if cluster.rows() >= FEWEST_IN_REFERENCE {
                let distance = cluster.squared_distance(row, |i| cluster.features[i].mean);
                cluster.distance.push(distance.min(1e100));
            }
        }
        for (cluster, batch) in self.state.distances.iter_mut().zip(&seen.clusters) {
            cluster.features.iter_mut().zip(batch).for_each(|(all, n)| all.merge(n));
        }
    }

    fn step_strengths(&mut self, seen: &Seen, findings: &mut Vec<ClusterFinding>) {
        let (mut sum, mut variance) = (0.0, 0.0);
        let mut most = (0, 0.0_f64, 0.0);
        for (at, (own, here)) in self.state.strengths.iter().zip(&seen.strengths).enumerate() {
            if own.n < FEWEST_IN_REFERENCE || here.n < FEWEST_IN_BATCH || own.variance() <= 0.0 {
                continue;
            }
            let fall = own.mean - here.mean;
            let error = here.n * here.n * own.variance() * (1.0 / here.n + 1.0 / own.n);
            sum += here.n * fall;
            variance += error;
            let score = (here.n * fall).abs() / error.sqrt();
            if score > most.1 {
                most = (at, score, fall);
            }
        }
        if variance > 0.0 {
            self.state.strength_chart.step(sum / variance.sqrt(), &self.two_sided);
            if let Some((statistic, since)) = alarm(&self.state.strength_chart, &self.two_sided) {
                findings.push(ClusterFinding {
                    signal: ClusterSignal::MembershipDecay,
                    cluster: cluster_id(most.0, self.state.strengths.len()),
                    effect: most.2,
                    interval: None,
                    statistic,
                    limit: self.two_sided.h,
                    since,
                });
                return;
            }
        }
        self.state.strengths.iter_mut().zip(&seen.strengths).for_each(|(all, n)| all.merge(n));
    }

    /// Everything learned since the reference.
    #[must_use]
    pub fn state(&self) -> ClusterDriftState {
        self.state.clone()
    }

    /// Goes on where [`ClusterDrift::state`] was taken: the same later findings, bit for bit.
    ///
    /// # Errors
    ///
    /// `Artifact` if the state belongs to other clusters, other limits, or is damaged; nothing changes
    /// then.
    pub fn restore(&mut self, state: &ClusterDriftState) -> Result<()> {
        let problem = |problem| MonitorError::DetectorState { detector: NAME, problem };
        let clusters = self.state.centres.len();
        let fits = |cluster: &Cluster| {
            cluster.features.len() == self.n_features
                && cluster.features.iter().all(Moments::is_valid)
                && cluster.distance.is_valid()
                && cluster.strength.is_valid()
                && cluster.correlation.is_finite()
        };
        let sizes = [
            state.mass.len() - usize::from(!state.mass.is_empty()),
            state.centres.len(),
            state.distances.len(),
            state.strengths.len(),
        ];
        if state.mass.is_empty() || sizes.iter().any(|n| *n != clusters) {
            return Err(problem("belongs to other clusters").into());
        }
        if !state.centres.iter().chain(&state.distances).all(fits)
            || !state.strengths.iter().all(Moments::is_valid)
        {
            return Err(problem("holds moments that are no numbers, or of other features").into());
        }
        let one = [&state.mass_chart, &state.centre_chart];
        let two = [&state.scale_chart, &state.strength_chart];
        if !one.iter().all(|c| c.is_valid(&self.one_sided))
            || !two.iter().all(|c| c.is_valid(&self.two_sided))
        {
            return Err(problem("holds sums beyond the limits of these parameters").into());
        }
        let mut noise = self.noise.clone();
        noise.restore(&state.noise)?;
        let fallback = match &state.fallback {
            None => None,
            Some(state) => {
                let mut chart = ProportionChart::new(0, 0, self.share_params)?;
                chart.restore(state)?;
                Some(chart)
            }
        };
        (self.noise, self.fallback, self.state) = (noise, fallback, state.clone());
        Ok(())
    }
}

/// A batch, summed up by cluster.
struct Seen {
    rows: u64,
    mass: Vec<u64>,
    clusters: Vec<Vec<Moments>>,
    strengths: Vec<Moments>,
}

impl Seen {
    fn of(batch: &ClusterBatch<'_>, state: &ClusterDriftState) -> Self {
        let k = state.centres.len();
        let d = batch.x.n_features();
        let mut seen = Self {
            rows: batch.x.n_samples() as u64,
            mass: vec![0; k + 1],
            clusters: vec![vec![Moments::default(); d]; k],
            strengths: vec![Moments::default(); k],
        };
        for (i, (row, label)) in batch.x.rows().zip(batch.labels).enumerate() {
            let at = label.cluster().map_or(k, |id| id.0 as usize);
            seen.mass[at] += 1;
            if at < k {
                seen.clusters[at].iter_mut().zip(row).for_each(|(m, v)| m.push(*v));
                batch.strengths.into_iter().for_each(|s| seen.strengths[at].push(s[i]));
            }
        }
        seen
    }
}

fn enough(rows: f64, batch: &[Moments]) -> bool {
    rows >= FEWEST_IN_REFERENCE && batch.first().is_some_and(|m| m.n >= FEWEST_IN_BATCH)
}

fn share(counted: u64, rows: u64) -> Observation {
    Observation { value: counted as f64 / rows as f64, variance: None, n: rows }
}

fn share_finding(signal: ClusterSignal, reading: Reading, counted: u64, rows: u64) -> Option<ClusterFinding> {
    let Reading::Drift { excess, since } = reading else { return None };
    Some(ClusterFinding {
        signal,
        cluster: None,
        effect: counted as f64 / rows as f64,
        interval: Some(wilson_interval(counted, rows, 0.95)),
        statistic: excess.statistic,
        limit: excess.limit,
        since: since.unwrap_or(0),
    })
}

fn alarm(chart: &Cusum, params: &CusumParams) -> Option<(f64, u64)> {
    let (statistic, since) = chart.largest();
    (statistic >= params.h).then_some((statistic, since))
}

fn cluster_id(at: usize, clusters: usize) -> Option<ClusterId> {
    u32::try_from(at).ok().filter(|_| at < clusters).map(ClusterId)
}

// Cells that expect fewer than 5 rows, by the baseline and the size of the batch alone, go together.
fn merged(reference: &[u64], current: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let (m, n) = (reference.iter().sum::<u64>() as f64, current.iter().sum::<u64>() as f64);
    let (mut left, mut right, mut rare) = (Vec::new(), Vec::new(), (0, 0));
    for (&a, &b) in reference.iter().zip(current) {
        if a as f64 * n >= 5.0 * m {
            left.push(a);
            right.push(b);
        } else {
            rare = (rare.0 + a, rare.1 + b);
        }
    }
    if rare != (0, 0) {
        left.push(rare.0);
        right.push(rare.1);
    }
    (left, right)
}
