//! Sums of distances from samples to the samples of each cluster, without a matrix of distances.

use tsc_neighbors::for_each_chunk;

use super::groups::Groups;
use super::lanes::{LANES, Lanes};

/// Samples that pass over a tile together.
const BLOCK: usize = 32;
/// Most samples of a tile whose distances to another tile count for both.
const TILE: usize = 128;

/// `(rows, clusters)`: from some samples to all. O(m n d) time for m of n samples, O(m k) memory.
pub(crate) fn from_some(groups: &Groups, rows: &[usize]) -> Vec<f64> {
    let clusters: Vec<Lanes> =
        groups.ranges().into_iter().map(|range| Lanes::of(groups.rows(range), groups.n_features())).collect();
    let k = clusters.len();
    let mut sums = vec![0.0; rows.len() * k];
    for_each_chunk(&mut sums, BLOCK * k, |first, sums| {
        let block = &rows[first / k..first / k + sums.len() / k];
        for (j, cluster) in clusters.iter().enumerate() {
            from_block(cluster, groups, block, |i, sum| sums[i * k + j] = sum);
        }
    });
    sums
}

fn from_block(cluster: &Lanes, groups: &Groups, block: &[usize], mut put: impl FnMut(usize, f64)) {
    let mut sums = vec![[0.0; LANES]; block.len().next_multiple_of(2)];
    let n_full = cluster.n_full();
    for start in (0..n_full).step_by(cluster.tile()) {
        let tile = start..(start + cluster.tile()).min(n_full);
        for (pair, sums) in block.chunks(2).zip(sums.as_chunks_mut::<2>().0) {
            let (one, two) = (groups.row(pair[0]), groups.row(pair[pair.len() - 1]));
            for chunk in tile.clone() {
                let squares = cluster.squares_of_two(chunk, one, two);
                sums.iter_mut().zip(squares).for_each(|(sums, squares)| add(sums, squares.map(f64::sqrt)));
            }
        }
    }
    let rest = cluster.n_rows() - n_full * LANES;
    for (i, (&row, lanes)) in block.iter().zip(&sums).enumerate() {
        let mut sum: f64 = lanes.iter().sum();
        if rest > 0 {
            sum += cluster.squares(n_full, groups.row(row))[..rest].iter().map(|s| s.sqrt()).sum::<f64>();
        }
        put(i, sum);
    }
}

/// `(n, clusters)`: from all samples to all, each pair measured once. O(n² d / 2) time, O(n k) memory.
///
/// Tiles of one cluster each meet all later ones, tile by tile, so the sums grow in an order that does
/// not depend on the threads.
pub(crate) fn from_all(groups: &Groups) -> Vec<f64> {
    let k = groups.sizes().len();
    let mut tiles: Vec<Tile> = Vec::new();
    for (cluster, range) in groups.ranges().into_iter().enumerate() {
        for first in range.clone().step_by(TILE) {
            let lanes = Lanes::of(groups.rows(first..(first + TILE).min(range.end)), groups.n_features());
            tiles.push(Tile { first, cluster, sums: vec![0.0; lanes.n_rows() * k], lanes, met: Vec::new() });
        }
    }
    for_each_chunk(&mut tiles, 1, |_, tiles| tiles.iter_mut().for_each(|tile| tile.meet_itself(groups)));
    for t in 0..tiles.len() {
        let (done, later) = tiles.split_at_mut(t + 1);
        let tile = &mut done[t];
        for_each_chunk(later, 1, |_, later| later.iter_mut().for_each(|l| l.meet(tile, groups)));
        for other in later {
            for (sums, met) in tile.sums.chunks_exact_mut(k).zip(&other.met) {
                sums[other.cluster] += met;
            }
        }
    }
    tiles.into_iter().flat_map(|tile| tile.sums).collect()
}

/// Some samples of one cluster.
struct Tile {
    first: usize,
    cluster: usize,
    lanes: Lanes,
    /// `(rows, clusters)`.
    sums: Vec<f64>,
    /// Sums of the tile met last: of each of its samples over the samples here.
    met: Vec<f64>,
}

impl Tile {
    fn meet_itself(&mut self, groups: &Groups) {
        let rows: Vec<usize> = (self.first..self.first + self.lanes.n_rows()).collect();
        let k = self.sums.len() / rows.len();
        from_block(&self.lanes, groups, &rows, |i, sum| self.sums[i * k + self.cluster] = sum);
    }

    fn meet(&mut self, other: &Tile, groups: &Groups) {
        let n = self.lanes.n_rows();
        let k = self.sums.len() / n;
        let mut here = vec![[0.0; LANES]; self.lanes.n_chunks()];
        self.met.clear();
        let rows = (other.first..other.first + other.lanes.n_rows()).map(|i| groups.row(i));
        let rows: Vec<&[f64]> = rows.collect();
        for pair in rows.chunks(2) {
            let mut there = [[0.0; LANES]; 2];
            for (chunk, here) in here.iter_mut().enumerate() {
                let lanes = (n - chunk * LANES).min(LANES);
                let mut squares = self.lanes.squares_of_two(chunk, pair[0], pair[pair.len() - 1]);
                if lanes < LANES {
                    squares.iter_mut().for_each(|squares| squares[lanes..].fill(0.0));
                }
                let distances = squares.map(|squares| squares.map(f64::sqrt));
                add(&mut there[0], distances[0]);
                add(&mut there[1], distances[1]);
                distances.into_iter().take(pair.len()).for_each(|distances| add(here, distances));
            }
            self.met.extend(there.iter().take(pair.len()).map(|lanes| lanes.iter().sum::<f64>()));
        }
        for (sums, sum) in self.sums.chunks_exact_mut(k).zip(here.as_flattened()) {
            sums[other.cluster] += sum;
        }
    }
}

#[inline]
fn add(sums: &mut [f64; LANES], values: [f64; LANES]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
