//! Logged models.

use std::path::Path;

use serde_json::{Value, json};
use tsc_core::Result;

use crate::counters::lock;
use crate::error::TrackingError;
use crate::model_uri::ModelRef;
use crate::op::{NewModel, NewRun};
use crate::packaging::{self, Identity};
use crate::store::Attempt;
use crate::wire_values;

use super::Reply;
use super::versions::gone;
use super::wire::{ModelAnswer, ModelInfo, ModelsAnswer, RunsAnswer, StoredRun, tags};
use super::{KnownRun, RestStore};

impl RestStore {
    pub(super) fn log_model(
        &self,
        run: &NewRun,
        known: &KnownRun,
        model: &NewModel,
        attempt: Attempt,
    ) -> Result<()> {
        let found = match attempt {
            Attempt::First => Ok(None),
            Attempt::Again => self.search_model(&model.id, std::slice::from_ref(&known.experiment)),
        };
        let made = found.and_then(|found| match found {
            Some(info) => Ok(info),
            None => self.create_model(run, known, model),
        });
        let info = match made {
            Err(error) if error.is_unknown_request() => return self.log_in_run(known, model),
            info => info?,
        };
        let uploaded = self.upload_model(known, model, &info);
        let ready = uploaded.as_ref().map_or("LOGGED_MODEL_UPLOAD_FAILED", |()| "LOGGED_MODEL_READY");
        if uploaded.as_ref().is_err_and(tsc_core::Error::is_transient) {
            return uploaded;
        }
        let body = json!({"model_id": info.model_id, "status": ready});
        self.client.patch(&format!("logged-models/{}", info.model_id), &body)?;
        uploaded?;
        self.attach_output(known, &info)?;
        lock(&self.known).models.insert(model.id.clone(), info);
        Ok(())
    }

    /// MLflow 2 has no logged models: a model is a folder among the files of its run, which a tag names.
    fn log_in_run(&self, known: &KnownRun, model: &NewModel) -> Result<()> {
        let info = in_run(known, &model.id, &model.name);
        self.upload_model(known, model, &info)?;
        let tag = json!({"run_id": known.id, "key": model_tag(&model.id), "value": model.name});
        self.client.post::<Value>("runs/set-tag", &tag)?;
        lock(&self.known).models.insert(model.id.clone(), info);
        Ok(())
    }

    fn search_in_runs(&self, id: &str, experiments: &[String]) -> Reply<Option<ModelInfo>> {
        let key = model_tag(id);
        let body = json!({
            "experiment_ids": experiments,
            "filter": format!("tags.`{key}` LIKE '%'"),
            "max_results": 1,
        });
        let answer: RunsAnswer = self.client.post("runs/search", &body)?;
        let info = |run: StoredRun| {
            let name = run.data.tags.into_iter().find(|tag| tag.key == key)?.value;
            Some(in_run(&run.info.into(), id, &name))
        };
        Ok(answer.runs.into_iter().next().and_then(info))
    }

    fn create_model(&self, run: &NewRun, known: &KnownRun, model: &NewModel) -> Reply<ModelInfo> {
        let own = wire_values::model_tags(run, model);
        let body = json!({
            "experiment_id": known.experiment,
            "name": model.name,
            "source_run_id": known.id,
            "tags": tags(&own),
        });
        let answer: ModelAnswer = self.client.post("logged-models", &body)?;
        Ok(answer.model.info)
    }

    fn upload_model(&self, known: &KnownRun, model: &NewModel, info: &ModelInfo) -> Result<()> {
        let identity = Identity {
            model_id: &info.model_id,
            run_id: &known.id,
            artifact_path: &info.artifact_uri,
            at: model.at,
        };
        for (path, content) in &model.files {
            let bytes = content.read()?;
            self.upload(&info.artifact_uri, path, &packaging::with_identity(path, &bytes, &identity))?;
        }
        Ok(())
    }

    fn attach_output(&self, known: &KnownRun, info: &ModelInfo) -> Result<()> {
        let body = json!({"run_id": known.id, "models": [{"model_id": info.model_id, "step": 0}]});
        match self.client.post::<Value>("runs/outputs", &body) {
            // A repeat answers with the database's own words and means that it is there already.
            Err(error) if error.status == Some(400) && error.message.contains("UNIQUE") => Ok(()),
            result => Ok(result.map(drop)?),
        }
    }

    fn search_model(&self, local: &str, experiments: &[String]) -> Reply<Option<ModelInfo>> {
        let body = json!({
            "experiment_ids": experiments,
            "filter": format!("tags.`tsc.op_key` = '{local}'"),
            "max_results": 1,
        });
        let answer: ModelsAnswer = self.client.post("logged-models/search", &body)?;
        Ok(answer.models.into_iter().next().map(|model| model.info))
    }

    /// A logged model by the id that was given out when it was logged, or by the server's own.
    pub(super) fn find_model(&self, model: &ModelRef) -> Result<ModelInfo> {
        let ModelRef::Logged(id) = model else {
            return Err(TrackingError::NotFound("only a logged model has files".into()).into());
        };
        if let Some(info) = lock(&self.known).models.get(id) {
            return Ok(info.clone());
        }
        let has_models = match self.client.get::<ModelAnswer>(&format!("logged-models/{id}"), &[]) {
            Ok(answer) => return Ok(answer.model.info),
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => !error.is_unknown_request(),
        };
        let mut experiments = Vec::new();
        for name in &self.experiments {
            experiments.extend(self.known_experiment(name)?);
        }
        let found = match (experiments.is_empty(), has_models) {
            (true, _) => None,
            (false, true) => self.search_model(id, &experiments)?,
            (false, false) => self.search_in_runs(id, &experiments)?,
        };
        let missing = || TrackingError::NotFound(format!("logged model {id} is not on the server"));
        let info = found.ok_or_else(missing)?;
        lock(&self.known).models.insert(id.clone(), info.clone());
        Ok(info)
    }

    pub(super) fn download(&self, model: &ModelRef, into: &Path) -> Result<()> {
        let info = self.find_model(model)?;
        self.download_all(&info.artifact_uri, into)
    }
    /// Deletes a logged model, its files first: a model that is gone would not lead to them.
    pub(super) fn remove_model(&self, id: &str) -> Result<()> {
        let path = format!("logged-models/{id}");
        let info = match self.client.get::<ModelAnswer>(&path, &[]) {
            Err(error) if error.status == Some(404) => return Ok(()),
            answer => answer?.model.info,
        };
        self.remove_files(&info.artifact_uri, id)?;
        gone(self.client.delete(&path, &json!({"model_id": id})))?;
        lock(&self.known).models.retain(|_, known| known.model_id != id);
        Ok(())
    }
}

/// Tag of a run that says where among its files a model lies.
fn model_tag(id: &str) -> String {
    format!("tsc.model.{id}")
}

fn in_run(run: &KnownRun, id: &str, name: &str) -> ModelInfo {
    ModelInfo {
        model_id: id.to_owned(),
        artifact_uri: format!("{}/{name}", run.artifacts),
        source_run_id: Some(run.id.clone()),
        in_run: Some(format!("runs:/{}/{name}", run.id)),
    }
}
