//! Logged models: rows and files.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use tsc_core::Result;

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
            let problem = format!("used with an artifact location of experiment {experiment} that is no path");
            TrackingError::Database { path: self.path.clone(), problem }
        })?;
        let folder: PathBuf = root.join("models").join(&model.id).join("artifacts");
        let folder_text = folder.to_string_lossy().into_owned();
        let identity = Identity { model_id: &model.id, run_id: &run.key, artifact_path: &folder_text, at: model.at };
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

/// Copies a folder of files.
pub(super) fn copy_files(from: &Path, into: &Path) -> Result<()> {
    let from = wire_values::local_path(&from.to_string_lossy()).ok_or_else(|| {
        TrackingError::NotFound(format!("{} is no folder of this machine", from.display()))
    })?;
    for (path, bytes) in packaging::read_folder(&from)? {
        write_file(&into.join(path), &bytes)?;
    }
    Ok(())
}
