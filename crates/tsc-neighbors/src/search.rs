//! Search for one row: the k nearest rows, or all rows within a radius.

use tsc_core::simd::{self, Work};

use crate::kernel::{BLOCK, Euclidean, Kernel, Space, bits, lanes_up_to};
use crate::neighborhoods::Neighbor;
use crate::tree::{Child, NO_CHILD, Tree};

/// Above this k the candidates are collected and sorted instead of kept in order.
const INSERTION_K: usize = 64;
/// Relative margin of the filter: different reduced values may finish as one distance, and `powf` may
/// be off in its last bits. Whatever passes is decided by the finished distance.
const MARGIN: f64 = 1.0 + 1e-12;

/// Buffers of a search; keep one per thread and reuse it.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) row: Vec<f64>,
    point: Vec<f64>,
    candidates: Vec<Candidate>,
    open: Vec<(f64, u32)>,
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

/// The k nearest rows of the prepared row `q` but for row `leave_out`, into `scratch.found`.
pub(crate) fn nearest(
    tree: &Tree,
    kernel: Kernel,
    q: &[f64],
    k: usize,
    leave_out: Option<u32>,
    scratch: &mut Scratch,
) {
    scratch.found.clear();
    let k = k.min(tree.n() - usize::from(leave_out.is_some()));
    if k == 0 {
        return;
    }
    let leave_out = leave_out.unwrap_or(u32::MAX);
    if k > INSERTION_K {
        let found = &mut scratch.found;
        let take = |row: u32, reduced: f64| {
            if row != leave_out {
                found.push(Neighbor { row, distance: kernel.finish(reduced) });
            }
            f64::INFINITY
        };
        visit(tree, kernel, q, f64::INFINITY, (&mut scratch.open, &mut scratch.point), take);
        if k < found.len() {
            found.select_nth_unstable_by(k - 1, Neighbor::order);
            found.truncate(k);
        }
        found.sort_unstable_by(Neighbor::order);
        return;
    }
    scratch.candidates.clear();
    let candidates = &mut scratch.candidates;
    let mut limit = f64::INFINITY;
    let take = |row: u32, reduced: f64| {
        if reduced <= limit && row != leave_out {
            insert(
                candidates,
                k,
                Candidate { neighbor: Neighbor { row, distance: kernel.finish(reduced) }, reduced },
            );
            if candidates.len() == k {
                limit = candidates[k - 1].reduced * MARGIN;
            }
        }
        limit
    };
    visit(tree, kernel, q, f64::INFINITY, (&mut scratch.open, &mut scratch.point), take);
    scratch.found.extend(scratch.candidates.iter().map(|c| c.neighbor));
}

fn insert(candidates: &mut Vec<Candidate>, k: usize, new: Candidate) {
    let full = candidates.len() == k;
    if full {
        if new.neighbor.order(&candidates[k - 1].neighbor).is_ge() {
            return;
        }
        candidates.pop();
    }
    let at = candidates.partition_point(|c| c.neighbor.order(&new.neighbor).is_lt());
    candidates.insert(at, new);
}

/// All rows at most `radius` away from the prepared row `q`, into `scratch.found`, by (distance, row).
pub(crate) fn within(tree: &Tree, kernel: Kernel, q: &[f64], radius: f64, scratch: &mut Scratch) {
    scratch.found.clear();
    let found = &mut scratch.found;
    let limit = kernel.reduced_limit(radius);
    let take = |row: u32, reduced: f64| {
        let distance = kernel.finish(reduced);
        if distance <= radius {
            found.push(Neighbor { row, distance });
        }
        limit
    };
    visit(tree, kernel, q, limit, (&mut scratch.open, &mut scratch.point), take);
    found.sort_unstable_by(Neighbor::order);
}

/// Distances from the prepared row `q` to all rows, in the order of the rows.
pub(crate) fn all(tree: &Tree, kernel: Kernel, q: &[f64], out: &mut [f64]) {
    for block in 0..tree.n_blocks() {
        let mut reduced = [0.0; BLOCK];
        kernel.block(q, tree.columns(block), &mut reduced);
        for (position, value) in tree.positions(block).zip(reduced) {
            out[tree.rows[position] as usize] = kernel.finish(value);
        }
    }
}

/// Shows `see` every row whose reduced value may be at most the limit; it answers the new limit.
fn visit<F: FnMut(u32, f64) -> f64>(
    tree: &Tree,
    kernel: Kernel,
    q: &[f64],
    limit: f64,
    (open, point): (&mut Vec<(f64, u32)>, &mut Vec<f64>),
    see: F,
) {
    point.clear();
    kernel.bound_row(q, point);
    if kernel == Kernel::Euclidean {
        simd::run(Visit { tree, space: Euclidean, q, point, limit, open, see });
    } else {
        simd::run(Visit { tree, space: kernel, q, point, limit, open, see });
    }
}

struct Visit<'a, S, F> {
    tree: &'a Tree,
    space: S,
    q: &'a [f64],
    point: &'a [f64],
    limit: f64,
    open: &'a mut Vec<(f64, u32)>,
    see: F,
}

impl<S: Space, F: FnMut(u32, f64) -> f64> Work for Visit<'_, S, F> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let tree = self.tree;
        if tree.n_nodes() == 0 {
            (0..tree.n_blocks()).for_each(|block| self.scan(block));
            return;
        }
        self.open.clear();
        self.push_children(0);
        while let Some((bound, child)) = self.open.pop() {
            if bound > self.limit {
                continue;
            }
            match Tree::child(child) {
                Some(Child::Leaf(block)) => self.scan(block),
                Some(Child::Node(node)) => self.push_children(node),
                None => {}
            }
        }
    }
}

impl<S: Space, F: FnMut(u32, f64) -> f64> Visit<'_, S, F> {
    #[inline(always)]
    fn push_children(&mut self, node: usize) {
        let bounds = self.space.boxes(self.point, self.point, self.tree.boxes(node));
        push_sorted(self.open, bounds, self.tree.children(node), self.limit);
    }

    #[inline(always)]
    fn scan(&mut self, block: usize) {
        let mut reduced = [0.0; BLOCK];
        self.space.block(self.q, self.tree.columns(block), &mut reduced);
        let positions = self.tree.positions(block);
        for j in bits(lanes_up_to(&reduced, self.limit) & u32::MAX >> (32 - positions.len())) {
            if reduced[j] <= self.limit {
                self.limit = (self.see)(self.tree.rows[positions.start + j], reduced[j]);
            }
        }
    }
}

/// Pushes the children whose bound is at most the limit, the nearest last.
#[inline(always)]
pub(crate) fn push_sorted(open: &mut Vec<(f64, u32)>, bounds: [f64; 4], children: [u32; 4], limit: f64) {
    let mut near: [(f64, u32); 4] = std::array::from_fn(|i| (bounds[i], children[i]));
    // A network of five exchanges, descending.
    for (i, j) in [(0, 1), (2, 3), (0, 2), (1, 3), (1, 2)] {
        if near[i].0 < near[j].0 {
            near.swap(i, j);
        }
    }
    open.extend(near.into_iter().filter(|&(bound, child)| bound <= limit && child != NO_CHILD));
}
