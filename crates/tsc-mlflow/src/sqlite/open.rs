//! Opening the database file, or creating it whole or not at all.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tsc_core::Error;

use crate::clock;
use crate::error::TrackingError;
use crate::key;
use crate::location;

use super::{BUSY, migrations, schema};

/// How long opening waits for another process.
const BUSY_AT_OPEN: Duration = Duration::from_millis(500);
/// Negative: SQLite counts pages otherwise.
const CACHE_KIB: i64 = -16_384;

type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no connection.
pub(super) enum NotOpen {
    /// Another process holds the database for now.
    Busy(Error),
    Refused(Error),
}

impl From<Error> for NotOpen {
    fn from(error: Error) -> Self {
        NotOpen::Refused(error)
    }
}

impl From<NotOpen> for Error {
    fn from(fault: NotOpen) -> Self {
        match fault {
            NotOpen::Busy(error) | NotOpen::Refused(error) => error,
        }
    }
}

/// A connection to the database at the absolute `path`.
pub(super) fn open_or_create(path: &Path) -> Result<Connection, NotOpen> {
    if !std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
        create(path)?;
    }
    let failed = |action: &'static str| {
        move |source: rusqlite::Error| {
            let busy = source.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy);
            let error = TrackingError::Sqlite { action, path: path.into(), source }.into();
            if busy { NotOpen::Busy(error) } else { NotOpen::Refused(error) }
        }
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(failed("opening the database"))?;
    // The caller waits for this, the writer for the rest.
    db.busy_timeout(BUSY_AT_OPEN).map_err(failed("opening the database"))?;
    db.pragma_update(None, "foreign_keys", true).map_err(failed("opening the database"))?;
    db.set_prepared_statement_cache_capacity(64);
    migrations::check(&db, path).map_err(|error| match error {
        TrackingError::Sqlite { action, source, .. } => failed(action)(source),
        error => NotOpen::Refused(error.into()),
    })?;
    // SQLite opens a file it may not write without a word, and says so at the first write.
    db.execute_batch("BEGIN IMMEDIATE; ROLLBACK").map_err(failed("writing"))?;
    // A journal that stays, empty, saves making and removing a file and its entry on disk with each commit. It is a
    // setting of this connection; a database in WAL mode keeps that.
    let mode: String = db
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .map_err(failed("opening the database"))?;
    if mode == "delete" {
        db.pragma_update_and_check(None, "journal_mode", "TRUNCATE", |_| Ok(()))
            .map_err(failed("opening the database"))?;
    }
    // Pages that a large delivery changes stay in memory until it is committed.
    db.pragma_update(None, "cache_size", CACHE_KIB).map_err(failed("opening the database"))?;
    db.busy_timeout(BUSY).map_err(failed("opening the database"))?;
    Ok(db)
}

/// Builds the database under another name and moves it into place, so that nobody opens half of it.
fn create(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let file = |action| move |source| TrackingError::File { action, path: path.into(), source };
    std::fs::create_dir_all(folder).map_err(file("creating the folder of"))?;
    let draft = folder.join(format!(".tsc-{}.tmp", key::random()));
    let built = build(&draft, folder);
    let moved = built.and_then(|()| {
        let taken = std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
        // A link fails where a rename would replace what another process has just created.
        let placed = match std::fs::hard_link(&draft, path) {
            Ok(()) => Ok(()),
            Err(_) if taken => Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                // An empty file, or one that another process created in this moment.
                if std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
                    Ok(())
                } else {
                    std::fs::rename(&draft, path)
                }
            }
            // Some file systems know no links.
            Err(_) => std::fs::rename(&draft, path),
        };
        placed.map_err(|source| file("creating")(source).into())
    });
    // After a rename the draft is gone already.
    drop(std::fs::remove_file(&draft));
    moved
}

fn build(draft: &Path, folder: &Path) -> Result<()> {
    let sql = |source| TrackingError::Sqlite { action: "creating tables", path: draft.into(), source };
    let db = Connection::open(draft).map_err(sql)?;
    // Nobody knows the file yet, so a crash may lose it; it is synced whole before it is moved.
    db.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; BEGIN").map_err(sql)?;
    db.execute_batch(schema::TABLES).map_err(sql)?;
    db.execute("INSERT INTO alembic_version (version_num) VALUES (?1)", [migrations::FROZEN]).map_err(sql)?;
    let location = location::absolute(&folder.join("mlruns").join("0"))?;
    db.execute(
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, \
         last_update_time) VALUES (0, 'Default', ?1, 'active', ?2, ?2)",
        rusqlite::params![location.to_string_lossy(), clock::now_ms()],
    )
    .map_err(sql)?;
    db.execute_batch("COMMIT").map_err(sql)?;
    db.close().map_err(|(_, source)| sql(source))?;
    File::open(draft)
        .and_then(|file| file.sync_all())
        .map_err(|source| TrackingError::File { action: "writing", path: draft.into(), source }.into())
}
