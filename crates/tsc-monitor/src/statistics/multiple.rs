use tsc_core::stats::benjamini_hochberg;

/// Holm's adjusted p-values, in the order given.
///
/// Rejecting below alpha keeps the probability of any false rejection below alpha, however the tests
/// depend on each other. O(m log m).
///
/// # Examples
///
/// ```
/// let adjusted = tsc_monitor::statistics::holm(&[0.04, 0.01]);
/// assert_eq!(adjusted, [0.04, 0.02]);
/// ```
///
/// Source: Holm, Scand. J. Stat. 6 (1979), 65-70.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        largest = largest.max(p[i] * (p.len() - rank) as f64).min(1.0);
        adjusted[i] = largest;
    }
    adjusted
}

/// Benjamini-Yekutieli adjusted p-values, in the order given.
///
/// Benjamini-Hochberg times 1 + 1/2 + .. + 1/m: the share of false rejections is kept however the tests
/// depend on each other. O(m log m).
///
/// # Examples
///
/// ```
/// let adjusted = tsc_monitor::statistics::benjamini_yekutieli(&[0.04, 0.01]);
/// assert!((adjusted[0] - 0.06).abs() < 1e-15 && (adjusted[1] - 0.03).abs() < 1e-15);
/// ```
///
/// Source: Benjamini, Yekutieli, Ann. Stat. 29 (2001), 1165-1188.
#[must_use]
pub fn benjamini_yekutieli(p: &[f64]) -> Vec<f64> {
    let harmonic: f64 = (1..=p.len()).map(|i| 1.0 / i as f64).sum();
    let scaled: Vec<f64> = p.iter().map(|p| p * harmonic).collect();
    benjamini_hochberg(&scaled)
}

/// Bonferroni's adjusted p-values: p times their number, at most 1.
///
/// # Examples
///
/// ```
/// assert_eq!(tsc_monitor::statistics::bonferroni(&[0.25, 0.75]), [0.5, 1.0]);
/// ```
#[must_use]
pub fn bonferroni(p: &[f64]) -> Vec<f64> {
    p.iter().map(|v| (v * p.len() as f64).min(1.0)).collect()
}
