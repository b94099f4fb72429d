use tsc_core::Result;

use crate::error::MonitorError;

/// Area under the ROC curve of scores that should tell current rows from reference rows; 0.5 if they
/// cannot.
///
/// The probability that a current row scores higher than a reference row, ties counting half: for a
/// domain classifier of the caller's. O(n log n).
///
/// # Errors
///
/// `InvalidData` if a side is empty or a score is not finite.
///
/// # Examples
///
/// ```
/// let area = tsc_monitor::statistics::area_under_roc(&[0.1, 0.5], &[0.5, 0.9])?;
/// assert_eq!(area, 0.875); // 3 of 4 pairs in order, one tie
/// # Ok::<(), tsc_core::Error>(())
/// ```
pub fn area_under_roc(reference: &[f64], current: &[f64]) -> Result<f64> {
    let sides = [reference, current];
    if sides.iter().any(|scores| scores.is_empty()) {
        return Err(MonitorError::EmptySample.into());
    }
    if let Some(at) = sides.iter().find_map(|scores| scores.iter().position(|v| !v.is_finite())) {
        return Err(MonitorError::SampleValue { at }.into());
    }
    let mut all: Vec<(f64, bool)> =
        reference.iter().map(|&v| (v, false)).chain(current.iter().map(|&v| (v, true))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut area) = (0, 0.0);
    for tied in all.chunk_by(|a, b| a.0 == b.0) {
        let current = tied.iter().filter(|it| it.1).count();
        let reference = tied.len() - current;
        area += current as f64 * (below as f64 + reference as f64 / 2.0);
        below += reference;
    }
    Ok(area / (reference.len() as f64 * current.len() as f64))
}
