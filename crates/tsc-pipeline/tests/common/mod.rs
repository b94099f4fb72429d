//! Configurations and pipelines that the test programs share.
#![allow(dead_code, unused_imports, reason = "each test program uses a part")]

use std::sync::{Arc, Mutex};

use tsc_pipeline::core::Event;
use tsc_pipeline::prelude::*;
pub(crate) use tsc_testing::Cohort;
use tsc_testing::MemoryTracker;

pub(crate) const WIDTH: usize = Cohort::WIDTH;

/// Linear models, clusters of at least 15, nothing tracked unless a test says so.
pub(crate) fn config() -> PipelineConfig {
    config_with("")
}

pub(crate) fn config_with(more: &str) -> PipelineConfig {
    PipelineConfig::from_toml(&format!(
        "noise_threshold = 0.25\nbatch_size = 100\nexpanding_window_size = 2000\n{more}\n\
         [tracking]\nuri = \"off\"\n[models]\nbackend = \"linear\"\n\
         [hdbscan_params]\nmin_cluster_size = 15\nmin_samples = 5\n"
    ))
    .unwrap()
}

/// The configured stages with a tracker that keeps everything in memory.
pub(crate) fn tracked(config: &PipelineConfig, tracker: &MemoryTracker) -> Pipeline {
    Pipeline::from_config(config).unwrap().with_tracking(tracker.clone(), tracker.clone())
}

pub(crate) fn fitted() -> FittedPipeline {
    Pipeline::from_config(&config()).unwrap().fit_initial(&Cohort::new(450, 1).batch()).unwrap().0
}

/// Collects the names of events.
pub(crate) fn recorder() -> (Arc<Mutex<Vec<&'static str>>>, impl FnMut(&Event<'_>) + Send + 'static) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    (seen, move |event: &Event<'_>| sink.lock().unwrap().push(event.name()))
}
