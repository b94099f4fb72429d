use tsc_core::{Degraded, Error, ErrorKind, Stage};

/// A fault that `strict` does not tolerate.
#[cold]
pub(crate) fn strict(fault: &Degraded) -> Error {
    let (kind, code) = match fault.stage {
        Stage::Tracking => (ErrorKind::Tracking, "TSC-TRK-090"),
        _ => (ErrorKind::Prediction, "TSC-MOD-090"),
    };
    Error::new(kind, fault.stage, code, format!("{} ({})", fault.message, fault.code))
        .with_help("degradation.mode is strict; tolerant records such faults and goes on")
}

#[cold]
pub(crate) fn too_few_rows(have: usize, need: usize) -> Error {
    Error::new(
        ErrorKind::InvalidData,
        Stage::Input,
        "TSC-DAT-021",
        format!("the fit has {have} usable rows, needs {need}"),
    )
    .with_help("give more rows, or lower training.min_rows or hdbscan_params.min_cluster_size")
}

#[cold]
pub(crate) fn no_targets() -> Error {
    Error::new(ErrorKind::InvalidData, Stage::Input, "TSC-DAT-022", "the fit has no targets").with_help(
        "name their column in data.target, or add Batch::with_targets; NaN marks an unknown target",
    )
}

#[cold]
pub(crate) fn no_usable_row(n_samples: usize) -> Error {
    Error::new(
        ErrorKind::InvalidData,
        Stage::Input,
        "TSC-DAT-023",
        format!("none of the {n_samples} rows of the batch is usable: each holds a NaN or infinite cell"),
    )
    .with_help("correct the cells, or set data.on_invalid_batch = \"impute_median\"")
}

#[cold]
pub(crate) fn schema_mismatch() -> Error {
    Error::new(
        ErrorKind::InvalidData,
        Stage::Input,
        "TSC-DAT-024",
        "the features of the batch have other names, units or order than those of the fit",
    )
    .with_help("pass the columns of the training schema, in its order")
}

#[cold]
pub(crate) fn unit_mismatch(name: &str, given: &tsc_core::Unit, fitted: &tsc_core::Unit) -> Error {
    Error::new(
        ErrorKind::InvalidData,
        Stage::ResourceModel,
        "TSC-RES-090",
        format!("resource {name} comes in {given}, the model was fitted in {fitted}"),
    )
    .with_help("convert the values to the unit of the fit")
}
