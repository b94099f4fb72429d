use std::collections::BTreeSet;

use rusqlite::params;
use tsc_core::RunStatus;

use super::*;
use crate::op::Point;

fn run(key: &str) -> NewRun {
    NewRun {
        key: format!("{key:0>32}"),
        experiment: "A-Training".into(),
        note: "about A".into(),
        parent: None,
        name: "Pipeline".into(),
        start_time: 1_000,
        user: "u".into(),
        source: "s".into(),
    }
}

fn metrics(at: i64, step: i64, value: f64) -> Op {
    Op::Metrics(vec![Point { key: "m".into(), value, at, step }])
}

fn fresh() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("mlflow.db")).unwrap();
    (folder, store)
}

#[track_caller]
fn deliver(store: &SqliteStore, run: &NewRun, ops: &[Op]) -> Delivery {
    let delivery = store.deliver(run, ops, Attempt::First);
    assert!(delivery.fault.is_none(), "{:?}", delivery.fault);
    assert_eq!(delivery.done, ops.len());
    delivery
}

fn rows(store: &SqliteStore, sql: &str) -> Vec<String> {
    let guard = lock(&store.connection);
    let db = guard.as_ref().unwrap();
    let mut statement = db.prepare(sql).unwrap();
    let width = statement.column_count();
    let text = |row: &rusqlite::Row<'_>, i| -> String {
        match row.get_ref(i).unwrap() {
            rusqlite::types::ValueRef::Null => "null".into(),
            rusqlite::types::ValueRef::Integer(n) => n.to_string(),
            rusqlite::types::ValueRef::Real(x) => format!("{x:?}"),
            other => other.as_str().unwrap().to_owned(),
        }
    };
    let found =
        statement.query_map([], |row| Ok((0..width).map(|i| text(row, i)).collect::<Vec<_>>().join("|")));
    found.unwrap().map(|row| row.unwrap()).collect()
}

/// The same facts as `tests/describe_schema.py` prints.
fn describe(db: &rusqlite::Connection) -> BTreeSet<String> {
    let strings = |sql: &str, columns: usize| -> Vec<Vec<String>> {
        let mut statement = db.prepare(sql).unwrap();
        let read = |row: &rusqlite::Row<'_>| {
            (0..columns)
                .map(|i| Ok(row.get::<_, Option<String>>(i)?.unwrap_or_else(|| "None".into())))
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        statement.query_map([], read).unwrap().map(|row| row.unwrap()).collect()
    };
    let mut facts = BTreeSet::new();
    for table in strings("SELECT name FROM sqlite_master WHERE type = 'table'", 1).concat() {
        let cast = |columns: &[&str]| {
            let cast: Vec<String> = columns.iter().map(|c| format!("CAST(\"{c}\" AS TEXT)")).collect();
            cast.join(", ")
        };
        let columns = cast(&["cid", "name", "type", "notnull", "dflt_value", "pk"]);
        for c in strings(&format!("SELECT {columns} FROM pragma_table_info('{table}')"), 6) {
            let [cid, name, kind, notnull, default, pk] = &c[..] else { panic!("six columns") };
            facts.insert(format!(
                "{table} column {cid} {name} {kind} notnull={notnull} default={default} pk={pk}"
            ));
        }
        let columns = cast(&["table", "from", "to", "on_update", "on_delete"]);
        for c in strings(&format!("SELECT {columns} FROM pragma_foreign_key_list('{table}')"), 5) {
            let [other, from, to, update, delete] = &c[..] else { panic!("five columns") };
            let (update, delete) = (update.to_uppercase(), delete.to_uppercase());
            facts.insert(format!(
                "{table} foreign key {from} -> {other}.{to} update={update} delete={delete}"
            ));
        }
        let columns = cast(&["name", "unique", "origin", "partial"]);
        for c in strings(&format!("SELECT {columns} FROM pragma_index_list('{table}')"), 4) {
            let [name, unique, origin, partial] = &c[..] else { panic!("four columns") };
            let keys =
                strings(&format!("SELECT name FROM pragma_index_info('{name}')"), 1).concat().join(",");
            facts.insert(format!(
                "{table} index {name} ({keys}) unique={unique} origin={origin} partial={partial}"
            ));
        }
        let sql =
            strings(&format!("SELECT sql FROM sqlite_master WHERE name = '{table}'"), 1).concat().concat();
        for part in sql.split("CONSTRAINT ").skip(1) {
            facts.insert(format!("{table} constraint {}", part.split_whitespace().next().unwrap()));
        }
        for part in sql.split("CHECK (").skip(1) {
            facts.insert(format!("{table} check {}", &part[..part.find("))").unwrap() + 1]));
        }
    }
    facts
}

// Recorded from mlflow==3.0.0 with tests/describe_schema.py.
#[test]
fn the_tables_are_those_of_mlflow_3_0_0() {
    let expected: BTreeSet<String> =
        include_str!("../../tests/golden/schema-6953534de441.txt").lines().map(Into::into).collect();
    assert_eq!(expected.len(), 231);
    let (_folder, store) = fresh();
    let found = describe(lock(&store.connection).as_ref().unwrap());
    let missing: Vec<_> = expected.difference(&found).collect();
    let surplus: Vec<_> = found.difference(&expected).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:#?}, surplus {surplus:#?}");
}

#[test]
fn a_new_store_has_the_default_experiment_and_the_frozen_revision() {
    let (folder, store) = fresh();
    assert_eq!(rows(&store, "SELECT version_num FROM alembic_version"), ["6953534de441"]);
    let location = folder.path().join("mlruns/0");
    assert_eq!(
        rows(&store, "SELECT experiment_id, name, artifact_location, lifecycle_stage FROM experiments"),
        [format!("0|Default|{}|active", location.display())]
    );
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["mlflow.db"], "no draft is left behind");
}

#[test]
fn opening_again_keeps_what_is_there() {
    let (folder, store) = fresh();
    deliver(&store, &run("1"), &[Op::Start]);
    drop(store);
    let store = SqliteStore::open(&folder.path().join("mlflow.db")).unwrap();
    assert_eq!(rows(&store, "SELECT COUNT(*) FROM runs"), ["1"]);
}

#[test]
fn eight_processes_creating_one_store_and_one_experiment_agree() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mlflow.db");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let path = &path;
            scope.spawn(move || {
                let store = SqliteStore::open(path).unwrap();
                deliver(&store, &run(&n.to_string()), &[Op::Start]);
            });
        }
    });
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(
        rows(&store, "SELECT name FROM experiments ORDER BY experiment_id"),
        ["Default", "A-Training"]
    );
    assert_eq!(rows(&store, "SELECT COUNT(DISTINCT run_uuid), MIN(experiment_id) FROM runs"), ["8|1"]);
}

#[test]
fn the_latest_metric_is_the_one_with_the_greatest_step_time_and_value() {
    let (_folder, store) = fresh();
    let latest = "SELECT step, timestamp, value, is_nan FROM latest_metrics";
    let r = run("1");
    deliver(&store, &r, &[Op::Start, metrics(10, 1, 1.0), metrics(20, 0, 9.0)]);
    assert_eq!(rows(&store, latest), ["1|10|1.0|0"], "an earlier step never wins");
    deliver(&store, &r, &[metrics(10, 1, 0.5)]);
    assert_eq!(rows(&store, latest), ["1|10|1.0|0"], "an equal step and time keep the greater value");
    deliver(&store, &r, &[metrics(11, 1, 0.5)]);
    assert_eq!(rows(&store, latest), ["1|11|0.5|0"]);
    deliver(&store, &r, &[metrics(12, -3, 7.0), metrics(13, 2, f64::NAN)]);
    assert_eq!(rows(&store, latest), ["2|13|0.0|1"]);
    assert_eq!(rows(&store, "SELECT COUNT(*) FROM metrics"), ["6"]);
}

#[test]
fn many_metrics_in_any_order_keep_their_values_and_the_latest_of_each() {
    let (_folder, store) = fresh();
    // 7 keys with 31 values each, the keys in turn, the steps downwards: no multiple of a statement's rows.
    let point = |n: i64| Point { key: format!("m{}", n % 7).into(), value: n as f64, at: 5, step: -(n / 7) };
    let points: Vec<Point> = (0..7 * 31).map(point).collect();
    let (first, second) = points.split_at(100);
    deliver(&store, &run("1"), &[Op::Start, Op::Metrics(first.to_vec()), Op::Metrics(second.to_vec())]);
    assert_eq!(
        rows(&store, "SELECT COUNT(*), COUNT(DISTINCT key), SUM(value), MIN(step) FROM metrics"),
        ["217|7|23436.0|-30"]
    );
    let latest: Vec<String> = (0..7).map(|n| format!("m{n}|0|{n}.0")).collect();
    assert_eq!(rows(&store, "SELECT key, step, value FROM latest_metrics ORDER BY key"), latest);
    let of_one = "SELECT value FROM metrics WHERE key = 'm3' ORDER BY step DESC LIMIT 2";
    assert_eq!(rows(&store, of_one), ["3.0", "10.0"]);
}

#[test]
fn a_run_that_has_ended_is_not_ended_again() {
    let (_folder, store) = fresh();
    let end = |status, at| Op::Finish { status, at };
    deliver(&store, &run("1"), &[Op::Start, end(RunStatus::Finished, 9)]);
    deliver(&store, &run("1"), &[end(RunStatus::Failed, 10)]);
    assert_eq!(rows(&store, "SELECT status, end_time FROM runs"), ["FINISHED|9"]);
}

#[test]
fn nan_and_infinity_are_stored_as_mlflow_stores_them() {
    let (_folder, store) = fresh();
    let ops =
        [Op::Start, metrics(1, 0, f64::NAN), metrics(2, 0, f64::INFINITY), metrics(3, 0, f64::NEG_INFINITY)];
    deliver(&store, &run("1"), &ops);
    assert_eq!(
        rows(&store, "SELECT value, is_nan FROM metrics ORDER BY timestamp"),
        ["0.0|1", "1.7976931348623157e308|0", "-1.7976931348623157e308|0"]
    );
}

#[test]
fn delivering_twice_changes_nothing() {
    let (_folder, store) = fresh();
    let params = Op::Params(vec![("a".into(), "1".into())]);
    let ops = [Op::Start, params, metrics(1, 0, 0.5), Op::Finish { status: RunStatus::Finished, at: 9 }];
    deliver(&store, &run("1"), &ops);
    let dump = |store: &SqliteStore| {
        ["runs", "params", "metrics", "latest_metrics", "tags"]
            .map(|table| rows(store, &format!("SELECT * FROM {table} ORDER BY 1, 2")))
    };
    let before = dump(&store);
    assert_eq!(deliver(&store, &run("1"), &ops).rejected, 0);
    assert_eq!(dump(&store), before);
}

#[test]
fn a_changed_parameter_is_rejected_and_the_rest_of_the_chunk_is_kept() {
    let (_folder, store) = fresh();
    let param = |key: &str, value: &str| Op::Params(vec![(key.into(), value.into())]);
    let ops = [Op::Start, param("a", "1"), param("a", "2"), param("b", "3"), metrics(1, 0, 0.5)];
    let delivery = deliver(&store, &run("1"), &ops);
    assert_eq!(delivery.rejected, 1);
    let reason = "parameter \"a\" is \"1\" already, it cannot become \"2\"";
    assert_eq!(delivery.reason.as_deref(), Some(reason));
    assert_eq!(rows(&store, "SELECT key, value FROM params ORDER BY key"), ["a|1", "b|3"]);
    assert_eq!(rows(&store, "SELECT COUNT(*) FROM metrics"), ["1"]);
}

#[test]
fn a_deleted_experiment_is_restored() {
    let (_folder, store) = fresh();
    deliver(&store, &run("1"), &[Op::Start]);
    store
        .write("deleting", |tx| {
            let sql = "UPDATE experiments SET lifecycle_stage = 'deleted' WHERE experiment_id = 1";
            Ok(tx.execute(sql, []).unwrap())
        })
        .unwrap();
    deliver(&store, &run("2"), &[Op::Start]);
    let sql = "SELECT experiment_id, name, lifecycle_stage FROM experiments WHERE experiment_id > 0";
    assert_eq!(rows(&store, sql), ["1|A-Training|active"]);
}

#[test]
fn a_locked_database_is_a_fault_that_may_go_away() {
    let (folder, store) = fresh();
    lock(&store.connection).as_ref().unwrap().busy_timeout(Duration::from_millis(50)).unwrap();
    let other = Connection::open(folder.path().join("mlflow.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let fault = store.deliver(&run("1"), &[Op::Start], Attempt::First).fault.unwrap();
    assert!(fault.is_transient() && fault.to_string().contains("locked"), "{fault}");
    other.execute_batch("ROLLBACK").unwrap();
    deliver(&store, &run("1"), &[Op::Start]);
}

#[test]
fn a_database_that_is_not_ours_or_too_new_is_refused_readably() {
    let folder = tempfile::tempdir().unwrap();
    let message = |name: &str| {
        let error = SqliteStore::open(&folder.path().join(name)).unwrap_err();
        assert_eq!(error.code(), "TSC-TRK-008");
        error.to_string()
    };
    std::fs::write(
        folder.path().join("text.db"),
        "not a database, but long enough to look like one".repeat(40),
    )
    .unwrap();
    assert!(message("text.db").ends_with("is no SQLite database"), "{}", message("text.db"));

    let other = Connection::open(folder.path().join("other.db")).unwrap();
    other.execute_batch("CREATE TABLE patients (id INTEGER)").unwrap();
    assert!(message("other.db").ends_with("is no MLflow database"));

    let newer = SqliteStore::open(&folder.path().join("newer.db")).unwrap();
    lock(&newer.connection)
        .as_ref()
        .unwrap()
        .execute_batch("ALTER TABLE metrics RENAME COLUMN step TO stride; UPDATE alembic_version SET version_num = 'f00'")
        .unwrap();
    drop(newer);
    let text = message("newer.db");
    assert!(text.contains("\"f00\"") && text.contains("table metrics has no column step"), "{text}");
}

#[test]
fn an_unknown_revision_with_all_columns_is_written() {
    let (folder, store) = fresh();
    store
        .write("renaming", |tx| Ok(tx.execute("UPDATE alembic_version SET version_num = 'f00'", []).unwrap()))
        .unwrap();
    let store = SqliteStore::open(&folder.path().join("mlflow.db")).unwrap();
    deliver(&store, &run("1"), &[Op::Start]);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let error = SqliteStore::open(&folder.path().join("file/mlflow.db")).unwrap_err();
    assert!(error.to_string().contains("file/mlflow.db: "), "{error}");
    assert!(error.help().unwrap().contains("permissions"));
}

#[test]
fn a_read_only_database_is_refused_when_it_is_opened() {
    let (folder, store) = fresh();
    drop(store);
    let path = folder.path().join("mlflow.db");
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    // Root may write everywhere.
    if std::fs::OpenOptions::new().append(true).open(&path).is_ok() {
        println!("skipped: this user may write read-only files");
        return;
    }
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(error.to_string().contains("readonly"), "{error}");
}

#[test]
fn a_database_that_is_held_is_opened_by_the_first_delivery_that_can() {
    let (folder, store) = fresh();
    drop(store);
    let path = folder.path().join("mlflow.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let delivery = store.deliver(&run("1"), &[Op::Start], Attempt::First);
    assert!(delivery.fault.unwrap().is_transient());
    other.execute_batch("ROLLBACK").unwrap();
    deliver(&store, &run("1"), &[Op::Start]);
    assert_eq!(rows(&store, "SELECT COUNT(*) FROM runs"), ["1"]);
}

#[test]
fn a_database_of_a_newer_mlflow_is_written_once_it_can_be() {
    let (folder, store) = fresh();
    drop(store);
    let path = folder.path().join("mlflow.db");
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("ALTER TABLE metrics RENAME COLUMN step TO stride; UPDATE alembic_version SET version_num = 'f00'")
        .unwrap();
    let store = SqliteStore::open_or_wait(&path).unwrap();
    let fault = store.deliver(&run("1"), &[Op::Start], Attempt::First).fault.unwrap();
    assert!(fault.is_transient() && fault.to_string().contains("\"f00\""), "{fault}");
    other.execute_batch("ALTER TABLE metrics RENAME COLUMN stride TO step").unwrap();
    deliver(&store, &run("1"), &[Op::Start]);
    let missing = folder.path().join("file/mlflow.db");
    std::fs::write(folder.path().join("file"), "x").unwrap();
    assert!(
        SqliteStore::open_or_wait(&missing).is_err(),
        "a folder that cannot be made will not make itself"
    );
}

#[test]
fn a_deleted_version_is_not_found() {
    let (_folder, store) = fresh();
    store
        .write("preparing", |tx| {
            tx.execute("INSERT INTO registered_models (name) VALUES ('A')", []).unwrap();
            for (version, stage) in [(1, "None"), (2, "Deleted_Internal")] {
                let sql = "INSERT INTO model_versions (name, version, current_stage, source) VALUES ('A', ?1, ?2, 's')";
                tx.execute(sql, params![version, stage]).unwrap();
            }
            Ok(())
        })
        .unwrap();
    assert!(store.version("A", 2).unwrap().is_none());
    assert_eq!(store.staged("A", "latest").unwrap().unwrap().version, 1);
}
