use tsc_cluster::{Extraction, FittedHdbscan};
use tsc_core::{Clusterer, FittedClusterer, NoiseFallback, Regressor, Result, Run, Save};
use tsc_fallback::FallbackEvaluation;

use super::{cell, json, log_named, log_optional};
use crate::config::PipelineConfig;
use crate::reports::TrainingReport;
use crate::served::Models;
use crate::tracking::flat_params;

pub(super) fn log_clusterer<C: Clusterer, R: Regressor, N: NoiseFallback>(
    run: &mut dyn Run,
    config: &PipelineConfig,
    models: &Models<C, R, N>,
    report: &TrainingReport,
) -> Result<()> {
    let clustering = &report.clustering;
    let mut params = config.segments.sized(&config.hdbscan_params, clustering.fitted_points);
    params.min_samples.get_or_insert(params.min_cluster_size);
    for (key, value) in flat_params(&params) {
        run.log_params(&[(key.as_str(), &value)])?;
    }
    let backend = models.clusterer.kind().name;
    run.log_params(&[("backend", &backend)])?;
    run.set_tags(&[("tsc.backend", backend)])?;
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
    log_named(run, 0, &by_cluster("size", clustering.sizes.iter().map(|&size| size as f64)))?;
    log_named(run, 0, &by_cluster("persistence", clustering.persistence.iter().copied()))?;
    run.log_artifact("clusters/centroids.csv", centroids(&models.schema, &clustering.centers).as_bytes())?;
    match hdbscan(&models.clusterer) {
        Some(hdbscan) => {
            run.log_artifact("clusters/condensed_tree.json", &json(&branches(hdbscan.extraction())))
        }
        None => Ok(()),
    }
}

/// The clusterer as HDBSCAN; `None` if it is another.
pub(crate) fn hdbscan<F: FittedClusterer>(clusterer: &F) -> Option<&FittedHdbscan> {
    (clusterer as &dyn FittedClusterer).downcast_ref()
}

/// A row per cluster of the condensed tree; samples would be rows of patients.
#[derive(serde::Serialize)]
struct TreeRow {
    cluster: u32,
    parent: Option<u32>,
    lambda_birth: f64,
    /// Where it splits or its last sample leaves; null with identical samples.
    lambda_death: Option<f64>,
    child_size: u32,
    /// Label of a chosen cluster.
    label: Option<u32>,
}

fn branches(extraction: &Extraction) -> Vec<TreeRow> {
    let tree = extraction.condensed_tree();
    let label = |id: u32| extraction.chosen_ids().iter().position(|&chosen| chosen == id).map(|at| at as u32);
    let row = |(id, cluster): (u32, &tsc_cluster::CondensedCluster)| TreeRow {
        cluster: id,
        parent: cluster.parent,
        lambda_birth: cluster.birth,
        lambda_death: Some(tree.own_max(id)).filter(|lambda| lambda.is_finite()),
        child_size: cluster.size,
        label: label(id),
    };
    (0..).zip(&tree.clusters).map(row).collect()
}

pub(super) fn log_fallback(
    run: &mut dyn Run,
    config: &PipelineConfig,
    report: &TrainingReport,
) -> Result<()> {
    let Some(fallback) = &report.fallback else {
        let skipped = report.skipped.iter().find(|s| s.what == "kNN-Fallback").map(|s| s.reason.as_str());
        return run.set_tags(&[("tsc.skipped", skipped.unwrap_or("not fitted"))]);
    };
    for (key, value) in flat_params(&config.knn_params) {
        run.log_params(&[(key.as_str(), &value)])?;
    }
    run.log_metrics(
        0,
        &[
            ("training_points", fallback.training_points as f64),
            ("asked", fallback.asked as f64),
            ("fallback_ratio", fallback.fallback_ratio),
        ],
    )?;
    log_optional(run, "abstain_ratio", fallback.abstain_ratio)?;
    log_optional(run, "mean_strength", fallback.mean_strength)?;
    match &fallback.evaluation {
        Some(evaluation) => {
            run.log_metrics(0, &[("loo_accuracy", evaluation.accuracy)])?;
            run.log_artifact("fallback/confusion.csv", confusion(evaluation).as_bytes())
        }
        None => Ok(()),
    }
}

fn by_cluster(name: &str, values: impl Iterator<Item = f64>) -> Vec<(String, f64)> {
    values.enumerate().map(|(cluster, value)| (format!("cluster_{cluster}/{name}"), value)).collect()
}

fn centroids(schema: &tsc_core::Schema, centers: &[Vec<f64>]) -> String {
    let names: Vec<_> = schema.names().map(cell).collect();
    let mut text = format!("cluster,{}\n", names.join(","));
    for (cluster, center) in centers.iter().enumerate() {
        let row: Vec<String> = center.iter().map(f64::to_string).collect();
        text.push_str(&format!("{cluster},{}\n", row.join(",")));
    }
    text
}

/// A row per cluster that samples have, a column per cluster that their neighbours voted for.
fn confusion(evaluation: &FallbackEvaluation) -> String {
    let labels = || evaluation.per_label.iter().map(|score| score.label);
    let mut text = "cluster".to_owned();
    for label in labels() {
        text.push_str(&format!(",voted {label}"));
    }
    for (label, row) in labels().zip(&evaluation.confusion) {
        text.push_str(&format!("\n{label}"));
        for count in row {
            text.push_str(&format!(",{count}"));
        }
    }
    text + "\n"
}

#[cfg(test)]
pub(crate) mod tests {
    use tsc_cluster::{Hdbscan, HdbscanParams};
    use tsc_core::Features;

    use super::*;

    /// Thirty rows together, twenty together far away, three alone: the root loses the three and splits.
    pub(crate) fn fitted() -> FittedHdbscan {
        let near = |from: f64, n: u32| (0..n).map(move |i| from + 0.1 * f64::from(i));
        let rows: Vec<f64> = near(0.0, 30).chain(near(100.0, 20)).chain([1e3, 2e3, 4e3]).collect();
        let params = HdbscanParams { min_cluster_size: 5, ..HdbscanParams::default() };
        Hdbscan::new(params).unwrap().fit(Features::new(&rows, 1).unwrap()).unwrap()
    }

    #[test]
    fn the_stored_tree_has_the_clusters_that_the_rows_were_made_of() {
        let tree = branches(fitted().extraction());
        let chosen: Vec<_> = tree.iter().filter(|row| row.label.is_some()).collect();
        let sizes: Vec<_> = chosen.iter().map(|row| (row.label, row.child_size, row.parent)).collect();
        assert_eq!(sizes.len(), 2);
        assert!(
            sizes.contains(&(Some(0), 30, Some(0))) && sizes.contains(&(Some(1), 20, Some(0))),
            "{sizes:?}"
        );
        assert_eq!((tree[0].child_size, tree[0].parent, tree[0].lambda_birth), (53, None, 0.0));
        assert!(chosen.iter().all(|row| row.lambda_birth > 0.0 && row.lambda_death > Some(row.lambda_birth)));
    }

    #[test]
    fn cells_with_separators_are_quoted() {
        assert_eq!(cell("lactate"), "lactate");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
