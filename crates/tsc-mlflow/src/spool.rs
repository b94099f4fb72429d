//! What could not be delivered yet, on disk: a folder per run.
//!
//! `<spool>/<target>/<run key>/` holds
//!
//! - `run`: the record that describes the run, with which a later process finds it in the store,
//! - `<offset>.jsonl`: segments with a record for each operation; the name is the number of bytes in all
//!   segments before it, so a place in the whole is one number,
//! - `cursor`: the place up to which the store has acknowledged; segments before it are removed,
//! - `lock`: held by the process that owns the run, freed by the operating system when that dies,
//! - the contents of files under their sha256.
//!
//! `<spool>/<target>/deployments/` holds registrations that wait. A run that is delivered leaves nothing.

mod files;
mod kept;
mod record;
mod run;

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tsc_core::Result;

use crate::error::TrackingError;
use crate::key;
use crate::op::{NewRun, Op};

use record::{Found, Line, records};

pub(crate) use kept::KeptDeployment;
pub(crate) use run::SpooledRun;

/// Folder with the runs of one target.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    root: PathBuf,
    space: Arc<Space>,
}

/// Bytes on disk, and how many there may be.
#[derive(Debug)]
struct Space {
    used: AtomicU64,
    limit: u64,
    /// The deepest folder that was there before the spool was.
    kept: PathBuf,
}

impl Space {
    fn take(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    fn free(&self, bytes: u64) {
        // What other processes wrote is not counted, and may be freed here.
        let less = |used: u64| Some(used.saturating_sub(bytes));
        let _previous = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    fn check(&self, bytes: u64) -> Result<()> {
        if self.used.load(Ordering::Relaxed).saturating_add(bytes) <= self.limit {
            return Ok(());
        }
        Err(TrackingError::NotStored(format!("the spool is full, it holds {} bytes at most", self.limit))
            .into())
    }
}

/// A run that another process left behind.
#[derive(Debug)]
pub(crate) struct Orphan {
    pub(crate) run: NewRun,
    pub(crate) spooled: SpooledRun,
    /// Values not yet acknowledged.
    pub(crate) weight: usize,
    /// Records not yet acknowledged that cannot be read.
    pub(crate) damaged: usize,
    /// Whether its end is among the records; if not, the process died.
    pub(crate) ended: bool,
    /// When it was last heard of, for the end of a run whose process died.
    pub(crate) last_stamp: i64,
}

impl Spool {
    /// The spool for `target`, a uri without credentials; nothing is created yet.
    pub(crate) fn new(root: &Path, target: &str, limit: u64) -> Self {
        let root = root.join(&key::sha256(target.as_bytes())[..12]);
        let kept = root.ancestors().find(|folder| folder.is_dir()).unwrap_or(&root).to_path_buf();
        Self { root, space: Arc::new(Space { used: AtomicU64::new(0), limit, kept }) }
    }

    /// Starts a run on disk.
    pub(crate) fn begin(&self, run: &NewRun) -> Result<SpooledRun> {
        SpooledRun::create(self.root.join(&run.key), run, &self.space)
    }

    /// Runs that processes which are gone left behind, oldest first, and why others cannot be read.
    pub(crate) fn orphans(&self) -> (Vec<Orphan>, Vec<tsc_core::Error>) {
        let (mut orphans, mut faults) = (Vec::new(), Vec::new());
        let Ok(entries) = std::fs::read_dir(&self.root) else { return (orphans, faults) };
        for entry in entries.flatten() {
            match adopt(entry.path(), &self.space) {
                None => {}
                Some(Ok(orphan)) => orphans.push(orphan),
                Some(Err(error)) => faults.push(error),
            }
        }
        orphans.sort_by(|a, b| {
            (a.run.start_time, a.run.parent.is_some(), &a.run.key).cmp(&(
                b.run.start_time,
                b.run.parent.is_some(),
                &b.run.key,
            ))
        });
        (orphans, faults)
    }
}

/// Takes over a folder whose owner is gone; `None` for one that is owned or no run.
fn adopt(folder: PathBuf, space: &Arc<Space>) -> Option<Result<Orphan>> {
    let lock = OpenOptions::new().read(true).write(true).open(folder.join("lock")).ok()?;
    lock.try_lock().ok()?;
    // Its owner is about to write it, or has delivered everything and is removing it.
    if !folder.join("run").exists() {
        return None;
    }
    Some(take_over(folder, lock, space))
}

fn take_over(folder: PathBuf, lock: File, space: &Arc<Space>) -> Result<Orphan> {
    let first = record::read_one(&folder.join("run"))?;
    let Some(Line::Run(run)) = first else {
        return Err(TrackingError::NotStored(format!(
            "{} holds a run that cannot be read, remove it",
            folder.display()
        ))
        .into());
    };
    let heard = lock.metadata().and_then(|file| file.modified()).ok().map(crate::clock::ms_of);
    let mut spooled = SpooledRun::open(folder, lock, space)?;
    let (mut weight, mut damaged, mut ended, mut last) = (0, 0, false, None);
    for found in records(spooled.segments(), 0) {
        let unsent = found.end() > spooled.cursor();
        match found {
            Found::Good(Line::Op(op), _) => {
                ended |= matches!(op, Op::Finish { .. });
                last = last.max(stamp(&op));
                weight += if unsent { op.weight() } else { 0 };
            }
            Found::Good(Line::Run(_), _) | Found::Damaged(_) => damaged += usize::from(unsent),
        }
    }
    spooled.trim()?;
    let last_stamp = last.or(heard).unwrap_or(0).max(run.start_time);
    Ok(Orphan { run, spooled, weight, damaged, ended, last_stamp })
}

fn stamp(op: &Op) -> Option<i64> {
    match op {
        Op::Metrics(points) => points.iter().map(|point| point.at).max(),
        Op::Model(model) => Some(model.at),
        Op::Finish { at, .. } => Some(*at),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
