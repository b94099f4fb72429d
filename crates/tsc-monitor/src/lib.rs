#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod alert;
mod alerts;
mod batch;
mod divergence;
mod error;
mod failures;
mod feature_drift;
mod health;
mod history;
mod monitor;
mod params;
mod reference;
mod ring;
mod state;
#[cfg(test)]
mod tests;
mod threshold;
mod trend;

pub use alerts::{AlertSummary, FiringAlert};
pub use batch::{BatchVerdict, BatchView};
pub use failures::{ErrorRecord, ErrorStats};
pub use health::{Component, ComponentHealth, HealthReport};
pub use history::{Metric, MetricPoint, MetricQuery};
pub use monitor::Monitor;
pub use params::MonitorParams;
pub use reference::Reference;
pub use state::MonitorState;
pub use threshold::{AlertThresholds, DriftThresholds, Threshold, Thresholds};
