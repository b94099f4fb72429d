//! `cargo xtask tidy`: the rules on crates, sources and documents that no compiler checks.
//!
//! Each file holds one kind of rule as a function from facts to problems, so that a test can show
//! it failing on bad facts; the facts of the repository are gathered here.

mod documents;
mod graph;
mod promises;
mod signatures;
mod sources;
mod tokens;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::{metadata, workspace};
use tokens::Source;

/// Checks the repository; the error counts the problems, which are printed one a line.
pub(crate) fn run(sh: &Shell) -> Result<()> {
    let problems = problems(sh)?;
    for problem in &problems {
        println!("tidy: {problem}");
    }
    if problems.is_empty() { Ok(()) } else { bail!("tidy found {} problems", problems.len()) }
}

fn problems(sh: &Shell) -> Result<Vec<String>> {
    let root = workspace::root();
    let packages = metadata::packages(sh)?;
    let mut problems = graph::check(&packages);
    problems.extend(promises::check(sh, &packages)?);

    let files = tracked_files(sh, &root)?;
    let sources: Vec<Source> =
        files.iter().filter(|it| it.is("rs")).map(|it| Source::new(&it.path, &it.text)).collect();
    for source in &sources {
        problems.extend(signatures::check(source));
        problems.extend(sources::check(source));
    }
    problems.extend(sources::check_roots(&packages, &sources, &root));

    problems.extend(files.iter().flat_map(documents::check_words));
    let text = |path: &str| files.iter().find(|it| it.path == Path::new(path)).map(|it| it.text.as_str());
    problems.extend(documents::check_examples(&packages, text("README.md")));
    if let Some(guide) = text("docs/TROUBLESHOOTING.md") {
        problems.extend(documents::check_codes(&sources, guide));
    }
    if let Some(faults) = text("docs/FAULTS.md") {
        problems.extend(documents::check_faults(&packages, &sources, faults));
    }
    Ok(problems)
}

/// A text file of the repository.
#[derive(Debug)]
struct File {
    /// Relative to the root.
    path: PathBuf,
    text: String,
}

impl File {
    fn is(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|it| it == extension)
    }
}

/// Every text file that git tracks or would track.
fn tracked_files(sh: &Shell, root: &Path) -> Result<Vec<File>> {
    let list = cmd!(sh, "git ls-files -z --cached --others --exclude-standard").quiet().read()?;
    let mut files = Vec::new();
    for path in list.split('\0').filter(|path| !path.is_empty()) {
        let full = root.join(path);
        // A tracked file may be deleted in the working tree.
        if !full.is_file() {
            continue;
        }
        let bytes = fs::read(&full).with_context(|| format!("read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: path.into(), text });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        let sh = crate::workspace::shell().unwrap();
        assert_eq!(super::problems(&sh).unwrap(), Vec::<String>::new());
    }
}
