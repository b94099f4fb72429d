use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::config;
use crate::Outcome;
use crate::failure::{TRACKING, note, say};

/// Sends what could not be delivered; exit code 5 while something is left.
pub(crate) fn replay(file: Option<&Path>, wait: u32, as_json: bool) -> Outcome {
    let config = config(file)?;
    let report = tsc_pipeline::replay_tracking(&config, Duration::from_secs(wait.into()))?;
    let is_on = report.is_some();
    let report = report.unwrap_or_default();
    let (sent, left) = (report.sent + report.replayed, report.queued + report.spooled);
    if as_json {
        say(json!({
            "schema": "tsclust/replay/1", "tracking": is_on, "sent": sent, "left": left,
            "rejected": report.rejected, "lost": report.dropped, "last_error": report.last_error,
        }))?;
    } else if is_on {
        say(format!(
            "{sent} sent, {left} left, {} refused by the store, {} lost",
            report.rejected, report.dropped
        ))?;
        if let Some(reason) = report.last_error {
            note(format!("last fault: {reason}"));
        }
    } else {
        say("tracking is off, nothing is kept")?;
    }
    Ok(if left > 0 { TRACKING } else { 0 })
}
