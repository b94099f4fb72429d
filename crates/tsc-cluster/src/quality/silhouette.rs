use tsc_neighbors::for_each_chunk;

use super::groups::Groups;
use super::lanes::{LANES, Lanes};
use super::strata::{Stratum, strata};

/// Samples that pass over a tile together.
const BLOCK: usize = 32;

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
    let clusters = groups.lanes();
    let ranges = groups.ranges();
    let mut scores = vec![0.0; rows.len()];
    for_each_chunk(&mut scores, BLOCK, |first, scores| {
        let block = &rows[first..first + scores.len()];
        let sums: Vec<Vec<f64>> = clusters.iter().map(|c| distance_sums(c, groups, block)).collect();
        for (i, (&row, score)) in block.iter().zip(scores).enumerate() {
            let (mut own, mut nearest) = (0.0, f64::INFINITY);
            for (range, sums) in ranges.iter().zip(&sums) {
                if !range.contains(&row) {
                    nearest = nearest.min(sums[i] / range.len() as f64);
                } else if range.len() > 1 {
                    own = sums[i] / (range.len() - 1) as f64;
                } else {
                    own = f64::INFINITY;
                }
            }
            *score = one(own, nearest);
        }
    });
    scores
}

/// 0 for a cluster of one sample, whose own distance is infinite, and where both distances vanish.
fn one(own: f64, nearest: f64) -> f64 {
    let larger = f64::max(own, nearest);
    if own.is_finite() && larger > 0.0 { (nearest - own) / larger } else { 0.0 }
}

/// Sum of the distances of each sample of a block to all samples of a cluster.
fn distance_sums(cluster: &Lanes, groups: &Groups, block: &[usize]) -> Vec<f64> {
    let mut sums = vec![[0.0; LANES]; block.len().next_multiple_of(2)];
    let n_full = cluster.n_full();
    for start in (0..n_full).step_by(cluster.tile()) {
        let tile = start..(start + cluster.tile()).min(n_full);
        for (pair, sums) in block.chunks(2).zip(sums.as_chunks_mut::<2>().0) {
            let (one, two) = (groups.row(pair[0]), groups.row(pair[pair.len() - 1]));
            for chunk in tile.clone() {
                let squares = cluster.squares_of_two(chunk, one, two);
                for (sums, squares) in sums.iter_mut().zip(squares) {
                    sums.iter_mut().zip(squares).for_each(|(sum, square)| *sum += square.sqrt());
                }
            }
        }
    }
    let rest = cluster.n_rows() - n_full * LANES;
    let total = |(&row, lanes): (&usize, &[f64; LANES])| {
        let mut sum: f64 = lanes.iter().sum();
        if rest > 0 {
            sum += cluster.squares(n_full, groups.row(row))[..rest].iter().map(|s| s.sqrt()).sum::<f64>();
        }
        sum
    };
    block.iter().zip(&sums).map(total).collect()
}
