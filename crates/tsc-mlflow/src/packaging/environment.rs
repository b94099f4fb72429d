//! The Python that a package asks for, in the three files in which MLflow looks for it.

use std::path::Path;

use tsc_core::Result;

use super::folder::write;

pub(super) const PYTHON: &str = "3.11";

/// Writes `requirements.txt`, `python_env.yaml` and `conda.yaml`.
pub(super) fn write_environment(out_dir: &Path, requirements: &[&str]) -> Result<()> {
    write(out_dir, "requirements.txt", format!("{}\n", requirements.join("\n")).as_bytes())?;
    let env =
        format!("python: '{PYTHON}'\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n");
    write(out_dir, "python_env.yaml", env.as_bytes())?;
    let conda = format!(
        "name: mlflow-env\nchannels:\n- conda-forge\ndependencies:\n- python={PYTHON}\n- pip\n- pip:\n  - -r \
         requirements.txt\n"
    );
    write(out_dir, "conda.yaml", conda.as_bytes())
}
