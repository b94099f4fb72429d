//! A reference and batches of a known law.

use std::sync::Arc;

use fastrand::Rng;
use tsc_core::{
    Error, ErrorKind, Features, Label, PredictionSource, Predictions, RegressionScores, Schema, Stage,
};

use crate::{BatchVerdict, BatchView, Monitor, MonitorParams, Reference};

pub(crate) fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}

/// What one batch is like; the rest is clean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch {
    pub(super) rows: usize,
    pub(super) noise: u64,
    pub(super) shift: f64,
    pub(super) unavailable: usize,
    pub(super) rejected: u64,
    pub(super) seconds: f64,
    pub(super) memory_mib: Option<f64>,
    pub(super) rmse: Option<f64>,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            rows: 200,
            noise: 10,
            shift: 0.0,
            unavailable: 0,
            rejected: 0,
            seconds: 0.1,
            memory_mib: None,
            rmse: None,
        }
    }
}

impl Batch {
    pub(super) fn noisy(noise: u64) -> Self {
        Self { noise, ..Self::default() }
    }
}

/// 2,000 reference rows of two normal features, 2,000 held-out rows with `noise` of them noise, RMSE 1.
pub(super) fn reference(noise: f64) -> Arc<Reference> {
    let mut rng = Rng::with_seed(7);
    let values: Vec<f64> = (0..4_000).map(|_| normal(&mut rng)).collect();
    let x = Features::new(&values, 2).unwrap();
    Arc::new(Reference::fit(x, &Schema::unnamed(2), 3, noise, 2_000, Some(1.0)).unwrap())
}

pub(super) fn params() -> MonitorParams {
    MonitorParams::default().resolve(0.3)
}

pub(super) struct Stream {
    pub(super) monitor: Monitor,
    pub(super) rng: Rng,
    pub(super) sequence: u64,
}

impl Stream {
    pub(super) fn new(params: MonitorParams, noise: f64) -> Self {
        let monitor = Monitor::new(params, reference(noise), 1_000).unwrap();
        Self { monitor, rng: Rng::with_seed(1), sequence: 0 }
    }

    /// Held-out noise 0.05, the share of a default batch.
    pub(super) fn clean() -> Self {
        Self::new(params(), 0.05)
    }

    pub(super) fn push(&mut self, batch: Batch) -> BatchVerdict {
        self.sequence += 1;
        let values: Vec<f64> = (0..2 * batch.rows).map(|_| normal(&mut self.rng) + batch.shift).collect();
        let mut predictions = Predictions::unavailable(batch.rows);
        predictions.density_labels[batch.noise as usize..].fill(Label::from_ids(&[0])[0]);
        // The fallback names a cluster for every noise row.
        predictions.labels.fill(Label::from_ids(&[0])[0]);
        predictions.sources[batch.unavailable..].fill(PredictionSource::Cluster);
        let scores = batch.rmse.map(|rmse| {
            let truth = vec![rmse; batch.rows];
            RegressionScores::of(&truth, &vec![0.0; batch.rows])
        });
        let view = BatchView {
            sequence: self.sequence,
            model_version: 1,
            x: Features::new(&values, 2).unwrap(),
            predictions: &predictions,
            scores,
            n_rejected: batch.rejected,
            seconds: batch.seconds,
            memory_mib: batch.memory_mib,
        };
        self.monitor.observe(&view, self.now()).unwrap()
    }

    /// One minute a batch.
    pub(super) fn now(&self) -> tsc_core::Timestamp {
        tsc_core::Timestamp(60_000 * self.sequence as i64)
    }

    pub(super) fn fail(&mut self) {
        self.sequence += 1;
        let now = self.now();
        self.monitor.observe_failure(&failure(), now);
    }

    pub(super) fn many(&mut self, n: usize, batch: Batch) -> Vec<BatchVerdict> {
        (0..n).map(|_| self.push(batch)).collect()
    }
}

pub(super) fn failure() -> Error {
    Error::new(ErrorKind::Prediction, Stage::Clustering, "TSC-CLU-003", "no answer")
}

pub(super) fn binomial(rng: &mut Rng, n: u64, p: f64) -> u64 {
    (0..n).filter(|_| rng.f64() < p).count() as u64
}
