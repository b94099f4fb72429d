//! Which revisions of MLflow's schema can be written.

use rusqlite::Connection;

use crate::error::TrackingError;

/// MLflow 3.0.0. Newer MLflow adds the tables that are missing here when it opens the database; a
/// revision with all tables but not all columns would instead ask the user for `mlflow db upgrade`.
pub(crate) const FROZEN: &str = "6953534de441";
/// Revisions of releases this code was checked against: 3.0.0, 3.17.2, 3.18.0.
const KNOWN: [&str; 3] = [FROZEN, "dc11669786a5", "f4a9b2c7d1e6"];

/// Columns that are written, per table.
const NEEDED: [(&str, &str); 15] = [
    ("experiments", "experiment_id name artifact_location lifecycle_stage creation_time last_update_time"),
    ("experiment_tags", "key value experiment_id"),
    (
        "runs",
        "run_uuid name source_type source_name entry_point_name user_id status start_time end_time \
         source_version lifecycle_stage artifact_uri experiment_id",
    ),
    ("params", "key value run_uuid"),
    ("tags", "key value run_uuid"),
    ("metrics", "key value timestamp run_uuid step is_nan"),
    ("latest_metrics", "key value timestamp step is_nan run_uuid"),
    (
        "datasets",
        "dataset_uuid experiment_id name digest dataset_source_type dataset_source dataset_schema \
         dataset_profile",
    ),
    ("inputs", "input_uuid source_type source_id destination_type destination_id step"),
    ("input_tags", "input_uuid name value"),
    (
        "logged_models",
        "model_id experiment_id name artifact_location creation_timestamp_ms last_updated_timestamp_ms \
         status lifecycle_stage model_type source_run_id",
    ),
    ("logged_model_tags", "model_id experiment_id tag_key tag_value"),
    ("registered_models", "name creation_time last_updated_time description"),
    (
        "model_versions",
        "name version creation_time last_updated_time description user_id current_stage source run_id \
         status storage_location",
    ),
    ("model_version_tags", "key value name version"),
];

/// Fails if the database is none of MLflow's, or lacks something that is written.
pub(super) fn check(db: &Connection, path: &std::path::Path) -> Result<(), TrackingError> {
    let refuse = |problem: String| Err(TrackingError::Database { path: path.into(), problem });
    let sql = |source| TrackingError::Sqlite { action: "reading the schema", path: path.into(), source };
    let revision: Option<String> =
        match db.query_row("SELECT version_num FROM alembic_version", [], |row| row.get(0)) {
            Ok(revision) => Some(revision),
            Err(rusqlite::Error::QueryReturnedNoRows) => None,
            Err(error) if error.to_string().contains("no such table") => None,
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
                return refuse("no SQLite database".into());
            }
            Err(error) => return Err(sql(error)),
        };
    let Some(revision) = revision else { return refuse("no MLflow database".into()) };
    if KNOWN.contains(&revision.as_str()) {
        return Ok(());
    }
    for (table, columns) in NEEDED {
        let mut statement = db.prepare("SELECT name FROM pragma_table_info(?1)").map_err(sql)?;
        let found: Vec<String> =
            statement.query_map([table], |row| row.get(0)).and_then(Iterator::collect).map_err(sql)?;
        if let Some(missing) = columns.split_whitespace().find(|c| !found.iter().any(|f| f == c)) {
            return Err(TrackingError::Revision {
                path: path.into(),
                revision,
                table,
                missing: missing.into(),
            });
        }
    }
    Ok(())
}
