use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tsc_core::{
    DatasetInfo, DeploymentStage, Error, ErrorKind, Experiment, ModelRegistry, ModelUri, ModelVersion,
    Result, Run, RunStatus, Stage, Tracker, TrackingReport, VersionInfo, check_path,
};

/// One logged value.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Key such as `holdout/rmse`.
    pub key: String,
    /// Step it was logged at.
    pub step: i64,
    /// The value, finite.
    pub value: f64,
}

/// Everything a run was told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunRecord {
    /// Key of the run.
    pub id: String,
    /// Its experiment.
    pub experiment: Experiment,
    /// Its name.
    pub name: String,
    /// Key of the run above.
    pub parent: Option<String>,
    /// Parameters as text.
    pub params: BTreeMap<String, String>,
    /// Metrics in the order they were logged.
    pub metrics: Vec<Metric>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Files by path.
    pub artifacts: BTreeMap<String, Vec<u8>>,
    /// Data sets.
    pub datasets: Vec<DatasetInfo>,
    /// Logged models by name.
    pub models: BTreeMap<String, ModelUri>,
    /// How it ended; `None` while it goes on.
    pub status: Option<RunStatus>,
}

impl RunRecord {
    /// The newest value of a metric.
    #[must_use]
    pub fn metric(&self, key: &str) -> Option<f64> {
        self.metrics.iter().rfind(|m| m.key == key).map(|m| m.value)
    }
}

#[derive(Debug, Default)]
struct Store {
    runs: Vec<RunRecord>,
    models: BTreeMap<ModelUri, BTreeMap<String, Vec<u8>>>,
    versions: Vec<ModelVersion>,
    deployed: BTreeMap<(String, DeploymentStage), u64>,
    sent: u64,
    non_finite: u64,
}

/// A tracker and registry that keeps everything in memory, to be asked about; clones share the store.
#[derive(Clone, Debug, Default)]
pub struct MemoryTracker(Arc<Mutex<Store>>);

#[derive(Debug)]
struct MemoryRun {
    store: MemoryTracker,
    id: String,
    index: usize,
}

impl MemoryTracker {
    /// Without runs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All runs in the order they were started.
    #[must_use]
    pub fn runs(&self) -> Vec<RunRecord> {
        self.store().runs.clone()
    }

    /// The newest run of a name.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    #[track_caller]
    pub fn run(&self, name: &str) -> RunRecord {
        self.runs().into_iter().rfind(|run| run.name == name).unwrap_or_else(|| panic!("no run named {name}"))
    }

    /// All registered versions in order.
    #[must_use]
    pub fn versions(&self) -> Vec<ModelVersion> {
        self.store().versions.clone()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().expect("no thread panics while it holds the store")
    }

    fn open(&self, experiment: Experiment, name: &str, parent: Option<String>) -> Box<dyn Run> {
        let mut store = self.store();
        let index = store.runs.len();
        let id = format!("{:032x}", index + 1);
        store.sent += 1;
        store.runs.push(RunRecord {
            id: id.clone(),
            experiment,
            name: name.into(),
            parent,
            params: BTreeMap::new(),
            metrics: Vec::new(),
            tags: BTreeMap::new(),
            artifacts: BTreeMap::new(),
            datasets: Vec::new(),
            models: BTreeMap::new(),
            status: None,
        });
        Box::new(MemoryRun { store: self.clone(), id, index })
    }
}

fn fault(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Tracking, Stage::Tracking, "TSC-TST-006", message)
}

fn check_key(key: &str) -> Result<()> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '/' | ':');
    if !key.is_empty() && key.chars().all(plain) {
        Ok(())
    } else {
        Err(fault(format!("malformed key {key}")))
    }
}

impl Tracker for MemoryTracker {
    fn start_run(&self, experiment: Experiment, name: &str) -> Result<Box<dyn Run>> {
        Ok(self.open(experiment, name, None))
    }

    fn flush(&self, _deadline: Duration) -> TrackingReport {
        let store = self.store();
        TrackingReport { sent: store.sent, non_finite: store.non_finite, ..TrackingReport::default() }
    }
}

impl MemoryRun {
    fn with<T>(&self, f: impl FnOnce(&mut RunRecord) -> T) -> T {
        let mut store = self.store.store();
        store.sent += 1;
        f(&mut store.runs[self.index])
    }

    fn end(&self, status: RunStatus) {
        let mut store = self.store.store();
        let mut open = vec![self.id.clone()];
        while let Some(id) = open.pop() {
            let below = store.runs.iter().filter(|run| run.parent.as_ref() == Some(&id));
            open.extend(below.map(|run| run.id.clone()).collect::<Vec<_>>());
            if let Some(run) = store.runs.iter_mut().find(|run| run.id == id) {
                run.status.get_or_insert(status);
            }
        }
    }
}

// A run that was not finished has failed; one that was keeps its status.
impl Drop for MemoryRun {
    fn drop(&mut self) {
        self.end(RunStatus::Failed);
    }
}

impl Run for MemoryRun {
    fn id(&self) -> &str {
        &self.id
    }

    fn child(&self, name: &str) -> Result<Box<dyn Run>> {
        let experiment = self.with(|run| run.experiment);
        Ok(self.store.open(experiment, name, Some(self.id.clone())))
    }

    fn log_params(&mut self, params: &[(&str, &dyn fmt::Display)]) -> Result<()> {
        for (key, value) in params {
            check_key(key)?;
            let value = value.to_string();
            self.with(|run| match run.params.get(*key) {
                Some(before) if *before != value => Err(fault(format!("parameter {key} has another value"))),
                _ => {
                    run.params.insert((*key).into(), value);
                    Ok(())
                }
            })?;
        }
        Ok(())
    }

    fn log_metrics(&mut self, step: i64, metrics: &[(&str, f64)]) -> Result<()> {
        for &(key, value) in metrics {
            check_key(key)?;
            if value.is_finite() {
                self.with(|run| run.metrics.push(Metric { key: key.into(), step, value }));
            } else {
                self.store.store().non_finite += 1;
            }
        }
        Ok(())
    }

    fn set_tags(&mut self, tags: &[(&str, &str)]) -> Result<()> {
        for (key, value) in tags {
            check_key(key)?;
            self.with(|run| run.tags.insert((*key).into(), (*value).into()));
        }
        Ok(())
    }

    fn log_artifact(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        check_path(path).map_err(|e| fault(e.to_string()))?;
        self.with(|run| run.artifacts.insert(path.into(), bytes.to_vec()));
        Ok(())
    }

    fn log_dataset(&mut self, dataset: &DatasetInfo) -> Result<()> {
        self.with(|run| run.datasets.push(dataset.clone()));
        Ok(())
    }

    fn log_model(&mut self, name: &str, dir: &Path) -> Result<ModelUri> {
        let mut files = BTreeMap::new();
        read_folder(dir, "", &mut files).map_err(|e| fault(format!("{}: {e}", dir.display())))?;
        let mut store = self.store.store();
        let uri = ModelUri(format!("models:/m-{:032x}", store.models.len() + 1));
        store.models.insert(uri.clone(), files);
        store.runs[self.index].models.insert(name.into(), uri.clone());
        Ok(uri)
    }

    fn finish(self: Box<Self>, status: RunStatus) -> Result<()> {
        self.end(status);
        Ok(())
    }
}

fn read_folder(dir: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.insert(path, std::fs::read(entry.path())?);
        }
    }
    Ok(())
}

impl ModelRegistry for MemoryTracker {
    fn register(&self, name: &str, model: &ModelUri, _info: &VersionInfo) -> Result<ModelVersion> {
        let mut store = self.store();
        if !store.models.contains_key(model) {
            return Err(fault(format!("no model {model}")));
        }
        let of_name = store.versions.iter().filter(|v| v.name == name);
        let version = 1 + of_name.map(|v| v.version).max().unwrap_or(0);
        let version = ModelVersion { name: name.into(), version, source: model.clone() };
        store.versions.push(version.clone());
        Ok(version)
    }

    fn promote(&self, version: &ModelVersion, stage: DeploymentStage) -> Result<()> {
        let mut store = self.store();
        if !store.versions.contains(version) {
            return Err(fault(format!("no version {} of {}", version.version, version.name)));
        }
        store.deployed.insert((version.name.clone(), stage), version.version);
        Ok(())
    }

    fn latest(&self, name: &str, stage: DeploymentStage) -> Result<Option<ModelVersion>> {
        let store = self.store();
        let deployed = store.deployed.get(&(name.to_owned(), stage));
        Ok(deployed.and_then(|d| store.versions.iter().find(|v| v.name == name && v.version == *d)).cloned())
    }

    fn version(&self, name: &str, number: u64) -> Result<Option<ModelVersion>> {
        Ok(self.store().versions.iter().find(|v| v.name == name && v.version == number).cloned())
    }

    fn prune(&self, name: &str, keep: u64) -> Result<Vec<u64>> {
        let mut store = self.store();
        let newest = store.versions.iter().filter(|v| v.name == name).map(|v| v.version).max().unwrap_or(0);
        let deployed = store.deployed.clone();
        let is_held =
            |v: &ModelVersion| deployed.iter().any(|((of, _), number)| *of == v.name && *number == v.version);
        let is_old = |v: &ModelVersion| v.name == name && v.version + keep <= newest && !is_held(v);
        let deleted = store.versions.iter().filter(|v| is_old(v)).map(|v| v.version).collect();
        store.versions.retain(|v| !is_old(v));
        Ok(deleted)
    }

    fn fetch(&self, model: &ModelUri, into: &Path) -> Result<()> {
        let files =
            self.store().models.get(model).cloned().ok_or_else(|| fault(format!("no model {model}")))?;
        for (path, bytes) in files {
            let path = into.join(path);
            let folder = path.parent().unwrap_or(into);
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(&path, bytes))
                .map_err(|e| fault(format!("{}: {e}", path.display())))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_run_has_failed_and_a_finished_one_ends_its_children() {
        let tracker = MemoryTracker::new();
        drop(tracker.start_run(Experiment::Training, "dropped").unwrap());
        assert_eq!(tracker.run("dropped").status, Some(RunStatus::Failed));

        let parent = tracker.start_run(Experiment::Retraining, "parent").unwrap();
        let child = parent.child("child").unwrap();
        let inner = child.child("inner").unwrap();
        assert_eq!(tracker.run("inner").status, None);
        parent.finish(RunStatus::Finished).unwrap();
        drop((child, inner));
        assert_eq!(tracker.run("inner").status, Some(RunStatus::Finished));
        assert_eq!(tracker.run("child").parent, Some(tracker.run("parent").id));
        assert_eq!(tracker.run("inner").experiment, Experiment::Retraining);
    }
}
