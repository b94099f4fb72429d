use serde::{Deserialize, Serialize};

/// How the values of one bin or window become one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Aggregate {
    /// Their mean.
    #[default]
    Mean,
    /// The latest.
    Last,
    /// The earliest.
    First,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// Their sum: of amounts, such as urine.
    Sum,
    /// Their number.
    Count,
    /// 1 if one of them is not 0, else 0.
    Any,
}
