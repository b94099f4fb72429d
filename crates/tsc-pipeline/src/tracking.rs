use std::path::Path;
use std::sync::Arc;

use tsc_core::{
    DatasetInfo, Degradation, Degraded, Error, Experiment, ModelRegistry, ModelUri, ModelVersion,
    NoopTracker, Result, Run, RunStatus, Stage, Timestamp, Tracker, VersionInfo,
};

use crate::clock;
use crate::config::PipelineConfig;
use crate::reports::Timings;

/// Where a description wants its runs.
#[derive(Clone, Debug)]
pub(crate) enum TrackingChoice {
    /// Nowhere.
    Off,
    /// Where `tracking.uri` and the environment say; opened at the fit.
    Configured,
    /// The caller's own.
    Given(Tracking),
}

impl TrackingChoice {
    pub(crate) fn with_tracker(self, tracker: Arc<dyn Tracker>) -> Self {
        let registry = if let Self::Given(given) = self { given.registry } else { None };
        Self::Given(Tracking { tracker, registry, off: false })
    }

    pub(crate) fn with_registry(self, registry: Arc<dyn ModelRegistry>) -> Self {
        let tracker: Arc<dyn Tracker> =
            if let Self::Given(given) = self { given.tracker } else { Arc::new(NoopTracker) };
        Self::Given(Tracking { tracker, registry: Some(registry), off: false })
    }
}

/// An open tracker, and the registry that goes with it.
#[derive(Clone, Debug)]
pub(crate) struct Tracking {
    pub(crate) tracker: Arc<dyn Tracker>,
    pub(crate) registry: Option<Arc<dyn ModelRegistry>>,
    /// Nobody asked for runs, so nothing is prepared for them.
    pub(crate) off: bool,
}

impl Tracking {
    fn off() -> Self {
        Self { tracker: Arc::new(NoopTracker), registry: None, off: true }
    }

    /// Opens what the description chose. A tracker that cannot be opened never stops a tolerant fit.
    pub(crate) fn open(choice: &TrackingChoice, config: &PipelineConfig) -> Result<(Self, Vec<Degraded>)> {
        match choice {
            TrackingChoice::Off => Ok((Self::off(), Vec::new())),
            TrackingChoice::Given(given) => Ok((given.clone(), Vec::new())),
            TrackingChoice::Configured => match open_configured(config) {
                Ok(tracking) => Ok((tracking, Vec::new())),
                Err(error)
                    if error.kind() == tsc_core::ErrorKind::InvalidConfig
                        || config.degradation.mode == Degradation::Strict =>
                {
                    Err(error)
                }
                Err(error) => Ok((Self::off(), vec![Degraded::from(&error)])),
            },
        }
    }
}

#[cfg(feature = "mlflow")]
fn open_configured(config: &PipelineConfig) -> Result<Tracking> {
    let Some(mlflow) = mlflow_config(config)? else { return Ok(Tracking::off()) };
    let tracker = tsc_mlflow::MlflowTracker::open(&mlflow)?;
    Ok(Tracking { tracker: Arc::new(tracker.clone()), registry: Some(Arc::new(tracker)), off: false })
}

/// The store that the configuration and the environment name; `None` for `tracking.uri = "off"`.
#[cfg(feature = "mlflow")]
pub(crate) fn mlflow_config(config: &PipelineConfig) -> Result<Option<tsc_mlflow::MlflowConfig>> {
    let uri = config.tracking.uri.clone().or_else(|| std::env::var("MLFLOW_TRACKING_URI").ok());
    if uri.as_deref() == Some("off") {
        return Ok(None);
    }
    let mut mlflow = tsc_mlflow::MlflowConfig::from_env()?;
    mlflow.uri = uri;
    // MLFLOW_EXPERIMENT_NAME stands in for a name that the configuration leaves at its default.
    if config.experiment_name != PipelineConfig::default().experiment_name {
        mlflow.experiment_name.clone_from(&config.experiment_name);
    }
    mlflow.model_registry_prefix.clone_from(&config.model_registry_prefix);
    mlflow.hospital_profile_id.clone_from(&config.hospital_profile_id);
    mlflow.degradation = config.degradation.mode;
    Ok(Some(mlflow))
}

/// Where runs would go, in words, and whether a server there answers; writes nothing.
///
/// # Errors
///
/// `InvalidConfig` for an address that cannot be used; `Tracking` if the store does not answer.
#[cfg(feature = "mlflow")]
pub fn tracking_status(config: &PipelineConfig) -> Result<String> {
    match mlflow_config(config)? {
        None => Ok("off".into()),
        Some(mlflow) if mlflow.uri.as_deref().is_some_and(|uri| uri.starts_with("http")) => {
            let tracker = tsc_mlflow::MlflowTracker::open(&mlflow)?;
            let staged = tracker.latest(&mlflow.registered_model(), tsc_core::DeploymentStage::Staging)?;
            Ok(staged.map_or("the server answers, nothing in Staging".into(), |v| {
                format!("the server answers, version {} in Staging", v.version)
            }))
        }
        Some(mlflow) => Ok(mlflow.uri.unwrap_or_else(|| "sqlite:///mlflow.db".into())),
    }
}

/// Sends what earlier processes left in the spool of the working folder, at most until `deadline`.
///
/// `None` where tracking is off.
///
/// # Errors
///
/// `InvalidConfig` for an address that cannot be used; `Tracking` if an embedded store cannot be opened.
#[cfg(feature = "mlflow")]
pub fn replay_tracking(
    config: &PipelineConfig,
    deadline: std::time::Duration,
) -> Result<Option<tsc_core::TrackingReport>> {
    let Some(mlflow) = mlflow_config(config)? else { return Ok(None) };
    Ok(Some(tsc_mlflow::MlflowTracker::open(&mlflow)?.replay(deadline)))
}

/// Nothing is spooled by this build.
///
/// # Errors
///
/// `InvalidConfig` for an address that this build cannot use.
#[cfg(not(feature = "mlflow"))]
pub fn replay_tracking(
    config: &PipelineConfig,
    _deadline: std::time::Duration,
) -> Result<Option<tsc_core::TrackingReport>> {
    open_configured(config).map(|_| None)
}

/// Where runs would go, in words.
///
/// # Errors
///
/// `InvalidConfig` for an address that this build cannot use.
#[cfg(not(feature = "mlflow"))]
pub fn tracking_status(config: &PipelineConfig) -> Result<String> {
    open_configured(config).map(|_| "off: this build has no feature mlflow".into())
}

#[cfg(not(feature = "mlflow"))]
fn open_configured(config: &PipelineConfig) -> Result<Tracking> {
    match &config.tracking.uri {
        None => Ok(Tracking::off()),
        Some(uri) if uri == "off" => Ok(Tracking::off()),
        Some(uri) => Err(Error::new(
            tsc_core::ErrorKind::InvalidConfig,
            Stage::Tracking,
            "TSC-CFG-005",
            format!("tracking.uri is {uri:?}, but this build has no feature mlflow"),
        )
        .with_help("build with the feature, or set tracking.uri to \"off\"")),
    }
}

/// Names of the children of `Pipeline`, in order.
pub(crate) const CHILDREN: [&str; 6] =
    ["Preprocessing", "HDBSCAN", "kNN-Fallback", "TimeSeries-LGB", "Resource-LGB", "Performance-Report"];

/// The run tree of a fit: a parent and six children, all finished with one status.
#[derive(Debug)]
pub(crate) struct FitRuns {
    started: Timestamp,
    parent: Option<Box<dyn Run>>,
    children: Vec<Option<Box<dyn Run>>>,
    pub(crate) degraded: Vec<Degraded>,
}

impl FitRuns {
    pub(crate) fn open(tracking: &Tracking, experiment: Experiment, config: &PipelineConfig) -> Self {
        let mut runs =
            Self { started: clock::now(), parent: None, children: Vec::new(), degraded: Vec::new() };
        if tracking.off {
            return runs;
        }
        match tracking.tracker.start_run(experiment, "Pipeline") {
            Ok(parent) => {
                runs.parent = Some(parent);
                // Not before the parent's own start, or the first child would begin before it.
                runs.started = clock::now();
            }
            Err(error) => runs.degraded.push(Degraded::from(&error)),
        }
        let params = flat_params(config);
        runs.parent(|run| tag_origin(run, experiment, config));
        runs.parent(|run| {
            for chunk in params.chunks(90) {
                let chunk: Vec<(&str, &dyn std::fmt::Display)> = chunk
                    .iter()
                    .map(|(key, value)| (key.as_str(), value as &dyn std::fmt::Display))
                    .collect();
                run.log_params(&chunk)?;
            }
            Ok(())
        });
        runs
    }

    /// Opens the children: each where its stage ran by `timings`, the report's now.
    pub(crate) fn open_children(&mut self, timings: &Timings) {
        if !self.children.is_empty() {
            return;
        }
        let mut start = self.started;
        let clustering = timings.clustering + timings.stability;
        let seconds =
            [timings.preprocessing, clustering, timings.fallback, timings.models, timings.resources];
        for (slot, name) in CHILDREN.iter().enumerate() {
            let child = self.parent.as_ref().map(|parent| match seconds.get(slot) {
                Some(seconds) => {
                    let end = Timestamp(start.0.saturating_add((seconds * 1000.0) as i64));
                    parent.child_during(name, std::mem::replace(&mut start, end), end)
                }
                None => parent.child(name),
            });
            self.children.push(match child.transpose() {
                Ok(child) => child,
                Err(error) => {
                    self.degraded.push(Degraded::from(&error));
                    None
                }
            });
        }
    }

    pub(crate) fn are_kept(&self) -> bool {
        self.parent.is_some()
    }

    /// Key of the parent run; `None` when nothing keeps runs.
    pub(crate) fn id(&self) -> Option<String> {
        self.parent.as_ref().map(|run| run.id().to_owned())
    }

    pub(crate) fn parent(&mut self, write: impl FnOnce(&mut dyn Run) -> Result<()>) {
        if let Some(run) = self.parent.as_deref_mut()
            && let Err(error) = write(run)
        {
            self.degraded.push(Degraded::from(&error));
        }
    }

    /// Writes to the child of this name.
    pub(crate) fn child(&mut self, name: &str, write: impl FnOnce(&mut dyn Run) -> Result<()>) {
        let Some(slot) = CHILDREN.iter().position(|child| *child == name) else {
            unreachable!("{name} is one of the six children")
        };
        if let Some(Some(run)) = self.children.get_mut(slot)
            && let run = run.as_mut()
            && let Err(error) = write(run)
        {
            self.degraded.push(Degraded::from(&error));
        }
    }

    /// Stores the folder as a logged model of the parent.
    pub(crate) fn log_model(&mut self, name: &str, dir: &Path) -> Option<ModelUri> {
        match self.parent.as_deref_mut()?.log_model(name, dir) {
            Ok(uri) => Some(uri),
            Err(error) => {
                self.degraded.push(Degraded::from(&error));
                None
            }
        }
    }

    /// Registers the logged model as the next version of the pipeline, and puts it into its stage.
    pub(crate) fn register(
        &mut self,
        tracking: &Tracking,
        config: &PipelineConfig,
        uri: &ModelUri,
        description: &str,
        tags: Vec<(String, String)>,
        stage: tsc_core::DeploymentStage,
    ) -> Option<ModelVersion> {
        let registry = tracking.registry.as_ref()?;
        let run_id = self.id();
        let info = VersionInfo { description: description.into(), run_id, tags };
        let name = registered_model(config);
        let result = attempt(config, || registry.register(&name, uri, &info))
            .and_then(|version| attempt(config, || registry.promote(&version, stage)).map(|()| version));
        match result {
            Ok(version) => {
                if let Some(keep) = config.tracking.keep_versions
                    && let Err(error) = attempt(config, || registry.prune(&name, keep))
                {
                    self.degraded.push(Degraded::from(&error));
                }
                Some(version)
            }
            Err(error) => {
                let mut degraded = Degraded::from(&error);
                if error.is_transient() && registry.register_later(&name, uri, &info, stage).unwrap_or(false)
                {
                    degraded.message += "; the version is registered when the store answers again";
                }
                self.degraded.push(degraded);
                None
            }
        }
    }

    pub(crate) fn finish(self, status: RunStatus) -> Vec<Degraded> {
        let mut degraded = self.degraded;
        for run in self.children.into_iter().flatten().chain(self.parent) {
            if let Err(error) = run.finish(status) {
                degraded.push(Degraded::from(&error));
            }
        }
        degraded
    }

    /// Ends every run as failed, with the error on the parent.
    pub(crate) fn fail(mut self, error: &Error) {
        let text = format!("{}: {error}", error.code());
        let stage = match error.stage() {
            Stage::Preprocessing | Stage::Scaling | Stage::Input => "Preprocessing",
            Stage::Clustering => "HDBSCAN",
            Stage::Fallback => "kNN-Fallback",
            Stage::ResourceModel => "Resource-LGB",
            Stage::Report | Stage::Monitoring => "Performance-Report",
            _ => "TimeSeries-LGB",
        };
        self.open_children(&Timings::default());
        self.parent(|run| run.set_tags(&[("tsc.error", &text)]));
        self.child(stage, |run| run.set_tags(&[("tsc.error", &text)]));
        self.finish(RunStatus::Failed);
    }
}

/// Tags that say which part of a process wrote a run, for whom, and with which configuration.
pub(crate) fn tag_origin(run: &mut dyn Run, experiment: Experiment, config: &PipelineConfig) -> Result<()> {
    let phase = experiment.suffix().trim_start_matches('-').to_lowercase();
    let hash = crate::bundle::sha256(config.to_json().as_bytes());
    run.set_tags(&[("tsc.phase", &phase), ("tsc.config_sha256", &hash)])?;
    config.hospital_profile_id.as_ref().map_or(Ok(()), |id| run.set_tags(&[("tsc.hospital_profile_id", id)]))
}

/// Tries again what failed for a reason that may go away, `degradation.max_attempts` times in all.
fn attempt<T>(config: &PipelineConfig, mut work: impl FnMut() -> Result<T>) -> Result<T> {
    let mut tries = 1;
    loop {
        match work() {
            Err(error) if error.is_transient() && tries < config.degradation.max_attempts => tries += 1,
            result => return result,
        }
    }
}

/// `<prefix>-Pipeline`, followed by the hospital where one is set.
pub(crate) fn registered_model(config: &PipelineConfig) -> String {
    let hospital = config.hospital_profile_id.as_ref().map(|id| format!("-{id}")).unwrap_or_default();
    format!("{}-Pipeline{hospital}", config.model_registry_prefix)
}

pub(crate) fn dataset(
    name: &str,
    context: &str,
    schema: &tsc_core::Schema,
    batch: &tsc_core::Batch<'_>,
) -> DatasetInfo {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    hash.update(schema.hash().as_bytes());
    for value in batch.values() {
        hash.update(value.to_bits().to_le_bytes());
    }
    let digest: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let groups = batch.groups().map(|g| g.iter().collect::<std::collections::BTreeSet<_>>().len() as u64);
    DatasetInfo {
        name: name.into(),
        digest,
        context: context.into(),
        columns: schema.names().map(str::to_owned).collect(),
        rows: batch.n_samples() as u64,
        groups,
    }
}

/// Every key of a configuration with its value, as run parameters.
pub(crate) fn flat_params(config: &impl serde::Serialize) -> Vec<(String, String)> {
    fn walk(path: &str, value: &serde_json::Value, out: &mut Vec<(String, String)>) {
        match value {
            serde_json::Value::Object(table) => {
                for (key, item) in table {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(&below, item, out);
                }
            }
            serde_json::Value::Null => {}
            serde_json::Value::String(text) => out.push((path.into(), text.clone())),
            other => out.push((path.into(), other.to_string())),
        }
    }
    let mut out = Vec::new();
    walk("", &serde_json::to_value(config).unwrap_or_default(), &mut out);
    out.retain(|(_, value)| value.len() <= 500);
    out
}
