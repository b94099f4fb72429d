//! Fits a pipeline on a simulated cohort with known groups and looks at everything a first fit gives:
//! `cargo run --release --example initial_training`
#![expect(clippy::print_stdout, reason = "an example prints what it asserts")]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tsc_examples::{STAGES, config, shown};
use tsc_pipeline::TrainingReport;
use tsc_pipeline::core::{Label, Schema};
use tsc_pipeline::prelude::*;
use tsc_testing::{Cohort, ari};

const COLUMNS: [&str; Cohort::WIDTH] = ["heart_rate", "base_excess", "fluid_balance"];
const BROKEN_ROW: usize = 7;

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = config(&dir, &format!("{STAGES}data.on_invalid_fit = \"quarantine\"\n"))?;
    let mut cohort = Cohort::new(1200, 1);
    cohort.values[BROKEN_ROW * Cohort::WIDTH + 1] = f64::NAN;
    let schema = Schema::named(COLUMNS)?;
    let batch = Batch::raw(&cohort.values, Cohort::WIDTH)?
        .with_schema(&schema)?
        .with_targets(&cohort.targets)?
        .with_groups(&cohort.groups)?;

    let (mut fitted, report) = Pipeline::from_config(&config)?.fit_initial(&batch)?;

    data(&report)?;
    clusters(&report, &cohort, config.noise_threshold)?;
    models(&report, config.training.min_cluster_rows)?;

    let version = report.registered.as_ref().context("the version is registered")?;
    println!("registered  {} version {} in Staging", version.name, version.version);
    let tracking = fitted.flush_tracking(Duration::from_secs(30));
    ensure!(!tracking.is_degraded(), "{tracking:?}");
    println!("view        {}", fitted.view_command().context("the store can be opened")?);
    if std::env::var_os("MLFLOW_TRACKING_URI").is_none() {
        ensure!(version.version == 1);
        stored_runs(&dir)?;
    }

    let page = fitted.report_html(&report, &batch).context("this build writes reports")?;
    ensure!(!page.contains("src=") && !page.contains("@import"), "the report needs no other file");
    println!("report      {} KiB in one file", page.len() / 1024);
    Ok(())
}

/// What was wrong with the rows, and what the configuration makes of them.
fn data(report: &TrainingReport) -> Result<()> {
    println!("rows        {} usable of {} features", report.n_samples, report.n_features);
    for rejected in &report.rejected {
        println!("rejected    row {}: {} is {}", rejected.row, rejected.name, rejected.reason);
    }
    for warning in &report.warnings {
        println!("note        {warning}");
    }
    ensure!(report.rejected.len() == 1 && report.rejected[0].row == BROKEN_ROW);
    ensure!(report.rejected[0].name == COLUMNS[1], "the broken column is named");
    ensure!(report.n_samples == 1199, "the others are used");
    Ok(())
}

fn clusters(report: &TrainingReport, cohort: &Cohort, noise_threshold: f64) -> Result<()> {
    let clustering = &report.clustering;
    println!("clusters    {} of sizes {:?}", clustering.n_clusters, clustering.sizes);
    println!("noise       {:.3}, held out {:.3}", clustering.noise_ratio, clustering.holdout_noise_ratio);
    println!("silhouette  {}", shown(clustering.silhouette));
    let mut truth = cohort.truth.clone();
    truth.remove(BROKEN_ROW);
    let (found, truth): (Vec<Label>, Vec<Label>) =
        clustering.labels.iter().zip(&truth).filter(|(label, _)| !label.is_noise()).unzip();
    let agreement = ari(&found, &truth);
    println!("agreement   ARI {agreement:.3} with the true groups, noise left out");
    ensure!(agreement >= 0.9 && clustering.noise_ratio <= noise_threshold);
    Ok(())
}

fn models(report: &TrainingReport, min_cluster_rows: usize) -> Result<()> {
    let scores = &report.models.holdout.served;
    println!("held out    n {}, rmse {}, r2 {}", scores.n, shown(scores.rmse), shown(scores.r2));
    ensure!(scores.r2.context("held-out r2")? >= 0.5);
    for cluster in &report.models.clusters {
        let importance = cluster.model.importance.as_ref().context("both backends know importance")?;
        let shares = importance.gain_shares();
        let top = (0..shares.len()).max_by(|&a, &b| shares[a].total_cmp(&shares[b])).context("features")?;
        println!(
            "cluster {}   {} rows, own model counts {:.2}, held-out rmse {}, follows {} ({:.0} % of the gain)",
            cluster.cluster,
            cluster.model.rows,
            cluster.weight.value,
            shown(cluster.holdout.served.rmse),
            COLUMNS[top],
            100.0 * shares[top]
        );
        ensure!(top == 0, "within a group the target follows the first feature alone");
    }
    let eligible = report.clustering.sizes.iter().filter(|&&n| n >= min_cluster_rows).count();
    ensure!(report.models.clusters.len() == eligible, "a model per eligible cluster");
    Ok(())
}

/// Reads the runs back from the embedded store, as any program may: it is plain SQLite.
fn stored_runs(dir: &TempDir) -> Result<()> {
    let db = rusqlite::Connection::open(dir.path().join("mlflow.db"))?;
    let mut statement = db.prepare(
        "SELECT child.name, child.status, count(m.key) FROM runs child
         JOIN tags t ON t.run_uuid = child.run_uuid AND t.key = 'mlflow.parentRunId'
         JOIN runs parent ON parent.run_uuid = t.value AND parent.name = 'Pipeline'
         LEFT JOIN latest_metrics m ON m.run_uuid = child.run_uuid
         GROUP BY child.run_uuid ORDER BY child.name",
    )?;
    let children = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?)))?
        .collect::<Result<Vec<_>, _>>()?;
    for (name, status, metrics) in &children {
        println!("run         {name}: {status}, {metrics} metrics");
    }
    let names: Vec<&str> = children.iter().map(|(name, ..)| name.as_str()).collect();
    let expected =
        ["HDBSCAN", "Performance-Report", "Preprocessing", "Resource-LGB", "TimeSeries-LGB", "kNN-Fallback"];
    ensure!(names == expected, "{names:?}");
    ensure!(children.iter().all(|(_, status, _)| status == "FINISHED"), "no run stays open");
    let stage: String = db.query_row("SELECT current_stage FROM model_versions", [], |row| row.get(0))?;
    ensure!(stage == "Staging", "{stage}");
    Ok(())
}
