use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tsc_cluster::ClusterView;
use tsc_core::{
    ArtifactSource, Clusterer, Error, ErrorKind, FittedClusterer, NoiseFallback, Prefixed, Regressor, Result,
    Schema, Stage, StoredKind, Timestamp, damaged, restore,
};
use tsc_models::{FittedPerCluster, FittedResources};
use tsc_monitor::{Monitor, Reference};
use tsc_retrain::{TriggerQueue, Window};
use tsc_series::FittedFeaturizer;

use super::manifest::{MANIFEST, MEASURED, Manifest, sha256};
use super::save::restore_policy;
use super::write::io_error;
use crate::config::PipelineConfig;
use crate::fitted::FittedPipeline;
use crate::pipeline::{Pipeline, thread_pool};
use crate::served::Models;
use crate::tracking::Tracking;

/// Where a stored pipeline is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BundleSource {
    /// A folder written by [`FittedPipeline::save`], or one of its versions.
    Dir(PathBuf),
    /// `models:/NAME/Staging`, `models:/NAME@production`, `models:/m-..` in the configured registry.
    Registry(String),
}

impl From<&Path> for BundleSource {
    fn from(path: &Path) -> Self {
        Self::Dir(path.to_owned())
    }
}

impl From<PathBuf> for BundleSource {
    fn from(path: PathBuf) -> Self {
        Self::Dir(path)
    }
}

impl From<&PathBuf> for BundleSource {
    fn from(path: &PathBuf) -> Self {
        Self::Dir(path.clone())
    }
}

impl From<&str> for BundleSource {
    fn from(text: &str) -> Self {
        if text.starts_with("models:/") { Self::Registry(text.into()) } else { Self::Dir(text.into()) }
    }
}

/// An opened version directory whose manifest was checked.
#[derive(Debug)]
pub(crate) struct Bundle {
    root: PathBuf,
    manifest: Manifest,
    /// A version fetched from the registry, removed when it was read.
    _fetched: Option<super::Folder>,
}

impl BundleSource {
    pub(crate) fn open(self) -> Result<Bundle> {
        match self {
            BundleSource::Dir(dir) => Bundle::open(&dir, None),
            BundleSource::Registry(uri) => open_registered(&uri),
        }
    }
}

#[cfg(feature = "mlflow")]
fn open_registered(uri: &str) -> Result<Bundle> {
    use tsc_core::ModelRegistry;
    let Some(config) = crate::tracking::mlflow_config(&PipelineConfig::default())? else {
        unreachable!("the default configuration does not turn tracking off")
    };
    let tracker = tsc_mlflow::MlflowTracker::open(&config)?;
    let folder = super::Folder::scratch()?;
    tracker.fetch(&tsc_core::ModelUri(uri.into()), folder.path())?;
    Bundle::fetched(folder)
}

#[cfg(not(feature = "mlflow"))]
fn open_registered(uri: &str) -> Result<Bundle> {
    Err(Error::new(
        ErrorKind::InvalidConfig,
        Stage::Tracking,
        "TSC-CFG-006",
        format!("{uri} is in a registry, but this build has no feature mlflow"),
    )
    .with_help("build with the feature, or load a bundle folder"))
}

/// Where a packaged model keeps the bundle.
#[cfg(feature = "mlflow")]
const PACKAGED: &str = tsc_mlflow::packaging::BUNDLE_FOLDER;
#[cfg(not(feature = "mlflow"))]
const PACKAGED: &str = "data/bundle";

impl Bundle {
    /// The bundle in the folder of a logged model.
    pub(crate) fn fetched(folder: super::Folder) -> Result<Self> {
        let nested = folder.path().join(PACKAGED);
        let root = if nested.is_dir() { nested } else { folder.path().to_owned() };
        Self::open(&root, Some(folder))
    }

    fn open(dir: &Path, fetched: Option<super::Folder>) -> Result<Self> {
        let root = match fs::read_to_string(dir.join("current")) {
            Ok(name) => {
                let name = name.trim();
                if name.contains('/') || tsc_core::check_path(name).is_err() {
                    return Err(damaged("current", "it names no plain version folder"));
                }
                dir.join("versions").join(name)
            }
            Err(_) => dir.to_owned(),
        };
        let path = root.join(MANIFEST);
        let bytes = fs::read(&path).map_err(|_| no_bundle(&path))?;
        Ok(Self { manifest: Manifest::parse(&bytes)?, root, _fetched: fetched })
    }

    fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        serde_json::from_slice(&self.get(path)?).map_err(|e| damaged(path, e))
    }

    fn has(&self, path: &str) -> bool {
        self.manifest.files.iter().any(|f| f.path == path)
    }

    fn stages(&self) -> &std::collections::BTreeMap<String, StoredKind> {
        &self.manifest.stages
    }

    fn stage(&self, name: &str) -> Result<&StoredKind> {
        self.stages().get(name).ok_or_else(|| damaged(MANIFEST, format!("it names no {name}")))
    }

    pub(crate) fn config(&self) -> Result<PipelineConfig> {
        let bytes = self.get("config.json")?;
        let text = std::str::from_utf8(&bytes).map_err(|e| damaged("config.json", e))?;
        PipelineConfig::from_json(text)
    }

    pub(crate) fn restore<C: Clusterer, R: Regressor, N: NoiseFallback>(
        &self,
        pipeline: Pipeline<C, R, N>,
    ) -> Result<FittedPipeline<C, R, N>> {
        let models = Arc::new(self.models(&pipeline)?);
        let config = Arc::clone(&pipeline.config);
        let (tracking, _) = Tracking::open(&pipeline.tracking, &config)?;
        let params = config.monitoring.resolve(config.noise_threshold);
        let reference = Arc::clone(&models.reference);
        let monitor = if self.has("state/monitor.json") {
            Monitor::restore(params, reference, config.batch_size, self.json("state/monitor.json")?)?
        } else {
            Monitor::new(params, reference, config.batch_size)?
        };
        let mut policy = config.retraining.policy(config.noise_threshold)?;
        if self.has("state/policy.json") {
            restore_policy(&mut policy, &self.get("state/policy.json")?)?;
        }
        let queue = if self.has("state/queue.json") {
            TriggerQueue::restore(&config.retraining, self.json("state/queue.json")?)?
        } else {
            TriggerQueue::new(&config.retraining)?
        };
        let window = if self.has("state/window.bin") {
            Window::from_bytes(&self.get("state/window.bin")?)?
        } else {
            Window::new(models.schema.n_features(), config.expanding_window_size)
        };
        let counters = if self.has("state/counters.json") {
            self.json("state/counters.json")?
        } else {
            Default::default()
        };
        let pool = thread_pool(config.threads)?;
        let featurizer = match self.stages().get("featurizer") {
            Some(stored) => Some(Arc::new(restore::<FittedFeaturizer>(stored, self)?)),
            None => None,
        };
        let pipeline = Pipeline { featurizer, ..pipeline };
        Ok(FittedPipeline {
            pipeline,
            tracking,
            pool,
            models,
            monitor,
            policy: Box::new(policy),
            queue,
            window,
            counters,
            batch_run: None,
            pending: None,
        })
    }

    pub(crate) fn models<C: Clusterer, R: Regressor, N: NoiseFallback>(
        &self,
        pipeline: &Pipeline<C, R, N>,
    ) -> Result<Models<C, R, N>> {
        let schema: Schema = self.json("schema.json")?;
        if schema.hash() != self.manifest.schema_hash {
            return Err(damaged("schema.json", "its hash differs from the manifest's"));
        }
        let clusterer =
            pipeline.stages.clusterer.restore(self.stage("clusterer")?, &self.below("clusterer"))?;
        let fallback = match self.stages().get("fallback") {
            Some(stored) => Some(pipeline.stages.fallback.restore(stored, &self.below("fallback"))?),
            None => None,
        };
        let has_measured = self.manifest.files.iter().any(|file| file.path.starts_with(MEASURED));
        let measured = has_measured
            .then(|| FittedPerCluster::restore(&pipeline.stages.regressor, &self.below(MEASURED)))
            .transpose()?;
        let reference: Reference = restore(self.stage("reference")?, &self.below("monitor"))?;
        let models: Models<C, R, N> = Models {
            version: self.manifest.model_version,
            fitted_at: Timestamp(self.manifest.created_at),
            medians: self.json("medians.json")?,
            view: restore::<ClusterView>(self.stage("scaler")?, self)?,
            target: FittedPerCluster::restore(&pipeline.stages.regressor, &self.below("models/target"))?,
            resources: FittedResources::restore(
                &pipeline.stages.resource_regressor,
                &self.below("models/resource"),
            )?,
            measured,
            clusterer,
            fallback,
            noise_value: pipeline.config.models.noise_value,
            degradation: pipeline.config.degradation.mode,
            reference: Arc::new(reference),
            facts: self.json("facts.json")?,
            schema,
        };
        let fits = models.medians.len() == models.schema.n_features()
            && models.view.n_in() == models.schema.n_features()
            && models.view.n_out() == models.clusterer.n_features();
        if fits { Ok(models) } else { Err(damaged(MANIFEST, "its stages were fitted on different widths")) }
    }

    fn below(&self, prefix: &str) -> Prefixed<&dyn ArtifactSource> {
        Prefixed::new(prefix, self as &dyn ArtifactSource)
    }
}

impl ArtifactSource for Bundle {
    fn get(&self, path: &str) -> Result<Vec<u8>> {
        let entry = self
            .manifest
            .files
            .iter()
            .find(|f| f.path == path)
            .ok_or_else(|| damaged(path, "the manifest does not list it"))?;
        let full = self.root.join(path);
        let length = fs::metadata(&full).map_err(|e| io_error("read", &full, &e))?.len();
        if length != entry.bytes {
            return Err(damaged(path, format!("it has {length} bytes, the manifest says {}", entry.bytes)));
        }
        let bytes = fs::read(&full).map_err(|e| io_error("read", &full, &e))?;
        if sha256(&bytes) == entry.sha256 { Ok(bytes) } else { Err(damaged(path, "its checksum differs")) }
    }
}

#[cold]
fn no_bundle(path: &Path) -> Error {
    Error::new(
        ErrorKind::Artifact,
        Stage::Storage,
        "TSC-ART-012",
        format!("{} cannot be read: the folder holds no bundle", path.display()),
    )
    .with_help("give the folder that `tsclust fit -o` or FittedPipeline::save wrote")
}
