//! Values whose form MLflow prescribes, the same in its tables and in its REST API.

use std::path::PathBuf;

use serde_json::json;
use tsc_core::DatasetInfo;

use crate::op::{NewModel, NewRun};

/// Tags of a new experiment: what it is for, and that the UI shows training runs and not chat traces.
pub(crate) fn experiment_tags(note: &str) -> Vec<(String, String)> {
    vec![
        ("mlflow.experimentKind".into(), "custom_model_development".into()),
        ("mlflow.note.content".into(), note.into()),
    ]
}

/// Where the data came from is the caller's business; what is recorded is that code produced it.
pub(crate) const DATASET_SOURCE_TYPE: &str = "code";

pub(crate) fn dataset_source(dataset: &DatasetInfo) -> String {
    json!({"tags": {"tsc.dataset": dataset.name}}).to_string()
}

pub(crate) fn dataset_schema(dataset: &DatasetInfo) -> String {
    let columns: Vec<_> = dataset
        .columns
        .iter()
        .map(|name| json!({"type": "double", "name": name, "required": true}))
        .collect();
    json!({"mlflow_colspec": columns}).to_string()
}

pub(crate) fn dataset_profile(dataset: &DatasetInfo) -> String {
    let mut profile = json!({"num_rows": dataset.rows, "num_features": dataset.columns.len()});
    if let Some(groups) = dataset.groups {
        profile["num_groups"] = groups.into();
    }
    profile.to_string()
}

/// Tags of a logged model; the key finds it again on a server that chose another id.
pub(crate) fn model_tags(run: &NewRun, model: &NewModel) -> Vec<(String, String)> {
    vec![
        ("mlflow.source.name".into(), run.source.clone()),
        ("mlflow.source.type".into(), "LOCAL".into()),
        ("mlflow.user".into(), run.user.clone()),
        ("tsc.op_key".into(), model.id.clone()),
    ]
}

/// The path behind an absolute path or a `file:` uri.
pub(crate) fn local_path(uri: &str) -> Option<PathBuf> {
    let path = uri.strip_prefix("file://").or_else(|| uri.strip_prefix("file:")).unwrap_or(uri);
    let path = PathBuf::from(path);
    path.is_absolute().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_is_described_without_rows() {
        let dataset = DatasetInfo {
            name: "patients".into(),
            digest: "d".into(),
            context: "training".into(),
            columns: vec!["heart rate".into()],
            rows: 10,
            groups: Some(3),
        };
        let schema: serde_json::Value = serde_json::from_str(&dataset_schema(&dataset)).unwrap();
        assert_eq!(schema["mlflow_colspec"][0]["name"], "heart rate");
        let profile: serde_json::Value = serde_json::from_str(&dataset_profile(&dataset)).unwrap();
        assert_eq!(profile, json!({"num_rows": 10, "num_features": 1, "num_groups": 3}));
    }

    #[cfg(unix)]
    #[test]
    fn only_absolute_paths_are_local() {
        assert_eq!(local_path("/a/b"), Some("/a/b".into()));
        assert_eq!(local_path("file:///a/b"), Some("/a/b".into()));
        for other in ["mlflow-artifacts:/0/a", "s3://bucket/a", "a/b"] {
            assert_eq!(local_path(other), None, "{other}");
        }
    }
}
