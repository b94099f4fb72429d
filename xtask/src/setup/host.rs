//! What set-up may look at on the machine: search path, the user's variables, library folders.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Result;

use crate::{
    exit::stop,
    workspace::{tool_dir, user_variable},
};

/// The places where tools are looked for; a value, so that tests can describe a bare machine.
#[derive(Debug, Default)]
pub(crate) struct Host {
    /// Folders of `PATH`.
    pub(crate) path: Vec<PathBuf>,
    /// `CMAKE`, where the user has set it.
    pub(crate) cmake: Option<PathBuf>,
    /// `LIBCLANG_PATH`, where the user has set it.
    pub(crate) libclang: Option<PathBuf>,
    /// `CPATH`, where the user has set it.
    pub(crate) cpath: Option<PathBuf>,
    /// Folders that may hold libclang, best first.
    pub(crate) library_dirs: Vec<PathBuf>,
}

impl Host {
    /// The machine that xtask runs on.
    pub(crate) fn current() -> Self {
        let path = env::var_os("PATH").map(|it| env::split_paths(&it).collect()).unwrap_or_default();
        let mut host = Self {
            path,
            cmake: user_variable("CMAKE"),
            libclang: user_variable("LIBCLANG_PATH"),
            cpath: user_variable("CPATH"),
            library_dirs: Vec::new(),
        };
        host.library_dirs = library_dirs(&host);
        host
    }

    /// The first runnable `program` on the search path that is not one of our own links.
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        self.path
            .iter()
            .filter(|dir| !dir.starts_with(tool_dir()))
            .map(|dir| dir.join(program))
            .find(|file| file.is_file() && answer(file, &["--version"]).is_some())
    }

    /// Checks that the headers set-up provides will be seen: a `CPATH` of the user's wins over ours.
    pub(crate) fn accepts_cpath(&self, include: &Path) -> Result<()> {
        match &self.cpath {
            Some(cpath) if !env::split_paths(cpath).any(|dir| dir == include) => Err(stop(format!(
                "CPATH is set to {}, which hides the headers that libclang needs; type: export CPATH=\"$CPATH:{}\"",
                cpath.display(),
                include.display()
            ))),
            _ => Ok(()),
        }
    }
}

/// Standard output of a program that ends well.
pub(crate) fn answer(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn library_dirs(host: &Host) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    dirs.extend(host.find("llvm-config").and_then(|it| answer(&it, &["--libdir"])).map(PathBuf::from));
    let mut versioned: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.strip_prefix("llvm-")?.parse().ok()?;
            Some((version, entry.path().join("lib")))
        })
        .collect();
    versioned.sort();
    dirs.extend(versioned.into_iter().rev().map(|(_, dir)| dir));
    let fixed = [
        "/usr/lib64",
        "/usr/lib",
        "/usr/local/lib",
        "/Library/Developer/CommandLineTools/usr/lib",
        "/Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib",
        "/opt/homebrew/opt/llvm/lib",
    ];
    dirs.extend(fixed.map(PathBuf::from));
    dirs
}
