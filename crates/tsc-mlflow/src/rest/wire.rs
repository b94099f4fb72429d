//! Answers of the server, as far as they are read. Unknown fields are ignored, missing lists are empty.

use serde::{Deserialize, Deserializer, Serialize};

use crate::op::number;

#[derive(Debug, Deserialize)]
pub(super) struct Nothing {}

#[derive(Debug, Deserialize)]
pub(super) struct ExperimentAnswer {
    pub(super) experiment: Experiment,
}

#[derive(Debug, Deserialize)]
pub(super) struct Experiment {
    pub(super) experiment_id: String,
    #[serde(default)]
    pub(super) lifecycle_stage: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ExperimentId {
    pub(super) experiment_id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct RunAnswer {
    pub(super) run: StoredRun,
}

#[derive(Debug, Deserialize)]
pub(super) struct RunsAnswer {
    #[serde(default)]
    pub(super) runs: Vec<StoredRun>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StoredRun {
    pub(super) info: RunInfo,
    #[serde(default)]
    pub(super) inputs: Inputs,
}

#[derive(Debug, Deserialize)]
pub(super) struct RunInfo {
    pub(super) run_id: String,
    pub(super) experiment_id: String,
    #[serde(default)]
    pub(super) artifact_uri: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Inputs {
    #[serde(default)]
    pub(super) dataset_inputs: Vec<DatasetInput>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DatasetInput {
    pub(super) dataset: StoredDataset,
}

#[derive(Debug, Deserialize)]
pub(super) struct StoredDataset {
    pub(super) name: String,
    pub(super) digest: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ModelAnswer {
    pub(super) model: StoredModel,
}

#[derive(Debug, Deserialize)]
pub(super) struct ModelsAnswer {
    #[serde(default)]
    pub(super) models: Vec<StoredModel>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StoredModel {
    pub(super) info: ModelInfo,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ModelInfo {
    pub(super) model_id: String,
    #[serde(default)]
    pub(super) artifact_uri: String,
    #[serde(default)]
    pub(super) source_run_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct VersionAnswer {
    pub(super) model_version: Version,
}

#[derive(Debug, Deserialize)]
pub(super) struct VersionsAnswer {
    #[serde(default)]
    pub(super) model_versions: Vec<Version>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) name: String,
    #[serde(deserialize_with = "integer")]
    pub(super) version: u64,
    #[serde(default)]
    pub(super) source: String,
    #[serde(default)]
    pub(super) current_stage: String,
    #[serde(default)]
    pub(super) tags: Vec<Tag>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Tag {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct FilesAnswer {
    #[serde(default)]
    pub(super) files: Vec<FileInfo>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FileInfo {
    pub(super) path: String,
    #[serde(default)]
    pub(super) is_dir: bool,
}

/// One item of a log-batch request.
#[derive(Clone, Debug, Serialize)]
pub(super) struct MetricItem<'a> {
    pub(super) key: &'a str,
    #[serde(serialize_with = "number::serialize")]
    pub(super) value: f64,
    pub(super) timestamp: i64,
    pub(super) step: i64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct TagItem<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

/// Tags as requests carry them.
pub(super) fn tags(pairs: &[(String, String)]) -> Vec<TagItem<'_>> {
    pairs.iter().map(|(key, value)| TagItem { key, value }).collect()
}

fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Wire {
        Number(u64),
        Text(String),
    }
    match Wire::deserialize(deserializer)? {
        Wire::Number(number) => Ok(number),
        Wire::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_numbers_come_as_text_or_number_and_unknown_fields_are_ignored() {
        for number in ["\"3\"", "3"] {
            let text = format!(r#"{{"name":"A","version":{number},"later_field":{{"x":[1]}}}}"#);
            let version: Version = serde_json::from_str(&text).unwrap();
            assert_eq!((version.version, version.tags.len()), (3, 0));
        }
        assert!(serde_json::from_str::<Version>(r#"{"name":"A","version":"x"}"#).is_err());
    }
}
