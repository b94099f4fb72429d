#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod data;
mod error;
mod html;
mod markdown;
mod plot;
mod report;
mod summary;
mod text;

pub use data::{
    Absent, ClusterScores, ClusterSize, ClusterSummary, Compared, CoverageRow, DataFindings, ModelScores,
    Rejection, ReportData, Retrain, Setting, Skipped, Value,
};
pub use plot::{
    Branch, ClusterMap, CondensedTree, Importance, NoiseTrend, Plot, Principal, Style, principal_axes,
};
pub use report::{NamedPlot, Report};
pub use tsc_core::{Error, Result};
