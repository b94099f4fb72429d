use tsc_core::{Error, ErrorKind, ResourceKind, Stage, Unit};

#[derive(Debug, thiserror::Error)]
pub(crate) enum RetrainError {
    #[error("stored state is of policy {found:?}, this policy is {expected:?}")]
    ForeignState { found: String, expected: &'static str },
    #[error("stored state of policy {policy:?} is damaged: {what}")]
    DamagedState { policy: &'static str, what: String },
    #[error("batch has {found} features, the window has {expected}")]
    WindowWidth { found: usize, expected: usize },
    #[error("resource {kind} is in {found}, the window holds it in {expected}")]
    ResourceUnit { kind: ResourceKind, found: Unit, expected: Unit },
    #[error("{what} has {found} entries, the holdout has {expected} rows")]
    HoldoutShape { what: &'static str, found: usize, expected: usize },
    #[error("{values} values and {n_features} features make no whole matrix of centres")]
    CentreShape { values: usize, n_features: usize },
    #[error("centre value {position} is not finite")]
    CentreValue { position: usize },
}

impl From<RetrainError> for Error {
    #[cold]
    fn from(error: RetrainError) -> Self {
        use RetrainError as E;
        let (kind, code, help) = match &error {
            E::ForeignState { .. } => {
                (ErrorKind::Artifact, "TSC-RTR-002", "load the state with the policy that wrote it")
            }
            E::DamagedState { .. } => {
                (ErrorKind::Artifact, "TSC-RTR-003", "start without the stored policy state")
            }
            E::WindowWidth { .. } => (
                ErrorKind::InvalidData,
                "TSC-RTR-004",
                "pass the features of the training schema, in its order",
            ),
            E::ResourceUnit { .. } => {
                (ErrorKind::InvalidData, "TSC-RTR-005", "convert the column, or start with an empty window")
            }
            E::HoldoutShape { .. } => {
                (ErrorKind::InvalidData, "TSC-RTR-006", "score the same held-out rows with both versions")
            }
            E::CentreShape { .. } | E::CentreValue { .. } => (
                ErrorKind::InvalidData,
                "TSC-RTR-007",
                "pass the centres row by row, finite and of equal width",
            ),
        };
        Error::typed(kind, Stage::Retraining, code, error).with_help(help)
    }
}
