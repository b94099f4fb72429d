#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod aggregate;
mod builder;
mod calendar;
mod cells;
mod check;
mod clean;
mod columns;
mod conversion;
mod describe;
mod distance;
mod error;
mod featurizer;
mod fourier;
mod glob;
mod grid;
mod inputs;
mod landmarks;
mod matrix;
mod names;
mod panel;
mod params;
mod presets;
mod quality;
mod read;
mod recent;
mod references;
mod robust;
mod rows;
mod scale;
mod shape;
pub mod simulate;
mod smooth;
mod stats;
mod table;
mod targets;
mod time_kind;
mod trend;
mod updater;
mod variables;
mod wire;

pub use aggregate::Aggregate;
pub use builder::SeriesTableBuilder;
pub use clean::RangeAction;
pub use conversion::Conversion;
pub use distance::SeriesDistance;
pub use featurizer::{Featurizer, FittedFeaturizer};
pub use grid::Grid;
pub use matrix::FeatureMatrix;
pub use panel::{Rolling, WindowStat};
pub use params::{FeatureSet, ResourceSpec, Rows, SeriesParams, TargetSpec};
pub use presets::SeriesPreset;
pub use quality::{
    Coverage, DropReason, DroppedColumn, Imputed, QualityCount, QualityReport, QualityWarning, Reason, Tally,
};
pub use read::{
    ColumnMap, Format, IdColumns, Limits, PatientStream, RowOrder, Source, TableSpec, TimeFormat,
};
pub use references::Reference;
pub use scale::{ScaleParams, TargetForm};
pub use table::{PatientIx, SeriesTable, VariableIx};
pub use time_kind::TimeKind;
pub use updater::Updater;
pub use variables::{Absent, Censored, Repair, Role, VariableSpec, VariableTable};
