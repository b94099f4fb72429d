use std::path::Path;

use serde_json::json;
use tsc_pipeline::Pipeline;

use super::config;
use crate::Outcome;
use crate::failure::{INTERNAL, say};

#[derive(Debug)]
struct Check {
    name: &'static str,
    value: String,
    ok: bool,
    cure: String,
}

/// Checks what a run depends on; exit code 1 if a check fails.
pub(crate) fn doctor(model: Option<&Path>, file: Option<&Path>, as_json: bool) -> Outcome {
    let mut checks = vec![
        passed("version", env!("CARGO_PKG_VERSION").into()),
        passed(
            "threads",
            std::thread::available_parallelism().map_or_else(|e| e.to_string(), |n| n.to_string()),
        ),
        passed("build features", features().join(", ")),
    ];
    match config(file) {
        Ok(config) => {
            checks.push(passed("configuration", file.map_or("defaults".into(), |f| f.display().to_string())));
            checks.push(tracking(&config));
        }
        Err(failure) => {
            let (value, cure) = failure.message_and_help();
            checks.push(Check { name: "configuration", value, ok: false, cure });
        }
    }
    if let Some(model) = model {
        checks.push(match Pipeline::load(model) {
            Ok(fitted) => passed(
                "bundle",
                format!("version {}, {} clusters", fitted.models().version(), fitted.models().n_clusters()),
            ),
            Err(error) => Check {
                name: "bundle",
                value: error.to_string(),
                ok: false,
                cure: error.help().unwrap_or_default().into(),
            },
        });
    }
    let healthy = checks.iter().all(|c| c.ok);
    if as_json {
        let rows: Vec<_> = checks
            .iter()
            .map(|c| json!({"check": c.name, "value": c.value, "ok": c.ok, "cure": c.cure}))
            .collect();
        say(json!({"schema": "tsclust/doctor/1", "healthy": healthy, "checks": rows}))?;
    } else {
        for check in &checks {
            let verdict = if check.ok { "ok  " } else { "FAIL" };
            let indent = format!("\n{:21}", "");
            say(format!("{verdict} {:<15} {}", check.name, check.value.replace('\n', &indent)))?;
            if !check.ok {
                say(format!("{:20} cure: {}", "", check.cure))?;
            }
        }
    }
    Ok(if healthy { 0 } else { INTERNAL })
}

fn passed(name: &'static str, value: String) -> Check {
    Check { name, value, ok: true, cure: String::new() }
}

fn features() -> Vec<&'static str> {
    let all = [
        ("lightgbm", cfg!(feature = "lightgbm")),
        ("linear", cfg!(feature = "linear")),
        ("mlflow", cfg!(feature = "mlflow")),
        ("report", cfg!(feature = "report")),
    ];
    all.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect()
}

fn tracking(config: &tsc_pipeline::PipelineConfig) -> Check {
    match tsc_pipeline::tracking_status(config) {
        Ok(status) => passed("tracking", status),
        Err(error) => Check {
            name: "tracking",
            value: error.to_string(),
            ok: false,
            cure: error.help().unwrap_or("check tracking.uri and MLFLOW_TRACKING_URI").into(),
        },
    }
}
