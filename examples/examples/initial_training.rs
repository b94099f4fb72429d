//! Fits a pipeline on a simulated cohort with known groups and looks at everything a first fit gives:
//! `cargo run --release --example initial_training`
#![expect(clippy::print_stdout, reason = "an example prints what it asserts")]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tsc_examples::{STAGES, config, shown};
use tsc_pipeline::core::Label;
use tsc_pipeline::prelude::*;
use tsc_testing::{Cohort, ari};

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = config(&dir, STAGES)?;
    let cohort = Cohort::new(1200, 1);

    let (mut fitted, report) = Pipeline::from_config(&config)?.fit_initial(&cohort.batch())?;

    let clustering = &report.clustering;
    println!("rows        {} x {}", report.n_samples, report.n_features);
    println!("clusters    {} of sizes {:?}", clustering.n_clusters, clustering.sizes);
    println!("noise       {:.3}, held out {:.3}", clustering.noise_ratio, clustering.holdout_noise_ratio);
    println!("silhouette  {}", shown(clustering.silhouette));
    let clustered: Vec<usize> = (0..cohort.len()).filter(|&i| !clustering.labels[i].is_noise()).collect();
    let pick = |labels: &[Label]| clustered.iter().map(|&i| labels[i]).collect::<Vec<_>>();
    let agreement = ari(&pick(&clustering.labels), &pick(&cohort.truth));
    println!("agreement   ARI {agreement:.3} with the true groups, noise left out");
    ensure!(agreement >= 0.9 && clustering.noise_ratio <= config.noise_threshold);

    let scores = &report.models.holdout.served;
    println!("held out    n {}, rmse {}, r2 {}", scores.n, shown(scores.rmse), shown(scores.r2));
    ensure!(scores.r2.context("held-out r2")? >= 0.5);
    for cluster in &report.models.clusters {
        println!(
            "cluster {}   {} rows, own model counts {:.2}",
            cluster.cluster, cluster.rows, cluster.weight
        );
    }
    let eligible = clustering.sizes.iter().filter(|&&n| n >= config.training.min_cluster_rows).count();
    ensure!(report.models.clusters.len() == eligible, "a model per eligible cluster");

    let version = report.registered.as_ref().context("the version is registered")?;
    println!("registered  {} version {} in Staging", version.name, version.version);
    let tracking = fitted.flush_tracking(Duration::from_secs(30));
    ensure!(!tracking.is_degraded(), "{tracking:?}");
    if std::env::var_os("MLFLOW_TRACKING_URI").is_none() {
        ensure!(version.version == 1);
    }
    println!("runs        {}", fitted.view_command().context("the embedded store can be opened")?);

    let page = fitted.report_html(&report, &cohort.batch()).context("this build writes reports")?;
    ensure!(!page.contains("src=") && !page.contains("@import"), "the report needs no other file");
    println!("report      {} KiB in one file", page.len() / 1024);
    Ok(())
}
