#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod clusters;
mod error;
mod gate;
mod params;
mod policy;
mod queue;
mod window;

pub use clusters::{ClusterMatching, MatchedClusters, adjusted_rand, match_clusters};
pub use gate::{
    ClusterComparison, ComparedMetric, DieboldMariano, Direction, Gate, GateDecision, GateOutcome,
    GateReason, Holdout, Interval, LossTest, LossTestMethod, MetricComparison, Scored, SegmentComparison,
    Verdict, VersionComparison, diebold_mariano,
};
pub use params::{GateParams, RetrainMode, RetrainParams};
pub use policy::{AnyOf, Every, NoiseThreshold};
pub use queue::{Admission, QueueState, QueueStatistics, TriggerQueue};
pub use tsc_core::{RetrainOutcome, RetrainPolicy, Signals, Trigger, Vote};
pub use window::Window;
