use super::distance_sums::{from_all, from_some};
use super::groups::Groups;
use super::strata::{Stratum, strata};

/// Mean silhouette, and how it was found.
pub(crate) struct Silhouette {
    pub(crate) mean: f64,
    pub(crate) n_samples: usize,
    /// `None` if every sample was measured.
    pub(crate) standard_error: Option<f64>,
}

/// Mean over at most `max_rows` samples against all; there are at least two clusters.
pub(crate) fn silhouette(groups: &Groups, max_rows: usize, seed: u64) -> Silhouette {
    let strata = strata(&groups.ranges(), max_rows, seed);
    let rows: Vec<usize> = strata.iter().flat_map(|s| s.rows.iter().copied()).collect();
    let scores = scores(groups, &rows);
    let n = groups.n() as f64;
    let (mut mean, mut variance, mut first) = (0.0, 0.0, 0);
    for Stratum { rows, size } in &strata {
        let scores = &scores[first..first + rows.len()];
        first += rows.len();
        let (taken, size) = (scores.len() as f64, *size as f64);
        let own = scores.iter().sum::<f64>() / taken;
        mean += size / n * own;
        if taken < size {
            let spread = scores.iter().map(|s| (s - own) * (s - own)).sum::<f64>() / (taken - 1.0);
            variance += (size / n).powi(2) * spread / taken * (1.0 - taken / size);
        }
    }
    let sampled = rows.len() < groups.n();
    Silhouette { mean, n_samples: rows.len(), standard_error: sampled.then(|| variance.sqrt()) }
}

/// Silhouette of each of some samples, which are in the order of their clusters.
fn scores(groups: &Groups, rows: &[usize]) -> Vec<f64> {
    let sums = if rows.len() < groups.n() { from_some(groups, rows) } else { from_all(groups) };
    let ranges = groups.ranges();
    let one = |(&row, sums): (&usize, &[f64])| {
        let (mut own, mut nearest) = (0.0, f64::INFINITY);
        for (range, sum) in ranges.iter().zip(sums) {
            if !range.contains(&row) {
                nearest = nearest.min(sum / range.len() as f64);
            } else if range.len() > 1 {
                own = sum / (range.len() - 1) as f64;
            } else {
                // A cluster of one sample counts as 0.
                return 0.0;
            }
        }
        let larger = f64::max(own, nearest);
        if larger > 0.0 { (nearest - own) / larger } else { 0.0 }
    };
    rows.iter().zip(sums.chunks_exact(ranges.len())).map(one).collect()
}
