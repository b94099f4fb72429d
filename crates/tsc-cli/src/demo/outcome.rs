//! The table of the demo, and what must hold for it to count as a success.

use std::path::PathBuf;

use serde_json::{Value, json};
#[cfg(feature = "report")]
use tsc_pipeline::FittedPipeline;
use tsc_pipeline::core::{AlertEvent, Label, RegressionScores, RetrainOutcome, TrackingReport};
use tsc_pipeline::series::Reason;
use tsc_pipeline::{BatchReport, PipelineConfig, RetrainReport, TrainingReport};

use super::cohort::Cohort;
use super::compare::targets;
use crate::commands::undelivered;
use crate::failure::{Failure, say};

/// What the stream gave, row by row and batch by batch.
#[derive(Debug, Default)]
pub(crate) struct Streamed {
    pub(crate) size: usize,
    pub(crate) values: Vec<f64>,
    pub(crate) stay: Vec<f64>,
    noise: Vec<f64>,
    findings: Vec<usize>,
    events: Vec<AlertEvent>,
    retrains: Vec<(u64, RetrainReport)>,
    triggers: Vec<u64>,
    degraded: usize,
}

impl Streamed {
    pub(crate) fn of(size: usize) -> Self {
        Self { size, ..Self::default() }
    }

    pub(crate) fn push(&mut self, report: BatchReport) {
        self.values.extend(&report.predictions.values);
        if let Some(stay) = report.resources.first() {
            self.stay.extend(&stay.values);
        }
        self.noise.push(report.noise_ratio);
        self.findings.push(report.findings.len());
        self.degraded += report.degraded.len();
        if report.trigger.is_some() {
            self.triggers.push(report.sequence);
        }
        self.events.extend(report.alerts);
        self.retrains.extend(report.retrain.map(|retrain| (report.sequence, retrain)));
    }

    fn promoted(&self) -> Option<&(u64, RetrainReport)> {
        self.retrains.iter().find(|(_, r)| r.outcome == RetrainOutcome::Promoted)
    }

    pub(crate) fn first_row_after_promotion(&self) -> Option<usize> {
        self.promoted().map(|(batch, _)| *batch as usize * self.size)
    }
}

/// Everything the demo found out.
#[derive(Debug)]
pub(crate) struct Demo {
    pub(crate) cohort: Cohort,
    pub(crate) config: PipelineConfig,
    pub(crate) training: TrainingReport,
    pub(crate) streamed: Streamed,
    pub(crate) global: RegressionScores,
    pub(crate) last_value: Option<RegressionScores>,
    pub(crate) rmse_after_swap: Option<(f64, f64)>,
    pub(crate) reloaded_same_bits: bool,
    pub(crate) tracking: TrackingReport,
    pub(crate) bundle: PathBuf,
    pub(crate) report: PathBuf,
    pub(crate) view: Option<String>,
    pub(crate) laps: Vec<(&'static str, f64)>,
}

impl Demo {
    /// The page of the fit, with the stream and what it is held against.
    #[cfg(feature = "report")]
    pub(crate) fn write_report(
        &self,
        mut data: tsc_pipeline::report::ReportData,
        fitted: &FittedPipeline,
    ) -> Result<(), Failure> {
        use tsc_pipeline::report::{ModelScores, NoiseTrend, Rejection, Report};
        data.subject = Some(self.cohort.name.into());
        data.target = Some("mean heart rate of hours 42-48".into());
        data.unit = Some("beats/min".into());
        data.health = Some(fitted.health().status);
        data.models = self
            .rows()
            .into_iter()
            .map(|(model, scores)| ModelScores { model: model.into(), scores })
            .collect();
        data.data.rejections.extend(self.cohort.quality.counts.iter().map(|entry| Rejection {
            feature: Some(entry.variable.clone()),
            reason: in_words(entry.reason).into(),
            count: entry.count,
        }));
        data.data.rejections.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.feature.cmp(&b.feature)));
        let (fitted_version, served) = (self.training.model_version, fitted.models().version());
        if served != fitted_version {
            data.data.notes.push(format!(
                "Version {served} serves now. Clusters, features and errors by cluster are those of the first \
                 fit, version {fitted_version}."
            ));
        }
        data.absent.clear();
        data.noise_trend = Some(NoiseTrend {
            batches: (1..=self.streamed.noise.len() as u64).collect(),
            noise_ratios: self.streamed.noise.clone(),
            threshold: Some(fitted.config().noise_threshold),
            baseline: Some(self.training.clustering.holdout_noise_ratio),
            retrained_after: self.streamed.promoted().map(|(batch, _)| *batch).into_iter().collect(),
            ..NoiseTrend::default()
        });
        let at = fitted.models().fitted_at();
        data.retrains =
            self.streamed.retrains.iter().map(|(batch, report)| report.shown(*batch, at)).collect();
        data.alerts.clone_from(&self.streamed.events);
        data.tracking = Some(self.tracking.clone());
        let mut page = Vec::new();
        Report::new(data).write_html(&mut page)?;
        std::fs::write(&self.report, page).map_err(|e| Failure::unwritable(&self.report, &e))
    }

    fn pipeline(&self) -> RegressionScores {
        RegressionScores::of(targets(&self.cohort.stream), &self.streamed.values)
    }

    fn stay(&self) -> Option<RegressionScores> {
        let (_, _, truth) = self.cohort.stream.resources.first()?;
        (truth.len() == self.streamed.stay.len()).then(|| RegressionScores::of(truth, &self.streamed.stay))
    }

    /// Agreement with the known groups on rows that are not noise.
    fn agreement(&self) -> Option<f64> {
        let truth = self.cohort.truth.as_ref()?;
        let labels = &self.training.clustering.labels;
        let clustered: Vec<usize> = (0..truth.len()).filter(|&i| !labels[i].is_noise()).collect();
        let pick = |all: &[Label]| clustered.iter().map(|&i| all[i]).collect::<Vec<_>>();
        Some(tsc_pipeline::retraining::adjusted_rand(&pick(labels), &pick(truth)).unwrap_or(0.0))
    }

    /// What does not hold and must.
    pub(crate) fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let mut must = |holds: bool, what: String| {
            if !holds {
                failures.push(what);
            }
        };
        must(self.reloaded_same_bits, "the second process predicted other bits".into());
        must(self.pipeline().n > 0, "no streamed row had a target and a prediction".into());
        must(
            !self.tracking.is_degraded(),
            format!("tracking lost or delayed something: {}", undelivered(&self.tracking)),
        );
        must(
            self.streamed.degraded == 0,
            format!("{} times a batch went on with less than everything", self.streamed.degraded),
        );
        if let Ok(page) = std::fs::read_to_string(&self.report) {
            let found = external_references(&page);
            must(found.is_empty(), format!("the report refers to something outside: {}", found.join(", ")));
        } else {
            must(!cfg!(feature = "report"), "no report was written".into());
        }
        must(self.training.registered.is_some(), "no version was registered".into());
        if let Some(agreement) = self.agreement() {
            must(agreement >= 0.9, format!("the groups were recovered with ARI {agreement:.3}, needs 0.9"));
            // The agreement leaves noise out, so it says little where most samples are noise.
            let (noise, limit) = (self.training.clustering.noise_ratio, self.config.noise_threshold);
            must(
                noise <= limit,
                format!("{noise:.3} of the training rows are noise, at most {limit} may be"),
            );
            let change = self.cohort.drift_row.unwrap_or(0) / self.streamed.size.max(1);
            let early: usize =
                self.streamed.findings[..change.min(self.streamed.findings.len())].iter().sum();
            must(early == 0, format!("{early} findings before the change in batch {}", change + 1));
            let late: usize = self.streamed.findings.iter().skip(change).sum();
            must(late > 0, "no drift was found after the change".into());
            must(self.streamed.promoted().is_some(), "no challenger was promoted after the drift".into());
            match self.rmse_after_swap {
                Some((old, new)) => {
                    must(new < old, format!("after the retrain the rmse is {new:.3}, without it {old:.3}"));
                }
                None => must(false, "no batch was streamed after a promotion".into()),
            }
        } else {
            must(
                self.streamed.triggers.is_empty(),
                format!("a trigger fired in batch {:?} of a random split", self.streamed.triggers),
            );
        }
        failures
    }

    pub(crate) fn print(&self, failures: &[String]) -> Result<(), Failure> {
        let quality = &self.cohort.quality;
        say(format!("\n{}", self.cohort.name))?;
        say(format!(
            "stays        {} read, {} trained on, {} streamed",
            quality.patients,
            self.cohort.train.n_rows(),
            self.cohort.stream.n_rows()
        ))?;
        say(format!(
            "values       {} read, {} used, {} rejected",
            quality.rows.read, quality.rows.used, quality.rows.rejected
        ))?;
        for (reason, count, variables) in self.rejections() {
            say(format!("  {reason:<29} {count:>7}  {variables}"))?;
        }
        self.print_segments()?;
        if let Some(agreement) = self.agreement() {
            say(format!("             ARI {agreement:.3} with the true groups, noise left out"))?;
        }
        for warning in &self.training.warnings {
            say(format!("warning      {warning}"))?;
        }
        say(format!(
            "\n{:<46} {:>9} {:>7} {:>7} {:>7}",
            "prediction on streamed stays", "n", "RMSE", "MAE", "R2"
        ))?;
        say("mean heart rate of hours 42-48, in beats a minute")?;
        for (name, scores) in self.rows() {
            say(format!("  {name:<44} {}", line(&scores)))?;
        }
        if let Some(stay) = self.stay() {
            say("length of stay, in days")?;
            say(format!("  {:<44} {}", "pipeline", line(&stay)))?;
        }
        if let Some(value) = &self.training.models.value {
            crate::commands::print_value(value)?;
        }
        self.print_retrains()?;
        say("\nwall time")?;
        let whole = self.wall_time();
        let row = |name: &str, seconds: f64| {
            say(format!("  {name:<22} {seconds:>7.2} s {:>6.1} %", 100.0 * seconds / whole))
        };
        for (name, seconds) in &self.laps {
            row(name, *seconds)?;
            if *name == "fit" {
                for (stage, seconds) in self.stages_of_fit() {
                    row(&format!("  {stage}"), seconds)?;
                }
            }
        }
        row("all", whole)?;
        let peak = tsc_pipeline::peak_memory_mib().map_or("unknown".into(), |mib| format!("{mib:.0} MiB"));
        say(format!("peak memory  {peak}"))?;
        say(format!(
            "reloaded     in another process: {}",
            if self.reloaded_same_bits { "the same bits" } else { "OTHER BITS" }
        ))?;
        say(format!("bundle       {}", self.bundle.display()))?;
        say(format!("report       {}", self.report.display()))?;
        match &self.view {
            Some(view) => say(format!("runs         {view}"))?,
            None => say("runs         not kept by this build")?,
        }
        for failure in failures {
            say(format!("FAILED       {failure}"))?;
        }
        if failures.is_empty() {
            say("result       everything that must hold does")?;
        }
        Ok(())
    }

    /// What the segmentation is, and whether it would be another one in other stays.
    fn print_segments(&self) -> Result<(), Failure> {
        let clustering = &self.training.clustering;
        let or_dash = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.3}"));
        let params = self.config.segments.sized(&self.config.hdbscan_params, clustering.fitted_points);
        say(format!(
            "clusters     {} of sizes {:?}, largest {:.3} of the clustered stays",
            clustering.n_clusters, clustering.sizes, clustering.largest_share
        ))?;
        say(format!(
            "             min_cluster_size {}, min_samples {} for {} stays; DBCV {}, silhouette {}",
            params.min_cluster_size,
            params.min_samples.unwrap_or(params.min_cluster_size),
            clustering.fitted_points,
            or_dash(clustering.dbcv),
            or_dash(clustering.silhouette)
        ))?;
        let streamed = &self.streamed.noise;
        say(format!(
            "noise        {:.3} of all trained on, {:.3} of held-out stays, {:.3} a batch in {} batches",
            clustering.noise_ratio,
            clustering.holdout_noise_ratio,
            streamed.iter().sum::<f64>() / streamed.len().max(1) as f64,
            streamed.len()
        ))?;
        if let Some(stability) = &clustering.stability {
            say(format!(
                "stability    two thirds on the remaining one: ARI {:.3}, worst {:.3}; {} without noise",
                stability.adjusted_rand(),
                stability.worst_adjusted_rand(),
                or_dash(stability.adjusted_rand_clustered())
            ))?;
            say(format!(
                "             noise {:.3}, largest {:.3}; the bar is met in {} of {}",
                stability.noise_ratio(),
                stability.largest_share(),
                stability.meeting(&self.config.segments),
                stability.agreements.len()
            ))?;
        }
        Ok(())
    }

    fn wall_time(&self) -> f64 {
        self.laps.iter().map(|(_, seconds)| seconds).sum()
    }

    fn stages_of_fit(&self) -> [(&'static str, f64); 8] {
        let spent = &self.training.timings;
        [
            ("preprocessing", spent.preprocessing),
            ("segments", spent.clusterer),
            ("their scores", spent.clustering - spent.clusterer),
            ("their stability", spent.stability),
            ("fallback", spent.fallback),
            ("models", spent.models),
            ("resources", spent.resources),
            ("tracking", spent.tracking),
        ]
    }

    fn rows(&self) -> Vec<(&'static str, RegressionScores)> {
        let retrained =
            if self.streamed.promoted().is_some() { "pipeline with retraining" } else { "pipeline" };
        let mut rows = vec![(retrained, self.pipeline()), ("global model without retraining", self.global)];
        rows.extend(self.last_value.map(|scores| ("last value", scores)));
        rows
    }

    fn print_retrains(&self) -> Result<(), Failure> {
        if self.streamed.triggers.is_empty() {
            say("\nretraining   no trigger fired")?;
        }
        for (batch, retrain) in &self.streamed.retrains {
            say(format!("\nretraining   batch {batch}: {} ({})", retrain.outcome.name(), retrain.trigger))?;
            for reason in &retrain.reasons {
                say(format!("             {reason}"))?;
            }
        }
        if let Some((old, new)) = self.rmse_after_swap {
            say(format!("             rmse on later stays {old:.3} without the retrain, {new:.3} with it"))?;
        }
        for alert in &self.streamed.events {
            say(format!("alert        {alert}"))?;
        }
        Ok(())
    }

    /// Reason, total, and the variables that count most.
    fn rejections(&self) -> Vec<(String, u64, String)> {
        let mut by_reason: std::collections::BTreeMap<String, Vec<(u64, &str)>> =
            std::collections::BTreeMap::new();
        for entry in &self.cohort.quality.counts {
            by_reason
                .entry(in_words(entry.reason).to_owned())
                .or_default()
                .push((entry.count, &entry.variable));
        }
        by_reason
            .into_iter()
            .map(|(reason, mut variables)| {
                variables.sort_unstable_by(|a, b| b.cmp(a));
                let total = variables.iter().map(|v| v.0).sum();
                let most: Vec<String> =
                    variables.iter().take(4).map(|(count, name)| format!("{name} {count}")).collect();
                (reason, total, most.join(", "))
            })
            .collect()
    }

    pub(crate) fn json(&self, failures: &[String]) -> Value {
        let scores: Vec<Value> =
            self.rows().iter().map(|(name, s)| json!({"model": name, "scores": s})).collect();
        let retrains: Vec<Value> = self
            .streamed
            .retrains
            .iter()
            .map(|(batch, report)| json!({"batch": batch, "report": report}))
            .collect();
        json!({
            "schema": "tsclust/demo/1", "cohort": self.cohort.name, "quality": self.cohort.quality,
            "training": self.training, "scores": scores, "length_of_stay": self.stay(),
            "noise": self.streamed.noise, "triggers": self.streamed.triggers, "retrains": retrains,
            "alerts": self.streamed.events, "degraded": self.streamed.degraded,
            "rmse_after_swap": self.rmse_after_swap, "ari": self.agreement(),
            "reloaded_same_bits": self.reloaded_same_bits, "tracking": self.tracking,
            "seconds": self.laps.iter().map(|(name, s)| json!({"part": name, "seconds": s})).collect::<Vec<_>>(),
            "peak_memory_mib": tsc_pipeline::peak_memory_mib(), "bundle": self.bundle, "report": self.report,
            "view": self.view, "failures": failures,
        })
    }
}

fn in_words(reason: Reason) -> &'static str {
    match reason {
        Reason::Sentinel => "stands for missing",
        Reason::Unparsable => "not a number",
        Reason::NonFinite => "missing or infinite",
        Reason::OutOfRange => "outside the possible range",
        Reason::Clamped => "set to the nearest possible value",
        Reason::UnknownVariable => "unknown variable",
        Reason::Repeat => "repeats a time",
        Reason::NoPatient => "no patient",
        Reason::NoTime => "no readable time",
        _ => "rejected",
    }
}

fn line(scores: &RegressionScores) -> String {
    let shown = |value: Option<f64>| value.map_or(format!("{:>7}", "-"), |v| format!("{v:>7.3}"));
    format!("{:>9} {} {} {}", scores.n, shown(scores.rmse), shown(scores.mae), shown(scores.r2))
}

/// What a page would fetch from elsewhere: names of XML namespaces are no fetch.
fn external_references(page: &str) -> Vec<&'static str> {
    let page = page.replace("http://www.w3.org/", "");
    ["http:", "https:", "src=", "@import", "url("].into_iter().filter(|mark| page.contains(mark)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e16_a_fetch_is_an_external_reference_and_a_namespace_is_none() {
        assert!(external_references("<svg xmlns=\"http://www.w3.org/2000/svg\">").is_empty());
        assert_eq!(external_references("<script src='https://cdn.example/x.js'>"), ["https:", "src="]);
    }
}
