//! What an `MLmodel` file says about the model that it belongs to.

use std::borrow::Cow;

use crate::clock::utc;

/// Marks a file that is completed when the model is logged: only then are its ids known.
pub(super) const MARK: &str = "# identity is added when the model is logged\n";

/// The model a package becomes.
#[derive(Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) model_id: &'a str,
    pub(crate) run_id: &'a str,
    pub(crate) artifact_path: &'a str,
    /// Milliseconds since the epoch.
    pub(crate) at: i64,
}

/// The file as it is stored: a packaged `MLmodel` with its identity, anything else unchanged.
pub(crate) fn with_identity<'a>(path: &str, bytes: &'a [u8], identity: &Identity<'_>) -> Cow<'a, [u8]> {
    if path != "MLmodel" || !bytes.ends_with(MARK.as_bytes()) {
        return Cow::Borrowed(bytes);
    }
    let Identity { model_id, run_id, artifact_path, at } = identity;
    let lines = format!(
        "artifact_path: {}\nmodel_id: {model_id}\nmodel_uuid: {}\nrun_id: {run_id}\nutc_time_created: '{}'\n",
        quoted(artifact_path),
        model_id.trim_start_matches("m-"),
        utc(*at)
    );
    Cow::Owned([&bytes[..bytes.len() - MARK.len()], lines.as_bytes()].concat())
}

/// A YAML string that means `text` and nothing else.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().any(char::is_control) {
        // JSON strings are YAML strings.
        serde_json::Value::from(text).to_string()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_marked_mlmodel_file_is_completed() {
        let identity = Identity { model_id: "m-ab", run_id: "r", artifact_path: "/it's", at: 0 };
        let plain = b"flavors: {}";
        assert_eq!(&*with_identity("MLmodel", plain, &identity), plain);
        let marked = format!("flavors: {{}}\n{MARK}");
        assert_eq!(&*with_identity("x/MLmodel", marked.as_bytes(), &identity), marked.as_bytes());
        let completed = with_identity("MLmodel", marked.as_bytes(), &identity);
        assert_eq!(
            std::str::from_utf8(&completed).unwrap(),
            "flavors: {}\nartifact_path: '/it''s'\nmodel_id: m-ab\nmodel_uuid: ab\nrun_id: r\n\
             utc_time_created: '1970-01-01 00:00:00.000000'\n"
        );
    }
}
