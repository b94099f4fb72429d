//! What MLflow accepts, checked before anything is queued.

use std::borrow::Cow;

use tsc_core::DatasetInfo;

use crate::error::TrackingError;

/// Entities of one request: metrics, and all kinds together.
pub(crate) const BATCH: usize = 1_000;
/// Parameters, and tags, of one request.
pub(crate) const BATCH_PARAMS: usize = 100;
/// Bytes of one request; hosted services refuse 1 MB.
#[cfg(feature = "rest")]
pub(crate) const BATCH_BYTES: usize = 900_000;
/// Characters of a parameter's value; MLflow cuts longer ones without a word.
pub(crate) const PARAM_VALUE: usize = 6_000;
/// Characters of a run tag's value.
pub(crate) const TAG_VALUE: usize = 8_000;
const KEY: usize = 250;

/// Checks the key of a parameter, metric or tag.
pub(crate) fn check_key(what: &'static str, key: &str) -> Result<(), TrackingError> {
    match key_problem(key) {
        None => Ok(()),
        Some(problem) => Err(TrackingError::Key { what, key: key.into(), problem }),
    }
}

fn key_problem(key: &str) -> Option<String> {
    // One pass over the bytes: this runs for every metric that is logged.
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !key.is_empty() && key.len() <= KEY && key.bytes().all(plain) {
        return None;
    }
    if key.is_empty() {
        return Some("is empty".into());
    }
    let count = key.chars().count();
    if count > KEY {
        return Some(format!("has {count} characters, at most {KEY} are stored"));
    }
    // MLflow allows `\w` of Python's regular expressions, hence letters of every script.
    let allowed = |c: char| c.is_alphanumeric() || "_-. :/".contains(c);
    if let Some(bad) = key.chars().find(|c| !allowed(*c)) {
        return Some(format!("contains {bad:?}"));
    }
    // MLflow asks for a path that is its own normal form.
    if key.starts_with('/') || key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Some("is no normal path: no empty part, no . and no .. between the slashes".into());
    }
    None
}

/// Checks the name of a run.
pub(crate) fn check_run_name(name: &str) -> Result<(), TrackingError> {
    let problem = match name.chars().count() {
        0 => "is empty".to_owned(),
        n if n > KEY => format!("has {n} characters, at most {KEY} are stored"),
        _ => return Ok(()),
    };
    Err(TrackingError::Key { what: "run name", key: name.into(), problem })
}

/// Checks the name of a logged model: MLflow forbids what a uri needs.
pub(crate) fn check_model_name(name: &str) -> Result<(), TrackingError> {
    let problem = if name.is_empty() {
        "is empty".to_owned()
    } else if let Some(bad) = name.chars().find(|c| c.is_control() || "/:.%\"'".contains(*c)) {
        format!("contains {bad:?}")
    } else if name.chars().count() > KEY {
        format!("has {} characters, at most {KEY} are stored", name.chars().count())
    } else {
        return Ok(());
    };
    Err(TrackingError::Key { what: "model name", key: name.into(), problem })
}

/// Checks the name of a registered model.
pub(crate) fn check_registered_name(name: &str) -> Result<(), TrackingError> {
    let problem = if name.trim().is_empty() {
        "is empty".to_owned()
    } else if let Some(bad) = name.chars().find(|c| c.is_control() || "/:'\"`".contains(*c)) {
        format!("contains {bad:?}")
    } else if name.chars().count() > 256 {
        format!("has {} characters, at most 256 are stored", name.chars().count())
    } else {
        return Ok(());
    };
    Err(TrackingError::Key { what: "registered model", key: name.into(), problem })
}

/// Checks a data set against the columns it is stored in.
pub(crate) fn check_dataset(dataset: &DatasetInfo) -> Result<(), TrackingError> {
    let fields =
        [("name", &dataset.name, 500), ("digest", &dataset.digest, 36), ("context", &dataset.context, 500)];
    for (field, value, bound) in fields {
        let length = value.chars().count();
        if length > bound || length == 0 {
            return Err(TrackingError::Dataset { field, length, unit: "characters", bound });
        }
    }
    let bytes: usize = dataset.columns.iter().map(|c| c.len() + 40).sum();
    if bytes > 1 << 20 {
        return Err(TrackingError::Dataset { field: "schema", length: bytes, unit: "bytes", bound: 1 << 20 });
    }
    Ok(())
}

/// `value` cut to `bound` characters, and whether it was.
pub(crate) fn cut(value: &str, bound: usize) -> (Cow<'_, str>, bool) {
    if value.len() <= bound {
        return (Cow::Borrowed(value), false);
    }
    match value.char_indices().nth(bound) {
        None => (Cow::Borrowed(value), false),
        Some((end, _)) => (Cow::Owned(value[..end].to_owned()), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_mlflow_takes_are_taken() {
        for key in ["rmse", "cluster_0/holdout/rmse", "a b", "tsc.run_key", "a:b", "größe", &"k".repeat(250)]
        {
            assert!(check_key("metric", key).is_ok(), "{key}");
        }
    }

    #[test]
    fn keys_that_mlflow_refuses_are_refused_with_the_reason() {
        let long = "k".repeat(251);
        let cases = [
            ("", "empty"),
            ("a=b", "'='"),
            ("a,b", "','"),
            ("a\nb", "'\\n'"),
            ("a//b", "normal path"),
            ("/a", "normal path"),
            ("a/", "normal path"),
            ("../a", "normal path"),
            ("./a", "normal path"),
            (".", "normal path"),
            (long.as_str(), "251"),
        ];
        for (key, reason) in cases {
            let text = check_key("metric", key).unwrap_err().to_string();
            assert!(text.contains(reason), "{key:?}: {text}");
        }
    }

    #[test]
    fn values_are_cut_at_characters_not_bytes() {
        assert_eq!(cut("äöü", 2), (Cow::Borrowed("äö"), true));
        assert_eq!(cut("äöü", 3), (Cow::Borrowed("äöü"), false));
        assert_eq!(cut("abc", 3), (Cow::Borrowed("abc"), false));
    }

    #[test]
    fn a_dataset_field_that_is_too_long_is_named() {
        let dataset = DatasetInfo {
            name: "patients".into(),
            digest: "d".repeat(37),
            context: "training".into(),
            columns: vec![],
            rows: 1,
            groups: None,
        };
        let text = check_dataset(&dataset).unwrap_err().to_string();
        assert_eq!(text, "dataset digest has 37 characters, at most 36 are stored");
    }
}
