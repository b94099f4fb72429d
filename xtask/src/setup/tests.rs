//! Set-up on machines made of scripts: what is good enough, and what each stop says.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use xshell::{Shell, TempDir};

use super::*;
use crate::exit::code_of;

/// A machine in a temporary folder.
struct Machine {
    dir: TempDir,
    host: Host,
}

impl Machine {
    /// A compiler with `make`, nothing more.
    fn bare() -> Self {
        let dir = Shell::new().unwrap().create_temp_dir().unwrap();
        let bin = dir.path().join("bin");
        let machine = Self { host: Host { path: vec![bin], ..Host::default() }, dir };
        let include = machine.dir.path().join("gcc/include");
        machine.file("gcc/include/stddef.h", "");
        let cc = format!("case $1 in -print*) echo '{}';; *) echo 12.2.0;; esac", include.display());
        machine.program("cc", &cc);
        machine.program("c++", "echo 12.2.0");
        machine.program("make", "echo GNU Make");
        machine
    }

    fn with_cmake(self, version: &str) -> Self {
        self.program("cmake", &format!("echo cmake version {version}"));
        self
    }

    fn with_libclang(mut self) -> Self {
        self.file("llvm/lib/libclang.so.1", "");
        self.file("llvm/lib/clang/18/include/stddef.h", "");
        self.host.library_dirs = vec![self.dir.path().join("llvm/lib")];
        self
    }

    /// A `python3` whose `-m venv` makes a folder and whose `-m pip` runs the given script there.
    fn with_python(self, pip: &str) -> Self {
        let script = format!(
            "case $2 in --version|'') echo Python 3.11;; *) mkdir -p $3/bin $3/lib/python3.11\n\
             cat > $3/bin/python <<'END'\n#!/bin/sh\ncd \"${{0%/bin/python}}\"\n{pip}\nEND\n\
             chmod +x $3/bin/python;; esac"
        );
        self.program("python3", &script);
        self
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.file(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn tool_dir(&self) -> PathBuf {
        self.dir.path().join("repository/.tsc")
    }

    fn set_up(&self) -> Result<Vec<String>> {
        provide(&self.host, &self.tool_dir(), &Source::default())
    }

    /// The one message of a stop; E-12: with exit code 2.
    #[track_caller]
    fn stops(&self) -> String {
        let error = self.set_up().unwrap_err();
        assert_eq!(code_of(&error), 2);
        let message = format!("{error:#}");
        assert_eq!(message.lines().count(), 1, "{message}");
        message
    }

    fn env_file(&self) -> String {
        fs::read_to_string(self.tool_dir().join("cargo-env.toml")).unwrap()
    }
}

/// What the wheels hold, as pip would lay it out.
const PIP: &str = "site=lib/python3.11/site-packages\n\
    mkdir -p $site/cmake/data/bin $site/clang/native\n\
    printf '#!/bin/sh\\necho cmake version 4.4.5\\n' > $site/cmake/data/bin/cmake\n\
    chmod +x $site/cmake/data/bin/cmake\n\
    touch $site/clang/native/libclang.so\n\
    echo \"#!$PWD/bin/python\" > bin/script";

/// Paths below `dir` with their kind, target and time.
fn state(dir: &Path) -> Vec<(PathBuf, Option<PathBuf>, SystemTime)> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        entries.push((path.clone(), fs::read_link(&path).ok(), metadata.modified().unwrap()));
        if metadata.is_dir() {
            entries.extend(state(&path));
        }
    }
    entries.sort();
    entries
}

#[test]
fn good_system_tools_are_linked_and_no_python_is_asked() {
    let machine = Machine::bare().with_cmake("3.31.6").with_libclang();
    let lines = machine.set_up().unwrap();
    assert!(lines[1].contains("3.31.6  system"), "{lines:?}");
    assert!(lines[2].contains("18  system"), "{lines:?}");
    let cmake = fs::read_link(machine.tool_dir().join("toolchain/bin/cmake")).unwrap();
    assert_eq!(cmake, machine.dir.path().join("bin/cmake"));
    assert!(!machine.env_file().contains("CPATH"), "{}", machine.env_file());
    assert!(!machine.tool_dir().join("venv").exists());
}

#[test]
fn a_bare_machine_gets_both_wheels_and_the_compilers_headers() {
    let machine = Machine::bare().with_cmake("3.25.1").with_python(PIP);
    let lines = machine.set_up().unwrap();
    assert!(lines[1].contains("4.4.5  wheel"), "{lines:?}");
    assert!(lines[2].contains("18.1.1  wheel"), "{lines:?}");
    let lib = machine.tool_dir().join("toolchain/lib");
    assert!(lib.join("libclang.so").exists());
    if cfg!(target_os = "linux") {
        assert!(machine.tool_dir().join("toolchain/include/stddef.h").exists());
        assert!(machine.env_file().contains("CPATH = { value = \".tsc/toolchain/include\""));
    }
    let script = fs::read_to_string(machine.tool_dir().join("venv/bin/script")).unwrap();
    assert_eq!(script, format!("#!{}/bin/python\n", machine.tool_dir().join("venv").display()));
}

/// E-11.
#[test]
fn a_second_set_up_changes_no_file_and_fetches_nothing() {
    let machine = Machine::bare().with_python(PIP);
    machine.set_up().unwrap();
    let before = state(&machine.tool_dir());
    machine.program("python3", "exit 1");
    machine.set_up().unwrap();
    assert_eq!(state(&machine.tool_dir()), before);
}

/// E-12.
#[test]
fn every_stop_names_the_command_to_type() {
    let machine = Machine::bare();
    assert!(machine.stops().contains("type: sudo apt install python3-venv"));

    fs::remove_file(machine.dir.path().join("bin/make")).unwrap();
    if cfg!(target_os = "linux") {
        assert_eq!(machine.stops(), "make not found; type: sudo apt install build-essential");
    }

    let mut machine = Machine::bare().with_cmake("3.31.6").with_libclang();
    machine.host.cmake = Some(machine.file("old/cmake", ""));
    assert!(machine.stops().contains("type: unset CMAKE"));

    let mut machine = Machine::bare().with_cmake("3.31.6").with_libclang();
    machine.host.libclang = Some("no/such/folder".into());
    assert!(machine.stops().contains("no/such/folder, which holds no libclang"));
}

#[test]
fn a_failed_fetch_names_the_wheels_and_the_folder_option() {
    let machine = Machine::bare().with_python("echo 'ERROR: no network' >&2; echo Traceback >&2; exit 1");
    let message = machine.stops();
    for part in ["no network", "'cmake>=3.28,<5'", "'libclang==18.1.1'", "--wheels"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!message.contains("Traceback"), "{message}");
}

/// E-15.
#[test]
fn an_interrupted_fetch_leaves_no_tool_folder_and_the_next_one_succeeds() {
    let machine = Machine::bare().with_python("touch half; kill -9 $$");
    machine.stops();
    assert!(!machine.tool_dir().join("venv").exists());
    assert!(!machine.tool_dir().join("venv.new").exists());
    assert!(!machine.tool_dir().join("cargo-env.toml").exists());

    // Killed itself, set-up cannot clean; what it left is not taken for an environment.
    machine.file("repository/.tsc/venv.new/bin/python", "half");
    let machine = machine.with_python(PIP);
    machine.set_up().unwrap();
    assert!(!machine.tool_dir().join("venv.new").exists());
}

#[test]
fn a_user_cpath_that_hides_the_headers_is_a_stop() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let mut machine = Machine::bare().with_python(PIP);
    machine.host.cpath = Some("/opt/include".into());
    assert!(machine.stops().contains("type: export CPATH="));
    let include = machine.tool_dir().join("toolchain/include");
    machine.host.cpath = Some(format!("/opt/include:{}", include.display()).into());
    machine.set_up().unwrap();
}

#[test]
fn libclang_without_its_headers_is_not_good_enough() {
    let machine = Machine::bare().with_cmake("3.31.6").with_libclang();
    fs::remove_dir_all(machine.dir.path().join("llvm/lib/clang")).unwrap();
    assert!(machine.stops().contains("libclang==18.1.1"));
}

#[test]
fn only_ninja_names_its_generator() {
    let machine = Machine::bare().with_cmake("3.31.6").with_libclang();
    fs::remove_file(machine.dir.path().join("bin/make")).unwrap();
    machine.program("ninja", "echo 1.12");
    machine.set_up().unwrap();
    assert!(machine.env_file().contains("CMAKE_GENERATOR = { value = \"Ninja\", relative = false }"));
}

#[test]
fn exports_are_absolute_and_come_from_the_written_file() {
    let machine = Machine::bare().with_cmake("3.31.6").with_libclang();
    let root = machine.dir.path().join("repository");
    assert_eq!(code_of(&exports(&root).unwrap_err()), 2);
    machine.set_up().unwrap();
    let text = exports(&root).unwrap();
    let cmake = format!("export CMAKE='{}/.tsc/toolchain/bin/cmake'\n", root.display());
    assert!(text.starts_with(&cmake), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
}
