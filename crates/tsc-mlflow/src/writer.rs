//! The one thread that speaks to the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tsc_core::{Error, RunStatus};

use crate::breaker::Breaker;
use crate::clock;
use crate::counters::{Counters, add};
use crate::deployments::Deployments;
use crate::error::RestError;
use crate::inbox::{Entry, Inbox};
use crate::machine::Watch;
use crate::op::{NewRun, Op, Point};
use crate::spool::{Spool, SpooledRun};
use crate::store::{Attempt, TrackingStore};

/// Numbers below belong to runs that earlier processes left behind; they are delivered first.
pub(crate) const FIRST_RUN: u64 = 1 << 32;

#[derive(Debug)]
pub(crate) struct Writer {
    inbox: Arc<Inbox>,
    counters: Arc<Counters>,
    store: Arc<dyn TrackingStore>,
    spool: Spool,
    deployments: Deployments,
    interval: Duration,
    /// How long the last turn may take.
    finish: Duration,
    capacity: usize,
    runs: BTreeMap<u64, OpenRun>,
    adopted: u64,
    breaker: Breaker,
    /// How often the machine is looked at for an open run without a parent of ours.
    watch_every: Option<Duration>,
    parent_run: Option<String>,
}

/// A run that is not completely in the store.
#[derive(Debug)]
struct OpenRun {
    run: Arc<NewRun>,
    /// In memory, with the end of each record in the spool where it has one.
    pending: Vec<(Op, Option<u64>)>,
    spooled: Option<SpooledRun>,
    /// Tells the next process that this one began the run; only a store without write-ahead needs it.
    mark: Option<SpooledRun>,
    /// Values on disk only, because the store could not be reached; later ones queue behind them.
    backlog: Option<usize>,
    attempt: Attempt,
    rejected: usize,
    /// What the machine does, for a run that wants to know.
    watch: Option<Watch>,
}

impl Writer {
    pub(crate) fn new(
        inbox: Arc<Inbox>,
        counters: Arc<Counters>,
        store: Arc<dyn TrackingStore>,
        registry: Arc<dyn TrackingStore>,
        spool: Spool,
        config: &crate::MlflowConfig,
    ) -> Self {
        Self {
            deployments: Deployments::new(registry, spool.clone(), config),
            inbox,
            counters,
            store,
            spool,
            interval: Duration::from_millis(config.timeouts.interval.0),
            finish: Duration::from_millis(config.timeouts.finish.0),
            capacity: config.queue,
            runs: BTreeMap::new(),
            adopted: 0,
            breaker: Breaker::new(&config.retries),
            watch_every: config.system_metrics.map(|every| Duration::from_millis(every.0)),
            parent_run: config.parent_run.clone(),
        }
    }

    /// Works until the tracker is dropped.
    pub(crate) fn run(mut self) {
        self.adopt();
        loop {
            let turn = self.inbox.next(self.interval, self.due());
            self.counters.in_hand.store(turn.weight as u64, Ordering::Relaxed);
            for entry in turn.entries {
                self.accept(entry);
            }
            self.watch();
            let mut deadline = turn.closed.then(|| clock::instant() + self.finish);
            if turn.replay_until.is_some() {
                deadline = turn.replay_until;
                self.adopt();
                self.breaker.close();
                self.deployments.try_now();
            }
            let mut blocks = Vec::new();
            let reached = self.deliver(deadline, &mut blocks);
            // A model is delivered before it is registered.
            if reached {
                self.deployments.carry_out(&self.counters, self.runs.is_empty());
            }
            self.count_spooled();
            self.inbox.complete(turn.ticket, blocks);
            if turn.closed {
                // What the deadline left over.
                self.spill();
                break;
            }
        }
    }

    /// When to work although nothing new is queued.
    fn due(&self) -> Option<Instant> {
        let waiting = |open: &OpenRun| open.backlog.is_some() || !open.pending.is_empty();
        let runs = self.runs.values().any(waiting);
        let runs = runs.then(|| self.breaker.open_until.unwrap_or_else(clock::instant));
        let deployments = self.deployments.due().map(|due| self.breaker.open_until.unwrap_or(due).max(due));
        let watched = self.runs.values().filter_map(|open| open.watch.as_ref().map(Watch::due)).min();
        runs.into_iter().chain(deployments).chain(watched).min()
    }

    /// Logs what the machine does to the runs whose time has come.
    fn watch(&mut self) {
        let Some(every) = self.watch_every else { return };
        for open in self.runs.values_mut() {
            if let Some(points) = open.watch.as_mut().and_then(|watch| watch.points(every)) {
                open.accept(Op::Metrics(points), self.capacity, &self.counters);
            }
        }
    }

    /// Takes over what processes that are gone left in the spool.
    fn adopt(&mut self) {
        self.deployments.adopt();
        let (orphans, faults) = self.spool.orphans();
        for fault in faults {
            tracing::warn!(%fault, "a run in the spool is lost");
            self.counters.loss(fault.to_string());
        }
        for mut orphan in orphans {
            if orphan.damaged > 0 {
                let name = &orphan.run.name;
                self.counters
                    .loss(format!("{} records of run {name:?} in the spool are damaged", orphan.damaged));
                add(&self.counters.dropped, orphan.damaged);
            }
            // Its process died before it could say that the run begins. Without write-ahead it may have begun.
            if orphan.spooled.is_empty() && self.store.write_ahead() {
                if let Err(error) = orphan.spooled.remove() {
                    self.counters.loss(error.to_string());
                }
                continue;
            }
            if !orphan.ended {
                let mut finish = Op::Finish { status: RunStatus::Failed, at: orphan.last_stamp };
                match orphan.spooled.append(&mut finish) {
                    Ok(_) => orphan.weight += 1,
                    Err(error) => self.counters.loss(error.to_string()),
                }
            }
            let open = OpenRun {
                spooled: Some(orphan.spooled),
                backlog: Some(orphan.weight),
                attempt: Attempt::Again,
                ..OpenRun::new(Arc::new(orphan.run))
            };
            self.runs.insert(self.adopted, open);
            self.adopted += 1;
        }
        self.count_spooled();
    }

    fn accept(&mut self, entry: Entry) {
        match entry {
            Entry::Run(number, run) => {
                let mut open = OpenRun::new(run);
                if self.store.write_ahead() {
                    open.begin_spool(&self.spool, &self.counters);
                }
                if open.run.parent == self.parent_run {
                    open.watch = self.watch_every.map(Watch::new);
                }
                self.runs.insert(number, open);
            }
            Entry::Deploy(deployment) => self.deployments.add(*deployment, &self.counters),
            Entry::Op(number, op) => {
                // A run that is gone was refused by the store when it was to be created.
                let Some(open) = self.runs.get_mut(&number) else {
                    add(&self.counters.rejected, op.weight());
                    return;
                };
                if matches!(op, Op::Finish { .. }) {
                    open.watch = None;
                }
                open.accept(op, self.capacity, &self.counters);
            }
        }
    }

    /// Delivers what waits; says whether the store took all of it.
    fn deliver(&mut self, deadline: Option<Instant>, blocks: &mut Vec<Vec<Point>>) -> bool {
        if let Some(until) = self.breaker.open_until {
            if clock::instant() < until {
                self.spill();
                return false;
            }
            if let Err(error) = self.store.probe() {
                self.breaker.trip(Some(&error));
                self.spill();
                return false;
            }
        }
        let mut faulty: BTreeSet<String> = BTreeSet::new();
        let mut fault = None;
        for number in self.runs.keys().copied().collect::<Vec<_>>() {
            let Some(open) = self.runs.get_mut(&number) else { continue };
            if open.run.parent.as_ref().is_some_and(|parent| faulty.contains(parent)) {
                faulty.insert(open.run.key.clone());
                continue;
            }
            match open.deliver(&*self.store, &self.counters, deadline, blocks) {
                Ok(Progress::Ended) => {
                    self.runs.remove(&number);
                }
                Ok(Progress::Open) if self.store.write_ahead() => {}
                // A run that ends in the turn in which it began needs none.
                Ok(Progress::Open) => open.leave_mark(&self.spool),
                Err(error) => {
                    faulty.insert(open.run.key.clone());
                    let only_this_run = concerns_one_request(&error);
                    fault = Some(error);
                    if !only_this_run {
                        break;
                    }
                }
            }
        }
        match fault {
            Some(error) => {
                self.breaker.trip(Some(&error));
                if self.counters.outage(error.to_string()) {
                    tracing::warn!(%error, "tracking is degraded, runs go to the spool");
                }
                self.spill();
                false
            }
            None => {
                self.breaker.close();
                if self.counters.recovered() {
                    tracing::info!("tracking works again");
                }
                true
            }
        }
    }

    /// Moves everything that waits in memory to disk.
    fn spill(&mut self) {
        for open in self.runs.values_mut() {
            open.spill(&self.spool, &self.counters);
        }
    }

    fn count_spooled(&self) {
        let spooled: usize = self.runs.values().filter_map(|open| open.backlog).sum();
        let memory: usize = self.runs.values().flat_map(|o| &o.pending).map(|(op, _)| op.weight()).sum();
        self.counters.spooled.store((spooled + self.deployments.waiting()) as u64, Ordering::Relaxed);
        self.counters.in_hand.store(memory as u64, Ordering::Relaxed);
    }
}

/// An internal error of the server may lie in what one run sent; others are tried all the same.
fn concerns_one_request(error: &Error) -> bool {
    RestError::of(error).is_some_and(|rest| rest.status == Some(500))
}

enum Progress {
    /// Completely in the store.
    Ended,
    Open,
}

impl OpenRun {
    fn new(run: Arc<NewRun>) -> Self {
        Self {
            run,
            pending: Vec::new(),
            spooled: None,
            mark: None,
            backlog: None,
            attempt: Attempt::First,
            rejected: 0,
            watch: None,
        }
    }

    fn begin_spool(&mut self, spool: &Spool, counters: &Counters) -> bool {
        if self.spooled.is_none() {
            let begun = self.mark.take().map_or_else(|| spool.begin(&self.run), Ok);
            match begun {
                Ok(spooled) => self.spooled = Some(spooled),
                Err(error) => {
                    if counters.outage(error.to_string()) {
                        tracing::warn!(%error, "no spool, runs wait in memory");
                    }
                }
            }
        }
        self.spooled.is_some()
    }

    /// A run whose process is killed would otherwise be RUNNING for ever.
    fn leave_mark(&mut self, spool: &Spool) {
        match &self.mark {
            Some(mark) => mark.touch(),
            None if self.spooled.is_some() => {}
            None => match spool.begin(&self.run) {
                Ok(mark) => self.mark = Some(mark),
                Err(error) => tracing::debug!(%error, "a killed process will leave its runs open"),
            },
        }
    }

    fn accept(&mut self, mut op: Op, capacity: usize, counters: &Counters) {
        let mut end = None;
        if let Some(spooled) = &mut self.spooled {
            match spooled.append(&mut op) {
                Ok(written) => end = Some(written),
                Err(error) => counters.loss(error.to_string()),
            }
        }
        match (&mut self.backlog, end) {
            (Some(backlog), Some(_)) => *backlog += op.weight(),
            // What cannot be written behind a backlog has no place to wait.
            (Some(_), None) => add(&counters.dropped, op.weight()),
            (None, _) => {
                let waiting = || -> usize { self.pending.iter().map(|(op, _)| op.weight()).sum() };
                if self.attempt == Attempt::Again && waiting() >= capacity {
                    counters.loss("neither store nor spool can be written".into());
                    add(&counters.dropped, op.weight());
                } else {
                    self.pending.push((op, end));
                }
            }
        }
    }

    fn deliver(
        &mut self,
        store: &dyn TrackingStore,
        counters: &Counters,
        deadline: Option<Instant>,
        blocks: &mut Vec<Vec<Point>>,
    ) -> Result<Progress, Error> {
        loop {
            let replaying = self.backlog.is_some();
            let chunk = self.next_chunk(store.chunk());
            if chunk.is_empty() {
                return Ok(Progress::Open);
            }
            let (mut ops, ends): (Vec<Op>, Vec<Option<u64>>) = chunk.into_iter().unzip();
            let mut delivery = store.deliver(&self.run, &ops, self.attempt);
            let done = delivery.done.min(ops.len());
            if done == 0 && delivery.fault.is_none() {
                delivery.fault = Some(no_progress(&self.run.name));
            }
            let stored: usize = ops[..done].iter().map(Op::weight).sum();
            let counter = if replaying { &counters.replayed } else { &counters.sent };
            add(counter, stored.saturating_sub(delivery.rejected));
            add(&counters.rejected, delivery.rejected);
            self.rejected += delivery.rejected;
            if let Some(reason) = delivery.reason {
                tracing::warn!(run = %self.run.name, %reason, "the store refused a value");
                counters.loss(reason);
            }
            if let Some(backlog) = &mut self.backlog {
                *backlog = backlog.saturating_sub(stored);
            }
            let ended = ops[..done].iter().any(|op| matches!(op, Op::Finish { .. }));
            if let (Some(spooled), Some(end)) =
                (&mut self.spooled, ends[..done].iter().rev().find_map(|e| *e))
            {
                // A cursor that is not saved costs a second delivery, which changes nothing.
                if let Err(error) = spooled.acknowledge(end) {
                    counters.loss(error.to_string());
                }
            }
            let rest = ops.split_off(done);
            if !replaying {
                self.pending.splice(..0, rest.into_iter().zip(ends.into_iter().skip(done)));
            }
            blocks.extend(ops.into_iter().filter_map(emptied));
            if let Some(fault) = delivery.fault {
                self.attempt = Attempt::Again;
                return Err(fault);
            }
            if ended {
                self.close(store, counters);
                return Ok(Progress::Ended);
            }
            if deadline.is_some_and(|deadline| clock::instant() >= deadline) {
                return Ok(Progress::Open);
            }
        }
    }

    /// About `size` values of what comes next: from disk if there is a backlog.
    fn next_chunk(&mut self, size: usize) -> Vec<(Op, Option<u64>)> {
        if let (Some(_), Some(spooled)) = (self.backlog, &self.spooled) {
            let ops = spooled.unsent(size);
            if !ops.is_empty() {
                return ops.into_iter().map(|(op, end)| (op, Some(end))).collect();
            }
            self.backlog = None;
        }
        let mut weight = 0;
        let fits = |(op, _): &&(Op, Option<u64>)| {
            weight += op.weight();
            weight <= size
        };
        let count = self.pending.iter().take_while(fits).count();
        self.pending.drain(..count.max(1).min(self.pending.len())).collect()
    }

    /// Says in the run itself that something of it was refused, and frees its place on disk.
    fn close(&mut self, store: &dyn TrackingStore, counters: &Counters) {
        if self.rejected > 0 {
            let tag = ("tsc.tracking.rejected".to_owned(), self.rejected.to_string());
            let delivery = store.deliver(&self.run, &[Op::Tags(vec![tag])], Attempt::Again);
            if let Some(fault) = delivery.fault {
                tracing::warn!(%fault, "the count of refused values could not be stored");
            }
        }
        for spooled in self.spooled.take().into_iter().chain(self.mark.take()) {
            if let Err(error) = spooled.remove() {
                counters.loss(error.to_string());
            }
        }
    }

    fn spill(&mut self, spool: &Spool, counters: &Counters) {
        if self.pending.is_empty() || !self.begin_spool(spool, counters) {
            return;
        }
        let Some(spooled) = &mut self.spooled else { return };
        let mut weight = 0;
        for (op, end) in &mut self.pending {
            if end.is_none() {
                match spooled.append(op) {
                    Ok(written) => *end = Some(written),
                    // All of it stays in memory: what is on disk twice is delivered once more, not twice.
                    Err(error) => {
                        counters.loss(error.to_string());
                        return;
                    }
                }
            }
            weight += op.weight();
        }
        self.pending.clear();
        self.backlog = Some(self.backlog.unwrap_or(0) + weight);
        self.attempt = Attempt::Again;
    }
}

/// The block of metrics that an operation held, without them.
fn emptied(op: Op) -> Option<Vec<Point>> {
    let Op::Metrics(mut points) = op else { return None };
    points.clear();
    Some(points)
}

fn no_progress(run: &str) -> Error {
    crate::error::TrackingError::NotStored(format!("the store took nothing of run {run:?}")).into()
}
