//! Compiler, cmake and libclang: which ones are good enough, and where a wheel keeps its own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::host::{Host, answer};
use crate::exit::stop;

/// LightGBM's own minimum (`cmake_minimum_required`).
const CMAKE_MINIMUM: (u32, u32) = (3, 28);

/// A tool, its version, and whether it is the system's or a wheel's.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) version: String,
    pub(crate) origin: &'static str,
}

/// The C and C++ compiler with a build program.
#[derive(Debug)]
pub(crate) struct Compiler {
    pub(crate) cc: PathBuf,
    pub(crate) ninja_only: bool,
    pub(crate) line: String,
}

/// Finds `cc`, `c++` and `make` or `ninja`.
pub(crate) fn compiler(host: &Host) -> Result<Compiler> {
    let install =
        if cfg!(target_os = "macos") { "xcode-select --install" } else { "sudo apt install build-essential" };
    let missing = |name: &str| stop(format!("{name} not found; type: {install}"));
    let cc = host.find("cc").ok_or_else(|| missing("C compiler cc"))?;
    host.find("c++").ok_or_else(|| missing("C++ compiler c++"))?;
    let make = host.find("make");
    let ninja_only = make.is_none();
    let program = make.or_else(|| host.find("ninja")).ok_or_else(|| missing("make"))?;
    let version = answer(&cc, &["-dumpfullversion", "-dumpversion"]).unwrap_or_default();
    let line = format!("{:9} {version}  system  {}, {}", "compiler", cc.display(), program.display());
    Ok(Compiler { cc, ninja_only, line })
}

/// The user's or the system's cmake, if new enough.
pub(crate) fn cmake(host: &Host) -> Result<Option<Found>> {
    if let Some(path) = &host.cmake {
        // The user's variable wins over ours in every cargo process, so a bad one must go.
        return match answer(path, &["--version"]).as_deref().and_then(cmake_version) {
            Some((version, number)) if number >= CMAKE_MINIMUM => {
                Ok(Some(Found { path: path.clone(), version, origin: "variable CMAKE" }))
            }
            found => Err(stop(format!(
                "CMAKE is set to {} ({}), LightGBM needs cmake 3.28 or newer; type: unset CMAKE",
                path.display(),
                found.map_or("does not run".to_owned(), |(version, _)| version)
            ))),
        };
    }
    let found = host.find("cmake").and_then(|path| {
        let (version, number) = cmake_version(&answer(&path, &["--version"])?)?;
        (number >= CMAKE_MINIMUM).then_some(Found { path, version, origin: "system" })
    });
    Ok(found)
}

/// Version text and (major, minor) from the output of `cmake --version`.
fn cmake_version(output: &str) -> Option<(String, (u32, u32))> {
    let version = output.lines().next()?.strip_prefix("cmake version ")?.trim();
    let mut numbers = version.split('.');
    let number = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    Some((version.to_owned(), number))
}

/// The folder of the user's or the system's libclang, if its headers are there too.
pub(crate) fn libclang(host: &Host) -> Result<Option<Found>> {
    if let Some(path) = &host.libclang {
        let dir = if path.is_file() { path.parent().unwrap_or(path) } else { path };
        // Headers may come from wherever the user says: only the library itself is asked for.
        if !holds_libclang(dir) {
            return Err(stop(format!(
                "LIBCLANG_PATH is set to {}, which holds no libclang, and no other place is searched then; type: unset LIBCLANG_PATH",
                path.display()
            )));
        }
        let version = header_version(dir).unwrap_or_else(|| "unknown version".into());
        return Ok(Some(Found { path: dir.to_owned(), version, origin: "variable LIBCLANG_PATH" }));
    }
    Ok(host
        .library_dirs
        .iter()
        .filter(|dir| holds_libclang(dir))
        .find_map(|dir| Some(Found { path: dir.clone(), version: header_version(dir)?, origin: "system" })))
}

/// A link that dangles is no library: `exists` follows it.
fn holds_libclang(dir: &Path) -> bool {
    entries(dir).iter().any(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        is_libclang(&name) && path.exists()
    })
}

/// `libclang.so`, `libclang.so.1`, `libclang-14.so.1`, `libclang.dylib`; not `libclang-cpp.so.14`.
fn is_libclang(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("libclang") else { return false };
    let rest = match rest.strip_prefix('-') {
        Some(version) => version.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'),
        None => rest.strip_prefix('.').unwrap_or("none"),
    };
    rest == "so" || rest.starts_with("so.") || rest == "dylib"
}

/// The version whose headers lie where libclang looks for them.
fn header_version(dir: &Path) -> Option<String> {
    let beside = [dir.join("clang"), dir.join("../lib/clang")];
    let versions = beside.iter().flat_map(|it| entries(it));
    let found = versions.filter(|it| it.join("include/stddef.h").is_file()).max()?;
    Some(found.file_name()?.to_string_lossy().into_owned())
}

/// The real cmake of the wheel; the one in `bin/` is a Python script.
pub(crate) fn cmake_of_wheel(venv: &Path) -> Result<Found> {
    let path = in_wheel(venv, "cmake/data/bin/cmake")?;
    let version = answer(&path, &["--version"]).as_deref().and_then(cmake_version);
    let (version, _) = version.ok_or_else(|| broken(venv, &path, "does not run"))?;
    Ok(Found { path, version, origin: "wheel" })
}

/// The folder of the wheel's libclang.
pub(crate) fn libclang_of_wheel(venv: &Path, requirement: &str) -> Result<Found> {
    let path = in_wheel(venv, "clang/native")?;
    if !holds_libclang(&path) {
        return Err(broken(venv, &path, "holds no libclang"));
    }
    let version = requirement.trim_start_matches("libclang==").to_owned();
    Ok(Found { path, version, origin: "wheel" })
}

fn in_wheel(venv: &Path, path: &str) -> Result<PathBuf> {
    let packages = [venv.join("lib"), venv.join("lib64")];
    let candidates =
        packages.iter().flat_map(|lib| entries(lib)).map(|it| it.join("site-packages").join(path));
    candidates.into_iter().find(|it| it.exists()).ok_or_else(|| broken(venv, Path::new(path), "is missing"))
}

fn broken(venv: &Path, path: &Path, what: &str) -> anyhow::Error {
    stop(format!("{} {what}; type: rm -r {} and set up again", path.display(), venv.display()))
}

/// The compiler's own headers (`stddef.h`), which the libclang wheel lacks.
pub(crate) fn compiler_headers(cc: &Path) -> Result<PathBuf> {
    answer(cc, &["-print-file-name=include"])
        .map(PathBuf::from)
        .filter(|dir| dir.join("stddef.h").is_file())
        .ok_or_else(|| {
            stop(format!("{} names no folder with stddef.h; type: sudo apt install gcc", cc.display()))
        })
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_12s_cmake_is_too_old_and_the_minimum_itself_is_not() {
        let number = |text: &str| cmake_version(text).map(|(_, number)| number);
        assert!(number("cmake version 3.25.1\n\nCMake suite").unwrap() < CMAKE_MINIMUM);
        assert!(number("cmake version 3.28.0").unwrap() >= CMAKE_MINIMUM);
        assert!(number("cmake version 4.0.3").unwrap() >= CMAKE_MINIMUM);
        assert_eq!(number("pyenv: cmake: command not found"), None);
    }

    #[test]
    fn the_cpp_library_of_llvm_is_not_taken_for_libclang() {
        for name in
            ["libclang.so", "libclang.so.1", "libclang-14.so.1", "libclang-14.so.14.0.6", "libclang.dylib"]
        {
            assert!(is_libclang(name), "{name}");
        }
        for name in ["libclang-cpp.so.14", "libclang.a", "libclangAST.a", "libclang-cpp.so", "libc.so"] {
            assert!(!is_libclang(name), "{name}");
        }
    }
}
