//! Logged models: rows and files.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use tsc_core::Result;

use crate::clock;
use crate::error::TrackingError;
use crate::key;
use crate::op::{NewModel, NewRun};
use crate::packaging::{self, Identity};
use crate::wire_values;

use super::SqliteStore;
use super::runs::{experiment_of, write_file};

const READY: i64 = 2;

impl SqliteStore {
    /// Writes the files, then the rows that make them a model.
    pub(super) fn insert_model(&self, tx: &Transaction<'_>, run: &NewRun, model: &NewModel) -> Result<()> {
        let failed = self.failed("storing a logged model");
        let experiment = experiment_of(tx, run).map_err(&failed)?;
        let location: Option<String> = tx
            .query_row(
                "SELECT artifact_location FROM experiments WHERE experiment_id = ?1",
                [experiment],
                |row| row.get(0),
            )
            .map_err(&failed)?;
        let root = location.and_then(|text| wire_values::local_path(&text)).ok_or_else(|| {
            let problem =
                format!("used with an artifact location of experiment {experiment} that is no path");
            TrackingError::Database { path: self.path.clone(), problem }
        })?;
        let folder: PathBuf = root.join("models").join(&model.id).join("artifacts");
        let folder_text = folder.to_string_lossy().into_owned();
        let identity =
            Identity { model_id: &model.id, run_id: &run.key, artifact_path: &folder_text, at: model.at };
        for (path, content) in &model.files {
            let bytes = content.read()?;
            write_file(&folder.join(path), &packaging::with_identity(path, &bytes, &identity))?;
        }
        tx.execute(
            "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, \
             creation_timestamp_ms, last_updated_timestamp_ms, status, lifecycle_stage, model_type, \
             source_run_id) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, 'active', '', ?7) ON CONFLICT DO NOTHING",
            params![model.id, experiment, model.name, folder_text, model.at, READY, run.key],
        )
        .map_err(&failed)?;
        for (tag, value) in wire_values::model_tags(run, model) {
            tx.execute(
                "INSERT INTO logged_model_tags (model_id, experiment_id, tag_key, tag_value) \
                 VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                params![model.id, experiment, tag, value],
            )
            .map_err(&failed)?;
        }
        tx.execute(
            "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id, step) \
             VALUES (?1, 'RUN_OUTPUT', ?2, 'MODEL_OUTPUT', ?3, 0) ON CONFLICT DO NOTHING",
            [&key::random(), &run.key, &model.id],
        )
        .map_err(&failed)?;
        Ok(())
    }
}

/// Folder of a logged model's files.
pub(super) fn location(db: &Connection, id: &str) -> rusqlite::Result<Option<String>> {
    db.query_row(
        "SELECT artifact_location FROM logged_models WHERE model_id = ?1 AND lifecycle_stage = 'active'",
        [id],
        |row| row.get(0),
    )
    .optional()
}

/// Marks a logged model as deleted, as MLflow does.
pub(super) fn delete(tx: &Transaction<'_>, id: &str) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE logged_models SET lifecycle_stage = 'deleted', last_updated_timestamp_ms = ?2 \
         WHERE model_id = ?1 AND lifecycle_stage = 'active'",
        params![id, clock::now_ms()],
    )
    .map(drop)
}

/// Folder of a deleted model's files, if it is a folder of this machine and the model's own.
pub(super) fn files_of_deleted(tx: &Transaction<'_>, id: &str) -> rusqlite::Result<Option<PathBuf>> {
    let place: Option<String> = tx
        .query_row("SELECT artifact_location FROM logged_models WHERE model_id = ?1", [id], |row| row.get(0))
        .optional()?;
    Ok(place
        .filter(|place| packaging::is_of_model(place, id))
        .and_then(|place| wire_values::local_path(&place)))
}

/// Writes into the model which versions are made of it, as MLflow's server does: its pages read that.
pub(super) fn note_version(tx: &Transaction<'_>, id: &str, name: &str, version: u64) -> rusqlite::Result<()> {
    const KEY: &str = "mlflow.modelVersions";
    let old: Option<String> = tx
        .query_row(
            "SELECT tag_value FROM logged_model_tags WHERE model_id = ?1 AND tag_key = ?2",
            [id, KEY],
            |row| row.get(0),
        )
        .optional()?;
    let mut versions: Vec<serde_json::Value> =
        old.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    versions.push(serde_json::json!({"name": name, "version": version}));
    let value = serde_json::Value::from(versions).to_string();
    if old.is_some() {
        tx.execute(
            "UPDATE logged_model_tags SET tag_value = ?3 WHERE model_id = ?1 AND tag_key = ?2",
            [id, KEY, &value],
        )?;
    } else {
        tx.execute(
            "INSERT INTO logged_model_tags (model_id, experiment_id, tag_key, tag_value) \
             SELECT model_id, experiment_id, ?2, ?3 FROM logged_models WHERE model_id = ?1",
            [id, KEY, &value],
        )?;
    }
    Ok(())
}

/// Copies a folder of files.
pub(super) fn copy_files(from: &Path, into: &Path) -> Result<()> {
    let from = wire_values::local_path(&from.to_string_lossy())
        .ok_or_else(|| TrackingError::NotFound(format!("{} is no folder of this machine", from.display())))?;
    for (path, bytes) in packaging::read_folder(&from)? {
        write_file(&into.join(path), &bytes)?;
    }
    Ok(())
}
