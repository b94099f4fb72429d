//! `cargo xtask bench --peers AREA`: our programs and their peers on the same input in the same run.

mod cases;
mod document;
mod machine;
mod measure;
mod outcome;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use xshell::Cmd;

use self::{
    cases::{Area, Case, Kind, Peer},
    measure::{Measurement, Program},
    outcome::{OURS, Outcome, Runs, Verdict, digits, outcomes},
};
use crate::{
    exit::stop,
    json::Json,
    mlflow,
    server::{Server, free_port},
    setup::{Host, Source, venv},
    steps::now,
    workspace::{cargo, root, shell, tool_dir},
};

/// The command line of a comparison.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) area: String,
    /// Part of the name of the cases to run; all without.
    pub(crate) case: Option<String>,
    /// Rounds at most; as the case says without.
    pub(crate) rounds: Option<usize>,
    /// Folder of the real data sets.
    pub(crate) data: Option<PathBuf>,
    /// Where the results go.
    pub(crate) json: Option<PathBuf>,
}

/// Runs the cases of an area.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut area = cases::area(&options.area).ok_or_else(|| crate::absent("bench area", &options.area))?;
    area.cases = chosen(area.cases, options.case.as_deref())?;
    let json = options.json.as_deref().map(writable).transpose()?;
    let data = options.data.clone().or_else(data_folder);
    let absent = without_data(&mut area, data.as_deref());
    for title in &absent {
        println!("skipped: {title} needs real data; name their folder with --data DIR");
    }
    let lab = Lab::set_up(&area, data)?;
    let about = lab.about(&area)?;
    println!("{about}");

    let mut rows = Vec::new();
    for case in &mut area.cases {
        case.rounds = options.rounds.map_or(case.rounds, |most| case.rounds.min(most.max(1)));
        let start = now();
        let runs = lab.run(case, area.settings)?;
        let outcomes = outcomes(case, &runs);
        print!("{}", document::table(&outcomes));
        println!("  {:.0} s for this case", start.elapsed().as_secs_f64());
        rows.extend(outcomes);
    }
    let text = section(&about, &rows, &partial(options, &absent));
    println!("\n{text}");
    if let Some(json) = json {
        document::write_whole(&json, &document::json(&rows))?;
        println!("results: {}", json.display());
    }
    let path = root().join("docs/BENCHMARKS.md");
    if document::write_section(&path, &format!("bench {}", area.name), &text)? {
        println!("table: {}", path.display());
    } else {
        println!("the table of all cases in {} stays", path.display());
    }
    let void = rows.iter().filter(|row| row.verdict == Verdict::Void && row.floor.is_some()).count();
    if void > 0 { bail!("{void} rows are void, see their notes") } else { Ok(()) }
}

/// What keeps a run from being the table of all cases.
fn partial(options: &Options, absent: &[&str]) -> Vec<String> {
    let mut parts = Vec::new();
    parts.extend(options.case.as_ref().map(|part| format!("only the cases with `{part}` in their name")));
    parts.extend(options.rounds.map(|rounds| format!("at most {rounds} rounds")));
    if !absent.is_empty() {
        parts.push(format!("without the cases that need real data: {}", absent.join("; ")));
    }
    parts
}

/// The real data where the tests look for them: below `TSC_SHARED`, in `TSC_DATA`, or beside the repository.
fn data_folder() -> Option<PathBuf> {
    let shared = std::env::var_os("TSC_SHARED").map(|shared| PathBuf::from(shared).join("data"));
    let own = || std::env::var_os("TSC_DATA").map(PathBuf::from);
    let beside = || root().parent().map(|parent| parent.join("shared/data"));
    shared.or_else(own).or_else(beside)
}

/// Takes out the cases whose data are not there and gives their names.
fn without_data(area: &mut Area, data: Option<&Path>) -> Vec<&'static str> {
    let is_there =
        |case: &Case| case.data.is_none_or(|folder| data.is_some_and(|data| data.join(folder).is_dir()));
    let absent = area.cases.iter().filter(|case| !is_there(case)).map(|case| case.title).collect();
    area.cases.retain(is_there);
    absent
}

fn chosen(mut all: Vec<Case>, part: Option<&str>) -> Result<Vec<Case>> {
    let part = part.unwrap_or_default();
    let names: Vec<String> = all.iter().map(|case| case.label(&case.rows[0])).collect();
    all.retain(|case| case.rows.iter().any(|row| case.label(row).contains(part)));
    if all.is_empty() {
        bail!("no case has `{part}` in its name; there are: {}", names.join("; "));
    }
    Ok(all)
}

/// A file that can be written at the end of a long run, found out at its start.
fn writable(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path).context("--json")?;
    let dir = path.parent().filter(|dir| dir.is_dir());
    dir.with_context(|| format!("--json {}: its folder does not exist", path.display()))?;
    Ok(path)
}

/// What stands in the document.
fn section(about: &str, rows: &[Outcome], partial: &[String]) -> String {
    let mut text = String::new();
    if !partial.is_empty() {
        text += &format!("{} {}.\n\n", document::PARTIAL, partial.join("; "));
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
    python: BTreeMap<&'static str, Program>,
    /// Programs apart, or why there is none: some need what a machine may not have, such as OpenSSL.
    apart: BTreeMap<&'static str, Result<Program>>,
    inputs: PathBuf,
    data: Option<PathBuf>,
}

impl Lab {
    fn set_up(area: &Area, data: Option<PathBuf>) -> Result<Self> {
        let host = Host::current();
        let script = root().join(format!("benches/peers/{}.py", area.name));
        let mut python = BTreeMap::new();
        for name in area.environments() {
            let (dir, requirements) = (tool_dir().join(name), requirements(name)?);
            if !venv::is_ready(&dir, &requirements)
                && host.find("python3").is_none()
                && host.find("uv").is_none()
            {
                return Err(stop(
                    "skipped: python3 not found, the peers cannot run; type: sudo apt install python3-venv",
                ));
            }
            venv::provide(&host, &dir, &requirements, &Source::default())?;
            python.insert(name, Program { command: vec![venv::python(&dir), script.clone()] });
        }
        let ours = build(area)?;
        let target = ours.parent().and_then(Path::parent).context("the target folder")?;
        let apart = area.folders().into_iter().map(|folder| (folder, build_apart(folder, target))).collect();
        let inputs = target.join("bench-inputs");
        Ok(Self { inputs, ours: Program { command: vec![ours] }, python, apart, data })
    }

    /// Machine, versions and settings, a line each.
    fn about(&self, area: &Area) -> Result<String> {
        let sh = shell()?;
        let commit =
            xshell::cmd!(sh, "git describe --always --dirty").quiet().read().unwrap_or("unknown".into());
        let rustc = xshell::cmd!(sh, "rustc --version").quiet().read().unwrap_or("rustc unknown".into());
        let crates = area.crates.iter().map(|name| crate_version(name)).collect::<Result<Vec<_>>>()?;
        let mut text = format!(
            "- Machine: {}.\n- Ours: commit {commit}, {rustc}, release build; {}.\n",
            machine::describe(),
            crates.join(", "),
        );
        for (name, python) in &self.python {
            let requirements = requirements(name)?;
            let names: Vec<&str> =
                requirements.iter().filter_map(|it| Some(it.split_once("==")?.0)).collect();
            let pairs = [("task".to_owned(), "about".to_owned()), ("packages".to_owned(), names.join(","))];
            let json = Json::parse(&python.run(&pairs, 2).context("the Python of the peers")?)?;
            let versions: Vec<String> = json
                .get("versions")
                .members()
                .iter()
                .map(|(name, version)| format!("{name} {}", version.text().unwrap_or("?")))
                .collect();
            text += &format!(
                "- Peers: Python {}, {}; BLAS of numpy: {}.\n",
                json.get("python").text().unwrap_or("?"),
                versions.join(", "),
                json.get("blas").text().unwrap_or("?"),
            );
        }
        let settings: Vec<String> =
            area.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
        Ok(format!(
            "{text}- Settings: {}; every thread pool has 2 threads where the case names no other number.\n",
            settings.join(", ")
        ))
    }

    /// Writes the inputs of a case, runs its rounds and removes the inputs.
    fn run(&self, case: &Case, settings: &[(&str, usize)]) -> Result<Runs> {
        println!("\n=== {}", case.label(&case.rows[0]));
        fs::create_dir_all(&self.inputs).with_context(|| format!("create {}", self.inputs.display()))?;
        let mut pairs = self.pairs(case, settings);
        let server = if case.server { Some(self.server()?) } else { None };
        pairs.extend(server.iter().map(|(_, uri)| ("uri".to_owned(), uri.clone())));
        let written = self.ours.run(&named(case.input, "", &pairs), case.threads).context("write the input");
        let runs = written.map(|_| self.rounds(case, &pairs));
        drop(server);
        fs::remove_dir_all(&self.inputs).with_context(|| format!("remove {}", self.inputs.display()))?;
        runs
    }

    /// An MLflow server on an empty database, and its address.
    fn server(&self) -> Result<(Server, String)> {
        let port = free_port()?;
        let folder = self.inputs.join("server");
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let mut server = Server::start_silently(&mlflow::server(&mlflow::install()?, &folder, port))?;
        server.wait_until_healthy(port)?;
        Ok((server, format!("http://127.0.0.1:{port}")))
    }

    /// What every program of a case is told.
    fn pairs(&self, case: &Case, settings: &[(&str, usize)]) -> Vec<(String, String)> {
        let mut pairs = vec![
            ("dir".to_owned(), self.inputs.display().to_string()),
            ("threads".to_owned(), case.threads.to_string()),
        ];
        let numbers = settings.iter().chain(&case.arguments);
        pairs.extend(numbers.map(|(key, value)| ((*key).to_owned(), value.to_string())));
        let data = self.data.as_ref().zip(case.data).map(|(data, folder)| data.join(folder));
        pairs.extend(data.map(|data| ("data".to_owned(), data.display().to_string())));
        pairs
    }

    /// Ours and the peers in turn; every second round in reverse, so that no one always follows another.
    fn rounds(&self, case: &Case, pairs: &[(String, String)]) -> Runs {
        let mut runs = Runs { rounds: case.rounds, ..Runs::default() };
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
                match self.measure(case, peer, pairs) {
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
    fn measure(&self, case: &Case, peer: Option<Peer>, pairs: &[(String, String)]) -> Result<Measurement> {
        let program = match peer.map(|it| it.kind) {
            Some(Kind::Python(environment)) => &self.python[environment],
            Some(Kind::Apart(folder)) => match &self.apart[folder] {
                Ok(program) => program,
                Err(error) => bail!("{error:#}"),
            },
            _ => &self.ours,
        };
        program.measure(&named(case.task, peer.map_or(OURS, |it| it.name), pairs), case.threads)
    }
}

/// The pairs of a case with the task and whose it is.
fn named(task: &str, peer: &str, pairs: &[(String, String)]) -> Vec<(String, String)> {
    let mut all = vec![("task".to_owned(), task.to_owned()), ("peer".to_owned(), peer.to_owned())];
    all.extend_from_slice(pairs);
    all
}

fn figures(it: &Measurement) -> String {
    let figures: Vec<String> =
        it.0.iter().map(|(name, value)| format!("{name} {}", digits(*value))).collect();
    figures.join(", ")
}

/// What a Python environment under `.tsc` is made from.
fn requirements(environment: &str) -> Result<Vec<&'static str>> {
    let text = match environment {
        "peers" => include_str!("../../../benches/peers/clustering.txt"),
        "peers-models" => include_str!("../../../benches/peers/models.txt"),
        "peers-mlforecast" => include_str!("../../../benches/peers/mlforecast.txt"),
        // The environment of the tests.
        "mlflow" => return Ok(mlflow::REQUIREMENTS.to_vec()),
        other => bail!("no requirements are known for the environment {other}"),
    };
    Ok(text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect())
}

/// Builds our program of an area, with its Rust peers, and gives its path, wherever the target folder is.
fn build(area: &Area) -> Result<PathBuf> {
    let sh = shell()?;
    let flags = ["build", "--release", "--quiet", "--package", "tsc-peers", "--bin", area.name];
    built(cargo(&sh, flags).args(area.build), area.name)
}

/// Builds the peers of a folder, which is a workspace of its own, below our target folder.
fn build_apart(folder: &str, target: &Path) -> Result<Program> {
    let sh = shell()?;
    let manifest = root().join("benches/peers").join(folder).join("Cargo.toml");
    let flags = ["build", "--release", "--quiet", "--locked"];
    let build = cargo(&sh, flags).arg("--manifest-path").arg(manifest);
    let build = build.arg("--target-dir").arg(target.join(folder));
    built(build, &format!("tsc-peer-{folder}")).map(|program| Program { command: vec![program] })
}

/// Runs a build and gives the path of one of its programs.
fn built(build: Cmd<'_>, name: &str) -> Result<PathBuf> {
    let messages = build.arg("--message-format=json-render-diagnostics").quiet().read()?;
    let executable = |line: &str| {
        let json = Json::parse(line).ok()?;
        let is_it = json.get("target").get("name").text() == Some(name);
        json.get("executable").text().filter(|_| is_it).map(PathBuf::from)
    };
    messages.lines().find_map(executable).with_context(|| format!("cargo has built no program `{name}`"))
}

/// Name and version of a crate in the lock file.
fn crate_version(name: &str) -> Result<String> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).context("read Cargo.lock")?;
    let (_, rest) = lock
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .with_context(|| format!("Cargo.lock names no {name}"))?;
    Ok(format!("{name} {}", rest.split('"').next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_chosen_by_a_part_of_their_name_and_a_wrong_one_lists_them() {
        let all = || cases::area("clustering").unwrap().cases;
        let titles =
            |part| chosen(all(), Some(part)).unwrap().iter().map(|case| case.title).collect::<Vec<_>>();
        assert_eq!(titles("T-19"), ["fit 1M x 2"]);
        assert_eq!(titles("50k x 24"), ["fit 50k x 24"]);
        assert_eq!(chosen(all(), None).unwrap().len(), all().len());
        assert!(chosen(all(), Some("T-99")).unwrap_err().to_string().contains("T-11 fit 1M x 10"));
    }

    #[test]
    fn a_result_file_without_a_folder_is_refused_before_the_run() {
        let error = writable(Path::new("absent/folder/results.json")).unwrap_err().to_string();
        assert!(error.contains("absent/folder/results.json"), "{error}");
        assert!(writable(Path::new("results.json")).is_ok());
    }

    #[test]
    fn cases_without_their_data_are_taken_out_by_name() {
        let mut area = cases::area("models").unwrap();
        let all = area.cases.len();
        let absent = without_data(&mut area, Some(Path::new("absent")));
        assert!(absent.len() > 1 && absent.len() + area.cases.len() == all, "{absent:?}");
        assert!(area.cases.iter().all(|case| case.data.is_none()));
        assert_eq!(without_data(&mut area, None), [""; 0]);
    }

    #[test]
    fn every_environment_is_pinned() {
        for name in ["clustering", "models", "tracking"] {
            for environment in cases::area(name).unwrap().environments() {
                let requirements = requirements(environment).unwrap();
                assert!(requirements.iter().all(|it| it.contains("==")), "{requirements:?}");
            }
        }
    }

    #[test]
    fn a_run_of_some_cases_or_few_rounds_is_partial() {
        assert_eq!(partial(&Options::default(), &[]), [""; 0]);
        let options = Options { case: Some("T-10".into()), rounds: Some(1), ..Options::default() };
        let text = section("about\n", &[], &partial(&options, &["a", "b"]));
        assert!(text.starts_with("**Partial:** only the cases with `T-10` in their name; at most 1 rounds; without the cases that need real data: a; b.\n"), "{text}");
        assert!(section("about\n", &[], &[]).starts_with("about"));
    }
}
