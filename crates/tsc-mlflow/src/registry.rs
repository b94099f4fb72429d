use std::path::Path;
use std::time::Duration;

use tsc_core::{DeploymentStage, Error, ModelRegistry, ModelUri, ModelVersion, Result, VersionInfo};

use crate::clock;
use crate::config::Stages;
use crate::deployment::Deployment;
use crate::error::{NOT_FOUND, TrackingError};
use crate::inbox::{Entry, Room};
use crate::key;
use crate::limits::check_registered_name;
use crate::model_uri::ModelRef;
use crate::store::{Promotion, TrackingStore};
use crate::tracker::MlflowTracker;

/// Registry calls go to the store on the caller's thread, after everything queued is delivered.
impl ModelRegistry for MlflowTracker {
    fn register(&self, name: &str, model: &ModelUri, info: &VersionInfo) -> Result<ModelVersion> {
        check_registered_name(name)?;
        ModelRef::parse(model)?;
        self.deliver_queued();
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
        promoted(&*self.inner.registry, self.inner.config.stages, version, stage)
    }

    fn latest(&self, name: &str, stage: DeploymentStage) -> Result<Option<ModelVersion>> {
        check_registered_name(name)?;
        held(&*self.inner.registry, name, stage)
    }

    fn version(&self, name: &str, number: u64) -> Result<Option<ModelVersion>> {
        check_registered_name(name)?;
        Ok(self.inner.registry.version(name, number)?.map(|stored| stored.version))
    }

    fn fetch(&self, model: &ModelUri, into: &Path) -> Result<()> {
        let inner = &self.inner;
        let model = ModelRef::parse(model)?;
        self.deliver_queued();
        let missing = |what: String| TrackingError::NotFound(what);
        let source = match &model {
            ModelRef::Logged(_) => return inner.store.fetch(&model, into),
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
}

impl MlflowTracker {
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
        let wait = Duration::from_millis(self.inner.config.timeouts.request.0);
        self.inner.inbox.flush(clock::instant() + wait, false);
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

/// Moves a version to a stage and reads that back.
pub(crate) fn promoted(
    registry: &dyn TrackingStore,
    stages: Stages,
    version: &ModelVersion,
    stage: DeploymentStage,
) -> Result<()> {
    if registry.version(&version.name, version.version)?.is_none() {
        return Err(TrackingError::NotFound(format!(
            "registered model {:?} has no version {}",
            version.name, version.version
        ))
        .into());
    }
    let previous = held(registry, &version.name, stage)?.map(|held| held.version);
    registry.promote(&Promotion { version, stage, stages, previous, at: clock::now_ms() })?;
    let holder = registry.aliased(&version.name, stage.alias())?.map(|held| held.version);
    if holder == Some(version.version) {
        return Ok(());
    }
    Err(TrackingError::NotReadBack(format!(
        "version {} of {:?} was promoted to {}, its alias reads back as {holder:?}",
        version.version,
        version.name,
        stage.name()
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
