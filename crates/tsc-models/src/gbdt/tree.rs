//! All trees of a model as flat arrays, and the exact decisions of LightGBM.

use super::masks::{Mask, Masks};

/// Values up to this far from 0 count as zero; LightGBM's constant is an f32, widened.
const ZERO: f64 = 1e-35_f32 as f64;

const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    None,
    Zero,
    Nan,
}

/// How a split decides; built from LightGBM's decision byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decision {
    categorical: bool,
    default_left: bool,
    missing: Missing,
}

impl Decision {
    pub(super) const LEAF: Decision =
        Decision { categorical: false, default_left: false, missing: Missing::None };

    /// Bit 0 categorical, bit 1 default left, bits 2-3 missing type.
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        let missing = match byte >> 2 {
            0 => Missing::None,
            1 => Missing::Zero,
            2 => Missing::Nan,
            _ => return None,
        };
        let (categorical, default_left) = (byte & CATEGORICAL != 0, byte & DEFAULT_LEFT != 0);
        Some(Self { categorical, default_left, missing })
    }

    pub(super) fn is_categorical(self) -> bool {
        self.categorical
    }

    // Finite values need no look at missing types unless zero is one.
    pub(super) fn is_plain(self) -> bool {
        !self.categorical && self.missing != Missing::Zero
    }
}

/// What a walk reads at a node: go to `left`, or to its neighbour if the cell is above the threshold.
///
/// A leaf is its own left child and its threshold is infinite, so a walk of fixed length needs no branch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Threshold, or number of the category set.
    pub(super) threshold: f64,
    pub(super) feature: u32,
    pub(super) left: u32,
}

/// What a node holds beyond a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    /// Training rows that came here.
    pub(super) rows: u32,
    /// LightGBM's number of a leaf.
    pub(super) leaf: u32,
    pub(super) decision: Decision,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Tree {
    pub(super) root: u32,
    /// Steps from the root to the deepest leaf.
    pub(super) depth: u32,
    /// Whether every split is plain.
    pub(super) plain: bool,
    /// A plain tree of few leaves as sets of them.
    pub(super) mask: Option<Mask>,
}

/// The nodes of all trees, one tree behind the other, siblings side by side.
#[derive(Debug, Default)]
pub(super) struct Forest {
    pub(super) trees: Vec<Tree>,
    pub(super) steps: Vec<Step>,
    /// Leaf values; 0 at splits.
    pub(super) values: Vec<f64>,
    pub(super) facts: Vec<Fact>,
    /// Bit sets of the categories that go left.
    pub(super) sets: Vec<Box<[u32]>>,
    pub(super) masks: Masks,
}

impl Forest {
    /// Nodes of a tree.
    pub(super) fn nodes(&self, tree: usize) -> std::ops::Range<usize> {
        let end = self.trees.get(tree + 1).map_or(self.steps.len(), |next| next.root as usize);
        self.trees[tree].root as usize..end
    }

    pub(super) fn is_leaf(&self, node: u32) -> bool {
        self.steps[node as usize].left == node
    }

    /// The leaf where a row whose cells may be NaN ends.
    pub(super) fn leaf_of(&self, tree: &Tree, row: &[f64]) -> u32 {
        let mut at = tree.root;
        while !self.is_leaf(at) {
            at = self.child_of(at, row);
        }
        at
    }

    /// The child of a split that a row goes to.
    pub(super) fn child_of(&self, node: u32, row: &[f64]) -> u32 {
        let Step { threshold, feature, left } = self.steps[node as usize];
        let (cell, decision) = (row[feature as usize], self.facts[node as usize].decision);
        let goes_left = if decision.categorical {
            self.category_goes_left(threshold as usize, cell)
        } else {
            let cell = if cell.is_nan() && decision.missing != Missing::Nan { 0.0 } else { cell };
            let missing = match decision.missing {
                Missing::None => false,
                Missing::Zero => (-ZERO..=ZERO).contains(&cell),
                Missing::Nan => cell.is_nan(),
            };
            if missing { decision.default_left } else { cell <= threshold }
        };
        if goes_left { left } else { left + 1 }
    }

    fn category_goes_left(&self, set: usize, cell: f64) -> bool {
        // Truncation toward zero; what does not fit an i32 is no category, like NaN and negatives.
        if cell.is_nan() || cell <= -1.0 || cell >= 2_147_483_648.0 {
            return false;
        }
        let category = cell as usize;
        self.sets[set].get(category / 32).is_some_and(|word| word >> (category % 32) & 1 == 1)
    }
}
