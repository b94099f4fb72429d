//! Scoring of many rows: sixteen rows walk one tree together.

use tsc_core::Features;

use super::tree::Tree;

const LANES: usize = 16;
// Rows that share a tree while it is in the first cache.
const BLOCK: usize = 64;
// Deeper trees are so lopsided that walking every row to the full depth costs more than a branch.
const DEEPEST: u32 = 48;

/// Adds the trees up in file order, so that the sum has LightGBM's bits.
pub(super) fn raw(trees: &[Tree], x: Features<'_>, out: &mut [f64]) {
    let width = x.n_features();
    out.fill(0.0);
    for (rows, sums) in x.as_slice().chunks(BLOCK * width).zip(out.chunks_mut(BLOCK)) {
        for tree in trees {
            let together = if tree.plain && tree.depth <= DEEPEST { sums.len() / LANES * LANES } else { 0 };
            let (rows_together, rows_alone) = rows.split_at(together * width);
            let (sums_together, sums_alone) = sums.split_at_mut(together);
            for (rows, sums) in
                rows_together.chunks_exact(LANES * width).zip(sums_together.chunks_exact_mut(LANES))
            {
                walk(tree, rows, width, sums);
            }
            for (row, sum) in rows_alone.chunks_exact(width).zip(sums_alone) {
                *sum += tree.value_of(row);
            }
        }
    }
}

// The walks do not wait for each other, so the processor overlaps their loads.
fn walk(tree: &Tree, rows: &[f64], width: usize, sums: &mut [f64]) {
    let nodes = tree.nodes.as_slice();
    let mut at = [0_u32; LANES];
    for _ in 0..tree.depth {
        for (lane, at) in at.iter_mut().enumerate() {
            let node = &nodes[*at as usize];
            let right = rows[lane * width + node.feature as usize] > node.value;
            *at = node.children[usize::from(right)];
        }
    }
    for (sum, at) in sums.iter_mut().zip(at) {
        *sum += nodes[at as usize].value;
    }
}
