//! One row that stands for each cluster: means and medoids.

use tsc_core::Features;
use tsc_neighbors::{Metric, NeighborIndex, Plan, for_each_chunk};

use super::extract::Extraction;

/// Samples a thread takes at a time.
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
        let values: Vec<f64> = rows.iter().flat_map(|&row| x.row(row as usize)).copied().collect();
        let own = Features::new(&values, x.n_features()).expect("a label has samples");
        // The rows passed the checks of an index when the clusters were fitted.
        let index = NeighborIndex::build(own, metric, Plan::Tiled).expect("rows of a fitted index");
        let mut sums = vec![0.0; rows.len()];
        for_each_chunk(&mut sums, CHUNK, |first, sums| {
            let mut distances = vec![0.0; rows.len()];
            for (i, sum) in (first..).zip(sums) {
                index.distances_into(own.row(i), &mut distances).expect("a row of the index");
                *sum = distances.iter().sum();
            }
        });
        let least = (0..rows.len()).min_by(|&a, &b| f64::total_cmp(&sums[a], &sums[b]));
        rows[least.expect("a label has samples")]
    };
    e.members().iter().map(medoid).collect()
}
