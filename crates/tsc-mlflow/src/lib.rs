#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(any(feature = "rest", feature = "sqlite")),
    allow(dead_code, unused_imports, reason = "without a store only configuration and packages are left")
)]

mod breaker;
mod clock;
mod config;
mod counters;
mod deployment;
mod deployments;
mod error;
mod inbox;
mod key;
mod limits;
mod location;
mod machine;
mod metric_keys;
mod model_uri;
mod op;
pub mod packaging;
mod registry;
#[cfg(feature = "rest")]
mod rest;
mod run;
mod spool;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod tracker;
mod wire_values;
mod writer;

pub use config::{MlflowConfig, NonFinite, Retries, Stages, Timeouts};
pub use error::RestError;
pub use tracker::MlflowTracker;
pub use tsc_core::{
    DatasetInfo, Degradation, DeploymentStage, Error, ErrorKind, Experiment, ModelRegistry, ModelUri,
    ModelVersion, Result, Run, RunStatus, Tracker, TrackingReport, VersionInfo,
};
