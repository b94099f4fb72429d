//! What a fit says, as the plain columns of tsc-report.

#[cfg(feature = "report")]
use std::collections::VecDeque;

#[cfg(feature = "report")]
use tsc_cluster::Extraction;
#[cfg(feature = "report")]
use tsc_core::{AlertEvent, Result};
use tsc_core::{Batch, Clusterer, NoiseFallback, Regressor};
#[cfg(feature = "report")]
use tsc_models::{Coverage, Covered, Paired, SegmentValue, ValueReport};
#[cfg(feature = "report")]
use tsc_monitor::{HealthReport, Metric, MetricQuery};
#[cfg(feature = "report")]
use tsc_report::{
    Absent, Branch, ClusterMap, ClusterScores, ClusterSize, ClusterSummary, Compared, CondensedTree,
    CoverageRow, DataFindings, Importance, ModelScores, NoiseTrend, Rejection, Report, ReportData, Setting,
    Skipped, Style, Value,
};

use crate::config::PipelineConfig;
#[cfg(feature = "report")]
use crate::fitted::FittedPipeline;
#[cfg(feature = "report")]
use crate::logging::hdbscan;
#[cfg(feature = "report")]
use crate::reports::ClusteringReport;
use crate::reports::TrainingReport;
use crate::served::Models;

/// Files of a report: path and text; `None` without feature `report`.
#[cfg(not(feature = "report"))]
pub(crate) fn pages<C: Clusterer, R: Regressor, N: NoiseFallback>(
    _models: &Models<C, R, N>,
    _config: &PipelineConfig,
    _report: &TrainingReport,
    _rows: &Batch<'_>,
) -> Option<Vec<(String, String)>> {
    None
}

/// Files of a report: path and text; `None` without feature `report`.
#[cfg(feature = "report")]
pub(crate) fn pages<C: Clusterer, R: Regressor, N: NoiseFallback>(
    models: &Models<C, R, N>,
    config: &PipelineConfig,
    report: &TrainingReport,
    rows: &Batch<'_>,
) -> Option<Vec<(String, String)>> {
    let report = Report::new(data(models, config, report, rows));
    let page = ("report/report.html".to_owned(), written(&report).ok()?);
    let plots = report.plots().into_iter().filter_map(|named| {
        Some((format!("plots/{}.svg", named.file), named.plot.to_svg(&Style::default()).ok()?))
    });
    Some(std::iter::once(page).chain(plots).collect())
}

/// The page of a process that scored batches.
#[cfg(feature = "report")]
pub(crate) fn batches<C: Clusterer, R: Regressor, N: NoiseFallback>(
    pipeline: &FittedPipeline<C, R, N>,
    health: &HealthReport,
    alerts: &VecDeque<AlertEvent>,
    retrains: &VecDeque<tsc_report::Retrain>,
) -> Result<String> {
    let noise = pipeline.monitor().metrics(MetricQuery::all(Metric::NoiseRatio));
    let rows = pipeline.monitor().metrics(MetricQuery::all(Metric::Rows));
    let rows: f64 = rows.iter().map(|point| point.value).sum();
    let config = pipeline.config();
    let promoted = retrains.iter().filter(|retrain| retrain.model_version.is_some());
    let absent = |plot: &str| Absent { plot: plot.into(), reason: "it belongs to a fit".into() };
    let data = ReportData {
        title: "Scored batches".into(),
        subject: config.hospital_profile_id.clone(),
        at: noise.last().map(|point| point.at),
        model_version: Some(pipeline.models.version),
        health: Some(health.status),
        data: DataFindings {
            rows_in: rows as u64,
            rows_used: rows as u64,
            n_features: pipeline.models.schema.n_features() as u64,
            notes: vec![format!("{} batches; charts show those that are kept.", pipeline.batches())],
            ..DataFindings::default()
        },
        noise_trend: Some(NoiseTrend {
            batches: noise.iter().map(|point| point.batch).collect(),
            noise_ratios: noise.iter().map(|point| point.value).collect(),
            threshold: Some(config.noise_threshold),
            baseline: Some(pipeline.models.facts.holdout_noise),
            retrained_after: promoted.map(|retrain| retrain.batch).collect(),
            ..NoiseTrend::default()
        }),
        retrains: retrains.iter().cloned().collect(),
        alerts: alerts.iter().cloned().collect(),
        absent: ["cluster map", "condensed tree", "importance"].map(absent).to_vec(),
        ..ReportData::default()
    };
    written(&Report::new(data))
}

#[cfg(feature = "report")]
fn written(report: &Report) -> Result<String> {
    let mut page = Vec::new();
    report.write_html(&mut page)?;
    // It is made of strings.
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// The one-file page of a fit; `None` without feature `report`.
#[cfg(not(feature = "report"))]
pub(crate) fn page<C: Clusterer, R: Regressor, N: NoiseFallback>(
    _models: &Models<C, R, N>,
    _config: &PipelineConfig,
    _report: &TrainingReport,
    _rows: &Batch<'_>,
) -> Option<String> {
    None
}

/// The one-file page of a fit; `None` without feature `report`.
#[cfg(feature = "report")]
pub(crate) fn page<C: Clusterer, R: Regressor, N: NoiseFallback>(
    models: &Models<C, R, N>,
    config: &PipelineConfig,
    report: &TrainingReport,
    rows: &Batch<'_>,
) -> Option<String> {
    written(&Report::new(data(models, config, report, rows))).ok()
}

#[cfg(feature = "report")]
pub(crate) fn data<C: Clusterer, R: Regressor, N: NoiseFallback>(
    models: &Models<C, R, N>,
    config: &PipelineConfig,
    report: &TrainingReport,
    rows: &Batch<'_>,
) -> ReportData {
    let clustering = &report.clustering;
    let scores = |model: &str, scores| ModelScores { model: model.into(), scores };
    let mut buffer = Vec::new();
    let map = rows
        .features()
        .or_else(|| tsc_core::Features::new(rows.values(), rows.n_features()).ok())
        .filter(|x| x.n_samples() == clustering.labels.len())
        .and_then(|x| models.view.apply_into(x, &mut buffer).ok())
        .map(|view| ClusterMap::of(view, &clustering.labels, config.random_state));
    ReportData {
        title: "Patient segments".into(),
        at: Some(models.fitted_at),
        model_version: Some(report.model_version),
        data: DataFindings {
            rows_in: (report.n_samples + report.rejected.len()) as u64,
            rows_used: report.n_samples as u64,
            n_features: report.n_features as u64,
            n_groups: rows.groups().map(|g| g.iter().collect::<std::collections::BTreeSet<_>>().len() as u64),
            rejections: rejections(report),
            notes: std::iter::once(beside_silhouette(clustering))
                .chain(report.warnings.iter().map(ToString::to_string))
                .collect(),
        },
        clusters: Some(ClusterSummary {
            n_samples: clustering.total_points as u64,
            n_noise: clustering.n_noise as u64,
            silhouette: clustering.silhouette,
            clusters: (0_u32..)
                .zip(&clustering.sizes)
                .map(|(c, &size)| ClusterSize {
                    cluster: tsc_core::ClusterId(c),
                    size: size as u64,
                    persistence: clustering.persistence.get(c as usize).copied(),
                })
                .collect(),
        }),
        models: vec![
            scores("pipeline", report.models.holdout.served),
            scores("pooled model alone", report.models.holdout.pooled),
        ],
        cluster_scores: report
            .models
            .clusters
            .iter()
            .map(|c| ClusterScores {
                cluster: Some(c.cluster),
                served_by: format!("{:.0} % own model", 100.0 * c.weight.value),
                scores: c.holdout.served,
                global: Some(c.holdout.pooled),
            })
            .collect(),
        value: report.models.value.as_ref().map(value),
        skipped: report
            .skipped
            .iter()
            .map(|s| Skipped { what: s.what.clone(), reason: s.reason.clone() })
            .collect(),
        importances: importances(models, report),
        cluster_map: map,
        condensed_tree: hdbscan(&models.clusterer).map(|hdbscan| condensed_tree(hdbscan.extraction())),
        degraded: report.degraded.clone(),
        absent: vec![Absent { plot: "noise trend".into(), reason: "no batch was scored yet".into() }],
        configuration: crate::tracking::flat_params(config).iter().map(|(k, v)| Setting::new(k, v)).collect(),
        provenance: vec![
            Setting::new("tsc", env!("CARGO_PKG_VERSION")),
            Setting::new("schema", models.schema.hash()),
            Setting::new("seed", config.random_state),
        ],
        ..ReportData::default()
    }
}

/// Branches that are drawn; a cluster always comes with those above it, which are larger.
#[cfg(feature = "report")]
const BRANCHES: usize = 300;
/// Places at which the number of samples of a branch is drawn.
#[cfg(feature = "report")]
const STEPS: usize = 40;

/// The chosen clusters and what they split from.
#[cfg(feature = "report")]
fn condensed_tree(extraction: &Extraction) -> CondensedTree {
    let tree = extraction.condensed_tree();
    let mut shown: Vec<u32> = Vec::new();
    let mut seen = vec![false; tree.clusters.len()];
    for &chosen in extraction.chosen_ids() {
        let mut next = Some(chosen);
        while let Some(id) = next.filter(|&id| !std::mem::replace(&mut seen[id as usize], true)) {
            shown.push(id);
            next = tree.clusters[id as usize].parent;
        }
    }
    // A child's number is above its parent's, so that parents stay where equal sizes are cut.
    shown.sort_unstable_by_key(|&id| (std::cmp::Reverse(tree.clusters[id as usize].size), id));
    shown.truncate(BRANCHES);
    shown.sort_unstable();
    // Samples that no finite distance joins, and identical ones, are drawn at the outermost distances there are.
    let lambdas = || tree.row_lambda.iter().copied().filter(|lambda| *lambda > 0.0 && lambda.is_finite());
    let (low, high) = (lambdas().fold(f64::INFINITY, f64::min), lambdas().fold(0.0, f64::max));
    if high == 0.0 {
        return CondensedTree::default();
    }
    let distance = |lambda: f64| 1.0 / lambda.clamp(low, high);
    let branch = |&id: &u32| {
        let cluster = &tree.clusters[id as usize];
        let own = tree.own_rows(id);
        let (mut distances, mut samples) = (vec![distance(cluster.birth)], vec![cluster.size]);
        let steps = own.len().min(STEPS);
        for step in 1..=steps {
            // The last to leave come first.
            let gone = own.len() * step / steps;
            distances.push(distance(tree.row_lambda[own[own.len() - gone] as usize]));
            samples.push(cluster.size - gone as u32);
        }
        if let Some(split) = cluster.split {
            distances.push(distance(split));
            samples.push(cluster.size - own.len() as u32);
        }
        let parent = cluster.parent.and_then(|parent| shown.binary_search(&parent).ok());
        let chosen = extraction.chosen_ids().iter().position(|&chosen| chosen == id);
        Branch {
            parent: parent.map(|at| at as u32),
            cluster: chosen.map(|label| tsc_core::ClusterId(label as u32)),
            distances,
            samples,
        }
    };
    CondensedTree { branches: shown.iter().map(branch).collect(), n_branches: tree.clusters.len() as u64 }
}

#[cfg(feature = "report")]
fn value(value: &ValueReport) -> Value {
    let compared = |name: String, paired: &Paired| Compared {
        name,
        rows: paired.rows,
        groups: paired.groups,
        pipeline: paired.first,
        other: paired.second,
        interval: paired.interval,
    };
    let segment =
        |cluster: Option<tsc_core::ClusterId>| cluster.map_or("noise".into(), |c| format!("cluster {c}"));
    let of_segment = |s: &SegmentValue| {
        let name = format!("{}, {:.0} % own model", segment(s.cluster), 100.0 * s.weight);
        compared(name, &s.paired)
    };
    let coverage = |row: &Coverage| CoverageRow {
        name: match row.segment {
            Covered::Cluster(cluster) => segment(Some(cluster)),
            Covered::Noise => segment(None),
            _ => "all rows".into(),
        },
        level: row.level,
        rows: row.rows,
        share: row.share,
        interval: row.interval,
        mean_width: row.mean_width,
    };
    Value {
        sentence: value.sentence(),
        measure: value.measure.name().into(),
        rivals: value.rivals.iter().map(|rival| compared(rival.name.clone(), &rival.paired)).collect(),
        segments: value.segments.iter().map(of_segment).collect(),
        coverage: value.coverage.iter().map(coverage).collect(),
    }
}

/// What a silhouette of clustered rows alone does not say.
#[cfg(feature = "report")]
fn beside_silhouette(clustering: &ClusteringReport) -> String {
    let dbcv = clustering.dbcv.map_or("not computed".into(), |dbcv| format!("{dbcv:.3}"));
    let noise = 100.0 * clustering.holdout_noise_ratio;
    let stability = clustering.stability.as_ref().map_or("was not measured".into(), |stability| {
        let (median, worst) = (stability.adjusted_rand(), stability.worst_adjusted_rand());
        format!("is {median:.3}, {worst:.3} at worst")
    });
    format!(
        "Segments: DBCV {dbcv}; {noise:.1} % of held-out rows are noise; the adjusted Rand index between segments \
         of separate thirds of the rows {stability}."
    )
}

#[cfg(feature = "report")]
fn rejections(report: &TrainingReport) -> Vec<Rejection> {
    let mut counts: std::collections::BTreeMap<(&str, &str), u64> = std::collections::BTreeMap::new();
    for rejected in &report.rejected {
        *counts.entry((&rejected.name, &rejected.reason)).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|((feature, reason), count)| Rejection {
            feature: Some(feature.into()),
            reason: reason.into(),
            count,
        })
        .collect()
}

#[cfg(feature = "report")]
fn importances<C: Clusterer, R: Regressor, N: NoiseFallback>(
    models: &Models<C, R, N>,
    report: &TrainingReport,
) -> Vec<Importance> {
    let names: Vec<&str> =
        models.schema.columns().iter().filter(|c| c.column_use.models()).map(|c| c.name.as_str()).collect();
    let of = |cluster, gain: &[f64]| {
        let n = gain.len().min(names.len());
        let features = names[..n].iter().map(|name| (*name).to_owned()).collect();
        Importance { cluster, measure: "gain".into(), features, values: gain[..n].to_vec() }
    };
    let pooled = report.models.pooled.importance.iter().map(|i| of(None, &i.gain));
    let own = report
        .models
        .clusters
        .iter()
        .filter_map(|c| Some(of(Some(c.cluster), &c.model.importance.as_ref()?.gain)));
    pooled.chain(own).filter(|importance| importance.values.iter().any(|gain| *gain > 0.0)).collect()
}

#[cfg(all(test, feature = "report"))]
mod tests {
    use super::*;

    #[test]
    fn the_drawn_tree_loses_its_rows_one_by_one_and_splits_into_the_clusters() {
        let fitted = crate::logging::tests::fitted();
        let tree = condensed_tree(fitted.extraction());
        let root = &tree.branches[0];
        assert_eq!((root.parent, root.cluster, &root.samples[..]), (None, None, &[53, 52, 51, 50, 50][..]));
        let sizes: Vec<_> = tree.branches[1..].iter().map(|b| (b.parent, b.cluster, b.samples[0])).collect();
        let cluster = |id| Some(tsc_core::ClusterId(id));
        assert!(
            sizes.contains(&(Some(0), cluster(0), 30)) && sizes.contains(&(Some(0), cluster(1), 20)),
            "{sizes:?}"
        );
        assert!(
            tree.branches
                .iter()
                .all(|b| b.distances.is_sorted_by(|a, b| a >= b) && b.samples.is_sorted_by(|a, b| a >= b))
        );
        assert!(tsc_report::Plot::CondensedTree(tree).missing().is_none());
    }
}
