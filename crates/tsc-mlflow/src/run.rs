use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tsc_core::{DatasetInfo, Degradation, ModelUri, Result, Run, RunStatus, Timestamp};

use crate::clock;
use crate::config::NonFinite;
use crate::counters::{add, lock};
use crate::error::TrackingError;
use crate::inbox::{Entry, Room};
use crate::key;
use crate::limits::{self, BATCH, BATCH_PARAMS};
use crate::metric_keys::MetricKeys;
use crate::model_uri;
use crate::op::{Blob, NewModel, NewRun, Op, Point};
use crate::tracker::Inner;

/// Tag that MLflow's pages show as the description of a run.
const DESCRIPTION: &str = "tsc.description";

/// What a parent knows of a run.
#[derive(Debug)]
pub(crate) struct Handle {
    number: u64,
    pub(crate) run: Arc<NewRun>,
    ended: AtomicBool,
    children: Mutex<Vec<Arc<Handle>>>,
}

impl Handle {
    pub(crate) fn new(number: u64, run: Arc<NewRun>) -> Self {
        Self { number, run, ended: AtomicBool::new(false), children: Mutex::default() }
    }
}

/// A run of an [`MlflowTracker`](crate::MlflowTracker).
pub(crate) struct MlflowRun {
    tracker: Arc<Inner>,
    handle: Arc<Handle>,
    /// When what the run describes was over, if that was before it was written.
    ended_at: Option<i64>,
    /// Every parameter so far: MLflow refuses a whole request because of one changed value.
    params: BTreeMap<String, String>,
    metric_keys: MetricKeys,
    /// Values of the call in progress, empty between calls.
    points: Vec<Point>,
    truncated: usize,
    non_finite: usize,
    dropped: usize,
}

impl fmt::Debug for MlflowRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MlflowRun").field("name", &self.handle.run.name).field("id", &self.id()).finish()
    }
}

impl MlflowRun {
    pub(crate) fn start(tracker: Arc<Inner>, run: NewRun, parent: Option<&Handle>) -> Self {
        let run = Arc::new(run);
        let number = tracker.next_run();
        let handle = Arc::new(Handle::new(number, Arc::clone(&run)));
        if let Some(parent) = parent {
            lock(&parent.children).push(Arc::clone(&handle));
        }
        tracker.inbox.push(Entry::Run(number, run), 0, Room::Lifecycle);
        tracker.inbox.push(Entry::Op(number, Op::Start), 1, Room::Lifecycle);
        Self {
            tracker,
            handle,
            ended_at: None,
            params: BTreeMap::new(),
            metric_keys: MetricKeys::default(),
            points: Vec::new(),
            truncated: 0,
            non_finite: 0,
            dropped: 0,
        }
    }

    fn check_open(&self) -> Result<()> {
        if self.handle.ended.load(Ordering::Acquire) {
            return Err(TrackingError::Ended(format!("{:?}", self.handle.run.name)).into());
        }
        Ok(())
    }

    fn queue(&mut self, op: Op, room: Room) {
        let weight = op.weight();
        if !self.tracker.inbox.push(Entry::Op(self.handle.number, op), weight, room) {
            self.no_room(weight);
        }
    }

    fn queue_points(&mut self) {
        if !self.points.is_empty() && !self.tracker.inbox.push_points(self.handle.number, &mut self.points) {
            self.no_room(self.points.len());
            self.points.clear();
        }
    }

    #[cold]
    fn no_room(&mut self, weight: usize) {
        self.dropped += weight;
        add(&self.tracker.counters.dropped, weight);
        self.tracker.counters.loss("the queue of log calls is full".into());
    }

    fn cut(&mut self, value: &str, bound: usize) -> String {
        let (value, was_cut) = limits::cut(value, bound);
        if was_cut {
            self.truncated += 1;
            add(&self.tracker.counters.truncated, 1);
        }
        value.into_owned()
    }

    fn end(&mut self, status: RunStatus) {
        if self.handle.ended.load(Ordering::Acquire) {
            return;
        }
        let losses = [
            ("tsc.tracking.dropped", self.dropped),
            ("tsc.tracking.non_finite", self.non_finite),
            ("tsc.tracking.truncated", self.truncated),
        ];
        let tags: Vec<(String, String)> =
            losses.iter().filter(|(_, n)| *n > 0).map(|(k, n)| ((*k).to_owned(), n.to_string())).collect();
        if !tags.is_empty() {
            self.queue(Op::Tags(tags), Room::Lifecycle);
        }
        end_tree(&self.tracker, &self.handle, status, self.ended_at.unwrap_or_else(clock::now_ms));
        self.tracker.inbox.hurry();
    }
}

/// Ends children before their parent, each once.
fn end_tree(tracker: &Inner, handle: &Handle, status: RunStatus, at: i64) {
    if handle.ended.swap(true, Ordering::AcqRel) {
        return;
    }
    for child in lock(&handle.children).drain(..) {
        end_tree(tracker, &child, status, at);
    }
    tracker.inbox.push(Entry::Op(handle.number, Op::Finish { status, at }), 1, Room::Lifecycle);
}

impl Drop for MlflowRun {
    fn drop(&mut self) {
        self.end(RunStatus::Failed);
    }
}

impl Run for MlflowRun {
    fn id(&self) -> &str {
        &self.handle.run.key
    }

    fn child(&self, name: &str) -> Result<Box<dyn Run>> {
        self.check_open()?;
        let parent = &self.handle.run;
        let run = self.tracker.describe(&parent.experiment, &parent.note, Some(&parent.key), name)?;
        Ok(Box::new(Self::start(Arc::clone(&self.tracker), run, Some(&self.handle))))
    }

    fn child_during(&self, name: &str, start: Timestamp, end: Timestamp) -> Result<Box<dyn Run>> {
        self.check_open()?;
        let parent = &self.handle.run;
        let run = self.tracker.describe(&parent.experiment, &parent.note, Some(&parent.key), name)?;
        let run = NewRun { start_time: start.0, ..run };
        let mut child = Self::start(Arc::clone(&self.tracker), run, Some(&self.handle));
        child.ended_at = Some(end.0.max(start.0));
        Ok(Box::new(child))
    }

    fn log_params(&mut self, params: &[(&str, &dyn fmt::Display)]) -> Result<()> {
        self.check_open()?;
        let (mut new, mut refused) = (Vec::new(), None);
        for (key, value) in params {
            let value = value.to_string();
            if let Err(error) = limits::check_key("parameter", key) {
                refused = refused.or(Some(error));
                continue;
            }
            let value = self.cut(&value, limits::PARAM_VALUE);
            match self.params.get(*key) {
                Some(old) if *old == value => {}
                Some(old) => {
                    let (key, old) = ((*key).to_owned(), old.clone());
                    refused = refused.or(Some(TrackingError::ChangedParam { key, old, new: value }));
                }
                None => {
                    self.params.insert((*key).to_owned(), value.clone());
                    new.push(((*key).to_owned(), value));
                }
            }
        }
        for chunk in new.chunks(BATCH_PARAMS) {
            self.queue(Op::Params(chunk.to_vec()), Room::Value);
        }
        refused.map_or(Ok(()), |error| Err(error.into()))
    }

    fn log_metrics(&mut self, step: i64, metrics: &[(&str, f64)]) -> Result<()> {
        self.check_open()?;
        let at = clock::now_ms();
        let keep_all = self.tracker.config.non_finite == NonFinite::Store;
        let (mut skipped, mut refused) = (0, None);
        for chunk in metrics.chunks(BATCH) {
            for &(key, value) in chunk {
                match self.metric_keys.get(key) {
                    Err(error) => refused = refused.or(Some(error)),
                    Ok(key) if keep_all || value.is_finite() => {
                        self.points.push(Point { key, value, at, step });
                    }
                    Ok(_) => skipped += 1,
                }
            }
            self.queue_points();
        }
        if skipped > 0 {
            self.non_finite += skipped;
            add(&self.tracker.counters.non_finite, skipped);
        }
        refused.map_or(Ok(()), |error| Err(error.into()))
    }

    fn set_tags(&mut self, tags: &[(&str, &str)]) -> Result<()> {
        self.check_open()?;
        let (mut new, mut refused) = (Vec::new(), None);
        for (key, value) in tags {
            let key = if *key == DESCRIPTION { "mlflow.note.content" } else { *key };
            match limits::check_key("tag", key) {
                Ok(()) => new.push((key.to_owned(), self.cut(value, limits::TAG_VALUE))),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        for chunk in new.chunks(BATCH_PARAMS) {
            self.queue(Op::Tags(chunk.to_vec()), Room::Value);
        }
        refused.map_or(Ok(()), |error| Err(error.into()))
    }

    fn log_artifact(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        self.check_open()?;
        if tsc_core::check_path(path).is_err() {
            return Err(TrackingError::Path(path.into()).into());
        }
        let content = Blob::Bytes(bytes.into());
        self.queue(Op::Artifact { path: path.into(), content }, Room::Value);
        Ok(())
    }

    fn log_dataset(&mut self, dataset: &DatasetInfo) -> Result<()> {
        self.check_open()?;
        limits::check_dataset(dataset)?;
        self.queue(Op::Dataset(dataset.clone()), Room::Value);
        Ok(())
    }

    fn log_model(&mut self, name: &str, dir: &Path) -> Result<ModelUri> {
        self.check_open()?;
        limits::check_model_name(name)?;
        let files = crate::packaging::read_folder(dir)?;
        let files = files.into_iter().map(|(path, bytes)| (path, Blob::Bytes(bytes.into()))).collect();
        let id = format!("m-{}", key::random());
        let uri = model_uri::logged(&id);
        self.queue(Op::Model(NewModel { id, name: name.into(), at: clock::now_ms(), files }), Room::Value);
        Ok(uri)
    }

    fn finish(mut self: Box<Self>, status: RunStatus) -> Result<()> {
        self.end(status);
        if self.tracker.config.degradation != Degradation::Strict {
            return Ok(());
        }
        let wait = Duration::from_millis(self.tracker.config.timeouts.finish.0);
        self.tracker.all_stored(wait)
    }
}
