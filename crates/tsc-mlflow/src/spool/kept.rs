//! Registrations that wait on disk.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;

use tsc_core::Result;

use crate::deployment::Deployment;

use super::Spool;
use super::files::{create_private_folder, file_error, write_private};
use super::run::remove_empty;

/// A registration in memory, and its file where it could be written.
#[derive(Debug)]
pub(crate) struct KeptDeployment {
    pub(crate) deployment: Deployment,
    file: Option<(PathBuf, File)>,
}

impl KeptDeployment {
    /// One that this process must not forget, because it cannot be written.
    pub(crate) fn in_memory(deployment: Deployment) -> Self {
        Self { deployment, file: None }
    }
}

impl Spool {
    /// Writes a registration; an earlier one of the same model under the same name is replaced.
    pub(crate) fn keep(&self, deployment: &Deployment) -> Result<KeptDeployment> {
        let folder = self.root.join("deployments");
        create_private_folder(&folder)?;
        let path = folder.join(format!("{}.json", deployment.key()));
        let text = serde_json::to_vec(deployment)
            .map_err(|error| file_error("writing", &path, std::io::Error::other(error)))?;
        write_private(&path, &text)?;
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.and_then(|file| file.lock().map(|()| file));
        let file = file.map_err(|source| file_error("locking", &path, source))?;
        Ok(KeptDeployment { deployment: deployment.clone(), file: Some((path, file)) })
    }

    /// Registrations that processes which are gone left behind, oldest first.
    pub(crate) fn deployments(&self) -> Vec<KeptDeployment> {
        let Ok(entries) = std::fs::read_dir(self.root.join("deployments")) else { return Vec::new() };
        let adopt = |path: PathBuf| {
            let file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
            file.try_lock().ok()?;
            let deployment = serde_json::from_reader(&file).ok()?;
            Some(KeptDeployment { deployment, file: Some((path, file)) })
        };
        let mut kept: Vec<KeptDeployment> =
            entries.flatten().filter_map(|entry| adopt(entry.path())).collect();
        kept.sort_by(|a, b| {
            (a.deployment.at, &a.deployment.model).cmp(&(b.deployment.at, &b.deployment.model))
        });
        kept
    }

    /// Removes the file of a registration that is done.
    pub(crate) fn forget(&self, kept: KeptDeployment) -> Result<()> {
        let Some((path, file)) = kept.file else { return Ok(()) };
        let removed = std::fs::remove_file(&path);
        drop(file);
        removed.map_err(|source| file_error("removing", &path, source))?;
        remove_empty(&path, &self.space.kept);
        Ok(())
    }
}
