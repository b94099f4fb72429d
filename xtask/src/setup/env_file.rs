//! `.tsc/cargo-env.toml`: the variables that every cargo process in the repository gets.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::exit::stop;

const NAME: &str = "cargo-env.toml";

/// One variable.
#[derive(Debug)]
pub(crate) struct Entry {
    name: &'static str,
    value: &'static str,
    is_path: bool,
}

impl Entry {
    /// A path relative to the repository.
    pub(crate) fn path(name: &'static str, value: &'static str) -> Self {
        Self { name, value, is_path: true }
    }

    /// A value taken as it stands.
    pub(crate) fn text(name: &'static str, value: &'static str) -> Self {
        Self { name, value, is_path: false }
    }
}

/// Writes the file, unless it says the same already: a new time stamp would be a change.
pub(crate) fn write(tool_dir: &Path, entries: &[Entry]) -> Result<()> {
    let mut text = "# Written by `cargo xtask setup`.\n[env]\n".to_owned();
    for Entry { name, value, is_path } in entries {
        text += &format!("{name} = {{ value = \"{value}\", relative = {is_path} }}\n");
    }
    let file = tool_dir.join(NAME);
    if fs::read_to_string(&file).is_ok_and(|now| now == text) {
        return Ok(());
    }
    fs::create_dir_all(tool_dir).with_context(|| format!("create {}", tool_dir.display()))?;
    let new = file.with_extension("new");
    fs::write(&new, text).with_context(|| format!("write {}", new.display()))?;
    fs::rename(&new, &file).with_context(|| format!("write {}", file.display()))
}

/// The variables as shell exports, for a cargo that does not read the include.
pub(crate) fn exports(root: &Path) -> Result<String> {
    let file = root.join(".tsc").join(NAME);
    let text =
        fs::read_to_string(&file).map_err(|_| stop("there is no set-up yet; type: cargo xtask setup"))?;
    let mut lines = String::new();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once(" = { value = \"") else { continue };
        let (value, tail) = rest.split_once('"').context("set-up closes every value it writes")?;
        let value = if tail.contains("relative = true") {
            root.join(value).display().to_string()
        } else {
            value.to_owned()
        };
        lines += &format!("export {name}='{}'\n", value.replace('\'', r"'\''"));
    }
    Ok(lines)
}
