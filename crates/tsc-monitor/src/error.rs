use thiserror::Error;
use tsc_core::{ErrorKind, Stage};

#[derive(Debug, Error)]
pub(crate) enum MonitorError {
    #[error("the schema has {schema} features, the matrix has {matrix}")]
    SchemaWidth { schema: usize, matrix: usize },
    #[error("holdout_noise is {value}, must lie in 0..=1")]
    HoldoutNoise { value: f64 },
    #[error("holdout_rmse is {value}, must be finite and not negative")]
    HoldoutRmse { value: f64 },
    #[error("{column} has {got} entries, the batch has {n_samples} rows")]
    PredictionCount { column: &'static str, got: usize, n_samples: usize },
    #[error("batch_size is 0, must be at least 1")]
    BatchSize,
    #[error("the stored monitor state {problem}")]
    State { problem: &'static str },
}

impl From<MonitorError> for tsc_core::Error {
    #[cold]
    fn from(error: MonitorError) -> Self {
        use ErrorKind::{Artifact, InvalidConfig, InvalidData};
        use MonitorError as E;
        let (kind, code, help) = match error {
            E::SchemaWidth { .. } => {
                (InvalidData, "TSC-MON-002", "pass the schema of the matrix the models were fitted on")
            }
            E::HoldoutNoise { .. } | E::HoldoutRmse { .. } => {
                (InvalidData, "TSC-MON-003", "pass what was measured on held-out rows, or 0 rows of holdout")
            }
            E::PredictionCount { .. } => {
                (InvalidData, "TSC-MON-004", "pass the predictions of the same rows, in the same order")
            }
            E::BatchSize => (InvalidConfig, "TSC-MON-005", "set batch_size to 1 or more"),
            E::State { .. } => (
                Artifact,
                "TSC-MON-006",
                "start a new monitor, or restore the state stored with this version",
            ),
        };
        tsc_core::Error::typed(kind, Stage::Monitoring, code, error).with_help(help)
    }
}
