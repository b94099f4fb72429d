//! The tables of what is compared: inputs, peers, floors and goals.

mod clustering;
mod models;
mod tracking;

/// What `--peers` names: cases that one program of ours and one of the peers can measure.
#[derive(Debug)]
pub(crate) struct Area {
    /// Name of our program, of the peers' script and of the table in the document.
    pub(crate) name: &'static str,
    /// What cargo builds our program with.
    pub(crate) build: &'static [&'static str],
    /// Crates whose version belongs to the table.
    pub(crate) crates: &'static [&'static str],
    /// What every program is told of every case, beside the case's own arguments.
    pub(crate) settings: &'static [(&'static str, usize)],
    pub(crate) cases: Vec<Case>,
}

/// The area of a name.
pub(crate) fn area(name: &str) -> Option<Area> {
    [clustering::area, models::area, tracking::area]
        .map(|area| area())
        .into_iter()
        .find(|area| area.name == name)
}

/// One input and task that our program and its peers are given.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) title: &'static str,
    pub(crate) task: &'static str,
    /// The task of our program that writes the input.
    pub(crate) input: &'static str,
    /// More that the programs are told.
    pub(crate) arguments: Vec<(&'static str, usize)>,
    /// Folder of the real data that the case needs.
    pub(crate) data: Option<&'static str>,
    /// Whether an MLflow server runs while the case does; programs are told its address as `uri`.
    pub(crate) server: bool,
    /// Threads of every program, ours and the peers'.
    pub(crate) threads: usize,
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
    /// The same for every peer that is compared.
    EqualToEach(f64),
    /// Our number, a loss, is larger than that of any peer by at most this share.
    NoWorse(f64),
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
    /// In the Python environment of this name.
    Python(&'static str),
    Rust,
    /// A program in Rust with a lock file of its own, in this folder below `benches/peers`.
    Apart(&'static str),
    /// Another figure of our own program, such as the fit that the measured call starts from.
    Own(&'static str),
    /// A number to stay below, where no peer does the same.
    Limit(u32),
}

/// A number that the programs report, and its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) key: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) note: &'static str,
}

const SECONDS: Figure = Figure { key: "seconds", unit: "s", note: "" };
const PEAK: Figure = Figure { key: "peak_mb", unit: "MB", note: "peak of the process" };
const RISE: Figure = Figure { key: "rise_mb", unit: "MB", note: "above the loaded input" };

const BASE: Case = Case {
    title: "",
    task: "",
    input: "",
    arguments: Vec::new(),
    data: None,
    server: false,
    threads: 2,
    rounds: 5,
    check: Check::Inside,
    rows: Vec::new(),
};

fn floor(target: &'static str, peer: Peer, floor: f64, goal: f64) -> Row {
    Row { goal: Some(goal), ..only_floor(target, peer, floor) }
}

fn only_floor(target: &'static str, peer: Peer, floor: f64) -> Row {
    Row { floor: Some(floor), ..info(target, peer) }
}

fn info(target: &'static str, peer: Peer) -> Row {
    Row { target, peer, figure: SECONDS, floor: None, goal: None }
}

impl Peer {
    const fn python(environment: &'static str, name: &'static str, mark: &'static str) -> Self {
        Self { name, kind: Kind::Python(environment), mark }
    }

    const fn rust(name: &'static str, mark: &'static str) -> Self {
        Self { name, kind: Kind::Rust, mark }
    }

    /// Whether a program of its own measures it.
    pub(crate) fn is_measured(&self) -> bool {
        matches!(self.kind, Kind::Python(_) | Kind::Rust | Kind::Apart(_))
    }
}

impl Row {
    fn of(self, figure: Figure) -> Self {
        Self { figure, ..self }
    }
}

impl Area {
    /// The Python environments of its peers, each once.
    pub(crate) fn environments(&self) -> Vec<&'static str> {
        self.named(|kind| if let Kind::Python(name) = kind { Some(name) } else { None })
    }

    /// The folders of its peers' programs in Rust, each once.
    pub(crate) fn folders(&self) -> Vec<&'static str> {
        self.named(|kind| if let Kind::Apart(folder) = kind { Some(folder) } else { None })
    }

    fn named(&self, name: impl Fn(Kind) -> Option<&'static str>) -> Vec<&'static str> {
        let mut names = Vec::new();
        for found in self.cases.iter().flat_map(|case| &case.rows).filter_map(|row| name(row.peer.kind)) {
            if !names.contains(&found) {
                names.push(found);
            }
        }
        names
    }
}

impl Case {
    /// The programs of the peers, each once, and whether it runs in every round.
    pub(crate) fn programs(&self) -> Vec<(Peer, bool)> {
        let mut programs: Vec<(Peer, bool)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.peer.is_measured()) {
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
    fn rows_are_told_apart_goals_are_below_floors_and_the_reference_runs() {
        for area in [clustering::area(), models::area(), tracking::area()] {
            let mut seen = BTreeSet::new();
            for case in area.cases {
                for row in &case.rows {
                    assert!(seen.insert((case.label(row), row.peer.name, row.figure.key)), "{row:?}");
                    assert!(
                        row.goal.is_none_or(|goal| row.floor.is_some_and(|floor| goal < floor)),
                        "{row:?}"
                    );
                }
                if let Check::EqualTo(peer, _) = case.check {
                    assert!(case.programs().iter().any(|(program, _)| *program == peer), "{}", case.title);
                }
            }
        }
    }
}
