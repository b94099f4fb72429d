use tsc_core::Result;

use crate::error::ClusterError;

/// Refuses values, row-major, whose squared distances would overflow.
///
/// No pair is farther apart than the corners of the box around all rows, rounding included.
pub(crate) fn check_squares(values: &[f64], n_features: usize) -> Result<()> {
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); n_features];
    for row in values.chunks_exact(n_features) {
        for ((low, high), &value) in ranges.iter_mut().zip(row) {
            *low = low.min(value);
            *high = high.max(value);
        }
    }
    let widths: Vec<f64> = ranges.iter().map(|(low, high)| (high - low).max(0.0)).collect();
    if widths.iter().map(|width| width * width).sum::<f64>().is_finite() {
        return Ok(());
    }
    let feature = (0..n_features).max_by(|&a, &b| widths[a].total_cmp(&widths[b]).then(b.cmp(&a)));
    Err(ClusterError::Range { feature: feature.unwrap_or(0) }.into())
}
