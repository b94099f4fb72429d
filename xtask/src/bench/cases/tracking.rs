//! The tracker: log calls, the embedded store, and a server behind REST.

use super::{Area, Case, Check, Figure, Kind, Peer, Row, floor, info, only_floor};

const CLIENT: Peer = python("MlflowClient", "");
const EXECUTEMANY: Peer = python("sqlite3 executemany", "tables made before, no foreign keys");
const PYTHON_RUN: Peer = python("mlflow", "imported before");
const BARE: Peer = python("bare log-batch", "100 ready requests on one connection");
const TRS_MLFLOW: Peer =
    Peer { name: "trs-mlflow", kind: Kind::Apart("clients"), mark: "0.8.0, values ready" };
const MLFLOW_CLIENT: Peer =
    Peer { name: "mlflow-client", kind: Kind::Apart("clients"), mark: "0.0.1, values ready" };
const OFF: Peer = Peer { name: "tracking off", kind: Kind::Own("off"), mark: "" };

const P50: Figure = Figure { key: "p50_us", unit: "us", note: "median of single calls" };
const P50_NANOS: Figure = Figure { key: "p50_ns", unit: "ns", note: "median of single calls" };
const P99_NANOS: Figure = Figure { key: "p99_ns", unit: "ns", note: "99th percentile of single calls" };
const OPEN: Figure = Figure { key: "open_ms", unit: "ms", note: "open to stored" };
const CPU: Figure = Figure { key: "cpu_ms", unit: "ms", note: "processor time per 1,000 metrics" };
const RATE: Figure = Figure { key: "replay_us", unit: "us", note: "per metric, from the spool" };

/// The targets of the tracker.
pub(crate) fn area() -> Area {
    Area {
        name: "tracking",
        build: &["--no-default-features", "--features", "tracking"],
        crates: &["rusqlite", "ureq"],
        settings: &[("keys", 10)],
        cases: calls().into_iter().chain(store()).chain(server()).chain(overhead()).collect(),
    }
}

fn calls() -> [Case; 2] {
    let base = Case { task: "calls", input: "store", check: Check::Inside, ..super::BASE };
    [
        Case {
            title: "one log call",
            arguments: vec![("callers", 1), ("calls", 50_000), ("python_calls", 100)],
            rows: vec![
                limit(200, 100).of(P50_NANOS),
                limit(2_000, 1_000).of(P99_NANOS),
                only_floor("call", CLIENT, 0.001).of(P50),
            ],
            ..base.clone()
        },
        Case {
            title: "one log call, 8 threads at once",
            arguments: vec![("callers", 8), ("calls", 5_000)],
            rows: vec![limit(1_000, 500).of(P50_NANOS)],
            ..base
        },
    ]
}

fn store() -> [Case; 2] {
    let base = Case { input: "store", ..super::BASE };
    [
        Case {
            title: "100k metrics into a new store",
            task: "bulk",
            arguments: vec![("metrics", 100_000)],
            check: Check::EqualToEach(0.0),
            rows: vec![floor("store", EXECUTEMANY, 1.0, 0.8), floor("store", CLIENT, 0.1, 0.05)],
            ..base.clone()
        },
        Case {
            title: "first run in an empty folder",
            task: "first-run",
            check: Check::Inside,
            rows: vec![ceiling("store", 50, 20).of(OPEN), only_floor("store", PYTHON_RUN, 0.1)],
            rounds: 3,
            ..base
        },
    ]
}

fn server() -> [Case; 2] {
    let base = Case { input: "store", server: true, rounds: 3, ..super::BASE };
    [
        Case {
            title: "100k metrics over REST",
            task: "rest",
            arguments: vec![("metrics", 100_000)],
            check: Check::EqualToEach(0.0),
            rows: vec![
                only_floor("rest", BARE, 1.1),
                info("rest", CLIENT),
                info("rest", TRS_MLFLOW),
                info("rest", MLFLOW_CLIENT),
                ceiling("rest", 2, 1).of(CPU),
            ],
            ..base.clone()
        },
        Case {
            title: "20k metrics from the spool",
            task: "replay",
            arguments: vec![("metrics", 20_000)],
            check: Check::Inside,
            // 5,000 a second.
            rows: vec![ceiling("rest", 200, 100).of(RATE)],
            ..base
        },
    ]
}

fn overhead() -> [Case; 2] {
    let base = Case { input: "store", check: Check::Inside, rounds: 3, ..super::BASE };
    [
        Case {
            title: "fit 5,000 rows, runs in SQLite",
            task: "fit",
            arguments: vec![("rows", 5_000), ("pairs", 7)],
            rows: vec![only_floor("overhead", OFF, 1.01)],
            ..base.clone()
        },
        Case {
            title: "a batch of 2,000 rows, runs in SQLite",
            task: "batches",
            arguments: vec![("rows", 2_000), ("pairs", 200)],
            rows: vec![only_floor("overhead", OFF, 1.01)],
            ..base
        },
    ]
}

/// A row without a peer: a number to stay below, and the one we would like to reach.
fn ceiling(target: &'static str, at_most: u32, goal: u32) -> Row {
    let peer = Peer { name: "limit", kind: Kind::Limit(at_most), mark: "no peer" };
    floor(target, peer, 1.0, f64::from(goal) / f64::from(at_most))
}

fn limit(at_most: u32, goal: u32) -> Row {
    ceiling("call", at_most, goal)
}

const fn python(name: &'static str, mark: &'static str) -> Peer {
    Peer::python("mlflow", name, mark)
}
