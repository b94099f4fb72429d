//! Rows in blocks, stored by column, below a tree of boxes with four children each.

use tsc_core::Features;

use crate::kernel::{BLOCK, Kernel};
use crate::parallel::{for_each_chunk, in_parallel};

/// Below this a part is split by one thread.
const PARALLEL_ROWS: usize = 8192;
/// Rows that decide which side of a part is the widest.
const SPREAD_ROWS: usize = 64;
/// A child that is a leaf: the rest of the number is the block.
const LEAF: u32 = 1 << 31;
/// No child.
const NONE: u32 = u32::MAX;

/// What a node's child is.
pub(crate) enum Child {
    Leaf(usize),
    Node(usize),
}

/// Every block but the last is full, so position `p` lies in block `p / BLOCK`.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// Row of each position.
    pub(crate) rows: Vec<u32>,
    /// Prepared values, a block after the other, each by column. The last block is filled up with its last row.
    columns: Vec<f64>,
    width: usize,
    /// Width of the space the boxes lie in.
    box_width: usize,
    /// Per block its lows, then its highs.
    block_boxes: Vec<f64>,
    children: Vec<[u32; 4]>,
    /// Per node and column the four lows, then the four highs.
    boxes: Vec<f64>,
}

impl Tree {
    /// `rows` are prepared. Without `splits` the blocks keep the order of the rows and there is one chain of
    /// nodes without use.
    pub(crate) fn new(rows: Features<'_>, kernel: Kernel, splits: bool) -> Self {
        let n = rows.n_samples();
        let mut order: Vec<u32> = (0..n as u32).collect();
        let points = (kernel == Kernel::Haversine).then(|| {
            let mut points = Vec::with_capacity(n * 3);
            rows.rows().for_each(|row| kernel.bound_row(row, &mut points));
            points
        });
        let (points, box_width) = match &points {
            Some(points) => (points.as_slice(), 3),
            None => (rows.as_slice(), rows.n_features()),
        };
        if splits {
            split(points, box_width, &mut order);
        }
        let columns = columns(rows.as_slice(), rows.n_features(), &order);
        let block_boxes = block_boxes(points, box_width, &order);
        let mut tree = Self {
            rows: order,
            columns,
            width: rows.n_features(),
            box_width,
            block_boxes,
            children: Vec::new(),
            boxes: Vec::new(),
        };
        if splits {
            tree.grow();
        }
        tree
    }

    pub(crate) fn n(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn n_blocks(&self) -> usize {
        self.rows.len().div_ceil(BLOCK)
    }

    pub(crate) fn n_nodes(&self) -> usize {
        self.children.len()
    }

    /// Positions of a block.
    pub(crate) fn positions(&self, block: usize) -> std::ops::Range<usize> {
        block * BLOCK..((block + 1) * BLOCK).min(self.n())
    }

    #[inline(always)]
    pub(crate) fn columns(&self, block: usize) -> &[f64] {
        let size = BLOCK * self.width;
        &self.columns[block * size..(block + 1) * size]
    }

    /// Lows and highs of a block.
    #[inline(always)]
    pub(crate) fn block_box(&self, block: usize) -> (&[f64], &[f64]) {
        let e = self.box_width;
        self.block_boxes[block * 2 * e..(block + 1) * 2 * e].split_at(e)
    }

    /// Boxes of a node's children, as [`Space::boxes`](crate::kernel::Space::boxes) takes them.
    #[inline(always)]
    pub(crate) fn boxes(&self, node: usize) -> &[f64] {
        let size = 8 * self.box_width;
        &self.boxes[node * size..(node + 1) * size]
    }

    #[inline(always)]
    pub(crate) fn children(&self, node: usize) -> [u32; 4] {
        self.children[node]
    }

    #[inline(always)]
    pub(crate) fn child(child: u32) -> Option<Child> {
        match child {
            NONE => None,
            leaf if leaf & LEAF != 0 => Some(Child::Leaf((leaf & !LEAF) as usize)),
            node => Some(Child::Node(node as usize)),
        }
    }

    /// Nodes over the blocks: parents come before their children.
    fn grow(&mut self) {
        let e = self.box_width;
        let mut ranges = vec![(0, self.n_blocks())];
        while self.children.len() < ranges.len() {
            let (start, end) = ranges[self.children.len()];
            let mut children = [NONE; 4];
            let middle = halves(start, end);
            let quarters = [
                (start, halves(start, middle)),
                (halves(start, middle), middle),
                (middle, halves(middle, end)),
                (halves(middle, end), end),
            ];
            for (child, (start, end)) in children.iter_mut().zip(quarters) {
                *child = match end - start {
                    0 => continue,
                    1 => LEAF | start as u32,
                    _ => {
                        ranges.push((start, end));
                        (ranges.len() - 1) as u32
                    }
                };
            }
            self.children.push(children);
        }
        self.boxes = vec![0.0; self.children.len() * 8 * e];
        // A child that is missing lies infinitely far away.
        let mut whole = vec![0.0; 2 * e];
        for node in (0..self.children.len()).rev() {
            for (lane, child) in self.children[node].into_iter().enumerate() {
                match Self::child(child) {
                    Some(Child::Leaf(block)) => {
                        whole.copy_from_slice(&self.block_boxes[block * 2 * e..(block + 1) * 2 * e]);
                    }
                    Some(Child::Node(below)) => {
                        for c in 0..e {
                            let sides = &self.boxes[(below * e + c) * 8..(below * e + c + 1) * 8];
                            whole[c] = sides[..4].iter().copied().fold(f64::INFINITY, f64::min);
                            whole[e + c] = sides[4..].iter().copied().fold(f64::NEG_INFINITY, f64::max);
                        }
                    }
                    None => {
                        whole[..e].fill(f64::INFINITY);
                        whole[e..].fill(f64::NEG_INFINITY);
                    }
                }
                for c in 0..e {
                    let sides = &mut self.boxes[(node * e + c) * 8..(node * e + c + 1) * 8];
                    (sides[lane], sides[4 + lane]) = (whole[c], whole[e + c]);
                }
            }
        }
    }
}

/// Where a range of blocks is split; an empty or single range is not.
fn halves(start: usize, end: usize) -> usize {
    start + (end - start).div_ceil(2)
}

/// Orders the rows so that each half of a part lies on one side of its widest side. Depth log2(n).
fn split(points: &[f64], width: usize, rows: &mut [u32]) {
    let mut open = vec![rows];
    while let Some(rows) = open.pop() {
        if rows.len() <= BLOCK {
            continue;
        }
        let side = widest(points, width, rows);
        let middle = halves(0, rows.len().div_ceil(BLOCK)) * BLOCK;
        let parallel = rows.len() > PARALLEL_ROWS;
        let mut keys: Vec<(u64, u32)> =
            rows.iter().map(|&row| (ordered(points[row as usize * width + side]), row)).collect();
        keys.select_nth_unstable(middle - 1);
        rows.iter_mut().zip(keys).for_each(|(row, (_, key_row))| *row = key_row);
        let (left, right) = rows.split_at_mut(middle);
        if parallel {
            in_parallel(|| split(points, width, left), || split(points, width, right));
        } else {
            open.extend([right, left]);
        }
    }
}

/// Bits that order like the (finite) value.
fn ordered(value: f64) -> u64 {
    // Adding zero makes one of the two zeros.
    let bits = (value + 0.0).to_bits();
    bits ^ ((bits as i64 >> 63) as u64 | 1 << 63)
}

fn widest(points: &[f64], width: usize, rows: &[u32]) -> usize {
    let stride = rows.len().div_ceil(SPREAD_ROWS);
    let (mut low, mut high) = (vec![f64::INFINITY; width], vec![f64::NEG_INFINITY; width]);
    for &row in rows.iter().step_by(stride) {
        let point = &points[row as usize * width..(row as usize + 1) * width];
        for ((low, high), &value) in low.iter_mut().zip(&mut high).zip(point) {
            *low = low.min(value);
            *high = high.max(value);
        }
    }
    (0..width).max_by(|&a, &b| (high[a] - low[a]).total_cmp(&(high[b] - low[b])).then(b.cmp(&a))).unwrap_or(0)
}

fn columns(values: &[f64], width: usize, order: &[u32]) -> Vec<f64> {
    let size = BLOCK * width;
    let mut columns = vec![0.0; order.len().div_ceil(BLOCK) * size];
    for_each_chunk(&mut columns, 64 * size, |first, columns| {
        for (i, block) in columns.chunks_exact_mut(size).enumerate() {
            let start = (first / size + i) * BLOCK;
            for lane in 0..BLOCK {
                let row = order[(start + lane).min(order.len() - 1)] as usize;
                for (c, &value) in values[row * width..(row + 1) * width].iter().enumerate() {
                    block[c * BLOCK + lane] = value;
                }
            }
        }
    });
    columns
}

fn block_boxes(points: &[f64], width: usize, order: &[u32]) -> Vec<f64> {
    let size = 2 * width;
    let mut boxes = vec![0.0; order.len().div_ceil(BLOCK) * size];
    for_each_chunk(&mut boxes, 64 * size, |first, boxes| {
        for (i, sides) in boxes.chunks_exact_mut(size).enumerate() {
            let start = (first / size + i) * BLOCK;
            let (low, high) = sides.split_at_mut(width);
            low.fill(f64::INFINITY);
            high.fill(f64::NEG_INFINITY);
            for &row in &order[start..(start + BLOCK).min(order.len())] {
                let point = &points[row as usize * width..(row as usize + 1) * width];
                for ((low, high), &value) in low.iter_mut().zip(high.iter_mut()).zip(point) {
                    *low = low.min(value);
                    *high = high.max(value);
                }
            }
        }
    });
    boxes
}
