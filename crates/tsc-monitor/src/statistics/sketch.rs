use tsc_core::Result;

use super::Sample;
use crate::detectors::parameter;

/// A frozen reference column, by at most 4,096 of its order statistics: KS without sorting the reference.
///
/// # Examples
///
/// ```
/// use tsc_monitor::statistics::{Sample, Sketch};
/// let values: Vec<f64> = (0..1_000).map(f64::from).collect();
/// let sketch = Sketch::new(&Sample::new(&values)?, 100)?;
/// let shifted: Vec<f64> = values.iter().map(|v| v + 250.0).collect();
/// let (statistic, error) = sketch.kolmogorov_smirnov(&shifted);
/// assert!((statistic - 0.25).abs() <= error && error <= 0.011);
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sketch {
    /// Ascending, distinct.
    edges: Vec<f64>,
    /// Share of the reference at or below each edge.
    at_or_below: Vec<f64>,
}

impl Sketch {
    /// Keeps at most `points` order statistics, evenly spaced by rank. O(n).
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if `points` lies outside 1..=4,096.
    pub fn new(reference: &Sample, points: usize) -> Result<Self> {
        parameter((1..=4_096).contains(&points), "points", points as f64, "lie in 1..=4,096")?;
        let values = reference.values();
        let n = values.len();
        let points = points.min(n);
        let mut edges: Vec<f64> = (1..=points).map(|i| values[i * n / points - 1]).collect();
        edges.dedup();
        let at_or_below =
            edges.iter().map(|edge| values.partition_point(|v| v <= edge) as f64 / n as f64).collect();
        Ok(Self { edges, at_or_below })
    }

    /// Largest distance between both distribution functions at the kept values, and how far below the
    /// exact statistic it may lie: the largest share of the reference, or of the column, strictly
    /// between two of them, whichever is smaller.
    ///
    /// O(n log k) over k kept values, no sorting. Values that are not finite are left out; (0, 1) if none
    /// is left.
    #[must_use]
    pub fn kolmogorov_smirnov(&self, values: &[f64]) -> (f64, f64) {
        // Counts at each kept value, and strictly before it since the one before.
        let k = self.edges.len();
        let (mut on, mut between) = (vec![0_u64; k], vec![0_u64; k + 1]);
        for &value in values.iter().filter(|v| v.is_finite()) {
            let at = self.edges.partition_point(|edge| *edge < value);
            if self.edges.get(at) == Some(&value) {
                on[at] += 1;
            } else {
                between[at] += 1;
            }
        }
        let total: u64 = on.iter().chain(&between).sum();
        if total == 0 {
            return (0.0, 1.0);
        }
        let n = total as f64;
        let (mut seen, mut statistic, mut error) = (0, 0.0_f64, 0.0_f64);
        let mut reference = 0.0;
        for i in 0..k {
            seen += between[i] + on[i];
            statistic = statistic.max((self.at_or_below[i] - seen as f64 / n).abs());
            error = error.max((between[i] as f64 / n).max(self.at_or_below[i] - reference));
            reference = self.at_or_below[i];
        }
        // Beyond the largest kept value, which is the reference's own, only the column may have rows.
        (statistic, error)
    }
}
