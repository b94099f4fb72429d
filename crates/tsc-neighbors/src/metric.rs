use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::kernel::{Kernel, Space};

/// How the distance between two rows is measured.
///
/// Written as `"euclidean"` and so on in a configuration, and `{ minkowski = 3.0 }` with a parameter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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
    /// A distance of the caller's; compared with another by identity, and without a stored form.
    #[serde(skip)]
    Custom(Arc<dyn Distance>),
}

/// A distance between rows that is not among the built-in ones, such as dynamic time warping.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use tsc_neighbors::{Distance, Metric};
///
/// #[derive(Debug)]
/// struct Canberra;
/// impl Distance for Canberra {
///     fn distance(&self, a: &[f64], b: &[f64]) -> f64 {
///         let share = |(a, b): (&f64, &f64)| if a == b { 0.0 } else { (a - b).abs() / (a.abs() + b.abs()) };
///         a.iter().zip(b).map(share).sum()
///     }
/// }
/// assert_eq!(Metric::Custom(Arc::new(Canberra)).distance(&[1.0, 0.0], &[3.0, 0.0]), 0.5);
/// ```
pub trait Distance: fmt::Debug + Send + Sync {
    /// Symmetric, finite, not negative, and 0 for equal rows. Both rows are as wide as the matrix.
    fn distance(&self, a: &[f64], b: &[f64]) -> f64;

    /// Never above [`distance`](Self::distance), and cheaper: pairs that it excludes are not measured.
    fn lower_bound(&self, _a: &[f64], _b: &[f64]) -> f64 {
        0.0
    }
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Metric::Minkowski(a), Metric::Minkowski(b)) => a == b,
            (Metric::Custom(a), Metric::Custom(b)) => Arc::ptr_eq(a, b),
            _ => self.name() == other.name(),
        }
    }
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
        let kernel = match Kernel::of(self) {
            Ok(kernel) => kernel,
            Err(custom) => return custom.distance(a, b),
        };
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
            Metric::Custom(_) => "custom",
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
