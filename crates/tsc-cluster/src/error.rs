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
