use serde::{Deserialize, Serialize};

/// Milliseconds since the epoch, MLflow's unit; relative times use the same unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Milliseconds from `earlier` to here, saturating.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A duration with a unit, as configuration writes it: `500ms`, `30s`, `5m`, `24h`, `7d`.
///
/// # Examples
///
/// ```
/// use tsc_core::Millis;
/// assert_eq!("24h".parse::<Millis>().unwrap(), Millis(86_400_000));
/// assert_eq!(Millis(300_000).to_string(), "5m");
/// assert!("24".parse::<Millis>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl std::str::FromStr for Millis {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let bad = || {
            format!("{text:?} is no duration, write a whole number with ms, s, m, h or d, such as \"24h\"")
        };
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = text[..digits].parse().map_err(|_| bad())?;
        let unit = UNITS.iter().find(|(name, _)| *name == &text[digits..]).ok_or_else(bad)?;
        number.checked_mul(unit.1).filter(|ms| i64::try_from(*ms).is_ok()).map(Millis).ok_or_else(bad)
    }
}

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit =
            UNITS.iter().find(|(_, size)| self.0 != 0 && self.0.is_multiple_of(*size)).unwrap_or(&UNITS[3]);
        write!(f, "{}{}", self.0 / unit.1, unit.0)
    }
}

impl Serialize for Millis {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
