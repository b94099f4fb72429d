use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};
use tsc_core::{Degradation, Experiment, Millis, Result, Stage, Violation, all_valid};

use crate::location::without_credentials;

/// What happens to the deprecated stages of MLflow when a version is promoted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stages {
    /// Alias and stage are both set, so that old tools find the version.
    #[default]
    Compat,
    /// Only the alias is set.
    Off,
}

/// What happens to a metric that is NaN or infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NonFinite {
    /// It is left out and counted; the UI of MLflow has failed on NaN.
    #[default]
    Skip,
    /// It is stored: NaN as NaN, infinity as the largest finite number, as MLflow does.
    Store,
}

/// How long the tracker waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// For a connection to the server; default 2 s.
    pub connect: Millis,
    /// For a whole request; default 30 s.
    pub request: Millis,
    /// In `finish` (strict mode), before a registry call and when the tracker is dropped; default 5 s.
    pub finish: Millis,
    /// Longest time a logged value waits before it is sent; default 500 ms.
    pub interval: Millis,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Millis(2_000), request: Millis(30_000), finish: Millis(5_000), interval: Millis(500) }
    }
}

/// When a server that could not answer is asked again.
///
/// What is logged waits in the spool and is never given up. A call of the registry that a busy server
/// answered with 408, 429 or 5xx is repeated within `timeouts.finish`; a server that is not there is
/// reported at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retries {
    /// Repetitions of a registry call, 0 to 10; default 7.
    pub max: u32,
    /// Twice the first pause, which then doubles up to a minute: larger asks less often. At most 120 s, default 2 s.
    pub factor: Millis,
    /// Each pause is longer by a random time below this, so that clients do not come back together.
    /// At most 60 s, default 1 s.
    pub jitter: Millis,
    /// Whether a pause lasts at least as long as the server's `Retry-After` asks, ten minutes at most; default true.
    pub respect_retry_after: bool,
}

impl Default for Retries {
    fn default() -> Self {
        Self { max: 7, factor: Millis(2_000), jitter: Millis(1_000), respect_retry_after: true }
    }
}

/// Where runs and versions are kept, and under which names.
///
/// Credentials are not part of it: they come from `MLFLOW_TRACKING_USERNAME` and `_PASSWORD`, or
/// `MLFLOW_TRACKING_TOKEN`. A uri that carries some is shown and serialised without them.
///
/// # Examples
///
/// ```
/// use tsc_mlflow::{Experiment, MlflowConfig};
/// let config = MlflowConfig { hospital_profile_id: Some("st-mary".into()), ..MlflowConfig::default() };
/// assert_eq!(config.experiment(Experiment::Training), "TimeSeries-Clustering-Training-st-mary");
/// assert_eq!(config.registered_model(), "TimeSeries-Clustering-Pipeline-st-mary");
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlflowConfig {
    /// `sqlite:///path`, `http://..` or `https://..`; `None` is `sqlite:///mlflow.db` in the working folder.
    #[serde(serialize_with = "redacted")]
    pub uri: Option<String>,
    /// Where versions are registered; `None` is the same as `uri`.
    #[serde(serialize_with = "redacted")]
    pub registry_uri: Option<String>,
    /// First part of the three experiments' names; a trailing `-Pipeline` is dropped.
    pub experiment_name: String,
    /// First part of the registered model's name.
    pub model_registry_prefix: String,
    /// Ends the names of experiments and registered model, so that one hospital cannot promote over another.
    pub hospital_profile_id: Option<String>,
    /// Whether MLflow's deprecated stages are set as well as the aliases.
    pub stages: Stages,
    /// What happens to NaN and infinite metrics.
    pub non_finite: NonFinite,
    /// Folder for what could not be delivered yet; `None` is `.tsc/spool` in the working folder.
    pub spool: Option<PathBuf>,
    /// Bytes the spool may take; metrics and files beyond it are refused and counted. Default 1 GiB.
    pub spool_bytes: u64,
    /// Log calls that may wait in memory; metrics beyond it are refused and counted. Default 65,536.
    pub queue: usize,
    /// How long the tracker waits.
    pub timeouts: Timeouts,
    /// When a server that could not answer is asked again.
    pub retries: Retries,
    /// Id of a run that is in the store already: runs without a parent become its children.
    pub parent_run: Option<String>,
    /// How often processor, memory and network are logged as `system/..` to each open run without a
    /// parent, as far as the system tells them; `None` is never.
    pub system_metrics: Option<Millis>,
    /// Whether something that was not stored makes `finish` an error (`Strict` only).
    pub degradation: Degradation,
}

impl Default for MlflowConfig {
    fn default() -> Self {
        Self {
            uri: None,
            registry_uri: None,
            experiment_name: "TimeSeries-Clustering".into(),
            model_registry_prefix: "TimeSeries-Clustering".into(),
            hospital_profile_id: None,
            stages: Stages::default(),
            non_finite: NonFinite::default(),
            spool: None,
            spool_bytes: 1 << 30,
            queue: 65_536,
            timeouts: Timeouts::default(),
            retries: Retries::default(),
            parent_run: None,
            system_metrics: None,
            degradation: Degradation::default(),
        }
    }
}

// Hand-written because a uri may carry a password.
impl fmt::Debug for MlflowConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MlflowConfig")
            .field("uri", &self.uri.as_deref().map(without_credentials))
            .field("registry_uri", &self.registry_uri.as_deref().map(without_credentials))
            .field("experiment_name", &self.experiment_name)
            .field("model_registry_prefix", &self.model_registry_prefix)
            .field("hospital_profile_id", &self.hospital_profile_id)
            .field("stages", &self.stages)
            .field("non_finite", &self.non_finite)
            .field("spool", &self.spool)
            .field("spool_bytes", &self.spool_bytes)
            .field("queue", &self.queue)
            .field("timeouts", &self.timeouts)
            .field("retries", &self.retries)
            .field("parent_run", &self.parent_run)
            .field("system_metrics", &self.system_metrics)
            .field("degradation", &self.degradation)
            .finish()
    }
}

fn redacted<S: Serializer>(uri: &Option<String>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    uri.as_deref().map(without_credentials).serialize(serializer)
}

impl MlflowConfig {
    /// The defaults with what MLflow's variables say put in: `MLFLOW_TRACKING_URI`, `MLFLOW_REGISTRY_URI`,
    /// `MLFLOW_EXPERIMENT_NAME`, `MLFLOW_RUN_ID`, `MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING`, and of
    /// `MLFLOW_HTTP_REQUEST_..` `TIMEOUT`, `MAX_RETRIES`, `BACKOFF_FACTOR`, `BACKOFF_JITTER`, as well as
    /// `MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER`.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` that names every variable whose value cannot be used, and what it must be.
    pub fn from_env() -> Result<Self> {
        Self::from_vars(&|name| std::env::var(name).ok())
    }

    pub(crate) fn from_vars(var: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let var = |name: &str| var(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let mut config = Self { uri: var("MLFLOW_TRACKING_URI"), ..Self::default() };
        config.registry_uri = var("MLFLOW_REGISTRY_URI");
        if let Some(name) = var("MLFLOW_EXPERIMENT_NAME") {
            config.experiment_name = name;
        }
        let mut numbers = Numbers { var: &var, found: Vec::new() };
        if let Some(seconds) = numbers.whole("MLFLOW_HTTP_REQUEST_TIMEOUT", 1, u32::MAX) {
            config.timeouts.request = Millis(u64::from(seconds) * 1_000);
        }
        let retries = &mut config.retries;
        retries.max = numbers.whole("MLFLOW_HTTP_REQUEST_MAX_RETRIES", 0, MAX_RETRIES).unwrap_or(retries.max);
        let factor = numbers.seconds("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", MAX_FACTOR);
        retries.factor = factor.unwrap_or(retries.factor);
        let jitter = numbers.seconds("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", MAX_JITTER);
        retries.jitter = jitter.unwrap_or(retries.jitter);
        let respected = numbers.boolean("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER");
        retries.respect_retry_after = respected.unwrap_or(retries.respect_retry_after);
        if numbers.boolean("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING") == Some(true) {
            config.system_metrics = Some(Millis(10_000));
        }
        config.parent_run = var("MLFLOW_RUN_ID");
        if let Some(problem) = config.parent_run.as_deref().and_then(run_id_problem) {
            numbers.found.push(Violation::new("MLFLOW_RUN_ID", problem));
        }
        all_valid(&numbers.found, Stage::Tracking, "TSC-TRK-003")?;
        Ok(config)
    }

    /// Whether the uri is `off`: then a `NoopTracker` is what is wanted.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.uri.as_deref() == Some("off")
    }

    /// Name of an experiment: `<experiment_name>-Training` and so on, with the hospital at the end.
    #[must_use]
    pub fn experiment(&self, experiment: Experiment) -> String {
        let base = self.experiment_name.strip_suffix("-Pipeline").unwrap_or(&self.experiment_name);
        self.with_hospital(format!("{base}{}", experiment.suffix()))
    }

    /// Name of the registered model: `<model_registry_prefix>-Pipeline`, with the hospital at the end.
    #[must_use]
    pub fn registered_model(&self) -> String {
        self.with_hospital(format!("{}-Pipeline", self.model_registry_prefix))
    }

    fn with_hospital(&self, name: String) -> String {
        match &self.hospital_profile_id {
            Some(hospital) => format!("{name}-{hospital}"),
            None => name,
        }
    }

    /// Everything wrong with the values; key paths are field names.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut name = |path: &str, value: &str| {
            if value.is_empty() {
                found.push(Violation::new(path, "is empty, must have at least one character"));
            } else if value.chars().count() > 200 {
                let count = value.chars().count();
                found.push(Violation::new(path, format!("has {count} characters, must have at most 200")));
            } else if let Some(bad) = value.chars().find(|c| c.is_control() || "/:'\"`".contains(*c)) {
                found.push(Violation::new(path, format!("contains {bad:?}, must do without / : and quotes")));
            }
        };
        name("experiment_name", &self.experiment_name);
        name("model_registry_prefix", &self.model_registry_prefix);
        if let Some(hospital) = &self.hospital_profile_id {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
            if hospital.is_empty() || !hospital.chars().all(plain) {
                let message = format!("is {hospital:?}, must be letters, digits, _ . -, at least one");
                found.push(Violation::new("hospital_profile_id", message));
            }
        }
        if self.queue == 0 {
            found.push(Violation::new("queue", "is 0, must be at least 1"));
        }
        if let Some(problem) = self.parent_run.as_deref().and_then(run_id_problem) {
            found.push(Violation::new("parent_run", problem));
        }
        if self.retries.max > MAX_RETRIES {
            let message = format!("is {}, must be at most {MAX_RETRIES}", self.retries.max);
            found.push(Violation::new("retries.max", message));
        }
        let pauses =
            [("factor", self.retries.factor, MAX_FACTOR), ("jitter", self.retries.jitter, MAX_JITTER)];
        for (name, pause, most) in pauses {
            if pause.0 > most * 1_000 {
                let message = format!("is {}ms, must be at most {}ms", pause.0, most * 1_000);
                found.push(Violation::new(format!("retries.{name}"), message));
            }
        }
        if self.system_metrics == Some(Millis(0)) {
            found.push(Violation::new("system_metrics", "is 0ms, must be at least 1ms"));
        }
        let waits = [
            ("timeouts.connect", self.timeouts.connect),
            ("timeouts.request", self.timeouts.request),
            ("timeouts.interval", self.timeouts.interval),
        ];
        for (path, wait) in waits {
            if wait.0 == 0 {
                found.push(Violation::new(path, "is 0ms, must be at least 1ms"));
            }
        }
        found
    }
}

/// Bounds of MLflow's own client, the last one ours.
const MAX_RETRIES: u32 = 10;
const MAX_FACTOR: u64 = 120;
const MAX_JITTER: u64 = 60;

/// Why MLflow would not take it as the id of a run.
fn run_id_problem(id: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let fits = (1..=256).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.chars().all(plain);
    (!fits).then(|| format!("is {id:?}, must be the id of a run: 1 to 256 letters, digits, _ and -"))
}

/// Variables that hold numbers, and which of them do not.
struct Numbers<'a> {
    var: &'a dyn Fn(&str) -> Option<String>,
    found: Vec<Violation>,
}

impl Numbers<'_> {
    fn read<T>(&mut self, name: &str, read: impl Fn(&str) -> Option<T>, bound: &str) -> Option<T> {
        let text = (self.var)(name)?;
        let value = read(&text);
        if value.is_none() {
            self.found.push(Violation::new(name, format!("is {text:?}, must be {bound}")));
        }
        value
    }

    fn whole(&mut self, name: &str, least: u32, most: u32) -> Option<u32> {
        let bound = match most {
            u32::MAX => format!("a whole number from {least}"),
            _ => format!("a whole number from {least} to {most}"),
        };
        self.read(name, |text| text.parse().ok().filter(|n| (least..=most).contains(n)), &bound)
    }

    fn seconds(&mut self, name: &str, most: u64) -> Option<Millis> {
        let read = |text: &str| -> Option<Millis> {
            let seconds: f64 = text.parse().ok()?;
            // The bound keeps the product far below what a u64 holds.
            (0.0..=most as f64).contains(&seconds).then(|| Millis((seconds * 1e3).round() as u64))
        };
        self.read(name, read, &format!("seconds from 0 to {most}"))
    }

    /// As MLflow reads it.
    fn boolean(&mut self, name: &str) -> Option<bool> {
        let read = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        };
        self.read(name, read, "true, false, 1 or 0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(experiment_name: &str, hospital: Option<&str>) -> MlflowConfig {
        MlflowConfig {
            experiment_name: experiment_name.into(),
            hospital_profile_id: hospital.map(Into::into),
            ..MlflowConfig::default()
        }
    }

    #[test]
    fn p22_the_three_experiments_have_the_promised_names() {
        let names = [Experiment::Training, Experiment::BatchProcessing, Experiment::Retraining]
            .map(|e| MlflowConfig::default().experiment(e));
        assert_eq!(
            names,
            [
                "TimeSeries-Clustering-Training",
                "TimeSeries-Clustering-Batch-Processing",
                "TimeSeries-Clustering-Retraining"
            ]
        );
    }

    #[test]
    fn a_trailing_pipeline_is_dropped_once_and_only_at_the_end() {
        assert_eq!(named("Seed-Pipeline", None).experiment(Experiment::Training), "Seed-Training");
        assert_eq!(named("Pipeline-X", None).experiment(Experiment::Training), "Pipeline-X-Training");
        assert_eq!(named("A-Pipeline", Some("h1")).experiment(Experiment::Retraining), "A-Retraining-h1");
    }

    #[test]
    fn f36_without_a_hospital_no_name_has_a_suffix() {
        assert_eq!(named("A", None).registered_model(), "TimeSeries-Clustering-Pipeline");
        assert_eq!(named("A", Some("h1")).registered_model(), "TimeSeries-Clustering-Pipeline-h1");
    }

    #[test]
    fn credentials_in_a_uri_show_in_neither_debug_nor_json() {
        let config = MlflowConfig {
            uri: Some("https://bob:geheim@mlflow.example/base".into()),
            registry_uri: Some("https://bob:geheim@mlflow.example".into()),
            ..MlflowConfig::default()
        };
        for text in [format!("{config:?}"), serde_json::to_string(&config).unwrap()] {
            assert!(!text.contains("geheim") && !text.contains("bob"), "{text}");
            assert!(text.contains("https://mlflow.example/base"), "{text}");
        }
    }

    #[test]
    fn the_environment_fills_uri_names_and_timeout() {
        let config = MlflowConfig::from_vars(&|name| {
            Some(match name {
                "MLFLOW_TRACKING_URI" => "http://127.0.0.1:5000".into(),
                "MLFLOW_EXPERIMENT_NAME" => "Ward".into(),
                "MLFLOW_HTTP_REQUEST_TIMEOUT" => "7".into(),
                _ => return None,
            })
        });
        let config = config.unwrap();
        assert_eq!(config.uri.as_deref(), Some("http://127.0.0.1:5000"));
        assert_eq!(config.experiment(Experiment::Training), "Ward-Training");
        assert_eq!(config.timeouts.request, Millis(7_000));
        assert_eq!(MlflowConfig::from_vars(&|_| None).unwrap(), MlflowConfig::default());
        let bad = MlflowConfig::from_vars(&|n| (n == "MLFLOW_HTTP_REQUEST_TIMEOUT").then(|| "soon".into()));
        assert!(bad.unwrap_err().to_string().contains("MLFLOW_HTTP_REQUEST_TIMEOUT is \"soon\""));
    }

    #[test]
    fn the_environment_says_how_often_to_ask_again_where_runs_belong_and_whether_to_watch_the_machine() {
        let vars = [
            ("MLFLOW_RUN_ID", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"),
            ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3"),
            ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0.5"),
            ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0"),
            ("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "False"),
            ("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "1"),
        ];
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let config = MlflowConfig::from_vars(&var).unwrap();
        assert_eq!(config.parent_run.as_deref(), Some(vars[0].1));
        let retries = Retries { max: 3, factor: Millis(500), jitter: Millis(0), respect_retry_after: false };
        assert_eq!((config.retries, config.system_metrics), (retries, Some(Millis(10_000))));
        // The defaults of MLflow's environment_variables.py.
        let default = Retries::default();
        assert_eq!((default.max, default.factor, default.jitter), (7, Millis(2_000), Millis(1_000)));
        assert!(default.respect_retry_after && MlflowConfig::default().system_metrics.is_none());
    }

    #[test]
    fn every_variable_that_cannot_be_read_is_named_with_its_value_and_bound() {
        let vars = [
            ("MLFLOW_RUN_ID", "../x", "the id of a run: 1 to 256 letters, digits, _ and -"),
            ("MLFLOW_HTTP_REQUEST_TIMEOUT", "0", "a whole number from 1"),
            ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "11", "a whole number from 0 to 10"),
            ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "121", "seconds from 0 to 120"),
            ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "NaN", "seconds from 0 to 60"),
            ("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "yes", "true, false, 1 or 0"),
            ("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "on", "true, false, 1 or 0"),
        ];
        let var =
            |name: &str| vars.iter().find(|(n, ..)| *n == name).map(|(_, value, _)| (*value).to_owned());
        let error = MlflowConfig::from_vars(&var).unwrap_err();
        assert_eq!(error.code(), "TSC-TRK-003");
        let text = error.to_string();
        for (name, value, bound) in vars {
            assert!(text.contains(&format!("{name} is {value:?}, must be {bound}")), "{name}: {text}");
        }
    }

    #[test]
    fn every_bad_value_is_named() {
        let config = MlflowConfig {
            experiment_name: String::new(),
            model_registry_prefix: "a/b".into(),
            hospital_profile_id: Some("st mary".into()),
            queue: 0,
            timeouts: Timeouts { connect: Millis(0), ..Timeouts::default() },
            retries: Retries {
                max: 11,
                factor: Millis(120_001),
                jitter: Millis(60_001),
                ..Retries::default()
            },
            parent_run: Some("-".into()),
            system_metrics: Some(Millis(0)),
            ..MlflowConfig::default()
        };
        let paths: Vec<String> = config.violations().into_iter().map(|v| v.path).collect();
        assert_eq!(
            paths,
            [
                "experiment_name",
                "model_registry_prefix",
                "hospital_profile_id",
                "queue",
                "parent_run",
                "retries.max",
                "retries.factor",
                "retries.jitter",
                "system_metrics",
                "timeouts.connect"
            ]
        );
        assert!(MlflowConfig::default().violations().is_empty());
    }

    #[test]
    fn configuration_round_trips_through_json_and_refuses_unknown_keys() {
        let config = named("A", Some("h"));
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<MlflowConfig>(&text).unwrap(), config);
        assert!(serde_json::from_str::<MlflowConfig>(r#"{"urii":"x"}"#).is_err());
    }
}
