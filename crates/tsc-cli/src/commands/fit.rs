use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tsc_pipeline::core::TrackingReport;
use tsc_pipeline::models::{Covered, ValueReport};
use tsc_pipeline::{Pipeline, TrainingReport};

use super::{config, series};
use crate::data::Table;
use crate::failure::{Failure, note, say};
use crate::{FitArgs, Outcome};

/// Fits a pipeline and stores it.
pub(crate) fn fit(args: &FitArgs, as_json: bool) -> Outcome {
    let config = config(args.config.as_deref())?;
    check_output(&args.output)?;
    let mut pipeline = Pipeline::from_config(&config)?;
    let table = match &config.series {
        None => Table::read(&args.data, &config.data)?,
        Some(_) => {
            let (with_featurizer, matrix) = pipeline.featurize(&series(&args.data, &config)?)?;
            pipeline = with_featurizer;
            Table::of_matrix(&matrix)
        }
    };
    let batch = table.batch(0, table.n_rows())?;
    let (mut fitted, report) = pipeline.fit_initial(&batch)?;
    let version = fitted.save(&args.output)?;
    let page = args.output.join("report.html");
    if let Some(document) = fitted.report_html(&report, &batch) {
        std::fs::write(&page, document).map_err(|e| Failure::unwritable(&page, &e))?;
    }
    let tracking = fitted.flush_tracking(Duration::from_secs(30));
    if as_json {
        say(json!({"schema": "tsclust/fit/1", "bundle": version, "report": report, "tracking": tracking}))?;
    } else {
        print_report(&report)?;
        note(format!("bundle  {}", args.output.display()));
        if page.exists() {
            note(format!("report  {}", page.display()));
        }
        if let Some(command) = fitted.view_command() {
            note(format!("runs    {command}"));
        }
        if tracking.is_degraded() {
            note(format!("tracking degraded: {}", undelivered(&tracking)));
        }
    }
    Ok(0)
}

/// A fit may take hours: a folder that cannot hold the bundle is found out first. Leaves nothing behind.
fn check_output(folder: &Path) -> Result<(), Failure> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|f| !f.exists()).collect();
    std::fs::create_dir_all(folder).map_err(|e| Failure::unwritable(folder, &e))?;
    let probe = folder.join(format!(".tsclust-{}", std::process::id()));
    let written = std::fs::write(&probe, b"").map_err(|e| Failure::unwritable(folder, &e));
    drop(std::fs::remove_file(&probe));
    for created in missing {
        drop(std::fs::remove_dir(created));
    }
    written
}

/// What the tracking store did not take.
pub(crate) fn undelivered(tracking: &TrackingReport) -> String {
    let reason = tracking.last_error.as_deref().map(|e| format!(" ({e})")).unwrap_or_default();
    format!(
        "{} events kept on disk for later, {} refused, {} lost{reason}",
        tracking.spooled, tracking.rejected, tracking.dropped
    )
}

/// The pipeline beside plainer predictions of the same held-out rows.
pub(crate) fn print_value(value: &ValueReport) -> Result<(), Failure> {
    let measure = value.measure.name();
    say(format!(
        "\n{:<28} {:>7} {:>10} {:>10}  95 % of the difference",
        "held out, against", "rows", "pipeline", "other"
    ))?;
    for rival in &value.rivals {
        let paired = &rival.paired;
        let between = paired.interval.map_or("-".into(), |[a, b]| format!("{a:+.4} to {b:+.4}"));
        let name = format!("{} ({measure})", rival.name);
        say(format!(
            "{name:<28} {:>7} {:>10.4} {:>10.4}  {between}",
            paired.rows, paired.first, paired.second
        ))?;
    }
    for coverage in value.coverage.iter().filter(|coverage| coverage.segment == Covered::All) {
        say(format!(
            "{:.0} % intervals hold {:.1} % of {} held-out rows, mean width {:.4}",
            100.0 * coverage.level,
            100.0 * coverage.share,
            coverage.rows,
            coverage.mean_width
        ))?;
    }
    say(format!("{}\n", value.sentence()))
}

fn print_report(report: &TrainingReport) -> Result<(), Failure> {
    let clustering = &report.clustering;
    let or_dash = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
    say(format!("rows        {} x {} features", report.n_samples, report.n_features))?;
    say(format!(
        "clusters    {}, noise {:.1} % (held out {:.1} %), DBCV {}, silhouette {}",
        clustering.n_clusters,
        100.0 * clustering.noise_ratio,
        100.0 * clustering.holdout_noise_ratio,
        or_dash(clustering.dbcv),
        or_dash(clustering.silhouette)
    ))?;
    if let Some(stability) = &clustering.stability {
        say(format!(
            "stability   adjusted Rand index {:.3} between thirds of the rows, worst {:.3}",
            stability.adjusted_rand(),
            stability.worst_adjusted_rand()
        ))?;
    }
    let served = &report.models.holdout.served;
    let pooled = &report.models.holdout.pooled;
    say(format!("held out    n {}, rmse {}, r2 {}", served.n, or_dash(served.rmse), or_dash(served.r2)))?;
    say(format!("pooled      rmse {}, r2 {}", or_dash(pooled.rmse), or_dash(pooled.r2)))?;
    if let Some(value) = &report.models.value {
        print_value(value)?;
    }
    for resource in &report.resources {
        let scores = &resource.models.holdout.served;
        say(format!("{}\n            rmse {} {}", resource.kind, or_dash(scores.rmse), resource.unit))?;
    }
    for skipped in &report.skipped {
        note(format!("skipped {}: {}", skipped.what, skipped.reason));
    }
    for warning in &report.warnings {
        note(format!("warning: {warning}"));
    }
    for degraded in &report.degraded {
        note(format!("degraded: {} ({})", degraded.message, degraded.code));
    }
    match &report.registered {
        Some(version) => say(format!("registered  {} version {} in Staging", version.name, version.version)),
        None => say("registered  nowhere"),
    }
}
