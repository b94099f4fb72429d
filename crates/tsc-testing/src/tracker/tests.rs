use std::fmt;

use tsc_core::{ModelUri, NoopTracker, TrackingReport};

use super::*;
use crate::unwinding::must_fail;
use crate::{FailingTracker, MemoryTracker};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    OneId,
    ShortId,
    ParamsChange,
    KeepsNan,
    AnyMetricName,
    AnyPath,
    ModelsWithoutFolder,
    NeverStores,
    Drops,
    StillQueued,
}

#[derive(Debug)]
struct Broken(MemoryTracker, Fault);

#[derive(Debug)]
struct BrokenRun(Box<dyn Run>, Fault);

impl Tracker for Broken {
    fn start_run(&self, experiment: Experiment, name: &str) -> Result<Box<dyn Run>> {
        Ok(Box::new(BrokenRun(self.0.start_run(experiment, name)?, self.1)))
    }

    fn flush(&self, deadline: Duration) -> TrackingReport {
        let mut report = self.0.flush(deadline);
        match self.1 {
            Fault::KeepsNan => report.non_finite = 0,
            Fault::NeverStores => report.sent = 0,
            Fault::Drops => report.dropped = report.sent,
            Fault::StillQueued => report.queued = 1,
            _ => {}
        }
        report
    }
}

impl Run for BrokenRun {
    fn id(&self) -> &str {
        match self.1 {
            Fault::OneId => "0123456789abcdef0123456789abcdef",
            Fault::ShortId => "7",
            _ => self.0.id(),
        }
    }

    fn child(&self, name: &str) -> Result<Box<dyn Run>> {
        Ok(Box::new(BrokenRun(self.0.child(name)?, self.1)))
    }

    fn log_params(&mut self, params: &[(&str, &dyn fmt::Display)]) -> Result<()> {
        let logged = self.0.log_params(params);
        if self.1 == Fault::ParamsChange { Ok(()) } else { logged }
    }

    fn log_metrics(&mut self, step: i64, metrics: &[(&str, f64)]) -> Result<()> {
        let logged = self.0.log_metrics(step, metrics);
        if self.1 == Fault::AnyMetricName { Ok(()) } else { logged }
    }

    fn set_tags(&mut self, tags: &[(&str, &str)]) -> Result<()> {
        self.0.set_tags(tags)
    }

    fn log_artifact(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let logged = self.0.log_artifact(path, bytes);
        if self.1 == Fault::AnyPath { Ok(()) } else { logged }
    }

    fn log_dataset(&mut self, dataset: &DatasetInfo) -> Result<()> {
        self.0.log_dataset(dataset)
    }

    fn log_model(&mut self, name: &str, dir: &Path) -> Result<ModelUri> {
        let logged = self.0.log_model(name, dir);
        if self.1 == Fault::ModelsWithoutFolder { Ok(ModelUri("models:/m-1".into())) } else { logged }
    }

    fn finish(self: Box<Self>, status: RunStatus) -> Result<()> {
        self.0.finish(status)
    }
}

#[test]
fn an_honest_tracker_passes_and_so_does_one_that_keeps_nothing() {
    suite(&MemoryTracker::new());
    suite(&NoopTracker);
    suite(&Broken(MemoryTracker::new(), Fault::None));
}

#[test]
fn each_fault_is_found_and_named() {
    let cases = [
        (Fault::OneId, "every run has its own id"),
        (Fault::ShortId, "a run id has 32 hex digits"),
        (Fault::ParamsChange, "a parameter with another value is refused"),
        (Fault::KeepsNan, "left out and counted"),
        (Fault::AnyMetricName, "a metric with a line break is refused"),
        (Fault::AnyPath, "a path that is not plain and relative is refused"),
        (Fault::ModelsWithoutFolder, "a model without a folder is refused"),
        (Fault::NeverStores, "what was logged is stored"),
        (Fault::Drops, "nothing is dropped"),
        (Fault::StillQueued, "nothing is queued"),
    ];
    for (fault, claim) in cases {
        must_fail(claim, || suite(&Broken(MemoryTracker::new(), fault)));
    }
    must_fail("a run can be started", || suite(&FailingTracker::AtStart));
    must_fail("every run has its own id", || suite(&FailingTracker::AtLog));
}
