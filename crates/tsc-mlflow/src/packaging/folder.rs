//! Reading and writing whole folders.

use std::path::{Path, PathBuf};

use tsc_core::Result;

use crate::error::TrackingError;

/// Every file below `folder` with its path, parts joined by `/`, sorted.
pub(crate) fn read_folder(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    let mut open = vec![(folder.to_path_buf(), String::new())];
    while let Some((path, prefix)) = open.pop() {
        let failed = |source| TrackingError::File { action: "reading", path: path.clone(), source };
        for entry in std::fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().into_string().map_err(|name| {
                TrackingError::Package(format!("file name {name:?} in {} is not UTF-8", path.display()))
            })?;
            let relative = format!("{prefix}{name}");
            let kind = std::fs::metadata(entry.path()).map_err(failed)?;
            if kind.is_dir() {
                open.push((entry.path(), format!("{relative}/")));
            } else {
                files.push((relative, std::fs::read(entry.path()).map_err(failed)?));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A new folder; one with files in it is refused.
pub(super) fn create_empty(folder: &Path) -> Result<()> {
    let failed = |source| TrackingError::File { action: "creating", path: folder.into(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    if std::fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(TrackingError::Package(format!("{} is not empty", folder.display())).into());
    }
    Ok(())
}

/// Writes a file below `folder`.
pub(super) fn write(folder: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    let path: PathBuf = folder.join(path);
    let write = || {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, bytes)
    };
    write().map_err(|source| TrackingError::File { action: "writing", path: path.clone(), source }.into())
}
