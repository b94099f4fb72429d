//! Registered models, their versions, aliases and stages.

use serde_json::{Value, json};
use tsc_core::{ModelUri, ModelVersion, Result, VersionInfo};

use crate::config::Stages;
use crate::error::NOT_FOUND;
use crate::model_uri::{self, ModelRef};
use crate::store::{ABOUT_MODEL, HeldVersion, Promotion, RETIRED_AT, StoredVersion, is_in_use, when};

use super::Reply;
use super::RestStore;
use super::wire::{RegisteredAnswer, Version, VersionAnswer, VersionsAnswer, tags};

/// The address that was given out when the model was logged; the server's source is another one.
const LOCAL_URI: &str = "tsc.model_uri";

impl RestStore {
    pub(super) fn register(
        &self,
        name: &str,
        model: &ModelRef,
        info: &VersionInfo,
        op_key: &str,
    ) -> Result<u64> {
        let stored = self.find_model(model)?;
        match self
            .client
            .post::<Value>("registered-models/create", &json!({"name": name, "description": ABOUT_MODEL}))
        {
            Err(error) if !error.has_code("RESOURCE_ALREADY_EXISTS") => return Err(error.into()),
            _ => {}
        }
        let run = match &info.run_id {
            Some(key) => self.find_anywhere(key)?,
            None => stored.source_run_id.clone(),
        };
        let mut own = vec![("tsc.op_key".to_owned(), op_key.to_owned())];
        if let ModelRef::Logged(id) = model {
            own.push((LOCAL_URI.into(), model_uri::logged(id).0));
        }
        own.extend(info.tags.iter().cloned());
        let body = json!({
            "name": name,
            "source": stored.source(),
            "run_id": run,
            "model_id": stored.in_run.is_none().then_some(&stored.model_id),
            "description": info.description,
            "tags": tags(&own),
        });
        match self.hurried.post::<VersionAnswer>("model-versions/create", &body) {
            Ok(answer) => Ok(answer.model_version.version),
            // The answer may have been lost after the version was made.
            Err(error) if error.is_transient() => {
                let filter = format!("name = '{name}' and tags.`tsc.op_key` = '{op_key}'");
                let made =
                    self.search_versions(&filter).ok().and_then(|versions| versions.into_iter().next());
                made.map(|version| version.version).ok_or_else(|| error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Id of a run of any of the three experiments; a key of another tracker is passed on as it is.
    fn find_anywhere(&self, key: &str) -> Result<Option<String>> {
        for experiment in &self.experiments {
            if let Some(known) = self.find(key, experiment)? {
                return Ok(Some(known.id));
            }
        }
        Ok(Some(key.to_owned()))
    }

    fn search_versions(&self, filter: &str) -> Reply<Vec<Version>> {
        let query = [("filter", filter), ("max_results", "1000"), ("order_by", "version_number DESC")];
        Ok(self.hurried.get::<VersionsAnswer>("model-versions/search", &query)?.model_versions)
    }

    pub(super) fn get_version(&self, name: &str, version: u64) -> Result<Option<StoredVersion>> {
        let number = version.to_string();
        match self.hurried.get::<VersionAnswer>("model-versions/get", &[("name", name), ("version", &number)])
        {
            Ok(answer) => Ok(Some(stored(answer.model_version))),
            Err(error) if error.has_code("RESOURCE_DOES_NOT_EXIST") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn newest_of(&self, name: &str, model: &ModelRef) -> Result<Option<ModelVersion>> {
        let source = self.find_model(model)?.source();
        let versions = match self.search_versions(&format!("name = '{name}'")) {
            Err(error) if error.has_code("RESOURCE_DOES_NOT_EXIST") => return Ok(None),
            versions => versions?,
        };
        let newest = versions.into_iter().filter(|v| v.source == source).max_by_key(|v| v.version);
        Ok(newest.map(|version| stored(version).version))
    }

    pub(super) fn get_version_tag(&self, name: &str, version: u64, key: &str) -> Result<Option<String>> {
        let number = version.to_string();
        let query = [("name", name), ("version", number.as_str())];
        let answer = self.hurried.get::<VersionAnswer>("model-versions/get", &query)?;
        Ok(answer.model_version.tags.into_iter().find(|tag| tag.key == key).map(|tag| tag.value))
    }

    pub(super) fn get_alias(&self, name: &str, alias: &str) -> Result<Option<ModelVersion>> {
        match self
            .hurried
            .get::<VersionAnswer>("registered-models/alias", &[("name", name), ("alias", alias)])
        {
            Ok(answer) => Ok(Some(stored(answer.model_version).version)),
            // An unknown alias is an invalid parameter to MLflow, an unknown model a missing resource.
            Err(error)
                if error.has_code("RESOURCE_DOES_NOT_EXIST") || error.has_code("INVALID_PARAMETER_VALUE") =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn newest_in_stage(&self, name: &str, stage: &str) -> Result<Option<ModelVersion>> {
        let versions = self.search_versions(&format!("name = '{name}'"))?;
        let wanted = |v: &Version| stage == "latest" || v.current_stage.eq_ignore_ascii_case(stage);
        let newest = versions.into_iter().filter(wanted).max_by_key(|version| version.version);
        Ok(newest.map(|version| stored(version).version))
    }

    pub(super) fn move_to_stage(&self, promotion: &Promotion<'_>) -> Result<bool> {
        let ModelVersion { name, version, .. } = promotion.version;
        for (key, value) in promotion.tags() {
            self.set_version_tag(name, *version, key, &value)?;
        }
        let number = version.to_string();
        let alias = json!({"name": name, "alias": promotion.stage.alias(), "version": number});
        self.hurried.post::<Value>("registered-models/alias", &alias)?;
        let mut has_stages = promotion.stages == Stages::Compat;
        if has_stages {
            let body = json!({
                "name": name,
                "version": number,
                "stage": promotion.stage.name(),
                "archive_existing_versions": true,
            });
            match self.hurried.post::<Value>("model-versions/transition-stage", &body) {
                // Stages are deprecated; the alias counts.
                Err(error) if !error.is_transient() => {
                    has_stages = false;
                    tracing::warn!(%error, "the server takes no stages, the alias is set");
                }
                result => drop(result?),
            }
        }
        if let Some(previous) = promotion.previous {
            self.set_version_tag(name, previous, RETIRED_AT, &when(promotion.at))?;
        }
        Ok(has_stages)
    }

    fn set_version_tag(&self, name: &str, version: u64, key: &str, value: &str) -> Reply<()> {
        let body = json!({"name": name, "version": version.to_string(), "key": key, "value": value});
        self.hurried.post::<Value>("model-versions/set-tag", &body).map(drop)
    }

    pub(super) fn list_versions(&self, name: &str) -> Result<Vec<HeldVersion>> {
        let named = match self.hurried.get::<RegisteredAnswer>("registered-models/get", &[("name", name)]) {
            Err(error) if error.has_code("RESOURCE_DOES_NOT_EXIST") => return Ok(Vec::new()),
            answer => answer?.registered_model.aliases,
        };
        let versions = self.search_versions(&format!("name = '{name}'"))?;
        let held = |version: Version| {
            let is_named = named.iter().any(|alias| alias.version == version.version);
            let is_held = is_named || is_in_use(&version.current_stage);
            HeldVersion { version: stored(version).version, is_held }
        };
        Ok(versions.into_iter().map(held).collect())
    }

    pub(super) fn remove_version(&self, version: &ModelVersion) -> Result<()> {
        // Files of a run, of which somebody else or MLflow 2 makes versions, are the run's and stay.
        if let Ok(model @ ModelRef::Logged(_)) = ModelRef::parse(&version.source) {
            match self.find_model(&model) {
                Err(error) if error.code() == NOT_FOUND => {}
                info => {
                    let info = info?;
                    let filter = format!("source_path = '{}'", info.source());
                    let is_it = |v: &Version| v.name == version.name && v.version == version.version;
                    if info.in_run.is_none() && self.search_versions(&filter)?.iter().all(is_it) {
                        self.remove_model(&info.model_id)?;
                    }
                }
            }
        }
        let body = json!({"name": version.name, "version": version.version.to_string()});
        Ok(gone(self.hurried.delete("model-versions/delete", &body))?)
    }
}

/// What is not there is deleted.
pub(super) fn gone(result: Reply<()>) -> Reply<()> {
    match result {
        Err(error) if error.status == Some(404) => Ok(()),
        result => result,
    }
}

fn stored(version: Version) -> StoredVersion {
    let local = version.tags.iter().find(|tag| tag.key == LOCAL_URI).map(|tag| tag.value.clone());
    StoredVersion {
        version: ModelVersion {
            name: version.name,
            version: version.version,
            source: ModelUri(local.unwrap_or(version.source)),
        },
        stage: version.current_stage,
    }
}
