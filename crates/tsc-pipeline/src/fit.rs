use std::sync::Arc;

use tsc_cluster::{ClusterView, Quality, dbcv, quality};
use tsc_core::{
    Assignment, Batch, Clusterer, Degradation, Features, FittedClusterer, FittedFallback, FoldSpec, Folds,
    Label, NoiseFallback, Regressor, Result, Schema, Timestamp, Watch, folds, noise_ratio,
};
use tsc_fallback::FittedKnn;
use tsc_models::{FittedResources, PerCluster, SegmentedRows, fit_resources};
use tsc_monitor::Reference;

use crate::clock::Stopwatch;
use crate::config::{ConfigWarning, PipelineConfig};
use crate::logging::hdbscan;
use crate::reports::{ClusteringReport, FallbackReport, Skipped, Timings, TrainingReport};
use crate::segments::{Seen, SegmentStability, Segmenter, largest_share, segment_warnings};
use crate::served::{FitFacts, Models, cluster_columns, fill_noise, model_columns};

/// The descriptions a fit works with.
#[derive(Debug)]
pub(crate) struct Stages<C, R, N> {
    pub(crate) clusterer: C,
    pub(crate) regressor: R,
    pub(crate) resource_regressor: R,
    pub(crate) fallback: N,
}

/// A finished fit, before anything is swapped or registered.
#[derive(Debug)]
pub(crate) struct Fit<C: Clusterer, R: Regressor, N: NoiseFallback> {
    pub(crate) models: Models<C, R, N>,
    pub(crate) report: TrainingReport,
    pub(crate) split: Folds,
}

/// Fits every stage on checked rows: the code of a first fit and of every challenger.
///
/// Clusterer, fallback and regressors see the fit rows; the holdout is assigned and scored by what was fitted.
pub(crate) fn fit<C: Clusterer, R: Regressor, N: NoiseFallback>(
    stages: &Stages<C, R, N>,
    config: &PipelineConfig,
    schema: &Schema,
    batch: &Batch<'_>,
    medians: Vec<f64>,
    version: u64,
    at: Timestamp,
) -> Result<Fit<C, R, N>> {
    let total = Stopwatch::start();
    let mut timings = Timings::default();
    let Some(x) = batch.features() else { unreachable!("only screened rows are fitted") };
    let n = x.n_samples();
    let need = config.rows_needed();
    if n < need {
        return Err(crate::error::too_few_rows(n, need));
    }
    let targets = batch.targets().ok_or_else(crate::error::no_targets)?;

    let watch = Stopwatch::start();
    let split = folds(n, batch.groups(), batch.times(), &spec(config, n))?;
    let mut raw = Vec::new();
    let x_fit = x.gather(&split.fit, &mut raw);
    let columns = cluster_columns(schema);
    let view = ClusterView::fit(x_fit, &columns, &config.cluster_view)?;
    let (mut all, mut fitted) = (Vec::new(), Vec::new());
    let view_all = view.apply_into(x, &mut all)?;
    let view_fit = view_all.gather(&split.fit, &mut fitted);
    timings.preprocessing = watch.seconds();

    let watch = Stopwatch::start();
    let clusterer = stages.clusterer.fit(view_fit)?;
    timings.clusterer = watch.seconds();
    let labels = labels_of_all(&clusterer, view_all, &split)?;
    let scores = quality(view_fit, clusterer.training_labels(), &Default::default())?;
    let dbcv = density_validity(view_fit, clusterer.training_labels(), config.segments.dbcv_max_rows)?;
    timings.clustering = watch.seconds();

    let watch = Stopwatch::start();
    let mut skipped = Vec::new();
    let segmenter = Segmenter { clusterer: &stages.clusterer, view: &config.cluster_view, columns: &columns };
    let stability = stability(&segmenter, config, x, batch, &mut skipped);
    timings.stability = watch.seconds();

    let watch = Stopwatch::start();
    let fallback = fit_fallback(stages, config, view_fit, &clusterer, &mut skipped)?;
    let mut assigned: Vec<Assignment> =
        labels.iter().map(|&label| Assignment { label, strength: 0.0 }).collect();
    fill_noise(fallback.as_ref(), view_all, &mut assigned)?;
    let fallback_report =
        fallback.as_ref().map(|fallback| fallback_report(fallback, &labels, &assigned, &split));
    timings.fallback = watch.seconds();

    let watch = Stopwatch::start();
    let mut buffer = Vec::new();
    let x_model = model_columns(x, schema, &mut buffer);
    let n_clusters = clusterer.n_clusters();
    let rows = SegmentedRows {
        x: x_model,
        labels: &labels,
        n_clusters,
        groups: batch.groups(),
        folds: &split,
        references: batch.references(),
    };
    let per_cluster = PerCluster::new(&stages.regressor, config.per_cluster())?;
    let (target, models_report) = per_cluster.fit(&rows, targets, &Watch::NONE)?;
    timings.models = watch.seconds();

    let watch = Stopwatch::start();
    let heads = PerCluster::new(&stages.resource_regressor, config.per_cluster())?;
    let (resources, resource_reports) =
        match fit_resources(&heads, &rows, batch.resources(), &config.resources, &Watch::NONE) {
            Ok(fitted) => fitted,
            Err(error) if config.degradation.mode == Degradation::BestEffort => {
                skipped.push(Skipped { what: "Resource-LGB".into(), reason: error.to_string() });
                (FittedResources::none(), Vec::new())
            }
            Err(error) => return Err(error),
        };
    timings.resources = watch.seconds();

    let holdout_labels: Vec<Label> = split.holdout.iter().map(|&row| labels[row]).collect();
    let clustering = ClusteringReport {
        holdout_noise_ratio: noise_ratio(&holdout_labels),
        fitted_points: split.fit.len(),
        dbcv,
        stability,
        persistence: hdbscan(&clusterer).map(|h| h.extraction().persistence().to_vec()).unwrap_or_default(),
        ..clustering_report(x, &labels, n_clusters, &scores)
    };
    let facts = FitFacts {
        training_samples: n as u64,
        holdout_noise: clustering.holdout_noise_ratio,
        holdout_rmse: models_report.holdout.served.rmse,
        centers: clustering.centers.clone(),
    };
    let reference = Reference::fit(
        x,
        schema,
        n_clusters,
        facts.holdout_noise,
        split.holdout.len() as u64,
        facts.holdout_rmse,
    )?;
    skipped.extend(
        models_report
            .skipped
            .iter()
            .map(|s| Skipped { what: format!("cluster {}", s.cluster), reason: s.reason.to_string() }),
    );
    let report = TrainingReport {
        model_version: version,
        n_samples: n,
        n_features: x.n_features(),
        warnings: warnings(config, &clustering),
        clustering,
        models: models_report,
        resources: resource_reports,
        fallback: fallback_report,
        skipped,
        rejected: Vec::new(),
        missing_ratio: 0.0,
        degraded: Vec::new(),
        refitted_rows: None,
        run: None,
        registered: None,
        timings: Timings { total: total.seconds(), ..timings },
    };
    let models = Models {
        version,
        fitted_at: at,
        schema: schema.clone(),
        medians,
        view,
        clusterer,
        fallback,
        target,
        resources,
        measured: None,
        noise_value: config.models.noise_value,
        degradation: config.degradation.mode,
        reference: Arc::new(reference),
        facts,
    };
    Ok(Fit { models, report, split })
}

/// Fits target and resources once more with the rows that were held out, unless the configuration says no.
///
/// Called after everything that is reported, or decides on a challenger, was measured. The models that were measured
/// stay beside those that serve, for the next gate.
pub(crate) fn refit<C: Clusterer, R: Regressor, N: NoiseFallback>(
    stages: &Stages<C, R, N>,
    config: &PipelineConfig,
    batch: &Batch<'_>,
    fit: Fit<C, R, N>,
) -> Result<Fit<C, R, N>> {
    let asked = config.training.refit;
    let (true, Some(x), Some(targets)) = (asked, batch.features(), batch.targets()) else { return Ok(fit) };
    let Fit { mut models, mut report, split } = fit;
    let watch = Stopwatch::start();
    let all = folds(
        x.n_samples(),
        batch.groups(),
        batch.times(),
        &FoldSpec { holdout: 0.0, ..spec(config, x.n_samples()) },
    )?;
    let mut buffer = Vec::new();
    let rows = SegmentedRows {
        x: model_columns(x, &models.schema, &mut buffer),
        labels: &report.clustering.labels,
        n_clusters: models.clusterer.n_clusters(),
        groups: batch.groups(),
        folds: &all,
        references: &[],
    };
    let per_cluster = PerCluster::new(&stages.regressor, config.per_cluster())?;
    let heads = PerCluster::new(&stages.resource_regressor, config.per_cluster())?;
    let again = per_cluster.refit(&models.target, &rows, targets, &Watch::NONE).and_then(|target| {
        Ok((target, models.resources.refit(&heads, &rows, batch.resources(), &Watch::NONE)?))
    });
    let (target, resources) = match again {
        Ok(again) => again,
        Err(error) if config.degradation.mode == Degradation::BestEffort => {
            report.skipped.push(Skipped { what: "training.refit".into(), reason: error.to_string() });
            return Ok(Fit { models, report, split });
        }
        Err(error) => return Err(error),
    };
    models.measured = Some(std::mem::replace(&mut models.target, target));
    models.resources = resources;
    report.refitted_rows = Some(x.n_samples() as u64);
    report.timings.refit = watch.seconds();
    report.timings.total += report.timings.refit;
    Ok(Fit { models, report, split })
}

pub(crate) fn spec(config: &PipelineConfig, n: usize) -> FoldSpec {
    FoldSpec {
        split: config.training.split,
        holdout: config.training.validation_fraction,
        folds: config.training.folds_for(n),
        gap: config.training.gap,
        seed: config.random_state,
    }
}

fn labels_of_all<F: FittedClusterer>(clusterer: &F, view: Features<'_>, split: &Folds) -> Result<Vec<Label>> {
    let mut labels = vec![Label::NOISE; view.n_samples()];
    for (&row, &label) in split.fit.iter().zip(clusterer.training_labels()) {
        labels[row] = label;
    }
    let in_fit = |row: &usize| split.fit.binary_search(row).is_ok();
    let others: Vec<usize> = (0..view.n_samples()).filter(|row| !in_fit(row)).collect();
    if !others.is_empty() {
        let mut buffer = Vec::new();
        let mut out = vec![Assignment::NOISE; others.len()];
        clusterer.assign_into(view.gather(&others, &mut buffer), &mut out)?;
        for (&row, assignment) in others.iter().zip(&out) {
            labels[row] = assignment.label;
        }
    }
    Ok(labels)
}

fn fit_fallback<C: Clusterer, R: Regressor, N: NoiseFallback>(
    stages: &Stages<C, R, N>,
    config: &PipelineConfig,
    view: Features<'_>,
    clusterer: &C::Fitted,
    skipped: &mut Vec<Skipped>,
) -> Result<Option<N::Fitted>> {
    let mut skip = |reason: String| skipped.push(Skipped { what: "kNN-Fallback".into(), reason });
    if clusterer.n_clusters() == 0 {
        skip("no cluster was found; the pooled model serves all rows".into());
        return Ok(None);
    }
    match stages.fallback.fit(view, clusterer.training_labels()) {
        Ok(fallback) => Ok(Some(fallback)),
        Err(error) if config.degradation.mode == Degradation::BestEffort => {
            skip(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn fallback_report<F: FittedFallback>(
    fallback: &F,
    labels: &[Label],
    assigned: &[Assignment],
    split: &Folds,
) -> FallbackReport {
    let asked = labels.iter().filter(|l| l.is_noise()).count();
    let abstained = assigned.iter().filter(|a| a.label.is_noise()).count();
    let answers = labels.iter().zip(assigned).filter(|(label, a)| label.is_noise() && !a.label.is_noise());
    let strength: f64 = answers.map(|(_, answer)| answer.strength).sum();
    let answered = asked - abstained;
    let knn: Option<&FittedKnn> = (fallback as &dyn FittedFallback).downcast_ref();
    FallbackReport {
        training_points: split.fit.iter().filter(|&&row| !labels[row].is_noise()).count(),
        asked,
        abstain_ratio: (asked > 0).then(|| abstained as f64 / asked as f64),
        fallback_ratio: answered as f64 / labels.len() as f64,
        mean_strength: (answered > 0).then(|| strength / answered as f64),
        evaluation: knn.and_then(FittedKnn::evaluation).cloned(),
    }
}

fn clustering_report(
    x: Features<'_>,
    labels: &[Label],
    n_clusters: usize,
    scores: &Quality,
) -> ClusteringReport {
    let mut sizes = vec![0_usize; n_clusters];
    let mut centers = vec![vec![0.0; x.n_features()]; n_clusters];
    for (row, label) in x.rows().zip(labels) {
        if let Some(cluster) = label.cluster() {
            let c = cluster.0 as usize;
            sizes[c] += 1;
            centers[c].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
    }
    for (center, &size) in centers.iter_mut().zip(&sizes) {
        center.iter_mut().for_each(|sum| *sum /= size.max(1) as f64);
    }
    ClusteringReport {
        n_clusters,
        n_noise: labels.iter().filter(|l| l.is_noise()).count(),
        noise_ratio: noise_ratio(labels),
        holdout_noise_ratio: 0.0,
        total_points: labels.len(),
        fitted_points: labels.len(),
        largest_share: largest_share(labels),
        labels: labels.to_vec(),
        sizes,
        centers,
        persistence: Vec::new(),
        silhouette: scores.silhouette,
        calinski_harabasz: scores.calinski_harabasz,
        davies_bouldin: scores.davies_bouldin,
        dbcv: None,
        stability: None,
    }
}

fn density_validity(view: Features<'_>, labels: &[Label], max_rows: usize) -> Result<Option<f64>> {
    let clustered = labels.iter().filter(|label| !label.is_noise()).count();
    if clustered > max_rows { Ok(None) } else { dbcv(view, labels) }
}

/// A look that cannot be had, such as on thirds smaller than a cluster, leaves the fit as it is.
fn stability<C: Clusterer>(
    segmenter: &Segmenter<'_, C>,
    config: &PipelineConfig,
    x: Features<'_>,
    batch: &Batch<'_>,
    skipped: &mut Vec<Skipped>,
) -> Option<SegmentStability> {
    let cuts = config.segments.stability_cuts;
    if cuts == 0 {
        return None;
    }
    match segmenter.stability(x, batch.groups(), cuts, config.random_state) {
        Ok(stability) => Some(stability),
        Err(error) => {
            skipped.push(Skipped { what: "segment stability".into(), reason: error.to_string() });
            None
        }
    }
}

fn warnings(config: &PipelineConfig, clustering: &ClusteringReport) -> Vec<ConfigWarning> {
    let mut warnings = config.lint();
    let noise_ratio = clustering.holdout_noise_ratio;
    if noise_ratio >= config.noise_threshold {
        warnings.push(ConfigWarning::TrainingNoise { noise_ratio, noise_threshold: config.noise_threshold });
    }
    let seen = Seen {
        n_clusters: clustering.n_clusters,
        largest_share: clustering.largest_share,
        noise_ratio,
        agreement: clustering.stability.as_ref().map(SegmentStability::adjusted_rand),
    };
    warnings.extend(segment_warnings(seen, &config.segments));
    warnings
}
