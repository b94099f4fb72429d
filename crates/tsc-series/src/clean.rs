//! What happens to one value: sentinel, then range.

use crate::quality::Reason;
use crate::variables::VariableSpec;

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cleaned {
    Kept(f64),
    Clamped(f64),
    /// The stand-in of a value that only says "a few".
    Censored(f64),
    Rejected(Reason),
}

pub(crate) fn clean(value: f64, spec: &VariableSpec) -> Cleaned {
    if !value.is_finite() {
        return Cleaned::Rejected(Reason::NonFinite);
    }
    if spec.sentinels.contains(&value) {
        return Cleaned::Rejected(Reason::Sentinel);
    }
    if let Some(censored) = spec.censored
        && censored.sentinel == value
    {
        return Cleaned::Censored(censored.value);
    }
    if let Some([low, high]) = spec.outlier
        && !(low..=high).contains(&value)
    {
        return Cleaned::Rejected(Reason::OutOfRange);
    }
    match spec.valid {
        Some([low, high]) if !(low..=high).contains(&value) => Cleaned::Clamped(value.clamp(low, high)),
        _ => Cleaned::Kept(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VariableTable;

    #[track_caller]
    fn check(variable: &str, value: f64, expected: Cleaned) {
        assert_eq!(clean(value, VariableTable::icu().get(variable).unwrap()), expected);
    }

    // The bounds are those of the published table; both ends are inside.
    #[test]
    fn outside_outlier_is_missing_and_between_outlier_and_valid_is_clamped() {
        check("HR", 0.99, Cleaned::Rejected(Reason::OutOfRange));
        check("HR", 1.0, Cleaned::Clamped(10.0));
        check("HR", 10.0, Cleaned::Kept(10.0));
        check("HR", 300.0, Cleaned::Kept(300.0));
        check("HR", 390.0, Cleaned::Clamped(300.0));
        check("HR", 390.1, Cleaned::Rejected(Reason::OutOfRange));
        check("Temp", -17.8, Cleaned::Rejected(Reason::OutOfRange));
        check("pH", 735.0, Cleaned::Rejected(Reason::OutOfRange));
        check("GCS", 2.0, Cleaned::Rejected(Reason::OutOfRange));
    }

    #[test]
    fn a_sentinel_is_recognised_before_the_range() {
        check("Height", -1.0, Cleaned::Rejected(Reason::Sentinel));
        check("Length_of_stay", -1.0, Cleaned::Rejected(Reason::Sentinel));
        check("HR", -1.0, Cleaned::Rejected(Reason::OutOfRange));
    }

    #[test]
    fn a_non_finite_value_is_rejected() {
        check("HR", f64::NAN, Cleaned::Rejected(Reason::NonFinite));
        check("Survival", f64::INFINITY, Cleaned::Rejected(Reason::NonFinite));
    }
}
