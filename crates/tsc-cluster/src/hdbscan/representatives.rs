//! One row that stands for each cluster: means and medoids.

use tsc_core::Features;
use tsc_neighbors::{ColumnSet, Metric, for_each_chunk};

use super::extract::Extraction;

/// Weighted means of the rows of each label, `(n_clusters, n_features)` row-major.
pub(crate) fn centroids(e: &Extraction, x: Features<'_>, weight: impl Fn(usize) -> f64) -> Vec<f64> {
    let d = x.n_features();
    let mut out = vec![0.0; e.n_clusters() * d];
    for (rows, out) in e.members().iter().zip(out.chunks_exact_mut(d)) {
        let mut total = 0.0;
        for &row in rows {
            let weight = weight(row as usize);
            total += weight;
            // A mean that moves stays finite where a sum would overflow.
            if total > 0.0 {
                let step = weight / total;
                out.iter_mut().zip(x.row(row as usize)).for_each(|(mean, v)| *mean += (v - *mean) * step);
            }
        }
    }
    out
}

/// Of each label, the member with the least sum of distances to the members; ties: the smaller row.
pub(crate) fn medoids(e: &Extraction, x: Features<'_>, metric: &Metric) -> Vec<u32> {
    let members = e.members();
    let mut out = vec![0; members.len()];
    for_each_chunk(&mut out, 1, |label, out| {
        let rows = &members[label];
        let values: Vec<f64> = rows.iter().flat_map(|&row| x.row(row as usize)).copied().collect();
        let own = Features::new(&values, x.n_features()).expect("a label has samples");
        let sums = distance_sums(own, metric);
        let least = (0..rows.len()).min_by(|&a, &b| f64::total_cmp(&sums[a], &sums[b]));
        out[0] = rows[least.expect("a label has samples")];
    });
    out
}

/// Of each row to all others; each pair is measured once.
fn distance_sums(x: Features<'_>, metric: &Metric) -> Vec<f64> {
    let n = x.n_samples();
    let mut sums = vec![0.0; n];
    let mut distances = vec![0.0; n];
    // None for a metric of the caller's.
    let mut columns = ColumnSet::new(x, metric).ok();
    for row in (1..n).rev() {
        let before = &mut distances[..row];
        match &mut columns {
            Some(columns) => {
                let values = columns.take(row);
                columns.distances_into(&values, before);
            }
            None => {
                before
                    .iter_mut()
                    .zip(x.rows())
                    .for_each(|(d, other)| *d = metric.distance(x.row(row), other));
            }
        }
        for (sum, &distance) in sums.iter_mut().zip(before.iter()) {
            *sum += distance;
        }
        sums[row] += before.iter().sum::<f64>();
    }
    sums
}
