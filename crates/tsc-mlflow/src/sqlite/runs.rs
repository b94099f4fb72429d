//! Experiments, runs, and what is logged to them.
//!
//! Conflicts are ignored with `ON CONFLICT DO NOTHING` and never with `OR IGNORE`, which would also
//! hide a column that a newer MLflow wants filled. No statement names a conflict target: MLflow
//! has changed primary keys of these tables.

use std::path::Path;

use rusqlite::{OptionalExtension, Transaction, params};
use tsc_core::{DatasetInfo, Result, RunStatus};

use crate::error::TrackingError;
use crate::key;
use crate::op::{NewRun, Op};
use crate::store::Delivery;
use crate::wire_values;

use super::{SqliteStore, metrics};

impl SqliteStore {
    /// Applies a chunk inside one transaction.
    pub(super) fn apply(
        &self,
        tx: &Transaction<'_>,
        run: &NewRun,
        ops: &[Op],
        delivery: &mut Delivery,
    ) -> Result<()> {
        let mut points = Vec::new();
        for op in ops {
            if let Op::Metrics(block) = op {
                points.extend(block);
                continue;
            }
            match self.apply_one(tx, run, op, delivery) {
                // What can never be stored must not keep the rest back.
                Err(error) if !error.is_transient() => delivery.reject(op.weight(), error),
                result => result?,
            }
        }
        let stored = metrics::insert(tx, run, &mut points).map_err(self.failed("storing metrics"));
        match stored {
            Err(error) if !error.is_transient() => delivery.reject(points.len(), error),
            result => result?,
        }
        Ok(())
    }

    fn apply_one(&self, tx: &Transaction<'_>, run: &NewRun, op: &Op, delivery: &mut Delivery) -> Result<()> {
        let failed = self.failed("storing a run");
        match op {
            Op::Start => self.start(tx, run),
            Op::Params(items) => {
                for (key, value) in items {
                    if let Some(old) = insert_param(tx, run, key, value).map_err(&failed)? {
                        let (key, new) = (key.clone(), value.clone());
                        delivery.reject(1, TrackingError::ChangedParam { key, old, new });
                    }
                }
                Ok(())
            }
            // All of a chunk together, at its end.
            Op::Metrics(_) => Ok(()),
            Op::Tags(items) => {
                items.iter().try_for_each(|(key, value)| set_tag(tx, &run.key, key, value)).map_err(failed)
            }
            Op::Artifact { path, content } => {
                let uri = artifact_folder(tx, run).map_err(&failed)?;
                let folder = wire_values::local_path(&uri).ok_or_else(|| {
                    TrackingError::NotStored(format!("artifact {path:?}: {uri} is no folder of this machine"))
                })?;
                write_file(&folder.join(path), &content.read()?)
            }
            Op::Dataset(dataset) => insert_dataset(tx, run, dataset).map_err(failed),
            Op::Model(model) => self.insert_model(tx, run, model),
            Op::Finish { status, at } => finish(tx, run, *status, *at).map_err(failed),
        }
    }

    fn start(&self, tx: &Transaction<'_>, run: &NewRun) -> Result<()> {
        let failed = self.failed("creating a run");
        let (experiment, location) = self.experiment(tx, run)?;
        let artifacts = Path::new(&location).join(&run.key).join("artifacts");
        let artifacts = artifacts.to_string_lossy();
        if artifacts.chars().count() > 200 {
            tracing::warn!(%artifacts, "path is longer than the 200 characters MLflow plans for");
        }
        tx.prepare_cached(
            "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, \
             start_time, source_version, lifecycle_stage, artifact_uri, experiment_id) \
             VALUES (?1, ?2, 'UNKNOWN', '', '', ?3, 'RUNNING', ?4, '', 'active', ?5, ?6) \
             ON CONFLICT DO NOTHING",
        )
        .and_then(|mut insert| {
            insert.execute(params![run.key, run.name, run.user, run.start_time, artifacts, experiment])
        })
        .map_err(&failed)?;
        for (key, value) in run.tags(run.parent.as_deref()) {
            set_tag(tx, &run.key, &key, &value).map_err(&failed)?;
        }
        Ok(())
    }

    /// Id and artifact location of the run's experiment, which is created or restored where needed.
    fn experiment(&self, tx: &Transaction<'_>, run: &NewRun) -> Result<(i64, String)> {
        let failed = self.failed("creating an experiment");
        let found: Option<(i64, Option<String>, Option<String>)> = tx
            .prepare_cached(
                "SELECT experiment_id, artifact_location, lifecycle_stage FROM experiments WHERE name = ?1",
            )
            .and_then(|mut select| {
                select
                    .query_row([&run.experiment], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                    .optional()
            })
            .map_err(&failed)?;
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        if let Some((id, location, stage)) = found {
            if stage.as_deref() == Some("deleted") {
                tracing::warn!(experiment = %run.experiment, "the experiment was deleted and is restored");
                tx.execute(
                    "UPDATE experiments SET lifecycle_stage = 'active', last_update_time = ?1 \
                     WHERE experiment_id = ?2",
                    params![run.start_time, id],
                )
                .map_err(&failed)?;
            }
            let location = location.map(|text| wire_values::local_path(&text).unwrap_or(text.into()));
            let location = location.unwrap_or_else(|| folder.join("mlruns").join(id.to_string()));
            return Ok((id, location.to_string_lossy().into_owned()));
        }
        let id: i64 = tx
            .query_row("SELECT COALESCE(MAX(experiment_id), 0) + 1 FROM experiments", [], |row| row.get(0))
            .map_err(&failed)?;
        let location = folder.join("mlruns").join(id.to_string()).to_string_lossy().into_owned();
        tx.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, \
             creation_time, last_update_time) VALUES (?1, ?2, ?3, 'active', ?4, ?4)",
            params![id, run.experiment, location, run.start_time],
        )
        .map_err(&failed)?;
        for (key, value) in wire_values::experiment_tags(&run.note) {
            tx.execute(
                "INSERT INTO experiment_tags (key, value, experiment_id) VALUES (?1, ?2, ?3)",
                params![key, value, id],
            )
            .map_err(&failed)?;
        }
        Ok((id, location))
    }
}

fn finish(tx: &Transaction<'_>, run: &NewRun, status: RunStatus, at: i64) -> rusqlite::Result<()> {
    let status = match status {
        RunStatus::Finished => "FINISHED",
        RunStatus::Failed => "FAILED",
    };
    // A run that has ended stays as it is: the process that marks it as cut short may not know its end.
    tx.prepare_cached(
        "UPDATE runs SET status = ?1, end_time = ?2 \
         WHERE run_uuid = ?3 AND status NOT IN ('FINISHED', 'FAILED')",
    )?
    .execute(params![status, at, run.key])?;
    Ok(())
}

/// The experiment of a stored run.
pub(super) fn experiment_of(tx: &Transaction<'_>, run: &NewRun) -> rusqlite::Result<i64> {
    tx.prepare_cached("SELECT experiment_id FROM runs WHERE run_uuid = ?1")?
        .query_row([&run.key], |row| row.get(0))
}

fn artifact_folder(tx: &Transaction<'_>, run: &NewRun) -> rusqlite::Result<String> {
    tx.prepare_cached("SELECT artifact_uri FROM runs WHERE run_uuid = ?1")?
        .query_row([&run.key], |row| row.get(0))
}

/// Stores a parameter; the old value if it has another one already.
fn insert_param(
    tx: &Transaction<'_>,
    run: &NewRun,
    key: &str,
    value: &str,
) -> rusqlite::Result<Option<String>> {
    let inserted = tx
        .prepare_cached(
            "INSERT INTO params (key, value, run_uuid) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?
        .execute([key, value, &run.key])?;
    if inserted == 1 {
        return Ok(None);
    }
    let old: String = tx
        .prepare_cached("SELECT value FROM params WHERE key = ?1 AND run_uuid = ?2")?
        .query_row([key, &run.key], |row| row.get(0))?;
    Ok((old != value).then_some(old))
}

fn set_tag(tx: &Transaction<'_>, run: &str, key: &str, value: &str) -> rusqlite::Result<()> {
    let changed = tx
        .prepare_cached("UPDATE tags SET value = ?2 WHERE key = ?1 AND run_uuid = ?3")?
        .execute([key, value, run])?;
    if changed == 0 {
        tx.prepare_cached("INSERT INTO tags (key, value, run_uuid) VALUES (?1, ?2, ?3)")?
            .execute([key, value, run])?;
    }
    Ok(())
}

fn insert_dataset(tx: &Transaction<'_>, run: &NewRun, dataset: &DatasetInfo) -> rusqlite::Result<()> {
    let experiment = experiment_of(tx, run)?;
    tx.prepare_cached(
        "INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, \
         dataset_source, dataset_schema, dataset_profile) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        key::random(),
        experiment,
        dataset.name,
        dataset.digest,
        wire_values::DATASET_SOURCE_TYPE,
        wire_values::dataset_source(dataset),
        wire_values::dataset_schema(dataset),
        wire_values::dataset_profile(dataset),
    ])?;
    let uuid: String = tx
        .prepare_cached(
            "SELECT dataset_uuid FROM datasets WHERE experiment_id = ?1 AND name = ?2 AND digest = ?3",
        )?
        .query_row(params![experiment, dataset.name, dataset.digest], |row| row.get(0))?;
    let input = key::random();
    let inserted = tx
        .prepare_cached(
            "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id, step) \
             VALUES (?1, 'DATASET', ?2, 'RUN', ?3, 0) ON CONFLICT DO NOTHING",
        )?
        .execute([&input, &uuid, &run.key])?;
    if inserted == 1 {
        tx.prepare_cached(
            "INSERT INTO input_tags (input_uuid, name, value) VALUES (?1, 'mlflow.data.context', ?2)",
        )?
        .execute([&input, &dataset.context])?;
    }
    Ok(())
}

/// Writes a file whole, with the folders above it.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, bytes)
    };
    write().map_err(|source| TrackingError::File { action: "writing", path: path.into(), source }.into())
}
