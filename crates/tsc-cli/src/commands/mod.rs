//! One file a command.

mod doctor;
mod fit;
mod init;
mod replay;
mod score;
mod whole;

use std::path::Path;

use tsc_pipeline::PipelineConfig;
use tsc_pipeline::series::{Format, SeriesTable, Source, TableSpec};

use crate::failure::Failure;

pub(crate) use doctor::doctor;
pub(crate) use fit::{fit, print_value, undelivered};
pub(crate) use init::init;
pub(crate) use replay::replay;
pub(crate) use score::score;

fn config(path: Option<&Path>) -> Result<PipelineConfig, Failure> {
    match path {
        Some(path) => Ok(PipelineConfig::from_file(path)?),
        None => Ok(PipelineConfig::from_toml_and_env("", std::env::vars())?),
    }
}

/// Patient series as `[input]` describes them; without it an archive or folder holds stays of PhysioNet 2012, and
/// a file is a long table.
fn series(path: &Path, config: &PipelineConfig) -> Result<SeriesTable, Failure> {
    let archive = path.is_dir() || path.to_string_lossy().ends_with(".tar.gz");
    let guessed = TableSpec {
        format: if archive { Format::PhysioNet2012 } else { Format::Long },
        ..TableSpec::default()
    };
    Ok(SeriesTable::read(Source::Path(path), config.input.as_ref().unwrap_or(&guessed))?)
}
