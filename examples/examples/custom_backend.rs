//! A pipeline of a user's own stages, static and boxed, and of the second stages that ship:
//! `cargo run --release --example custom_backend`
#![expect(clippy::print_stdout, reason = "an example prints what it asserts")]

use anyhow::{Result, ensure};
use tsc_examples::{STAGES, config, shown};
use tsc_pipeline::cluster::{PetalHdbscan, PetalParams};
use tsc_pipeline::core::{
    ArtifactKind, ArtifactSink, ArtifactSource, FittedRegressor, Load, Save, StoredKind, check_lengths,
    check_width, damaged, restore,
};
use tsc_pipeline::fallback::{CentroidParams, NearestCentroid};
use tsc_pipeline::models::{Linear, LinearParams};
use tsc_pipeline::prelude::*;
use tsc_testing::Cohort;

const WRONG_LENGTH: &str = "one value per sample";

/// A user's regressor: the mean of the training targets.
#[derive(Clone, Debug)]
struct Mean;

#[derive(Debug)]
struct FittedMean {
    mean: f64,
    n_features: usize,
}

impl Regressor for Mean {
    type Fitted = FittedMean;

    fn fit(&self, x: Features<'_>, y: Targets<'_>) -> tsc_pipeline::core::Result<FittedMean> {
        check_lengths(x, y)?;
        let mean = y.as_slice().iter().sum::<f64>() / y.len() as f64;
        Ok(FittedMean { mean, n_features: x.n_features() })
    }

    fn restore(
        &self,
        stored: &StoredKind,
        source: &dyn ArtifactSource,
    ) -> tsc_pipeline::core::Result<FittedMean> {
        restore(stored, source)
    }
}

impl FittedRegressor for FittedMean {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn predict_into(&self, x: Features<'_>, out: &mut [f64]) -> tsc_pipeline::core::Result<()> {
        check_width(x, self.n_features, tsc_pipeline::core::Stage::TimeSeriesModel)?;
        assert_eq!(out.len(), x.n_samples(), "{WRONG_LENGTH}");
        out.fill(self.mean);
        Ok(())
    }
}

impl Save for FittedMean {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> tsc_pipeline::core::Result<()> {
        let bytes = [self.mean.to_le_bytes(), (self.n_features as u64).to_le_bytes()].concat();
        sink.put("model.txt", &bytes)
    }
}

impl Load for FittedMean {
    const KIND: ArtifactKind = ArtifactKind { name: "mean", version: 1 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> tsc_pipeline::core::Result<Self> {
        let bytes = source.get("model.txt")?;
        let (mean, width) =
            bytes.split_first_chunk().ok_or_else(|| damaged("model.txt", "it is too short"))?;
        let width =
            width.try_into().map_err(|_| damaged("model.txt", "it has another length than 16 bytes"))?;
        let mean = f64::from_le_bytes(*mean);
        let n_features = usize::try_from(u64::from_le_bytes(width)).map_err(|e| damaged("model.txt", e))?;
        if !mean.is_finite() || n_features == 0 {
            return Err(damaged("model.txt", "its numbers are out of range"));
        }
        Ok(Self { mean, n_features })
    }
}

/// Keeps the panics that the suite provokes off the screen; every other one is shown.
fn quiet(message: &'static str) {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.to_string().contains(message) {
            shown(panic);
        }
    }));
}

fn main() -> Result<()> {
    quiet(WRONG_LENGTH);
    tsc_testing::regressor::suite(&Mean);
    tsc_testing::regressor::suite(&Mean.boxed());
    println!("the conformance suite passes, static and boxed");

    let dir = tempfile::tempdir()?;
    let config = config(&dir, STAGES)?;
    let cohort = Cohort::new(600, 1);
    let probe = Cohort::new(100, 2);

    let hdbscan = || tsc_pipeline::cluster::Hdbscan::new(config.hdbscan_params.clone());
    let knn = || tsc_pipeline::fallback::KnnFallback::new(config.knn_params.clone());
    let of_types = Pipeline::builder()
        .clusterer(hdbscan()?)
        .regressor(Mean)
        .fallback(knn()?)
        .config(config.clone())
        .build()?;
    let boxed: Pipeline = Pipeline::builder()
        .clusterer(hdbscan()?.boxed())
        .regressor(Mean.boxed())
        .fallback(knn()?.boxed())
        .config(config.clone())
        .build()?;
    let (of_types_fitted, _) = of_types.clone().fit_initial(&cohort.batch())?;
    let (boxed_fitted, _) = boxed.fit_initial(&cohort.batch())?;
    let expected = of_types_fitted.models().predict(probe.x())?;
    ensure!(boxed_fitted.models().predict(probe.x())? == expected, "static and boxed give the same bits");

    of_types_fitted.save(dir.path().join("bundle"))?;
    let loaded = of_types.load_with(dir.path().join("bundle"))?;
    ensure!(loaded.models().predict(probe.x())? == expected, "the bundle round-trips");
    println!("static, boxed and loaded predictions are equal");

    let swapped = Pipeline::builder()
        .clusterer(PetalHdbscan::new(PetalParams {
            min_cluster_size: 15,
            min_samples: 5,
            ..PetalParams::default()
        })?)
        .regressor(Linear::new(LinearParams::default())?)
        .fallback(NearestCentroid::new(CentroidParams::default())?)
        .config(config)
        .build()?;
    let (mut fitted, report) = swapped.fit_initial(&cohort.batch())?;
    let batch = fitted.process_batch(&probe.batch())?;
    println!(
        "petal + linear + nearest centroid: {} clusters, held-out r2 {}, batch rmse {}",
        report.clustering.n_clusters,
        shown(report.models.holdout.served.r2),
        shown(batch.scores.and_then(|s| s.rmse))
    );
    ensure!(report.clustering.n_clusters == 3 && report.models.holdout.served.r2.is_some_and(|r2| r2 > 0.9));
    Ok(())
}
