//! Prometheus text against the rules of the format, and the JSON snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tsc_core::{Features, RetrainOutcome, Schema, Timestamp};

use super::stream::{Batch, Stream, normal, params};
use crate::{FeatureSnapshot, Monitor, MonitorSnapshot, Reference, write_prometheus};

fn text(snapshot: &MonitorSnapshot) -> String {
    let mut out = Vec::new();
    write_prometheus(snapshot, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn busy() -> Stream {
    let mut stream = Stream::clean();
    stream.many(10, Batch { memory_mib: Some(2.0), rmse: Some(1.0), ..Batch::default() });
    stream.many(10, Batch { shift: 0.6, unavailable: 20, rejected: 3, seconds: 0.3, ..Batch::default() });
    stream.fail();
    stream.monitor.observe_retrain(RetrainOutcome::Promoted, Timestamp(1_500));
    stream
}

/// Series by name and labels; panics on any line the format does not allow.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let (mut families, mut series) = (BTreeMap::new(), BTreeMap::new());
    let mut current = String::new();
    assert!(text.ends_with('\n'));
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            current = rest.split(' ').next().unwrap().to_owned();
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {current} ")).unwrap();
            assert!(["gauge", "counter", "histogram"].contains(&kind));
            assert_eq!(kind == "counter", current.ends_with("_total"), "{current}");
            assert!(families.insert(current.clone(), kind.to_owned()).is_none(), "{current} twice");
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with(&current), "{line} outside its family");
        let value = match value {
            "+Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            value => value.parse().unwrap(),
        };
        assert!(series.insert(name.to_owned(), value).is_none(), "{name} twice");
    }
    series
}

#[test]
fn the_text_follows_the_format_and_says_what_happened() {
    let stream = busy();
    let series = parse(&text(&stream.monitor.snapshot(stream.now())));
    for (name, value) in [
        ("tsc_noise_ratio", 0.05),
        ("tsc_clusters", 3.0),
        ("tsc_cluster_mass_ratio{segment=\"0\"}", 0.95),
        ("tsc_cluster_mass_ratio{segment=\"2\"}", 0.0),
        ("tsc_batches_total{outcome=\"scored\"}", 20.0),
        ("tsc_batches_total{outcome=\"failed\"}", 1.0),
        ("tsc_rows_total{source=\"cluster\"}", 10.0 * 200.0 + 10.0 * 180.0),
        ("tsc_rows_total{source=\"unavailable\"}", 200.0),
        ("tsc_rows_total{source=\"rejected\"}", 30.0),
        ("tsc_batch_duration_seconds_bucket{le=\"0.1\"}", 10.0),
        ("tsc_batch_duration_seconds_bucket{le=\"0.5\"}", 20.0),
        ("tsc_batch_duration_seconds_bucket{le=\"+Inf\"}", 20.0),
        ("tsc_batch_duration_seconds_count", 20.0),
        ("tsc_model_info{version=\"1\"}", 1.0),
        ("tsc_last_retrain_timestamp_seconds", 1.5),
        ("tsc_retrain_total{outcome=\"promoted\"}", 1.0),
        ("tsc_alerts_total{severity=\"critical\",rule=\"unavailable\"}", 1.0),
        ("tsc_chart_limit{chart=\"noise_ratio_trend\"}", 0.05),
    ] {
        assert!((series[name] - value).abs() < 1e-9, "{name}: {} against {value}", series[name]);
    }
    assert!((series["tsc_batch_duration_seconds_sum"] - 4.0).abs() < 1e-9);
    assert!(series["tsc_memory_bytes"].is_nan(), "not read in the last batch");
    assert!(series["tsc_drift_effect{feature=\"f0\",segment=\"all\",method=\"psi\"}"] > 0.05);
    // Buckets are cumulative.
    let buckets: Vec<f64> =
        series.iter().filter(|(name, _)| name.contains("_bucket")).map(|(_, n)| *n).collect();
    assert_eq!(buckets.len(), 14);
    // The same state, the same bytes.
    assert_eq!(text(&stream.monitor.snapshot(stream.now())), text(&stream.monitor.snapshot(stream.now())));
}

#[test]
fn before_the_first_batch_nothing_is_invented() {
    let stream = Stream::clean();
    let text = text(&stream.monitor.snapshot(Timestamp(0)));
    let series = parse(&text);
    assert!(series["tsc_noise_ratio"].is_nan());
    assert!(!text.contains("tsc_loss") && !text.contains("tsc_model_info"), "{text}");
    assert_eq!(series["tsc_health_status{component=\"all\"}"], 0.0);
}

/// Trap 18: label names are a closed list, and label values come from schema, clusters and closed sets.
#[test]
fn labels_come_from_the_schema_and_never_from_rows() {
    let stream = busy();
    let text = text(&stream.monitor.snapshot(stream.now()));
    let mut names = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        for label in line.split(['{', ',', '}']).filter(|part| part.contains("=\"")) {
            names.insert(label.split('=').next().unwrap());
        }
    }
    let allowed = [
        "chart",
        "component",
        "feature",
        "kind",
        "le",
        "method",
        "outcome",
        "rule",
        "segment",
        "severity",
        "source",
        "version",
    ];
    assert!(names.iter().all(|name| allowed.contains(name)), "{names:?}");
}

fn with_features(names: Vec<String>) -> MonitorSnapshot {
    let stream = busy();
    let mut snapshot = stream.monitor.snapshot(stream.now());
    let feature = |(i, feature): (usize, String)| FeatureSnapshot {
        feature,
        effect: i as f64,
        p_value: 1.0 / (i as f64 + 1.0),
        drifted: false,
    };
    snapshot.features = names.into_iter().enumerate().map(feature).collect();
    snapshot
}

#[test]
fn more_than_two_thousand_series_fold_into_overflow() {
    let snapshot = with_features((0..5_000).map(|i| format!("f{i}")).collect());
    let series = parse(&text(&snapshot));
    assert!(series.len() <= 2_000 && series.len() > 1_000, "{}", series.len());
    let overflow =
        |family: &str| series[&format!("{family}{{feature=\"overflow\",segment=\"all\",method=\"psi\"}}")];
    assert_eq!(overflow("tsc_drift_effect"), 4_999.0);
    assert_eq!(overflow("tsc_drift_pvalue_adjusted"), 1.0 / 5_000.0);
    assert!(series.contains_key("tsc_batches_total{outcome=\"scored\"}"));
}

#[test]
fn label_values_are_escaped() {
    let snapshot = with_features(vec!["a\"b\\c\nd".into()]);
    let text = text(&snapshot);
    assert!(text.contains("feature=\"a\\\"b\\\\c\\nd\""), "{text}");
}

#[test]
fn the_json_snapshot_is_small_and_comes_back() {
    let mut rng = fastrand::Rng::with_seed(3);
    let values: Vec<f64> = (0..24 * 500).map(|_| normal(&mut rng)).collect();
    let x = Features::new(&values, 24).unwrap();
    let names: Vec<String> = (0..24).map(|i| format!("a_rather_long_name_of_a_feature_{i}")).collect();
    let schema = Schema::named(names.iter().map(String::as_str)).unwrap();
    let reference = Arc::new(Reference::fit(x, &schema, 32, 0.05, 500, Some(1.0)).unwrap());
    let mut monitor = Monitor::new(params(), reference, 1_000).unwrap();
    let predictions = tsc_core::Predictions::unavailable(500);
    for sequence in 0..1_200 {
        let batch = crate::BatchView {
            sequence,
            model_version: 1,
            x,
            predictions: &predictions,
            scores: None,
            n_rejected: 0,
            seconds: 0.1,
            memory_mib: Some(1.0),
        };
        monitor.observe(&batch, Timestamp(60_000 * sequence as i64)).unwrap();
    }
    let snapshot = monitor.snapshot(Timestamp(0));
    let json = serde_json::to_string(&snapshot).unwrap();
    assert!(json.len() <= 50_000, "{} bytes", json.len());
    assert_eq!(snapshot.features.len(), 24);
    assert_eq!(serde_json::from_str::<MonitorSnapshot>(&json).unwrap(), snapshot);
}
