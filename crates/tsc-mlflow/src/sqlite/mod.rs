//! The embedded store: MLflow's own tables in an SQLite file, without Python and without a server.

mod metrics;
mod migrations;
mod models;
mod open;
mod runs;
mod schema;
mod versions;

pub(crate) use migrations::FROZEN;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tsc_core::{ModelVersion, Result, VersionInfo};

use crate::counters::lock;
use crate::error::TrackingError;
use crate::limits::BATCH;
use crate::model_uri::{self, ModelRef};
use crate::op::{NewRun, Op};
use crate::packaging;
use crate::store::{Attempt, Delivery, HeldVersion, Promotion, StoredVersion, TrackingStore};

/// How long a writer waits for another process.
const BUSY: Duration = Duration::from_secs(20);

/// A database; one connection, one transaction per delivery.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    path: PathBuf,
    /// `None` until it can be opened.
    connection: Mutex<Option<Connection>>,
}

impl SqliteStore {
    /// Opens the database at `path`, or creates it with MLflow's tables.
    ///
    /// One that another process holds is opened at the first delivery.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let path = crate::location::absolute(path)?;
        let connection = match open::open_or_create(&path) {
            Ok(connection) => Some(connection),
            Err(open::NotOpen::Busy(error)) => {
                tracing::warn!(%error, "the database is held by another process, runs wait");
                None
            }
            Err(open::NotOpen::Refused(error)) => return Err(error),
        };
        Ok(Self { path, connection: Mutex::new(connection) })
    }

    /// The same, but a database that cannot be written now (read-only, or of a newer MLflow) is tried again
    /// at each delivery: what is logged waits in the spool.
    pub(crate) fn open_or_wait(path: &Path) -> Result<Self> {
        match Self::open(path) {
            Err(error) if error.is_transient() && path.is_file() => {
                tracing::warn!(%error, "the database cannot be written, runs wait in the spool");
                Ok(Self { path: crate::location::absolute(path)?, connection: Mutex::new(None) })
            }
            result => result,
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let mut connection = lock(&self.connection);
        match &mut *connection {
            Some(connection) => work(connection),
            None => work(connection.insert(open::open_or_create(&self.path)?)),
        }
    }

    fn write<T>(&self, action: &'static str, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let sql = |source| TrackingError::Sqlite { action, path: self.path.clone(), source };
        self.with(|connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
            let result = work(&transaction)?;
            transaction.commit().map_err(sql)?;
            Ok(result)
        })
    }

    fn read<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.with(|connection| {
            work(connection)
                .map_err(|source| TrackingError::Sqlite { action, path: self.path.clone(), source }.into())
        })
    }

    /// Turns an error of the database into ours.
    fn failed(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> tsc_core::Error + '_ {
        move |source| TrackingError::Sqlite { action, path: self.path.clone(), source }.into()
    }
}

impl TrackingStore for SqliteStore {
    // A transaction is the spool here: what is not committed is spilled when the database is locked.
    fn write_ahead(&self) -> bool {
        false
    }

    // A commit waits for the disk, so a full queue goes in one of them.
    fn chunk(&self) -> usize {
        66 * BATCH
    }

    fn probe(&self) -> Result<()> {
        self.read("reading the schema version", |db| {
            db.query_row("SELECT version_num FROM alembic_version", [], |_| Ok(()))
        })
    }

    fn deliver(&self, run: &NewRun, ops: &[Op], _attempt: Attempt) -> Delivery {
        let mut delivery = Delivery::default();
        match self.write("storing a run", |tx| self.apply(tx, run, ops, &mut delivery)) {
            Ok(()) => delivery.done = ops.len(),
            Err(error) => {
                // The transaction was rolled back: nothing of the chunk is stored, nothing refused.
                delivery = Delivery { fault: Some(error), ..Delivery::default() };
            }
        }
        delivery
    }

    fn create_version(&self, name: &str, model: &ModelRef, info: &VersionInfo, op_key: &str) -> Result<u64> {
        self.write("registering a version", |tx| self.insert_version(tx, name, model, info, op_key))
    }

    fn version(&self, name: &str, version: u64) -> Result<Option<StoredVersion>> {
        self.read("reading a version", |db| versions::by_number(db, name, version))
    }

    fn version_of(&self, name: &str, model: &ModelRef) -> Result<Option<ModelVersion>> {
        let ModelRef::Logged(id) = model else { return Ok(None) };
        let source = model_uri::logged(id).0;
        self.read("reading versions", |db| versions::by_source(db, name, &source))
    }

    fn version_tag(&self, name: &str, version: u64, key: &str) -> Result<Option<String>> {
        self.read("reading a version", |db| versions::tag(db, name, version, key))
    }

    fn aliased(&self, name: &str, alias: &str) -> Result<Option<ModelVersion>> {
        self.read("reading an alias", |db| versions::by_alias(db, name, alias))
    }

    fn staged(&self, name: &str, stage: &str) -> Result<Option<ModelVersion>> {
        self.read("reading a stage", |db| versions::by_stage(db, name, stage))
    }

    fn promote(&self, promotion: &Promotion<'_>) -> Result<bool> {
        self.write("promoting a version", |tx| {
            versions::promote(tx, promotion).map_err(self.failed("promoting a version"))
        })
    }

    fn versions(&self, name: &str) -> Result<Vec<HeldVersion>> {
        self.read("reading versions", |db| versions::all(db, name))
    }

    fn delete_version(&self, version: &ModelVersion) -> Result<()> {
        let failed = self.failed("deleting a version");
        self.write("deleting a version", |tx| {
            let model = match ModelRef::parse(&version.source) {
                Ok(ModelRef::Logged(id)) if versions::is_only_one_of(tx, version).map_err(&failed)? => {
                    Some(id)
                }
                _ => None,
            };
            if let Some(id) = &model {
                models::delete(tx, id).map_err(&failed)?;
            }
            versions::delete(tx, version).map_err(&failed)?;
            // Before the commit: files that are left over find their version again, rows alone would lose them.
            match model.map(|id| models::files_of_deleted(tx, &id)).transpose().map_err(&failed)?.flatten() {
                Some(folder) => packaging::remove_folder(&folder),
                None => Ok(()),
            }
        })
    }

    fn fetch(&self, model: &ModelRef, into: &Path) -> Result<()> {
        let ModelRef::Logged(id) = model else {
            return Err(TrackingError::NotFound("only a logged model has files".into()).into());
        };
        let folder = self.read("reading a logged model", |db| models::location(db, id))?;
        let Some(folder) = folder else {
            return Err(TrackingError::NotFound(format!("logged model {id} is not in this store")).into());
        };
        models::copy_files(Path::new(&folder), into)
    }
}

#[cfg(test)]
mod tests;
