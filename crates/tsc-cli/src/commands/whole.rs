use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A file that gets its name only when all of it was written.
///
/// Bytes go to a temporary sibling; dropping it without [`Whole::publish`] removes that, and a file that was
/// there before stays as it was. A device or pipe is written to directly.
#[derive(Debug)]
pub(crate) struct Whole {
    file: File,
    temporary: Option<PathBuf>,
    path: PathBuf,
}

impl Whole {
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        if path.is_dir() {
            return Err(Failure::unwritable(path, &io::ErrorKind::IsADirectory.into()));
        }
        // A link keeps pointing to the file it names.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let special = path.metadata().is_ok_and(|found| !found.is_file());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.tmp-{}", std::process::id()));
        let opened = if special { &path } else { &temporary };
        let file = File::create(opened).map_err(|e| Failure::unwritable(&path, &e))?;
        Ok(Self { file, temporary: (!special).then_some(temporary), path })
    }

    pub(crate) fn publish(self) -> Result<(), Failure> {
        let Some(temporary) = &self.temporary else { return Ok(()) };
        self.file.sync_all().map_err(|e| Failure::unwritable(&self.path, &e))?;
        std::fs::rename(temporary, &self.path).map_err(|e| Failure::unwritable(&self.path, &e))
    }
}

impl Write for Whole {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        // After `publish` there is nothing under this name any more.
        if let Some(temporary) = &self.temporary {
            drop(std::fs::remove_file(temporary));
        }
    }
}
