use std::path::Path;

use serde_json::json;
use tsc_core::Result;

use crate::error::TrackingError;

use super::MLFLOW_VERSION;
use super::environment::{PYTHON, write_environment};
use super::folder::{create_empty, write};
use super::identity::{MARK, quoted};

/// LightGBM in Python that reads the model text; the bundled native library is 4.6 or newer.
const LIGHTGBM: &str = "4.6.0";

/// Writes a booster as a model that `mlflow.lightgbm` and `mlflow.pyfunc` load from Python.
///
/// `model_text` is LightGBM's own text form, `feature_names` the columns in the order the booster was
/// fitted on. `out_dir` is created and must be empty. The same arguments give the same bytes.
///
/// # Errors
///
/// `Tracking` if the text is no LightGBM model, the number of names is not that of its features, or
/// `out_dir` holds something or cannot be written.
pub fn write_lightgbm_model(model_text: &str, feature_names: &[String], out_dir: &Path) -> Result<()> {
    let n_features = n_features(model_text)?;
    if n_features != feature_names.len() {
        return Err(TrackingError::Package(format!(
            "the booster has {n_features} features, {} names are given",
            feature_names.len()
        ))
        .into());
    }
    create_empty(out_dir)?;
    write(out_dir, "model.lgb", model_text.as_bytes())?;
    write(out_dir, "MLmodel", mlmodel(feature_names).as_bytes())?;
    let mlflow = format!("mlflow=={MLFLOW_VERSION}");
    write_environment(out_dir, &[&mlflow, &format!("lightgbm>={LIGHTGBM},<5"), "numpy", "scipy"])
}

/// Number of features from the head of the model text.
fn n_features(model_text: &str) -> Result<usize> {
    let bad = |problem: &str| TrackingError::Package(format!("the text is no LightGBM model: {problem}"));
    if !model_text.starts_with("tree") {
        return Err(bad("it does not begin with a tree line").into());
    }
    let line = model_text.lines().take(64).find_map(|line| line.strip_prefix("max_feature_idx="));
    let last: usize = line
        .ok_or_else(|| bad("it has no max_feature_idx"))?
        .trim()
        .parse()
        .map_err(|_| bad("max_feature_idx is no number"))?;
    Ok(last.saturating_add(1))
}

fn mlmodel(feature_names: &[String]) -> String {
    let inputs: Vec<_> =
        feature_names.iter().map(|name| json!({"type": "double", "name": name, "required": true})).collect();
    let inputs = serde_json::Value::from(inputs).to_string();
    let outputs = r#"[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]"#;
    format!(
        "flavors:\n  lightgbm:\n    code: null\n    data: model.lgb\n    lgb_version: {LIGHTGBM}\n    \
         model_class: lightgbm.basic.Booster\n  python_function:\n    data: model.lgb\n    env:\n      \
         conda: conda.yaml\n      virtualenv: python_env.yaml\n    loader_module: mlflow.lightgbm\n    \
         python_version: '{PYTHON}'\nmlflow_version: {MLFLOW_VERSION}\nsignature:\n  inputs: {}\n  \
         outputs: {}\n  params: null\n{MARK}",
        quoted(&inputs),
        quoted(outputs)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "tree\nversion=v4\nnum_class=1\nmax_feature_idx=1\n";

    #[test]
    fn a_text_that_is_no_model_or_does_not_match_its_names_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let write = |text: &str, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
            write_lightgbm_model(text, &names, &folder.path().join("out")).unwrap_err().to_string()
        };
        assert!(write("hello", &["a", "b"]).contains("no LightGBM model"));
        assert!(write("tree\n", &["a", "b"]).contains("max_feature_idx"));
        assert_eq!(write(TEXT, &["a"]), "the booster has 2 features, 1 names are given");
        assert!(!folder.path().join("out").exists(), "a refused model leaves nothing behind");
    }

    #[test]
    fn a_folder_with_files_is_not_written_into() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x"), "x").unwrap();
        let names = ["a".to_owned(), "b".to_owned()];
        let error = write_lightgbm_model(TEXT, &names, folder.path()).unwrap_err();
        assert!(error.to_string().ends_with("is not empty"), "{error}");
    }
}
