//! A registration that waits for the registry to answer.

use serde::{Deserialize, Serialize};
use tsc_core::{DeploymentStage, ModelUri, Result, VersionInfo};

use crate::config::Stages;
use crate::key;
use crate::model_uri::ModelRef;
use crate::registry::{promoted, registered};
use crate::store::{PROMOTED_AT, TrackingStore, when};

/// A logged model that is to become a version in a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) name: String,
    pub(crate) model: String,
    pub(crate) description: String,
    pub(crate) run_id: Option<String>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) stage: DeploymentStage,
    /// When it was to be done.
    pub(crate) at: i64,
}

impl Deployment {
    /// The same for every attempt to register one model under one name.
    pub(crate) fn key(&self) -> String {
        key::sha256(format!("{}\n{}", self.name, self.model).as_bytes())[..32].to_owned()
    }

    /// Registers the model unless it is a version already, and promotes it unless a later one has been.
    pub(crate) fn carry_out(&self, registry: &dyn TrackingStore, stages: Stages, by: &str) -> Result<()> {
        let uri = ModelUri(self.model.clone());
        let model = ModelRef::parse(&uri)?;
        let version = match registry.version_of(&self.name, &model)? {
            Some(version) => version,
            None => {
                let info = VersionInfo {
                    description: self.description.clone(),
                    run_id: self.run_id.clone(),
                    tags: self.tags.clone(),
                };
                registered(registry, &self.name, &uri, &info)?
            }
        };
        if let Some(holder) = registry.aliased(&self.name, self.stage.alias())? {
            let since = registry.version_tag(&self.name, holder.version, PROMOTED_AT)?;
            if since.is_some_and(|since| since > when(self.at)) {
                tracing::info!(name = %self.name, version = version.version, "a later version holds the stage");
                return Ok(());
            }
        }
        promoted(registry, stages, by, &version, self.stage)
    }
}
