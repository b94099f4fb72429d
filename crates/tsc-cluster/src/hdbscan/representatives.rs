//! One row that stands for each cluster: means and medoids.

use tsc_core::Features;
use tsc_neighbors::{Metric, for_each_chunk};

use super::extract::Extraction;

/// Rows a thread takes at a time.
const CHUNK: usize = 16;

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
    let medoid = |rows: &Vec<u32>| {
        let mut sums = vec![0.0; rows.len()];
        for_each_chunk(&mut sums, CHUNK, |first, sums| {
            for (&row, sum) in rows[first..].iter().zip(sums) {
                let one = x.row(row as usize);
                *sum = rows.iter().map(|&other| metric.distance(one, x.row(other as usize))).sum();
            }
        });
        (0..rows.len()).min_by(|&a, &b| f64::total_cmp(&sums[a], &sums[b])).map(|i| rows[i])
    };
    e.members().iter().filter_map(medoid).collect()
}
