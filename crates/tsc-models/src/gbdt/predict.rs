//! Scoring: sixteen rows walk one tree together, or one row eight trees.

use rayon::prelude::*;
use tsc_core::Features;

use super::tree::{Forest, Step, Tree};

/// Rows that walk a tree together.
const ROWS: usize = 16;
/// Trees that one row walks together.
const TREES: usize = 8;
/// Rows that share a tree while it is in the first cache.
const BLOCK: usize = 64;
/// Rows of a parallel task; fewer stay on the calling thread.
const TASK: usize = 2_048;
/// Deeper trees are so lopsided that walking every row to the full depth costs more than a branch.
const DEEPEST: u32 = 48;

/// Sums of the trees in file order, so that they have LightGBM's bits.
pub(super) fn raw(forest: &Forest, x: Features<'_>, out: &mut [f64]) {
    let width = x.n_features();
    x.as_slice().par_chunks(TASK * width).zip(out.par_chunks_mut(TASK)).for_each(|(rows, sums)| {
        for (rows, sums) in rows.chunks(BLOCK * width).zip(sums.chunks_mut(BLOCK)) {
            sums.fill(0.0);
            for tree in &forest.trees {
                add(forest, tree, rows, width, sums);
            }
        }
    });
}

fn add(forest: &Forest, tree: &Tree, rows: &[f64], width: usize, sums: &mut [f64]) {
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
    let mut sum = 0.0;
    let finite = row.iter().all(|cell| cell.is_finite());
    for trees in forest.trees.chunks(TREES) {
        let depth = trees.iter().map(|tree| tree.depth).max().unwrap_or(0);
        if finite && trees.len() == TREES && depth <= DEEPEST && trees.iter().all(|tree| tree.plain) {
            let mut at: [u32; TREES] = std::array::from_fn(|tree| trees[tree].root);
            for _ in 0..depth {
                for at in &mut at {
                    *at = next(&forest.steps, *at, row);
                }
            }
            sum = at.iter().fold(sum, |sum, &leaf| sum + forest.values[leaf as usize]);
        } else {
            let values = trees.iter().map(|tree| forest.values[forest.leaf_of(tree, row) as usize]);
            sum = values.fold(sum, |sum, value| sum + value);
        }
    }
    sum
}

#[inline]
fn next(steps: &[Step], at: u32, row: &[f64]) -> u32 {
    let step = &steps[at as usize];
    step.left + u32::from(row[step.feature as usize] > step.threshold)
}
