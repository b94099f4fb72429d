//! The flavor with which Python scores a whole pipeline.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tsc_core::Result;

use super::MLFLOW_VERSION;
use super::environment::{PYTHON, write_environment};
use super::folder::write;
use super::identity::quoted;
use super::pipeline::PipelineModel;

const LOADER: &str = include_str!("loader.py");

/// Upper bounds are those of this MLflow; LightGBM is the version whose predictions are compared bit by bit.
const REQUIREMENTS: [&str; 3] = ["lightgbm==4.7.0", "numpy<3", "pandas<4"];

/// Writes loader, examples and environment, and returns the lines of the flavor and those of the signature.
pub(super) fn write_python_function(out_dir: &Path, model: &PipelineModel) -> Result<(String, String)> {
    let module = loader_module();
    write(out_dir, &format!("code/{module}.py"), LOADER.as_bytes())?;
    if let Some(tree) = &model.tree {
        write(out_dir, "data/portable/tree.json", tree)?;
    }
    let example = json!({"columns": model.features, "data": [model.medians]});
    write(out_dir, "input_example.json", example.to_string().as_bytes())?;
    let served = json!({"dataframe_split": example});
    write(out_dir, "serving_input_example.json", served.to_string().as_bytes())?;
    let mlflow = format!("mlflow=={MLFLOW_VERSION}");
    write_environment(out_dir, &[&[mlflow.as_str()], REQUIREMENTS.as_slice()].concat())?;
    let flavor = format!(
        "  python_function:\n    code: code\n    data: data\n    env:\n      conda: conda.yaml\n      \
         virtualenv: python_env.yaml\n    loader_module: {module}\n    python_version: '{PYTHON}'\n"
    );
    let signature = format!(
        "saved_input_example_info:\n  artifact_path: input_example.json\n  pandas_orient: split\n  \
         serving_input_path: serving_input_example.json\n  type: dataframe\nsignature:\n  inputs: {}\n  \
         outputs: {}\n  params: null\n",
        quoted(&inputs(model).to_string()),
        quoted(&outputs(model).to_string())
    );
    Ok((flavor, signature))
}

/// A name that changes with the text: a process that has loaded one package runs the module it has under that
/// name for the next.
fn loader_module() -> String {
    let digest = Sha256::digest(LOADER.as_bytes());
    let hex: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("tsc_loader_{hex}")
}

fn column(name: &str, kind: &str) -> Value {
    json!({"type": kind, "name": name, "required": true})
}

fn inputs(model: &PipelineModel) -> Value {
    model.features.iter().map(|name| column(name, "double")).collect()
}

fn outputs(model: &PipelineModel) -> Value {
    let first = [("density_label", "long"), ("label", "long"), ("strength", "double"), ("value", "double")];
    let first = first.into_iter().chain([("source", "string")]);
    let further = model.further_outputs.iter().map(|name| (name.as_str(), "double"));
    first.chain(further).map(|(name, kind)| column(name, kind)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The first 8 digits that sha256sum prints of the file.
    #[test]
    fn the_name_of_the_loader_is_its_content() {
        let name = loader_module();
        let hex = name.strip_prefix("tsc_loader_").unwrap();
        let whole: String = Sha256::digest(LOADER).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(hex.len() == 8 && whole.starts_with(hex), "{name}");
    }
}
