//! The run of a process that scores batches: the step of each metric is the number of the batch.

use std::collections::VecDeque;

use tsc_core::{
    AlertEvent, Batch, Clusterer, Degraded, Experiment, NoiseFallback, PredictionSource, Regressor, Result,
    Run, RunStatus, Signal, Timestamp,
};
use tsc_monitor::{Metric, MetricQuery};

use super::{json, log_named};
use crate::clock;
#[cfg(feature = "report")]
use crate::config::ReportOn;
use crate::fitted::FittedPipeline;
use crate::reports::{BatchReport, RetrainReport};
use crate::tracking::{dataset, tag_origin};

/// Alerts and retrains that the page at the end shows, and alerts in the file.
const KEPT: usize = 1000;

/// The open run, and what its last child will show.
#[derive(Debug)]
pub(crate) struct BatchRun {
    run: Box<dyn Run>,
    alerts: VecDeque<AlertEvent>,
    #[cfg(feature = "report")]
    retrains: VecDeque<tsc_report::Retrain>,
}

impl BatchRun {
    fn open<C: Clusterer, R: Regressor, N: NoiseFallback>(
        pipeline: &FittedPipeline<C, R, N>,
        batch: &Batch<'_>,
    ) -> Result<Self> {
        let mut run = pipeline.tracking.tracker.start_run(Experiment::BatchProcessing, "Pipeline")?;
        tag_origin(run.as_mut(), Experiment::BatchProcessing, pipeline.config())?;
        let about = "Batches of one process. The step of each metric is the number of the batch; the dataset is \
                     the first of them.";
        run.set_tags(&[("tsc.description", about)])?;
        let name = &pipeline.config().tracking.dataset;
        run.log_dataset(&dataset(name, "batch", &pipeline.models.schema, batch))?;
        Ok(Self {
            run,
            alerts: VecDeque::new(),
            #[cfg(feature = "report")]
            retrains: VecDeque::new(),
        })
    }

    fn log_alerts(&mut self, alerts: &[AlertEvent]) -> Result<()> {
        if alerts.is_empty() {
            return Ok(());
        }
        alerts.iter().for_each(|alert| push(&mut self.alerts, alert.clone()));
        let mut lines = Vec::new();
        for alert in &self.alerts {
            lines.extend(serde_json::to_vec(alert).unwrap_or_default());
            lines.push(b'\n');
        }
        self.run.log_artifact("alerts/alerts.jsonl", &lines)
    }
}

fn push<T>(kept: &mut VecDeque<T>, item: T) {
    if kept.len() == KEPT {
        kept.pop_front();
    }
    kept.push_back(item);
}

impl<C: Clusterer, R: Regressor, N: NoiseFallback> FittedPipeline<C, R, N> {
    /// One run a process, one step a batch.
    pub(crate) fn track(&mut self, batch: &Batch<'_>, report: &mut BatchReport, seconds: f64) {
        if self.tracking.off {
            return;
        }
        if self.batch_run.is_none() {
            match BatchRun::open(self, batch) {
                Ok(run) => self.batch_run = Some(run),
                Err(error) => report.degraded.push(Degraded::from(&error)),
            }
        }
        let metrics = self.metrics_of(report, seconds);
        let Some(open) = &mut self.batch_run else { return };
        let logged = log_named(open.run.as_mut(), report.sequence as i64, &metrics);
        for result in [logged, open.log_alerts(&report.alerts)] {
            if let Err(error) = result {
                report.degraded.push(Degraded::from(&error));
            }
        }
    }

    fn metrics_of(&self, report: &BatchReport, seconds: f64) -> Vec<(String, f64)> {
        let unavailable =
            report.predictions.sources.iter().filter(|s| **s == PredictionSource::Unavailable).count();
        let mut metrics: Vec<(String, f64)> = vec![
            ("rows".into(), report.n_samples as f64),
            ("noise_ratio".into(), report.noise_ratio),
            ("fallback_ratio".into(), report.fallback_ratio),
            ("unassigned_ratio".into(), report.unassigned_ratio),
            ("rejected_ratio".into(), report.rejected_ratio),
            ("unavailable_ratio".into(), unavailable as f64 / report.n_samples as f64),
            ("batch_seconds".into(), seconds),
            ("rows_per_second".into(), report.n_samples as f64 / seconds),
            ("model_version".into(), report.model_version as f64),
            ("alerts_firing".into(), self.monitor.firing() as f64),
            ("drift_findings".into(), report.findings.len() as f64),
        ];
        let mut optional = |name: &str, value: Option<f64>| {
            metrics.extend(value.map(|value| (name.to_owned(), value)));
        };
        optional("rss_bytes", clock::memory_mib().0.map(|mib| mib * 1024.0 * 1024.0));
        if let Some(scores) = report.scores {
            optional("rmse", scores.rmse);
            optional("mae", scores.mae);
            optional("r2", scores.r2);
            optional("coverage", scores.coverage);
        }
        for finding in report.findings.iter().filter(|finding| finding.segment.is_none()) {
            // Features share one alert; a chart for each of hundreds would hide the others.
            if !matches!(finding.signal, Signal::Feature(_)) {
                optional(&format!("drift/{}", finding.signal), Some(finding.value));
            }
        }
        for cluster in 0..self.models.n_clusters() {
            let members = report.predictions.labels.iter().filter(|l| l.id() == cluster as i32).count();
            metrics
                .push((format!("cluster_{cluster}/share"), members as f64 / report.n_scored.max(1) as f64));
        }
        metrics
    }

    /// Keeps a retrain for the page at the end.
    #[cfg_attr(
        not(feature = "report"),
        expect(unused_variables, clippy::unused_self, reason = "there is no page")
    )]
    pub(crate) fn track_retrain(&mut self, report: &RetrainReport, at: Timestamp) {
        #[cfg(feature = "report")]
        if let Some(open) = &mut self.batch_run {
            push(&mut open.retrains, report.shown(self.counters.sequence, at));
        }
    }

    /// Ends the run of the batches with a child that sums them up.
    pub(crate) fn close_batches(&mut self) {
        let Some(mut open) = self.batch_run.take() else { return };
        // Nobody is left to tell; a strict caller flushes before.
        let status = if std::thread::panicking() {
            RunStatus::Failed
        } else {
            drop(self.sum_up(&mut open));
            RunStatus::Finished
        };
        drop(open.run.finish(status));
    }

    fn sum_up(&self, open: &mut BatchRun) -> Result<()> {
        let health = self.health();
        open.run.set_tags(&[("tsc.health", json_name(&health.status).as_str())])?;
        let mut child = open.run.child("Performance-Report")?;
        let means = [
            ("noise_ratio", Metric::NoiseRatio),
            ("unavailable_ratio", Metric::UnavailableRatio),
            ("rmse", Metric::Rmse),
            ("mae", Metric::Mae),
        ];
        let mut headlines = vec![("batches".to_owned(), self.counters.sequence as f64)];
        for (name, metric) in means {
            let points = self.monitor.metrics(MetricQuery::all(metric));
            let sum: f64 = points.iter().map(|point| point.value).sum();
            if !points.is_empty() {
                headlines.push((format!("mean/{name}"), sum / points.len() as f64));
            }
        }
        log_named(child.as_mut(), 0, &headlines)?;
        child.set_tags(&[(
            "tsc.description",
            "Means over the batches that are kept. `report/report.json` has the state of each component.",
        )])?;
        child.log_artifact("report/report.json", &json(&health))?;
        #[cfg(feature = "report")]
        if self.config().report.on.contains(&ReportOn::Batch) {
            let page = crate::html::batches(self, &health, &open.alerts, &open.retrains)?;
            child.log_artifact("report/report.html", page.as_bytes())?;
        }
        child.finish(RunStatus::Finished)
    }
}

fn json_name(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
