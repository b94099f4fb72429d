use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tsc_core::{Error, ErrorKind, Result, Stage, StoredKind, check_path};

pub(super) const FORMAT: &str = "tsc-bundle";
pub(super) const FORMAT_VERSION: u32 = 1;
pub(super) const MANIFEST: &str = "manifest.json";
/// Files below this folder are running state: not part of the content hash, never uploaded.
pub(super) const STATE: &str = "state/";
/// Models that a retrain is judged against, where those that serve saw its held-out rows.
pub(super) const MEASURED: &str = "models/measured";

/// What a version directory holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: String,
    pub(super) format_version: u32,
    pub(super) crate_version: String,
    pub(super) created_at: i64,
    pub(super) model_version: u64,
    pub(super) content_hash: String,
    pub(super) schema_hash: String,
    /// Kind of each stage: `clusterer`, `fallback`.
    pub(super) stages: BTreeMap<String, StoredKind>,
    pub(super) files: Vec<FileEntry>,
}

/// One file of a version directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileEntry {
    pub(super) path: String,
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hash over the sorted (path, sha256) pairs of everything but running state.
pub(super) fn content_hash(files: &[FileEntry]) -> String {
    let mut pairs: Vec<String> = files
        .iter()
        .filter(|f| !f.path.starts_with(STATE))
        .map(|f| format!("{} {}\n", f.path, f.sha256))
        .collect();
    pairs.sort();
    sha256(pairs.concat().as_bytes())
}

impl Manifest {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| tsc_core::damaged(MANIFEST, e))?;
        if manifest.format != FORMAT || manifest.format_version > FORMAT_VERSION {
            return Err(Error::new(
                ErrorKind::Artifact,
                Stage::Storage,
                "TSC-ART-010",
                format!(
                    "{MANIFEST} is {} v{}, this build reads {FORMAT} up to v{FORMAT_VERSION}",
                    manifest.format, manifest.format_version
                ),
            )
            .with_help("load the bundle with the version that wrote it, or a newer one"));
        }
        for file in &manifest.files {
            check_path(&file.path)?;
        }
        if content_hash(&manifest.files) != manifest.content_hash {
            return Err(tsc_core::damaged(MANIFEST, "its content hash does not match its files"));
        }
        Ok(manifest)
    }
}
