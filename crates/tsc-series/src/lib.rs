#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod builder;
mod clean;
mod columns;
mod error;
mod featurizer;
mod glob;
mod matrix;
mod params;
mod quality;
mod read;
pub mod simulate;
mod stats;
mod table;
mod targets;
mod variables;
mod wire;

pub use builder::SeriesTableBuilder;
pub use featurizer::{Featurizer, FittedFeaturizer};
pub use matrix::FeatureMatrix;
pub use params::{Aggregate, FeatureSet, ResourceSpec, Rows, SeriesParams, SeriesPreset, TargetSpec};
pub use quality::{Coverage, DropReason, DroppedColumn, Imputed, QualityCount, QualityReport, Reason, Tally};
pub use read::{ColumnMap, Format, Limits, Source, TableSpec, TimeUnit};
pub use table::{PatientIx, SeriesTable, VariableIx};
pub use variables::{Absent, Role, VariableSpec, VariableTable};
