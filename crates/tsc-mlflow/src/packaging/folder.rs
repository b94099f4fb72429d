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

/// Removes a folder that holds one model, and the model's own folder above it if that is empty then.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => {
            return Err(TrackingError::File { action: "removing", path: folder.into(), source }.into());
        }
        Ok(()) => {}
    }
    // Not empty where somebody has put more beside it.
    drop(folder.parent().map(std::fs::remove_dir));
    Ok(())
}

/// Whether a place is that of this model and holds nothing else: only such a place may be emptied.
pub(crate) fn is_of_model(place: &str, id: &str) -> bool {
    let its_own = place.split(['/', '\\']).rev().take(2).any(|part| part == id);
    if !its_own {
        tracing::warn!(%place, model = %id, "the files of a deleted model stay, their place is not the model's own");
    }
    its_own
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
