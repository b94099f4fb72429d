//! Fit, batches and retrain, read back by MLflow itself: from the embedded database and from a real server.
//!
//! `TSC_MLFLOW_PYTHON` names an interpreter with `mlflow==3.17.2`. Without it the tests that need it say so and
//! pass, except where `CI=true`.
#![cfg(all(unix, feature = "linear", feature = "mlflow"))]
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Cohort, config_with};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tsc_pipeline::core::{RegressionScores, RetrainOutcome};
use tsc_pipeline::mlflow::{MlflowConfig, MlflowTracker, Tracker};
use tsc_pipeline::prelude::*;
use tsc_pipeline::{BatchReport, RetrainReport, TrainingReport};
use tsc_testing::mlflow::{MlflowServer, Python, free_port};

const MODEL: &str = "TimeSeries-Clustering-Pipeline";
const STAGES: [&str; 6] =
    ["Preprocessing", "HDBSCAN", "kNN-Fallback", "TimeSeries-LGB", "Resource-LGB", "Performance-Report"];

/// What the pipeline itself says about a fit, three batches and a retrain.
#[derive(Debug, Serialize, Deserialize)]
struct Served {
    training: TrainingReport,
    batches: Vec<BatchReport>,
    retrain: RetrainReport,
    /// Predictions after all that for rows nobody has seen, as bits.
    bits: Vec<u64>,
}

fn config_at(uri: Option<String>) -> PipelineConfig {
    let mut config = config_with("report.on = [\"fit\", \"batch\"]\n[retraining]\nmode = \"on_request\"");
    config.tracking.uri = uri;
    config
}

/// Batches like the training rows, the second with a tenth of noise.
fn steady(batch: u64) -> Cohort {
    if batch == 1 { Cohort::new(90, 21).and(&Cohort::far(10, 9)) } else { Cohort::new(100, 20 + batch) }
}

/// Batches of which one half is a group that the training rows did not have.
fn drifted(batch: u64) -> Cohort {
    Cohort::around(&[[30.0, 0.0, 5.0], [200.0, 50.0, 5.0]], 150, 50 + batch)
}

fn serve(pipeline: Pipeline, stream: fn(u64) -> Cohort) -> (FittedPipeline, Served) {
    let (mut fitted, training) = pipeline.fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    let batches = (0..3).map(|batch| fitted.process_batch(&stream(batch).batch()).unwrap()).collect();
    let retrain = fitted.retrain("the monthly look").unwrap();
    let bits = bits(&fitted);
    (fitted, Served { training, batches, retrain, bits })
}

fn bits(fitted: &FittedPipeline) -> Vec<u64> {
    let predictions = fitted.models().predict(Cohort::new(60, 2).x()).unwrap();
    predictions.values.iter().map(|value| value.to_bits()).collect()
}

fn now_ms() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// The store as MLflow reads it.
struct Seen(Value);

impl Seen {
    fn runs(&self, experiment: &str) -> &Vec<Value> {
        let experiment = &self.0["experiments"][format!("TimeSeries-Clustering-{experiment}")];
        assert_eq!(experiment["stage"], "active", "P-22");
        experiment["runs"].as_array().unwrap()
    }

    fn run(&self, experiment: &str, name: &str) -> &Value {
        let mut named = self.runs(experiment).iter().filter(|run| run["name"] == name);
        let run = named.next().unwrap_or_else(|| panic!("{experiment} has no run {name}"));
        assert!(named.next().is_none(), "{experiment} has one run {name}");
        run
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn assert_scores(run: &Value, prefix: &str, scores: &RegressionScores) {
    let expected = [("rmse", scores.rmse), ("mae", scores.mae), ("r2", scores.r2)];
    for (name, value) in expected {
        assert_eq!(number(&run["latest"][format!("{prefix}/{name}")]), value.unwrap(), "{prefix}/{name}");
    }
}

fn assert_everything_is_there(seen: &Seen, served: &Served, since: i64) {
    assert_run_trees(seen, since);
    assert_fit(seen, &served.training);
    assert_batches(seen, &served.batches);
    assert_retrain(seen, &served.retrain);
    assert_registry(seen, served);
}

/// P-23: a parent and six children for every fit, each finished, at times that make sense.
fn assert_run_trees(seen: &Seen, since: i64) {
    let now = now_ms();
    let span = |run: &Value| (run["start"].as_i64().unwrap(), run["end"].as_i64().unwrap());
    for experiment in ["Training", "Retraining"] {
        let parent = seen.run(experiment, "Pipeline");
        let (start, end) = span(parent);
        assert!(since <= start && start <= end && end <= now, "{since} <= {start} <= {end} <= {now}");
        let note = parent["note"].as_str().unwrap();
        assert!(note.contains(" rows with 3 features fall into ") && note.contains("RMSE"), "{note}");
        assert_eq!((&parent["status"], &parent["parent"]), (&json!("FINISHED"), &Value::Null));
        for stage in STAGES {
            let child = seen.run(experiment, stage);
            assert_eq!((&child["status"], &child["parent"]), (&json!("FINISHED"), &json!("Pipeline")));
            let (child_start, child_end) = span(child);
            assert!(child["note"].is_string());
            assert!(start <= child_start && child_start <= child_end && child_end <= end, "{stage}");
        }
        assert_eq!(seen.runs(experiment).len(), 1 + STAGES.len());
    }
    let batch = seen.run("Batch-Processing", "Pipeline");
    assert_eq!((seen.runs("Batch-Processing").len(), &batch["status"]), (2, &json!("FINISHED")));
    assert!(span(batch).0 <= span(batch).1);
}

fn assert_fit(seen: &Seen, training: &TrainingReport) {
    let clustering = &training.clustering;
    let parent = seen.run("Training", "Pipeline");
    for (key, value) in [
        ("noise_threshold", "0.25"),
        ("hdbscan_params.min_cluster_size", "15"),
        ("models.backend", "linear"),
        ("n_rows", "450"),
        ("n_features", "3"),
        ("seed", "42"),
    ] {
        assert_eq!(parent["params"][key], value, "{key}");
    }
    assert_eq!(number(&parent["latest"]["n_clusters"]), clustering.n_clusters as f64);
    assert_eq!(number(&parent["latest"]["noise_ratio"]), clustering.noise_ratio);
    assert!(number(&parent["latest"]["fit_seconds"]) > 0.0);
    assert_scores(parent, "holdout", &training.models.holdout.served);
    assert_eq!(parent["tags"]["tsc.model_version"], "1");
    let dataset = &parent["datasets"][0];
    assert_eq!(
        (&dataset["name"], &dataset["context"]),
        (&json!("patients"), &json!({"mlflow.data.context": "training"}))
    );
    assert_eq!(dataset["profile"], json!({"num_rows": 450, "num_features": 3, "num_groups": 450}));
    let model = &parent["models"][0];
    assert_eq!((&model["name"], &model["status"]), (&json!("pipeline"), &json!("READY")));
    let files = model["files"].as_array().unwrap();
    assert!(
        files.contains(&json!("MLmodel")) && files.contains(&json!("data/bundle/manifest.json")),
        "{files:?}"
    );

    let child = |name| seen.run("Training", name);
    let hdbscan = child("HDBSCAN");
    assert_eq!(number(&hdbscan["latest"]["silhouette_score"]), clustering.silhouette.unwrap());
    assert_eq!(number(&hdbscan["latest"]["n_noise_points"]), clustering.n_noise as f64);
    for (cluster, &size) in clustering.sizes.iter().enumerate() {
        assert_eq!(number(&hdbscan["latest"][format!("cluster_{cluster}/size")]), size as f64);
    }
    let table = hdbscan["tables"]["clusters/centroids.csv"].as_array().unwrap();
    let centers: Vec<Vec<f64>> = table[1..]
        .iter()
        .map(|row| {
            row.as_array().unwrap()[1..].iter().map(|v| v.as_str().unwrap().parse().unwrap()).collect()
        })
        .collect();
    assert_eq!(centers, clustering.centers);
    assert_scores(child("TimeSeries-LGB"), "pooled/holdout", &training.models.holdout.pooled);
    for (name, artifact) in [
        ("Pipeline", "config.toml"),
        ("Preprocessing", "features/schema.json"),
        ("Preprocessing", "features/profile.json"),
        ("HDBSCAN", "clusters/condensed_tree.json"),
        ("TimeSeries-LGB", "models/importance.csv"),
        ("Performance-Report", "report/report.json"),
        ("Performance-Report", if cfg!(feature = "report") { "report/report.html" } else { "report/" }),
    ] {
        let artifacts = child(name)["artifacts"].as_object().unwrap();
        assert!(artifacts.keys().any(|path| path.starts_with(artifact)), "{name} has {artifacts:?}");
    }
    if cfg!(feature = "report") {
        for (name, plot) in [
            ("HDBSCAN", "cluster_map"),
            ("HDBSCAN", "condensed_tree"),
            ("TimeSeries-LGB", "importance_pooled"),
            ("Performance-Report", "cluster_map"),
        ] {
            assert!(child(name)["artifacts"][format!("plots/{plot}.svg")].is_string(), "{name} shows {plot}");
        }
    }
    assert_eq!(child("Resource-LGB")["tags"]["tsc.skipped"], "no resource column was supplied");
    assert_stages(&child, training);
}

/// What the stages say beyond their headlines.
fn assert_stages<'a>(child: &impl Fn(&'static str) -> &'a Value, training: &TrainingReport) {
    let preprocessing = child("Preprocessing");
    assert_eq!(number(&preprocessing["latest"]["missing_ratio"]), 0.0);
    assert_eq!(preprocessing["datasets"][0]["name"], "features");

    let hdbscan = child("HDBSCAN");
    for (key, value) in [
        ("min_cluster_size", "15"),
        ("metric", "euclidean"),
        ("cluster_selection_method", "eom"),
        ("backend", "hdbscan"),
    ] {
        assert_eq!(hdbscan["params"][key], value, "{key}");
    }
    for cluster in 0..training.clustering.n_clusters {
        let persistence = number(&hdbscan["latest"][format!("cluster_{cluster}/persistence")]);
        assert!(persistence > 0.0 && persistence <= 1.0, "{persistence}");
    }

    // Every training point is asked once, and most neighbours are of its own cluster.
    let (knn, fallback) = (child("kNN-Fallback"), training.fallback.as_ref().unwrap());
    let table = knn["tables"]["fallback/confusion.csv"].as_array().unwrap();
    let counts: Vec<Vec<f64>> = table[1..]
        .iter()
        .map(|row| {
            row.as_array().unwrap()[1..].iter().map(|n| n.as_str().unwrap().parse().unwrap()).collect()
        })
        .collect();
    let all: f64 = counts.iter().flatten().sum();
    let right: f64 = (0..counts.len()).map(|at| counts[at][at]).sum();
    assert_eq!(all, fallback.training_points as f64);
    assert_eq!(number(&knn["latest"]["loo_accuracy"]), right / all);
    assert!(right / all > 0.9 && knn["params"]["weights"] == "distance", "{counts:?}");

    let models = child("TimeSeries-LGB");
    assert_scores(models, "train", &training.models.fit.served);
    assert_eq!(
        (&models["tags"]["tsc.backend"], &models["params"]["validation_fraction"]),
        (&json!("linear"), &json!("0.2"))
    );
    let table = models["tables"]["models/importance.csv"].as_array().unwrap();
    assert_eq!(table[0], json!(["model", "feature", "gain", "split"]));
    assert!(table[1..].iter().any(|row| row[0] == "pooled"));
}

/// One run, whose step is the number of the batch.
fn assert_batches(seen: &Seen, batches: &[BatchReport]) {
    let history = &seen.run("Batch-Processing", "Pipeline")["history"];
    let points = |name: &str| -> Vec<(i64, f64)> {
        let points = history[name].as_array().unwrap();
        points.iter().map(|p| (p[0].as_i64().unwrap(), number(&p[2]))).collect()
    };
    let expected = |value: fn(&BatchReport) -> f64| -> Vec<(i64, f64)> {
        (1..).zip(batches).map(|(step, batch)| (step, value(batch))).collect()
    };
    assert_eq!(points("noise_ratio"), expected(|batch| batch.noise_ratio));
    assert_eq!(points("rmse"), expected(|batch| batch.scores.unwrap().rmse.unwrap()));
    assert_eq!(points("rows"), expected(|batch| batch.n_samples as f64));
    assert!(batches.iter().any(|batch| batch.noise_ratio > 0.05), "the stream has noise");
    let run = seen.run("Batch-Processing", "Pipeline");
    assert_eq!(
        (&run["tags"]["tsc.phase"], &run["datasets"][0]["context"]),
        (&json!("batch-processing"), &json!({"mlflow.data.context": "batch"}))
    );
    let fired: usize = batches.iter().map(|batch| batch.alerts.len()).sum();
    assert_eq!(run["artifacts"]["alerts/alerts.jsonl"].is_string(), fired > 0);
    let last = seen.run("Batch-Processing", "Performance-Report");
    let mean = batches.iter().map(|batch| batch.noise_ratio).sum::<f64>() / batches.len() as f64;
    assert!((number(&last["latest"]["mean/noise_ratio"]) - mean).abs() < 1e-15);
    assert_eq!(last["artifacts"]["report/report.html"].is_string(), cfg!(feature = "report"));
}

fn assert_retrain(seen: &Seen, retrain: &RetrainReport) {
    let parent = seen.run("Retraining", "Pipeline");
    assert_eq!(parent["tags"]["tsc.decision"], retrain.outcome.name());
    assert_eq!(parent["tags"]["tsc.previous_version"], "1");
    assert!(parent["tags"]["tsc.trigger"].as_str().unwrap().contains("the monthly look"));
    let comparison = retrain.comparison.as_ref().unwrap();
    assert_eq!(number(&parent["latest"]["gate/p_value"]), comparison.loss.p_better);
}

/// P-24, P-25: the served version is in Staging, the one before it is archived.
fn assert_registry(seen: &Seen, served: &Served) {
    let versions = seen.0["versions"].as_array().unwrap();
    let promoted = served.retrain.outcome == RetrainOutcome::Promoted;
    assert_eq!(versions.len(), 1 + usize::from(promoted));
    assert_eq!(seen.0["aliases"], json!({"staging": versions.len()}));
    assert_eq!(versions[0]["description"], "Initial Training");
    assert_eq!(versions[0]["tags"]["tsc.trigger"], "initial");
    assert_eq!(versions[0]["stage"], if promoted { "Archived" } else { "Staging" });
    if promoted {
        assert!(versions[1]["description"].as_str().unwrap().starts_with("After Retraining"));
        assert_eq!(versions[1]["stage"], "Staging");
        assert_eq!(versions[1]["tags"]["tsc.gate"], served.retrain.reasons.join("; "));
        assert_eq!(versions[1]["tags"]["tsc.decision"], "promoted");
    }
    for version in versions {
        assert_eq!((&version["status"], &version["run"]), (&json!("READY"), &json!("Pipeline")));
    }
    let registered = served.training.registered.as_ref().unwrap();
    assert_eq!((registered.name.as_str(), registered.version), (MODEL, 1));
}

#[test]
fn p22_p23_p24_p25_mlflow_finds_everything_in_the_embedded_database() {
    let Some(python) = Python::with_mlflow() else { return };
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("sqlite:///{}/mlflow.db", folder.path().display());
    let since = now_ms();
    let pipeline = Pipeline::from_config(&config_at(Some(uri.clone()))).unwrap();
    let (fitted, served) = serve(pipeline, steady);
    drop(fitted);
    assert_eq!(served.retrain.outcome, RetrainOutcome::Rejected, "{:?}", served.retrain.reasons);
    assert_everything_is_there(&Seen(python.read_back(&uri, Some(MODEL))), &served, since);
}

#[test]
fn p22_p23_p24_p25_a_real_server_keeps_everything_and_another_process_loads_the_staged_version() {
    let Some(python) = Python::with_mlflow() else { return };
    let server = MlflowServer::start(&python);
    let folder = tempfile::tempdir().unwrap();
    let since = now_ms();
    another_process("serve", &server.uri, folder.path());
    let text = std::fs::read_to_string(folder.path().join("served.json")).unwrap();
    let served: Served = serde_json::from_str(&text).unwrap();
    assert_eq!(served.retrain.outcome, RetrainOutcome::Promoted, "{:?}", served.retrain.reasons);
    assert_everything_is_there(&Seen(python.read_back(&server.uri, Some(MODEL))), &served, since);
    another_process("load", &server.uri, folder.path());
    let text = std::fs::read_to_string(folder.path().join("loaded.json")).unwrap();
    assert_eq!(serde_json::from_str::<Vec<u64>>(&text).unwrap(), served.bits);
}

/// Does one job in a process whose folder and `MLFLOW_TRACKING_URI` are its own.
fn another_process(job: &str, uri: &str, folder: &Path) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "one_job_of_another_process", "--nocapture"])
        .envs([("TSC_TEST_JOB", job), ("MLFLOW_TRACKING_URI", uri)])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

// Does nothing but for the test above, which starts it as a process of its own.
#[test]
fn one_job_of_another_process() {
    match std::env::var("TSC_TEST_JOB").as_deref() {
        Ok("serve") => {
            let (mut fitted, served) = serve(Pipeline::from_config(&config_at(None)).unwrap(), drifted);
            let report = fitted.flush_tracking(Duration::from_secs(60));
            assert!(!report.is_degraded() && report.queued == 0, "{report:?}");
            std::fs::write("served.json", serde_json::to_string(&served).unwrap()).unwrap();
        }
        Ok("load") => {
            let loaded = Pipeline::load(format!("models:/{MODEL}/Staging").as_str()).unwrap();
            std::fs::write("loaded.json", serde_json::to_string(&bits(&loaded)).unwrap()).unwrap();
        }
        _ => {}
    }
}

/// P-25: a rollback swaps what serves, moves the stage, and no later version takes a number twice.
#[test]
fn p25_a_rollback_serves_and_stages_the_earlier_version() {
    let Some(python) = Python::with_mlflow() else { return };
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("sqlite:///{}/mlflow.db", folder.path().display());
    let mut config = config_at(Some(uri.clone()));
    config.tracking.dataset = "ward 7".into();
    let pipeline = Pipeline::from_config(&config).unwrap();
    let (mut fitted, _) = pipeline.fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    let first = bits(&fitted);
    for batch in 0..3 {
        fitted.process_batch(&drifted(batch).batch()).unwrap();
    }
    assert_eq!(fitted.retrain("drift").unwrap().outcome, RetrainOutcome::Promoted);
    let second = bits(&fitted);
    assert_ne!(second, first);

    let missing = fitted.rollback(9).unwrap_err();
    assert_eq!(missing.code(), "TSC-TRK-030");
    assert!(missing.to_string().contains("has no version 9"), "{missing}");
    assert_eq!((bits(&fitted), fitted.models().version()), (second, 2));

    assert_eq!(fitted.rollback(1).unwrap().version, 1);
    assert_eq!((bits(&fitted), fitted.models().version()), (first, 1));
    assert_eq!(fitted.registered().unwrap().version, 1);
    let report = fitted.process_batch(&steady(0).batch()).unwrap();
    assert_eq!(report.model_version, 1);
    let again = fitted.retrain("once more").unwrap();
    assert_eq!(
        (again.outcome, again.new_version),
        (RetrainOutcome::Promoted, Some(3)),
        "{:?}",
        again.reasons
    );
    assert_eq!(fitted.rollback(1).unwrap().version, 1);
    drop(fitted);

    let seen = Seen(python.read_back(&uri, Some(MODEL)));
    assert_eq!(seen.0["aliases"], json!({"staging": 1}));
    let stages: Vec<&Value> = seen.0["versions"].as_array().unwrap().iter().map(|v| &v["stage"]).collect();
    assert_eq!(stages, ["Staging", "Archived", "Archived"]);
    let decisions = |decision: &str| {
        let runs = seen.runs("Retraining").iter().filter(|run| run["name"] == "Pipeline");
        runs.filter(|run| run["tags"]["tsc.decision"] == decision && run["status"] == "FINISHED").count()
    };
    assert_eq!((decisions("promoted"), decisions("rolled_back")), (2, 2));
    assert_eq!(seen.run("Training", "Pipeline")["datasets"][0]["name"], "ward 7");
}

#[test]
fn versions_beyond_those_to_keep_are_deleted_with_their_files() {
    let Some(python) = Python::with_mlflow() else { return };
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("sqlite:///{}/mlflow.db", folder.path().display());
    let mut config = config_at(Some(uri.clone()));
    config.tracking.keep_versions = Some(1);
    let (fitted, served) = serve(Pipeline::from_config(&config).unwrap(), drifted);
    drop(fitted);
    assert_eq!(served.retrain.outcome, RetrainOutcome::Promoted, "{:?}", served.retrain.reasons);
    let seen = Seen(python.read_back(&uri, Some(MODEL)));
    let versions = seen.0["versions"].as_array().unwrap();
    assert_eq!(
        (versions.len(), &versions[0]["version"], &versions[0]["stage"]),
        (1, &json!(2), &json!("Staging"))
    );
    assert!(!seen.run("Retraining", "Pipeline")["models"][0]["files"].as_array().unwrap().is_empty());
}

/// What a fit and its batches cost a server: at most 40 requests and 2 a logged model, and 1 a batch, beside files.
#[test]
fn requests_of_a_fit_and_of_batches_stay_few() {
    let Some(python) = Python::with_mlflow() else { return };
    let server = MlflowServer::start(&python);
    let counted = Counted::in_front_of(&server.uri);
    let tracker =
        MlflowTracker::open(&MlflowConfig { uri: Some(counted.uri.clone()), ..MlflowConfig::default() })
            .unwrap();
    let pipeline = Pipeline::from_config(&config_at(Some("off".into()))).unwrap();
    let pipeline = pipeline.with_tracking(tracker.clone(), tracker);
    let (mut fitted, training) = pipeline.fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    assert!(training.degraded.is_empty(), "{:?}", training.degraded);
    assert_eq!(fitted.flush_tracking(Duration::from_secs(60)).queued, 0);
    let asked = counted.take();
    let models = asked.iter().filter(|line| line.starts_with("POST /api/2.0/mlflow/logged-models ")).count();
    let others = asked.iter().filter(|line| !line.contains("/mlflow-artifacts/")).count();
    assert!(models >= 1 && others <= 40 + 2 * models, "{others} requests: {asked:#?}");
    for batch in 0..40 {
        fitted.process_batch(&steady(batch).batch()).unwrap();
    }
    assert_eq!(fitted.flush_tracking(Duration::from_secs(60)).queued, 0);
    let asked = counted.take();
    let batches = asked.iter().filter(|line| line.contains("/runs/log-batch ")).count();
    assert!(batches > 0 && asked.len() <= 40, "{asked:#?}");
}

/// Hands every request on to a server, and keeps its first line.
struct Counted {
    uri: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Counted {
    fn in_front_of(server: &str) -> Self {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        std::thread::Builder::new()
            .spawn(move || {
                for client in listener.incoming().flatten() {
                    let (server, kept) = (TcpStream::connect(&server).unwrap(), Arc::clone(&kept));
                    let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                    std::thread::Builder::new()
                        .spawn(move || {
                            drop(std::io::copy(&mut answers, &mut back));
                            drop(back.shutdown(std::net::Shutdown::Both));
                        })
                        .unwrap();
                    std::thread::Builder::new().spawn(move || hand_on(client, server, &kept)).unwrap();
                }
            })
            .unwrap();
        Self { uri, asked }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn hand_on(client: TcpStream, mut server: TcpStream, asked: &Mutex<Vec<String>>) {
    let mut client = BufReader::new(client);
    let mut line = String::new();
    while client.read_line(&mut line).is_ok_and(|n| n > 0) {
        asked.lock().unwrap().push(line.trim_end().to_owned());
        let mut length = 0;
        let mut head = std::mem::take(&mut line);
        while client.read_line(&mut line).is_ok_and(|n| n > 2) {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&std::mem::take(&mut line));
        }
        head.push_str(&std::mem::take(&mut line));
        let mut body = vec![0; length];
        client.read_exact(&mut body).unwrap();
        server.write_all(&[head.into_bytes(), body].concat()).unwrap();
    }
    drop(server.shutdown(std::net::Shutdown::Write));
}

/// F-14: where no server answers, numbers are as without tracking, nothing is lost, and the report says so.
#[test]
fn f14_a_dead_server_changes_no_number_and_every_run_waits_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = MlflowTracker::open(&MlflowConfig {
        uri: Some(format!("http://127.0.0.1:{}", free_port())),
        spool: Some(folder.path().join("spool")),
        ..MlflowConfig::default()
    })
    .unwrap();
    let pipeline = || Pipeline::from_config(&config_at(Some("off".into()))).unwrap();
    let (_, without) = serve(pipeline(), drifted);
    let (mut fitted, with) = serve(pipeline().with_tracking(tracker.clone(), tracker.clone()), drifted);
    assert_eq!(with.bits, without.bits);
    assert_eq!(with.training.clustering, without.training.clustering);
    assert_eq!(with.training.models.holdout, without.training.models.holdout);
    for (with, without) in with.batches.iter().zip(&without.batches) {
        assert_eq!(with.predictions, without.predictions);
        assert_eq!(with.scores, without.scores);
    }
    assert_eq!(
        (with.retrain.outcome, &with.retrain.reasons),
        (without.retrain.outcome, &without.retrain.reasons)
    );
    assert_eq!(with.training.registered, None);
    assert!(
        with.training.degraded.iter().any(|fault| fault.code.starts_with("TSC-TRK")),
        "{:?}",
        with.training.degraded
    );
    let report = fitted.flush_tracking(Duration::from_secs(60));
    assert!(report.is_degraded() && report.spooled > 100 && report.last_error.is_some(), "{report:?}");
    assert_eq!((report.sent, report.queued, report.rejected, report.dropped), (0, 0, 0, 0), "{report:?}");
    assert!(std::fs::read_dir(folder.path().join("spool")).unwrap().next().is_some());
    assert_eq!(tracker.flush(Duration::ZERO), report);
}
