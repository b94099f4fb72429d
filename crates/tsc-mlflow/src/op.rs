//! What a log call becomes: the form in which it waits, is spooled, and is delivered.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tsc_core::{DatasetInfo, Result, RunStatus};

use crate::error::TrackingError;
use crate::key;

/// Everything a store must know to create a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NewRun {
    pub(crate) key: String,
    pub(crate) experiment: String,
    /// Text that explains the experiment to a person, should it be new.
    pub(crate) note: String,
    pub(crate) parent: Option<String>,
    pub(crate) name: String,
    pub(crate) start_time: i64,
    pub(crate) user: String,
    pub(crate) source: String,
}

impl NewRun {
    /// The tags a run starts with; `parent` is the parent's id in the store.
    pub(crate) fn tags(&self, parent: Option<&str>) -> Vec<(String, String)> {
        let mut tags = vec![
            ("mlflow.runName", self.name.as_str()),
            ("mlflow.source.name", self.source.as_str()),
            ("mlflow.source.type", "LOCAL"),
            ("mlflow.user", self.user.as_str()),
            ("tsc.crate_version", env!("CARGO_PKG_VERSION")),
            ("tsc.run_key", self.key.as_str()),
        ];
        tags.extend(parent.map(|id| ("mlflow.parentRunId", id)));
        tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
    }
}

/// One log call, checked and stamped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Op {
    /// The run begins.
    Start,
    Params(Vec<(String, String)>),
    /// Values in the order of their calls, whatever number of calls made them.
    Metrics(Vec<Point>),
    Tags(Vec<(String, String)>),
    Artifact {
        path: String,
        content: Blob,
    },
    Dataset(DatasetInfo),
    Model(NewModel),
    /// The run ends.
    Finish {
        status: RunStatus,
        at: i64,
    },
}

/// A folder that becomes a logged model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NewModel {
    /// `m-` and 32 hex digits: the id itself in the embedded store, a tag on a server.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) at: i64,
    pub(crate) files: Vec<(String, Blob)>,
}

/// One value of a metric. The key is shared, so that a call that logs a known one allocates nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    #[serde(with = "shared")]
    pub(crate) key: Arc<str>,
    #[serde(with = "number")]
    pub(crate) value: f64,
    pub(crate) at: i64,
    pub(crate) step: i64,
}

impl Op {
    /// How many values it carries, the unit of all counters.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Op::Params(items) | Op::Tags(items) => items.len(),
            Op::Metrics(points) => points.len(),
            _ => 1,
        }
    }

    /// Contents that may still be in memory.
    pub(crate) fn blobs_mut(&mut self) -> Vec<&mut Blob> {
        match self {
            Op::Artifact { content, .. } => vec![content],
            Op::Model(model) => model.files.iter_mut().map(|(_, blob)| blob).collect(),
            _ => Vec::new(),
        }
    }
}

/// Content of a file: in memory, or kept in the spool under its sha256.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Blob {
    Bytes(Arc<[u8]>),
    Stored { folder: PathBuf, sha256: String },
}

impl Blob {
    pub(crate) fn read(&self) -> Result<Arc<[u8]>> {
        match self {
            Blob::Bytes(bytes) => Ok(Arc::clone(bytes)),
            Blob::Stored { folder, sha256 } => {
                let path = folder.join(sha256);
                let bytes = std::fs::read(&path).map_err(|source| TrackingError::File {
                    action: "reading",
                    path: path.clone(),
                    source,
                })?;
                if key::sha256(&bytes) != *sha256 {
                    let problem = format!("{} is damaged, it cannot be sent", path.display());
                    return Err(TrackingError::NotStored(problem).into());
                }
                Ok(bytes.into())
            }
        }
    }
}

// Only the digest travels: the spool knows the folder.
impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Blob::Bytes(bytes) => serializer.serialize_str(&key::sha256(bytes)),
            Blob::Stored { sha256, .. } => serializer.serialize_str(sha256),
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let sha256 = String::deserialize(deserializer)?;
        if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(serde::de::Error::custom("content is no sha256"));
        }
        Ok(Blob::Stored { folder: PathBuf::new(), sha256 })
    }
}

/// A text with several owners, written as a plain one.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        Ok(String::deserialize(deserializer)?.into())
    }
}

/// A double as MLflow's JSON writes it: a number, or one of three strings, never a bare NaN.
///
/// A bare `NaN` in a request makes the server store 0.0 and lose the rest of the body.
pub(crate) mod number {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        match name(*value) {
            Some(name) => serializer.serialize_str(name),
            None => serializer.serialize_f64(*value),
        }
    }

    fn name(value: f64) -> Option<&'static str> {
        if value.is_nan() {
            Some("NaN")
        } else if value.is_infinite() {
            Some(if value > 0.0 { "Infinity" } else { "-Infinity" })
        } else {
            None
        }
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Wire {
        Number(f64),
        Text(String),
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Wire::deserialize(deserializer)? {
            Wire::Number(value) => Ok(value),
            Wire::Text(text) => match text.as_str() {
                "NaN" => Ok(f64::NAN),
                "Infinity" => Ok(f64::INFINITY),
                "-Infinity" => Ok(f64::NEG_INFINITY),
                _ => Err(de::Error::custom(format!("{text:?} is no number"))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_never_a_bare_nan() {
        let text = |value| serde_json::to_string(&Point { key: "k".into(), value, at: 7, step: -1 }).unwrap();
        assert_eq!(text(1.5), r#"{"key":"k","value":1.5,"at":7,"step":-1}"#);
        assert_eq!(text(f64::NAN), r#"{"key":"k","value":"NaN","at":7,"step":-1}"#);
        assert_eq!(text(f64::INFINITY), r#"{"key":"k","value":"Infinity","at":7,"step":-1}"#);
        assert_eq!(text(f64::NEG_INFINITY), r#"{"key":"k","value":"-Infinity","at":7,"step":-1}"#);
    }

    proptest! {
        #[test]
        fn metrics_survive_the_spool_bit_for_bit(bits: u64, step: i64, at: i64) {
            let value = f64::from_bits(bits);
            let op = Op::Metrics(vec![Point { key: "k".into(), value, at, step }]);
            let text = serde_json::to_string(&op).unwrap();
            let Op::Metrics(points) = serde_json::from_str(&text).unwrap() else {
                panic!("another operation came back");
            };
            prop_assert_eq!((points[0].at, points[0].step), (at, step));
            prop_assert!(points[0].value.to_bits() == bits || (value.is_nan() && points[0].value.is_nan()));
        }
    }
}
