//! The nearest rows of every row, a block of rows at a time.

use std::ops::Range;

use tsc_core::simd::{self, Work};

use crate::kernel::{BLOCK, Euclidean, Kernel, Space, bits, lanes_up_to};
use crate::parallel::for_each_chunk_of_two;
use crate::search::push_sorted;
use crate::tree::{Child, Tree};

/// Blocks a thread takes at a time.
const CHUNK: usize = 16;

/// What all rows know of their surroundings, by position in the tree.
pub(crate) struct Surroundings {
    /// Distance to the k-th nearest other row.
    pub(crate) kth: Vec<f64>,
    /// Positions of `listed` near rows of each row, nearest first.
    pub(crate) near: Vec<u32>,
    pub(crate) listed: usize,
}

/// Distances to the k-th nearest other row, and the `listed <= k` nearest of each row; `1 <= k < n`.
///
/// Which of several rows at one distance is listed depends on the tree.
pub(crate) fn surroundings(tree: &Tree, kernel: Kernel, k: usize, listed: usize) -> Surroundings {
    if kernel == Kernel::Euclidean {
        every_block(tree, Euclidean, k, listed)
    } else {
        every_block(tree, kernel, k, listed)
    }
}

fn every_block<S: Space>(tree: &Tree, space: S, k: usize, listed: usize) -> Surroundings {
    let n = tree.n();
    let mut kth = vec![0.0; n];
    // A list that nobody asks for still has a place, so that both columns have as many chunks.
    let width = listed.max(1);
    let mut near = vec![0; n * width];
    let rows = CHUNK * BLOCK;
    for_each_chunk_of_two((&mut kth, rows), (&mut near, rows * width), |chunk, kth, near| {
        let mut search = BlockSearch::new(k);
        let out = kth.chunks_mut(BLOCK).zip(near.chunks_mut(BLOCK * width));
        for (i, (kth, near)) in out.enumerate() {
            simd::run(NearestOfBlock { tree, space, search: &mut search, block: chunk * CHUNK + i });
            for lane in 0..kth.len() {
                kth[lane] = space.finish(search.reduced[(lane + 1) * k - 1]);
                let positions = &search.positions[lane * k..lane * k + listed];
                near[lane * width..lane * width + listed].copy_from_slice(positions);
            }
        }
    });
    near.truncate(n * listed);
    Surroundings { kth, near, listed }
}

/// The k nearest so far of each row of a block.
struct BlockSearch {
    k: usize,
    /// Per row ascending.
    reduced: Vec<f64>,
    positions: Vec<u32>,
    /// The rows of the block in row form.
    rows: Vec<f64>,
    open: Vec<(f64, u32)>,
    limits: [f64; BLOCK],
}

impl BlockSearch {
    fn new(k: usize) -> Self {
        Self {
            k,
            reduced: vec![0.0; BLOCK * k],
            positions: vec![0; BLOCK * k],
            rows: Vec::new(),
            open: Vec::new(),
            limits: [f64::INFINITY; BLOCK],
        }
    }

    #[inline(always)]
    fn insert(&mut self, lane: usize, value: f64, position: u32) {
        let k = self.k;
        let reduced = &mut self.reduced[lane * k..(lane + 1) * k];
        let positions = &mut self.positions[lane * k..(lane + 1) * k];
        let mut at = k - 1;
        while at > 0 && reduced[at - 1] > value {
            reduced[at] = reduced[at - 1];
            positions[at] = positions[at - 1];
            at -= 1;
        }
        reduced[at] = value;
        positions[at] = position;
        self.limits[lane] = reduced[k - 1];
    }

    /// Inserts the rows of a block that are nearer than the k-th so far.
    #[inline(always)]
    fn take_nearer(&mut self, first: usize, lane: usize, reduced: &[f64; BLOCK], others: Range<usize>) {
        let near = lanes_up_to(reduced, self.limits[lane]) & u32::MAX >> (32 - others.len());
        for j in bits(near) {
            let position = others.start + j;
            if reduced[j] < self.limits[lane] && position != first + lane {
                self.insert(lane, reduced[j], position as u32);
            }
        }
    }

    #[inline(always)]
    fn largest_limit(&self, rows: usize) -> f64 {
        self.limits[..rows].iter().fold(0.0, |m, &v| if v > m { v } else { m })
    }
}

struct NearestOfBlock<'a, S> {
    tree: &'a Tree,
    space: S,
    search: &'a mut BlockSearch,
    block: usize,
}

impl<S: Space> Work for NearestOfBlock<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { tree, space, search, block } = self;
        search.reduced.fill(f64::INFINITY);
        search.limits = [f64::INFINITY; BLOCK];
        let own = tree.positions(block);
        rows_of(tree.columns(block), &mut search.rows);
        // Its own block first: the limits are then short when the tree is entered.
        scan(tree, space, search, &own, block);
        let (low, high) = tree.block_box(block);
        if tree.n_nodes() == 0 {
            (0..tree.n_blocks()).filter(|&b| b != block).for_each(|b| scan(tree, space, search, &own, b));
            return;
        }
        let mut limit = search.largest_limit(own.len());
        let mut open = std::mem::take(&mut search.open);
        open.clear();
        push_sorted(&mut open, space.boxes(low, high, tree.boxes(0)), tree.children(0), limit);
        while let Some((bound, child)) = open.pop() {
            if bound >= limit {
                continue;
            }
            match Tree::child(child) {
                Some(Child::Leaf(other)) if other != block => {
                    scan(tree, space, search, &own, other);
                    limit = search.largest_limit(own.len());
                }
                Some(Child::Node(node)) => {
                    let bounds = space.boxes(low, high, tree.boxes(node));
                    push_sorted(&mut open, bounds, tree.children(node), limit);
                }
                _ => {}
            }
        }
        search.open = open;
    }
}

/// A block in row form.
#[inline(always)]
pub(crate) fn rows_of(columns: &[f64], rows: &mut Vec<f64>) {
    let width = columns.len() / BLOCK;
    rows.resize(columns.len(), 0.0);
    for (c, column) in columns.chunks_exact(BLOCK).enumerate() {
        for (lane, &value) in column.iter().enumerate() {
            rows[lane * width + c] = value;
        }
    }
}

/// Measures the rows of `own` against a block.
#[inline(always)]
fn scan<S: Space>(tree: &Tree, space: S, search: &mut BlockSearch, own: &Range<usize>, other: usize) {
    let columns = tree.columns(other);
    let width = columns.len() / BLOCK;
    let mut bounds = [0.0; BLOCK];
    if tree.n_nodes() > 0 {
        let (low, high) = tree.block_box(other);
        space.block_to_box(tree.columns(own.start / BLOCK), low, high, &mut bounds);
    }
    let mut lanes = [0; BLOCK];
    let mut asked = 0;
    for (lane, (bound, limit)) in bounds.iter().zip(&search.limits).enumerate().take(own.len()) {
        lanes[asked] = lane;
        asked += usize::from(bound < limit);
    }
    let rows = std::mem::take(&mut search.rows);
    let row = |lane: usize| &rows[lane * width..(lane + 1) * width];
    let mut reduced = [[0.0; BLOCK]; 2];
    for pair in lanes[..asked].chunks(2) {
        match *pair {
            [a, b] => space.block_of_two([row(a), row(b)], columns, &mut reduced),
            [a, ..] => space.block(row(a), columns, &mut reduced[0]),
            [] => {}
        }
        for (&lane, reduced) in pair.iter().zip(&reduced) {
            search.take_nearer(own.start, lane, reduced, tree.positions(other));
        }
    }
    search.rows = rows;
}
