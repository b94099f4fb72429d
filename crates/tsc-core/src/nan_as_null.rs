//! Serde for columns that may hold NaN: JSON has no NaN, so it is written as null and read back.
//!
//! Use with `#[serde(with = "tsc_core::nan_as_null")]` on a `Vec<f64>`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes NaN as null.
///
/// # Errors
///
/// Those of the serializer.
pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    let values: Vec<Option<f64>> = values.iter().map(|v| (!v.is_nan()).then_some(*v)).collect();
    values.serialize(serializer)
}

/// Reads null as NaN.
///
/// # Errors
///
/// Those of the deserializer.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let values = Vec::<Option<f64>>::deserialize(deserializer)?;
    Ok(values.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect())
}

/// The same for several columns: `#[serde(with = "tsc_core::nan_as_null::columns")]` on a `Vec<Vec<f64>>`.
pub mod columns {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Column(#[serde(with = "super")] Vec<f64>);

    /// Writes NaN as null.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(columns: &[Vec<f64>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(columns.iter().map(|column| Column(column.clone())))
    }

    /// Reads null as NaN.
    ///
    /// # Errors
    ///
    /// Those of the deserializer.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<f64>>, D::Error> {
        Ok(Vec::<Column>::deserialize(deserializer)?.into_iter().map(|column| column.0).collect())
    }
}
