//! Core distance: to the k-th nearest other sample. For features the neighbour index answers.

use tsc_neighbors::for_each_chunk;

use super::distances::Distances;

const CHUNK: usize = 64;

pub(crate) fn of_distances(distances: &Distances<'_>, k: usize) -> Vec<f64> {
    let n = distances.n_samples();
    let mut out = vec![0.0; n];
    for_each_chunk(&mut out, CHUNK, |first, out| {
        let mut row = Vec::with_capacity(n);
        for (i, out) in out.iter_mut().enumerate() {
            let a = first + i;
            row.clear();
            row.extend((0..n).filter(|&b| b != a).map(|b| distances.between(a, b)));
            *out = *row.select_nth_unstable_by(k - 1, f64::total_cmp).1;
        }
    });
    out
}
