use std::path::Path;

#[cfg(feature = "mlflow")]
use tsc_cluster::FittedHdbscan;
use tsc_core::{Batch, Clusterer, ModelVersion, NoiseFallback, RegressionScores, Regressor, Result, Run};
#[cfg(feature = "mlflow")]
use tsc_core::{Load, MemoryArtifacts, Save};
use tsc_retrain::{ComparedMetric, VersionComparison};

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
        let mut folder = Folder::begin(&std::env::temp_dir())?;
        let hash = write_models(&mut folder, &self.models, self.config(), self.featurizer(), |_| Ok(()))?;
        let Registration { description, mut tags, stage, comparison } = registration;
        self.log_fit(&self.models, report, rows, runs, &description, comparison);
        log_model_texts(runs, folder.path());
        #[cfg(feature = "mlflow")]
        if self.config().tracking.boosters {
            crate::boosters::log_boosters(runs, &self.models);
        }
        let version = self.models.version.to_string();
        runs.parent(|run| run.set_tags(&[("tsc.model_version", &version), ("tsc.bundle_sha256", &hash)]));
        let packaged = package(folder.path(), &self.models, &hash)?;
        tags.push(("tsc.bundle_sha256".into(), hash));
        tags.push(("tsc.model_version".into(), version));
        let dir = packaged.as_ref().map_or(folder.path(), Folder::path);
        Ok(runs.register(&self.tracking, self.config(), dir, &description, tags, stage))
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
        let (schema, config) = (&models.schema, self.config());
        let clustering = &report.clustering;
        let served = &report.models.holdout.served;
        let about = about(description, report);
        runs.open_children(&report.timings);
        runs.parent(|run| {
            run.log_params(&[
                ("n_rows", &report.n_samples),
                ("n_features", &report.n_features),
                ("seed", &config.random_state),
            ])?;
            run.set_tags(&[("tsc.description", &about)])?;
            if !report.warnings.is_empty() {
                let warnings: Vec<String> = report.warnings.iter().map(ToString::to_string).collect();
                run.set_tags(&[("tsc.warnings", &warnings.join("\n"))])?;
            }
            run.log_metrics(
                0,
                &[
                    ("n_clusters", clustering.n_clusters as f64),
                    ("noise_ratio", clustering.noise_ratio),
                    ("fit_seconds", report.timings.total),
                    ("skipped_clusters", report.models.skipped.len() as f64),
                ],
            )?;
            log_scores(run, "holdout", served)?;
            log_optional(
                run,
                "rss_peak_bytes",
                crate::clock::memory_mib().1.map(|mib| mib * 1024.0 * 1024.0),
            )?;
            run.log_dataset(&dataset("training", schema, rows))?;
            run.log_artifact("config.json", config.to_json().as_bytes())?;
            if let Some(comparison) = comparison {
                let rmse = comparison.metric(ComparedMetric::Rmse);
                log_optional(run, "champion/holdout/rmse", rmse.champion)?;
                log_optional(run, "challenger/holdout/rmse", rmse.challenger)?;
                run.log_metrics(0, &[("gate/p_value", comparison.loss.p_better)])?;
                log_optional(run, "cluster_ari", comparison.clusters.adjusted_rand)?;
            }
            Ok(())
        });
        for (child, about) in ABOUT_CHILDREN {
            runs.child(child, |run| run.set_tags(&[("tsc.description", about)]));
        }
        runs.child("Preprocessing", |run| {
            run.log_params(&[
                ("scaling", &"standard"),
                ("clip", &config.cluster_view.clip),
                ("components", &models.view.n_out()),
            ])?;
            run.log_metrics(
                0,
                &[
                    ("rows_in", (report.n_samples + report.rejected.len()) as f64),
                    ("rows_out", report.n_samples as f64),
                    ("rows_dropped", report.rejected.len() as f64),
                    ("feature_count", report.n_features as f64),
                    ("preprocess_seconds", report.timings.preprocessing),
                ],
            )?;
            run.log_artifact("features/schema.json", &json(schema))
        });
        runs.child("HDBSCAN", |run| {
            let params = config.segments.sized(&config.hdbscan_params, clustering.fitted_points);
            run.log_params(&[
                ("min_cluster_size", &params.min_cluster_size),
                ("min_samples", &params.min_samples.unwrap_or(params.min_cluster_size)),
                ("cluster_selection_epsilon", &params.cluster_selection_epsilon),
            ])?;
            run.set_tags(&[("tsc.backend", tsc_core::Save::kind(&models.clusterer).name)])?;
            run.log_metrics(
                0,
                &[
                    ("n_clusters", clustering.n_clusters as f64),
                    ("n_noise_points", clustering.n_noise as f64),
                    ("total_points", clustering.total_points as f64),
                    ("noise_ratio", clustering.noise_ratio),
                    ("holdout_noise_ratio", clustering.holdout_noise_ratio),
                    ("largest_share", clustering.largest_share),
                    ("fit_seconds", report.timings.clustering),
                ],
            )?;
            if let Some(stability) = &clustering.stability {
                run.log_metrics(
                    0,
                    &[
                        ("stability/adjusted_rand", stability.adjusted_rand()),
                        ("stability/worst_adjusted_rand", stability.worst_adjusted_rand()),
                        ("stability/noise_ratio", stability.noise_ratio()),
                        ("stability/largest_share", stability.largest_share()),
                    ],
                )?;
            }
            log_optional(run, "silhouette_score", clustering.silhouette)?;
            log_optional(run, "calinski_harabasz_score", clustering.calinski_harabasz)?;
            log_optional(run, "davies_bouldin_score", clustering.davies_bouldin)?;
            log_optional(run, "dbcv", clustering.dbcv)?;
            let sizes: Vec<(String, f64)> = clustering
                .sizes
                .iter()
                .enumerate()
                .map(|(c, &n)| (format!("cluster_{c}/size"), n as f64))
                .collect();
            log_named(run, &sizes)?;
            run.log_artifact("clusters/centroids.csv", centroids(schema, &clustering.centers).as_bytes())
        });
        let skipped = report.skipped.iter().find(|s| s.what == "kNN-Fallback").map(|s| s.reason.as_str());
        runs.child("kNN-Fallback", |run| {
            let Some(fallback) = &report.fallback else {
                return run.set_tags(&[("tsc.skipped", skipped.unwrap_or("not fitted"))]);
            };
            let knn = &config.knn_params;
            run.log_params(&[("n_neighbors", &knn.n_neighbors)])?;
            run.log_metrics(
                0,
                &[("training_points", fallback.training_points as f64), ("asked", fallback.asked as f64)],
            )?;
            log_optional(run, "abstain_ratio", fallback.abstain_ratio)
        });
        runs.child("TimeSeries-LGB", |run| log_models(run, &report.models));
        runs.child("Resource-LGB", |run| {
            if report.resources.is_empty() {
                return run.set_tags(&[("tsc.skipped", "no resource column was supplied")]);
            }
            for resource in &report.resources {
                let name = resource.kind.name();
                run.set_tags(&[(&format!("unit/{name}"), &resource.unit.to_string())])?;
                log_scores(run, &format!("{name}/holdout"), &resource.models.holdout.served)?;
                log_scores(run, &format!("{name}/pooled/holdout"), &resource.models.holdout.pooled)?;
            }
            Ok(())
        });
        let occasion = if comparison.is_some() { ReportOn::Retrain } else { ReportOn::Fit };
        let wanted = config.report.on.contains(&occasion);
        let document = wanted.then(|| crate::html::page(models, config, report, rows)).flatten();
        runs.child("Performance-Report", |run| {
            log_scores(run, "holdout", served)?;
            run.log_artifact("report/training.json", &json(report))?;
            match document {
                Some(document) => run.log_artifact("report/report.html", document.as_bytes()),
                None if wanted => run.set_tags(&[("tsc.skipped", "this build has no feature report")]),
                None => Ok(()),
            }
        });
    }
}

/// What each child run holds, for the person who opens it.
const ABOUT_CHILDREN: [(&str, &str); 6] = [
    (
        "Preprocessing",
        "Rows checked and scaled for the clustering. `features/schema.json` lists the features.",
    ),
    (
        "HDBSCAN",
        "Segmentation of the rows. `clusters/centroids.csv` holds the mean of each cluster in original units.",
    ),
    ("kNN-Fallback", "Labels for rows that no cluster takes in."),
    ("TimeSeries-LGB", "Models of the target, one per cluster and one for all. `models` holds them."),
    ("Resource-LGB", "Models of the resources, one per cluster and one for all. `models` holds them."),
    (
        "Performance-Report",
        "`report/report.html` is the page for people, `report/training.json` has the same numbers and more.",
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

fn log_models(run: &mut dyn Run, models: &tsc_models::ModelsReport) -> Result<()> {
    for (key, value) in &models.pooled.params {
        run.log_params(&[(&format!("pooled/{key}"), value)])?;
    }
    log_scores(run, "holdout", &models.holdout.served)?;
    log_scores(run, "pooled/holdout", &models.holdout.pooled)?;
    for cluster in &models.clusters {
        let prefix = format!("cluster_{}", cluster.cluster);
        log_scores(run, &format!("{prefix}/holdout"), &cluster.holdout.served)?;
        log_named(
            run,
            &[
                (format!("{prefix}/rows"), cluster.model.rows as f64),
                (format!("{prefix}/best_iteration"), f64::from(cluster.model.best_round)),
                (format!("{prefix}/weight"), cluster.weight.value),
            ],
        )?;
    }
    Ok(())
}

fn log_scores(run: &mut dyn Run, prefix: &str, scores: &RegressionScores) -> Result<()> {
    let named = [("rmse", scores.rmse), ("mae", scores.mae), ("r2", scores.r2), ("mape", scores.mape)];
    let named: Vec<(String, f64)> =
        named.iter().filter_map(|(name, value)| Some((format!("{prefix}/{name}"), (*value)?))).collect();
    log_named(run, &named)
}

fn log_optional(run: &mut dyn Run, name: &str, value: Option<f64>) -> Result<()> {
    value.map_or(Ok(()), |value| run.log_metrics(0, &[(name, value)]))
}

fn log_named(run: &mut dyn Run, metrics: &[(String, f64)]) -> Result<()> {
    let metrics: Vec<(&str, f64)> = metrics.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    if metrics.is_empty() { Ok(()) } else { run.log_metrics(0, &metrics) }
}

fn centroids(schema: &tsc_core::Schema, centers: &[Vec<f64>]) -> String {
    let mut text = format!("cluster,{}\n", schema.names().collect::<Vec<_>>().join(","));
    for (cluster, center) in centers.iter().enumerate() {
        let row: Vec<String> = center.iter().map(f64::to_string).collect();
        text.push_str(&format!("{cluster},{}\n", row.join(",")));
    }
    text
}

/// The model texts of the bundle, readable by the Python package.
fn log_model_texts(runs: &mut FitRuns, bundle: &Path) {
    for (child, folder) in [("TimeSeries-LGB", "models/target"), ("Resource-LGB", "models/resource")] {
        for (path, bytes) in texts_below(&bundle.join(folder), "models") {
            runs.child(child, |run| run.log_artifact(&path, &bytes));
        }
    }
}

fn texts_below(dir: &Path, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(texts_below(&entry.path(), &path));
        } else if let Ok(bytes) = std::fs::read(entry.path()) {
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap_or_default()
}

/// The bundle as a model folder that MLflow lists; `None` without the feature, where the bundle itself is logged.
#[cfg(feature = "mlflow")]
fn package<C: Clusterer, R: Regressor, N: NoiseFallback>(
    bundle: &Path,
    models: &Models<C, R, N>,
    content_hash: &str,
) -> Result<Option<Folder>> {
    let folder = Folder::begin(&std::env::temp_dir())?;
    let model = tsc_mlflow::packaging::PipelineModel {
        model_version: models.version,
        content_hash: content_hash.into(),
        crate_version: env!("CARGO_PKG_VERSION").into(),
        features: models.schema.names().map(str::to_owned).collect(),
        medians: models.medians.clone(),
        further_outputs: models.further_columns(),
        tree: chosen_clusters(&models.clusterer)?,
    };
    tsc_mlflow::packaging::write_pipeline_model(bundle, folder.path(), &model)?;
    Ok(Some(folder))
}

/// What HDBSCAN chose of its tree; `None` for another clusterer.
///
/// The clusterer may be boxed, so the tree is taken from what it stores. One of the caller's that bears the name
/// and stores something else is another clusterer.
#[cfg(feature = "mlflow")]
fn chosen_clusters(clusterer: &impl Save) -> Result<Option<Vec<u8>>> {
    let kind = clusterer.kind();
    if kind.name != FittedHdbscan::KIND.name {
        return Ok(None);
    }
    let mut stored = MemoryArtifacts::new();
    clusterer.save(&mut stored)?;
    let Ok(hdbscan) = tsc_core::restore::<FittedHdbscan>(&kind.into(), &stored) else { return Ok(None) };
    let tree = serde_json::to_vec(&hdbscan.extraction().assignment_tree());
    tree.map(Some).map_err(|e| tsc_core::damaged("tree.json", e))
}

#[cfg(not(feature = "mlflow"))]
fn package<C: Clusterer, R: Regressor, N: NoiseFallback>(
    _bundle: &Path,
    _models: &Models<C, R, N>,
    _content_hash: &str,
) -> Result<Option<Folder>> {
    Ok(None)
}
