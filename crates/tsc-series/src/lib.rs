#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod aggregate;
mod builder;
mod clean;
mod columns;
mod conversion;
mod describe;
mod error;
mod featurizer;
mod glob;
mod matrix;
mod names;
mod params;
mod quality;
mod read;
pub mod simulate;
mod stats;
mod table;
mod targets;
mod time_kind;
mod variables;
mod wire;

pub use aggregate::Aggregate;
pub use builder::SeriesTableBuilder;
pub use clean::RangeAction;
pub use conversion::Conversion;
pub use featurizer::{Featurizer, FittedFeaturizer};
pub use matrix::FeatureMatrix;
pub use params::{FeatureSet, ResourceSpec, Rows, SeriesParams, SeriesPreset, TargetSpec};
pub use quality::{
    Coverage, DropReason, DroppedColumn, Imputed, QualityCount, QualityReport, QualityWarning, Reason, Tally,
};
pub use read::{
    ColumnMap, Format, IdColumns, Limits, PatientStream, RowOrder, Source, TableSpec, TimeFormat,
};
pub use table::{PatientIx, SeriesTable, VariableIx};
pub use time_kind::TimeKind;
pub use variables::{Absent, Censored, Repair, Role, VariableSpec, VariableTable};
