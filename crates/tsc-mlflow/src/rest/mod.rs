//! An MLflow server behind its REST API.
//!
//! Nothing is resent here: what fails for now stays in the spool and is delivered again, and then
//! everything that creates something looks for it first.

mod artifacts;
mod auth;
mod batch;
mod client;
mod models;
mod runs;
mod silence;
#[cfg(feature = "tls")]
mod tls;
mod versions;
mod wire;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use serde_json::{Value, json};
use tsc_core::{Experiment, ModelVersion, Result, VersionInfo};

use crate::config::MlflowConfig;
use crate::limits::BATCH;
use crate::model_uri::ModelRef;
use crate::op::{NewRun, Op};
use crate::store::{Attempt, Delivery, HeldVersion, Promotion, StoredVersion, TrackingStore};

use crate::error::RestError;

use client::Client;
use wire::{ModelInfo, RunInfo};

/// What a request came to.
type Reply<T> = std::result::Result<T, RestError>;

/// A server; not contacted before the first call.
#[derive(Debug)]
pub(crate) struct RestStore {
    client: Client,
    /// For the registry.
    hurried: Client,
    /// Names under which runs and models of this configuration are found again.
    experiments: [String; 3],
    known: Mutex<Known>,
}

/// Ids the server chose.
#[derive(Debug, Default)]
struct Known {
    experiments: BTreeMap<String, String>,
    runs: BTreeMap<String, KnownRun>,
    models: BTreeMap<String, ModelInfo>,
}

#[derive(Clone, Debug)]
struct KnownRun {
    id: String,
    experiment: String,
    artifacts: String,
}

impl From<RunInfo> for KnownRun {
    fn from(info: RunInfo) -> Self {
        Self { id: info.run_id, experiment: info.experiment_id, artifacts: info.artifact_uri }
    }
}

impl RestStore {
    pub(crate) fn new(address: &str, uri: &str, config: &MlflowConfig) -> Result<Self> {
        let experiments = [Experiment::Training, Experiment::BatchProcessing, Experiment::Retraining]
            .map(|experiment| config.experiment(experiment));
        let client = Client::new(address, uri, config)?;
        Ok(Self { hurried: client.hurried(config), client, experiments, known: Mutex::default() })
    }
}

impl TrackingStore for RestStore {
    fn write_ahead(&self) -> bool {
        true
    }

    fn chunk(&self) -> usize {
        BATCH
    }

    fn is_silent(&self) -> bool {
        self.client.is_silent()
    }

    fn probe(&self) -> Result<()> {
        match self.client.get_plain("/health") {
            // Hosted services have no such page.
            Err(error) if error.status == Some(404) => {
                self.client.post::<Value>("experiments/search", &json!({"max_results": 1}))?;
                Ok(())
            }
            result => Ok(result?),
        }
    }

    fn deliver(&self, run: &NewRun, ops: &[Op], attempt: Attempt) -> Delivery {
        self.deliver_chunk(run, ops, attempt)
    }

    fn create_version(&self, name: &str, model: &ModelRef, info: &VersionInfo, op_key: &str) -> Result<u64> {
        self.register(name, model, info, op_key)
    }

    fn version(&self, name: &str, version: u64) -> Result<Option<StoredVersion>> {
        self.get_version(name, version)
    }

    fn version_of(&self, name: &str, model: &ModelRef) -> Result<Option<ModelVersion>> {
        self.newest_of(name, model)
    }

    fn version_tag(&self, name: &str, version: u64, key: &str) -> Result<Option<String>> {
        self.get_version_tag(name, version, key)
    }

    fn aliased(&self, name: &str, alias: &str) -> Result<Option<ModelVersion>> {
        self.get_alias(name, alias)
    }

    fn staged(&self, name: &str, stage: &str) -> Result<Option<ModelVersion>> {
        self.newest_in_stage(name, stage)
    }

    fn promote(&self, promotion: &Promotion<'_>) -> Result<bool> {
        self.move_to_stage(promotion)
    }

    fn versions(&self, name: &str) -> Result<Vec<HeldVersion>> {
        self.list_versions(name)
    }

    fn delete_version(&self, version: &ModelVersion) -> Result<()> {
        self.remove_version(version)
    }

    fn fetch(&self, model: &ModelRef, into: &Path) -> Result<()> {
        self.download(model, into)
    }
}
