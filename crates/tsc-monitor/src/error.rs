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
    #[error("a label names cluster {id}, the reference has {n_clusters}")]
    UnknownCluster { id: i32, n_clusters: usize },
    #[error("batch_size is 0, must be at least 1")]
    BatchSize,
    #[error("the stored monitor state {problem}")]
    State { problem: &'static str },
    #[error("alerts cannot be written to {sink}")]
    Sink { sink: String, source: std::io::Error },
    #[error("{most} silences hold at once, no more are taken")]
    Silences { most: usize },
    #[error("the stored state is of {stored}, needs {detector}")]
    OtherDetector { stored: String, detector: &'static str },
    #[error("the stored state of {detector} {problem}")]
    DetectorState { detector: &'static str, problem: &'static str },
    #[error("a sample has no value, needs at least 1")]
    EmptySample,
    #[error("value {at} of a sample is not finite")]
    SampleValue { at: usize },
    #[error("the rows of counts have {reference} and {current} cells, must have as many and at least 1")]
    CountCells { reference: usize, current: usize },
    #[error("a row of counts adds up to {total}, must lie in 1..=2^52")]
    CountTotal { total: u64 },
    #[error("the matrices have {first} and {second} columns, must have as many")]
    MatrixWidths { first: usize, second: usize },
    #[error("{statistic} got {got} rows, needs at least {needed}")]
    TooFewRows { statistic: &'static str, got: usize, needed: usize },
    #[error("{statistic}: {problem}")]
    Undefined { statistic: &'static str, problem: &'static str },
    #[error("{name} is {value}, must {bound}")]
    Parameter { name: &'static str, value: f64, bound: &'static str },
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
            E::UnknownCluster { .. } => {
                (InvalidData, "TSC-MON-011", "pass the labels of the models the reference belongs to")
            }
            E::BatchSize => (InvalidConfig, "TSC-MON-005", "set batch_size to 1 or more"),
            E::State { .. } => (
                Artifact,
                "TSC-MON-006",
                "start a new monitor, or restore the state stored with this version",
            ),
            E::OtherDetector { .. } | E::DetectorState { .. } => (
                Artifact,
                "TSC-MON-007",
                "start a new detector, or restore a state stored with the same parameters",
            ),
            E::EmptySample | E::SampleValue { .. } | E::CountCells { .. } | E::CountTotal { .. } => {
                (InvalidData, "TSC-MON-009", "pass finite values, or two rows of counts over the same cells")
            }
            E::MatrixWidths { .. } | E::TooFewRows { .. } | E::Undefined { .. } => {
                (InvalidData, "TSC-MON-010", "compare matrices of the same columns, with enough rows")
            }
            E::Sink { .. } => (Artifact, "TSC-MON-012", "see that the target exists and has room"),
            E::Silences { .. } => (InvalidConfig, "TSC-MON-013", "let some silences end first"),
            E::Parameter { .. } => (InvalidConfig, "TSC-MON-008", "set it to a value inside its bound"),
        };
        tsc_core::Error::typed(kind, Stage::Monitoring, code, error).with_help(help)
    }
}
