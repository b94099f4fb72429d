//! Scoring: by sets of leaves, or for a tree of many leaves by walks of sixteen rows together.

use rayon::prelude::*;
use tsc_core::Features;
use tsc_core::simd::{self, Work};

use super::masks::LANES;
use super::tree::{Forest, Step, Tree};

/// Rows that walk a tree together.
const ROWS: usize = 16;
/// Fewer rows are scored one by one.
const FEW: usize = 4;
/// Rows that share a tree while it is in the first cache.
const BLOCK: usize = 64;
/// Rows of a parallel task; fewer stay on the calling thread.
const TASK: usize = 2_048;
/// Deeper trees are so lopsided that walking every row to the full depth costs more than a branch.
const DEEPEST: u32 = 48;

/// Sums of the trees in file order, so that they have LightGBM's bits.
pub(super) fn raw(forest: &Forest, x: Features<'_>, out: &mut [f64]) {
    let width = x.n_features();
    x.as_slice().par_chunks(TASK * width).zip(out.par_chunks_mut(TASK)).for_each(|(rows, out)| {
        let mut columns = vec![0.0; BLOCK * width];
        for (rows, out) in rows.chunks(BLOCK * width).zip(out.chunks_mut(BLOCK)) {
            if out.len() < FEW {
                for (row, out) in rows.chunks_exact(width).zip(out) {
                    *out = raw_of_row(forest, row);
                }
                continue;
            }
            for (number, row) in rows.chunks_exact(width).enumerate() {
                for (column, &cell) in columns.chunks_exact_mut(BLOCK).zip(row) {
                    column[number] = cell;
                }
            }
            simd::run(Block { forest, width, rows, columns: &columns, out });
        }
    });
}

/// The raw scores of some rows, given by row and by column.
struct Block<'a> {
    forest: &'a Forest,
    width: usize,
    rows: &'a [f64],
    columns: &'a [f64],
    out: &'a mut [f64],
}

impl Work for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { forest, width, rows, columns, out } = self;
        let mut sums = [0.0; BLOCK];
        for tree in &forest.trees {
            match tree.mask {
                Some(mask) => {
                    let lanes = sums.as_chunks_mut::<LANES>().0.iter_mut().take(out.len().div_ceil(LANES));
                    for (group, sums) in lanes.enumerate() {
                        forest.masks.add_rows(mask, &columns[group * LANES..], BLOCK, sums);
                    }
                }
                None => walk(forest, tree, rows, width, &mut sums[..out.len()]),
            }
        }
        out.copy_from_slice(&sums[..out.len()]);
    }
}

/// As a mask does, for trees that have none.
fn walk(forest: &Forest, tree: &Tree, rows: &[f64], width: usize, sums: &mut [f64]) {
    let together = if tree.plain && tree.depth <= DEEPEST { sums.len() / ROWS * ROWS } else { 0 };
    let (rows_together, rows_alone) = rows.split_at(together * width);
    let (sums_together, sums_alone) = sums.split_at_mut(together);
    for (rows, sums) in rows_together.chunks_exact(ROWS * width).zip(sums_together.chunks_exact_mut(ROWS)) {
        let mut at = [tree.root; ROWS];
        // The walks do not wait for each other, so the processor overlaps their loads.
        for _ in 0..tree.depth {
            for (row, at) in rows.chunks_exact(width).zip(&mut at) {
                *at = next(&forest.steps, *at, row);
            }
        }
        for (sum, at) in sums.iter_mut().zip(at) {
            *sum += forest.values[at as usize];
        }
    }
    for (row, sum) in rows_alone.chunks_exact(width).zip(sums_alone) {
        *sum += forest.values[forest.leaf_of(tree, row) as usize];
    }
}

/// The same for one row whose cells may be NaN.
pub(super) fn raw_of_row(forest: &Forest, row: &[f64]) -> f64 {
    let finite = row.iter().all(|cell| cell.is_finite());
    let value = |tree: &Tree| match tree.mask {
        Some(mask) if finite => forest.masks.of_row(mask, row),
        _ => forest.values[forest.leaf_of(tree, row) as usize],
    };
    forest.trees.iter().fold(0.0, |sum, tree| sum + value(tree))
}

#[inline]
fn next(steps: &[Step], at: u32, row: &[f64]) -> u32 {
    let step = &steps[at as usize];
    step.left + u32::from(row[step.feature as usize] > step.threshold)
}
