//! Registered models, their versions, aliases and stages.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use tsc_core::{DeploymentStage, ModelUri, ModelVersion, Result, VersionInfo};

use crate::clock;
use crate::config::Stages;
use crate::error::TrackingError;
use crate::model_uri::{self, ModelRef};
use crate::store::{ABOUT_MODEL, HeldVersion, Promotion, RETIRED_AT, StoredVersion, is_in_use, when};

use super::{SqliteStore, models};

impl SqliteStore {
    pub(super) fn insert_version(
        &self,
        tx: &Transaction<'_>,
        name: &str,
        model: &ModelRef,
        info: &VersionInfo,
        op_key: &str,
    ) -> Result<u64> {
        let failed = self.failed("registering a version");
        let ModelRef::Logged(id) = model else {
            return Err(TrackingError::NotFound("only a logged model can be registered".into()).into());
        };
        let Some(location) = models::location(tx, id).map_err(&failed)? else {
            return Err(TrackingError::NotFound(format!("logged model {id} is not in this store")).into());
        };
        let now = clock::now_ms();
        let known: Option<i64> = tx
            .query_row("SELECT 1 FROM registered_models WHERE name = ?1", [name], |row| row.get(0))
            .optional()
            .map_err(&failed)?;
        if known.is_none() {
            tx.execute(
                "INSERT INTO registered_models (name, creation_time, last_updated_time, description) \
                 VALUES (?1, ?2, ?2, ?3)",
                params![name, now, ABOUT_MODEL],
            )
            .map_err(&failed)?;
        }
        let number: i64 = tx
            .query_row(
                "SELECT COALESCE(MAX(version), 0) + 1 FROM model_versions WHERE name = ?1",
                [name],
                |row| row.get(0),
            )
            .map_err(&failed)?;
        let run: Option<String> = match &info.run_id {
            Some(run) => Some(run.clone()),
            None => tx
                .query_row("SELECT source_run_id FROM logged_models WHERE model_id = ?1", [id], |row| {
                    row.get(0)
                })
                .map_err(&failed)?,
        };
        tx.execute(
            "INSERT INTO model_versions (name, version, creation_time, last_updated_time, description, \
             user_id, current_stage, source, run_id, status, storage_location) \
             VALUES (?1, ?2, ?3, ?3, ?4, (SELECT user_id FROM runs WHERE run_uuid = ?6), 'None', ?5, ?6, \
             'READY', ?7)",
            params![name, number, now, info.description, model_uri::logged(id).0, run, location],
        )
        .map_err(&failed)?;
        let number = u64::try_from(number).unwrap_or(1);
        set_tag(tx, name, number, "tsc.op_key", op_key).map_err(&failed)?;
        for (key, value) in &info.tags {
            set_tag(tx, name, number, key, value).map_err(&failed)?;
        }
        models::note_version(tx, id, name, number).map_err(&failed)?;
        tx.execute("UPDATE registered_models SET last_updated_time = ?2 WHERE name = ?1", params![name, now])
            .map_err(&failed)?;
        Ok(number)
    }
}

// SQLite has no unsigned numbers; no registry counts that far.
fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

const COLUMNS: &str = "SELECT v.name, v.version, v.source, v.current_stage FROM model_versions v";

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredVersion> {
    let source: Option<String> = row.get(2)?;
    let stage: Option<String> = row.get(3)?;
    Ok(StoredVersion {
        version: ModelVersion {
            name: row.get(0)?,
            version: row.get::<_, i64>(1)?.unsigned_abs(),
            source: ModelUri(source.unwrap_or_default()),
        },
        stage: stage.unwrap_or_else(|| "None".into()),
    })
}

pub(super) fn by_number(
    db: &Connection,
    name: &str,
    version: u64,
) -> rusqlite::Result<Option<StoredVersion>> {
    // A version that MLflow deleted stays as a row with this stage.
    let sql =
        format!("{COLUMNS} WHERE v.name = ?1 AND v.version = ?2 AND v.current_stage <> 'Deleted_Internal'");
    db.query_row(&sql, params![name, signed(version)], stored).optional()
}

/// The newest version made of the logged model with this address.
pub(super) fn by_source(db: &Connection, name: &str, source: &str) -> rusqlite::Result<Option<ModelVersion>> {
    let sql = format!(
        "{COLUMNS} WHERE v.name = ?1 AND v.source = ?2 AND v.current_stage <> 'Deleted_Internal' \
         ORDER BY v.version DESC LIMIT 1"
    );
    let found = db.query_row(&sql, [name, source], stored).optional()?;
    Ok(found.map(|stored| stored.version))
}

pub(super) fn tag(db: &Connection, name: &str, version: u64, key: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT value FROM model_version_tags WHERE name = ?1 AND version = ?2 AND key = ?3";
    let found: Option<Option<String>> =
        db.query_row(sql, params![name, signed(version), key], |row| row.get(0)).optional()?;
    Ok(found.flatten())
}

pub(super) fn by_alias(db: &Connection, name: &str, alias: &str) -> rusqlite::Result<Option<ModelVersion>> {
    let sql = format!(
        "{COLUMNS} JOIN registered_model_aliases a ON a.name = v.name AND a.version = v.version \
         WHERE a.name = ?1 AND a.alias = ?2"
    );
    let found = db.query_row(&sql, [name, alias], stored).optional()?;
    Ok(found.map(|stored| stored.version))
}

pub(super) fn by_stage(db: &Connection, name: &str, stage: &str) -> rusqlite::Result<Option<ModelVersion>> {
    let any = if stage == "latest" { "" } else { "AND lower(v.current_stage) = lower(?2)" };
    let sql = format!(
        "{COLUMNS} WHERE v.name = ?1 AND ?2 <> '' AND v.current_stage <> 'Deleted_Internal' {any} \
         ORDER BY v.version DESC LIMIT 1"
    );
    let found = db.query_row(&sql, [name, stage], stored).optional()?;
    Ok(found.map(|stored| stored.version))
}

fn set_tag(tx: &Transaction<'_>, name: &str, version: u64, key: &str, value: &str) -> rusqlite::Result<()> {
    let row = params![key, value, name, signed(version)];
    let changed = tx.execute(
        "UPDATE model_version_tags SET value = ?2 WHERE key = ?1 AND name = ?3 AND version = ?4",
        row,
    )?;
    if changed == 0 {
        tx.execute(
            "INSERT INTO model_version_tags (key, value, name, version) VALUES (?1, ?2, ?3, ?4)",
            row,
        )?;
    }
    Ok(())
}

pub(super) fn promote(tx: &Transaction<'_>, promotion: &Promotion<'_>) -> rusqlite::Result<bool> {
    let ModelVersion { name, version, .. } = promotion.version;
    for (key, value) in promotion.tags() {
        set_tag(tx, name, *version, key, &value)?;
    }
    set_alias(tx, name, promotion.stage, *version)?;
    let has_stages = promotion.stages == Stages::Compat;
    if has_stages {
        tx.execute(
            "UPDATE model_versions SET current_stage = 'Archived', last_updated_time = ?4 \
             WHERE name = ?1 AND version <> ?2 AND current_stage = ?3",
            params![name, signed(*version), promotion.stage.name(), promotion.at],
        )?;
        tx.execute(
            "UPDATE model_versions SET current_stage = ?3, last_updated_time = ?4 \
             WHERE name = ?1 AND version = ?2",
            params![name, signed(*version), promotion.stage.name(), promotion.at],
        )?;
    }
    if let Some(previous) = promotion.previous {
        set_tag(tx, name, previous, RETIRED_AT, &when(promotion.at))?;
    }
    Ok(has_stages)
}

/// All versions of a registered model that are not deleted.
pub(super) fn all(db: &Connection, name: &str) -> rusqlite::Result<Vec<HeldVersion>> {
    let mut aliases = db.prepare("SELECT version FROM registered_model_aliases WHERE name = ?1")?;
    let named: Vec<i64> = aliases.query_map([name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut versions =
        db.prepare(&format!("{COLUMNS} WHERE v.name = ?1 AND v.current_stage <> 'Deleted_Internal'"))?;
    let held = |row: &Row<'_>| {
        let StoredVersion { version, stage } = stored(row)?;
        let is_held = named.contains(&signed(version.version)) || is_in_use(&stage);
        Ok(HeldVersion { version, is_held })
    };
    versions.query_map([name], held)?.collect()
}

/// Whether no other version, of any registered model, is made of the same logged model.
pub(super) fn is_only_one_of(tx: &Transaction<'_>, version: &ModelVersion) -> rusqlite::Result<bool> {
    let others: i64 = tx.query_row(
        "SELECT COUNT(*) FROM model_versions WHERE source = ?1 AND NOT (name = ?2 AND version = ?3)",
        params![version.source.0, version.name, signed(version.version)],
        |row| row.get(0),
    )?;
    Ok(others == 0)
}

/// Leaves of a version what MLflow leaves: a row that keeps its number from being given out again.
pub(super) fn delete(tx: &Transaction<'_>, version: &ModelVersion) -> rusqlite::Result<()> {
    let row = params![version.name, signed(version.version)];
    tx.execute("DELETE FROM registered_model_aliases WHERE name = ?1 AND version = ?2", row)?;
    let now = clock::now_ms();
    tx.execute(
        "UPDATE model_versions SET current_stage = 'Deleted_Internal', last_updated_time = ?3, \
         description = NULL, user_id = NULL, source = 'REDACTED-SOURCE-PATH', run_id = 'REDACTED-RUN-ID', \
         run_link = 'REDACTED-RUN-LINK', status_message = NULL WHERE name = ?1 AND version = ?2",
        params![version.name, signed(version.version), now],
    )?;
    tx.execute(
        "UPDATE registered_models SET last_updated_time = ?2 WHERE name = ?1",
        params![version.name, now],
    )
    .map(drop)
}

fn set_alias(tx: &Transaction<'_>, name: &str, stage: DeploymentStage, version: u64) -> rusqlite::Result<()> {
    let row = params![name, stage.alias(), signed(version)];
    let changed =
        tx.execute("UPDATE registered_model_aliases SET version = ?3 WHERE name = ?1 AND alias = ?2", row)?;
    if changed == 0 {
        tx.execute("INSERT INTO registered_model_aliases (name, alias, version) VALUES (?1, ?2, ?3)", row)?;
    }
    Ok(())
}
