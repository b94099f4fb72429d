//! What the writer and the registry need from a place where runs are kept.

use std::fmt;
use std::path::Path;

use tsc_core::{DeploymentStage, Error, ModelVersion, Result, VersionInfo};

use crate::config::{MlflowConfig, Stages};
use crate::location::{Location, locate};
use crate::model_uri::ModelRef;
use crate::op::{NewRun, Op};

/// Whether operations may have reached the store before.
///
/// A server may answer 503 after it committed, and a killed process does not know what it sent.
/// What creates something is then preceded by a search for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    First,
    Again,
}

/// What became of a chunk of operations.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    /// Operations from the front that are dealt with: stored, or rejected for good.
    pub(crate) done: usize,
    /// Values that the store refused for good, among those done.
    pub(crate) rejected: usize,
    /// Why, for the last of them.
    pub(crate) reason: Option<String>,
    /// Why the rest is not dealt with.
    pub(crate) fault: Option<Error>,
}

impl Delivery {
    pub(crate) fn reject(&mut self, weight: usize, reason: impl fmt::Display) {
        self.rejected += weight;
        self.reason = Some(reason.to_string());
    }
}

/// A registered version as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredVersion {
    pub(crate) version: ModelVersion,
    pub(crate) stage: String,
}

/// A version, and whether an alias names it or it is in a stage that is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeldVersion {
    pub(crate) version: ModelVersion,
    pub(crate) is_held: bool,
}

/// Whether a version in this stage of MLflow is in use.
pub(crate) fn is_in_use(stage: &str) -> bool {
    [DeploymentStage::Staging, DeploymentStage::Production]
        .iter()
        .any(|s| s.name().eq_ignore_ascii_case(stage))
}

/// The embedded database and the REST client.
pub(crate) trait TrackingStore: fmt::Debug + Send + Sync {
    /// Whether what is sent is first written to the spool: true where a process boundary lies between.
    fn write_ahead(&self) -> bool;

    /// Values that are delivered together: one request, or one transaction.
    fn chunk(&self) -> usize;

    /// Whether it has been asked in vain for longer than a caller should wait; costs nothing.
    fn is_silent(&self) -> bool {
        false
    }

    /// Whether the store answers; costs one small request.
    fn probe(&self) -> Result<()>;

    /// Delivers operations of one run, all idempotent under [`Attempt::Again`].
    fn deliver(&self, run: &NewRun, ops: &[Op], attempt: Attempt) -> Delivery;

    /// Registers a logged model as the next version, creating the registered model where it is new.
    fn create_version(&self, name: &str, model: &ModelRef, info: &VersionInfo, op_key: &str) -> Result<u64>;

    /// One version; `None` if there is none.
    fn version(&self, name: &str, version: u64) -> Result<Option<StoredVersion>>;

    /// The newest version that was made of a logged model.
    fn version_of(&self, name: &str, model: &ModelRef) -> Result<Option<ModelVersion>>;

    /// Value of a version's tag.
    fn version_tag(&self, name: &str, version: u64, key: &str) -> Result<Option<String>>;

    /// Version behind an alias.
    fn aliased(&self, name: &str, alias: &str) -> Result<Option<ModelVersion>>;

    /// Newest version in one of MLflow's stages.
    fn staged(&self, name: &str, stage: &str) -> Result<Option<ModelVersion>>;

    /// Sets alias and stage, archives the holder of the stage, writes the tags; whether it has the stage.
    fn promote(&self, promotion: &Promotion<'_>) -> Result<bool>;

    /// All versions of a registered model that are not deleted.
    fn versions(&self, name: &str) -> Result<Vec<HeldVersion>>;

    /// Deletes a version, and its logged model with all files unless another version is made of it.
    ///
    /// What is gone already is no error, so that an interrupted deletion can be repeated.
    fn delete_version(&self, version: &ModelVersion) -> Result<()>;

    /// Copies the files of a logged model.
    fn fetch(&self, model: &ModelRef, into: &Path) -> Result<()>;
}

/// Description of a new registered model.
pub(crate) const ABOUT_MODEL: &str = "One version is one whole pipeline: segmentation, models, fallback and monitor. \
                                      The alias staging or production names the version in use.";

/// A version moves to a stage.
#[derive(Debug)]
pub(crate) struct Promotion<'a> {
    pub(crate) version: &'a ModelVersion,
    pub(crate) stage: DeploymentStage,
    pub(crate) stages: Stages,
    /// Who held the alias before, if another version did.
    pub(crate) previous: Option<u64>,
    /// Who promotes.
    pub(crate) by: &'a str,
    pub(crate) at: i64,
}

/// Tag that says when a version got its stage.
pub(crate) const PROMOTED_AT: &str = "tsc.promoted_at";
/// Tag that names the version which held the stage before.
pub(crate) const PREVIOUS: &str = "tsc.previous_version";
/// Tag that says when a version lost its stage.
pub(crate) const RETIRED_AT: &str = "tsc.retired_at";

/// A time as the tags of versions have it; later times are greater texts.
pub(crate) fn when(at: i64) -> String {
    format!("{} UTC", crate::clock::utc(at))
}

impl Promotion<'_> {
    /// Tags of the promoted version. They come before the alias: a repetition after an interruption
    /// finds in them who held it.
    pub(crate) fn tags(&self) -> Vec<(&'static str, String)> {
        let mut tags = vec![(PROMOTED_AT, when(self.at)), ("tsc.promoted_by", self.by.to_owned())];
        tags.extend(self.previous.map(|previous| (PREVIOUS, previous.to_string())));
        tags
    }
}

/// Opens the store behind a uri; a server is not contacted.
#[cfg_attr(
    not(any(feature = "rest", feature = "sqlite")),
    expect(unused_variables, reason = "without a store nothing is opened")
)]
pub(crate) fn open(uri: Option<&str>, config: &MlflowConfig) -> Result<std::sync::Arc<dyn TrackingStore>> {
    match locate(uri)? {
        #[cfg(feature = "sqlite")]
        Location::Sqlite(path) => {
            let store = match config.degradation {
                tsc_core::Degradation::Strict => crate::sqlite::SqliteStore::open(&path)?,
                _ => crate::sqlite::SqliteStore::open_or_wait(&path)?,
            };
            Ok(std::sync::Arc::new(store))
        }
        #[cfg(feature = "rest")]
        Location::Server(address) => {
            Ok(std::sync::Arc::new(crate::rest::RestStore::new(&address, uri.unwrap_or_default(), config)?))
        }
        #[cfg(not(all(feature = "sqlite", feature = "rest")))]
        _ => Err(crate::error::TrackingError::Uri {
            uri: crate::location::without_credentials(uri.unwrap_or_default()),
            problem: "needs feature `sqlite` (embedded store) or `rest` (server) of tsc-mlflow".into(),
        }
        .into()),
    }
}
