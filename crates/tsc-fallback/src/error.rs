use thiserror::Error;
use tsc_core::{ErrorKind, Label, Stage};

#[derive(Debug, Error)]
pub(crate) enum FallbackError {
    #[error("none of {n_samples} samples has a cluster to learn from")]
    NoLabelledSample { n_samples: usize },
    #[error("the centroid of cluster {label} is all zero, its cosine distance is not defined")]
    NoDirection { label: Label },
    #[error("the sum of feature {feature} over cluster {label} overflows")]
    Overflow { feature: usize, label: Label },
}

impl From<FallbackError> for tsc_core::Error {
    #[cold]
    fn from(error: FallbackError) -> Self {
        use FallbackError as E;
        let (kind, code, help) = match error {
            E::NoLabelledSample { .. } => (
                ErrorKind::Training,
                "TSC-FBK-001",
                "without clusters there is nothing to fall back to; the pooled model serves every sample",
            ),
            E::NoDirection { .. } => {
                (ErrorKind::Training, "TSC-FBK-003", "use euclidean, or k nearest neighbours")
            }
            E::Overflow { .. } => {
                (ErrorKind::InvalidData, "TSC-FBK-004", "bring the feature into a smaller unit")
            }
        };
        tsc_core::Error::typed(kind, Stage::Fallback, code, error).with_help(help)
    }
}
