//! The repository's root and the cargo processes started in it.

use std::{
    env,
    ffi::OsStr,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result};
use xshell::{Cmd, Shell};

/// The variables that set-up hands to cargo through `.tsc/cargo-env.toml`.
pub(crate) const SETUP_VARIABLES: [&str; 4] = ["CMAKE", "LIBCLANG_PATH", "CPATH", "CMAKE_GENERATOR"];

/// The repository's root folder.
pub(crate) fn root() -> PathBuf {
    // At run time first: a built xtask may have been moved together with its repository.
    let manifest =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest.parent().map_or(manifest.clone(), Path::to_path_buf)
}

/// A shell in the repository's root.
pub(crate) fn shell() -> Result<Shell> {
    let sh = Shell::new().context("current folder")?;
    sh.change_dir(root());
    Ok(sh)
}

/// Where set-up, demo and the Python environments keep their files; ignored by git.
pub(crate) fn tool_dir() -> PathBuf {
    root().join(".tsc")
}

/// Whether this is a run where a missing input is a failure.
pub(crate) fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true" || value == "1")
}

/// A cargo process in the repository, with the environment that a user's own `cargo` would have.
///
/// The outer cargo has set variables for xtask. Its `CARGO_PKG_*` would rebuild every crate whose
/// build script watches them, and its `[env]` values were read before set-up ran; the new process
/// reads the table afresh.
pub(crate) fn cargo<'a, S: AsRef<OsStr>>(sh: &'a Shell, arguments: impl IntoIterator<Item = S>) -> Cmd<'a> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = sh.cmd(program).args(arguments);
    for (name, value) in env::vars_os() {
        if set_by_outer_cargo(&name, &value, &tool_dir()) {
            command = command.env_remove(&name);
        }
    }
    command
}

fn set_by_outer_cargo(name: &OsStr, value: &OsStr, tool_dir: &Path) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || SETUP_VARIABLES.contains(&name.as_ref()) && is_ours(name.as_ref(), value, tool_dir)
}

/// Whether a variable's value is one that `.tsc/cargo-env.toml` hands out, not the user's own.
pub(crate) fn is_ours(name: &str, value: &OsStr, tool_dir: &Path) -> bool {
    let inside = |value: &OsStr| plain(Path::new(value)).starts_with(tool_dir);
    // The generator is no path; together with our CMAKE it came from the same table.
    inside(value) || name == "CMAKE_GENERATOR" && env::var_os("CMAKE").is_some_and(|it| inside(&it))
}

/// The path without `..`: cargo hands a relative value out as `<root>/.cargo/../.tsc/..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// The variable, unless the outer cargo took it from the set-up's own table.
pub(crate) fn user_variable(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty() && !is_ours(name, value, &tool_dir()))
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, removed: bool) {
        let got = set_by_outer_cargo(name.as_ref(), value.as_ref(), Path::new("/repo/.tsc"));
        assert_eq!(got, removed, "{name}={value}");
    }

    #[test]
    fn children_lose_what_the_outer_cargo_set_and_keep_what_the_user_set() {
        check("CARGO_PKG_NAME", "xtask", true);
        check("CARGO_MANIFEST_DIR", "/repo/xtask", true);
        check("CMAKE", "/repo/.tsc/toolchain/bin/cmake", true);
        check("LIBCLANG_PATH", "/repo/.cargo/../.tsc/toolchain/lib", true);
        check("CMAKE", "/opt/cmake/bin/cmake", false);
        check("CPATH", "/repo/.tsc/toolchain/include", true);
        check("CARGO_TARGET_DIR", "/repo/.tsc/other", false);
        check("CARGO_HOME", "/opt/cargo", false);
    }
}
