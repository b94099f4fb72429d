//! Rows of the result: losses beside each other, smaller is better.

use std::time::Instant;

use serde_json::{Value, json};
use tsc_pipeline::models::{Measure, Paired};

use super::judge::Judged;

/// How a target is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// RMSE or MAE.
    Error(Measure),
    /// 1 - AUROC.
    Ranking,
}

impl Metric {
    fn name(self) -> &'static str {
        match self {
            Self::Error(measure) => measure.name(),
            Self::Ranking => "1 - AUROC",
        }
    }

    fn of(self, judged: &Judged, predicted: &[f64]) -> Option<f64> {
        match self {
            Self::Error(measure) => {
                // Rows that the pipeline cannot judge count for nobody.
                let paired = Paired::of(measure, &judged.truth, predicted, &judged.pipeline, &judged.groups)?;
                Some(paired.first)
            }
            Self::Ranking => Some(1.0 - auroc(&judged.truth, predicted)?),
        }
    }
}

/// Area under the receiver operating characteristic: share of pairs in the right order, ties half.
fn auroc(truth: &[f64], score: &[f64]) -> Option<f64> {
    let mut rows: Vec<(f64, bool)> =
        truth.iter().zip(score).filter(|(t, s)| t.is_finite() && s.is_finite()).map(|(t, s)| (*s, *t > 0.5)).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = rows.iter().filter(|row| row.1).count() as f64;
    let negatives = rows.len() as f64 - positives;
    let mut below = 0.0;
    let mut right = 0.0;
    for tied in rows.chunk_by(|a, b| a.0 == b.0) {
        let hits = tied.iter().filter(|row| row.1).count() as f64;
        let misses = tied.len() as f64 - hits;
        right += hits * (below + misses / 2.0);
        below += misses;
    }
    (positives > 0.0 && negatives > 0.0).then(|| right / (positives * negatives))
}

/// One target of one task.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) task: String,
    pub(crate) target: String,
    metric: &'static str,
    n: u64,
    groups: u64,
    pipeline: Option<f64>,
    global: Option<f64>,
    permuted: Option<f64>,
    naive: Vec<(String, f64)>,
    /// 95 % interval of pipeline minus global, resampled by patient or series.
    interval: Option<[f64; 2]>,
    coverage: Option<f64>,
    noise: f64,
    segments: Vec<usize>,
    seconds: f64,
}

impl Line {
    pub(crate) fn of(task: &str, target: &str, metric: Metric, judged: &Judged, seconds: f64) -> Self {
        let measure = if let Metric::Error(measure) = metric { measure } else { Measure::Rmse };
        let paired = judged.against_global(measure);
        let naive = judged.naive.iter();
        Self {
            task: task.into(),
            target: target.into(),
            metric: metric.name(),
            n: paired.map_or(0, |p| p.rows),
            groups: paired.map_or(0, |p| p.groups),
            pipeline: metric.of(judged, &judged.pipeline),
            global: metric.of(judged, &judged.global),
            permuted: metric.of(judged, &judged.permuted),
            naive: naive.filter_map(|(name, column)| Some((name.clone(), metric.of(judged, column)?))).collect(),
            interval: match metric {
                Metric::Error(_) => paired.and_then(|p| p.interval),
                Metric::Ranking => None,
            },
            coverage: judged.coverage(),
            noise: judged.noise.iter().sum::<f64>() / judged.noise.len().max(1) as f64,
            segments: judged.segments.clone(),
            seconds,
        }
    }

    /// The same predictions judged otherwise.
    pub(crate) fn with_loss(mut self, metric: &'static str, loss: impl Fn(&str) -> f64) -> Self {
        self.metric = metric;
        (self.pipeline, self.global, self.permuted) =
            (Some(loss("pipeline")), Some(loss("global")), Some(loss("permuted")));
        self.naive = self.naive.iter().map(|(name, _)| (name.clone(), loss(name))).collect();
        self.interval = None;
        self
    }

    /// The best of the naive forecasts.
    fn best_naive(&self) -> Option<&(String, f64)> {
        self.naive.iter().min_by(|a, b| a.1.total_cmp(&b.1))
    }

    pub(crate) fn json(&self) -> Value {
        let naive: serde_json::Map<String, Value> =
            self.naive.iter().map(|(name, loss)| (name.clone(), json!(loss))).collect();
        json!({
            "task": self.task, "target": self.target, "metric": self.metric, "n": self.n, "groups": self.groups,
            "loss": {
                "pipeline": self.pipeline, "global": self.global, "permuted": self.permuted,
                "naive": self.best_naive().map(|(_, loss)| loss),
            },
            "coverage": self.coverage, "wall_s": self.seconds,
            "naives": naive, "difference_95": self.interval, "noise": self.noise, "segments": self.segments,
        })
    }

    pub(crate) fn header() -> String {
        "| task | target | loss | n | pipeline | global | permuted | naive | pipeline - global, 95 % | 80 % interval holds |\n\
         |---|---|---|---|---|---|---|---|---|---|"
            .into()
    }

    pub(crate) fn markdown(&self) -> String {
        let number = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.4}"));
        let naive = self.best_naive().map_or("-".into(), |(name, loss)| format!("{loss:.4} ({name})"));
        let interval = self.interval.map_or("-".into(), |[a, b]| format!("{a:+.4} to {b:+.4}"));
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {naive} | {interval} | {} |",
            self.task,
            self.target,
            self.metric,
            self.n,
            number(self.pipeline),
            number(self.global),
            number(self.permuted),
            self.coverage.map_or("-".into(), |share| format!("{share:.3}")),
        )
    }
}

/// Wall time of a task.
#[derive(Debug)]
pub(crate) struct Clock(Instant);

#[expect(clippy::disallowed_methods, reason = "the table has wall time")]
impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Pairs (1, .8), (1, .4) above (0, .4), (0, .2): 3 of 4 right, one tie: 3.5 / 4.
    #[test]
    fn the_area_counts_pairs_and_halves_ties() {
        assert_eq!(auroc(&[1.0, 0.0, 1.0, 0.0], &[0.8, 0.4, 0.4, 0.2]), Some(3.5 / 4.0));
        assert_eq!(auroc(&[1.0, 1.0], &[0.1, 0.2]), None);
    }
}
