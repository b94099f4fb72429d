//! Values in another unit than the variable's.

use serde::{Deserialize, Serialize};
use tsc_core::Unit;

/// A unit that values of the input are in, and how they become the variable's: `value * factor + offset`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversion {
    /// Unit of the input, such as `F`.
    pub from: Unit,
    /// Default: that of a shipped conversion of these units, or 1 if `offset` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// Default: that of a shipped conversion, or 0 if `factor` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
}

/// `value * factor + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Linear {
    pub(crate) factor: f64,
    pub(crate) offset: f64,
}

impl Linear {
    pub(crate) fn apply(self, value: f64) -> f64 {
        value * self.factor + self.offset
    }

    /// The value that `apply` takes to `value`.
    pub(crate) fn invert(self, value: f64) -> f64 {
        (value - self.offset) / self.factor
    }
}

/// A conversion that comes with the crate; no names means any variable.
pub(crate) struct Shipped {
    names: &'static [&'static str],
    pub(crate) from: &'static str,
    to: &'static str,
    pub(crate) linear: Linear,
}

const fn scale(names: &'static [&'static str], from: &'static str, to: &'static str, factor: f64) -> Shipped {
    Shipped { names, from, to, linear: Linear { factor, offset: 0.0 } }
}

const SHIPPED: [Shipped; 8] = [
    Shipped { names: &[], from: "F", to: "C", linear: Linear { factor: 5.0 / 9.0, offset: -160.0 / 9.0 } },
    scale(&[], "inch", "cm", 2.54),
    scale(&[], "lb", "kg", 0.453_592_37),
    scale(&[], "kPa", "mmHg", 7.500_62),
    scale(&[], "%", "ratio", 0.01),
    // Molar mass decides, so these hold for one substance each: 113.1, 584.7 and 180.16 g/mol.
    scale(&["Creatinine", "crea"], "umol/L", "mg/dL", 1.0 / 88.42),
    scale(&["Bilirubin", "bili", "bili_dir"], "umol/L", "mg/dL", 1.0 / 17.1),
    scale(&["Glucose", "glu"], "mmol/L", "mg/dL", 18.016),
];

/// The shipped conversions into a variable's unit.
pub(crate) fn shipped<'a>(
    variable: &'a str,
    unit: Option<&Unit>,
) -> impl Iterator<Item = &'static Shipped> + 'a {
    let to = unit.map(ToString::to_string);
    let fits = move |it: &&Shipped| {
        to.as_deref() == Some(it.to) && (it.names.is_empty() || it.names.contains(&variable))
    };
    SHIPPED.iter().filter(fits)
}

impl Conversion {
    /// Factor and offset; `None` if neither is given and none is shipped.
    pub(crate) fn linear(&self, variable: &str, unit: Option<&Unit>) -> Option<Linear> {
        match (self.factor, self.offset) {
            (None, None) => {
                let from = self.from.to_string();
                shipped(variable, unit).find(|it| it.from == from).map(|it| it.linear)
            }
            (factor, offset) => Some(Linear { factor: factor.unwrap_or(1.0), offset: offset.unwrap_or(0.0) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected: 98.6 F = 37 C; 6 ft = 182.88 cm; 40 mmHg = 5.3329 kPa (NIST SP 811); 1 mg/dL creatinine = 88.42
    // umol/L, 1 mg/dL bilirubin = 17.1 umol/L, 5.55 mmol/L glucose = 100 mg/dL.
    #[test]
    fn shipped_conversions_agree_with_known_pairs() {
        for (variable, from, to, value, expected) in [
            ("Temp", "F", "C", 98.6, 37.0),
            ("Height", "inch", "cm", 72.0, 182.88),
            ("Weight", "lb", "kg", 220.462_262, 100.0),
            ("PaCO2", "kPa", "mmHg", 5.332_9, 40.0),
            ("FiO2", "%", "ratio", 21.0, 0.21),
            ("Creatinine", "umol/L", "mg/dL", 88.42, 1.0),
            ("Bilirubin", "umol/L", "mg/dL", 17.1, 1.0),
            ("Glucose", "mmol/L", "mg/dL", 5.55, 100.0),
        ] {
            let conversion = Conversion { from: from.parse().unwrap(), factor: None, offset: None };
            let linear = conversion.linear(variable, Some(&to.parse().unwrap())).unwrap();
            assert!((linear.apply(value) - expected).abs() < 2e-3 * expected, "{variable}");
            assert!((linear.invert(linear.apply(value)) - value).abs() < 1e-9 * value, "{variable}");
        }
        let other = Conversion { from: "umol/L".parse().unwrap(), factor: None, offset: None };
        assert_eq!(other.linear("Lactate", Some(&"mg/dL".parse().unwrap())), None);
    }
}
