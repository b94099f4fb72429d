use std::path::Path;

use tsc_core::Result;

use crate::error::TrackingError;

use super::MLFLOW_VERSION;
use super::folder::{create_empty, read_folder, write};
use super::identity::{MARK, quoted};
use super::python_function::write_python_function;

/// Where the bundle lies inside a package: what `fetch` copied to `dir` is loaded from `dir/data/bundle`.
pub const BUNDLE_FOLDER: &str = "data/bundle";

/// What a package says about the bundle inside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PipelineModel {
    /// Number of the served models.
    pub model_version: u64,
    /// Content hash of the bundle.
    pub content_hash: String,
    /// Version of the crate that wrote the bundle.
    pub crate_version: String,
    /// Names of the features in their order, at least one.
    pub features: Vec<String>,
    /// Median of each feature: the example row, which is no patient's.
    pub medians: Vec<f64>,
    /// Columns of numbers behind the source: bounds, resources and their bounds.
    pub further_outputs: Vec<String>,
    /// The chosen clusters as JSON; `None` for a clusterer that Python does not serve.
    pub tree: Option<Vec<u8>>,
}

/// Writes a pipeline bundle as a model that MLflow lists, versions and downloads, and that Python scores with.
///
/// The bundle is copied unchanged to [`BUNDLE_FOLDER`], without its `state` folder, which holds
/// patient rows. The package has two flavors: `tsc_bundle`, which Rust loads, and `python_function`,
/// which `mlflow.pyfunc.load_model` and `mlflow models serve` load.
///
/// `out_dir` is created and must be empty. The same bundle gives the same bytes.
///
/// # Errors
///
/// `Tracking` if the bundle is empty or cannot be read, there is not one finite median for each of at least one
/// feature, or `out_dir` holds something or cannot be written.
pub fn write_pipeline_model(bundle_dir: &Path, out_dir: &Path, model: &PipelineModel) -> Result<()> {
    let (n_features, n_medians) = (model.features.len(), model.medians.len());
    if n_features == 0 || n_features != n_medians || !model.medians.iter().all(|v| v.is_finite()) {
        let problem = format!("{n_medians} medians for {n_features} features, or one that is not finite");
        return Err(TrackingError::Package(problem).into());
    }
    let files = read_folder(bundle_dir)?;
    let kept: Vec<_> = files.iter().filter(|(path, _)| !path.starts_with("state/")).collect();
    if kept.is_empty() {
        return Err(TrackingError::Package(format!("bundle {} has no files", bundle_dir.display())).into());
    }
    create_empty(out_dir)?;
    for (path, bytes) in kept {
        write(out_dir, &format!("{BUNDLE_FOLDER}/{path}"), bytes)?;
    }
    let (python_function, signature) = write_python_function(out_dir, model)?;
    let mlmodel = format!(
        "flavors:\n{python_function}  tsc_bundle:\n    code: null\n    content_hash: {}\n    crate_version: {}\n    \
         data: {BUNDLE_FOLDER}\n    model_version: {}\nmlflow_version: {MLFLOW_VERSION}\n{signature}{MARK}",
        quoted(&model.content_hash),
        quoted(&model.crate_version),
        model.model_version
    );
    write(out_dir, "MLmodel", mlmodel.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> PipelineModel {
        PipelineModel { features: vec!["a".into()], medians: vec![0.5], ..PipelineModel::default() }
    }

    #[test]
    fn state_with_patient_rows_is_never_packaged() {
        let folder = tempfile::tempdir().unwrap();
        let (bundle, out) = (folder.path().join("bundle"), folder.path().join("out"));
        for path in ["manifest.json", "models/target/pooled.txt", "state/window.bin"] {
            write(&bundle, path, b"x").unwrap();
        }
        let model = PipelineModel { tree: Some(b"{}".to_vec()), ..model() };
        write_pipeline_model(&bundle, &out, &model).unwrap();
        let mut paths: Vec<String> = read_folder(&out).unwrap().into_iter().map(|(path, _)| path).collect();
        let loader = paths.iter().position(|path| path.starts_with("code/tsc_loader_")).unwrap();
        paths.remove(loader);
        assert_eq!(
            paths,
            [
                "MLmodel",
                "conda.yaml",
                "data/bundle/manifest.json",
                "data/bundle/models/target/pooled.txt",
                "data/portable/tree.json",
                "input_example.json",
                "python_env.yaml",
                "requirements.txt",
                "serving_input_example.json"
            ]
        );
    }

    #[test]
    fn a_bundle_without_files_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        std::fs::create_dir(folder.path().join("bundle")).unwrap();
        let error = write_pipeline_model(&folder.path().join("bundle"), &out, &model()).unwrap_err();
        assert!(error.to_string().ends_with("has no files"), "{error}");
        assert!(write_pipeline_model(&folder.path().join("missing"), &out, &model()).is_err());
    }

    #[test]
    fn a_package_without_a_finite_median_for_each_feature_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        write(folder.path(), "bundle/manifest.json", b"x").unwrap();
        for medians in [vec![], vec![f64::NAN], vec![1.0, 2.0]] {
            let model = PipelineModel { medians, ..model() };
            let error = write_pipeline_model(&folder.path().join("bundle"), &out, &model).unwrap_err();
            assert!(error.to_string().contains("medians for 1 features"), "{error}");
        }
        let none = PipelineModel { features: vec![], medians: vec![], ..model() };
        assert!(write_pipeline_model(&folder.path().join("bundle"), &out, &none).is_err());
        assert!(!out.exists(), "what is refused leaves nothing behind");
    }
}
