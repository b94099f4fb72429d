use std::sync::Arc;

use tsc_core::{
    Clusterer, Degraded, Error, ErrorKind, Event, Experiment, ModelVersion, NoiseFallback, Regressor, Result,
    RetrainOutcome, RunStatus, Stage,
};

use crate::bundle::{Bundle, Folder};
use crate::clock;
use crate::fitted::FittedPipeline;
use crate::tracking::registered_model;

impl<C: Clusterer + 'static, R: Regressor + 'static, N: NoiseFallback + 'static> FittedPipeline<C, R, N> {
    /// Serves an earlier registered version again, and gives it the stage of the one that served.
    ///
    /// Its files are fetched and verified, and the stage is moved and read back, before anything that serves is
    /// changed; then models and monitoring reference change together. Charts start anew, window and thresholds
    /// stay. It counts as an unsuccessful retrain: the next automatic one waits for `backoff_initial`. A run of
    /// the experiment for retrains keeps it, with `tsc.decision` = `rolled_back`.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` without a registry; `Tracking` if the version is not there or the store is away; `Artifact`
    /// for damaged files or another schema. The served models are then as before.
    #[doc(alias = "rollback_model")]
    pub fn rollback(&mut self, version: u64) -> Result<ModelVersion> {
        let registry = self.tracking.registry.clone().ok_or_else(no_registry)?;
        let name = registered_model(self.config());
        let target = registry.version(&name, version)?.ok_or_else(|| no_version(&name, version))?;
        let folder = Folder::scratch()?;
        registry.fetch(&target.source, folder.path())?;
        let models = Bundle::fetched(folder)?.models(&self.pipeline)?;
        if models.schema != self.models.schema {
            return Err(crate::error::schema_mismatch());
        }
        let mut run = self.tracking.tracker.start_run(Experiment::Retraining, "Pipeline")?;
        let previous = self.models.version.to_string();
        let decision = RetrainOutcome::RolledBack;
        run.set_tags(&[
            ("tsc.trigger", "manual rollback"),
            ("tsc.decision", decision.name()),
            ("tsc.previous_version", &previous),
            ("tsc.model_version", &models.version.to_string()),
            ("tsc.description", &format!("Rolled back to version {version} of {name}.")),
        ])?;
        // Dropping the run on an error marks it failed.
        registry.promote(&target, self.stage_of_champion())?;
        self.monitor.rebase(Arc::clone(&models.reference));
        self.models = Arc::new(models);
        self.counters.registered = Some(target.clone());
        self.counters.new_samples = 0;
        let at = clock::now();
        self.queue.finish(decision, at);
        self.monitor.observe_retrain(decision, at);
        if let Err(error) = run.finish(RunStatus::Finished) {
            self.tell(&Event::Degraded(&Degraded::from(&error)));
        }
        self.tell(&Event::RetrainFinished { outcome: decision, model_version: self.models.version });
        Ok(target)
    }
}

#[cold]
fn no_registry() -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        Stage::Tracking,
        "TSC-CFG-014",
        "no registry is configured, so there is no version to roll back to",
    )
    .with_help("set tracking.uri, or load a saved bundle with Pipeline::load")
}

#[cold]
fn no_version(name: &str, version: u64) -> Error {
    Error::new(
        ErrorKind::Tracking,
        Stage::Tracking,
        "TSC-TRK-030",
        format!("registered model {name:?} has no version {version}"),
    )
    .with_help("look for its versions in MLflow, under Models")
}
