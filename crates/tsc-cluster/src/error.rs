use thiserror::Error;
use tsc_core::{ErrorKind, Stage};

#[derive(Debug, Error)]
pub(crate) enum ClusterError {
    #[error("{n_samples} samples are fewer than min_cluster_size {min_cluster_size}")]
    TooFewSamples { n_samples: usize, min_cluster_size: usize },
    #[error("the clusters were fitted with prediction_data = false and cannot assign samples")]
    NoPredictionData,
    #[error("{got} distances given, {n_samples} samples need {expected}")]
    DistanceCount { got: usize, n_samples: usize, expected: usize },
    #[error("distance [{row}, {column}] is {problem}")]
    Distance { row: usize, column: usize, problem: &'static str },
    #[error("{problem}")]
    SparseLayout { problem: String },
    #[error("only {available} disjoint clusters can be chosen, n_clusters is {n_clusters}")]
    TooFewClusters { n_clusters: usize, available: usize },
    #[error("{got} distances given, the tree has {n_samples} samples")]
    QueryLength { got: usize, n_samples: usize },
    #[error("the distance to sample {sample} is {problem}")]
    QueryDistance { sample: usize, problem: &'static str },
    #[error("the core distance of sample {sample} is negative or NaN")]
    CoreDistance { sample: usize },
    #[error("{edges} edges do not span {n_samples} samples, {} do", n_samples.saturating_sub(1))]
    EdgeCount { edges: usize, n_samples: usize },
    #[error("edge {a} - {b} {problem}")]
    SpanningEdge { a: u32, b: u32, problem: &'static str },
    #[error("column {column} is not among the {n_features} features")]
    NoSuchColumn { column: usize, n_features: usize },
    #[error("no column is given, the cluster view needs at least 1")]
    NoColumn,
    #[error("column {column} is given twice")]
    ColumnTwice { column: usize },
    #[error(
        "{components} components are more than the {available} that {n_samples} samples of {n_columns} columns have"
    )]
    TooManyComponents { components: usize, available: usize, n_samples: usize, n_columns: usize },
    #[error("the spread of feature {feature} overflows")]
    Spread { feature: usize },
    #[error("{labels} labels for {n_samples} samples")]
    LabelCount { labels: usize, n_samples: usize },
    #[error("the range of feature {feature} makes squared distances overflow")]
    Range { feature: usize },
    #[cfg(feature = "linfa")]
    #[error("{n_clusters} clusters are more than the {n_samples} samples")]
    TooManyClusters { n_clusters: usize, n_samples: usize },
    #[cfg(feature = "linfa")]
    #[error("{method} did not converge in {max_iter} iterations")]
    NoConvergence { method: &'static str, max_iter: u64 },
    #[cfg(feature = "linfa")]
    #[error("{method} cannot be fitted: {problem}")]
    CannotFit { method: &'static str, problem: &'static str },
}

impl From<ClusterError> for tsc_core::Error {
    #[cold]
    fn from(error: ClusterError) -> Self {
        use ClusterError as E;
        use ErrorKind::{InvalidConfig, InvalidData, Prediction, Training};
        let (kind, stage, code, help) = match error {
            E::TooFewSamples { .. } => {
                (Training, Stage::Clustering, "TSC-CLU-001", "add samples or lower min_cluster_size")
            }
            E::NoPredictionData => (
                Prediction,
                Stage::Clustering,
                "TSC-CLU-003",
                "set hdbscan_params.prediction_data to true and fit again",
            ),
            E::DistanceCount { .. } => (
                InvalidData,
                Stage::Clustering,
                "TSC-CLU-004",
                "pass the full square matrix, or its upper triangle row by row",
            ),
            E::Distance { .. } => (
                InvalidData,
                Stage::Clustering,
                "TSC-CLU-005",
                "distances are symmetric, finite, not negative, and 0 on the diagonal",
            ),
            E::TooFewClusters { .. } => (
                Training,
                Stage::Clustering,
                "TSC-CLU-011",
                "lower n_clusters or min_cluster_size, or widen the limits on size and birth distance",
            ),
            E::SparseLayout { .. } => (
                InvalidData,
                Stage::Clustering,
                "TSC-CLU-012",
                "pass CSR arrays with ascending columns in each row, as SciPy's sort_indices leaves them",
            ),
            E::QueryLength { .. } | E::QueryDistance { .. } => (
                InvalidData,
                Stage::Clustering,
                "TSC-CLU-013",
                "pass one distance, at least 0, for each training sample in their order",
            ),
            E::CoreDistance { .. } | E::EdgeCount { .. } | E::SpanningEdge { .. } => (
                InvalidData,
                Stage::Clustering,
                "TSC-CLU-014",
                "pass n - 1 edges that join all samples, and one core distance per sample",
            ),
            E::NoSuchColumn { .. } | E::NoColumn | E::ColumnTwice { .. } => (
                InvalidConfig,
                Stage::Scaling,
                "TSC-CLU-006",
                "name each column of the cluster view once, by its position in the schema",
            ),
            E::TooManyComponents { .. } => {
                (InvalidConfig, Stage::Scaling, "TSC-CLU-007", "ask for fewer components, or for auto")
            }
            E::Spread { .. } => {
                (InvalidData, Stage::Scaling, "TSC-CLU-008", "bring the feature into a smaller unit")
            }
            E::LabelCount { .. } => {
                (InvalidData, Stage::Clustering, "TSC-CLU-009", "pass one label per sample")
            }
            E::Range { .. } => (
                InvalidData,
                Stage::Clustering,
                "TSC-CLU-020",
                "scale the features before measuring distances",
            ),
            #[cfg(feature = "linfa")]
            E::TooManyClusters { .. } => {
                (Training, Stage::Clustering, "TSC-CLU-021", "add samples or ask for fewer clusters")
            }
            #[cfg(feature = "linfa")]
            E::NoConvergence { .. } => (
                Training,
                Stage::Clustering,
                "TSC-CLU-022",
                "raise max_iter or tol, or standardise the features",
            ),
            #[cfg(feature = "linfa")]
            E::CannotFit { .. } => (
                Training,
                Stage::Clustering,
                "TSC-CLU-023",
                "ask for fewer components, raise reg_covar, or clip outliers",
            ),
        };
        tsc_core::Error::typed(kind, stage, code, error).with_help(help)
    }
}
