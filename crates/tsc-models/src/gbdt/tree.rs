//! One tree as a flat array, and the exact decisions of LightGBM.

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

/// Inner node or leaf. A leaf is its own child, so a walk of fixed length needs no branch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Threshold, number of the category set, or leaf value.
    pub(super) value: f64,
    pub(super) feature: u32,
    pub(super) children: [u32; 2],
    pub(super) decision: Decision,
}

#[derive(Debug)]
pub(super) struct Tree {
    /// Inner nodes, then leaves; the root is the first.
    pub(super) nodes: Vec<Node>,
    /// Steps from the root to the deepest leaf.
    pub(super) depth: u32,
    /// Whether every split is plain.
    pub(super) plain: bool,
    /// Starts of the category sets in `categories`, and the end of the last.
    pub(super) boundaries: Vec<usize>,
    /// Bit sets of the categories that go left.
    pub(super) categories: Vec<u32>,
}

impl Tree {
    /// The leaf value for a row whose cells may be NaN.
    pub(super) fn value_of(&self, row: &[f64]) -> f64 {
        let mut at = 0;
        loop {
            let node = &self.nodes[at as usize];
            let next = node.children[usize::from(!self.goes_left(node, row[node.feature as usize]))];
            if next == at {
                return node.value;
            }
            at = next;
        }
    }

    fn goes_left(&self, node: &Node, cell: f64) -> bool {
        let decision = node.decision;
        if decision.categorical {
            return self.category_goes_left(node.value as usize, cell);
        }
        let cell = if cell.is_nan() && decision.missing != Missing::Nan { 0.0 } else { cell };
        let missing = match decision.missing {
            Missing::None => false,
            Missing::Zero => (-ZERO..=ZERO).contains(&cell),
            Missing::Nan => cell.is_nan(),
        };
        if missing { decision.default_left } else { cell <= node.value }
    }

    fn category_goes_left(&self, set: usize, cell: f64) -> bool {
        // Truncation toward zero; what does not fit an i32 is no category, like NaN and negatives.
        if cell.is_nan() || cell <= -1.0 || cell >= 2_147_483_648.0 {
            return false;
        }
        let category = cell as usize;
        let bits = &self.categories[self.boundaries[set]..self.boundaries[set + 1]];
        bits.get(category / 32).is_some_and(|word| word >> (category % 32) & 1 == 1)
    }
}
