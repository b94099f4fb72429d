//! Trees as sets of leaves: every split is tested, and takes away the leaves that a row cannot reach.
//!
//! Lucchese, Nardini, Orlando, Perego, Tonellotto, Venturini, "QuickScorer" (2015). A row has no branch and no load
//! that waits for another, so rows side by side fill the vector registers.

use super::tree::Forest;

/// Leaves that fit into one set.
const LEAVES: usize = 64;
/// Splits of one row that are tested side by side.
const SPLITS: usize = 4;
/// Rows that are tested side by side.
pub(super) const LANES: usize = 16;

/// The splits and leaves of all trees that have a set, one tree behind the other.
#[derive(Debug, Default)]
pub(super) struct Masks {
    thresholds: Vec<f64>,
    /// Leaves left of each split, which a cell above the threshold cannot reach.
    left: Vec<u64>,
    features: Vec<u32>,
    /// Values from the leftmost leaf of a tree on.
    leaves: Vec<f64>,
}

/// Where a tree stands in [`Masks`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask {
    splits: (u32, u32),
    leaves: u32,
}

impl Masks {
    /// Adds a tree of plain splits; `None` if it has more leaves than a set holds.
    pub(super) fn add(&mut self, forest: &Forest, root: u32, n_leaves: usize) -> Option<Mask> {
        if n_leaves > LEAVES {
            return None;
        }
        let (first, leaves) = (self.left.len(), self.leaves.len());
        self.leaves_below(forest, root, leaves);
        while !self.left.len().is_multiple_of(SPLITS) {
            self.push(f64::INFINITY, 0, 0);
        }
        let place = |at: usize| u32::try_from(at).ok();
        Some(Mask { splits: (place(first)?, place(self.left.len())?), leaves: place(leaves)? })
    }

    fn push(&mut self, threshold: f64, left: u64, feature: u32) {
        // -0 would lie below 0 by the sign of the difference.
        self.thresholds.push(threshold + 0.0);
        self.left.push(left);
        self.features.push(feature);
    }

    fn leaves_below(&mut self, forest: &Forest, node: u32, first: usize) -> u64 {
        if forest.is_leaf(node) {
            self.leaves.push(forest.values[node as usize]);
            return 1 << (self.leaves.len() - 1 - first);
        }
        let step = forest.steps[node as usize];
        let left = self.leaves_below(forest, step.left, first);
        self.push(step.threshold, left, step.feature);
        left | self.leaves_below(forest, step.left + 1, first)
    }

    #[inline(always)]
    fn splits(&self, mask: Mask) -> (&[f64], &[u64], &[u32]) {
        let range = mask.splits.0 as usize..mask.splits.1 as usize;
        (&self.thresholds[range.clone()], &self.left[range.clone()], &self.features[range])
    }

    /// The value of the leftmost leaf that is left.
    #[inline(always)]
    fn value(&self, mask: Mask, taken: u64) -> f64 {
        self.leaves[mask.leaves as usize + (!taken).trailing_zeros() as usize]
    }

    /// The leaf value of one row of finite cells.
    #[inline]
    pub(super) fn of_row(&self, mask: Mask, row: &[f64]) -> f64 {
        let (thresholds, left, features) = self.splits(mask);
        let mut taken = [0; SPLITS];
        let splits = thresholds.as_chunks::<SPLITS>().0.iter().zip(left.as_chunks::<SPLITS>().0);
        for ((thresholds, left), features) in splits.zip(features.as_chunks::<SPLITS>().0) {
            let cells = features.map(|feature| row[feature as usize]);
            for split in 0..SPLITS {
                taken[split] |= left[split] & above(cells[split], thresholds[split]);
            }
        }
        self.value(mask, taken.iter().fold(0, |all, taken| all | taken))
    }

    /// Adds the leaf values of rows whose cells stand column by column, finite all; `stride` cells a column.
    #[inline(always)]
    pub(super) fn add_rows(&self, mask: Mask, columns: &[f64], stride: usize, sums: &mut [f64; LANES]) {
        let (thresholds, left, features) = self.splits(mask);
        let mut taken = [0; LANES];
        for ((&threshold, &left), &feature) in thresholds.iter().zip(left).zip(features) {
            let Some(cells) = columns[feature as usize * stride..].first_chunk::<LANES>() else { continue };
            for (taken, &cell) in taken.iter_mut().zip(cells) {
                *taken |= left & above(cell, threshold);
            }
        }
        for (sum, taken) in sums.iter_mut().zip(taken) {
            *sum += self.value(mask, taken);
        }
    }
}

/// All bits if the cell lies above the threshold, else none; cell and threshold are no NaN, the cell is finite.
///
/// The sign of the difference and not a comparison, which the compiler makes a branch that is hard to predict.
#[inline(always)]
fn above(cell: f64, threshold: f64) -> u64 {
    ((threshold - cell).to_bits().cast_signed() >> 63).cast_unsigned()
}
