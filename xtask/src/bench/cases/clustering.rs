//! Clusterers, neighbours and their scores: the targets T-10 to T-22.

use super::{Area, Case, Check, Kind, PEAK, Peer, RISE, floor, info, only_floor};

const QUITEFASTMST: Peer = python("quitefastmst", "spanning tree only");
const HDBSCAN_DEFAULT: Peer = python("hdbscan default", "approximate tree");
const HDBSCAN_EXACT: Peer = python("hdbscan exact", "");
const HDBSCAN_GENERIC: Peer = python("hdbscan generic", "");
const HDBSCAN: Peer = python("hdbscan", "");
const SKLEARN: Peer = python("scikit-learn", "");
const SKLEARN_TREE: Peer = python("scikit-learn tree", "");
const SKLEARN_BRUTE: Peer = python("scikit-learn brute", "");
const PLSCAN: Peer = python("fast-plscan", "f32, chooses leaves");
const FAST_HDBSCAN: Peer = python("fast_hdbscan", "f32");
const FAST_HDBSCAN_WIDE: Peer = python("fast_hdbscan", "f32, approximate graph");
const KIDDO: Peer = Peer::rust("kiddo", "");
const KIDDO_F32: Peer = Peer::rust("kiddo f32", "f32");
const OWN_FIT: Peer = Peer { name: "own fit", kind: Kind::Own("setup"), mark: "" };
const OWN_INPUT: Peer = Peer { name: "one copy of the matrix", kind: Kind::Own("input_mb"), mark: "" };

/// Relative difference that a changed order of summation may make.
const SAME_SUM: f64 = 1e-12;
const SAME_SCORE: f64 = 1e-9;

/// The targets T-10 to T-22.
pub(crate) fn area() -> Area {
    let low = [
        Case {
            rows: vec![
                floor("T-10", QUITEFASTMST, 1.3, 1.0),
                info("T-10", HDBSCAN_DEFAULT),
                info("T-10", HDBSCAN_EXACT),
                info("T-10", PLSCAN),
                info("T-10", FAST_HDBSCAN),
            ],
            ..fit("fit 100k x 2", (100_000, 2))
        },
        Case {
            rows: vec![
                floor("T-10", QUITEFASTMST, 1.3, 1.0),
                floor("T-19", QUITEFASTMST, 0.6, 0.45).of(PEAK),
                info("T-19", QUITEFASTMST).of(RISE),
                info("T-10", PLSCAN),
            ],
            ..fit("fit 1M x 2", (1_000_000, 2))
        },
        Case {
            rows: vec![
                floor("T-10", QUITEFASTMST, 1.3, 1.0),
                info("T-10", HDBSCAN_DEFAULT),
                info("T-10", PLSCAN),
            ],
            ..fit("fit 100k x 10", (100_000, 10))
        },
        Case {
            // A round takes minutes.
            rounds: 1,
            rows: vec![floor("T-11", QUITEFASTMST, 1.0, 0.7)],
            ..fit("fit 1M x 10", (1_000_000, 10))
        },
    ];
    let high = [
        Case {
            rows: vec![floor("T-12", HDBSCAN_DEFAULT, 0.5, 0.35), floor("T-12", QUITEFASTMST, 0.33, 0.22)],
            ..fit("fit 50k x 24", (50_000, 24))
        },
        Case {
            // A round takes about a minute.
            rounds: 3,
            rows: vec![floor("T-13", QUITEFASTMST, 0.2, 0.12), info("T-13", FAST_HDBSCAN_WIDE)],
            ..fit("fit 50k x 64", (50_000, 64))
        },
    ];
    let small = [("fit 10k x 2", 2), ("fit 10k x 10", 10), ("fit 10k x 24", 24), ("fit 10k x 64", 64)].map(
        |(title, d)| {
            let mut rows = vec![
                floor("T-14", HDBSCAN_EXACT, 0.5, 0.3),
                floor("T-14", SKLEARN, 0.5, 0.3),
                info("T-14", QUITEFASTMST),
                info("T-14", HDBSCAN_DEFAULT),
                info("T-14", PLSCAN),
            ];
            // At 64 columns it compiles for a minute before it runs, and the case of 50k rows has it.
            if d < 64 {
                rows.push(info("T-14", FAST_HDBSCAN));
            }
            Case { rows, ..fit(title, (10_000, d)) }
        },
    );
    let predict = [
        ("predict 1 row, 50k x 10", 1, 1_000, 0.09, 0.05),
        ("predict 1,000 rows, 50k x 10", 1_000, 10_000, 0.07, 0.04),
        ("predict 100,000 rows, 50k x 10", 100_000, 100_000, 0.05, 0.03),
    ]
    .map(|(title, batch, queries, at_most, goal)| Case {
        title,
        task: "predict",
        arguments: vec![("n", 50_000 + queries), ("d", 10), ("train", 50_000), ("batch", batch)],
        check: Check::Inside,
        rows: vec![floor("T-16", HDBSCAN, at_most, goal)],
        ..on_mixture()
    });
    let others = [
        Case {
            title: "kNN 100k x 8, 10k queries",
            task: "knn",
            arguments: vec![("n", 110_000), ("d", 8), ("train", 100_000)],
            check: Check::EqualTo(KIDDO, SAME_SUM),
            rows: vec![floor("T-17", KIDDO, 1.0, 0.7), info("T-17", SKLEARN_TREE)],
            ..on_mixture()
        },
        Case {
            title: "kNN 100k x 24, 10k queries",
            task: "knn",
            arguments: vec![("n", 110_000), ("d", 24), ("train", 100_000)],
            check: Check::EqualTo(KIDDO, SAME_SUM),
            rows: vec![
                floor("T-18", KIDDO, 0.6, 0.4),
                floor("T-18", KIDDO_F32, 0.6, 0.4),
                floor("T-18", SKLEARN_BRUTE, 0.6, 0.4),
            ],
            ..on_mixture()
        },
        Case {
            title: "20 selections, 100k x 10",
            task: "re-extract",
            arguments: vec![("n", 100_000), ("d", 10)],
            check: Check::Inside,
            rows: vec![floor("T-20", OWN_FIT, 0.1, 0.05)],
            ..on_mixture()
        },
        Case {
            title: "silhouette 10k x 24",
            task: "silhouette",
            arguments: vec![("n", 10_000), ("d", 24)],
            check: Check::EqualTo(SKLEARN, SAME_SCORE),
            rows: vec![only_floor("T-21", SKLEARN, 0.5)],
            ..on_mixture()
        },
        Case {
            title: "DBCV 10k x 10",
            task: "dbcv",
            arguments: vec![("n", 10_000), ("d", 10)],
            check: Check::Elsewhere,
            rows: vec![only_floor("T-21", HDBSCAN, 0.1)],
            ..on_mixture()
        },
        Case {
            title: "fallback, fit and 10k queries, 100k x 24",
            task: "fallback",
            arguments: vec![("n", 110_000), ("d", 24), ("train", 100_000)],
            // The sum of whole numbers: equal labels or not.
            check: Check::EqualTo(SKLEARN_BRUTE, 0.0),
            rows: vec![floor("T-22", SKLEARN_BRUTE, 0.5, 0.3)],
            ..on_mixture()
        },
    ];
    let precomputed = [Case {
        title: "precomputed 10k",
        task: "precomputed",
        input: "distances",
        arguments: vec![("n", 10_000), ("d", 10)],
        check: Check::EqualTo(SKLEARN, SAME_SUM),
        rows: vec![
            only_floor("T-15", HDBSCAN_GENERIC, 0.3),
            only_floor("T-15", SKLEARN, 0.3),
            only_floor("T-15", OWN_INPUT, 1.0).of(RISE),
        ],
        ..on_mixture()
    }];
    let cases = low.into_iter().chain(high).chain(small).chain(precomputed).chain(predict).chain(others);
    Area {
        name: "clustering",
        build: &["--no-default-features", "--features", "rivals"],
        crates: &["kiddo"],
        settings: &[("min_cluster_size", 25), ("min_samples", 10), ("k", 5)],
        cases: cases.collect(),
    }
}

fn on_mixture() -> Case {
    Case { input: "mixture", ..super::BASE }
}

const fn python(name: &'static str, mark: &'static str) -> Peer {
    Peer::python("peers", name, mark)
}

fn fit(title: &'static str, (n, d): (usize, usize)) -> Case {
    Case {
        title,
        task: "fit",
        arguments: vec![("n", n), ("d", d)],
        check: Check::EqualTo(QUITEFASTMST, SAME_SUM),
        ..on_mixture()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_target_of_the_specification_has_a_row_with_a_floor() {
        let cases = area().cases;
        let with_floor = cases.iter().flat_map(|case| &case.rows).filter(|row| row.floor.is_some());
        let targets: BTreeSet<&str> = with_floor.map(|row| row.target).collect();
        let expected: Vec<String> = (10..=22).map(|id| format!("T-{id}")).collect();
        assert_eq!(targets.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_program_runs_once_a_round_however_many_rows_it_has() {
        let cases = area().cases;
        let memory = cases.iter().find(|case| case.title == "fit 1M x 2").unwrap();
        assert_eq!(memory.programs(), [(QUITEFASTMST, true), (PLSCAN, false)]);
        let own = cases.iter().find(|case| case.task == "re-extract").unwrap();
        assert_eq!(own.programs(), []);
    }
}
