//! Files: through the server's artifact proxy, or straight into a folder that both sides see.

use std::path::{Path, PathBuf};

use tsc_core::Result;

use crate::error::{RestError, TrackingError};
use crate::packaging;
use crate::wire_values;

use super::Reply;
use super::RestStore;
use super::versions::gone;
use super::wire::FilesAnswer;

enum Root {
    Proxy(String),
    Folder(PathBuf),
}

impl Root {
    fn of(uri: &str) -> Result<Self> {
        if let Some(rest) = uri.strip_prefix("mlflow-artifacts:") {
            let path = match rest.strip_prefix("//") {
                // With a host, which is the server that was asked.
                Some(rest) if !rest.starts_with('/') => rest.split_once('/').map_or("", |(_, path)| path),
                _ => rest.trim_start_matches('/'),
            };
            return Ok(Self::Proxy(path.trim_matches('/').to_owned()));
        }
        // A path of the server's machine is used only if it leads somewhere on this one.
        let leads_somewhere = |path: &PathBuf| {
            path.ancestors().take(4).any(|folder| folder.parent().is_some() && folder.is_dir())
        };
        if let Some(path) = wire_values::local_path(uri).filter(leads_somewhere) {
            return Ok(Self::Folder(path));
        }
        Err(TrackingError::Artifacts(format!(
            "artifacts of this server lie at {uri}, which only the server can reach"
        ))
        .into())
    }
}

impl RestStore {
    /// Stores one file below an artifact uri.
    pub(super) fn upload(&self, uri: &str, path: &str, bytes: &[u8]) -> Result<()> {
        match Root::of(uri)? {
            Root::Proxy(root) => Ok(self.client.put_file(&format!("{root}/{path}"), bytes)?),
            Root::Folder(root) => write_file(&root.join(path), bytes),
        }
    }

    /// Removes everything below the artifact uri of a logged model.
    pub(super) fn remove_files(&self, uri: &str, model: &str) -> Result<()> {
        if !packaging::is_of_model(uri, model) {
            return Ok(());
        }
        match Root::of(uri)? {
            Root::Proxy(root) => Ok(gone(self.client.delete_files(&root))?),
            Root::Folder(root) => packaging::remove_folder(&root),
        }
    }

    /// Copies everything below an artifact uri.
    pub(super) fn download_all(&self, uri: &str, into: &Path) -> Result<()> {
        match Root::of(uri)? {
            Root::Folder(root) => packaging::read_folder(&root)?
                .iter()
                .try_for_each(|(path, bytes)| write_file(&into.join(path), bytes)),
            Root::Proxy(root) => {
                let mut open = vec![String::new()];
                while let Some(folder) = open.pop() {
                    let listed: FilesAnswer = self.client.list_files(&format!("{root}{folder}"))?;
                    for file in listed.files {
                        let path = format!("{folder}/{}", plain_name(&file.path)?);
                        if file.is_dir {
                            open.push(path);
                        } else {
                            let bytes = self.client.get_file(&format!("{root}{path}"))?;
                            write_file(&into.join(path.trim_start_matches('/')), &bytes)?;
                        }
                    }
                }
                Ok(())
            }
        }
    }
}

/// A server must not choose where on this machine a file goes.
fn plain_name(path: &str) -> Reply<&str> {
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || name == "." || name == ".." || name.contains(['\\', ':']) {
        let message = format!("the server lists a file named {path:?}");
        return Err(RestError::new(Some(200), message, "GET artifacts".into()));
    }
    Ok(name)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, bytes)
    };
    write().map_err(|source| TrackingError::File { action: "writing", path: path.into(), source }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_uris_lead_to_the_proxy_or_to_a_folder_that_exists() {
        let proxy = |uri: &str| match Root::of(uri) {
            Ok(Root::Proxy(path)) => path,
            _ => panic!("{uri} leads elsewhere"),
        };
        assert_eq!(proxy("mlflow-artifacts:/1/r/artifacts"), "1/r/artifacts");
        assert_eq!(proxy("mlflow-artifacts://host:5000/1/r"), "1/r");
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("1/r/artifacts");
        assert!(matches!(Root::of(inside.to_str().unwrap()), Ok(Root::Folder(path)) if path == inside));
        for uri in ["s3://bucket/1", "/nowhere-at-all/1/r/artifacts", "relative/1"] {
            let error = Root::of(uri).err().unwrap();
            assert_eq!(error.code(), "TSC-TRK-014");
            assert!(error.help().unwrap().contains("--serve-artifacts") && error.to_string().contains(uri));
        }
    }

    #[test]
    fn names_that_climb_out_are_refused() {
        assert_eq!(plain_name("a/b.txt").unwrap(), "b.txt");
        for bad in ["..", "a/..", "", "a/", "C:x", "a\\b"] {
            assert!(plain_name(bad).is_err(), "{bad}");
        }
    }
}
