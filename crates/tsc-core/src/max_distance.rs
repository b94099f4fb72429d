use serde::{Deserialize, Serialize};

use crate::Violation;

/// Quantile of a cluster's own distances that still counts as inside.
const QUANTILE: f64 = 0.99;
/// Measured on Gaussian mixtures with uniform background: keeps most of the border, lets little of the
/// background in; 2 and 3 let in many times more.
const FACTOR: f64 = 1.5;

/// How far a sample may be from a cluster and still join it: `"auto"`, `"none"` or a distance.
///
/// What the distance is measured to is the method's: a training sample, or a centre.
///
/// # Examples
///
/// ```
/// use tsc_core::MaxDistance;
/// // Of the distances 0, 1, .. 100 the 0.99 quantile is 99; a cluster of one sample takes the other's cap.
/// let own = [Some((0..=100).map(f64::from).collect()), None];
/// let caps = MaxDistance::Auto.caps(2, |cluster| MaxDistance::reach(101, own[cluster].clone()?));
/// assert_eq!(caps, [1.5 * 99.0, 1.5 * 99.0]);
/// assert_eq!(MaxDistance::None.caps(1, |_| None), [f64::INFINITY]);
/// ```
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
    /// A value that is not above 0 and finite.
    #[must_use]
    pub fn violation(self) -> Option<Violation> {
        match self {
            MaxDistance::Value(v) if !(v > 0.0 && v.is_finite()) => Some(Violation::new(
                "max_distance",
                format!("is {v}, must be above 0 and finite, auto or none"),
            )),
            _ => None,
        }
    }

    /// Cap of each cluster, infinite without one.
    ///
    /// `reach` gives a cluster's [reach](Self::reach), `None` if it has one sample; such a cluster takes
    /// the smallest cap of the others, and if no cluster has two samples there is no cap. Only `Auto` asks.
    #[must_use]
    pub fn caps(self, n_clusters: usize, reach: impl Fn(usize) -> Option<f64>) -> Vec<f64> {
        match self {
            MaxDistance::None => vec![f64::INFINITY; n_clusters],
            MaxDistance::Value(v) => vec![v; n_clusters],
            MaxDistance::Auto => {
                let known: Vec<Option<f64>> =
                    (0..n_clusters).map(|cluster| reach(cluster).map(|r| FACTOR * r)).collect();
                // A lone sample says nothing of its cluster's extent.
                let least = known.iter().flatten().copied().fold(f64::INFINITY, f64::min);
                known.into_iter().map(|cap| cap.unwrap_or(least)).collect()
            }
        }
    }

    /// How many of `n` distances decide the [reach](Self::reach), counted from the largest.
    #[must_use]
    pub fn deciding(n: usize) -> usize {
        n - below(n).min(n)
    }

    /// 0.99 quantile of `n` distances, of which at least the [deciding](Self::deciding) largest are given.
    ///
    /// Linear between order statistics, NumPy's default. `None` if there are fewer than two distances.
    #[must_use]
    pub fn reach(n: usize, mut largest: Vec<f64>) -> Option<f64> {
        if n < 2 {
            return None;
        }
        largest.sort_unstable_by(|a, b| b.total_cmp(a));
        let (low, high) =
            (*largest.get(n - 1 - below(n))?, *largest.get((n - 1 - below(n)).saturating_sub(1))?);
        Some(low + (high - low) * (QUANTILE * (n - 1) as f64 - below(n) as f64))
    }
}

/// Position of the order statistic at or below the quantile, from the smallest.
fn below(n: usize) -> usize {
    (QUANTILE * n.saturating_sub(1) as f64).floor() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.quantile([0, 1, 4, 9, ..], 0.99)` over 2, 3, 7, 150 squares.
    #[test]
    fn the_reach_is_numpys_quantile_and_the_largest_suffice() {
        for (n, expected) in [(2, 0.99), (3, 3.94), (7, 35.34), (150, 21_759.45)] {
            let squares: Vec<f64> = (0..n).map(|i| (i * i) as f64).collect();
            let got = MaxDistance::reach(n, squares.clone()).unwrap();
            assert!((got - expected).abs() < 1e-9, "{n}: {got}");
            let largest = squares[n - MaxDistance::deciding(n)..].to_vec();
            assert_eq!(MaxDistance::reach(n, largest), Some(got));
        }
        assert_eq!(MaxDistance::deciding(150), 3);
        assert_eq!(MaxDistance::reach(1, vec![1.0]), None);
        assert_eq!(MaxDistance::reach(0, Vec::new()), None);
    }
}
