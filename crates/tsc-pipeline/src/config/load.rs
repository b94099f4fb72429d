use std::fmt;
use std::path::Path;

use serde_json::{Map, Value, json};
use tsc_core::{Error, ErrorKind, Result, Stage, Violation};
use tsc_models::{GbmParams, Head};

use super::{PipelineConfig, Preset};
use crate::segments::SegmentParams;

/// Every rule that a configuration breaks, sorted by key path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Violation>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, violation) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{violation}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigErrors> for Error {
    #[cold]
    fn from(errors: ConfigErrors) -> Self {
        Error::typed(ErrorKind::InvalidConfig, Stage::Input, "TSC-CFG-001", errors)
            .with_help("correct every key named here; `tsclust init` writes a commented file, docs/CONFIG.md lists every key")
    }
}

impl PipelineConfig {
    /// Reads TOML: defaults, then the file's preset, then the file, key by key.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` with [`ConfigErrors`] as source: all unknown keys, wrong types, values out of range
    /// and contradictions at once; or the position of a syntax error.
    pub fn from_toml(text: &str) -> Result<Self> {
        Self::from_toml_and_env(text, std::iter::empty())
    }

    /// As [`PipelineConfig::from_toml`], with `TSC__SECTION__KEY` variables on top.
    ///
    /// # Errors
    ///
    /// As [`PipelineConfig::from_toml`].
    pub fn from_toml_and_env(text: &str, env: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let table: toml::Table = toml::from_str(text).map_err(|e| syntax(&e.to_string()))?;
        let mut violations = Vec::new();
        let file = to_json("", &toml::Value::Table(table), &mut violations);
        Self::resolve(file, env, violations)
    }

    /// Reads a TOML file, with `TSC__SECTION__KEY` variables of the environment on top.
    ///
    /// # Errors
    ///
    /// As [`PipelineConfig::from_toml`], and `InvalidConfig` naming the file if it cannot be read.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::new(
                ErrorKind::InvalidConfig,
                Stage::Input,
                "TSC-CFG-002",
                format!("configuration {} cannot be read: {e}", path.display()),
            )
            .with_help("check the path, or write a new file with `tsclust init`")
        })?;
        Self::from_toml_and_env(&text, std::env::vars())
    }

    /// Reads JSON of the same shape.
    ///
    /// # Errors
    ///
    /// As [`PipelineConfig::from_toml`].
    pub fn from_json(text: &str) -> Result<Self> {
        let file: Value = serde_json::from_str(text).map_err(|e| syntax(&e.to_string()))?;
        Self::resolve(file, std::iter::empty(), Vec::new())
    }

    /// The defaults with a preset on top.
    #[must_use]
    pub fn preset(preset: Preset) -> Self {
        let mut tree = default_tree();
        merge(&mut tree, preset.overrides());
        let mut config = match from_tree(tree) {
            Ok(config) => config,
            Err(e) => unreachable!("presets are tested to be valid: {e}"),
        };
        config.preset = Some(preset);
        config
    }

    /// The configuration as JSON with every key.
    #[must_use]
    pub fn to_json(&self) -> String {
        match serde_json::to_string_pretty(self) {
            Ok(text) => text,
            Err(e) => unreachable!("a configuration has string keys and finite numbers: {e}"),
        }
    }

    /// The configuration as TOML with every key that has a value; [`PipelineConfig::from_toml`] reads it back.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` for a whole number beyond 2^63 - 1, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(|source| {
            Error::new(
                ErrorKind::InvalidConfig,
                Stage::Input,
                "TSC-CFG-013",
                format!("the configuration has no TOML form: {source}"),
            )
            .with_help("use whole numbers up to 2^63 - 1, for instance for random_state")
        })
    }

    fn resolve(
        mut given: Value,
        env: impl IntoIterator<Item = (String, String)>,
        mut violations: Vec<Violation>,
    ) -> Result<Self> {
        for (name, text) in env {
            if let Some(path) = name.strip_prefix("TSC__") {
                let keys: Vec<String> = path.split("__").map(str::to_lowercase).collect();
                set_at(&mut given, &keys, parse_scalar(&text));
            }
        }
        expand_series_preset(&mut given, &mut violations);
        canonical_lgb_names(&mut given);
        let mut tree = default_tree();
        if let Some(name) = given.get("preset").filter(|v| !v.is_null()) {
            match serde_json::from_value::<Preset>(name.clone()) {
                Ok(preset) => {
                    let mut overrides = preset.overrides();
                    canonical_lgb_names(&mut overrides);
                    merge(&mut tree, overrides);
                }
                Err(_) => {
                    violations.push(Violation::new(
                        "preset",
                        format!("is {name}, must be one of {}", Preset::names().join(", ")),
                    ));
                    given["preset"] = Value::Null;
                }
            }
        }
        let accepted = accept(&tree, given, &mut violations);
        merge(&mut tree, accepted);
        // Every leaf was accepted alone; a table can still be incomplete.
        let config: Option<Self> = match from_tree(tree) {
            Ok(config) => Some(config),
            Err(e) => {
                if violations.is_empty() {
                    violations.push(Violation::new("configuration:", e.to_string()));
                }
                None
            }
        };
        if let Some(config) = &config {
            violations.extend(config.violations());
        }
        violations.sort();
        violations.dedup();
        match config {
            Some(config) if violations.is_empty() => Ok(config),
            _ => Err(ConfigErrors(violations).into()),
        }
    }
}

#[cold]
fn syntax(message: &str) -> Error {
    Error::new(ErrorKind::InvalidConfig, Stage::Input, "TSC-CFG-003", message.trim_end().to_owned())
        .with_help("correct the syntax at the place named")
}

fn from_tree(tree: Value) -> serde_json::Result<PipelineConfig> {
    let config: PipelineConfig = serde_json::from_value(tree)?;
    // Both tables have one shape; which defaults lie under it is not part of a file.
    let lgb_resource_params = config.lgb_resource_params.for_head(Head::Resource);
    Ok(PipelineConfig { lgb_resource_params, ..config })
}

/// LightGBM's own names in place of aliases, so that a file and the preset under it mean the same key.
fn canonical_lgb_names(given: &mut Value) {
    for table in ["lgb_timeseries_params", "lgb_resource_params"] {
        let Some(table) = given.get_mut(table).and_then(Value::as_object_mut) else { continue };
        for name in table.keys().cloned().collect::<Vec<_>>() {
            // Two spellings in one table stay: the parameters themselves say whether they agree.
            if let Some(canonical) = GbmParams::canonical_name(&name)
                && !table.contains_key(canonical)
                && let Some(value) = table.remove(&name)
            {
                table.insert(canonical.to_owned(), value);
            }
        }
    }
}

fn default_tree() -> Value {
    match serde_json::to_value(PipelineConfig::default()) {
        Ok(tree) => tree,
        Err(e) => unreachable!("the default configuration is plain data: {e}"),
    }
}

// JSON has no NaN: serde would turn it into "absent", so it is refused here.
fn to_json(path: &str, value: &toml::Value, violations: &mut Vec<Violation>) -> Value {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) if number.is_finite() => Value::from(*number),
        toml::Value::Float(number) => {
            violations.push(Violation::new(path, format!("is {number}, must be finite")));
            Value::Null
        }
        toml::Value::Boolean(flag) => Value::from(*flag),
        toml::Value::Datetime(time) => Value::from(time.to_string()),
        toml::Value::Array(items) => items.iter().map(|item| to_json(path, item, violations)).collect(),
        toml::Value::Table(table) => Value::Object(
            table.iter().map(|(key, item)| (key.clone(), to_json(&below(key), item, violations))).collect(),
        ),
    }
}

/// `[series] preset = "icu"` stands for the keys of that preset, under those the file gives.
///
/// It also sizes segments by the rows, unless the file says how large they are.
fn expand_series_preset(given: &mut Value, violations: &mut Vec<Violation>) {
    let Some(table) = given.get_mut("series").and_then(Value::as_object_mut) else { return };
    let Some(name) = table.remove("preset") else { return };
    match serde_json::from_value(name.clone()) {
        Ok(preset) => {
            let mut full = serde_json::to_value(tsc_series::SeriesParams::preset(preset)).unwrap_or_default();
            merge(&mut full, Value::Object(std::mem::take(table)));
            given["series"] = full;
            let SegmentParams { auto_size, stability_cuts, .. } = SegmentParams::icu();
            let sized = |key: &str| given.pointer(&format!("/hdbscan_params/{key}")).is_some();
            let auto_size = auto_size && !sized("min_cluster_size") && !sized("min_samples");
            let mut segments = json!({"auto_size": auto_size, "stability_cuts": stability_cuts});
            if let Some(own) = given.get_mut("segments") {
                merge(&mut segments, own.take());
            }
            given["segments"] = segments;
        }
        Err(_) => {
            let bound = tsc_series::SeriesPreset::NAMES.join(", ");
            violations.push(Violation::new("series.preset", format!("is {name}, must be one of {bound}")));
        }
    }
}

fn parse_scalar(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

fn set_at(tree: &mut Value, keys: &[String], value: Value) {
    let Some((first, rest)) = keys.split_first() else { return };
    if !tree.is_object() {
        *tree = Value::Object(Map::new());
    }
    let Some(table) = tree.as_object_mut() else { return };
    if rest.is_empty() {
        table.insert(first.clone(), value);
    } else {
        set_at(table.entry(first.clone()).or_insert(Value::Null), rest, value);
    }
}

fn merge(tree: &mut Value, over: Value) {
    match (tree, over) {
        (Value::Object(tree), Value::Object(over)) => {
            for (key, value) in over {
                match tree.get_mut(&key) {
                    Some(slot) => merge(slot, value),
                    None => {
                        tree.insert(key, value);
                    }
                }
            }
        }
        (slot, value) => *slot = value,
    }
}

/// The keys of `given` that the structs accept, each tried alone on top of `defaults`.
fn accept(defaults: &Value, given: Value, violations: &mut Vec<Violation>) -> Value {
    let mut accepted = Value::Object(Map::new());
    if !given.is_object() {
        violations.push(Violation::new("configuration", "is no table"));
        return accepted;
    }
    accept_below(defaults, &[], defaults, given, &mut accepted, violations);
    accepted
}

fn accept_below(
    defaults: &Value,
    path: &[String],
    known: &Value,
    given: Value,
    accepted: &mut Value,
    violations: &mut Vec<Violation>,
) {
    let dotted = |path: &[String]| path.join(".");
    if let (Value::Object(known), Value::Object(table)) = (known, &given)
        && !open_table(path)
    {
        for (key, value) in table {
            let mut below = path.to_vec();
            below.push(key.clone());
            match known.get(key) {
                Some(known) => accept_below(defaults, &below, known, value.clone(), accepted, violations),
                None => violations.push(unknown(&dotted(&below), key, known)),
            }
        }
        return;
    }
    let mut trial = defaults.clone();
    let mut over = Value::Object(Map::new());
    set_at(&mut over, path, given.clone());
    merge(&mut trial, over.clone());
    match serde_json::from_value::<PipelineConfig>(trial) {
        Ok(_) => merge(accepted, over),
        Err(e) => {
            let why = in_plain_words(&e.to_string());
            violations.push(Violation::new(dotted(path), format!("is {}{why}", shortened(&given))));
        }
    }
}

/// What serde says about a value, for a reader who knows TOML and not Rust.
fn in_plain_words(message: &str) -> String {
    let Some((_, expected)) = message.strip_prefix("invalid ").and_then(|m| m.split_once(", expected "))
    else {
        return format!(": {message}");
    };
    let expected = match expected {
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number from 0",
        "i64" | "i32" => "a whole number",
        "f64" | "f32" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        other => other.strip_prefix("struct ").map_or(other, |_| "a table"),
    };
    format!(", must be {expected}")
}

// Tables whose keys the user invents, and optional tables, are judged by their own struct.
fn open_table(path: &[String]) -> bool {
    matches!(
        path.first().map(String::as_str),
        Some("lgb_timeseries_params" | "lgb_resource_params" | "resources" | "series" | "input")
    ) || path == ["data", "resources"]
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { text.chars().take(60).chain("..".chars()).collect() }
}

fn unknown(path: &str, key: &str, known: &Map<String, Value>) -> Violation {
    let nearest = known.keys().map(|k| (distance(key, k), k)).min();
    let advice = match nearest {
        Some((d, name)) if d <= 2 => format!("did you mean {name}"),
        _ => format!("known here: {}", known.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
    };
    Violation::new("unknown key", format!("{path}, {advice}"))
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors_of(text: &str) -> Vec<String> {
        let error = PipelineConfig::from_toml(text).unwrap_err();
        error.to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_violation_is_reported_at_once() {
        let found = errors_of(
            "noise_threshold = 1.5\nbatch_sise = 3\nthreads = \"two\"\n[hdbscan_params]\nmin_cluster_size = 1\n[training]\nvalidation_fraction = nan",
        );
        let text = found.join("\n");
        for part in [
            "noise_threshold is 1.5, must be in 0..=1",
            "unknown key batch_sise, did you mean batch_size",
            "threads is \"two\", must be a whole number from 0",
            "hdbscan_params.min_cluster_size is 1, must be at least 2",
            "training.validation_fraction is NaN, must be finite",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn an_unknown_preset_is_one_violation() {
        let found = errors_of("preset = \"tiny\"");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("preset is \"tiny\", must be one of small, large, medical"));
    }

    #[test]
    fn no_message_names_a_type_of_rust() {
        let text = "noise_threshold = \"x\"\nbatch_size = -1\nreport = 3\n[data]\nignore = 1\n[models]\nauto_size = 1";
        for line in errors_of(text) {
            let foreign = ["usize", "f64", "u32", "sequence", "struct", "boolean"];
            assert!(!foreign.iter().any(|word| line.contains(word)), "{line}");
        }
    }

    #[test]
    fn a_key_far_from_every_other_lists_the_tables_keys() {
        assert!(
            errors_of("[tracking]\nzzzz = 1")[0]
                .contains("known here: boosters, dataset, keep_versions, uri")
        );
    }

    #[test]
    fn a_duration_without_a_unit_is_refused() {
        assert!(errors_of("[training]\ngap = 5")[0].contains("training.gap is 5"));
    }

    /// F-33: a partial table keeps the other defaults of the table.
    #[test]
    fn a_partial_table_keeps_the_other_defaults() {
        let config = PipelineConfig::from_toml("[hdbscan_params]\nmin_cluster_size = 9").unwrap();
        assert_eq!(config.hdbscan_params.min_samples, Some(3));
    }

    #[test]
    fn the_icu_preset_sizes_segments_unless_the_file_does() {
        let segments = |text: &str| {
            let text = format!("{text}\n[series]\npreset = \"icu\"");
            PipelineConfig::from_toml(&text).unwrap().segments
        };
        assert_eq!(segments(""), SegmentParams::icu());
        assert_eq!(segments("preset = \"medical\""), SegmentParams::icu());
        let auto_size = |text: &str| segments(text).auto_size;
        assert!(!auto_size("hdbscan_params.min_cluster_size = 25"));
        assert!(!auto_size("hdbscan_params.min_samples = 5"));
        assert!(auto_size("hdbscan_params.alpha = 1.5"));
        assert!(auto_size("hdbscan_params.min_samples = 5\nsegments.auto_size = true"));
        let own = segments("segments.stability_cuts = 0\nsegments.max_noise = 0.2");
        assert_eq!((own.auto_size, own.stability_cuts, own.max_noise), (true, 0, 0.2));
        let wrong = errors_of("segments = 3\n[series]\npreset = \"icu\"");
        assert_eq!(wrong, ["segments is 3, must be a table"]);
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let env = [("TSC__HDBSCAN_PARAMS__MIN_CLUSTER_SIZE".to_owned(), "11".to_owned())];
        let config =
            PipelineConfig::from_toml_and_env("[hdbscan_params]\nmin_cluster_size = 9", env).unwrap();
        assert_eq!(config.hdbscan_params.min_cluster_size, 11);
    }

    #[test]
    fn json_round_trips() {
        let config = PipelineConfig::from_toml("preset = \"medical\"\nthreads = 2").unwrap();
        assert_eq!(PipelineConfig::from_json(&config.to_json()).unwrap(), config);
        assert_eq!(PipelineConfig::from_toml(&config.to_toml().unwrap()).unwrap(), config);
    }

    #[test]
    fn edit_distance_counts_single_steps() {
        // Wagner and Fischer's own example.
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
