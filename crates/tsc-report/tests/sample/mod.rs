//! A report as a hospital would see it, from seeded data.

use tsc_core::{
    AlertChange, AlertEvent, ClusterId, Degraded, HealthStatus, Label, RegressionScores, RetrainOutcome,
    Severity, Signal, Stage, Timestamp, TrackingReport, Trigger,
};
use tsc_report::{
    ClusterMap, ClusterScores, ClusterSize, ClusterSummary, DataFindings, Importance, ModelScores,
    NoiseTrend, Rejection, ReportData, Retrain, Setting, Skipped,
};

const START: i64 = 1_709_164_800_000;
const HOUR: i64 = 3_600_000;

/// Scores of predictions that are off by about `sd`, over `n` rows.
pub(crate) fn scores(n: usize, sd: f64, seed: u64) -> RegressionScores {
    let noise = tsc_testing::blobs(n, &[&[0.0, 0.0]], 1.0, seed);
    let pairs = noise.features();
    let truth: Vec<f64> = pairs.rows().map(|row| 80.0 + 12.0 * row[0]).collect();
    let predicted: Vec<f64> = pairs.rows().map(|row| 80.0 + 12.0 * row[0] + sd * row[1]).collect();
    RegressionScores::of(&truth, &predicted)
}

pub(crate) fn importance(cluster: Option<u32>, names: &[&str]) -> Importance {
    Importance {
        cluster: cluster.map(ClusterId),
        measure: "gain".into(),
        features: names.iter().map(|&n| n.into()).collect(),
        values: (0..names.len())
            .map(|i| 900.0 / ((i + cluster.unwrap_or(7) as usize) % 12 + 1) as f64)
            .collect(),
    }
}

pub(crate) fn cluster_map() -> ClusterMap {
    let centers: [&[f64]; 4] = [&[0.0, 0.0, 1.0], &[8.0, 1.0, 0.0], &[3.0, 7.0, -2.0], &[9.0, 8.0, 2.0]];
    let data = tsc_testing::blobs(400, &centers, 1.0, 3);
    let mut labels = data.labels.clone();
    for (label, row) in labels.iter_mut().zip(data.features().rows()) {
        let strays =
            centers.iter().all(|c| c.iter().zip(row).map(|(a, b)| (a - b).powi(2)).sum::<f64>() > 6.0);
        if strays {
            *label = Label::NOISE;
        }
    }
    ClusterMap::of(data.features(), &labels, 1)
}

const FEATURES: [&str; 12] = [
    "heart_rate, last value",
    "heart_rate, mean of 6 h",
    "respiratory_rate, slope",
    "map, minimum",
    "spo2, mean of 6 h",
    "temperature, maximum",
    "gcs, last value",
    "creatinine, measured",
    "age",
    "lactate, last value",
    "urine, sum of 6 h",
    "ventilated",
];

pub(crate) fn report() -> ReportData {
    let noise: Vec<f64> = (0..40)
        .map(|i| 0.09 + 0.02 * f64::from(i % 5) + if (24..31).contains(&i) { 0.24 } else { 0.0 })
        .collect();
    let map = cluster_map();
    let size = |id: i32| map.labels.iter().filter(|l| l.id() == id).count() as u64;
    let mut retrained = Retrain::new(
        Timestamp(START + 31 * HOUR),
        31,
        Trigger::NoiseThresholdExceeded { noise_ratio: 0.41, threshold: 0.3, consecutive: 3 },
        RetrainOutcome::Promoted,
    );
    (retrained.champion, retrained.challenger, retrained.p_value) = (Some(8.42), Some(6.95), Some(0.0031));
    retrained.model_version = Some(3);
    retrained.reason = "the candidate is better on the held-out rows".into();
    let mut refused = retrained.clone();
    (refused.batch, refused.outcome, refused.at) =
        (29, RetrainOutcome::Rejected, Timestamp(START + 29 * HOUR));
    (refused.challenger, refused.p_value) = (Some(8.39), Some(0.41));
    refused.reason = "the difference may be chance (p above 0.05)".into();
    let alert = |signal, change, severity, value, batch: u64| {
        let mut event = AlertEvent::new(signal, change, severity, value, 0.3);
        (event.batch, event.at, event.n) = (batch, Timestamp(START + HOUR * batch as i64), 250);
        event
    };
    let rejection = |feature: Option<&str>, reason: &str, count| Rejection {
        feature: feature.map(Into::into),
        reason: reason.into(),
        count,
    };
    ReportData {
        title: "Batches and retraining".into(),
        subject: Some("St. Example, intensive care".into()),
        at: Some(Timestamp(START + 40 * HOUR)),
        model_version: Some(3),
        health: Some(HealthStatus::Warning),
        target: Some("heart rate in one hour".into()),
        unit: Some("bpm".into()),
        data: DataFindings {
            rows_in: 12_480,
            rows_used: 12_391,
            n_features: 12,
            n_groups: Some(412),
            rejections: vec![
                rejection(Some("heart_rate"), "outside 20..300 bpm", 61),
                rejection(None, "no target within one hour", 89),
                rejection(Some("temperature"), "unit looks like °F, expected °C", 14),
            ],
            notes: vec!["creatinine is measured in 18 % of the hours; an indicator column says when.".into()],
        },
        clusters: Some(ClusterSummary {
            n_samples: map.labels.len() as u64,
            n_noise: size(-1),
            silhouette: Some(0.583),
            clusters: (0..4)
                .map(|c| ClusterSize {
                    cluster: ClusterId(c),
                    size: size(c as i32),
                    persistence: Some(0.2 + 0.05 * f64::from(c)),
                })
                .collect(),
        }),
        models: vec![
            ModelScores { model: "pipeline".into(), scores: scores(2400, 6.9, 1) },
            ModelScores { model: "global model".into(), scores: scores(2400, 7.8, 2) },
            ModelScores { model: "last value".into(), scores: scores(2400, 9.1, 3) },
        ],
        cluster_scores: (0..4)
            .map(|c| ClusterScores {
                cluster: Some(ClusterId(c)),
                served_by: if c == 3 { "pooled model" } else { "own model" }.into(),
                scores: scores(500, 5.5 + f64::from(c), u64::from(c) + 10),
                global: Some(scores(500, 7.2 + 0.4 * f64::from(c), u64::from(c) + 20)),
            })
            .chain([ClusterScores {
                cluster: None,
                served_by: "pooled model".into(),
                scores: scores(180, 11.0, 30),
                global: Some(scores(180, 11.0, 30)),
            }])
            .collect(),
        skipped: vec![Skipped {
            what: "cluster 3".into(),
            reason: "has 6 labelled samples, needs 10; the pooled model serves it".into(),
        }],
        importances: vec![
            importance(None, &FEATURES),
            importance(Some(0), &FEATURES),
            importance(Some(1), &FEATURES),
            importance(Some(2), &FEATURES),
        ],
        cluster_map: Some(map),
        noise_trend: Some(NoiseTrend {
            batches: (1..=40).collect(),
            noise_ratios: noise,
            threshold: Some(0.3),
            baseline: Some(0.11),
            lower: vec![0.04; 40],
            upper: vec![0.2; 40],
            retrained_after: vec![31],
        }),
        retrains: vec![refused, retrained],
        alerts: vec![
            alert(Signal::NoiseRatio, AlertChange::Firing, Severity::Warning, 0.35, 25),
            alert(Signal::NoiseRatio, AlertChange::Escalated, Severity::Critical, 0.41, 29),
            alert(Signal::NoiseRatio, AlertChange::Resolved, Severity::Info, 0.11, 32),
            alert(Signal::Feature("temperature".into()), AlertChange::Firing, Severity::Warning, 0.44, 38),
        ],
        degraded: vec![Degraded::new(
            Stage::Tracking,
            "TSC-TRK-004",
            "the store cannot be reached; runs wait on disk",
        )],
        tracking: Some(TrackingReport { sent: 812, spooled: 6, ..TrackingReport::default() }),
        configuration: vec![
            Setting::new("hdbscan_params.min_cluster_size", 25),
            Setting::new("hdbscan_params.min_samples", 10),
            Setting::new("noise_threshold", 0.3),
            Setting::new("lgb_timeseries_params.num_leaves", 31),
        ],
        provenance: vec![
            Setting::new("tsc", "0.1.0"),
            Setting::new("bundle", "0003-1a2b3c4d"),
            Setting::new(
                "configuration, sha256",
                "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            ),
            Setting::new("seed", 42),
        ],
        ..ReportData::default()
    }
}
