//! Soft membership: one formula for training and new samples.

use super::extract::Extraction;

/// Cluster shares of a sample that sits at training sample `nearest` with density `lambda`, given its
/// distance to the nearest exemplar of each cluster. The sum is the strength of being in any cluster.
pub(crate) fn membership(e: &Extraction, nearest: u32, lambda: f64, to_exemplars: &[f64], out: &mut [f64]) {
    let tree = e.condensed_tree();
    let cluster = tree.row_parent[nearest as usize];
    let heights: Vec<f64> =
        e.chosen_ids().iter().map(|&k| parting(e, cluster, k).unwrap_or(lambda)).collect();
    let zeros = to_exemplars.iter().filter(|&&d| d == 0.0).count();
    let inverse: f64 = to_exemplars.iter().map(|d| 1.0 / d).sum();
    let top = e.own_max(cluster);
    let share = |h: f64| match (top > 0.0, h.is_finite()) {
        (false, _) | (_, false) => 1.0,
        _ if top.is_infinite() => 0.0,
        _ => h / top,
    };
    let scores: Vec<f64> = heights.iter().map(|&h| 1.0 / (1.0 - share(h)).max(1e-8)).collect();
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = scores.iter().map(|s| (s - largest).exp()).sum();
    for ((out, &d), s) in out.iter_mut().zip(to_exemplars).zip(&scores) {
        let near = match (zeros, d == 0.0) {
            (0, _) => (1.0 / d) / inverse,
            (_, true) => 1.0 / zeros as f64,
            (_, false) => 0.0,
        };
        let weight = (s - largest).exp() / total;
        *out = near.sqrt() * weight * weight;
    }
    let sum: f64 = out.iter().sum();
    let highest = heights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let closest = (0..heights.len())
        .filter(|&i| heights[i] == highest)
        .min_by(|&a, &b| to_exemplars[a].total_cmp(&to_exemplars[b]).then(a.cmp(&b)));
    let whole = closest.map_or(lambda, |i| lambda.max(e.own_max(e.chosen_ids()[i])));
    let inside = if highest >= whole {
        1.0
    } else if whole.is_finite() {
        highest / whole
    } else {
        0.0
    };
    out.iter_mut().for_each(|v| *v = *v / sum * inside);
}

/// Lambda at which the branches of two clusters part; `None` if one is at or above the other.
fn parting(e: &Extraction, mut a: u32, mut b: u32) -> Option<f64> {
    let clusters = &e.condensed_tree().clusters;
    let mut born = None;
    // Ids grow downwards, so the larger of the two is never above the other.
    let (start_a, start_b) = (a, b);
    while a != b {
        let lower = if a > b { &mut a } else { &mut b };
        born = Some(clusters[*lower as usize].birth);
        *lower = clusters[*lower as usize].parent?;
    }
    born.filter(|_| a != start_a && a != start_b)
}
