use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use tsc_core::{Error, ErrorKind, Stage, Timestamp};

use crate::ring;

/// An error that was observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErrorRecord {
    /// When.
    pub at: Timestamp,
    /// What went wrong.
    pub kind: ErrorKind,
    /// Where.
    pub stage: Stage,
    /// Stable code.
    pub code: String,
    /// Message.
    pub message: String,
}

/// Counts of errors, each counted once.
#[doc(alias = "get_error_statistics")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErrorStats {
    /// All.
    pub total: u64,
    /// By what went wrong.
    pub by_kind: BTreeMap<ErrorKind, u64>,
    /// By where.
    pub by_stage: BTreeMap<Stage, u64>,
    /// Those after which a batch was scored again.
    pub recovered: u64,
}

/// What failed so far: counts for ever, the newest records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failures {
    pub(crate) stats: ErrorStats,
    pub(crate) recent: VecDeque<ErrorRecord>,
}

impl Failures {
    pub(crate) fn push(&mut self, error: &Error, at: Timestamp, capacity: usize) {
        self.stats.total += 1;
        *self.stats.by_kind.entry(error.kind()).or_default() += 1;
        *self.stats.by_stage.entry(error.stage()).or_default() += 1;
        let record = ErrorRecord {
            at,
            kind: error.kind(),
            stage: error.stage(),
            code: error.code().into(),
            message: error.to_string(),
        };
        ring::push(&mut self.recent, record, capacity);
    }

    pub(crate) fn recover(&mut self) {
        self.stats.recovered = self.stats.total;
    }
}
