#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod alert;
mod alerts;
mod batch;
mod charts;
mod clusters;
mod detectors;
mod divergence;
mod error;
mod failures;
mod feature_drift;
mod feature_rule;
mod health;
mod history;
mod loss;
mod monitor;
mod notify;
mod params;
mod prometheus;
mod reference;
mod ring;
mod snapshot;
mod state;
pub mod statistics;
#[cfg(test)]
mod tests;
mod threshold;
mod totals;
mod trend;

pub use alerts::{AlertSummary, FiringAlert};
pub use batch::{BatchVerdict, BatchView};
pub use charts::{
    FalseAlarms, Law, ProportionChart, ProportionChartParams, Scheme, cusum_limit, cusum_run_length,
    ewma_limit, ewma_run_length, serial_correlation, variance_inflation,
};
pub use clusters::{
    ClusterBatch, ClusterDrift, ClusterDriftParams, ClusterDriftState, ClusterFinding, ClusterReference,
    ClusterSignal,
};
pub use detectors::{
    Adwin, AdwinParams, AfterDrift, Ddm, DdmParams, Direction, Eddm, EddmParams, Fhddm, FhddmParams, HddmA,
    HddmAParams, HddmW, HddmWParams, Kswin, KswinParams, PageHinkley, PageHinkleyParams,
};
pub use failures::{ErrorRecord, ErrorStats};
pub use feature_rule::{Adjustment, CellCounts, FeatureRule, FeatureVerdict, design_effect};
pub use health::{Component, ComponentHealth, HealthReport};
pub use history::{Metric, MetricPoint, MetricQuery};
pub use loss::{
    EstimatedLoss, JoinReport, JoinedRow, LossEstimator, LossKind, PendingParams, PendingState,
    PendingTargets,
};
pub use monitor::Monitor;
pub use notify::{
    AlertMatcher, ChannelSink, Delivery, JsonLinesSink, LineSink, Notifier, NotifierParams, NotifierState,
    Silence,
};
pub use params::MonitorParams;
pub use prometheus::write_prometheus;
pub use reference::Reference;
pub use snapshot::{
    BatchTotals, ChartSnapshot, DurationHistogram, FeatureSnapshot, LastBatch, MonitorSnapshot, RowTotals,
};
pub use state::MonitorState;
pub use threshold::{AlertThresholds, DriftThresholds, Threshold, Thresholds};
