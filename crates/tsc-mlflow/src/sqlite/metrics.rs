//! Metrics: the largest part of what is stored, many in one statement.

use std::sync::LazyLock;

use rusqlite::types::ToSqlOutput;
use rusqlite::{ToSql, Transaction, params};

use crate::op::{NewRun, Point};

/// Rows of one statement: more make it longer to look up, fewer make it run more often.
const ROWS: usize = 64;

/// Stores values of one run, and the latest of each metric. Sorts `points` by key.
pub(super) fn insert(tx: &Transaction<'_>, run: &NewRun, points: &mut [&Point]) -> rusqlite::Result<()> {
    // Stable: the order of a metric's own values stays. In this order the index grows at few places.
    points.sort_by(|a, b| a.key.cmp(&b.key));
    let mut blocks = points.chunks_exact(ROWS);
    for block in blocks.by_ref() {
        insert_block(tx, run, block)?;
    }
    for point in blocks.remainder() {
        insert_block(tx, run, &[*point])?;
    }
    for metric in points.chunk_by(|a, b| a.key == b.key) {
        update_latest(tx, run, metric)?;
    }
    Ok(())
}

/// Value and mark: MLflow stores NaN as 0 with a mark, and infinity as the largest finite number.
fn stored(value: f64) -> (f64, bool) {
    if value.is_nan() { (0.0, true) } else { (value.clamp(-f64::MAX, f64::MAX), false) }
}

fn insert_block(tx: &Transaction<'_>, run: &NewRun, block: &[&Point]) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(if block.len() == ROWS { &MANY } else { &ONE })?;
    let mut place = 1;
    let mut bind = |value: ToSqlOutput<'_>| {
        let bound = statement.raw_bind_parameter(place, value);
        place += 1;
        bound
    };
    bind(run.key.to_sql()?)?;
    for point in block {
        let (value, is_nan) = stored(point.value);
        bind((*point.key).to_sql()?)?;
        bind(value.into())?;
        bind(point.at.into())?;
        bind(point.step.into())?;
        bind(is_nan.into())?;
    }
    statement.raw_execute().map(drop)
}

/// The statement for a whole block.
static MANY: LazyLock<String> = LazyLock::new(|| statement(ROWS));
/// The statement for what is left over.
static ONE: LazyLock<String> = LazyLock::new(|| statement(1));

fn statement(rows: usize) -> String {
    let row = |row: usize| {
        let first = 5 * row + 2;
        let (value, at, step, is_nan) = (first + 1, first + 2, first + 3, first + 4);
        format!("(?{first}, ?{value}, ?{at}, ?1, ?{step}, ?{is_nan})")
    };
    format!(
        "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES {} ON CONFLICT DO NOTHING",
        (0..rows).map(row).collect::<Vec<_>>().join(", ")
    )
}

/// Of values of one metric, the one with the greatest step, time and value is the latest.
fn update_latest(tx: &Transaction<'_>, run: &NewRun, metric: &[&Point]) -> rusqlite::Result<()> {
    let order = |point: &Point| (point.step, point.at, stored(point.value).0);
    let newest = metric.iter().copied().reduce(|a, b| if order(b) > order(a) { b } else { a });
    let Some(newest) = newest else { return Ok(()) };
    let (value, is_nan) = stored(newest.value);
    let row = params![&*newest.key, value, newest.at, newest.step, is_nan, run.key];
    let inserted = tx
        .prepare_cached(
            "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?
        .execute(row)?;
    if inserted == 0 {
        tx.prepare_cached(
            "UPDATE latest_metrics SET value = ?2, timestamp = ?3, step = ?4, is_nan = ?5 \
             WHERE key = ?1 AND run_uuid = ?6 AND (step, timestamp, value) < (?4, ?3, ?2)",
        )?
        .execute(row)?;
    }
    Ok(())
}
