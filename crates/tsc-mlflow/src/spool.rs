//! What could not be delivered yet, on disk: one folder per run, one line per log call.
//!
//! `<spool>/<target>/<run key>/` holds `records.jsonl` (a CRC-32 and a JSON object per line), `cursor`
//! (bytes of it that the store has acknowledged), `lock` (held by the process that owns the run) and
//! the contents of artifacts under their sha256. The first record describes the run and stays, so
//! that a later process can find it in the store. A folder whose run is delivered is removed.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tsc_core::Result;

use crate::error::TrackingError;
use crate::key;
use crate::op::{Blob, NewRun, Op};

/// Folder with the runs of one target.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    root: PathBuf,
}

/// One run on disk, owned by this process.
#[derive(Debug)]
pub(crate) struct SpooledRun {
    folder: PathBuf,
    records: File,
    /// Held until the folder is gone; the operating system frees it with the process.
    _lock: File,
    end: u64,
    cursor: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Run(NewRun),
    Op(Op),
}

/// A run that another process left behind.
#[derive(Debug)]
pub(crate) struct Orphan {
    pub(crate) run: NewRun,
    pub(crate) spooled: SpooledRun,
    /// Values not yet acknowledged.
    pub(crate) weight: usize,
    /// Whether its end is among the records; if not, the process died.
    pub(crate) ended: bool,
    /// Stamp of the last record, for the end of a run whose process died.
    pub(crate) last_stamp: i64,
}

impl Spool {
    /// The spool for `target`, a uri without credentials; nothing is created yet.
    pub(crate) fn new(root: &Path, target: &str) -> Self {
        Self { root: root.join(&key::sha256(target.as_bytes())[..12]) }
    }

    /// Starts a run on disk.
    pub(crate) fn begin(&self, run: &NewRun) -> Result<SpooledRun> {
        let folder = self.root.join(&run.key);
        create_private_folder(&folder)?;
        let lock = open_private(&folder.join("lock"))?;
        lock.try_lock().map_err(|e| file_error("locking", &folder, std::io::Error::other(e.to_string())))?;
        let records = open_private(&folder.join("records.jsonl"))?;
        let mut spooled = SpooledRun { folder, records, _lock: lock, end: 0, cursor: 0 };
        spooled.write(&Line::Run(run.clone()))?;
        spooled.cursor = spooled.end;
        spooled.save_cursor()?;
        Ok(spooled)
    }

    /// Runs that processes which are gone left behind, oldest first.
    pub(crate) fn orphans(&self) -> Vec<Orphan> {
        let Ok(entries) = std::fs::read_dir(&self.root) else { return Vec::new() };
        let mut orphans: Vec<Orphan> = entries.flatten().filter_map(|entry| adopt(entry.path())).collect();
        orphans.sort_by(|a, b| {
            (a.run.start_time, a.run.parent.is_some(), &a.run.key).cmp(&(
                b.run.start_time,
                b.run.parent.is_some(),
                &b.run.key,
            ))
        });
        orphans
    }
}

fn adopt(folder: PathBuf) -> Option<Orphan> {
    let lock = OpenOptions::new().read(true).write(true).open(folder.join("lock")).ok()?;
    lock.try_lock().ok()?;
    let mut records = OpenOptions::new().read(true).append(true).open(folder.join("records.jsonl")).ok()?;
    let first = LineReader::new(&records, &folder, 0).ok()?.next();
    let Some((Line::Run(run), start)) = first else { return None };
    let cursor = read_cursor(&folder).unwrap_or(0).max(start);
    let (mut end, mut weight, mut ended, mut last_stamp) = (start, 0, false, run.start_time);
    for (line, line_end) in LineReader::new(&records, &folder, start).ok()? {
        if let Line::Op(op) = line {
            ended |= matches!(op, Op::Finish { .. });
            if let Op::Metrics { at, .. } | Op::Finish { at, .. } = op {
                last_stamp = last_stamp.max(at);
            }
            weight += if line_end > cursor { op.weight() } else { 0 };
        }
        end = line_end;
    }
    // What a torn write left after the last whole record would corrupt the next one.
    records.set_len(end).ok()?;
    records.seek(SeekFrom::End(0)).ok()?;
    let spooled = SpooledRun { folder, records, _lock: lock, end, cursor: cursor.min(end) };
    Some(Orphan { run, spooled, weight, ended, last_stamp })
}

impl SpooledRun {
    /// Appends one operation and returns where it ends; contents move to files beside it.
    pub(crate) fn append(&mut self, op: &mut Op) -> Result<u64> {
        for blob in op.blobs_mut() {
            if let Blob::Bytes(bytes) = blob {
                let sha256 = key::sha256(bytes);
                let path = self.folder.join(&sha256);
                if !path.exists() {
                    open_private(&path)?
                        .write_all(bytes)
                        .map_err(|source| file_error("writing", &path, source))?;
                }
                *blob = Blob::Stored { folder: self.folder.clone(), sha256 };
            }
        }
        self.write(&Line::Op(op.clone()))?;
        if matches!(op, Op::Finish { .. }) {
            self.records.sync_data().map_err(|source| file_error("writing", &self.folder, source))?;
        }
        Ok(self.end)
    }

    fn write(&mut self, line: &Line) -> Result<()> {
        let json = serde_json::to_string(line)
            .map_err(|e| file_error("writing", &self.folder, std::io::Error::other(e)))?;
        let text = format!("{:08x} {json}\n", crc32(json.as_bytes()));
        if let Err(source) = self.records.write_all(text.as_bytes()) {
            // Half a record must not stay in front of the next one.
            let undone = self.records.set_len(self.end);
            let source = undone.err().unwrap_or(source);
            return Err(file_error("writing", &self.folder, source));
        }
        self.end += text.len() as u64;
        Ok(())
    }

    /// The next unacknowledged operations with their ends, at most about `weight` values.
    pub(crate) fn unsent(&self, weight: usize) -> Result<Vec<(Op, u64)>> {
        let mut ops = Vec::new();
        let mut total = 0;
        for (line, end) in LineReader::new(&self.records, &self.folder, self.cursor)? {
            if let Line::Op(op) = line {
                total += op.weight();
                ops.push((op, end));
            }
            if total >= weight {
                break;
            }
        }
        Ok(ops)
    }

    /// Everything before `end` is in the store.
    pub(crate) fn acknowledge(&mut self, end: u64) -> Result<()> {
        self.cursor = end;
        self.save_cursor()
    }

    fn save_cursor(&self) -> Result<()> {
        let (path, draft) = (self.folder.join("cursor"), self.folder.join("cursor.tmp"));
        std::fs::write(&draft, self.cursor.to_string())
            .and_then(|()| std::fs::rename(&draft, &path))
            .map_err(|source| file_error("writing", &path, source))
    }

    /// Removes the run from disk.
    pub(crate) fn remove(self) -> Result<()> {
        std::fs::remove_dir_all(&self.folder).map_err(|source| file_error("removing", &self.folder, source))
    }
}

/// Whole, undamaged records from `offset` on; ends at the first that is not.
struct LineReader<'a> {
    reader: BufReader<&'a File>,
    folder: &'a Path,
    offset: u64,
}

impl<'a> LineReader<'a> {
    fn new(mut records: &'a File, folder: &'a Path, offset: u64) -> Result<Self> {
        records.seek(SeekFrom::Start(offset)).map_err(|source| file_error("reading", folder, source))?;
        Ok(Self { reader: BufReader::new(records), folder, offset })
    }
}

impl Iterator for LineReader<'_> {
    type Item = (Line, u64);

    fn next(&mut self) -> Option<Self::Item> {
        let mut text = Vec::new();
        let read = self.reader.read_until(b'\n', &mut text).ok()?;
        let json = text.strip_suffix(b"\n")?.get(9..)?;
        let crc = std::str::from_utf8(&text[..8]).ok().and_then(|hex| u32::from_str_radix(hex, 16).ok())?;
        if crc != crc32(json) {
            return None;
        }
        let mut line: Line = serde_json::from_slice(json).ok()?;
        if let Line::Op(op) = &mut line {
            for blob in op.blobs_mut() {
                if let Blob::Stored { folder, .. } = blob {
                    *folder = self.folder.to_path_buf();
                }
            }
        }
        self.offset += read as u64;
        Some((line, self.offset))
    }
}

fn read_cursor(folder: &Path) -> Option<u64> {
    let mut text = String::new();
    File::open(folder.join("cursor")).ok()?.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn file_error(action: &'static str, path: &Path, source: std::io::Error) -> tsc_core::Error {
    TrackingError::File { action, path: path.into(), source }.into()
}

fn create_private_folder(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|source| file_error("creating", folder, source))
}

fn open_private(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|source| file_error("creating", path, source))
}

/// CRC-32 of IEEE 802.3, bit by bit: records are short and the disk is slower.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests;
