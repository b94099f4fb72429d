//! The single fits behind a head, in parallel, with results in fixed slots.

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use rayon::prelude::*;
use tsc_core::{
    ClusterId, Features, FitOutcome, FittedRegressorExt, Loss, Progress, Regressor, Result, StopReason,
    Targets, TrainingSet, Watch,
};

use crate::error::ModelsError;

/// One fit: the rows to train on, the rows to judge on, and the rounds if they are known.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) scope: usize,
    pub(super) cluster: Option<ClusterId>,
    pub(super) train: Vec<usize>,
    /// Empty for a final model.
    pub(super) held_out: Vec<usize>,
    pub(super) rounds: Option<u32>,
    /// What the fit minimises.
    pub(super) loss: Loss,
}

/// What every fit of a head shares.
pub(super) struct Bench<'a, R> {
    pub(super) regressor: &'a R,
    pub(super) x: Features<'a>,
    /// On the scale of the fit.
    pub(super) y: &'a [f64],
    pub(super) watch: &'a Watch<'a>,
    pub(super) stopped: OnceLock<StopReason>,
}

impl<R: Regressor> Bench<'_, R> {
    /// One result per task, in their order, whatever the order they ran in.
    ///
    /// # Errors
    ///
    /// `Training` if the watch stopped one of them.
    pub(super) fn fit(&self, tasks: &[Task]) -> Result<Vec<Result<FitOutcome<R::Fitted>>>> {
        // The longest first, so that no thread ends with a long one alone.
        let mut order: Vec<usize> = (0..tasks.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(tasks[i].train.len()), i));
        let mut done: Vec<(usize, Result<FitOutcome<R::Fitted>>)> =
            order.par_iter().with_max_len(1).map(|&i| (i, self.guarded(&tasks[i]))).collect();
        if let Some(&reason) = self.stopped.get() {
            return Err(ModelsError::Stopped { reason }.into());
        }
        done.sort_by_key(|(i, _)| *i);
        Ok(done.into_iter().map(|(_, result)| result).collect())
    }

    // A backend that panics on one cluster must not take its siblings along.
    fn guarded(&self, task: &Task) -> Result<FitOutcome<R::Fitted>> {
        catch_unwind(AssertUnwindSafe(|| self.fit_one(task)))
            .unwrap_or_else(|panic| Err(ModelsError::Panicked(message(panic.as_ref())).into()))
    }

    fn fit_one(&self, task: &Task) -> Result<FitOutcome<R::Fitted>> {
        let ask = |progress: &Progress| {
            let answer = (self.watch.0)(&Progress { cluster: task.cluster, ..*progress });
            if let ControlFlow::Break(reason) = answer {
                self.stopped.get_or_init(|| reason);
            }
            answer
        };
        // Not every backend asks.
        if let ControlFlow::Break(reason) = ask(&Progress { cluster: None, round: 0, rounds: 0 }) {
            return Err(ModelsError::Stopped { reason }.into());
        }
        let (mut train_cells, mut held_cells) = (Vec::new(), Vec::new());
        let train_y: Vec<f64> = task.train.iter().map(|&row| self.y[row]).collect();
        let held_y: Vec<f64> = task.held_out.iter().map(|&row| self.y[row]).collect();
        let train = self.x.gather(&task.train, &mut train_cells);
        let held = match task.held_out.as_slice() {
            [] => None,
            rows => Some(self.x.gather(rows, &mut held_cells)),
        };
        let mut set = TrainingSet::new(train, Targets::new(&train_y)?)?;
        set.rounds = task.rounds;
        set.loss = task.loss;
        if let (Some(held), None, true) = (held, task.rounds, self.regressor.capabilities().early_stopping) {
            set.tuning = Some((held, Targets::new(&held_y)?));
        }
        self.regressor.fit_set(&set, &Watch(&ask))
    }

    /// Predictions of the chosen rows.
    pub(super) fn predict(&self, model: &R::Fitted, rows: &[usize]) -> Result<Vec<f64>> {
        model.predict(self.x.gather(rows, &mut Vec::new()))
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".into())
}
