//! What happens to one value: sentinel, unit, repair, range, in this order.

use serde::{Deserialize, Serialize};

use crate::conversion::Linear;
use crate::quality::Reason;
use crate::variables::{Censored, Repair, VariableSpec};

/// What becomes of a value between `outlier` and `valid`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeAction {
    /// It is set to the nearer bound.
    #[default]
    Clamp,
    /// It is missing.
    Missing,
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cleaned {
    Kept(f64),
    Clamped(f64),
    Repaired(f64),
    /// The stand-in of a value that only says "a few".
    Censored(f64),
    /// With the value in the variable's unit.
    OutOfRange(f64),
    Rejected(Reason),
}

/// The rules of one variable.
#[derive(Clone, Debug)]
pub(crate) struct Cleaning {
    sentinels: Vec<f64>,
    censored: Option<Censored>,
    convert: Option<Linear>,
    repair: Option<Repair>,
    outlier: [f64; 2],
    valid: [f64; 2],
    action: RangeAction,
}

const UNBOUNDED: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];

impl Cleaning {
    /// Values that are in another unit row by row are converted before: see `by_row`.
    pub(crate) fn of(spec: &VariableSpec, action: RangeAction, repair: bool, by_row: bool) -> Self {
        let conversion = spec.convert.first().filter(|_| !by_row);
        let outlier = spec.outlier.unwrap_or(UNBOUNDED);
        Self {
            sentinels: spec.sentinels.clone(),
            censored: spec.censored,
            convert: conversion.and_then(|c| c.linear(&spec.name, spec.unit.as_ref())),
            repair: spec.repair.filter(|_| repair),
            outlier,
            valid: spec.valid.unwrap_or(outlier),
            action,
        }
    }

    /// The value in the variable's unit.
    pub(crate) fn in_unit(&self, value: f64) -> f64 {
        self.convert.map_or(value, |convert| convert.apply(value))
    }

    #[inline]
    pub(crate) fn clean(&self, value: f64) -> Cleaned {
        if !value.is_finite() {
            return Cleaned::Rejected(Reason::NonFinite);
        }
        if self.sentinels.contains(&value) {
            return Cleaned::Rejected(Reason::Sentinel);
        }
        if let Some(censored) = self.censored
            && censored.sentinel == value
        {
            return Cleaned::Censored(censored.value);
        }
        let value = self.in_unit(value);
        let within = |[low, high]: [f64; 2], value: f64| low <= value && value <= high;
        if let Some(repair) = self.repair
            && within(repair.between, value)
            && within(self.valid, value * repair.factor)
        {
            return Cleaned::Repaired(value * repair.factor);
        }
        if within(self.valid, value) {
            Cleaned::Kept(value)
        } else if within(self.outlier, value) && self.action == RangeAction::Clamp {
            Cleaned::Clamped(value.clamp(self.valid[0], self.valid[1]))
        } else {
            Cleaned::OutOfRange(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VariableTable;

    #[track_caller]
    fn check(variable: &str, value: f64, expected: Cleaned) {
        let icu = VariableTable::icu();
        let cleaning = Cleaning::of(icu.get(variable).unwrap(), RangeAction::Clamp, false, false);
        assert_eq!(cleaning.clean(value), expected);
    }

    // The bounds are those of the published table; both ends are inside.
    #[test]
    fn outside_outlier_is_missing_and_between_outlier_and_valid_is_clamped() {
        check("HR", 0.99, Cleaned::OutOfRange(0.99));
        check("HR", 1.0, Cleaned::Clamped(10.0));
        check("HR", 10.0, Cleaned::Kept(10.0));
        check("HR", 300.0, Cleaned::Kept(300.0));
        check("HR", 390.0, Cleaned::Clamped(300.0));
        check("HR", 390.1, Cleaned::OutOfRange(390.1));
        check("Temp", -17.8, Cleaned::OutOfRange(-17.8));
        check("pH", 735.0, Cleaned::OutOfRange(735.0));
        check("GCS", 2.0, Cleaned::OutOfRange(2.0));
    }

    #[test]
    fn a_sentinel_is_recognised_before_the_range() {
        check("Height", -1.0, Cleaned::Rejected(Reason::Sentinel));
        check("Length_of_stay", -1.0, Cleaned::Rejected(Reason::Sentinel));
        check("HR", -1.0, Cleaned::OutOfRange(-1.0));
    }

    #[test]
    fn a_non_finite_value_is_rejected() {
        check("HR", f64::NAN, Cleaned::Rejected(Reason::NonFinite));
        check("Survival", f64::INFINITY, Cleaned::Rejected(Reason::NonFinite));
    }

    #[test]
    fn the_other_range_action_leaves_nothing_clamped() {
        let icu = VariableTable::icu();
        let cleaning = Cleaning::of(icu.get("HR").unwrap(), RangeAction::Missing, false, false);
        assert_eq!(cleaning.clean(350.0), Cleaned::OutOfRange(350.0));
        assert_eq!(cleaning.clean(300.0), Cleaned::Kept(300.0));
    }

    // A height of 365.8 cm is 144.0 cm taken for inches: 365.8 / 2.54 = 144.016.
    #[test]
    fn repairs_are_made_on_demand_only() {
        let icu = VariableTable::icu();
        let cleaned = |name: &str, repair, value| {
            Cleaning::of(icu.get(name).unwrap(), RangeAction::Clamp, repair, false).clean(value)
        };
        assert_eq!(cleaned("Height", false, 365.8), Cleaned::OutOfRange(365.8));
        assert!(
            matches!(cleaned("Height", true, 365.8), Cleaned::Repaired(cm) if (cm - 144.016).abs() < 1e-3)
        );
        assert!(matches!(cleaned("pH", true, 735.0), Cleaned::Repaired(ph) if (ph - 7.35).abs() < 1e-12));
        assert_eq!(cleaned("pH", true, 7.35), Cleaned::Kept(7.35));
    }

    /// The sentinel is recognised before the unit, the range after it.
    #[test]
    fn a_converted_value_is_ranged_in_the_variables_unit() {
        let toml = r#"variables = [{ name = "Temp", unit = "C", sentinels = [-1], convert = [{ from = "F" }], outlier = [20, 47] }]"#;
        let table = VariableTable::from_toml(toml).unwrap();
        let cleaning = Cleaning::of(table.get("Temp").unwrap(), RangeAction::Clamp, false, false);
        assert!(matches!(cleaning.clean(98.6), Cleaned::Kept(c) if (c - 37.0).abs() < 1e-12));
        assert!(matches!(cleaning.clean(37.0), Cleaned::OutOfRange(_)));
        assert_eq!(cleaning.clean(-1.0), Cleaned::Rejected(Reason::Sentinel));
    }
}
