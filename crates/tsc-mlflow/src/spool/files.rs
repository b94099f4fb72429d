//! Folders and files that only their owner can read.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use tsc_core::Result;

use crate::error::TrackingError;

pub(super) fn file_error(action: &'static str, path: &Path, source: std::io::Error) -> tsc_core::Error {
    TrackingError::File { action, path: path.into(), source }.into()
}

pub(super) fn create_private_folder(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    // Another process may remove an empty folder above it in this very moment.
    builder
        .create(folder)
        .or_else(|_| builder.create(folder))
        .map_err(|source| file_error("creating", folder, source))
}

/// Opens a file to append to, creating it where it is new.
pub(super) fn open_private(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|source| file_error("creating", path, source))
}

/// Writes a file whole or not at all.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let draft = path.with_extension("tmp");
    let write = || {
        let mut file = open_private(&draft)?;
        file.set_len(0)
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| std::fs::rename(&draft, path))
            .map_err(|source| file_error("writing", path, source))
    };
    write().inspect_err(|_| drop(std::fs::remove_file(&draft)))
}
