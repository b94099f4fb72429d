//! Answers of the server, as far as they are read. Unknown fields are ignored, missing lists are empty.

use serde::{Deserialize, Deserializer, Serialize};

use crate::model_uri;
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
    pub(super) data: RunData,
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
pub(super) struct RunData {
    #[serde(default)]
    pub(super) tags: Vec<Tag>,
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
    /// Where a server without logged models keeps it: among the files of its run.
    #[serde(skip)]
    pub(super) in_run: Option<String>,
}

impl ModelInfo {
    /// What a version is made of.
    pub(super) fn source(&self) -> String {
        self.in_run.clone().unwrap_or_else(|| model_uri::logged(&self.model_id).0)
    }
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

#[derive(Debug, Deserialize)]
pub(super) struct RegisteredAnswer {
    pub(super) registered_model: Registered,
}

#[derive(Debug, Deserialize)]
pub(super) struct Registered {
    #[serde(default)]
    pub(super) aliases: Vec<Alias>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Alias {
    #[serde(deserialize_with = "integer")]
    pub(super) version: u64,
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
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    /// Any JSON, made of names that answers have.
    fn answer() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|x| json!(x)),
            ".{0,8}".prop_map(Value::from),
        ];
        let name = prop_oneof![
            Just("run"),
            Just("runs"),
            Just("info"),
            Just("run_id"),
            Just("experiment_id"),
            Just("artifact_uri"),
            Just("inputs"),
            Just("data"),
            Just("dataset_inputs"),
            Just("dataset"),
            Just("experiment"),
            Just("lifecycle_stage"),
            Just("model"),
            Just("models"),
            Just("model_id"),
            Just("model_version"),
            Just("registered_model"),
            Just("aliases"),
            Just("model_versions"),
            Just("name"),
            Just("version"),
            Just("source"),
            Just("current_stage"),
            Just("tags"),
            Just("key"),
            Just("value"),
            Just("files"),
            Just("path"),
            Just("is_dir"),
            Just("digest"),
            Just("unheard_of"),
        ];
        leaf.prop_recursive(5, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name.clone(), inner), 0..6).prop_map(|members| {
                    members
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect::<Map<_, _>>()
                        .into()
                }),
            ]
        })
    }

    /// Every kind of answer is read or refused; a panic fails the test.
    fn read_all(text: &[u8]) {
        fn read<T: for<'de> Deserialize<'de>>(text: &[u8]) {
            drop(serde_json::from_slice::<T>(text));
        }
        read::<Nothing>(text);
        read::<ExperimentAnswer>(text);
        read::<ExperimentId>(text);
        read::<RunAnswer>(text);
        read::<RunsAnswer>(text);
        read::<ModelAnswer>(text);
        read::<ModelsAnswer>(text);
        read::<VersionAnswer>(text);
        read::<VersionsAnswer>(text);
        read::<RegisteredAnswer>(text);
        read::<FilesAnswer>(text);
    }

    proptest! {
        #[test]
        fn no_answer_and_no_part_of_one_makes_a_parser_panic(value in answer(), cut in 0.0..1.0_f64) {
            let text = value.to_string();
            read_all(text.as_bytes());
            read_all(&text.as_bytes()[..(text.len() as f64 * cut) as usize]);
        }

        #[test]
        fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            read_all(&bytes);
        }
    }

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
