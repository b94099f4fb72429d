//! What a fit writes into its runs; each file knows one of them.

mod batches;
mod models;
mod package;
mod preprocessing;
mod segments;

pub(crate) use batches::BatchRun;
pub(crate) use segments::hdbscan;
#[cfg(all(test, feature = "report"))]
pub(crate) use segments::tests;

use tsc_core::{Batch, Clusterer, ModelVersion, NoiseFallback, RegressionScores, Regressor, Result, Run};
use tsc_retrain::{ComparedMetric, VersionComparison};

#[cfg(feature = "mlflow")]
use crate::boosters::Boosters;
use crate::bundle::{Folder, write_models};
use crate::config::ReportOn;
use crate::fitted::{FittedPipeline, Registration};
use crate::reports::TrainingReport;
use crate::served::Models;
use crate::tracking::{FitRuns, dataset};

impl<C: Clusterer, R: Regressor, N: NoiseFallback> FittedPipeline<C, R, N> {
    /// Writes a promoted fit into its runs, and registers the served models.
    pub(crate) fn log_and_register(
        &self,
        report: &mut TrainingReport,
        rows: &Batch<'_>,
        runs: &mut FitRuns,
        registration: Registration<'_>,
    ) -> Result<Option<ModelVersion>> {
        if !runs.are_kept() && self.tracking.registry.is_none() {
            return Ok(None);
        }
        let mut folder = Folder::scratch()?;
        let hash = write_models(&mut folder, &self.models, self.config(), self.featurizer(), |_| Ok(()))?;
        let Registration { description, mut tags, stage, comparison } = registration;
        self.log_fit(&self.models, report, rows, runs, &description, comparison);
        let version = self.models.version.to_string();
        runs.parent(|run| run.set_tags(&[("tsc.model_version", &version), ("tsc.bundle_sha256", &hash)]));
        let packaged = package::package(folder.path(), &self.models, &hash)?;
        tags.push(("tsc.bundle_sha256".into(), hash));
        tags.push(("tsc.model_version".into(), version));
        let dir = packaged.as_ref().map_or(folder.path(), Folder::path);
        let Some(uri) = runs.log_model("pipeline", dir) else { return Ok(None) };
        // While the writer stores the pipeline, for which the registration waits.
        #[cfg(feature = "mlflow")]
        let boosters = self.package_boosters();
        let registered = runs.register(&self.tracking, self.config(), &uri, &description, tags, stage);
        #[cfg(feature = "mlflow")]
        boosters.log(runs);
        Ok(registered)
    }

    #[cfg(feature = "mlflow")]
    fn package_boosters(&self) -> Boosters {
        if !self.config().tracking.boosters {
            return Boosters::default();
        }
        let models = &self.models;
        crate::pipeline::in_pool(self.pool.as_deref(), || Boosters::package(models))
    }

    /// Writes a fit into its runs; a rejected challenger stays visible there.
    pub(crate) fn log_fit(
        &self,
        models: &Models<C, R, N>,
        report: &TrainingReport,
        rows: &Batch<'_>,
        runs: &mut FitRuns,
        description: &str,
        comparison: Option<&VersionComparison>,
    ) {
        let config = self.config();
        runs.open_children(&report.timings);
        let data = dataset(&config.tracking.dataset, "training", &models.schema, rows);
        runs.parent(|run| {
            run.log_params(&[
                ("n_rows", &report.n_samples),
                ("n_features", &report.n_features),
                ("seed", &config.random_state),
            ])?;
            run.set_tags(&[("tsc.description", &about(description, report))])?;
            if !report.warnings.is_empty() {
                let warnings: Vec<String> = report.warnings.iter().map(ToString::to_string).collect();
                run.set_tags(&[("tsc.warnings", &warnings.join("\n"))])?;
            }
            run.log_metrics(
                0,
                &[
                    ("n_clusters", report.clustering.n_clusters as f64),
                    ("noise_ratio", report.clustering.noise_ratio),
                    ("fit_seconds", report.timings.total),
                    ("skipped_clusters", report.models.skipped.len() as f64),
                ],
            )?;
            log_scores(run, "holdout", &report.models.holdout.served)?;
            let peak = crate::clock::memory_mib().1.map(|mib| mib * 1024.0 * 1024.0);
            log_optional(run, "rss_peak_bytes", peak)?;
            run.log_dataset(&data)?;
            comparison.map_or(Ok(()), |comparison| log_comparison(run, comparison))?;
            run.log_artifact("config.toml", config.to_toml()?.as_bytes())
        });
        for (child, about) in ABOUT_CHILDREN {
            runs.child(child, |run| run.set_tags(&[("tsc.description", about)]));
        }
        runs.child("Preprocessing", |run| preprocessing::log(run, config, models, report, rows, &data));
        runs.child("HDBSCAN", |run| segments::log_clusterer(run, config, models, report));
        runs.child("kNN-Fallback", |run| segments::log_fallback(run, config, report));
        runs.child("TimeSeries-LGB", |run| models::log_target(run, config, models, &report.models));
        runs.child("Resource-LGB", |run| models::log_resources(run, config, models, &report.resources));
        self.log_report(models, report, rows, runs, comparison.is_some());
    }

    fn log_report(
        &self,
        models: &Models<C, R, N>,
        report: &TrainingReport,
        rows: &Batch<'_>,
        runs: &mut FitRuns,
        retrain: bool,
    ) {
        let occasion = if retrain { ReportOn::Retrain } else { ReportOn::Fit };
        let wanted = self.config().report.on.contains(&occasion);
        let pages = if wanted { crate::html::pages(models, self.config(), report, rows) } else { None };
        runs.child("Performance-Report", |run| {
            log_scores(run, "holdout", &report.models.holdout.served)?;
            run.log_artifact("report/report.json", &json(report))?;
            match &pages {
                None if wanted => run.set_tags(&[("tsc.skipped", "this build has no feature report")]),
                pages => log_files(run, pages.iter().flatten()),
            }
        });
        let plots = |names: &'static str| {
            pages
                .iter()
                .flatten()
                .filter(move |(path, _)| names.split(' ').any(|name| path.starts_with(name)))
        };
        runs.child("HDBSCAN", |run| log_files(run, plots("plots/cluster_map plots/condensed_tree")));
        runs.child("TimeSeries-LGB", |run| log_files(run, plots("plots/importance")));
    }
}

fn log_files<'a>(run: &mut dyn Run, mut files: impl Iterator<Item = &'a (String, String)>) -> Result<()> {
    files.try_for_each(|(path, text)| run.log_artifact(path, text.as_bytes()))
}

/// What each child run holds, for the person who opens it.
const ABOUT_CHILDREN: [(&str, &str); 6] = [
    (
        "Preprocessing",
        "Rows checked and scaled for the clustering. `features/schema.json` lists the features, \
         `features/profile.json` their distribution.",
    ),
    (
        "HDBSCAN",
        "Segmentation of the rows. `clusters/centroids.csv` holds the mean of each cluster in original units, \
         `clusters/condensed_tree.json` what the clusters were chosen from.",
    ),
    (
        "kNN-Fallback",
        "Labels for rows that no cluster takes in. `fallback/confusion.csv` counts what it says of rows whose \
         cluster is known.",
    ),
    (
        "TimeSeries-LGB",
        "Models of the target, one per cluster and one for all. `models/importance.csv` says what they look at.",
    ),
    (
        "Resource-LGB",
        "Models of the resources, one per cluster and one for all. `models/importance.csv` says what they look at.",
    ),
    (
        "Performance-Report",
        "`report/report.html` is the page for people, `report/report.json` has the same numbers and more.",
    ),
];

/// The fit in two sentences.
fn about(description: &str, report: &TrainingReport) -> String {
    let clustering = &report.clustering;
    let mut text = format!(
        "{description}. {} rows with {} features fall into {} clusters, {:.1} % of them are noise.",
        report.n_samples,
        report.n_features,
        clustering.n_clusters,
        100.0 * clustering.noise_ratio
    );
    let holdout = &report.models.holdout;
    if let (Some(served), Some(pooled)) = (holdout.served.rmse, holdout.pooled.rmse) {
        text.push_str(&format!(
            " RMSE on held-out rows: {served:.4}; of the pooled model alone: {pooled:.4}."
        ));
    }
    text
}

fn log_comparison(run: &mut dyn Run, comparison: &VersionComparison) -> Result<()> {
    let rmse = comparison.metric(ComparedMetric::Rmse);
    log_optional(run, "champion/holdout/rmse", rmse.champion)?;
    log_optional(run, "challenger/holdout/rmse", rmse.challenger)?;
    let clusters = &comparison.clusters;
    let reassigned = clusters.reassigned as f64 / comparison.n_rows.max(1) as f64;
    run.log_metrics(0, &[("gate/p_value", comparison.loss.p_better), ("reassigned_ratio", reassigned)])?;
    log_optional(run, "cluster_ari", clusters.adjusted_rand)
}

fn log_scores(run: &mut dyn Run, prefix: &str, scores: &RegressionScores) -> Result<()> {
    let named = [("rmse", scores.rmse), ("mae", scores.mae), ("r2", scores.r2), ("mape", scores.mape)];
    let named: Vec<(String, f64)> =
        named.iter().filter_map(|(name, value)| Some((format!("{prefix}/{name}"), (*value)?))).collect();
    log_named(run, 0, &named)
}

fn log_optional(run: &mut dyn Run, name: &str, value: Option<f64>) -> Result<()> {
    value.map_or(Ok(()), |value| run.log_metrics(0, &[(name, value)]))
}

fn log_named(run: &mut dyn Run, step: i64, metrics: &[(String, f64)]) -> Result<()> {
    let metrics: Vec<(&str, f64)> = metrics.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    if metrics.is_empty() { Ok(()) } else { run.log_metrics(step, &metrics) }
}

/// A cell of a table of comma-separated values.
fn cell(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap_or_default()
}
