use serde::{Deserialize, Serialize};

use crate::kernel::Kernel;

/// How the distance between two rows is measured.
///
/// Written as `"euclidean"` and so on in a configuration, and `{ minkowski = 3.0 }` with a parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// Root of the summed squares.
    #[default]
    Euclidean,
    /// Sum of the absolute differences.
    Manhattan,
    /// Largest absolute difference.
    Chebyshev,
    /// `(sum |a - b|^p)^(1/p)`, p at least 1.
    Minkowski(f64),
    /// 1 - cosine of the angle, 0..=2; a row of zeros has none and is refused.
    Cosine,
    /// Great-circle angle in radians between (latitude, longitude) rows, also in radians.
    Haversine,
}

impl Metric {
    /// The distance that decides: symmetric to the bit, exactly 0 for equal rows.
    ///
    /// Summed over the features in their order. Cosine of a row of zeros is NaN here; an index refuses it.
    ///
    /// # Panics
    ///
    /// If the rows differ in length.
    ///
    /// # Examples
    ///
    /// ```
    /// use tsc_neighbors::Metric;
    /// assert_eq!(Metric::Euclidean.distance(&[0.0, 0.0], &[3.0, 4.0]), 5.0);
    /// assert_eq!(Metric::Manhattan.distance(&[0.0, 0.0], &[3.0, 4.0]), 7.0);
    /// assert_eq!(Metric::Chebyshev.distance(&[0.0, 0.0], &[3.0, 4.0]), 4.0);
    /// assert_eq!(Metric::Cosine.distance(&[1.0, 0.0], &[0.0, 2.0]), 1.0);
    /// ```
    #[must_use]
    pub fn distance(&self, a: &[f64], b: &[f64]) -> f64 {
        assert_eq!(a.len(), b.len(), "rows of one matrix have one width");
        let kernel = Kernel::of(self);
        let (mut a, mut b) = (a.to_vec(), b.to_vec());
        kernel.prepare(&mut a);
        kernel.prepare(&mut b);
        kernel.finish(kernel.reduced(&a, &b))
    }

    /// Name as in a configuration, without the parameter.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Metric::Euclidean => "euclidean",
            Metric::Manhattan => "manhattan",
            Metric::Chebyshev => "chebyshev",
            Metric::Minkowski(_) => "minkowski",
            Metric::Cosine => "cosine",
            Metric::Haversine => "haversine",
        }
    }

    /// What is wrong with the parameter, as a message that continues the key: `p is 0.5, must be ..`.
    #[must_use]
    pub fn violation(&self) -> Option<String> {
        match self {
            Metric::Minkowski(p) if !(*p >= 1.0 && p.is_finite()) => {
                Some(format!("minkowski p is {p}, must be at least 1 and finite"))
            }
            _ => None,
        }
    }
}
