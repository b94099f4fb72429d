use thiserror::Error;
use tsc_core::{ErrorKind, Stage};

#[derive(Debug, Error)]
pub(crate) enum NeighborError {
    #[error("minkowski p is {p}, must be at least 1 and finite")]
    Minkowski { p: f64 },
    #[error("row {row} is all zero, its cosine distance is not defined")]
    ZeroRow { row: usize },
    #[error("haversine needs 2 columns (latitude, longitude in radians), got {n_features}")]
    HaversineWidth { n_features: usize },
    #[error("the range of feature {feature} makes {metric} distances overflow")]
    Overflow { feature: usize, metric: &'static str },
    #[error("{n_samples} rows are more than {max}")]
    TooManyRows { n_samples: usize, max: usize },
    #[error("the row has {got} features, the index holds {expected}")]
    Width { got: usize, expected: usize },
    #[error("feature {feature} of the row is not finite")]
    NotFinite { feature: usize },
    #[error("the distance between rows {a} and {b} is {distance}, back it is {back}")]
    BadDistance { a: usize, b: usize, distance: f64, back: f64 },
}

impl From<NeighborError> for tsc_core::Error {
    #[cold]
    fn from(error: NeighborError) -> Self {
        use NeighborError as E;
        let (kind, code, help) = match error {
            E::Minkowski { .. } => {
                (ErrorKind::InvalidConfig, "TSC-NBR-001", "set p to 1 or above, or choose another metric")
            }
            E::ZeroRow { .. } => {
                (ErrorKind::InvalidData, "TSC-NBR-002", "remove rows without direction, or use euclidean")
            }
            E::HaversineWidth { .. } => (
                ErrorKind::InvalidData,
                "TSC-NBR-003",
                "pass latitude and longitude in radians, or choose another metric",
            ),
            E::Overflow { .. } => {
                (ErrorKind::InvalidData, "TSC-NBR-004", "scale the feature before measuring distances")
            }
            E::TooManyRows { .. } => (ErrorKind::InvalidData, "TSC-NBR-005", "use fewer rows"),
            E::Width { .. } => {
                (ErrorKind::InvalidData, "TSC-NBR-006", "pass the features the index was built on, in order")
            }
            E::NotFinite { .. } => (ErrorKind::InvalidData, "TSC-NBR-007", "impute or remove the value"),
            E::BadDistance { .. } => (
                ErrorKind::InvalidData,
                "TSC-NBR-008",
                "a distance is finite, not negative, the same in both directions, and 0 from a row to itself",
            ),
        };
        tsc_core::Error::typed(kind, Stage::Clustering, code, error).with_help(help)
    }
}
