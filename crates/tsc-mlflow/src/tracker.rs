use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tsc_core::{Experiment, Result, Run, Stage, Tracker, TrackingReport, all_valid};

use crate::clock;
use crate::config::MlflowConfig;
use crate::counters::{Counters, lock};
use crate::error::TrackingError;
use crate::inbox::Inbox;
use crate::key;
use crate::limits;
use crate::location::{self, Location};
use crate::op::NewRun;
use crate::run::MlflowRun;
use crate::spool::Spool;
use crate::store::{self, TrackingStore};
use crate::writer::{FIRST_RUN, Writer};

/// Runs and versions in MLflow: an embedded database, or a server behind its REST API.
///
/// Cheap to clone; all clones are one tracker. Log calls check and stamp what they are given and
/// put it into a queue; one thread delivers it. What a server cannot take now waits in the spool on
/// disk and is sent when the server answers again, at the latest by the next process.
///
/// Dropping the last clone (and the last run) waits up to `timeouts.finish` for the rest.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tsc_mlflow::{Experiment, MlflowConfig, MlflowTracker, RunStatus, Tracker};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let uri = format!("sqlite:///{}/mlflow.db", folder.path().display());
/// let tracker = MlflowTracker::open(&MlflowConfig { uri: Some(uri), ..MlflowConfig::default() })?;
/// let mut run = tracker.start_run(Experiment::Training, "Pipeline")?;
/// run.log_metrics(0, &[("noise_ratio", 0.25), ("silhouette_score", f64::NAN)])?;
/// run.finish(RunStatus::Finished)?;
/// let report = tracker.flush(Duration::from_secs(5));
/// assert_eq!((report.queued, report.non_finite), (0, 1));
/// assert!(!report.is_degraded());
/// # Ok::<(), tsc_mlflow::Error>(())
/// ```
#[derive(Clone)]
#[doc(alias = "ExperimentManager")]
#[doc(alias = "ArtifactManager")]
pub struct MlflowTracker {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: MlflowConfig,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) store: Arc<dyn TrackingStore>,
    pub(crate) registry: Arc<dyn TrackingStore>,
    writer: Mutex<Option<JoinHandle<()>>>,
    next_run: AtomicU64,
    pub(crate) user: String,
    source: String,
    view: String,
}

impl fmt::Debug for MlflowTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MlflowTracker").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl MlflowTracker {
    /// Opens or creates the embedded store, or gets ready for a server without contacting it.
    ///
    /// What an earlier process left in the spool is delivered in the background.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if a value or a uri cannot be used; the message names both kinds of uri.
    /// `Tracking` if the embedded store cannot be opened or created.
    pub fn open(config: &MlflowConfig) -> Result<Self> {
        all_valid(&config.violations(), Stage::Tracking, "TSC-TRK-003")?;
        let mut config = config.clone();
        if config.uri.as_deref() == Some("databricks") {
            config.uri = Some(databricks(std::env::var("DATABRICKS_HOST").ok())?);
        }
        let uri = absolute_uri(config.uri.as_deref())?;
        let store = store::open(uri.as_deref(), &config)?;
        let registry_uri = config.registry_uri.as_deref().map(Some).map(absolute_uri).transpose()?.flatten();
        let registry = match &registry_uri {
            Some(other) if registry_uri != uri => store::open(Some(other), &config)?,
            _ => Arc::clone(&store),
        };
        let target = location::without_credentials(uri.as_deref().unwrap_or_default());
        let folder = config.spool.clone().unwrap_or_else(|| PathBuf::from(".tsc/spool"));
        let spool = Spool::new(&location::absolute(&folder)?, &target, config.spool_bytes);
        let inbox = Arc::new(Inbox::new(config.queue));
        let counters = Arc::new(Counters::default());
        let (own_inbox, own_counters) = (Arc::clone(&inbox), Arc::clone(&counters));
        let (own_store, own_registry) = (Arc::clone(&store), Arc::clone(&registry));
        let writer = Writer::new(own_inbox, own_counters, own_store, own_registry, spool, &config);
        let thread = std::thread::Builder::new()
            .name("tsc-mlflow".into())
            .spawn(move || writer.run())
            .map_err(|e| TrackingError::NotStored(format!("no thread for tracking: {e}")))?;
        config.uri = uri;
        config.registry_uri = registry_uri;
        let view = view_command(config.uri.as_deref())?;
        let inner = Inner {
            config,
            inbox,
            counters,
            store,
            registry,
            writer: Mutex::new(Some(thread)),
            next_run: AtomicU64::new(FIRST_RUN),
            user: user(),
            source: source(),
            view,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The configuration with its uris made absolute.
    #[must_use]
    pub fn config(&self) -> &MlflowConfig {
        &self.inner.config
    }

    /// Sends what is in the spool, of this process and of those that are gone, at most until `deadline`.
    ///
    /// A server that was given up for a while is tried at once.
    pub fn replay(&self, deadline: Duration) -> TrackingReport {
        self.inner.inbox.flush(clock::instant() + deadline, true);
        self.inner.report()
    }
}

impl Tracker for MlflowTracker {
    fn start_run(&self, experiment: Experiment, name: &str) -> Result<Box<dyn Run>> {
        let inner = &self.inner;
        let parent = inner.config.parent_run.as_deref();
        let run = inner.describe(&inner.config.experiment(experiment), note(experiment), parent, name)?;
        Ok(Box::new(MlflowRun::start(Arc::clone(inner), run, None)))
    }

    fn flush(&self, deadline: Duration) -> TrackingReport {
        self.inner.inbox.flush(clock::instant() + deadline, false);
        self.inner.report()
    }

    fn view_command(&self) -> Option<String> {
        Some(self.inner.view.clone())
    }
}

impl Inner {
    pub(crate) fn next_run(&self) -> u64 {
        self.next_run.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn report(&self) -> TrackingReport {
        self.counters.report(self.inbox.queued())
    }

    pub(crate) fn describe(
        &self,
        experiment: &str,
        note: &str,
        parent: Option<&str>,
        name: &str,
    ) -> Result<NewRun> {
        limits::check_run_name(name)?;
        Ok(NewRun {
            key: key::random(),
            experiment: experiment.into(),
            note: note.into(),
            parent: parent.map(Into::into),
            name: name.into(),
            start_time: clock::now_ms(),
            user: self.user.clone(),
            source: self.source.clone(),
        })
    }

    /// Waits, and fails if something is not in the store.
    pub(crate) fn all_stored(&self, wait: Duration) -> Result<()> {
        self.inbox.flush(clock::instant() + wait, false);
        let report = self.report();
        if report.queued == 0 && !report.is_degraded() {
            return Ok(());
        }
        let reason = report.last_error.unwrap_or_else(|| format!("not done within {} ms", wait.as_millis()));
        Err(TrackingError::NotStored(format!(
            "{} values queued, {} spooled, {} rejected, {} dropped: {reason}",
            report.queued, report.spooled, report.rejected, report.dropped
        ))
        .into())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let wait = Duration::from_millis(self.config.timeouts.finish.0);
        let ended = self.inbox.close(clock::instant() + wait);
        // A request that hangs is left behind: what it carries is in the spool.
        if let (true, Some(thread)) = (ended, lock(&self.writer).take()) {
            // The writer has nothing to return; a panic there has already been printed.
            drop(thread.join());
        }
    }
}

/// The workspace that MLflow's word `databricks` stands for.
fn databricks(host: Option<String>) -> Result<String> {
    host.filter(|host| host.starts_with("https://")).ok_or_else(|| {
        let problem = "needs DATABRICKS_HOST, the https:// address of the workspace, and DATABRICKS_TOKEN";
        TrackingError::Uri { uri: "databricks".into(), problem: problem.into() }.into()
    })
}

/// The same uri with an absolute path, so that a later change of folder changes nothing.
fn absolute_uri(uri: Option<&str>) -> Result<Option<String>> {
    match location::locate(uri)? {
        #[cfg(feature = "sqlite")]
        Location::Sqlite(path) => Ok(Some(location::sqlite_uri(&location::absolute(&path)?))),
        #[cfg(not(feature = "sqlite"))]
        Location::Sqlite(_) => Ok(uri.map(Into::into)),
        Location::Server(_) => Ok(uri.map(Into::into)),
    }
}

fn view_command(uri: Option<&str>) -> Result<String> {
    Ok(match location::locate(uri)? {
        Location::Sqlite(path) => {
            let uri = format!("sqlite:///{}", path.display());
            let plain = uri.chars().all(|c| c.is_ascii_alphanumeric() || "/:._-+".contains(c));
            let uri = if plain { uri } else { format!("'{}'", uri.replace('\'', r"'\''")) };
            // Without the variable MLflow starts 11 processes with 2 GB.
            let variable = if cfg!(windows) { "" } else { "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false " };
            format!("{variable}mlflow ui --workers 1 --backend-store-uri {uri}")
        }
        Location::Server(address) => format!("python3 -m webbrowser {address}"),
    })
}

pub(crate) fn user() -> String {
    ["MLFLOW_TRACKING_USERNAME", "USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .or_else(account)
        .unwrap_or_else(|| "unknown".into())
}

/// Name of the account, where the environment does not tell it: in containers and services.
#[cfg(unix)]
fn account() -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let id = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    })
}

#[cfg(not(unix))]
fn account() -> Option<String> {
    None
}

fn source() -> String {
    let path = std::env::current_exe().ok();
    let name = path.as_deref().and_then(std::path::Path::file_name).and_then(|name| name.to_str());
    name.unwrap_or("tsc").to_owned()
}

fn note(experiment: Experiment) -> &'static str {
    match experiment {
        Experiment::Training => {
            "First fits: each Pipeline run holds the configuration, headline metrics, report and packaged \
             model; its child runs hold the stages."
        }
        Experiment::BatchProcessing => {
            "Scored batches: one Pipeline run per scoring process, the step of its metrics is the batch number."
        }
        Experiment::Retraining => {
            "Refits: tags say what triggered them and whether the challenger was promoted."
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_databricks_stands_for_the_workspace_that_the_environment_names() {
        let host = "https://dbc.example".to_owned();
        assert_eq!(databricks(Some(host.clone())).unwrap(), host);
        for none in [None, Some(String::new()), Some("http://dbc.example".to_owned())] {
            let error = databricks(none).unwrap_err();
            assert!(
                error.to_string().contains("DATABRICKS_HOST") && error.code() == "TSC-TRK-002",
                "{error}"
            );
        }
    }
}
