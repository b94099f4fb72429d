use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tsc_core::{
    DatasetInfo, Experiment, ModelUri, Result, Run, RunStatus, Timestamp, Tracker, TrackingReport,
};

type Counts = Arc<Mutex<BTreeMap<&'static str, u64>>>;

/// Passes every call on to another tracker and counts it; clones share the counts.
#[derive(Clone, Debug)]
pub struct CountingTracker<T> {
    inner: T,
    counts: Counts,
}

#[derive(Debug)]
struct CountingRun {
    inner: Box<dyn Run>,
    counts: Counts,
}

impl<T> CountingTracker<T> {
    /// Counts the calls to `inner`.
    #[must_use]
    pub fn new(inner: T) -> Self {
        Self { inner, counts: Counts::default() }
    }

    /// Calls by method, such as `log_metrics`; methods that were not called are absent.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().expect("no thread panics while it counts").clone()
    }

    /// Calls of one method.
    #[must_use]
    pub fn count(&self, method: &str) -> u64 {
        self.counts().get(method).copied().unwrap_or(0)
    }
}

fn count(counts: &Counts, method: &'static str) {
    *counts.lock().expect("no thread panics while it counts").entry(method).or_default() += 1;
}

#[deny(clippy::missing_trait_methods)]
impl<T: Tracker> Tracker for CountingTracker<T> {
    fn start_run(&self, experiment: Experiment, name: &str) -> Result<Box<dyn Run>> {
        count(&self.counts, "start_run");
        let inner = self.inner.start_run(experiment, name)?;
        Ok(Box::new(CountingRun { inner, counts: self.counts.clone() }))
    }

    fn flush(&self, deadline: Duration) -> TrackingReport {
        count(&self.counts, "flush");
        self.inner.flush(deadline)
    }

    fn view_command(&self) -> Option<String> {
        self.inner.view_command()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Run for CountingRun {
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn child(&self, name: &str) -> Result<Box<dyn Run>> {
        count(&self.counts, "child");
        Ok(Box::new(CountingRun { inner: self.inner.child(name)?, counts: self.counts.clone() }))
    }

    fn child_during(&self, name: &str, start: Timestamp, end: Timestamp) -> Result<Box<dyn Run>> {
        count(&self.counts, "child");
        let inner = self.inner.child_during(name, start, end)?;
        Ok(Box::new(CountingRun { inner, counts: self.counts.clone() }))
    }

    fn log_params(&mut self, params: &[(&str, &dyn fmt::Display)]) -> Result<()> {
        count(&self.counts, "log_params");
        self.inner.log_params(params)
    }

    fn log_metrics(&mut self, step: i64, metrics: &[(&str, f64)]) -> Result<()> {
        count(&self.counts, "log_metrics");
        self.inner.log_metrics(step, metrics)
    }

    fn set_tags(&mut self, tags: &[(&str, &str)]) -> Result<()> {
        count(&self.counts, "set_tags");
        self.inner.set_tags(tags)
    }

    fn log_artifact(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        count(&self.counts, "log_artifact");
        self.inner.log_artifact(path, bytes)
    }

    fn log_dataset(&mut self, dataset: &DatasetInfo) -> Result<()> {
        count(&self.counts, "log_dataset");
        self.inner.log_dataset(dataset)
    }

    fn log_model(&mut self, name: &str, dir: &Path) -> Result<ModelUri> {
        count(&self.counts, "log_model");
        self.inner.log_model(name, dir)
    }

    fn finish(self: Box<Self>, status: RunStatus) -> Result<()> {
        count(&self.counts, "finish");
        self.inner.finish(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryTracker;

    #[test]
    fn calls_are_counted_and_passed_on() {
        let memory = MemoryTracker::new();
        let tracker = CountingTracker::new(memory.clone());
        let mut run = tracker.start_run(Experiment::Training, "Pipeline").unwrap();
        run.log_metrics(0, &[("rmse", 1.0)]).unwrap();
        run.child("HDBSCAN").unwrap().log_metrics(1, &[("rmse", 2.0)]).unwrap();
        run.finish(RunStatus::Finished).unwrap();
        assert_eq!((tracker.count("log_metrics"), tracker.count("child"), tracker.count("flush")), (2, 1, 0));
        assert_eq!(memory.runs().len(), 2);
        crate::tracker::suite(&tracker);
    }
}
