use serde::{Deserialize, Serialize};
use tsc_core::Violation;

/// Quantile of a cluster's own distances that still counts as inside.
const QUANTILE: f64 = 0.99;
/// Measured on Gaussian mixtures with uniform background: keeps most of the border, lets little of the
/// background in; 2 and 3 let in many times more.
const FACTOR: f64 = 1.5;

/// How far a sample may be from the training samples: `"auto"`, `"none"` or a distance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Spelled", into = "Spelled")]
pub enum MaxDistance {
    /// Per cluster, 1.5 times the 0.99 quantile of its own distances.
    #[default]
    Auto,
    /// No cap: every sample gets a cluster, however far it is.
    None,
    /// One cap for all clusters, in the metric's unit, above 0.
    Value(f64),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelled {
    Word(Word),
    Value(f64),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Auto,
    None,
}

impl From<Spelled> for MaxDistance {
    fn from(spelled: Spelled) -> Self {
        match spelled {
            Spelled::Word(Word::Auto) => MaxDistance::Auto,
            Spelled::Word(Word::None) => MaxDistance::None,
            Spelled::Value(v) => MaxDistance::Value(v),
        }
    }
}

impl From<MaxDistance> for Spelled {
    fn from(cap: MaxDistance) -> Self {
        match cap {
            MaxDistance::Auto => Spelled::Word(Word::Auto),
            MaxDistance::None => Spelled::Word(Word::None),
            MaxDistance::Value(v) => Spelled::Value(v),
        }
    }
}

impl MaxDistance {
    pub(crate) fn violation(self) -> Option<Violation> {
        match self {
            MaxDistance::Value(v) if !(v > 0.0 && v.is_finite()) => Some(Violation::new(
                "max_distance",
                format!("is {v}, must be above 0 and finite, auto or none"),
            )),
            _ => None,
        }
    }

    /// Cap of each label. `own` gives a label's own distances, empty if one sample has none.
    pub(crate) fn caps(self, n_labels: usize, own: impl Fn(usize) -> Vec<f64>) -> Vec<f64> {
        match self {
            MaxDistance::None => vec![f64::INFINITY; n_labels],
            MaxDistance::Value(v) => vec![v; n_labels],
            MaxDistance::Auto => {
                let known: Vec<Option<f64>> =
                    (0..n_labels).map(|label| quantile(own(label)).map(|q| FACTOR * q)).collect();
                // A lone sample says nothing of its cluster's extent.
                let least = known.iter().flatten().copied().fold(f64::INFINITY, f64::min);
                known.into_iter().map(|cap| cap.unwrap_or(least)).collect()
            }
        }
    }
}

/// Linear interpolation between order statistics, NumPy's default.
fn quantile(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = QUANTILE * last as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(last);
    Some(values[below] + (values[above] - values[below]) * (at - below as f64))
}
