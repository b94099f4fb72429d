use std::path::Path;
use std::time::Duration;

use tsc_core::{DeploymentStage, Error, ModelRegistry, ModelUri, ModelVersion, Result, VersionInfo};

use crate::clock;
use crate::config::Stages;
use crate::deployment::Deployment;
use crate::error::{NOT_FOUND, RestError, TrackingError};
use crate::inbox::{Entry, Room};
use crate::key;
use crate::limits::check_registered_name;
use crate::model_uri::ModelRef;
use crate::store::{PREVIOUS, PROMOTED_AT, Promotion, RETIRED_AT, StoredVersion, TrackingStore};
use crate::tracker::MlflowTracker;

/// Registry calls go to the store on the caller's thread, after everything queued is delivered.
impl ModelRegistry for MlflowTracker {
    fn register(&self, name: &str, model: &ModelUri, info: &VersionInfo) -> Result<ModelVersion> {
        check_registered_name(name)?;
        ModelRef::parse(model)?;
        self.deliver_queued();
        self.reachable()?;
        registered(&*self.inner.registry, name, model, info).map_err(|error| self.not_yet(model, error))
    }

    fn register_later(
        &self,
        name: &str,
        model: &ModelUri,
        info: &VersionInfo,
        stage: DeploymentStage,
    ) -> Result<bool> {
        check_registered_name(name)?;
        ModelRef::parse(model)?;
        let deployment = Deployment {
            name: name.into(),
            model: model.0.clone(),
            description: info.description.clone(),
            run_id: info.run_id.clone(),
            tags: info.tags.clone(),
            stage,
            at: clock::now_ms(),
        };
        Ok(self.inner.inbox.push(Entry::Deploy(Box::new(deployment)), 1, Room::Lifecycle))
    }

    fn promote(&self, version: &ModelVersion, stage: DeploymentStage) -> Result<()> {
        check_registered_name(&version.name)?;
        self.deliver_queued();
        let inner = &self.inner;
        self.patiently(|| promoted(&*inner.registry, inner.config.stages, &inner.user, version, stage))
    }

    fn latest(&self, name: &str, stage: DeploymentStage) -> Result<Option<ModelVersion>> {
        check_registered_name(name)?;
        self.patiently(|| held(&*self.inner.registry, name, stage))
    }

    fn version(&self, name: &str, number: u64) -> Result<Option<ModelVersion>> {
        check_registered_name(name)?;
        self.patiently(|| Ok(self.inner.registry.version(name, number)?.map(|stored| stored.version)))
    }

    fn prune(&self, name: &str, keep: u64) -> Result<Vec<u64>> {
        check_registered_name(name)?;
        self.deliver_queued();
        let registry = &self.inner.registry;
        let mut versions = self.patiently(|| registry.versions(name))?;
        versions.sort_by_key(|held| std::cmp::Reverse(held.version.version));
        let mut deleted = Vec::new();
        for held in versions
            .into_iter()
            .skip(usize::try_from(keep).unwrap_or(usize::MAX))
            .filter(|held| !held.is_held)
        {
            self.patiently(|| registry.delete_version(&held.version))?;
            deleted.push(held.version.version);
        }
        Ok(deleted)
    }

    fn fetch(&self, model: &ModelUri, into: &Path) -> Result<()> {
        let model = ModelRef::parse(model)?;
        self.deliver_queued();
        self.patiently(|| self.copy(&model, into))
    }
}

impl MlflowTracker {
    fn copy(&self, model: &ModelRef, into: &Path) -> Result<()> {
        let inner = &self.inner;
        let missing = |what: String| TrackingError::NotFound(what);
        let source = match model {
            ModelRef::Logged(_) => return inner.store.fetch(model, into),
            ModelRef::Version(name, number) => inner
                .registry
                .version(name, *number)?
                .map(|stored| stored.version)
                .ok_or_else(|| missing(format!("registered model {name:?} has no version {number}")))?,
            ModelRef::Alias(name, alias) => inner
                .registry
                .aliased(name, alias)?
                .ok_or_else(|| missing(format!("registered model {name:?} has no alias {alias:?}")))?,
            ModelRef::Stage(name, stage) => inner
                .registry
                .staged(name, stage)?
                .ok_or_else(|| missing(format!("registered model {name:?} has no version in {stage:?}")))?,
        };
        inner.store.fetch(&ModelRef::parse(&source.source)?, into)
    }

    /// Asks again while a server says that it is busy, within `timeouts.finish`; for what may be repeated.
    fn patiently<T>(&self, ask: impl Fn() -> Result<T>) -> Result<T> {
        let config = &self.inner.config;
        let until = clock::instant() + Duration::from_millis(config.timeouts.finish.0);
        let mut failures = 0;
        loop {
            self.reachable()?;
            let error = match ask() {
                Err(error) if RestError::of(&error).is_some_and(RestError::is_busy) => error,
                result => return result,
            };
            let pause = config.retries.pause(failures, Some(&error));
            if failures >= config.retries.max || clock::instant() + pause > until {
                return Err(error);
            }
            failures += 1;
            std::thread::sleep(pause);
        }
    }

    /// A model that is not there while something waits may be what waits.
    fn not_yet(&self, model: &ModelUri, error: Error) -> Error {
        let report = self.inner.report();
        let waiting = report.queued + report.spooled;
        if error.code() != NOT_FOUND || waiting == 0 {
            return error;
        }
        let reason = report.last_error.map(|error| format!(": {error}")).unwrap_or_default();
        let text = format!("{model} is not stored yet, {waiting} values wait{reason}");
        Error::from(TrackingError::NotStored(text)).transient()
    }

    /// A model that is still queued cannot be registered; what cannot be delivered is not an error here.
    fn deliver_queued(&self) {
        let inner = &self.inner;
        let wait = Duration::from_millis(inner.config.timeouts.request.0);
        inner.inbox.flush_unless(clock::instant() + wait, || inner.store.is_silent());
    }

    /// An error at once while the server does not answer anybody.
    fn reachable(&self) -> Result<()> {
        if !self.inner.registry.is_silent() {
            return Ok(());
        }
        let text = "the server has been asked and does not answer".to_owned();
        Err(Error::from(TrackingError::NotStored(text)).transient())
    }
}

/// Registers a model as the next version and reads it back.
pub(crate) fn registered(
    registry: &dyn TrackingStore,
    name: &str,
    model: &ModelUri,
    info: &VersionInfo,
) -> Result<ModelVersion> {
    let number = registry.create_version(name, &ModelRef::parse(model)?, info, &key::random())?;
    let found = registry.version(name, number)?.map(|stored| stored.version);
    match found {
        Some(version) if version.source == *model => Ok(version),
        Some(version) => Err(TrackingError::NotReadBack(format!(
            "version {number} of {name:?} was registered from {model} and reads back as {}",
            version.source
        ))
        .into()),
        None => Err(TrackingError::NotReadBack(format!(
            "version {number} of {name:?} was registered and cannot be read back"
        ))
        .into()),
    }
}

/// Moves a version to a stage and reads alias and stage back; once it is there, nothing more is written.
pub(crate) fn promoted(
    registry: &dyn TrackingStore,
    stages: Stages,
    by: &str,
    version: &ModelVersion,
    stage: DeploymentStage,
) -> Result<()> {
    let (name, number) = (&version.name, version.version);
    let missing = || TrackingError::NotFound(format!("registered model {name:?} has no version {number}"));
    let stored = registry.version(name, number)?.ok_or_else(missing)?;
    let alias = || registry.aliased(name, stage.alias()).map(|held| held.map(|held| held.version));
    let has_stage = |stored: &StoredVersion| stored.stage.eq_ignore_ascii_case(stage.name());
    let tag = |number, key| registry.version_tag(name, number, key);
    let previous = if alias()? == Some(number) {
        let noted = tag(number, PREVIOUS)?.and_then(|text| text.parse().ok());
        // The one before may have been deleted since.
        let noted = match noted {
            Some(previous) if registry.version(name, previous)?.is_some() => Some(previous),
            _ => None,
        };
        // An interrupted promotion has set the alias and not yet all that belongs to it.
        let since = tag(number, PROMOTED_AT)?;
        let is_retired = match noted {
            Some(previous) => tag(previous, RETIRED_AT)? >= since,
            None => true,
        };
        if since.is_some() && is_retired && (stages == Stages::Off || has_stage(&stored)) {
            return Ok(());
        }
        noted
    } else {
        held(registry, name, stage)?.map(|held| held.version).filter(|held| *held != number)
    };
    let has_stages =
        registry.promote(&Promotion { version, stage, stages, previous, by, at: clock::now_ms() })?;
    let holder = alias()?;
    let found = registry.version(name, number)?.ok_or_else(missing)?;
    if holder == Some(number) && (!has_stages || has_stage(&found)) {
        return Ok(());
    }
    Err(TrackingError::NotReadBack(format!(
        "version {number} of {name:?} was promoted to {}, its alias reads back as {holder:?} and its stage as {}",
        stage.name(),
        found.stage
    ))
    .into())
}

/// The version in a stage, by alias, else by MLflow's own stage.
fn held(registry: &dyn TrackingStore, name: &str, stage: DeploymentStage) -> Result<Option<ModelVersion>> {
    match registry.aliased(name, stage.alias())? {
        Some(version) => Ok(Some(version)),
        None => registry.staged(name, stage.name()),
    }
}
