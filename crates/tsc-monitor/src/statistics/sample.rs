use tsc_core::Result;

use crate::error::MonitorError;

/// A sorted column of finite values, at least one.
///
/// # Examples
///
/// ```
/// use tsc_monitor::statistics::Sample;
/// assert_eq!(Sample::new(&[2.0, 1.0])?.values(), [1.0, 2.0]);
/// assert!(Sample::new(&[]).is_err() && Sample::new(&[f64::NAN]).is_err());
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// Sorts a copy of `values`. O(n log n).
    ///
    /// # Errors
    ///
    /// `InvalidData` if there is no value, or one is not finite; it is named by position.
    pub fn new(values: &[f64]) -> Result<Self> {
        if values.is_empty() {
            return Err(MonitorError::EmptySample.into());
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(MonitorError::SampleValue { at }.into());
        }
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        Ok(Self(sorted))
    }

    /// The values, ascending.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// Number of values, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a sample is never empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Each distinct value of both samples, ascending, with how often each sample holds it.
pub(super) fn merged<'a>(a: &'a Sample, b: &'a Sample) -> impl Iterator<Item = (f64, usize, usize)> + 'a {
    let (a, b) = (a.values(), b.values());
    let (mut i, mut j) = (0, 0);
    std::iter::from_fn(move || {
        let at = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => x.min(*y),
            (Some(x), None) | (None, Some(x)) => *x,
            (None, None) => return None,
        };
        let (from_a, from_b) = (i, j);
        while a.get(i).is_some_and(|x| *x <= at) {
            i += 1;
        }
        while b.get(j).is_some_and(|x| *x <= at) {
            j += 1;
        }
        Some((at, i - from_a, j - from_b))
    })
}
