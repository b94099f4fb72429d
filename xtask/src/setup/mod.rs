//! `cargo xtask setup`: a compiler is assumed, cmake and libclang are found or fetched.
//!
//! Everything lands in `.tsc/`: links to the tools in `toolchain/`, wheels in `venv/`, and
//! `cargo-env.toml`, which the tracked `.cargo/config.toml` includes. A second run changes no file.

mod env_file;
mod host;
mod tools;
pub(crate) mod venv;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use env_file::Entry;
pub(crate) use env_file::exports;
pub(crate) use host::Host;
use tools::Found;
pub(crate) use venv::Source;

use crate::exit::stop;

const CMAKE_WHEEL: &str = "cmake>=3.28,<5";
const LIBCLANG_WHEEL: &str = "libclang==18.1.1";

/// Provides the tools for building LightGBM and says which ones they are.
pub(crate) fn run(tool_dir: &Path, source: &Source) -> Result<()> {
    for line in provide(&Host::current(), tool_dir, source)? {
        println!("set-up: {line}");
    }
    Ok(())
}

/// What a build without LightGBM needs: SQLite and TLS are C, cmake and libclang are not used.
pub(crate) fn compiler_only() -> Result<()> {
    println!("set-up: {}", tools::compiler(&Host::current())?.line);
    Ok(())
}

fn provide(host: &Host, tool_dir: &Path, source: &Source) -> Result<Vec<String>> {
    let compiler = tools::compiler(host)?;
    let mut cmake = tools::cmake(host)?;
    let mut libclang = tools::libclang(host)?;

    let mut wheels = Vec::new();
    wheels.extend(cmake.is_none().then_some(CMAKE_WHEEL));
    wheels.extend(libclang.is_none().then_some(LIBCLANG_WHEEL));
    let headers_missing = libclang.is_none();
    if !wheels.is_empty() {
        let dir = tool_dir.join("venv");
        venv::provide(host, &dir, &wheels, source)?;
        if cmake.is_none() {
            cmake = Some(tools::cmake_of_wheel(&dir)?);
        }
        if libclang.is_none() {
            libclang = Some(tools::libclang_of_wheel(&dir, LIBCLANG_WHEEL)?);
        }
    }
    let (cmake, libclang) = cmake.zip(libclang).context("both tools were found or fetched above")?;

    let toolchain = tool_dir.join("toolchain");
    link(&cmake.path, &toolchain.join("bin/cmake"))?;
    link(&libclang.path, &toolchain.join("lib"))?;
    let mut entries = vec![
        Entry::path("CMAKE", ".tsc/toolchain/bin/cmake"),
        Entry::path("LIBCLANG_PATH", ".tsc/toolchain/lib"),
    ];
    let mut lines = vec![compiler.line, describe("cmake", &cmake), describe("libclang", &libclang)];
    // The wheel brings no headers of its own; Xcode's are found through its SDK.
    if headers_missing && cfg!(target_os = "linux") {
        let include = tools::compiler_headers(&compiler.cc)?;
        let at = toolchain.join("include");
        link(&include, &at)?;
        host.accepts_cpath(&at)?;
        entries.push(Entry::path("CPATH", ".tsc/toolchain/include"));
        lines.push(format!("headers   {} (of {})", include.display(), compiler.cc.display()));
    }
    if compiler.ninja_only {
        entries.push(Entry::text("CMAKE_GENERATOR", "Ninja"));
    }
    env_file::write(tool_dir, &entries)?;
    Ok(lines)
}

fn describe(name: &str, found: &Found) -> String {
    format!("{name:9} {}  {}  {}", found.version, found.origin, found.path.display())
}

/// Makes `at` a symlink to `target`; a right one is left as it is.
fn link(target: &Path, at: &Path) -> Result<()> {
    if fs::read_link(at).is_ok_and(|now| now == target) {
        return Ok(());
    }
    let parent = at.parent().context("a tool link lies in a folder")?;
    fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    // Made beside and renamed over: a build that runs meanwhile never misses the link.
    let new: PathBuf = at.with_extension("new");
    if fs::symlink_metadata(&new).is_ok() {
        fs::remove_file(&new).with_context(|| format!("remove {}", new.display()))?;
    }
    std::os::unix::fs::symlink(target, &new).with_context(|| format!("link {}", new.display()))?;
    fs::rename(&new, at).map_err(|error| {
        stop(format!("{} cannot be replaced ({error}); type: rm -r {}", at.display(), at.display()))
    })
}

#[cfg(test)]
mod tests;
