//! Models and series: training, scoring, features, and the road from raw stays to served models.

use super::{Area, Case, Check, Figure, Kind, PEAK, Peer, RISE, Row, floor, info};

const LOOP: Peer = python("scikit-learn loop", "LGBMRegressor with its own threads");
const PROCESSES: Peer = python("joblib, 2 processes", "");
const THREADS: Peer = python("joblib, 2 threads", "");
const PROTOCOL: Peer = python("joblib", "the same folds, early stopping and weights");
const BOOSTER: Peer = python("Booster", "");
const REGRESSOR: Peer = python("LGBMRegressor", "");
const KEPT: Peer = python("boosters kept", "training boosters alive with their data");
const PANDAS: Peer = python("pandas", "");
const POLARS: Peer = python("polars", "");
const TSFRESH: Peer = python("tsfresh", "its minimal set");
const CATCH22: Peer = python("pycatch22", "");
const MLFORECAST: Peer = Peer::python("peers-mlforecast", "mlforecast", "");
const SCRIPT: Peer = python("Python script", "without the report page");

const P50: Figure = Figure { key: "p50_us", unit: "us", note: "median of single calls" };
const NANOS: Figure = Figure { key: "nanos", unit: "ns", note: "per value" };
const BYTES: Figure = Figure { key: "bytes", unit: "bytes", note: "per value" };
const BEFORE: Figure = Figure { key: "before", unit: "s", note: "up to the fit of the models" };

/// Relative difference that a changed order of summation may make.
const SAME_SUM: f64 = 1e-9;

/// The targets of training, scoring and series, and the road from raw stays.
pub(crate) fn area() -> Area {
    let cases = training().into_iter().chain(scoring()).chain(series()).chain(road());
    Area {
        name: "models",
        build: &[],
        crates: &["lightgbm3-sys"],
        settings: &[("rounds", 100), ("leaves", 31), ("seed", 42)],
        cases: cases.collect(),
    }
}

fn training() -> Vec<Case> {
    let many = vec![("groups", 50), ("rows", 2_000), ("held_out", 500), ("d", 24)];
    let small = vec![("groups", 200), ("rows", 200), ("held_out", 50), ("d", 24)];
    let base = Case { task: "train", input: "cohort", check: Check::EqualToEach(0.0), ..super::BASE };
    vec![
        Case {
            title: "50 x 2,000 rows",
            arguments: many.clone(),
            rows: vec![
                faster("train", LOOP, 1.4, 1.5),
                faster("train", PROCESSES, 1.1, 1.3),
                faster("train", THREADS, 1.1, 1.3),
            ],
            ..base.clone()
        },
        Case {
            title: "200 x 200 rows",
            arguments: small,
            rows: vec![
                faster("train", LOOP, 2.1, 2.7),
                faster("train", PROCESSES, 1.15, 1.45),
                faster("train", THREADS, 1.15, 1.45),
            ],
            ..base.clone()
        },
        Case {
            title: "50 x 2,000 rows, sizes by rows",
            task: "train-sized",
            arguments: many.clone(),
            check: Check::NoWorse(0.01),
            rows: vec![faster("train", LOOP, 2.0, 2.5)],
            ..base.clone()
        },
        Case {
            title: "memory of 50 x 2,000 rows",
            arguments: many,
            rounds: 3,
            rows: vec![
                floor("train", KEPT, 0.35, 0.25).of(RISE),
                info("train", KEPT).of(PEAK),
                info("train", LOOP).of(PEAK),
            ],
            ..base.clone()
        },
        Case {
            title: "per cluster and pooled, 10 x 400 rows, 5 folds",
            task: "per-cluster",
            input: "segments",
            arguments: vec![("groups", 10), ("rows", 400), ("d", 24)],
            check: Check::NoWorse(0.01),
            rounds: 3,
            rows: vec![faster("train", PROTOCOL, 1.3, 2.0)],
            ..base
        },
    ]
}

fn scoring() -> Vec<Case> {
    let base = Case { input: "model", check: Check::EqualToEach(0.0), ..super::BASE };
    let batch =
        [("100k rows x 24, 1 thread", 1), ("100k rows x 24, 2 threads", 2)].map(|(title, threads)| Case {
            title,
            task: "score",
            threads,
            arguments: vec![("n", 100_000), ("d", 24)],
            rows: vec![faster("score", BOOSTER, 3.5, 5.0)],
            ..base.clone()
        });
    let single = [
        Case {
            title: "one row x 24",
            task: "score-one",
            threads: 1,
            arguments: vec![("n", 5_000), ("d", 24)],
            rows: vec![
                faster("score", BOOSTER, 10.0, 14.0).of(P50),
                faster("score", REGRESSOR, 150.0, 250.0).of(P50),
            ],
            ..base.clone()
        },
        Case {
            title: "contributions, 10k rows x 24, 2 threads",
            task: "contributions",
            arguments: vec![("n", 10_000), ("d", 24)],
            rows: vec![faster("score", BOOSTER, 1.3, 5.0)],
            ..base.clone()
        },
        Case {
            title: "parse 100 trees x 31 leaves",
            task: "parse",
            threads: 1,
            arguments: vec![("n", 1_000), ("d", 24)],
            rows: vec![faster("score", BOOSTER, 1.0, 3.0).of(P50)],
            ..base
        },
    ];
    batch.into_iter().chain(single).collect()
}

fn series() -> Vec<Case> {
    let stays = Case {
        input: "long-csv",
        arguments: vec![("stays", 0)],
        data: Some("physionet2012"),
        check: Check::EqualToEach(SAME_SUM),
        ..super::BASE
    };
    let read = |title, threads, peers: &[Peer]| Case {
        title,
        task: "read",
        threads,
        rows: peers.iter().map(|peer| faster("series", *peer, 0.7, 1.5)).collect(),
        ..stays.clone()
    };
    let stats = |title, threads, peers: &[Peer]| Case {
        title,
        task: "stats",
        threads,
        rows: peers.iter().map(|peer| faster("series", *peer, 3.0, 6.0)).collect(),
        ..stays.clone()
    };
    let shape = [
        ("18 shape features, 8,000 series of 42", 8_000, 42),
        ("18 shape features, 2,000 series of 336", 2_000, 336),
        ("18 shape features, 500 series of 1,000", 500, 1_000),
    ]
    .map(|(title, n, periods)| Case {
        title,
        task: "shape",
        input: "series",
        threads: 1,
        arguments: vec![("series", n), ("periods", periods)],
        check: Check::Elsewhere,
        rounds: 3,
        rows: vec![faster("series", CATCH22, 2.0, 5.0)],
        ..super::BASE
    });
    let panel =
        [("11 panel features, 1.3M rows, 1 thread", 1), ("11 panel features, 1.3M rows, 2 threads", 2)].map(
            |(title, threads)| Case {
                title,
                task: "panel",
                input: "series",
                threads,
                arguments: vec![("series", 12_000), ("periods", 120)],
                check: Check::EqualToEach(SAME_SUM),
                rounds: 3,
                rows: vec![faster("series", MLFORECAST, 1.5, 3.0)],
                ..super::BASE
            },
        );
    let stays = [
        read("CSV to table, set-a, 1 thread", 1, &[PANDAS, POLARS]),
        read("CSV to table, set-a, 2 threads", 2, &[POLARS]),
        stats("CSV to 8 statistics, set-a, 1 thread", 1, &[PANDAS, POLARS]),
        stats("CSV to 8 statistics, set-a, 2 threads", 2, &[POLARS]),
        Case {
            title: "minimal set, 500 stays",
            task: "minimal",
            arguments: vec![("stays", 500)],
            rounds: 3,
            rows: vec![faster("series", TSFRESH, 50.0, 100.0)],
            ..stays.clone()
        },
        Case {
            title: "running summaries, 500 stays",
            task: "updater",
            threads: 1,
            arguments: vec![("stays", 500)],
            check: Check::Inside,
            rows: vec![limit(100, 50).of(NANOS)],
            ..stays.clone()
        },
        Case {
            title: "table in memory, set-a",
            task: "table-memory",
            check: Check::Inside,
            rows: vec![limit(24, 16).of(BYTES)],
            ..stays
        },
    ];
    stays.into_iter().chain(panel).chain(shape).collect()
}

fn road() -> Vec<Case> {
    vec![Case {
        title: "raw stays of set-a to served models",
        task: "road",
        input: "stay-folds",
        data: Some("physionet2012"),
        check: Check::NoWorse(0.02),
        rounds: 3,
        rows: vec![
            floor("road", SCRIPT, 0.1, 0.05).of(BEFORE),
            floor("road", SCRIPT, 0.5, 0.25),
            info("road", SCRIPT).of(PEAK),
        ],
        ..super::BASE
    }]
}

/// A row whose targets are given as how many times faster we must be and would like to be.
fn faster(target: &'static str, peer: Peer, at_least: f64, goal: f64) -> Row {
    floor(target, peer, 1.0 / at_least, 1.0 / goal)
}

/// A row without a peer: a number to stay below, and the one we would like to reach.
fn limit(at_most: u32, goal: u32) -> Row {
    let peer = Peer { name: "limit", kind: Kind::Limit(at_most), mark: "no peer" };
    floor("series", peer, 1.0, f64::from(goal) / f64::from(at_most))
}

const fn python(name: &'static str, mark: &'static str) -> Peer {
    Peer::python("peers-models", name, mark)
}
