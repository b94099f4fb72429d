use tsc_core::{Error, ErrorKind, Stage};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelsError {
    #[error("this build cannot fit the {backend} backend: the feature `{feature}` of tsc-models is off")]
    #[cfg_attr(
        all(feature = "lightgbm", feature = "linear"),
        expect(dead_code, reason = "only a build without one of the backends raises it")
    )]
    NoFeature { backend: &'static str, feature: &'static str },
    #[error("LightGBM refused {action}: {message}")]
    #[cfg_attr(not(feature = "lightgbm"), expect(dead_code, reason = "only the build with C++ raises it"))]
    LightGbm { action: &'static str, message: String },
    #[cfg_attr(not(feature = "lightgbm"), expect(dead_code, reason = "only the build with C++ raises it"))]
    #[error("the target of row {row} is outside the domain of objective {objective}: {domain}")]
    TargetDomain { row: usize, objective: &'static str, domain: &'static str },
    #[error("the fit was stopped: {}", told(*reason))]
    Stopped { reason: tsc_core::StopReason },
    #[error("model text, line {line}: {message}")]
    Text { line: usize, message: String },
    #[error("{have} {what}, needs {need}")]
    TooFew { what: &'static str, have: usize, need: usize },
    #[error("label {label} at row {row} names no cluster: there are {n_clusters}")]
    LabelOutOfRange { label: i32, row: usize, n_clusters: usize },
    #[error("selection = shrink weighs clusters by inner folds, and there is none")]
    ShrinkWithoutFolds,
    #[error("{what} has {have} entries, the matrix has {need} rows")]
    Length { what: &'static str, have: usize, need: usize },
    #[error("the plain forecast {name} has {have} entries, the matrix has {need} rows")]
    Reference { name: String, have: usize, need: usize },
    #[error("{what} at row {row} is {problem}")]
    Value { what: &'static str, row: usize, problem: &'static str },
    #[error("the row has {have} features, the model was fitted on {need}")]
    RowWidth { have: usize, need: usize },
    #[error("{0}")]
    #[cfg_attr(not(feature = "linear"), expect(dead_code, reason = "only the linear backend raises it"))]
    Linear(String),
    #[error("the {what} backend cannot fit {lacking}")]
    Lacks { what: &'static str, lacking: &'static str },
    #[error("models cannot be put together: {0}")]
    Blend(String),
    #[error("the model cannot be explained: {0}")]
    Unexplained(String),
    #[error("the models of the folds differ in width, or there is none")]
    Widths,
    #[error("the fit panicked: {0}")]
    Panicked(String),
    #[error("resource {kind} is negative at row {row}, and log1p needs values of at least 0")]
    NegativeResource { kind: String, row: usize },
    #[error("resource {kind} is given in {given}, the model was fitted in {fitted}")]
    Unit { kind: String, given: String, fitted: String },
    #[error("resource key {0:?} has no column in the training batch")]
    NoSuchColumn(String),
}

fn told(reason: tsc_core::StopReason) -> &'static str {
    match reason {
        tsc_core::StopReason::Cancelled => "cancelled",
        tsc_core::StopReason::Deadline => "deadline",
        _ => "asked to",
    }
}

impl From<ModelsError> for Error {
    #[cold]
    fn from(source: ModelsError) -> Self {
        use ErrorKind::{Artifact, InvalidConfig, InvalidData, Prediction, Training};
        use ModelsError as M;
        let (kind, code, help) = match &source {
            M::NoFeature { .. } => {
                (InvalidConfig, "TSC-MOD-003", "build with the feature, or choose another backend")
            }
            M::LightGbm { .. } => (
                Training,
                "TSC-MOD-004",
                "change the parameter the message names, or give more training rows",
            ),
            M::TargetDomain { .. } => {
                (InvalidData, "TSC-MOD-005", "choose an objective whose domain holds the target")
            }
            M::Stopped { .. } => (Training, "TSC-MOD-006", "allow more time, or fit fewer rounds"),
            M::TooFew { .. } => (InvalidData, "TSC-MOD-007", "give more rows with a known target"),
            M::Text { .. } => (
                Artifact,
                "TSC-MOD-008",
                "use the text of a LightGBM 4 model for regression or binary targets, unchanged",
            ),
            M::LabelOutOfRange { .. } => {
                (InvalidData, "TSC-MOD-009", "pass the labels of the clusterer the models belong to")
            }
            M::ShrinkWithoutFolds => (
                InvalidConfig,
                "TSC-MOD-010",
                "set training.folds to at least 1, or models.selection to own or pooled",
            ),
            M::Length { .. } | M::Reference { .. } | M::Value { .. } => {
                (InvalidData, "TSC-MOD-011", "give every column one usable entry per row")
            }
            M::RowWidth { .. } => {
                (InvalidData, "TSC-MOD-012", "pass the features of the training schema, in its order")
            }
            M::Linear(_) => {
                (Training, "TSC-MOD-013", "raise the penalty, which also keeps dependent columns apart")
            }
            M::Lacks { .. } => {
                (InvalidConfig, "TSC-MOD-014", "ask Regressor::capabilities first, or use another backend")
            }
            M::Blend(_) => (InvalidData, "TSC-MOD-016", "use models of one schema and one objective"),
            M::Unexplained(_) => (
                Prediction,
                "TSC-MOD-017",
                "fit with a smaller max_depth, or use the text as LightGBM wrote it",
            ),
            M::Widths => (Training, "TSC-MOD-019", "report the backend, whose models must keep its width"),
            M::Panicked(_) => (Training, "TSC-MOD-015", "report the input shape to the backend's author"),
            M::NegativeResource { .. } => {
                (InvalidData, "TSC-RES-001", "mark the cell as missing with NaN, or use transform = identity")
            }
            M::Unit { .. } => (InvalidData, "TSC-RES-002", "convert the column to the unit of the model"),
            M::NoSuchColumn(_) => {
                (InvalidConfig, "TSC-RES-003", "remove the key, or supply the resource column")
            }
        };
        let kind = match source {
            M::RowWidth { .. } => Prediction,
            _ => kind,
        };
        let stage = match source {
            M::NegativeResource { .. } | M::Unit { .. } | M::NoSuchColumn(_) => Stage::ResourceModel,
            M::Text { .. } => Stage::Storage,
            _ => Stage::TimeSeriesModel,
        };
        Error::typed(kind, stage, code, source).with_help(help)
    }
}
