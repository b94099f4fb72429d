//! Search of the tiles: the k nearest rows, or all rows within a radius.

use crate::kernel::Kernel;
use crate::neighborhoods::Neighbor;
use crate::tiles::{Node, Tiles};

/// Above this k the candidates are collected and sorted instead of kept in order.
const INSERTION_K: usize = 64;
/// Relative margin of the filter: different reduced values may finish as one distance, and `powf` may
/// be off in its last bits. Whatever passes is decided by the finished distance.
const MARGIN: f64 = 1.0 + 1e-12;

/// Buffers of a search; keep one per thread and reuse it.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) row: Vec<f64>,
    reduced: Vec<f64>,
    candidates: Vec<Candidate>,
    open: Vec<(usize, f64)>,
    pub(crate) found: Vec<Neighbor>,
}

impl Scratch {
    /// Empty buffers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    neighbor: Neighbor,
    reduced: f64,
}

/// The k nearest rows of `q` but for row `leave_out`, into `scratch.found`.
pub(crate) fn nearest(
    tiles: &Tiles,
    kernel: Kernel,
    q: &[f64],
    k: usize,
    leave_out: Option<u32>,
    scratch: &mut Scratch,
) {
    scratch.found.clear();
    let k = k.min(tiles.rows.len() - usize::from(leave_out.is_some()));
    if k == 0 {
        return;
    }
    if k > INSERTION_K {
        return nearest_by_sorting(tiles, kernel, q, k, leave_out, scratch);
    }
    scratch.candidates.clear();
    let mut limit = f64::INFINITY;
    let candidates = &mut scratch.candidates;
    visit(tiles, kernel, q, &mut scratch.open, &mut scratch.reduced, f64::INFINITY, |row, reduced| {
        if reduced <= limit && leave_out != Some(row) {
            let neighbor = Neighbor { row, distance: kernel.finish(reduced) };
            let full = candidates.len() == k;
            if !full || neighbor.order(&candidates[k - 1].neighbor).is_lt() {
                if full {
                    candidates.pop();
                }
                let at = candidates.partition_point(|c| c.neighbor.order(&neighbor).is_lt());
                candidates.insert(at, Candidate { neighbor, reduced });
                if candidates.len() == k {
                    limit = candidates[k - 1].reduced * MARGIN;
                }
            }
        }
        limit
    });
    scratch.found.extend(scratch.candidates.iter().map(|c| c.neighbor));
}

fn nearest_by_sorting(
    tiles: &Tiles,
    kernel: Kernel,
    q: &[f64],
    k: usize,
    leave_out: Option<u32>,
    scratch: &mut Scratch,
) {
    let found = &mut scratch.found;
    visit(tiles, kernel, q, &mut scratch.open, &mut scratch.reduced, f64::INFINITY, |row, reduced| {
        if leave_out != Some(row) {
            found.push(Neighbor { row, distance: kernel.finish(reduced) });
        }
        f64::INFINITY
    });
    if k < found.len() {
        found.select_nth_unstable_by(k - 1, Neighbor::order);
        found.truncate(k);
    }
    found.sort_unstable_by(Neighbor::order);
}

/// All rows at most `radius` away from `q`, into `scratch.found`, by (distance, row).
pub(crate) fn within(tiles: &Tiles, kernel: Kernel, q: &[f64], radius: f64, scratch: &mut Scratch) {
    scratch.found.clear();
    let found = &mut scratch.found;
    // The reduced radius has no exact inverse for every metric, so boxes are judged by their distance.
    let admits = |reduced: f64| kernel.finish(reduced / MARGIN) <= radius;
    scratch.open.clear();
    scratch.reduced.resize(tiles.largest, 0.0);
    let mut scan = |tile: usize, reduced: &mut [f64]| {
        let first = tiles.ranges[tile].0;
        for (j, &value) in tiles.reduced(kernel, q, tile, reduced).iter().enumerate() {
            let distance = kernel.finish(value);
            if distance <= radius {
                found.push(Neighbor { row: tiles.rows[first + j], distance });
            }
        }
    };
    if tiles.nodes.is_empty() {
        (0..tiles.ranges.len()).for_each(|tile| scan(tile, &mut scratch.reduced));
    } else {
        scratch.open.push((0, 0.0));
    }
    while let Some((node, _)) = scratch.open.pop() {
        match tiles.nodes[node] {
            Node::Leaf { tile } => scan(tile, &mut scratch.reduced),
            Node::Split { left, right } => {
                for child in [right, left] {
                    if admits(tiles.bound(kernel, q, child)) {
                        scratch.open.push((child, 0.0));
                    }
                }
            }
        }
    }
    found.sort_unstable_by(Neighbor::order);
}

/// Shows rows and their reduced values to `see`, which answers the largest value still of interest.
fn visit(
    tiles: &Tiles,
    kernel: Kernel,
    q: &[f64],
    open: &mut Vec<(usize, f64)>,
    reduced: &mut Vec<f64>,
    mut limit: f64,
    mut see: impl FnMut(u32, f64) -> f64,
) {
    reduced.resize(tiles.largest, 0.0);
    let mut scan = |tile: usize, mut limit: f64| {
        let first = tiles.ranges[tile].0;
        for (j, &value) in tiles.reduced(kernel, q, tile, reduced).iter().enumerate() {
            if value <= limit {
                limit = see(tiles.rows[first + j], value);
            }
        }
        limit
    };
    if tiles.nodes.is_empty() {
        for tile in 0..tiles.ranges.len() {
            limit = scan(tile, limit);
        }
        return;
    }
    open.clear();
    open.push((0, 0.0));
    while let Some((node, bound)) = open.pop() {
        if bound > limit {
            continue;
        }
        match tiles.nodes[node] {
            Node::Leaf { tile } => limit = scan(tile, limit),
            Node::Split { left, right } => {
                let (a, b) = (tiles.bound(kernel, q, left), tiles.bound(kernel, q, right));
                let (near, far) = if a <= b { ((left, a), (right, b)) } else { ((right, b), (left, a)) };
                if far.1 <= limit {
                    open.push(far);
                }
                open.push(near);
            }
        }
    }
}
