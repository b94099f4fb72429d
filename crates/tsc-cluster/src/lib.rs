#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "petal")]
mod adapter;
mod error;
mod hdbscan;
mod quality;
mod scaler;
mod view;

#[cfg(feature = "petal")]
pub use adapter::{FittedPetal, PetalHdbscan, PetalParams};
pub use hdbscan::{
    ClusterRow, ClusterTree, CondensedCluster, CondensedRow, CondensedTree, Counts, Detail, Distances, Edge,
    EdgeRow, ExportRow, Extraction, FitNote, FittedHdbscan, Hdbscan, HdbscanParams, LinkageRow, Method, Mst,
    PairDistance, Prediction, Selection, write_csv, write_json,
};
pub use quality::{Quality, QualityParams, dbcv, quality};
pub use scaler::{Scaler, StandardScaler};
pub use tsc_core::{
    Assignment, Clusterer, ClustererExt, Error, Features, FittedClusterer, FittedClustererExt, Label, Result,
};
pub use tsc_neighbors::{Metric, Plan, Scratch};
pub use view::{ClusterView, Projection, Reduce, ViewParams};
