//! Experiments and runs.

use serde_json::json;
use tsc_core::{DatasetInfo, Result, RunStatus};

use crate::counters::lock;
use crate::op::{NewRun, Op};
use crate::store::{Attempt, Delivery};
use crate::wire_values;

use super::Reply;
use super::wire::{ExperimentAnswer, ExperimentId, Nothing, RunAnswer, RunsAnswer, tags};
use super::{KnownRun, RestStore};

impl RestStore {
    /// Creates the run if that is among the operations, then metrics, parameters and tags, then data
    /// sets, files and models, then the end. All or nothing but the creation is acknowledged: the
    /// rest may be sent again without harm.
    pub(super) fn deliver_chunk(&self, run: &NewRun, ops: &[Op], attempt: Attempt) -> Delivery {
        let mut delivery = Delivery::default();
        let starts = matches!(ops.first(), Some(Op::Start));
        let known = if starts { self.start(run, attempt) } else { self.find(&run.key, &run.experiment) };
        let known = match known {
            Ok(Some(known)) => known,
            Ok(None) => return refuse_all(ops, format!("run {:?} is not on the server", run.name)),
            Err(error) if error.is_transient() => {
                delivery.fault = Some(error);
                return delivery;
            }
            Err(error) => return refuse_all(ops, error.to_string()),
        };
        match self.deliver_rest(run, &known, ops, attempt, &mut delivery) {
            Ok(()) => delivery.done = ops.len(),
            Err(error) => {
                delivery = Delivery { done: usize::from(starts), fault: Some(error), ..Delivery::default() };
            }
        }
        delivery
    }

    fn deliver_rest(
        &self,
        run: &NewRun,
        known: &KnownRun,
        ops: &[Op],
        attempt: Attempt,
        delivery: &mut Delivery,
    ) -> Result<()> {
        self.log_batches(&known.id, ops, delivery)?;
        for op in ops {
            let stored = match op {
                Op::Dataset(dataset) => self.log_dataset(known, dataset, attempt),
                Op::Artifact { path, content } => {
                    content.read().and_then(|bytes| self.upload(&known.artifacts, path, &bytes))
                }
                Op::Model(model) => self.log_model(run, known, model, attempt),
                _ => Ok(()),
            };
            keep(stored, op, delivery)?;
        }
        for op in ops {
            if let Op::Finish { status, at } = op {
                let status = match status {
                    RunStatus::Finished => "FINISHED",
                    RunStatus::Failed => "FAILED",
                };
                let body = json!({"run_id": known.id, "status": status, "end_time": at});
                keep(
                    self.client.post::<Nothing>("runs/update", &body).map(drop).map_err(Into::into),
                    op,
                    delivery,
                )?;
            }
        }
        Ok(())
    }

    fn start(&self, run: &NewRun, attempt: Attempt) -> Result<Option<KnownRun>> {
        if attempt == Attempt::Again
            && let Some(known) = self.find(&run.key, &run.experiment)?
        {
            return Ok(Some(known));
        }
        let parent = match &run.parent {
            Some(key) => match self.find(key, &run.experiment)? {
                Some(parent) => Some(parent.id),
                None => self.foreign(key)?,
            },
            None => None,
        };
        let known = match self.create_run(run, parent.as_deref()) {
            // Somebody deleted the experiment since its id was remembered.
            Err(error) if !error.is_transient() && self.forget_experiment(&run.experiment) => {
                self.create_run(run, parent.as_deref())?
            }
            result => result?,
        };
        lock(&self.known).runs.insert(run.key.clone(), known.clone());
        Ok(Some(known))
    }

    fn create_run(&self, run: &NewRun, parent: Option<&str>) -> Reply<KnownRun> {
        let experiment = self.experiment(&run.experiment, &run.note)?;
        let own = run.tags(parent);
        let body = json!({
            "experiment_id": experiment,
            "run_name": run.name,
            "start_time": run.start_time,
            "user_id": run.user,
            "tags": tags(&own),
        });
        let answer: RunAnswer = self.client.post("runs/create", &body)?;
        Ok(answer.run.info.into())
    }

    /// The run with this key, remembered or searched for.
    pub(super) fn find(&self, key: &str, experiment: &str) -> Result<Option<KnownRun>> {
        if let Some(known) = lock(&self.known).runs.get(key) {
            return Ok(Some(known.clone()));
        }
        let Some(experiment) = self.known_experiment(experiment)? else { return Ok(None) };
        let body = json!({
            "experiment_ids": [experiment],
            "filter": format!("tags.`tsc.run_key` = '{key}'"),
            "max_results": 1,
            "run_view_type": "ALL",
        });
        let answer: RunsAnswer = self.client.post("runs/search", &body)?;
        let found: Option<KnownRun> = answer.runs.into_iter().next().map(|run| run.info.into());
        if let Some(known) = &found {
            lock(&self.known).runs.insert(key.to_owned(), known.clone());
        }
        Ok(found)
    }

    /// The id itself, if it is that of a run which somebody else made.
    fn foreign(&self, id: &str) -> Reply<Option<String>> {
        match self.client.get::<RunAnswer>("runs/get", &[("run_id", id)]) {
            Ok(answer) => Ok(Some(answer.run.info.run_id)),
            Err(error) if error.is_transient() => Err(error),
            Err(_) => {
                tracing::warn!(run = %id, "the parent run is not on the server, its children have none");
                Ok(None)
            }
        }
    }

    fn forget_experiment(&self, name: &str) -> bool {
        lock(&self.known).experiments.remove(name).is_some()
    }

    /// Id of an experiment that exists.
    pub(super) fn known_experiment(&self, name: &str) -> Reply<Option<String>> {
        if let Some(id) = lock(&self.known).experiments.get(name) {
            return Ok(Some(id.clone()));
        }
        match self.client.get::<ExperimentAnswer>("experiments/get-by-name", &[("experiment_name", name)]) {
            Ok(answer) => Ok(Some(answer.experiment.experiment_id)),
            Err(error) if error.has_code("RESOURCE_DOES_NOT_EXIST") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Id of an experiment that is created or restored where needed.
    fn experiment(&self, name: &str, note: &str) -> Reply<String> {
        if let Some(id) = lock(&self.known).experiments.get(name) {
            return Ok(id.clone());
        }
        let get =
            || self.client.get::<ExperimentAnswer>("experiments/get-by-name", &[("experiment_name", name)]);
        let found = match get() {
            Err(error) if error.has_code("RESOURCE_DOES_NOT_EXIST") => {
                let own = wire_values::experiment_tags(note);
                let body = json!({"name": name, "tags": tags(&own)});
                match self.client.post::<ExperimentId>("experiments/create", &body) {
                    Ok(created) => return Ok(self.remember_experiment(name, created.experiment_id)),
                    // Another process was quicker.
                    Err(error) if error.has_code("RESOURCE_ALREADY_EXISTS") => get()?,
                    Err(error) => return Err(error),
                }
            }
            found => found?,
        };
        if found.experiment.lifecycle_stage == "deleted" {
            tracing::warn!(experiment = %name, "the experiment was deleted and is restored");
            let body = json!({"experiment_id": found.experiment.experiment_id});
            self.client.post::<Nothing>("experiments/restore", &body)?;
        }
        Ok(self.remember_experiment(name, found.experiment.experiment_id))
    }

    fn remember_experiment(&self, name: &str, id: String) -> String {
        lock(&self.known).experiments.insert(name.to_owned(), id.clone());
        id
    }

    fn log_dataset(&self, run: &KnownRun, dataset: &DatasetInfo, attempt: Attempt) -> Result<()> {
        if attempt == Attempt::Again {
            let answer: RunAnswer = self.client.get("runs/get", &[("run_id", &run.id)])?;
            let same = |input: &super::wire::DatasetInput| {
                input.dataset.name == dataset.name && input.dataset.digest == dataset.digest
            };
            if answer.run.inputs.dataset_inputs.iter().any(same) {
                return Ok(());
            }
        }
        let body = json!({"run_id": run.id, "datasets": [{
            "tags": [{"key": "mlflow.data.context", "value": dataset.context}],
            "dataset": {
                "name": dataset.name,
                "digest": dataset.digest,
                "source_type": wire_values::DATASET_SOURCE_TYPE,
                "source": wire_values::dataset_source(dataset),
                "schema": wire_values::dataset_schema(dataset),
                "profile": wire_values::dataset_profile(dataset),
            },
        }]});
        self.client.post::<Nothing>("runs/log-inputs", &body)?;
        Ok(())
    }
}

/// What the server refuses for good is rejected; what may work later is passed on.
fn keep(result: Result<()>, op: &Op, delivery: &mut Delivery) -> Result<()> {
    match result {
        Err(error) if !error.is_transient() => {
            delivery.reject(op.weight(), error);
            Ok(())
        }
        result => result,
    }
}

fn refuse_all(ops: &[Op], reason: String) -> Delivery {
    let rejected = ops.iter().map(Op::weight).sum();
    Delivery { done: ops.len(), rejected, reason: Some(reason), fault: None }
}
