#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(any(feature = "linfa", feature = "petal"))]
mod adapter;
mod error;
mod hdbscan;
mod quality;
mod range;
mod scaler;
mod view;

#[cfg(feature = "linfa")]
pub use adapter::{
    Dbscan, DbscanParams, FittedDbscan, FittedGaussianMixture, FittedKMeans, GaussianMixture,
    GaussianMixtureParams, KMeans, KMeansParams,
};
#[cfg(feature = "petal")]
pub use adapter::{FittedPetal, PetalHdbscan, PetalParams};
pub use hdbscan::{
    AssignmentTree, ClusterRow, ClusterTree, CondensedCluster, CondensedRow, CondensedTree, Counts, Detail,
    Distances, Edge, EdgeRow, ExportRow, Extraction, FitNote, FittedHdbscan, Hdbscan, HdbscanParams,
    LinkageRow, Method, Mst, PairDistance, Prediction, Selection, write_csv, write_json,
};
pub use quality::{
    Quality, QualityParams, adjusted_mutual_information, adjusted_rand_index, dbcv, quality,
    relative_validity,
};
pub use scaler::{Scaler, StandardScaler};
pub use tsc_core::{
    Assignment, Clusterer, ClustererExt, Error, Features, FittedClusterer, FittedClustererExt, Label,
    MaxDistance, Result,
};
pub use tsc_neighbors::{Distance, Metric, Plan, Scratch};
pub use view::{ClusterView, Projection, Reduce, ViewParams};
