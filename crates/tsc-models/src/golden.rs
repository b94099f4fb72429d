//! Reader of `tests/golden/models`, made by `tests/golden/generate_models.py`.

use std::path::PathBuf;

use serde::de::DeserializeOwned;

pub(crate) fn text(name: &str) -> String {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/models")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub(crate) fn json<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&text(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[cfg(feature = "lightgbm")]
/// The lines of the trees: what two models must share to be equal.
pub(crate) fn trees(text: &str) -> &str {
    let start = text.find("tree_sizes=").expect("a model text");
    let end = text.find("end of trees").expect("a model text");
    &text[start..end]
}

#[cfg(feature = "lightgbm")]
/// The list of features by their splits.
pub(crate) fn importances(text: &str) -> &str {
    let start = text.find("feature_importances:").expect("a model text");
    let end = text.find("parameters:").expect("a model text");
    &text[start..end]
}
