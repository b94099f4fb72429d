//! `cargo xtask bench --peers AREA`: our programs and their peers on the same input in the same run.

mod cases;
mod document;
mod machine;
mod measure;
mod outcome;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use self::{
    cases::{Case, Kind, PRECOMPUTED, Peer, SETTINGS, THREADS},
    measure::{Measurement, Program},
    outcome::{OURS, Outcome, Runs, Verdict, digits, outcomes},
};
use crate::{
    exit::stop,
    json::Json,
    setup::{Host, Source, venv},
    workspace::{cargo, root, shell, tool_dir},
};

/// The command line of a comparison.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) area: String,
    /// Part of the name of the cases to run; all without.
    pub(crate) case: Option<String>,
    /// Where the results go.
    pub(crate) json: Option<PathBuf>,
}

/// Runs the cases of an area.
pub(crate) fn run(options: &Options) -> Result<()> {
    match options.area.as_str() {
        "clustering" => clustering(options),
        other => Err(crate::absent("bench area", other)),
    }
}

fn clustering(options: &Options) -> Result<()> {
    let all = cases::clustering();
    let chosen = chosen(&all, options.case.as_deref())?;
    let json = options.json.as_deref().map(writable).transpose()?;
    let lab = Lab::set_up()?;
    let about = lab.about()?;
    println!("{about}");

    let mut rows = Vec::new();
    for case in &chosen {
        let runs = lab.run(case)?;
        let outcomes = outcomes(case, &runs);
        print!("{}", document::table(&outcomes));
        rows.extend(outcomes);
    }
    let text = section(&about, &rows, options.case.as_deref());
    println!("\n{text}");
    if let Some(json) = json {
        document::write_whole(&json, &document::json(&rows))?;
        println!("results: {}", json.display());
    }
    let path = root().join("docs/BENCHMARKS.md");
    if document::write_section(&path, "bench clustering", &text)? {
        println!("table: {}", path.display());
    } else {
        println!("the table of all cases in {} stays", path.display());
    }
    let void = rows.iter().filter(|row| row.verdict == Verdict::Void && row.floor.is_some()).count();
    if void > 0 { bail!("{void} rows are void, see their notes") } else { Ok(()) }
}

fn chosen<'a>(all: &'a [Case], part: Option<&str>) -> Result<Vec<&'a Case>> {
    let part = part.unwrap_or_default();
    let is_chosen = |case: &&Case| case.rows.iter().any(|row| case.label(row).contains(part));
    let chosen: Vec<&Case> = all.iter().filter(is_chosen).collect();
    if chosen.is_empty() {
        let names: Vec<String> = all.iter().map(|case| case.label(&case.rows[0])).collect();
        bail!("no case has `{part}` in its name; there are: {}", names.join("; "));
    }
    Ok(chosen)
}

/// A file that can be written at the end of a long run, found out at its start.
fn writable(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path).context("--json")?;
    let dir = path.parent().filter(|dir| dir.is_dir());
    dir.with_context(|| format!("--json {}: its folder does not exist", path.display()))?;
    Ok(path)
}

/// What stands in the document.
fn section(about: &str, rows: &[Outcome], part: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(part) = part {
        text += &format!("{} only the cases with `{part}` in their name were run.\n\n", document::PARTIAL);
    }
    text += &format!("{about}\n{}", document::table(rows));
    let count = |verdict| rows.iter().filter(|row| row.floor.is_some() && row.verdict == verdict).count();
    let (goal, floor) = (count(Verdict::Goal), count(Verdict::Floor));
    text += &format!(
        "\nFloors: {} met, of these {goal} with their goal; {} missed, {} void.\n",
        goal + floor,
        count(Verdict::Missed),
        count(Verdict::Void),
    );
    text
}

/// The programs, and the folder of their inputs.
#[derive(Debug)]
struct Lab {
    ours: Program,
    python: Program,
    requirements: Vec<&'static str>,
    inputs: PathBuf,
}

impl Lab {
    fn set_up() -> Result<Self> {
        let requirements: Vec<&str> = include_str!("../../../benches/peers/requirements.txt")
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        let host = Host::current();
        let dir = tool_dir().join("peers");
        if !venv::is_ready(&dir, &requirements) && host.find("python3").is_none() && host.find("uv").is_none()
        {
            return Err(stop(
                "skipped: python3 not found, the peers cannot run; type: sudo apt install python3-venv",
            ));
        }
        venv::provide(&host, &dir, &requirements, &Source::default())?;
        let ours = build()?;
        let target = ours.parent().and_then(Path::parent).context("the target folder")?;
        let script = root().join("benches/peers/clustering.py");
        Ok(Self {
            inputs: target.join("bench-inputs"),
            ours: Program { command: vec![ours] },
            python: Program { command: vec![venv::python(&dir), script] },
            requirements,
        })
    }

    /// Machine, versions and settings, a line each.
    fn about(&self) -> Result<String> {
        let names: Vec<&str> =
            self.requirements.iter().filter_map(|it| it.split_once("==")).map(|it| it.0).collect();
        let pairs = [("task".to_owned(), "about".to_owned()), ("packages".to_owned(), names.join(","))];
        let json = Json::parse(&self.python.run(&pairs).context("the Python of the peers")?)?;
        let versions: Vec<String> = json
            .get("versions")
            .members()
            .iter()
            .map(|(name, version)| format!("{name} {}", version.text().unwrap_or("?")))
            .collect();
        let sh = shell()?;
        let commit =
            xshell::cmd!(sh, "git describe --always --dirty").quiet().read().unwrap_or("unknown".into());
        let rustc = xshell::cmd!(sh, "rustc --version").quiet().read().unwrap_or("rustc unknown".into());
        let settings: Vec<String> = SETTINGS.iter().map(|(name, value)| format!("{name} {value}")).collect();
        Ok(format!(
            "- Machine: {}.\n- Ours: commit {commit}, {rustc}, release build.\n- Peers: Python {}, {}, kiddo {}; BLAS of numpy: {}.\n- Settings: {}; every thread pool has {THREADS} threads.\n",
            machine::describe(),
            json.get("python").text().unwrap_or("?"),
            versions.join(", "),
            kiddo_version()?,
            json.get("blas").text().unwrap_or("?"),
            settings.join(", "),
        ))
    }

    /// Writes the inputs of a case, runs its rounds and removes the inputs.
    fn run(&self, case: &Case) -> Result<Runs> {
        println!("\n=== {}", case.label(&case.rows[0]));
        fs::create_dir_all(&self.inputs).with_context(|| format!("create {}", self.inputs.display()))?;
        let runs = self.write_inputs(case).map(|()| self.rounds(case));
        fs::remove_dir_all(&self.inputs).with_context(|| format!("remove {}", self.inputs.display()))?;
        runs
    }

    fn write_inputs(&self, case: &Case) -> Result<()> {
        let (n, d) = case.input;
        let file = |name: &str| self.inputs.join(name).display().to_string();
        let pairs = [
            ("task", "mixture".to_owned()),
            ("peer", String::new()),
            ("n", n.to_string()),
            ("d", d.to_string()),
            ("data", file("rows.npy")),
            ("truth", file("truth.npy")),
        ];
        self.ours.run(&pairs.map(|(key, value)| (key.to_owned(), value))).context("write the input")?;
        if case.task == PRECOMPUTED {
            let pairs = [
                ("task", "distances".to_owned()),
                ("peer", String::new()),
                ("data", file("rows.npy")),
                ("out", file("distances.npy")),
            ];
            self.ours
                .run(&pairs.map(|(key, value)| (key.to_owned(), value)))
                .context("write the distances")?;
        }
        Ok(())
    }

    /// Ours and the peers in turn; every second round in reverse, so that no one always follows another.
    fn rounds(&self, case: &Case) -> Runs {
        let mut runs = Runs::default();
        for round in 0..case.rounds {
            let load = machine::quiet();
            let is_busy = load.is_some_and(|load| load > machine::MAX_LOAD);
            runs.busy_rounds += usize::from(is_busy);
            let load = load.map_or("unknown".to_owned(), |load| format!("{load:.2} per core"));
            let mark = if is_busy { ", kept and marked" } else { "" };
            println!("  round {} of {}, load before {load}{mark}", round + 1, case.rounds);

            let peers = case.programs().into_iter().filter(|(_, every_round)| *every_round || round == 0);
            let mut programs: Vec<Option<Peer>> =
                std::iter::once(None).chain(peers.map(|it| Some(it.0))).collect();
            if round % 2 == 1 {
                programs.reverse();
            }
            for peer in programs {
                let name = peer.map_or(OURS, |it| it.name);
                if runs.failed.contains_key(name) {
                    continue;
                }
                match self.measure(case, peer) {
                    Ok(it) => {
                        println!("    {name:16} {}", figures(&it));
                        runs.measured.entry(name).or_default().push(it);
                    }
                    Err(error) => {
                        println!("    {name:16} failed: {error:#}");
                        runs.failed.insert(name, format!("{name}: {error:#}"));
                    }
                }
            }
        }
        runs
    }

    /// `None` is our own program.
    fn measure(&self, case: &Case, peer: Option<Peer>) -> Result<Measurement> {
        let is_python = peer.is_some_and(|it| it.kind == Kind::Python);
        let program = if is_python { &self.python } else { &self.ours };
        let data = if case.task == PRECOMPUTED { "distances.npy" } else { "rows.npy" };
        let mut pairs = vec![
            ("task".to_owned(), case.task.to_owned()),
            ("peer".to_owned(), peer.map_or(OURS, |it| it.name).to_owned()),
        ];
        for (key, name) in [("data", data), ("truth", "truth.npy"), ("ours", "ours.npy")] {
            pairs.push((key.to_owned(), self.inputs.join(name).display().to_string()));
        }
        let numbers = SETTINGS.iter().chain(&case.arguments);
        pairs.extend(numbers.map(|(key, value)| ((*key).to_owned(), value.to_string())));
        program.measure(&pairs)
    }
}

fn figures(it: &Measurement) -> String {
    let figures = [
        ("s", it.seconds),
        ("s before it", it.setup),
        ("s import", it.import),
        ("s first call", it.cold),
        ("MB peak", it.peak_mb),
        ("MB rise", it.rise_mb),
    ];
    let known = figures.iter().filter_map(|(name, value)| value.map(|it| format!("{} {name}", digits(it))));
    known.collect::<Vec<_>>().join(", ")
}

/// Builds our program with its Rust peers and gives its path, wherever the target folder is.
fn build() -> Result<PathBuf> {
    let sh = shell()?;
    let flags = ["build", "--release", "--quiet", "--package", "tsc-peers", "--features", "rivals"];
    let messages = cargo(&sh, flags).arg("--message-format=json-render-diagnostics").quiet().read()?;
    let executable = |line: &str| {
        let json = Json::parse(line).ok()?;
        let is_ours = json.get("target").get("name").text() == Some("clustering");
        json.get("executable").text().filter(|_| is_ours).map(PathBuf::from)
    };
    messages.lines().find_map(executable).context("cargo has built no program `clustering`")
}

/// The version in the lock file.
fn kiddo_version() -> Result<String> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).context("read Cargo.lock")?;
    let (_, rest) = lock.split_once("name = \"kiddo\"\nversion = \"").context("Cargo.lock names no kiddo")?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_chosen_by_a_part_of_their_name_and_a_wrong_one_lists_them() {
        let all = cases::clustering();
        let titles =
            |part| chosen(&all, Some(part)).unwrap().iter().map(|case| case.title).collect::<Vec<_>>();
        assert_eq!(titles("T-19"), ["fit 1M x 2"]);
        assert_eq!(titles("50k x 24"), ["fit 50k x 24"]);
        assert_eq!(chosen(&all, None).unwrap().len(), all.len());
        assert!(chosen(&all, Some("T-99")).unwrap_err().to_string().contains("T-11 fit 1M x 10"));
    }

    #[test]
    fn a_result_file_without_a_folder_is_refused_before_the_run() {
        let error = writable(Path::new("absent/folder/results.json")).unwrap_err().to_string();
        assert!(error.contains("absent/folder/results.json"), "{error}");
        assert!(writable(Path::new("results.json")).is_ok());
    }
}
