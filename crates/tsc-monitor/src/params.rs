use serde::{Deserialize, Serialize};
use tsc_core::{Millis, Violation};

use crate::{AlertThresholds, DriftThresholds, Threshold, Thresholds};

// Far beyond any use; keeps a typing error from taking all memory.
const MAX_HISTORY: usize = 1_000_000;

/// What the monitor watches for and how much it remembers.
///
/// # Examples
///
/// ```
/// use tsc_monitor::{MonitorParams, Threshold};
/// let params = MonitorParams::default().resolve(0.5);
/// let noise = params.alert_thresholds.noise_ratio.unwrap();
/// assert_eq!(noise, Threshold::Levels { warning: 0.4, critical: 0.5 });
/// assert_eq!(params.resolve(0.9), params);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitorParams {
    /// Limits of single batches.
    pub alert_thresholds: AlertThresholds,
    /// Smallest effects that count as drift.
    pub drift_thresholds: DriftThresholds,
    /// Batches that health looks back on; default 50. More forgive an old failure later.
    pub health_window: usize,
    /// Shortest interval between batches that staleness is measured against; default 5 minutes. Longer
    /// calls a silent feed stale later.
    pub health_interval: Millis,
    /// Batches whose metrics are kept; default 1,000.
    pub metric_history: usize,
    /// Alert events kept; default 1,024.
    pub alert_history: usize,
    /// Errors kept; default 1,000.
    pub error_history: usize,
    /// Batch keys by which the pipeline recognises a repeated delivery; default 1,000.
    pub batch_history: usize,
}

impl Default for MonitorParams {
    fn default() -> Self {
        Self {
            alert_thresholds: AlertThresholds::default(),
            drift_thresholds: DriftThresholds::default(),
            health_window: 50,
            health_interval: Millis(300_000),
            metric_history: 1_000,
            alert_history: 1_024,
            error_history: 1_000,
            batch_history: 1_000,
        }
    }
}

impl MonitorParams {
    /// Every broken rule, with key paths below this table.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = self.thresholds().check();
        let sizes = [
            ("health_window", self.health_window),
            ("metric_history", self.metric_history),
            ("alert_history", self.alert_history),
            ("error_history", self.error_history),
            ("batch_history", self.batch_history),
        ];
        for (path, size) in sizes {
            if size == 0 || size > MAX_HISTORY {
                found.push(Violation::new(path, format!("is {size}, must lie in 1..={MAX_HISTORY}")));
            }
        }
        if self.health_interval.0 == 0 {
            found.push(Violation::new("health_interval", "is 0ms, must be at least 1ms"));
        }
        found
    }

    /// Fills an unset noise alert: warning at 0.8, critical at 1 times the pipeline's `noise_threshold`.
    #[must_use]
    pub fn resolve(&self, noise_threshold: f64) -> Self {
        let mut params = self.clone();
        params
            .alert_thresholds
            .noise_ratio
            .get_or_insert(Threshold::Levels { warning: 0.8 * noise_threshold, critical: noise_threshold });
        params
    }

    /// Both tables of thresholds.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        Thresholds { alert_thresholds: self.alert_thresholds, drift_thresholds: self.drift_thresholds }
    }
}
