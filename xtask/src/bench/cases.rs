//! The one table of what is compared: inputs, peers, floors and goals.

/// Threads of every program, ours and the peers'.
pub(crate) const THREADS: usize = 2;

/// What every program is told of every case, beside the case's own arguments.
pub(crate) const SETTINGS: [(&str, usize); 4] =
    [("min_cluster_size", 25), ("min_samples", 10), ("k", 5), ("threads", THREADS)];

/// One input and task that our program and its peers are given.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) title: &'static str,
    pub(crate) task: &'static str,
    /// Rows and columns of `tsc_testing::mixture`.
    pub(crate) input: (usize, usize),
    /// More that the programs are told.
    pub(crate) arguments: Vec<(&'static str, usize)>,
    /// Rounds of the peers that have a floor; the others run in the first round only.
    pub(crate) rounds: usize,
    pub(crate) check: Check,
    pub(crate) rows: Vec<Row>,
}

/// What makes a time count.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Check {
    /// The number that both report is equal up to this relative difference.
    EqualTo(Peer, f64),
    /// Our program compares its result with what it must be before it reports a time.
    Inside,
    /// Definitions differ; the conformance tests hold ours.
    Elsewhere,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) target: &'static str,
    pub(crate) peer: Peer,
    pub(crate) figure: Figure,
    /// Largest ratio that passes; without one the row is for information.
    pub(crate) floor: Option<f64>,
    pub(crate) goal: Option<f64>,
}

/// What our figure is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What a reader must know of it.
    pub(crate) mark: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Python,
    Rust,
    /// The fit that our own measured call starts from.
    OwnFit,
    /// The size of our input.
    OwnInput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    Seconds,
    /// Peak resident set of the process.
    PeakMb,
    /// The same above the resident set with the input loaded.
    RiseMb,
}

impl Peer {
    const fn python(name: &'static str, mark: &'static str) -> Self {
        Self { name, kind: Kind::Python, mark }
    }

    const fn rust(name: &'static str, mark: &'static str) -> Self {
        Self { name, kind: Kind::Rust, mark }
    }
}

const QUITEFASTMST: Peer = Peer::python("quitefastmst", "spanning tree only");
const HDBSCAN_DEFAULT: Peer = Peer::python("hdbscan default", "approximate tree");
const HDBSCAN_EXACT: Peer = Peer::python("hdbscan exact", "");
const HDBSCAN_GENERIC: Peer = Peer::python("hdbscan generic", "");
const HDBSCAN: Peer = Peer::python("hdbscan", "");
const SKLEARN: Peer = Peer::python("scikit-learn", "");
const SKLEARN_TREE: Peer = Peer::python("scikit-learn tree", "");
const SKLEARN_BRUTE: Peer = Peer::python("scikit-learn brute", "");
const PLSCAN: Peer = Peer::python("fast-plscan", "f32, chooses leaves");
const FAST_HDBSCAN: Peer = Peer::python("fast_hdbscan", "f32");
const FAST_HDBSCAN_WIDE: Peer = Peer::python("fast_hdbscan", "f32, approximate graph");
const KIDDO: Peer = Peer::rust("kiddo", "");
const KIDDO_F32: Peer = Peer::rust("kiddo f32", "f32");
const OWN_FIT: Peer = Peer { name: "own fit", kind: Kind::OwnFit, mark: "" };
const OWN_INPUT: Peer = Peer { name: "one copy of the matrix", kind: Kind::OwnInput, mark: "" };

/// Relative difference that a changed order of summation may make.
const SAME_SUM: f64 = 1e-12;
const SAME_SCORE: f64 = 1e-9;

/// The targets T-10 to T-22.
pub(crate) fn clustering() -> Vec<Case> {
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
                floor("T-19", QUITEFASTMST, 0.6, 0.45).of(Figure::PeakMb),
                info("T-19", QUITEFASTMST).of(Figure::RiseMb),
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
        input: (50_000 + queries, 10),
        arguments: vec![("train", 50_000), ("batch", batch)],
        check: Check::Inside,
        rows: vec![floor("T-16", HDBSCAN, at_most, goal)],
        ..BASE
    });
    let others = [
        Case {
            title: "kNN 100k x 8, 10k queries",
            task: "knn",
            input: (110_000, 8),
            arguments: vec![("train", 100_000)],
            check: Check::EqualTo(KIDDO, SAME_SUM),
            rows: vec![floor("T-17", KIDDO, 1.0, 0.7), info("T-17", SKLEARN_TREE)],
            ..BASE
        },
        Case {
            title: "kNN 100k x 24, 10k queries",
            task: "knn",
            input: (110_000, 24),
            arguments: vec![("train", 100_000)],
            check: Check::EqualTo(KIDDO, SAME_SUM),
            rows: vec![
                floor("T-18", KIDDO, 0.6, 0.4),
                floor("T-18", KIDDO_F32, 0.6, 0.4),
                floor("T-18", SKLEARN_BRUTE, 0.6, 0.4),
            ],
            ..BASE
        },
        Case {
            title: "20 selections, 100k x 10",
            task: "re-extract",
            input: (100_000, 10),
            check: Check::Inside,
            rows: vec![floor("T-20", OWN_FIT, 0.1, 0.05)],
            ..BASE
        },
        Case {
            title: "silhouette 10k x 24",
            task: "silhouette",
            input: (10_000, 24),
            check: Check::EqualTo(SKLEARN, SAME_SCORE),
            rows: vec![only_floor("T-21", SKLEARN, 0.5)],
            ..BASE
        },
        Case {
            title: "DBCV 10k x 10",
            task: "dbcv",
            input: (10_000, 10),
            check: Check::Elsewhere,
            rows: vec![only_floor("T-21", HDBSCAN, 0.1)],
            ..BASE
        },
        Case {
            title: "fallback, fit and 10k queries, 100k x 24",
            task: "fallback",
            input: (110_000, 24),
            arguments: vec![("train", 100_000)],
            // The sum of whole numbers: equal labels or not.
            check: Check::EqualTo(SKLEARN_BRUTE, 0.0),
            rows: vec![floor("T-22", SKLEARN_BRUTE, 0.5, 0.3)],
            ..BASE
        },
    ];
    let precomputed = [Case {
        title: "precomputed 10k",
        task: PRECOMPUTED,
        input: (10_000, 10),
        check: Check::EqualTo(SKLEARN, SAME_SUM),
        rows: vec![
            only_floor("T-15", HDBSCAN_GENERIC, 0.3),
            only_floor("T-15", SKLEARN, 0.3),
            only_floor("T-15", OWN_INPUT, 1.0).of(Figure::RiseMb),
        ],
        ..BASE
    }];
    low.into_iter().chain(high).chain(small).chain(precomputed).chain(predict).chain(others).collect()
}

/// The task that is given a matrix of distances instead of rows.
pub(crate) const PRECOMPUTED: &str = "precomputed";

const BASE: Case = Case {
    title: "",
    task: "",
    input: (0, 0),
    arguments: Vec::new(),
    rounds: 5,
    check: Check::Inside,
    rows: Vec::new(),
};

fn fit(title: &'static str, input: (usize, usize)) -> Case {
    Case { title, task: "fit", input, check: Check::EqualTo(QUITEFASTMST, SAME_SUM), ..BASE }
}

fn floor(target: &'static str, peer: Peer, floor: f64, goal: f64) -> Row {
    Row { goal: Some(goal), ..only_floor(target, peer, floor) }
}

fn only_floor(target: &'static str, peer: Peer, floor: f64) -> Row {
    Row { floor: Some(floor), ..info(target, peer) }
}

fn info(target: &'static str, peer: Peer) -> Row {
    Row { target, peer, figure: Figure::Seconds, floor: None, goal: None }
}

impl Row {
    fn of(self, figure: Figure) -> Self {
        Self { figure, ..self }
    }
}

impl Case {
    /// The programs of the peers, each once, and whether it runs in every round.
    pub(crate) fn programs(&self) -> Vec<(Peer, bool)> {
        let mut programs: Vec<(Peer, bool)> = Vec::new();
        for row in self.rows.iter().filter(|row| matches!(row.peer.kind, Kind::Python | Kind::Rust)) {
            match programs.iter_mut().find(|(peer, _)| *peer == row.peer) {
                Some((_, every_round)) => *every_round |= row.floor.is_some(),
                None => programs.push((row.peer, row.floor.is_some())),
            }
        }
        programs
    }

    /// Name of a row, as in the table and the results: the target's id and the case.
    pub(crate) fn label(&self, row: &Row) -> String {
        format!("{} {}", row.target, self.title)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_target_of_the_specification_has_a_row_with_a_floor() {
        let cases = clustering();
        let with_floor = cases.iter().flat_map(|case| &case.rows).filter(|row| row.floor.is_some());
        let targets: BTreeSet<&str> = with_floor.map(|row| row.target).collect();
        let expected: Vec<String> = (10..=22).map(|id| format!("T-{id}")).collect();
        assert_eq!(targets.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn rows_are_told_apart_goals_are_below_floors_and_the_reference_runs() {
        let mut seen = BTreeSet::new();
        for case in clustering() {
            for row in &case.rows {
                assert!(
                    seen.insert((case.label(row), row.peer.name, format!("{:?}", row.figure))),
                    "{row:?}"
                );
                assert!(row.goal.is_none_or(|goal| row.floor.is_some_and(|floor| goal < floor)), "{row:?}");
            }
            if let Check::EqualTo(peer, _) = case.check {
                assert!(case.programs().iter().any(|(program, _)| *program == peer), "{}", case.title);
            }
        }
    }

    #[test]
    fn a_program_runs_once_a_round_however_many_rows_it_has() {
        let cases = clustering();
        let memory = cases.iter().find(|case| case.title == "fit 1M x 2").unwrap();
        assert_eq!(memory.programs(), [(QUITEFASTMST, true), (PLSCAN, false)]);
        let own = cases.iter().find(|case| case.task == "re-extract").unwrap();
        assert_eq!(own.programs(), []);
    }
}
