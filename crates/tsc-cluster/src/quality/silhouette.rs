use tsc_core::{Features, Result};
use tsc_neighbors::{ColumnSet, Metric, for_each_chunk};

use super::{Groups, QualityParams};

/// Samples a thread takes at a time.
const CHUNK: usize = 16;

/// Mean silhouette and the number of samples it was taken over; there are at least two clusters.
pub(crate) fn silhouette(groups: &Groups, params: &QualityParams) -> Result<(f64, usize)> {
    let n = groups.n();
    let columns = ColumnSet::new(Features::new(&groups.values, groups.n_features)?, &Metric::Euclidean)?;
    // Samples are in cluster order, so a stride takes each cluster by its share.
    let stride = n.div_ceil(params.silhouette_max_rows.max(1));
    let first = (params.random_state % stride as u64) as usize;
    let mut scores = vec![0.0; (n - first).div_ceil(stride)];
    let starts = groups.starts();
    for_each_chunk(&mut scores, CHUNK, |at, scores| {
        let mut distances = vec![0.0; n];
        for (i, score) in scores.iter_mut().enumerate() {
            let row = first + (at + i) * stride;
            columns.distances_into(groups.row(row), &mut distances);
            *score = one(row, &distances, &starts);
        }
    });
    Ok((scores.iter().sum::<f64>() / scores.len() as f64, scores.len()))
}

/// 0 for a cluster of one sample, and where both distances vanish.
fn one(row: usize, distances: &[f64], starts: &[usize]) -> f64 {
    let (mut own, mut nearest) = (0.0, f64::INFINITY);
    for range in starts.windows(2) {
        let sum: f64 = distances[range[0]..range[1]].iter().sum();
        let size = range[1] - range[0];
        if (range[0]..range[1]).contains(&row) {
            if size == 1 {
                return 0.0;
            }
            own = sum / (size - 1) as f64;
        } else {
            nearest = nearest.min(sum / size as f64);
        }
    }
    let larger = f64::max(own, nearest);
    if larger > 0.0 { (nearest - own) / larger } else { 0.0 }
}
