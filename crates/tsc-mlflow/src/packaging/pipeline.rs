use std::path::Path;

use tsc_core::Result;

use crate::error::TrackingError;

use super::MLFLOW_VERSION;
use super::folder::{create_empty, read_folder, write};
use super::identity::{MARK, quoted};

/// Where the bundle lies inside a package: what `fetch` copied to `dir` is loaded from `dir/data/bundle`.
pub const BUNDLE_FOLDER: &str = "data/bundle";

/// What a package says about the bundle inside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipelineModel {
    /// Number of the served models.
    pub model_version: u64,
    /// Content hash of the bundle.
    pub content_hash: String,
    /// Version of the crate that wrote the bundle.
    pub crate_version: String,
}

/// Writes a pipeline bundle as a model that MLflow lists, versions and downloads.
///
/// The bundle is copied unchanged to [`BUNDLE_FOLDER`], without its `state` folder, which holds
/// patient rows. The package has the flavor `tsc_bundle` only: Rust loads it, Python lists it and
/// `mlflow.pyfunc.load_model` says that it has no `python_function`.
///
/// `out_dir` is created and must be empty. The same bundle gives the same bytes.
///
/// # Errors
///
/// `Tracking` if the bundle is empty or cannot be read, or `out_dir` holds something or cannot be written.
pub fn write_pipeline_model(bundle_dir: &Path, out_dir: &Path, model: &PipelineModel) -> Result<()> {
    let files = read_folder(bundle_dir)?;
    let kept: Vec<_> = files.iter().filter(|(path, _)| !path.starts_with("state/")).collect();
    if kept.is_empty() {
        return Err(TrackingError::Package(format!("bundle {} has no files", bundle_dir.display())).into());
    }
    create_empty(out_dir)?;
    for (path, bytes) in kept {
        write(out_dir, &format!("{BUNDLE_FOLDER}/{path}"), bytes)?;
    }
    let mlmodel = format!(
        "flavors:\n  tsc_bundle:\n    code: null\n    content_hash: {}\n    crate_version: {}\n    \
         data: {BUNDLE_FOLDER}\n    model_version: {}\nmlflow_version: {MLFLOW_VERSION}\n{MARK}",
        quoted(&model.content_hash),
        quoted(&model.crate_version),
        model.model_version
    );
    write(out_dir, "MLmodel", mlmodel.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_with_patient_rows_is_never_packaged() {
        let folder = tempfile::tempdir().unwrap();
        let (bundle, out) = (folder.path().join("bundle"), folder.path().join("out"));
        for path in ["manifest.json", "models/target/pooled.txt", "state/window.bin"] {
            write(&bundle, path, b"x").unwrap();
        }
        write_pipeline_model(&bundle, &out, &PipelineModel::default()).unwrap();
        let paths: Vec<String> = read_folder(&out).unwrap().into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["MLmodel", "data/bundle/manifest.json", "data/bundle/models/target/pooled.txt"]);
    }

    #[test]
    fn a_bundle_without_files_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        std::fs::create_dir(folder.path().join("bundle")).unwrap();
        let model = PipelineModel::default();
        let error = write_pipeline_model(&folder.path().join("bundle"), &out, &model).unwrap_err();
        assert!(error.to_string().ends_with("has no files"), "{error}");
        assert!(write_pipeline_model(&folder.path().join("missing"), &out, &model).is_err());
    }
}
