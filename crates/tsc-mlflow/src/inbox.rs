//! The bounded queue between callers and the writer.
//!
//! A channel of the standard library wakes its receiver at every send, which costs more than the
//! send. Here the writer sleeps through its interval and is woken only for the first value, for a
//! full request, and for a finish or flush.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::clock;
use crate::counters::lock;
use crate::deployment::Deployment;
use crate::limits::BATCH;
use crate::op::{NewRun, Op, Point};

/// What the writer takes out.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A run begins; its number orders parents before children.
    Run(u64, Arc<NewRun>),
    Op(u64, Op),
    /// A model that could not be registered when it was made.
    Deploy(Box<Deployment>),
}

/// How an operation behaves when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Waits a little, then refused.
    Value,
    /// Always taken: a run must begin and end.
    Lifecycle,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    weight: usize,
    /// The writer sleeps without a limit.
    idle: bool,
    /// The writer should work now.
    urgent: bool,
    closed: bool,
    /// Tickets of flushes and replays: the last one handed out, and the last one done.
    asked: u64,
    done: u64,
    replay_until: Option<Instant>,
    /// Delivered blocks of metrics, empty: new ones cost a page fault for every hundredth call.
    spare: Vec<Vec<Point>>,
}

/// How often a waiting caller looks whether it waits in vain.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    work: Condvar,
    progress: Condvar,
    capacity: usize,
}

/// One turn of work for the writer.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) entries: VecDeque<Entry>,
    pub(crate) weight: usize,
    pub(crate) replay_until: Option<Instant>,
    pub(crate) closed: bool,
    pub(crate) ticket: u64,
}

const FULL_WAIT: Duration = Duration::from_millis(100);

impl Inbox {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), work: Condvar::new(), progress: Condvar::new(), capacity }
    }

    /// Queues metrics of one call, at most [`BATCH`], and empties `points`; `false` if there was no room.
    ///
    /// Calls that follow one another share a block: one log call then costs no memory of its own.
    pub(crate) fn push_points(&self, run: u64, points: &mut Vec<Point>) -> bool {
        let mut state = lock(&self.state);
        if state.weight >= self.capacity {
            return false;
        }
        let count = points.len();
        match state.entries.back_mut() {
            Some(Entry::Op(last, Op::Metrics(block))) if *last == run && block.len() + count <= BATCH => {
                block.append(points);
            }
            _ => {
                let mut block = state.spare.pop().unwrap_or_default();
                block.append(points);
                state.entries.push_back(Entry::Op(run, Op::Metrics(block)));
            }
        }
        self.added(state, count);
        true
    }

    /// Queues an entry; `false` if there was no room.
    pub(crate) fn push(&self, entry: Entry, weight: usize, room: Room) -> bool {
        let mut state = lock(&self.state);
        if state.weight >= self.capacity && room != Room::Lifecycle {
            let (waited, _) = self
                .progress
                .wait_timeout_while(state, FULL_WAIT, |s| s.weight >= self.capacity && !s.closed)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            state = waited;
            if state.weight >= self.capacity {
                return false;
            }
        }
        state.entries.push_back(entry);
        self.added(state, weight);
        true
    }

    /// Wakes the writer for the first value and for a full request.
    fn added(&self, mut state: MutexGuard<'_, State>, weight: usize) {
        let below = state.weight < BATCH;
        state.weight += weight;
        if state.idle || (below && state.weight >= BATCH) {
            state.urgent |= state.weight >= BATCH;
            state.idle = false;
            drop(state);
            self.work.notify_one();
        }
    }

    /// Lets the writer work without waiting for its interval.
    pub(crate) fn hurry(&self) {
        lock(&self.state).urgent = true;
        self.work.notify_one();
    }

    /// Waits until everything queued so far is dealt with; `false` if the deadline came first.
    pub(crate) fn flush(&self, deadline: Instant, replay: bool) -> bool {
        let change =
            |state: &mut State| state.replay_until = replay.then_some(deadline).or(state.replay_until);
        self.ask(deadline, || false, change)
    }

    /// The same, as long as nothing says that waiting is in vain.
    pub(crate) fn flush_unless(&self, deadline: Instant, in_vain: impl Fn() -> bool) -> bool {
        self.ask(deadline, in_vain, |_| {})
    }

    fn ask(&self, deadline: Instant, in_vain: impl Fn() -> bool, change: impl FnOnce(&mut State)) -> bool {
        let mut state = lock(&self.state);
        state.asked += 1;
        let ticket = state.asked;
        state.urgent = true;
        change(&mut state);
        self.work.notify_one();
        while state.done < ticket {
            let wait = deadline.saturating_duration_since(clock::instant());
            if wait.is_zero() || in_vain() {
                return false;
            }
            (state, _) = self
                .progress
                .wait_timeout_while(state, wait.min(LOOK), |s| s.done < ticket)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        true
    }

    /// Nothing more is coming; waits like [`Inbox::flush`] for what is queued.
    pub(crate) fn close(&self, deadline: Instant) -> bool {
        self.ask(deadline, || false, |state| state.closed = true)
    }

    pub(crate) fn queued(&self) -> u64 {
        lock(&self.state).weight as u64
    }

    /// Sleeps until there is work: something queued for `interval`, something urgent, or `due`.
    pub(crate) fn next(&self, interval: Duration, due: Option<Instant>) -> Turn {
        let mut state = lock(&self.state);
        while !state.urgent && !state.closed && state.entries.is_empty() {
            let wait = due.map(|due| due.saturating_duration_since(clock::instant()));
            if wait == Some(Duration::ZERO) {
                break;
            }
            state.idle = true;
            state = match wait {
                None => self.work.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner),
                Some(wait) => {
                    self.work.wait_timeout(state, wait).unwrap_or_else(std::sync::PoisonError::into_inner).0
                }
            };
            state.idle = false;
        }
        if !state.entries.is_empty() {
            let (waited, _) = self
                .work
                .wait_timeout_while(state, interval, |s| !s.urgent && !s.closed)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            state = waited;
        }
        state.urgent = false;
        let turn = Turn {
            entries: std::mem::take(&mut state.entries),
            weight: std::mem::take(&mut state.weight),
            replay_until: state.replay_until.take(),
            closed: state.closed,
            ticket: state.asked,
        };
        drop(state);
        self.progress.notify_all();
        turn
    }

    /// The turn's work is stored or spooled; its emptied blocks are used again.
    pub(crate) fn complete(&self, turn_ticket: u64, blocks: Vec<Vec<Point>>) {
        let mut state = lock(&self.state);
        state.done = state.done.max(turn_ticket);
        let room = self.capacity.div_ceil(BATCH).saturating_sub(state.spare.len());
        state.spare.extend(blocks.into_iter().take(room));
        drop(state);
        self.progress.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric() -> Entry {
        Entry::Op(0, Op::Metrics(Vec::new()))
    }

    fn points(count: usize) -> Vec<Point> {
        (0..count).map(|step| Point { key: "m".into(), value: 0.5, at: 0, step: step as i64 }).collect()
    }

    fn sizes(turn: &Turn) -> Vec<(u64, usize)> {
        let size = |entry: &Entry| match entry {
            Entry::Op(run, op) => (*run, op.weight()),
            _ => panic!("only metrics were queued"),
        };
        turn.entries.iter().map(size).collect()
    }

    #[test]
    fn metrics_of_one_run_share_a_block_until_it_is_a_request() {
        let inbox = Inbox::new(10_000);
        for (run, count) in [(1, 600), (1, 400), (1, 1), (2, 5), (1, 3)] {
            assert!(inbox.push_points(run, &mut points(count)));
        }
        let turn = inbox.next(Duration::ZERO, None);
        assert_eq!(sizes(&turn), [(1, 1_000), (1, 1), (2, 5), (1, 3)]);
        assert_eq!(turn.weight, 1_009);
    }

    #[test]
    fn a_block_is_used_again_and_a_full_queue_leaves_the_points_with_the_caller() {
        let inbox = Inbox::new(2);
        let mut block = points(3);
        block.clear();
        let memory = block.as_ptr();
        inbox.complete(0, vec![block, Vec::new()]);
        assert!(inbox.push_points(1, &mut points(2)));
        let mut more = points(1);
        assert!(!inbox.push_points(1, &mut more));
        assert_eq!(more.len(), 1);
        let turn = inbox.next(Duration::ZERO, None);
        let Some(Entry::Op(_, Op::Metrics(block))) = turn.entries.front() else { panic!("a block") };
        assert_eq!(block.as_ptr(), memory);
    }

    #[test]
    fn a_full_queue_refuses_values_and_takes_lifecycle() {
        let inbox = Inbox::new(2);
        assert!(inbox.push(metric(), 2, Room::Value));
        assert!(!inbox.push(metric(), 1, Room::Value));
        assert!(inbox.push(metric(), 1, Room::Lifecycle));
        assert_eq!(inbox.queued(), 3);
        let turn = inbox.next(Duration::ZERO, None);
        assert_eq!((turn.entries.len(), turn.weight), (2, 3));
        assert!(inbox.push(metric(), 1, Room::Value));
    }

    #[test]
    fn flush_without_a_writer_ends_at_its_deadline() {
        let inbox = Inbox::new(2);
        assert!(!inbox.flush(clock::instant() + Duration::from_millis(10), false));
        let turn = inbox.next(Duration::ZERO, None);
        inbox.complete(turn.ticket, Vec::new());
        assert_eq!(inbox.queued(), 0);
    }
}
