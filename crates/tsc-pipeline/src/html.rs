//! What a fit says, as the plain columns of tsc-report.

use tsc_core::{Batch, Clusterer, NoiseFallback, Regressor};
#[cfg(feature = "report")]
use tsc_models::{Coverage, Covered, Paired, SegmentValue, ValueReport};
#[cfg(feature = "report")]
use tsc_report::{
    Absent, ClusterMap, ClusterScores, ClusterSize, ClusterSummary, Compared, CoverageRow, DataFindings,
    Importance, ModelScores, Rejection, Report, ReportData, Setting, Skipped, Value,
};

use crate::config::PipelineConfig;
#[cfg(feature = "report")]
use crate::reports::ClusteringReport;
use crate::reports::TrainingReport;
use crate::served::Models;

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
    let mut page = Vec::new();
    Report::new(data(models, config, report, rows)).write_html(&mut page).ok()?;
    String::from_utf8(page).ok()
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
                    persistence: None,
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
