use std::collections::BTreeMap;

use crate::{Error, ErrorKind, Result, Stage};

/// Where a fitted stage writes its files.
pub trait ArtifactSink {
    /// Stores `bytes` under a plain relative path such as `model.postcard` or `cluster-0000.txt`.
    ///
    /// # Errors
    ///
    /// `Artifact` if the path is not plain and relative, is taken, or cannot be written.
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<()>;
}

/// Where a stored stage reads its files.
pub trait ArtifactSource {
    /// The bytes stored under `path`.
    ///
    /// # Errors
    ///
    /// `Artifact` naming the path, if it is missing, damaged or unreadable.
    fn get(&self, path: &str) -> Result<Vec<u8>>;
}

/// What a fitted stage is, and the version of its stored form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArtifactKind {
    /// Name such as `hdbscan`.
    pub name: &'static str,
    /// Newest stored version this build writes and reads.
    pub version: u32,
}

/// Kind and version as a manifest recorded them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoredKind {
    /// Name such as `hdbscan`.
    pub name: String,
    /// Version of the stored form.
    pub version: u32,
}

impl From<ArtifactKind> for StoredKind {
    fn from(kind: ArtifactKind) -> Self {
        Self { name: kind.name.into(), version: kind.version }
    }
}

/// A fitted stage that can be written into a bundle.
pub trait Save {
    /// What it is; recorded beside the files.
    fn kind(&self) -> ArtifactKind;

    /// Writes all fitted state.
    ///
    /// # Errors
    ///
    /// Those of the sink.
    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()>;
}

/// The other direction, apart from [`Save`] so that fitted traits stay usable as `dyn`.
pub trait Load: Save + Sized {
    /// Kind and newest version this build reads.
    const KIND: ArtifactKind;

    /// Reads what a build of this or an older version wrote. Runs no code and never panics.
    ///
    /// # Errors
    ///
    /// `Artifact` naming the file, if it is missing or damaged.
    fn load(version: u32, source: &dyn ArtifactSource) -> Result<Self>;
}

/// Checks kind and version, then loads: what a description's `restore` calls.
///
/// # Errors
///
/// `Artifact` naming both sides if the kind differs or the stored version is newer.
pub fn restore<T: Load>(stored: &StoredKind, source: &dyn ArtifactSource) -> Result<T> {
    if stored.name != T::KIND.name || stored.version > T::KIND.version {
        return Err(Error::new(
            ErrorKind::Artifact,
            Stage::Storage,
            "TSC-ART-001",
            format!(
                "stored model is {} v{}, this build reads {} up to v{}",
                stored.name,
                stored.version,
                T::KIND.name,
                T::KIND.version
            ),
        )
        .with_help("load with the stages and the version that wrote the bundle"));
    }
    T::load(stored.version, source)
}

/// Files in memory: sink and source for tests, copies and packaging.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryArtifacts {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryArtifacts {
    /// No file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The files by path.
    #[must_use]
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    /// Replaces a file, present or not: for tests that damage one.
    pub fn overwrite(&mut self, path: &str, bytes: Vec<u8>) {
        self.files.insert(path.into(), bytes);
    }
}

impl ArtifactSink for MemoryArtifacts {
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        check_path(path)?;
        if self.files.contains_key(path) {
            return Err(path_error(path, "is written twice"));
        }
        self.files.insert(path.into(), bytes.to_vec());
        Ok(())
    }
}

impl ArtifactSource for MemoryArtifacts {
    fn get(&self, path: &str) -> Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| path_error(path, "is missing"))
    }
}

/// A sink or source for one folder of another: `Prefixed::new("clusterer", &mut bundle)`.
#[derive(Debug)]
pub struct Prefixed<T> {
    prefix: String,
    inner: T,
}

impl<T> Prefixed<T> {
    /// Paths get `prefix` and a slash in front.
    pub fn new(prefix: impl Into<String>, inner: T) -> Self {
        Self { prefix: prefix.into(), inner }
    }

    fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.prefix)
    }
}

impl ArtifactSink for Prefixed<&mut dyn ArtifactSink> {
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(path);
        self.inner.put(&path, bytes)
    }
}

impl ArtifactSource for Prefixed<&dyn ArtifactSource> {
    fn get(&self, path: &str) -> Result<Vec<u8>> {
        self.inner.get(&self.path(path))
    }
}

/// Accepts plain relative paths only: letters, digits, `.`, `_`, `-`, single slashes, no `..`.
///
/// # Errors
///
/// `Artifact` naming the path.
pub fn check_path(path: &str) -> Result<()> {
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    if path.split('/').all(plain) { Ok(()) } else { Err(path_error(path, "is not a plain relative path")) }
}

#[cold]
fn path_error(path: &str, what: &str) -> Error {
    Error::new(ErrorKind::Artifact, Stage::Storage, "TSC-ART-002", format!("file {path:?} {what}"))
}

/// A damaged or unreadable stored file, with what was found.
#[cold]
#[must_use]
pub fn damaged(path: &str, what: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Artifact,
        Stage::Storage,
        "TSC-ART-003",
        format!("file {path:?} is damaged: {what}"),
    )
    .with_help("restore the file from a backup, or load another version of the bundle")
}
