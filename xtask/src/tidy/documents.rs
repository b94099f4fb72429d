//! Documents against code: examples, error codes, faults, and words that say where we work.

use std::collections::BTreeSet;

use super::{
    File,
    tokens::{Source, Token},
};
use crate::metadata::Package;

/// The seed's faults, F-01 to F-42.
const FAULTS: u32 = 42;

/// Every example is named in the README.
pub(crate) fn check_examples(packages: &[Package], readme: Option<&str>) -> Vec<String> {
    let examples = packages.iter().filter(|it| it.is_member).flat_map(|it| it.targets("example"));
    let names: Vec<_> = examples.map(|it| it.name.as_str()).collect();
    match readme {
        None if names.is_empty() => Vec::new(),
        None => vec![format!("README.md is missing, {} examples want to be named there", names.len())],
        Some(text) => {
            let missing = names.into_iter().filter(|name| !words(text).any(|word| word == *name));
            missing.map(|name| format!("README.md does not name the example {name}")).collect()
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-')
}

/// The error codes of the libraries and the entries of the troubleshooting guide are the same.
pub(crate) fn check_codes(sources: &[Source], guide: &str) -> Vec<String> {
    let mut used = BTreeSet::new();
    for source in sources.iter().filter(|it| it.library().is_some()) {
        for (index, token) in source.tokens.iter().enumerate() {
            if let Token::Text(text) = token
                && !source.is_test(index)
            {
                used.extend(words(text).filter(|word| is_code(word)));
            }
        }
    }
    let entries: BTreeSet<_> = guide.lines().filter_map(entry).filter(|word| is_code(word)).collect();
    let missing =
        used.difference(&entries).map(|it| format!("docs/TROUBLESHOOTING.md has no entry for {it}"));
    let stale = entries
        .difference(&used)
        .map(|it| format!("docs/TROUBLESHOOTING.md explains {it}, which no crate uses"));
    missing.chain(stale).collect()
}

/// `TSC-CLU-003`.
fn is_code(word: &str) -> bool {
    let mut parts = word.split('-');
    let is = |part: Option<&str>, length: usize, kind: fn(&char) -> bool| {
        part.is_some_and(|it| it.len() == length && it.chars().all(|c| kind(&c)))
    };
    parts.next() == Some("TSC")
        && is(parts.next(), 3, char::is_ascii_uppercase)
        && is(parts.next(), 3, char::is_ascii_digit)
        && parts.next().is_none()
}

/// The first word of a heading, list item or table row.
fn entry(line: &str) -> Option<&str> {
    let line = line.trim_start().strip_prefix(['#', '|', '-', '*'])?;
    words(line).find(|word| !word.is_empty() && *word != "-")
}

/// Every fault has an entry that names a test that exists, or the crate that will hold it.
pub(crate) fn check_faults(packages: &[Package], sources: &[Source], text: &str) -> Vec<String> {
    let tests: BTreeSet<&str> = sources.iter().flat_map(test_names).collect();
    let mut problems = Vec::new();
    for number in 1..=FAULTS {
        let fault = format!("F-{number:02}");
        let Some(line) = text.lines().find(|line| entry(line) == Some(fault.as_str())) else {
            problems.push(format!("docs/FAULTS.md has no entry for {fault}"));
            continue;
        };
        let is_crate = |word: &str| packages.iter().any(|it| it.is_member && it.name == word);
        if !words(line).any(|word| tests.contains(word) || is_crate(word)) {
            problems.push(format!("docs/FAULTS.md names neither a test nor a crate for {fault}"));
        }
    }
    problems
}

/// The functions that stand after `#[test]`, other attributes between.
fn test_names(source: &Source) -> impl Iterator<Item = &str> {
    let starts = (0..source.tokens.len()).filter(|index| source.matches(*index, &["#", "[", "test", "]"]));
    starts.filter_map(|start| {
        let mut index = start;
        while source.matches(index, &["#", "["]) {
            index = source.closing(index + 1) + 1;
        }
        source.matches(index, &["fn"]).then(|| source.tokens.get(index + 1)?.word()).flatten()
    })
}

/// Nothing names a machine, its folders, a package host, or how the work is organised.
pub(crate) fn check_words(file: &File) -> Vec<String> {
    // Written in halves, so that this file does not name them.
    let banned = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("pypi", ".org"),
        concat!("python", "hosted.org"),
        concat!("index.", "crates.io"),
        concat!("static.", "crates.io"),
        concat!("deb.", "debian.org"),
        concat!("the ", "ceo"),
        concat!("sub-", "agent"),
        concat!("sub", "agent"),
        concat!("helper ", "session"),
        concat!("developer ", "session"),
    ];
    if file.path.file_name().is_some_and(|name| name == "Cargo.lock") {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let lower = line.to_lowercase();
        let found = banned.iter().copied().filter(|it| lower.contains(it));
        let ticket = lower.split("issue ").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        for word in found.chain(ticket.then_some("a number of a ticket")) {
            let at = format!("{}:{}", file.path.display(), number + 1);
            problems.push(format!("{at}: says {word}, which means nothing to a reader elsewhere"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Target;
    use std::path::Path;

    fn source(path: &str, text: &str) -> Vec<Source> {
        vec![Source::new(Path::new(path), text)]
    }

    fn package(name: &str, examples: &[&str]) -> Vec<Package> {
        let example =
            |name: &&str| Target { name: (*name).into(), kind: "example".into(), ..Target::default() };
        let targets = examples.iter().map(example).collect();
        vec![Package { name: name.into(), is_member: true, targets, ..Package::default() }]
    }

    #[test]
    fn an_example_that_the_readme_does_not_name_is_a_problem() {
        let packages = package("tsc-examples", &["retraining", "retrain"]);
        assert_eq!(check_examples(&packages, None).len(), 1);
        let problems = check_examples(&packages, Some("`cargo run --example retraining`"));
        assert_eq!(problems, ["README.md does not name the example retrain"]);
        assert!(check_examples(&packages, Some("| `retraining` | `retrain` |")).is_empty());
        assert!(check_examples(&package("tsc-examples", &[]), None).is_empty());
    }

    #[test]
    fn codes_and_troubleshooting_entries_must_agree_both_ways() {
        let code = r#"const A: &str = "TSC-CLU-001"; /* "TSC-CLU-002" */ #[cfg(test)] mod t { const B: &str = "TSC-XXX-000"; }"#;
        let sources = source("crates/tsc-cluster/src/error.rs", code);
        assert!(check_codes(&sources, "### TSC-CLU-001: too few samples").is_empty());
        assert!(check_codes(&sources, "| `TSC-CLU-001` | too few |").is_empty());
        assert_eq!(check_codes(&sources, "see TSC-CLU-001").len(), 1);
        assert_eq!(check_codes(&sources, "- TSC-CLU-001\n- TSC-CLU-009").len(), 1);
    }

    #[test]
    fn a_fault_without_a_test_or_crate_is_a_problem() {
        let code = "#[test] #[allow(x)] fn noise_is_counted_first() {} fn no_test() {}";
        let sources = source("crates/tsc-pipeline/tests/faults.rs", code);
        let packages = package("tsc-monitor", &[]);
        let rest: String = (3..=FAULTS).map(|it| format!("| F-{it:02} | `tsc-monitor` |\n")).collect();
        let problems = |first: &str| check_faults(&packages, &sources, &(first.to_owned() + &rest));
        assert!(problems("| F-01 | `noise_is_counted_first` |\n| F-02 | tsc-monitor |\n").is_empty());
        assert_eq!(problems("| F-01 | `no_test` |\n| F-02 | tsc-unknown |\n").len(), 2);
        assert_eq!(problems("F-01 tsc-monitor\n| F-02 | tsc-monitor |\n").len(), 1);
    }

    #[test]
    fn folders_of_a_machine_and_words_about_the_work_are_problems() {
        let check =
            |path: &str, text: &str| check_words(&File { path: path.into(), text: text.into() }).len();
        assert_eq!(check("README.md", concat!("see /wo", "rk/main/README")), 1);
        assert_eq!(check("a.rs", concat!("ok\n/ro", "ot/.cargo and PyPI", ".org")), 2);
        assert_eq!(check("a.md", concat!("done in Issue", " 2")), 1);
        assert_eq!(check("a.md", "an issue with 2 cores; the network roots; workspace"), 0);
        assert_eq!(check("Cargo.lock", concat!("static.", "crates.io")), 0);
    }
}
