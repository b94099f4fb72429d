use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tsc_core::TrackingReport;

/// What became of every logged value; shared by callers and the writer.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sent: AtomicU64,
    pub(crate) spooled: AtomicU64,
    pub(crate) replayed: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) truncated: AtomicU64,
    pub(crate) non_finite: AtomicU64,
    /// Taken from the queue, not yet stored or spooled.
    pub(crate) in_hand: AtomicU64,
    faults: Mutex<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    /// Stands until the store is reached again.
    outage: Option<String>,
    /// Stands for good: something was refused or lost.
    loss: Option<String>,
}

pub(crate) fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}

impl Counters {
    /// Records that the store cannot be reached; says whether that is news.
    pub(crate) fn outage(&self, message: String) -> bool {
        let mut faults = lock(&self.faults);
        let news = faults.outage.as_ref() != Some(&message);
        faults.outage = Some(message);
        news
    }

    /// The store answers again.
    pub(crate) fn recovered(&self) -> bool {
        lock(&self.faults).outage.take().is_some()
    }

    /// Records why something was refused or lost.
    pub(crate) fn loss(&self, message: String) {
        lock(&self.faults).loss = Some(message);
    }

    /// All counters as they stand; `queued` is what waits in the queue.
    pub(crate) fn report(&self, queued: u64) -> TrackingReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let faults = lock(&self.faults);
        TrackingReport {
            queued: queued + read(&self.in_hand),
            sent: read(&self.sent),
            spooled: read(&self.spooled),
            replayed: read(&self.replayed),
            rejected: read(&self.rejected),
            dropped: read(&self.dropped),
            truncated: read(&self.truncated),
            non_finite: read(&self.non_finite),
            last_error: match (&faults.outage, &faults.loss) {
                (Some(outage), Some(loss)) => Some(format!("{outage}; {loss}")),
                (outage, loss) => outage.clone().or_else(|| loss.clone()),
            },
        }
    }
}

/// A lock whose holder cannot leave the value half-changed, so a panic elsewhere does not matter.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
