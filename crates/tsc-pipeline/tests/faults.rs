//! Faults of the replaced system that must be impossible, each by its id.
#![allow(clippy::unwrap_used, reason = "a test program: a panic is how a check reports")]
#![cfg(feature = "linear")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::{Cohort, WIDTH, config, config_with, fitted, tracked};
use tsc_pipeline::core::{
    ArtifactSource, Clusterer, DeploymentStage, Error, ErrorKind, Features, ModelRegistry, ModelUri,
    ModelVersion, PredictionSource, ResourceKind, ResourceTargets, RetrainOutcome, Signal, Stage, StoredKind,
    Unit, VersionInfo, noise_ratio,
};
use tsc_pipeline::prelude::*;
use tsc_pipeline::{BatchReport, TrainingReport};
use tsc_testing::{CountingTracker, MemoryTracker, ToyFallback, ari};

#[test]
fn f01_a_fit_and_twenty_batches_succeed() {
    let mut pipeline = fitted();
    for seed in 0..20 {
        let report = pipeline.process_batch(&Cohort::new(60, 100 + seed).batch()).unwrap();
        assert_eq!(report.n_scored, 60);
        assert!(report.scores.unwrap().r2.unwrap() > 0.9);
    }
    assert_eq!(pipeline.batches(), 20);
}

#[test]
fn f02_every_eligible_cluster_has_a_model_in_the_report_and_in_the_bundle() {
    let (pipeline, report) =
        Pipeline::from_config(&config()).unwrap().fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    assert_eq!(report.clustering.n_clusters, 3);
    assert_eq!(report.models.clusters.len(), 3);
    let dir = tempfile::tempdir().unwrap();
    let version = pipeline.save(dir.path()).unwrap();
    let names = std::fs::read_dir(version.join("models/target")).unwrap();
    let names: Vec<String> = names.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    for cluster in 0..3 {
        // A file per fold, whose mean serves.
        let folds = names.iter().filter(|name| name.starts_with(&format!("cluster-000{cluster}-"))).count();
        assert_eq!(folds as u64, report.models.clusters[cluster].model.members, "{names:?}");
        assert!(folds > 0);
    }
}

#[test]
fn f03_every_report_round_trips_through_json() {
    let data = Cohort::new(450, 1);
    let (mut pipeline, training) =
        Pipeline::from_config(&config()).unwrap().fit_initial(&data.batch()).unwrap();
    let batch = pipeline.process_batch(&Cohort::new(30, 2).batch()).unwrap();
    let retrain = pipeline.retrain("test").unwrap();
    let text = serde_json::to_string(&training).unwrap();
    assert_eq!(serde_json::from_str::<TrainingReport>(&text).unwrap(), training);
    let text = serde_json::to_string(&batch).unwrap();
    assert_eq!(serde_json::from_str::<BatchReport>(&text).unwrap(), batch);
    let text = serde_json::to_string(&retrain).unwrap();
    assert_eq!(serde_json::from_str::<tsc_pipeline::RetrainReport>(&text).unwrap(), retrain);
}

#[test]
fn f04_no_resource_column_means_no_head_and_units_are_kept() {
    let data = Cohort::new(450, 1);
    let plain = Pipeline::from_config(&config()).unwrap();
    let (mut pipeline, report) = plain.clone().fit_initial(&data.batch()).unwrap();
    assert!(report.resources.is_empty());
    assert!(pipeline.process_batch(&data.batch()).unwrap().resources.is_empty());

    let days: Vec<f64> = data.values.chunks(WIDTH).map(|row| 1.0 + row[0] / 30.0).collect();
    let beds: Vec<f64> = data.values.chunks(WIDTH).map(|row| 50.0 - row[1]).collect();
    let kind = |name: &str| ResourceKind::named(name).unwrap();
    let resources = ResourceTargets::new()
        .with(kind("length_of_stay"), Unit::Days, &days)
        .and_then(|r| r.with(kind("beds"), Unit::Beds, &beds))
        .unwrap();
    let (mut pipeline, report) = plain.fit_initial(&data.batch().with_resources(resources).unwrap()).unwrap();
    assert_eq!(report.resources.len(), 2);
    let batch = pipeline.process_batch(&data.batch()).unwrap();
    let (first, second) = (&batch.resources[0], &batch.resources[1]);
    assert_eq!((first.kind.name(), &first.unit), ("beds", &Unit::Beds));
    assert_eq!((second.kind.name(), &second.unit), ("length_of_stay", &Unit::Days));
    assert_ne!(first.values, second.values);
    let wrong = ResourceTargets::new().with(kind("length_of_stay"), Unit::Hours, &days).unwrap();
    let error = pipeline.process_batch(&data.batch().with_resources(wrong).unwrap()).unwrap_err();
    assert_eq!(error.code(), "TSC-RES-090");
}

/// Fits once, then fails: a fault injected into the refit.
#[derive(Debug)]
struct FailsLater {
    inner: tsc_pipeline::cluster::Hdbscan,
    fits: std::sync::atomic::AtomicUsize,
    allowed: usize,
}

impl Clusterer for FailsLater {
    type Fitted = tsc_pipeline::cluster::FittedHdbscan;

    fn fit(&self, x: Features<'_>) -> tsc_pipeline::core::Result<Self::Fitted> {
        if self.fits.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= self.allowed {
            return Err(Error::new(ErrorKind::Training, Stage::Clustering, "TSC-CLU-999", "injected"));
        }
        self.inner.fit(x)
    }

    fn restore(
        &self,
        stored: &StoredKind,
        source: &dyn ArtifactSource,
    ) -> tsc_pipeline::core::Result<Self::Fitted> {
        self.inner.restore(stored, source)
    }
}

fn failing_after(
    allowed: usize,
) -> Pipeline<FailsLater, tsc_pipeline::models::Linear, tsc_pipeline::fallback::KnnFallback> {
    let config = config();
    Pipeline::builder()
        .clusterer(FailsLater {
            inner: tsc_pipeline::cluster::Hdbscan::new(config.hdbscan_params.clone()).unwrap(),
            fits: 0.into(),
            allowed,
        })
        .regressor(tsc_pipeline::models::Linear::new(Default::default()).unwrap())
        .fallback(tsc_pipeline::fallback::KnnFallback::new(config.knn_params.clone()).unwrap())
        .config(config)
        .build()
        .unwrap()
}

#[test]
fn f05_a_failed_retrain_leaves_the_champion_serving() {
    let (mut pipeline, _) = failing_after(1).fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    let probe = Cohort::new(60, 2);
    let before = pipeline.models().predict(probe.x()).unwrap();
    let report = pipeline.retrain("test").unwrap();
    assert_eq!(report.outcome, RetrainOutcome::Failed);
    assert_eq!((report.new_version, pipeline.models().version()), (None, 1));
    let after = pipeline.process_batch(&probe.batch()).unwrap();
    assert_eq!(after.predictions, before);
}

#[test]
fn f06_a_registered_version_is_read_back() {
    let tracker = MemoryTracker::new();
    let (pipeline, report) = tracked(&config(), &tracker).fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    assert_eq!(report.registered.as_ref(), tracker.versions().first());
    assert_eq!(pipeline.registered().unwrap().version, 1);
    assert_eq!(report.registered.unwrap().name, "TimeSeries-Clustering-Pipeline");
}

/// A registry that is away, and counts what it is asked.
#[derive(Clone, Debug, Default)]
struct Away {
    registered: Arc<AtomicU32>,
    later: Arc<AtomicU32>,
}

impl ModelRegistry for Away {
    fn register(&self, _: &str, _: &ModelUri, _: &VersionInfo) -> Result<ModelVersion> {
        self.registered.fetch_add(1, Ordering::Relaxed);
        Err(Error::new(ErrorKind::Tracking, Stage::Tracking, "TSC-TST-005", "away").transient())
    }

    fn register_later(&self, _: &str, _: &ModelUri, info: &VersionInfo, _: DeploymentStage) -> Result<bool> {
        assert_eq!(info.description, "Initial Training");
        self.later.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    fn promote(&self, _: &ModelVersion, _: DeploymentStage) -> Result<()> {
        panic!("nothing was registered")
    }

    fn latest(&self, _: &str, _: DeploymentStage) -> Result<Option<ModelVersion>> {
        Ok(None)
    }

    fn version(&self, _: &str, _: u64) -> Result<Option<ModelVersion>> {
        Ok(None)
    }

    fn fetch(&self, _: &ModelUri, _: &std::path::Path) -> Result<()> {
        panic!("nothing was registered")
    }
}

#[test]
fn f23_a_registration_is_tried_so_often_and_then_left_to_the_registry() {
    let config = config_with("[degradation]\nmax_attempts = 4");
    let away = Away::default();
    let pipeline = Pipeline::from_config(&config).unwrap().with_tracking(MemoryTracker::new(), away.clone());
    let (_, report) = pipeline.fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    assert_eq!((away.registered.load(Ordering::Relaxed), away.later.load(Ordering::Relaxed)), (4, 1));
    assert_eq!(report.registered, None);
    let said: Vec<&str> = report.degraded.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(said, ["away; the version is registered when the store answers again"]);
}

#[test]
fn f07_training_rows_given_as_a_batch_get_the_training_labels() {
    let data = Cohort::new(450, 1);
    let (mut pipeline, training) =
        Pipeline::from_config(&config()).unwrap().fit_initial(&data.batch()).unwrap();
    let batch = pipeline.process_batch(&data.batch()).unwrap();
    assert_eq!(batch.predictions.density_labels, training.clustering.labels);
    assert!(ari(&batch.predictions.density_labels, &data.truth) > 0.95);
}

fn far(n: usize) -> Cohort {
    Cohort::far(n, 9)
}

#[test]
fn f08_noise_is_counted_before_the_fallback() {
    // A fallback without a cap labels every row, so counting after it would give 0.
    let config = config_with("[knn_params]\nmax_distance = \"none\"");
    let fitted = Pipeline::from_config(&config).unwrap().fit_initial(&Cohort::new(450, 1).batch());
    let report = fitted.unwrap().0.process_batch(&far(100).batch()).unwrap();
    assert_eq!((report.noise_ratio, report.fallback_ratio, report.unassigned_ratio), (1.0, 1.0, 0.0));
    assert!(report.trigger.is_some(), "noise 1.0 is a severe breach");
}

#[test]
fn f09_readers_never_see_clusters_of_one_version_with_models_of_another() {
    let mut pipeline = fitted();
    let probe = Cohort::new(90, 5);
    let champion = pipeline.models();
    let expected = champion.predict(probe.x()).unwrap();
    let shifted = Cohort::around(&[[200.0, 0.0, 5.0], [30.0, 0.0, 5.0]], 600, 7);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| (0..20).map(|_| champion.predict(probe.x()).unwrap()).collect::<Vec<_>>())
            })
            .collect();
        pipeline.process_batch(&shifted.batch()).unwrap();
        pipeline.retrain("shift").unwrap();
        for reader in readers {
            for seen in reader.join().unwrap() {
                assert_eq!(seen, expected, "the old set answers as before, whatever serves now");
            }
        }
    });
    let models = pipeline.models();
    assert!(models.predict(shifted.x()).unwrap().labels.iter().all(|l| l.id() < models.n_clusters() as i32));
}

#[test]
fn f10_rows_with_nan_stay_unavailable_and_nothing_is_invented() {
    let mut pipeline = fitted();
    let mut data = Cohort::new(30, 3);
    data.values[4] = f64::NAN;
    data.values[WIDTH * 7] = f64::INFINITY;
    let report = pipeline.process_batch(&Batch::raw(&data.values, WIDTH).unwrap()).unwrap();
    assert_eq!(report.rejected.iter().map(|r| r.row).collect::<Vec<_>>(), [1, 7]);
    for row in [1, 7] {
        assert!(report.predictions.values[row].is_nan());
        assert!(report.predictions.labels[row].is_noise());
        assert_eq!(report.predictions.sources[row], PredictionSource::Unavailable);
    }
    assert!(report.predictions.values[0].is_finite());
    assert_eq!((report.n_scored, report.rejected_ratio), (28, 2.0 / 30.0));

    let nothing = vec![f64::NAN; 4 * WIDTH];
    let error = pipeline.process_batch(&Batch::raw(&nothing, WIDTH).unwrap()).unwrap_err();
    assert_eq!(error.code(), "TSC-DAT-023");
    assert_eq!(pipeline.monitor().error_stats().total, 1);
}

#[test]
fn f11_a_second_fit_in_a_process_succeeds_and_no_run_stays_open() {
    let tracker = MemoryTracker::new();
    for seed in [1, 2] {
        tracked(&config(), &tracker).fit_initial(&Cohort::new(450, seed).batch()).unwrap();
    }
    let data = Cohort::new(12, 3);
    tracked(&config(), &tracker).fit_initial(&data.batch()).unwrap_err();
    let runs = tracker.runs();
    assert_eq!(runs.len(), 21);
    assert!(runs.iter().all(|run| run.status.is_some()), "a run is still open");
    assert_eq!(
        runs.iter().filter(|run| run.status == Some(tsc_pipeline::core::RunStatus::Failed)).count(),
        7
    );
}

#[test]
fn f12_a_batch_costs_one_tracking_call() {
    let tracker = CountingTracker::new(MemoryTracker::new());
    let pipeline = Pipeline::from_config(&config()).unwrap().with_tracker(tracker.clone());
    let (mut pipeline, _) = pipeline.fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    pipeline.process_batch(&Cohort::new(50, 2).batch()).unwrap();
    let calls = |tracker: &CountingTracker<MemoryTracker>| tracker.counts().values().sum::<u64>();
    let before = calls(&tracker);
    for seed in 0..10 {
        pipeline.process_batch(&Cohort::new(50, 10 + seed).batch()).unwrap();
    }
    assert_eq!(calls(&tracker) - before, 10);
}

#[test]
fn f16_fits_without_a_cluster_or_with_one_succeed() {
    let one = Cohort::around(&[[30.0, 0.0, 5.0]], 300, 4);
    let fit = |allow_single_cluster: bool| {
        let mut config = config();
        // No split of 240 fit rows leaves two groups of more than half of them.
        config.hdbscan_params.min_cluster_size = 121;
        config.training.min_rows_factor = 1;
        config.hdbscan_params.allow_single_cluster = allow_single_cluster;
        // Without it the root alone would keep few rows; a distance above all others keeps all of them.
        config.hdbscan_params.cluster_selection_epsilon = if allow_single_cluster { 100.0 } else { 0.0 };
        Pipeline::from_config(&config).unwrap().fit_initial(&one.batch()).unwrap()
    };
    let (mut pipeline, report) = fit(false);
    assert_eq!((report.clustering.n_clusters, report.clustering.silhouette), (0, None));
    // F-39: a fallback that is not there is said to be skipped.
    assert!(report.skipped.iter().any(|s| s.what == "kNN-Fallback" && s.reason.contains("no cluster")));
    let batch = pipeline.process_batch(&one.batch()).unwrap();
    assert!(batch.predictions.sources.iter().all(|s| *s == PredictionSource::Pooled));

    let (_, report) = fit(true);
    assert_eq!((report.clustering.n_clusters, report.clustering.silhouette), (1, None));
    assert_eq!(report.models.clusters.len(), 1);
}

#[test]
fn f17_different_metrics_fit_and_warn() {
    let config = config_with("[knn_params]\nmetric = \"manhattan\"");
    let (_, report) =
        Pipeline::from_config(&config).unwrap().fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    assert!(report.warnings.iter().any(|w| w.to_string().contains("metric differs")));
}

#[test]
fn f18_a_sample_far_from_everything_stays_unassigned() {
    let mut pipeline = fitted();
    let report = pipeline.process_batch(&far(10).batch()).unwrap();
    assert_eq!(report.unassigned_ratio, 1.0);
    assert!(report.predictions.sources.iter().all(|s| *s == PredictionSource::Pooled));
}

#[test]
fn f21_each_cluster_has_its_own_metric_keys() {
    let tracker = MemoryTracker::new();
    tracked(&config(), &tracker).fit_initial(&Cohort::new(450, 1).batch()).unwrap();
    let run = tracker.run("TimeSeries-LGB");
    for cluster in 0..3 {
        assert!(run.metric(&format!("cluster_{cluster}/rows")).is_some(), "cluster {cluster}");
    }
}

#[test]
fn f22_a_clustering_fault_keeps_its_stage() {
    let error = failing_after(0).fit_initial(&Cohort::new(450, 1).batch()).unwrap_err();
    assert_eq!(
        (error.kind(), error.stage(), error.code()),
        (ErrorKind::Training, Stage::Clustering, "TSC-CLU-999")
    );
}

#[test]
fn f24_the_noise_threshold_moves_the_trigger() {
    // Held-out noise of this cohort is near 0, so a quarter of far rows is a breach at 0.15 and none at 0.5.
    let severe_at = |threshold: f64| {
        let config = config_with("");
        let config = PipelineConfig { noise_threshold: threshold, ..config };
        let (mut pipeline, _) =
            Pipeline::from_config(&config).unwrap().fit_initial(&Cohort::new(450, 1).batch()).unwrap();
        let mixed = Cohort::new(75, 2).and(&far(25));
        pipeline.process_batch(&mixed.batch()).unwrap().trigger.is_some()
    };
    assert!(severe_at(0.15));
    assert!(!severe_at(0.5));
}

#[test]
fn f27_a_pipeline_whose_batches_all_fail_is_critical() {
    let mut pipeline = fitted();
    assert_eq!(pipeline.health().status, tsc_pipeline::core::HealthStatus::Unknown);
    let narrow = [1.0, 2.0];
    for _ in 0..5 {
        let x = Features::new(&narrow, 2).unwrap();
        assert_eq!(pipeline.process_batch(&Batch::new(x)).unwrap_err().code(), "TSC-DAT-007");
    }
    assert_eq!(pipeline.health().status, tsc_pipeline::core::HealthStatus::Critical);
    assert_eq!(pipeline.batches(), 0);
}

#[test]
fn f32_no_model_of_a_vanished_cluster_stays() {
    let mut pipeline = fitted();
    let two = Cohort::around(&[[200.0, 0.0, 5.0], [-90.0, 40.0, 5.0]], 2000, 7);
    pipeline.process_batch(&two.batch()).unwrap();
    let models = pipeline.models();
    let n = models.n_clusters();
    assert_eq!(models.version(), 2, "noise 1.0 fires, and the window of 2000 rows holds the new groups only");
    assert_eq!(n, 2);
    assert_eq!(models.target().n_clusters(), n);
}

#[test]
fn f33_chunks_and_batch_size_never_change_a_row() {
    let data = Cohort::new(90, 5);
    let (pipeline, small) = (
        fitted(),
        Pipeline::from_config(&PipelineConfig { batch_size: 7, ..config() })
            .unwrap()
            .fit_initial(&Cohort::new(450, 1).batch())
            .unwrap()
            .0,
    );
    let whole = pipeline.models().predict(data.x()).unwrap();
    assert_eq!(small.models().predict(data.x()).unwrap(), whole);
    for row in 0..90 {
        let one = pipeline.models().predict(data.x().slice(row..row + 1)).unwrap();
        assert_eq!(one.values[0].to_bits(), whole.values[row].to_bits());
        assert_eq!(one.labels[0], whole.labels[row]);
    }
}

#[test]
fn f35_centers_are_means_of_raw_members() {
    let data = Cohort::new(450, 1);
    let (_, report) = Pipeline::from_config(&config()).unwrap().fit_initial(&data.batch()).unwrap();
    let clustering = &report.clustering;
    for (c, center) in clustering.centers.iter().enumerate() {
        let members: Vec<&[f64]> = data
            .values
            .chunks(WIDTH)
            .zip(&clustering.labels)
            .filter(|(_, label)| label.id() == c as i32)
            .map(|(row, _)| row)
            .collect();
        assert_eq!(members.len(), clustering.sizes[c]);
        for f in 0..WIDTH {
            let mean = members.iter().map(|row| row[f]).sum::<f64>() / members.len() as f64;
            assert!((center[f] - mean).abs() < 1e-9);
        }
    }
    assert!(clustering.centers.iter().any(|center| center[0] > 85.0), "original units, not scaled ones");
}

#[test]
fn f36_a_model_name_without_a_hospital_has_no_suffix() {
    let name = |more: &str| {
        let tracker = MemoryTracker::new();
        tracked(&config_with(more), &tracker).fit_initial(&Cohort::new(450, 1).batch()).unwrap();
        tracker.versions()[0].name.clone()
    };
    assert_eq!(name(""), "TimeSeries-Clustering-Pipeline");
    assert_eq!(name("hospital_profile_id = \"hospital_001\""), "TimeSeries-Clustering-Pipeline-hospital_001");
}

#[test]
fn f37_one_unknown_target_changes_coverage_and_nothing_else() {
    let mut pipeline = fitted();
    let mut data = Cohort::new(40, 6);
    let full = pipeline.process_batch(&data.batch()).unwrap().scores.unwrap();
    data.targets[3] = f64::NAN;
    let report = pipeline.process_batch(&data.batch()).unwrap();
    let scores = report.scores.unwrap();
    assert_eq!((full.n, scores.n), (40, 39));
    assert!(scores.rmse.unwrap().is_finite());
    assert!(report.predictions.values[3].is_finite(), "scored, and not evaluated");
}

#[test]
fn f39_a_failing_fallback_is_an_error_unless_best_effort_lists_it() {
    #[derive(Debug)]
    struct Fails;
    impl NoiseFallback for Fails {
        type Fitted = <ToyFallback as NoiseFallback>::Fitted;
        fn fit(
            &self,
            _: Features<'_>,
            _: &[tsc_pipeline::core::Label],
        ) -> tsc_pipeline::core::Result<Self::Fitted> {
            Err(Error::new(ErrorKind::Training, Stage::Fallback, "TSC-FBK-999", "injected"))
        }
        fn restore(
            &self,
            _: &StoredKind,
            _: &dyn ArtifactSource,
        ) -> tsc_pipeline::core::Result<Self::Fitted> {
            Err(Error::new(ErrorKind::Artifact, Stage::Fallback, "TSC-FBK-999", "injected"))
        }
    }
    let with = |mode: &str| {
        let config = config_with(&format!("[degradation]\nmode = \"{mode}\""));
        let hdbscan = tsc_pipeline::cluster::Hdbscan::new(config.hdbscan_params.clone()).unwrap();
        let linear = tsc_pipeline::models::Linear::new(Default::default()).unwrap();
        let pipeline = Pipeline::builder()
            .clusterer(hdbscan)
            .regressor(linear)
            .fallback(Fails)
            .config(config)
            .build()
            .unwrap();
        pipeline.fit_initial(&Cohort::new(450, 1).batch()).map(|(_, report)| report)
    };
    assert_eq!(with("tolerant").unwrap_err().stage(), Stage::Fallback);
    let report = with("best_effort").unwrap();
    assert!(report.skipped.iter().any(|s| s.what == "kNN-Fallback" && s.reason == "injected"));
}

#[test]
fn f41_one_and_many_threads_give_the_same_content_hash() {
    let hash = |threads: usize| {
        let config = PipelineConfig { threads, ..config() };
        let (pipeline, _) = Pipeline::from_config(&config)
            .unwrap()
            .fit_initial(&Cohort::new(450, 1).batch().at(tsc_pipeline::core::Timestamp(5)))
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let version = pipeline.save(dir.path()).unwrap();
        let mut files: Vec<(String, Vec<u8>)> =
            ["clusterer/model.postcard", "models/target/index.json", "scaler.json"]
                .iter()
                .map(|name| ((*name).to_owned(), std::fs::read(version.join(name)).unwrap()))
                .collect();
        files.sort();
        files
    };
    assert_eq!(hash(1), hash(2));
    assert_eq!(hash(1), hash(7));
}

#[test]
fn the_noise_of_a_batch_is_the_share_of_its_density_labels() {
    let mut pipeline = fitted();
    let report = pipeline.process_batch(&Cohort::new(100, 8).batch()).unwrap();
    assert_eq!(report.noise_ratio, noise_ratio(&report.predictions.density_labels));
    assert!(report.findings.iter().all(|f| f.signal != Signal::NoiseRatio));
}
