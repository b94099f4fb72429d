use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use tsc_core::{ArtifactSink, Error, ErrorKind, Result, Stage, check_path};

use super::manifest::{FileEntry, sha256};

/// A folder that exists under its final name only when everything in it was written.
///
/// Files go to a temporary sibling; dropping it without [`Folder::publish`] removes them.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    pub(super) files: Vec<FileEntry>,
    published: bool,
    durable: bool,
}

impl Folder {
    /// A temporary folder for files that are read again at once, so they need not reach the disk.
    pub(crate) fn scratch() -> Result<Self> {
        let mut folder = Self::begin(&std::env::temp_dir())?;
        folder.durable = false;
        Ok(folder)
    }

    /// Starts a temporary folder inside `parent`, which is created where missing.
    pub(crate) fn begin(parent: &Path) -> Result<Self> {
        fs::create_dir_all(parent).map_err(|e| io_error("create", parent, &e))?;
        let unique = format!(".tmp-{}-{:x}", std::process::id(), crate::clock::now().0);
        for attempt in 0..1000 {
            let path = parent.join(format!("{unique}-{attempt}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, files: Vec::new(), published: false, durable: true }),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(io_error("create", &path, &e)),
            }
        }
        Err(io_error("create", parent, &std::io::Error::other("no free temporary name")))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the folder to `name`, which must not exist, after every file reached the disk.
    pub(super) fn publish(mut self, target: &Path) -> Result<()> {
        sync_folders(&self.path)?;
        if target.exists() {
            return Err(io_error("create", target, &std::io::ErrorKind::AlreadyExists.into()));
        }
        fs::rename(&self.path, target).map_err(|e| io_error("rename to", target, &e))?;
        self.published = true;
        if let Some(parent) = target.parent() {
            sync(parent)?;
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.published {
            // Best effort: a left-over temporary folder is never read.
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

impl ArtifactSink for Folder {
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        check_path(path)?;
        let target = self.path.join(path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(|e| io_error("create", folder, &e))?;
        }
        let mut file =
            private(path).create_new(true).open(&target).map_err(|e| io_error("create", &target, &e))?;
        file.write_all(bytes)
            .and_then(|()| if self.durable { file.sync_all() } else { Ok(()) })
            .map_err(|e| io_error("write", &target, &e))?;
        self.files.push(FileEntry { path: path.into(), sha256: sha256(bytes), bytes: bytes.len() as u64 });
        Ok(())
    }
}

/// Running state holds patient rows: readable by the owner alone.
fn private(path: &str) -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    if path.starts_with(super::manifest::STATE) {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// Replaces a small file by an atomic rename.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    let mut file = File::create(&temporary).map_err(|e| io_error("create", &temporary, &e))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| io_error("write", &temporary, &e))?;
    fs::rename(&temporary, path).map_err(|e| io_error("rename to", path, &e))?;
    path.parent().map_or(Ok(()), sync)
}

fn sync_folders(path: &Path) -> Result<()> {
    for entry in fs::read_dir(path).map_err(|e| io_error("read", path, &e))? {
        let entry = entry.map_err(|e| io_error("read", path, &e))?;
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            sync_folders(&entry.path())?;
        }
    }
    sync(path)
}

fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|e| io_error("sync", path, &e))
}

#[cold]
pub(super) fn io_error(verb: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::new(
        ErrorKind::Artifact,
        Stage::Storage,
        "TSC-ART-011",
        format!("cannot {verb} {}: {error}", path.display()),
    )
    .with_help(
        "check that the folder exists, is writable and has room; the bundle served before is untouched",
    )
}
