//! The distances that decide a label's cap, without the exact distance of every sample.
//!
//! Only the largest hundredth of the distances to the k-th nearest counts. A sample is dropped as soon as
//! its k nearest among *some* samples are nearer than that: with more samples they only come nearer.

use tsc_core::{Features, MaxDistance, Result};
use tsc_neighbors::{Metric, NeighborIndex, Plan, Scratch, for_each_chunk};

/// Samples a thread takes at a time.
const CHUNK: usize = 64;
/// Up to this width a tree finds the nearest of all samples faster than several finds of some.
const TREE_FEATURES: usize = 8;
/// Below, looking everything up is as fast.
const FEW: usize = 1024;
/// The first part holds one sample of so many; each later part doubles what was seen.
const FIRST_PART: usize = 64;

/// Times the deciding distances that are looked up to find the limit; 2 to 4 measure the same, 1 leaves
/// a limit so low that three times as many follow.
const FIRST_FAR: usize = 3;

/// The reach of one label's samples: the 0.99 quantile of the distance to the `k`-th nearest other one.
pub(crate) fn reach(x: Features<'_>, metric: &Metric, plan: Plan, k: usize) -> Result<Option<f64>> {
    let n = x.n_samples();
    if n < 2 {
        return Ok(None);
    }
    if n < FEW || x.n_features() <= TREE_FEATURES {
        return Ok(MaxDistance::reach(n, NeighborIndex::build(x, metric, plan)?.kth_distances(k)));
    }
    let parts = Parts::of(x, metric, plan)?;
    let mut bounds = vec![f64::INFINITY; n];
    for_each_chunk(&mut bounds, CHUNK, |first, bounds| {
        let mut search = Search::new(&parts, x, k);
        for (i, bound) in bounds.iter_mut().enumerate() {
            *bound = search.kth_among(first + i, 1, f64::NEG_INFINITY);
        }
    });
    let count = MaxDistance::deciding(n);
    let first = (FIRST_FAR * count).min(n);
    let mut rows: Vec<usize> = (0..n).collect();
    rows.select_nth_unstable_by(first - 1, |&a, &b| bounds[b].total_cmp(&bounds[a]).then(a.cmp(&b)));
    let mut largest = parts.kth_distances(x, k, &rows[..first], f64::NEG_INFINITY);
    // `count` distances are not below this one, so one that is not above it cannot decide.
    let (_, limit, _) = largest.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
    let limit = *limit;
    let open: Vec<usize> = rows[first..].iter().copied().filter(|&row| bounds[row] > limit).collect();
    largest.extend(parts.kth_distances(x, k, &open, limit));
    Ok(MaxDistance::reach(n, largest))
}

/// The samples in parts of 1/64, 1/64, 1/32, 1/16, .. and 1/2, each an index of its own.
struct Parts(Vec<NeighborIndex>);

/// Part of a sample; samples are dealt out in turn, so each part is like the whole.
fn part_of(row: usize) -> usize {
    (row % FIRST_PART).checked_ilog2().map_or(0, |log| log as usize + 1)
}

/// Position of a sample in its part.
fn position(row: usize) -> usize {
    let (round, turn) = (row / FIRST_PART, row % FIRST_PART);
    match turn.checked_ilog2() {
        None => round,
        Some(log) => (round << log) + turn - (1 << log),
    }
}

impl Parts {
    fn of(x: Features<'_>, metric: &Metric, plan: Plan) -> Result<Self> {
        let n_parts = 1 + FIRST_PART.ilog2() as usize;
        let one = |part: usize| {
            let rows: Vec<usize> = (0..x.n_samples()).filter(|&row| part_of(row) == part).collect();
            NeighborIndex::build(x.gather(&rows, &mut Vec::new()), metric, plan)
        };
        (0..n_parts).map(one).collect::<Result<_>>().map(Parts)
    }

    /// Distance of some samples to their `k`-th nearest other one; one that is not above `limit` may come
    /// out larger, but not above it.
    fn kth_distances(&self, x: Features<'_>, k: usize, rows: &[usize], limit: f64) -> Vec<f64> {
        let mut out = vec![0.0; rows.len()];
        for_each_chunk(&mut out, CHUNK, |first, out| {
            let mut search = Search::new(self, x, k);
            for (&row, out) in rows[first..].iter().zip(out) {
                *out = search.kth_among(row, self.0.len(), limit);
            }
        });
        out
    }
}

struct Search<'a> {
    parts: &'a Parts,
    x: Features<'a>,
    k: usize,
    scratch: Scratch,
    nearest: Vec<f64>,
}

impl<'a> Search<'a> {
    fn new(parts: &'a Parts, x: Features<'a>, k: usize) -> Self {
        Self { parts, x, k: k.min(x.n_samples() - 1), scratch: Scratch::new(), nearest: Vec::new() }
    }

    /// Distance to the `k`-th nearest other sample among the first parts, infinite if they hold fewer;
    /// stops once it is not above `limit`.
    fn kth_among(&mut self, row: usize, n_parts: usize, limit: f64) -> f64 {
        self.nearest.clear();
        let mut kth = f64::INFINITY;
        for (part, index) in self.parts.0[..n_parts].iter().enumerate() {
            let found = if part_of(row) == part {
                index.query_others(position(row), self.k, &mut self.scratch)
            } else {
                index
                    .query_one(self.x.row(row), self.k, &mut self.scratch)
                    .expect("a row of a matrix whose parts were indexed")
            };
            self.nearest.extend(found.iter().map(|neighbor| neighbor.distance));
            self.nearest.sort_unstable_by(f64::total_cmp);
            self.nearest.truncate(self.k);
            kth = self.nearest.get(self.k - 1).copied().unwrap_or(f64::INFINITY);
            if kth <= limit {
                break;
            }
        }
        kth
    }
}

#[cfg(test)]
mod tests {
    use tsc_testing::{blobs, mixture};

    use super::*;

    #[test]
    fn every_sample_has_its_place_in_one_part() {
        let mut seen = vec![0; 1 + FIRST_PART.ilog2() as usize];
        for row in 0..1000 {
            assert_eq!(position(row), seen[part_of(row)], "sample {row}");
            seen[part_of(row)] += 1;
        }
        assert_eq!(seen, [16, 16, 32, 64, 128, 256, 488]);
    }

    /// The same bits as from all distances: on one blob, on a mixture with background, on few places.
    #[test]
    fn the_reach_equals_that_of_all_distances() {
        let blob = blobs(1300, &[&[1.0; 12]], 1.0, 5).values;
        let places = (0..1100 * 12).map(|i| f64::from(i as u32 * 7919 % 3)).collect();
        for values in [blob, mixture(1200, 12, 2).values, places] {
            let x = Features::new(&values, 12).unwrap();
            for metric in [Metric::Euclidean, Metric::Manhattan] {
                let all = NeighborIndex::build(x, &metric, Plan::Tiled).unwrap();
                for k in [1, 5, 100] {
                    let expected = MaxDistance::reach(x.n_samples(), all.kth_distances(k));
                    let got = reach(x, &metric, Plan::Auto, k).unwrap();
                    assert_eq!(got, expected, "{metric:?} k {k}");
                }
            }
        }
    }

    #[test]
    fn more_neighbours_than_samples_are_all_samples() {
        let data = blobs(1100, &[&[0.0; 9]], 1.0, 5);
        let x = data.features();
        let all = NeighborIndex::build(x, &Metric::Euclidean, Plan::Tiled).unwrap();
        let expected = MaxDistance::reach(1100, all.kth_distances(5000));
        assert_eq!(reach(x, &Metric::Euclidean, Plan::Auto, 5000).unwrap(), expected);
        assert_eq!(reach(x.slice(0..1), &Metric::Euclidean, Plan::Auto, 5).unwrap(), None);
    }
}
