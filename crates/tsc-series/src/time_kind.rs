use serde::{Deserialize, Serialize};

/// What the times of a table count from. One table has one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeKind {
    /// Milliseconds since the patient's admission.
    #[default]
    Relative,
    /// Milliseconds since 1970-01-01 00:00 UTC; dates without an offset are taken as they stand.
    Calendar,
}
