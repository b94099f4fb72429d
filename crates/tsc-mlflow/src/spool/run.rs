//! One run on disk, owned by this process.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tsc_core::Result;

use crate::clock;
use crate::key;
use crate::op::{Blob, NewRun, Op};

use super::Space;
use super::files::{create_private_folder, file_error, open_private, write_private};
use super::record::{Found, Line, LineRef, encode, records};

/// Bytes after which a new segment begins.
const SEGMENT: u64 = 8 << 20;
/// Longest time that a record may be in the system's memory only.
const SYNC: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct SpooledRun {
    folder: PathBuf,
    /// Held until the folder is gone; the operating system frees it with the process.
    lock: File,
    /// Where each segment starts; the last one is written to.
    starts: VecDeque<u64>,
    segment: File,
    /// Where the last record ends.
    end: u64,
    /// Up to where the store has acknowledged.
    cursor: u64,
    /// When records were last known to be on the disk.
    synced: Instant,
    space: Arc<Space>,
    /// Bytes that this run takes.
    bytes: u64,
}

impl SpooledRun {
    /// A new run that has only a beginning.
    pub(super) fn create(folder: PathBuf, run: &NewRun, space: &Arc<Space>) -> Result<Self> {
        create_private_folder(&folder)?;
        let lock = open_private(&folder.join("lock"))?;
        // Nobody but a process that looks for orphans can hold the lock of a new run, for a moment.
        lock.lock().map_err(|source| file_error("locking", &folder, source))?;
        let text = encode(&LineRef::Run(run)).map_err(|source| file_error("writing", &folder, source))?;
        write_private(&folder.join("run"), &text)?;
        Self::over(folder, lock, VecDeque::from([0]), 0, space)
    }

    /// What a process that is gone left behind.
    pub(super) fn open(folder: PathBuf, lock: File, space: &Arc<Space>) -> Result<Self> {
        let entries = std::fs::read_dir(&folder).map_err(|source| file_error("reading", &folder, source))?;
        let start = |path: PathBuf| -> Option<u64> {
            let is_segment = path.extension()? == "jsonl";
            path.file_stem()?.to_str()?.parse().ok().filter(|_| is_segment)
        };
        let mut starts: Vec<u64> = entries.flatten().filter_map(|entry| start(entry.path())).collect();
        starts.sort_unstable();
        if starts.is_empty() {
            starts.push(0);
        }
        let cursor = read_cursor(&folder).unwrap_or(0);
        Self::over(folder, lock, starts.into(), cursor, space)
    }

    fn over(
        folder: PathBuf,
        lock: File,
        starts: VecDeque<u64>,
        cursor: u64,
        space: &Arc<Space>,
    ) -> Result<Self> {
        let last = starts.back().copied().unwrap_or(0);
        let segment = open_private(&segment_path(&folder, last))?;
        let length = segment.metadata().map_err(|source| file_error("reading", &folder, source))?.len();
        let bytes = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.metadata().ok())
            .map(|file| file.len())
            .sum();
        space.take(bytes);
        let (end, space, synced) = (last + length, Arc::clone(space), clock::instant());
        Ok(Self { folder, lock, starts, segment, end, cursor: cursor.min(end), synced, space, bytes })
    }

    pub(super) fn segments(&self) -> VecDeque<(u64, PathBuf)> {
        self.starts.iter().map(|start| (*start, segment_path(&self.folder, *start))).collect()
    }

    pub(super) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Whether nothing was ever written about it.
    pub(crate) fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Removes what a torn write left after the last whole record, which would corrupt the next one.
    pub(super) fn trim(&mut self) -> Result<()> {
        let start = self.starts.back().copied().unwrap_or(0);
        let last = VecDeque::from([(start, segment_path(&self.folder, start))]);
        let end = records(last, 0).last().map_or(start, |found| found.end());
        self.segment.set_len(end - start).map_err(|source| file_error("writing", &self.folder, source))?;
        self.end = end;
        self.cursor = self.cursor.min(end);
        Ok(())
    }

    /// Appends one operation and returns where it ends; contents move to files beside it.
    ///
    /// Metrics and contents are refused when the spool is full, what is small and has no second chance is not.
    pub(crate) fn append(&mut self, op: &mut Op) -> Result<u64> {
        for blob in op.blobs_mut() {
            if let Blob::Bytes(bytes) = blob {
                let sha256 = key::sha256(bytes);
                let path = self.folder.join(&sha256);
                if !path.exists() {
                    self.space.check(bytes.len() as u64)?;
                    write_private(&path, bytes)?;
                    self.take(bytes.len() as u64);
                }
                *blob = Blob::Stored { folder: self.folder.clone(), sha256 };
            }
        }
        let text = encode(&LineRef::Op(op)).map_err(|source| file_error("writing", &self.folder, source))?;
        if matches!(op, Op::Metrics(_)) {
            self.space.check(text.len() as u64)?;
        }
        self.write(&text)?;
        if matches!(op, Op::Finish { .. }) || self.synced.elapsed() >= SYNC {
            self.segment.sync_data().map_err(|source| file_error("writing", &self.folder, source))?;
            self.synced = clock::instant();
        }
        Ok(self.end)
    }

    fn take(&mut self, bytes: u64) {
        self.space.take(bytes);
        self.bytes += bytes;
    }

    fn write(&mut self, text: &[u8]) -> Result<()> {
        let mut start = self.starts.back().copied().unwrap_or(0);
        if self.end - start >= SEGMENT {
            let next = open_private(&segment_path(&self.folder, self.end))?;
            self.segment.sync_data().map_err(|source| file_error("writing", &self.folder, source))?;
            self.segment = next;
            start = self.end;
            self.starts.push_back(start);
        }
        if let Err(source) = self.segment.write_all(text) {
            // Half a record must not stay in front of the next one.
            let undone = self.segment.set_len(self.end - start);
            let source = undone.err().unwrap_or(source);
            return Err(file_error("writing", &self.folder, source));
        }
        self.end += text.len() as u64;
        self.take(text.len() as u64);
        Ok(())
    }

    /// The next unacknowledged operations with their ends, at most about `weight` values.
    pub(crate) fn unsent(&self, weight: usize) -> Vec<(Op, u64)> {
        let mut ops = Vec::new();
        let mut total = 0;
        for found in records(self.segments(), self.cursor) {
            if let Found::Good(Line::Op(op), end) = found {
                total += op.weight();
                ops.push((op, end));
            }
            if total >= weight {
                break;
            }
        }
        ops
    }

    /// Everything before `end` is in the store.
    pub(crate) fn acknowledge(&mut self, end: u64) -> Result<()> {
        self.cursor = end;
        write_private(&self.folder.join("cursor"), end.to_string().as_bytes())?;
        while self.starts.get(1).is_some_and(|next| *next <= end) {
            let (first, next) = (self.starts[0], self.starts[1]);
            let path = segment_path(&self.folder, first);
            std::fs::remove_file(&path).map_err(|source| file_error("removing", &path, source))?;
            self.starts.pop_front();
            self.space.free(next - first);
            self.bytes -= (next - first).min(self.bytes);
        }
        Ok(())
    }

    /// The run was heard of just now, although nothing was written here.
    pub(crate) fn touch(&self) {
        // Only the end of a run whose process dies becomes less exact without it.
        drop(self.lock.set_modified(clock::system(clock::now_ms())));
    }

    /// Removes the run from disk, and folders above it that hold nothing more and were not there before.
    pub(crate) fn remove(self) -> Result<()> {
        self.space.free(self.bytes);
        std::fs::remove_dir_all(&self.folder)
            .map_err(|source| file_error("removing", &self.folder, source))?;
        remove_empty(&self.folder, &self.space.kept);
        Ok(())
    }
}

/// Removes the empty folders above `below`, up to but without `kept`.
pub(super) fn remove_empty(below: &Path, kept: &Path) {
    for folder in below.ancestors().skip(1).take_while(|folder| *folder != kept && folder.starts_with(kept)) {
        if std::fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

fn segment_path(folder: &Path, start: u64) -> PathBuf {
    folder.join(format!("{start:015}.jsonl"))
}

fn read_cursor(folder: &Path) -> Option<u64> {
    std::fs::read_to_string(folder.join("cursor")).ok()?.trim().parse().ok()
}
