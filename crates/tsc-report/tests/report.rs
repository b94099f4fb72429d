//! The report as files: escaping, self-containment, size, equal bytes, honesty about what is not there.

#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod sample;

use proptest::prelude::*;
use tsc_core::{
    AlertChange, AlertEvent, ClusterId, Degraded, GroupId, Label, RegressionScores, RetrainOutcome, Severity,
    Signal, Stage, Timestamp, Trigger,
};
use tsc_report::{
    Absent, ClusterMap, ClusterScores, Importance, ModelScores, NoiseTrend, Rejection, Report, ReportData,
    Retrain, Setting, Skipped,
};

const HOSTILE: &str = "<script>alert(1)</script>&\"'";

fn html(data: &ReportData) -> String {
    let mut out = Vec::new();
    Report::new(data.clone()).write_html(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_same_data_give_the_same_bytes_e26() {
    assert!(html(&sample::report()) == html(&sample::report()), "two reports on the same data differ");
    // To look at it: TSC_REPORT_OUT=report.html cargo test -p tsc-report.
    if let Some(path) = std::env::var_os("TSC_REPORT_OUT") {
        std::fs::write(path, html(&sample::report())).unwrap();
    }
}

#[test]
fn the_page_needs_nothing_from_outside_and_no_script_e30() {
    let page = html(&sample::report());
    let without_namespaces = page.replace("http://www.w3.org/2000/svg", "");
    for forbidden in [
        "http:",
        "https:",
        "src=",
        "@import",
        "url(",
        "@font-face",
        "<script",
        "<link",
        "javascript:",
        " onload",
    ] {
        assert!(!without_namespaces.contains(forbidden), "the page contains {forbidden}");
    }
    // Complete with scripts blocked: every section and every number is in the markup itself.
    for id in
        ["summary", "data", "clusters", "value", "importance", "noise", "retraining", "alerts", "degraded"]
    {
        assert!(page.contains(&format!("<section id=\"{id}\">")), "section {id}");
    }
    assert_eq!(page.matches("<svg").count(), 6, "map, trend and four importances");
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    check_balanced(&page);
}

/// Opened elements are closed in order, ids are used once, and links lead to ids.
fn check_balanced(page: &str) {
    let void = ["meta", "rect", "line", "circle", "path", "polygon", "!doctype", "!--"];
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("every bracket is closed");
        let name = tag.split([' ', '\n']).next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "closing order");
        } else if !tag.ends_with('/') && !void.iter().any(|v| name.starts_with(v)) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    let mut ids: Vec<&str> =
        page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id is used twice");
    for link in page.split("href=\"#").skip(1) {
        assert!(ids.contains(&link.split('"').next().unwrap()), "a link leads nowhere");
    }
}

fn hostile() -> ReportData {
    let h = || HOSTILE.to_owned();
    let scores = RegressionScores::of(&[1.0, 2.0], &[1.5, 2.0]);
    let mut retrain =
        Retrain::new(Timestamp(0), 1, Trigger::ManualCommand { reason: h() }, RetrainOutcome::Failed);
    retrain.reason = h();
    let mut data = ReportData {
        title: h(),
        subject: Some(h()),
        target: Some(h()),
        unit: Some(h()),
        models: vec![ModelScores { model: h(), scores }, ModelScores { model: h(), scores }],
        cluster_scores: vec![ClusterScores { cluster: None, served_by: h(), scores, global: None }],
        skipped: vec![Skipped { what: h(), reason: h() }],
        importances: vec![Importance {
            measure: h(),
            features: vec![h()],
            values: vec![1.0],
            ..Default::default()
        }],
        retrains: vec![retrain],
        alerts: vec![AlertEvent::new(Signal::Feature(h()), AlertChange::Firing, Severity::Info, 1.0, 0.5)],
        degraded: vec![Degraded::new(Stage::Report, h(), h())],
        absent: vec![Absent { plot: "noise trend".into(), reason: h() }],
        configuration: vec![Setting::new(h(), h())],
        provenance: vec![Setting::new(h(), h())],
        ..ReportData::default()
    };
    data.data.rejections = vec![Rejection { feature: Some(h()), reason: h(), count: 1 }];
    data.data.notes = vec![h()];
    data.tracking = Some(tsc_core::TrackingReport { last_error: Some(h()), ..Default::default() });
    data
}

#[test]
fn hostile_names_stay_text_everywhere_e27() {
    let page = html(&hostile());
    assert!(!page.contains("<script"), "a name became markup");
    // 28 places in the data; some appear again in the summary.
    assert!(page.matches("&lt;script&gt;").count() >= 28, "{}", page.matches("&lt;script&gt;").count());
    check_balanced(&page);
    let markdown = Report::new(hostile()).to_markdown();
    assert!(!markdown.contains("<script") && markdown.contains("&lt;script&gt;"));
}

#[test]
fn a_plot_without_data_is_listed_with_its_reason_e25() {
    let page = html(&ReportData::default());
    for expected in [
        "cluster map: not shown, because no cluster map was computed.",
        "noise trend: not shown, because no batch has been scored.",
        "importance: not shown, because no model tells the importance of its features.",
        "No health yet",
        "No held-out scores",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    assert_eq!(page.matches("<svg").count(), 0);
    let mut data = ReportData {
        noise_trend: Some(NoiseTrend {
            batches: vec![1],
            noise_ratios: vec![f64::NAN],
            ..Default::default()
        }),
        absent: vec![Absent { plot: "cluster map".into(), reason: "clustering was switched off".into() }],
        ..ReportData::default()
    };
    let page = html(&data);
    assert!(page.contains("noise trend: not shown, because noise ratio 0 is not finite."));
    assert!(page.contains("cluster map: not shown, because clustering was switched off."));
    data.importances =
        vec![Importance { features: vec!["a".into()], values: vec![0.0], ..Default::default() }];
    assert!(
        html(&data)
            .contains("importance, pooled model: not shown, because the pooled model uses no feature.")
    );
}

#[test]
fn undefined_scores_are_said_to_be_undefined() {
    let data = ReportData {
        models: vec![ModelScores { model: "pipeline".into(), scores: RegressionScores::default() }],
        ..ReportData::default()
    };
    let page = html(&data);
    assert!(page.contains("<td class=\"n\">not defined</td>"));
    assert!(
        Report::new(data)
            .to_markdown()
            .contains("| pipeline | 0 | not defined | not defined | not defined |")
    );
}

#[test]
fn a_pipeline_that_is_beaten_is_not_painted_green() {
    let row = |model: &str, sd: f64| ModelScores { model: model.into(), scores: sample::scores(300, sd, 5) };
    let with = |pipeline: f64| ReportData {
        models: vec![row("pipeline", pipeline), row("global model", 2.0), row("last value", 1.0)],
        ..ReportData::default()
    };
    assert!(html(&with(0.5)).contains("<tr class=\"good\"><th scope=\"row\">pipeline"));
    // Better than the global model, worse than the last value.
    assert!(html(&with(1.5)).contains("<tr class=\"warn\"><th scope=\"row\">pipeline"));
}

fn large() -> ReportData {
    let names: Vec<String> = (0..50).map(|i| format!("vital_sign_{i}, mean of the last 6 hours")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let ids: Vec<i32> = (0..50_000).map(|i| i % 21 - 1).collect();
    let values: Vec<f64> = (0..100_000).map(|i| f64::from(i * 7919 % 1009)).collect();
    let x = tsc_core::Features::new(&values, 2).unwrap();
    let base = sample::report();
    ReportData {
        cluster_map: Some(ClusterMap::of(x, &Label::from_ids(&ids), 1)),
        importances: (0..20)
            .map(|c| sample::importance(Some(c), &names))
            .chain([sample::importance(None, &names)])
            .collect(),
        cluster_scores: (0..20)
            .map(|c| ClusterScores {
                cluster: Some(ClusterId(c)),
                served_by: "own model".into(),
                scores: sample::scores(50, 1.0, 1),
                global: Some(sample::scores(50, 1.5, 2)),
            })
            .collect(),
        noise_trend: Some(NoiseTrend {
            batches: (0..100_000).collect(),
            noise_ratios: (0..100_000).map(|i| f64::from(i % 97) / 100.0).collect(),
            lower: vec![0.1; 100_000],
            upper: vec![0.4; 100_000],
            retrained_after: (0..100_000).step_by(50).collect(),
            threshold: Some(0.3),
            baseline: None,
        }),
        retrains: vec![base.retrains[0].clone(); 2000],
        alerts: vec![base.alerts[0].clone(); 20_000],
        degraded: vec![base.degraded[0].clone(); 5000],
        configuration: (0..300).map(|i| Setting::new(format!("table.key_{i}"), i)).collect(),
        ..base
    }
}

#[test]
fn the_page_stays_below_a_megabyte_whatever_the_number_of_rows_e31() {
    let page = html(&large());
    assert!(page.len() <= 1_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("<svg").count(), 23, "nothing was left out to get there");
    assert!(page.contains("The last 100 of 20\u{202f}000 changes; the JSON form of this report has all."));
    let static_drift = ReportData { importances: vec![], cluster_map: None, ..large() };
    assert!(html(&static_drift).len() <= 200_000, "{} bytes", html(&static_drift).len());
}

/// E-28: there is no field that could take a patient or row identifier.
#[test]
fn no_key_of_the_json_form_names_a_patient_or_a_row_e28() {
    let json = Report::new(sample::report()).to_json();
    let keys: std::collections::BTreeSet<&str> = json
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix('"')?.split_once("\": ").map(|(key, _)| key))
        .collect();
    for key in &keys {
        let about_people = ["patient", "person", "group", "row_id", "stay", "name"];
        assert!(!about_people.iter().any(|word| key.contains(word)) || *key == "n_groups", "key {key}");
    }
    assert!(keys.contains("silhouette") && keys.contains("noise_ratios"), "the keys were found");
    let group = GroupId::of("patient 17").0.to_string();
    assert!(!json.contains(&group));
}

#[test]
fn json_reads_back_to_the_same_data() {
    let data = sample::report();
    let back: ReportData = serde_json::from_str(&Report::new(data.clone()).to_json()).unwrap();
    assert_eq!(back, data);
    let minimal: ReportData = serde_json::from_str(r#"{"title": "t"}"#).unwrap();
    assert_eq!(minimal, ReportData { title: "t".into(), ..ReportData::default() });
    assert!(serde_json::from_str::<ReportData>(r#"{"tilte": "t"}"#).is_err(), "a misspelled key is refused");
}

#[test]
fn markdown_is_short_and_tells_the_same_verdict() {
    let markdown = Report::new(large()).to_markdown();
    assert!(markdown.starts_with("# Batches and retraining for St. Example, intensive care\n"));
    assert!(markdown.contains("Warning: look soon, 2024-03-01 16:00 UTC."));
    assert!(markdown.contains("smaller error than the global model"));
    assert!(markdown.contains("The newest 20 of 2000."));
    assert!(markdown.len() < 12_000, "{} bytes", markdown.len());
}

#[test]
fn plots_have_file_names_and_only_those_with_data_are_there() {
    let files: Vec<String> = Report::new(sample::report()).plots().into_iter().map(|p| p.file).collect();
    let expected = [
        "cluster_map",
        "noise_trend",
        "importance_pooled",
        "importance_cluster_0",
        "importance_cluster_1",
        "importance_cluster_2",
    ];
    assert_eq!(files, expected);
    assert!(Report::new(ReportData::default()).plots().is_empty());
}

#[test]
fn a_full_disk_is_an_error_that_keeps_its_cause() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let error = Report::new(ReportData::default()).write_html(&mut Full).unwrap_err();
    assert_eq!((error.code(), error.stage()), ("TSC-REP-001", Stage::Report));
    assert!(std::error::Error::source(&error).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_and_any_number_give_a_closed_page(
        text in "\\PC{0,40}", odd in any::<String>(), limit in any::<f64>(), at in any::<i64>(),
        rows in prop::collection::vec((any::<f64>(), any::<u64>(), -1..50i32), 0..12),
    ) {
        let values: Vec<f64> = rows.iter().map(|row| row.0).collect();
        let ids: Vec<i32> = rows.iter().map(|row| row.2).collect();
        let batches: Vec<u64> = rows.iter().map(|row| row.1).collect();
        let ratios: Vec<f64> = values.iter().map(|v| v.abs().fract()).collect();
        let data = ReportData {
            title: text.clone(),
            subject: Some(odd.clone()),
            at: Some(Timestamp(at)),
            importances: vec![Importance {
                measure: odd.clone(),
                features: values.iter().map(|_| text.clone()).collect(),
                values: values.iter().map(|v| v.abs()).collect(),
                ..Default::default()
            }],
            cluster_map: Some(ClusterMap {
                x: values.clone(), y: ratios.clone(), labels: Label::from_ids(&ids), explained: None, n_samples: at.unsigned_abs(),
            }),
            noise_trend: Some(NoiseTrend { batches, noise_ratios: ratios, threshold: Some(limit), ..Default::default() }),
            configuration: vec![Setting::new(odd, text)],
            ..ReportData::default()
        };
        let page = html(&data);
        check_balanced(&page);
        for broken in ["\"NaN", "\"inf", "\"-inf", " NaN ", " inf "] {
            prop_assert!(!page.contains(broken), "a mark is drawn at {}", broken);
        }
    }
}
