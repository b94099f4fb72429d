//! Python environments for wheels: whole or absent, never half made.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::host::Host;
use crate::exit::stop;

/// What a finished environment was made from; the last file written into it.
const STAMP: &str = "requirements.txt";

/// Where wheels come from.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// A folder of wheels to use instead of the index.
    pub(crate) wheels: Option<PathBuf>,
    /// Whether the index must not be asked.
    pub(crate) offline: bool,
}

/// Whether `dir` is a finished environment made from these requirements.
pub(crate) fn is_ready(dir: &Path, requirements: &[&str]) -> bool {
    let made_from = fs::read_to_string(dir.join(STAMP));
    made_from.is_ok_and(|text| text == stamp(requirements)) && python(dir).exists()
}

/// The interpreter of an environment.
pub(crate) fn python(dir: &Path) -> PathBuf {
    dir.join("bin/python")
}

/// Makes the environment `dir` with these requirements, unless it is there already.
pub(crate) fn provide(host: &Host, dir: &Path, requirements: &[&str], source: &Source) -> Result<()> {
    if is_ready(dir, requirements) {
        return Ok(());
    }
    if source.offline && source.wheels.is_none() {
        return Err(stop(unfetched(requirements, "no network is allowed")));
    }
    let new = dir.with_extension("new");
    remove(&new)?;
    fs::create_dir_all(&new).with_context(|| format!("create {}", new.display()))?;
    let made = make(host, &new, requirements, source).and_then(|()| {
        move_scripts(&new, dir)?;
        fs::write(new.join(STAMP), stamp(requirements)).context("write the requirements")
    });
    if made.is_err() {
        remove(&new)?;
        return made;
    }
    remove(dir)?;
    fs::rename(&new, dir).with_context(|| format!("rename {} to {}", new.display(), dir.display()))
}

fn stamp(requirements: &[&str]) -> String {
    requirements.join("\n") + "\n"
}

fn make(host: &Host, dir: &Path, requirements: &[&str], source: &Source) -> Result<()> {
    println!("set-up: fetching {} into {}", requirements.join(" "), dir.with_extension("").display());
    let install = if let Some(uv) = host.find("uv") {
        call(Command::new(&uv).arg("venv").arg("--quiet").arg("--clear").arg(dir)).map_err(|why| {
            stop(format!("uv cannot make an environment ({why}); type: sudo apt install python3-venv"))
        })?;
        let mut install = Command::new(uv);
        install.args(["pip", "install", "--quiet", "--python"]).arg(python(dir));
        install
    } else {
        let Some(python3) = host.find("python3") else {
            return Err(stop(format!(
                "python3 not found, which fetches {}; type: sudo apt install python3-venv",
                requirements.join(" ")
            )));
        };
        call(Command::new(python3).args(["-m", "venv"]).arg(dir)).map_err(|why| {
            stop(format!("python3 cannot make an environment ({why}); type: sudo apt install python3-venv"))
        })?;
        let mut install = Command::new(python(dir));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install
    };
    fetch(install, requirements, source)
}

fn fetch(mut install: Command, requirements: &[&str], source: &Source) -> Result<()> {
    if let Some(wheels) = &source.wheels {
        let mut find = OsString::from("--find-links=");
        find.push(wheels);
        install.arg("--no-index").arg(find);
    }
    call(install.args(requirements)).map_err(|why| stop(unfetched(requirements, &why)))
}

fn unfetched(requirements: &[&str], why: &str) -> String {
    let quoted: Vec<_> = requirements.iter().map(|it| format!("'{it}'")).collect();
    format!(
        "{} cannot be fetched ({why}); where there is a network, type: pip download --only-binary :all: -d WHEELS {}; then here: cargo xtask setup --wheels WHEELS",
        requirements.join(" and "),
        quoted.join(" ")
    )
}

/// Runs a program silently; on failure its last word is the reason.
fn call(command: &mut Command) -> std::result::Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    // pip repeats itself and ends with advice; its first line marked ERROR is the cause.
    let cause = lines.clone().find(|line| line.starts_with("ERROR")).or_else(|| lines.next_back());
    Ok(cause.unwrap_or("no message").to_owned()).and_then(Err)
}

/// The scripts that pip writes name the folder they were made in.
fn move_scripts(from: &Path, to: &Path) -> Result<()> {
    let (from_text, to_text) = (from.display().to_string(), to.display().to_string());
    for entry in fs::read_dir(from.join("bin")).context("an environment has a bin folder")? {
        let path = entry?.path();
        if path.is_symlink() {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if text.contains(&from_text) {
            let moved = text.replace(&from_text, &to_text);
            fs::write(&path, moved).with_context(|| format!("write {}", path.display()))?;
        }
    }
    Ok(())
}

fn remove(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))?;
    }
    Ok(())
}
