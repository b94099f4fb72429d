use std::fs;
use std::path::{Path, PathBuf};

use tsc_core::{
    ArtifactSink, Clusterer, NoiseFallback, Prefixed, Regressor, Result, RetrainPolicy, Save, StoredKind,
};

use tsc_series::FittedFeaturizer;

use super::manifest::{FORMAT, FORMAT_VERSION, MANIFEST, MEASURED, Manifest, content_hash};
use super::write::{Folder, io_error, replace};
use crate::config::PipelineConfig;
use crate::fitted::FittedPipeline;
use crate::served::Models;

/// Writes everything that is served, and the manifest, into `folder`; no running state.
pub(crate) fn write_models<C: Clusterer, R: Regressor, N: NoiseFallback>(
    folder: &mut Folder,
    models: &Models<C, R, N>,
    config: &PipelineConfig,
    featurizer: Option<&FittedFeaturizer>,
    state: impl FnOnce(&mut Folder) -> Result<()>,
) -> Result<String> {
    // The thread count is a setting of the machine that fitted, and must not make equal fits look different.
    let config = PipelineConfig { threads: 0, ..config.clone() };
    folder.put("config.json", config.to_json().as_bytes())?;
    let mut stages = std::collections::BTreeMap::new();
    let mut stage = |name: &str, kind| stages.insert(name.to_owned(), StoredKind::from(kind));
    if let Some(featurizer) = featurizer {
        stage("featurizer", featurizer.kind());
        featurizer.save(folder)?;
    }
    folder.put("schema.json", &json(&models.schema))?;
    folder.put("facts.json", &json(&models.facts))?;
    folder.put("medians.json", &json(&models.medians))?;
    stage("scaler", models.view.kind());
    models.view.save(folder)?;
    stage("clusterer", models.clusterer.kind());
    models.clusterer.save(&mut below(folder, "clusterer"))?;
    if let Some(fallback) = &models.fallback {
        stage("fallback", fallback.kind());
        fallback.save(&mut below(folder, "fallback"))?;
    }
    stage("reference", models.reference.kind());
    models.reference.save(&mut below(folder, "monitor"))?;
    models.target.save(&mut below(folder, "models/target"))?;
    models.resources.save(&mut below(folder, "models/resource"))?;
    if let Some(measured) = &models.measured {
        measured.save(&mut below(folder, MEASURED))?;
    }
    state(folder)?;
    let hash = content_hash(&folder.files);
    let manifest = Manifest {
        format: FORMAT.into(),
        format_version: FORMAT_VERSION,
        crate_version: env!("CARGO_PKG_VERSION").into(),
        created_at: models.fitted_at.0,
        model_version: models.version,
        content_hash: hash.clone(),
        schema_hash: models.schema.hash(),
        stages,
        files: std::mem::take(&mut folder.files),
    };
    folder.put(MANIFEST, &json(&manifest))?;
    Ok(hash)
}

fn below<'a>(folder: &'a mut Folder, prefix: &str) -> Prefixed<&'a mut dyn ArtifactSink> {
    Prefixed::new(prefix, folder as &mut dyn ArtifactSink)
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    match serde_json::to_vec_pretty(value) {
        Ok(bytes) => bytes,
        Err(e) => unreachable!("stored structs have string keys: {e}"),
    }
}

impl<C: Clusterer, R: Regressor, N: NoiseFallback> FittedPipeline<C, R, N> {
    /// Stores models, configuration and running state (window, monitor, policy, counters) below `dir`.
    ///
    /// The version is written beside the others and served only once it is complete; a kill at any point
    /// leaves the version that was there before. Returns the folder of the version.
    ///
    /// # Errors
    ///
    /// `Artifact` naming the file that cannot be written.
    pub fn save(&self, dir: impl AsRef<Path>) -> Result<PathBuf> {
        let root = dir.as_ref();
        let versions = root.join("versions");
        let mut folder = Folder::begin(&versions)?;
        let hash = write_models(&mut folder, &self.models, self.config(), self.featurizer(), |folder| {
            folder.put("state/window.bin", &self.window.to_bytes()?)?;
            folder.put("state/monitor.json", &json(&self.monitor.state()))?;
            folder.put("state/policy.json", &json(&self.policy.state()))?;
            folder.put("state/queue.json", &json(&self.queue.state()))?;
            folder.put("state/counters.json", &json(&self.counters))
        })?;
        let base = format!("{:04}-{}", self.models.version, &hash[..8]);
        let served = fs::read_to_string(root.join("current")).ok();
        let mut name = base.clone();
        let mut again = 1;
        while versions.join(&name).exists() {
            again += 1;
            name = format!("{base}-{again}");
        }
        let target = versions.join(&name);
        folder.publish(&target)?;
        replace(&root.join("current"), format!("{name}\n").as_bytes())?;
        // The same models with older state are of no use to anybody.
        if let Some(old) = served.as_deref().map(str::trim)
            && old != name
            && (old == base || old.starts_with(&format!("{base}-")))
        {
            fs::remove_dir_all(versions.join(old))
                .map_err(|e| io_error("remove", &versions.join(old), &e))?;
        }
        Ok(target)
    }
}

/// Restores the policy's state; a policy of another kind starts anew.
pub(super) fn restore_policy(policy: &mut dyn RetrainPolicy, bytes: &[u8]) -> Result<()> {
    let state = serde_json::from_slice(bytes).map_err(|e| tsc_core::damaged("state/policy.json", e))?;
    policy.restore(&state)
}
