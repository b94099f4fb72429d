//! Rows in blocks, stored by column, below a tree of boxes with four children each.

use tsc_core::Features;

use crate::kernel::{BLOCK, Kernel, Space};
use crate::parallel::{for_each_chunk, for_each_chunk_of_two, in_parallel};

/// Below this a part is split by one thread.
const PARALLEL_ROWS: usize = 8192;
/// Rows that decide where a part is split.
const SAMPLE: usize = 128;
/// A part this many times wider than its bulk loses its outermost rows instead of being halved.
const STRAY: f64 = 4.0;
/// From this width on the ball of a block excludes more than its box.
const BALL_WIDTH: usize = 8;
/// A child that is a leaf: the rest of the number is the block.
const LEAF: u32 = 1 << 31;
/// In the place of a child that is missing.
pub(crate) const NO_CHILD: u32 = u32::MAX;

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
    /// Balls of the blocks, for wide euclidean rows.
    balls: Option<Balls>,
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
        let mut middles = vec![0; n.div_ceil(BLOCK) - 1];
        if splits {
            split(points, box_width, &mut order, &mut middles);
        }
        let columns = columns(rows.as_slice(), rows.n_features(), &order);
        let block_boxes = block_boxes(points, box_width, &order);
        let mut tree = Self {
            rows: order,
            columns,
            width: rows.n_features(),
            box_width,
            block_boxes,
            balls: None,
            children: Vec::new(),
            boxes: Vec::new(),
        };
        if splits {
            tree.grow(&middles);
            tree.balls = (kernel == Kernel::Euclidean && box_width >= BALL_WIDTH).then(|| tree.balls());
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
            NO_CHILD => None,
            leaf if leaf & LEAF != 0 => Some(Child::Leaf((leaf & !LEAF) as usize)),
            node => Some(Child::Node(node as usize)),
        }
    }

    /// Center and radius of a block's rows, if there are balls.
    #[inline(always)]
    pub(crate) fn ball(&self, block: usize) -> Option<(&[f64], f64)> {
        let balls = self.balls.as_ref()?;
        Some((&balls.centers[block * self.width..(block + 1) * self.width], balls.radii[block]))
    }

    fn balls(&self) -> Balls {
        let mut centers = vec![0.0; self.n_blocks() * self.width];
        let mut radii = vec![0.0; self.n_blocks()];
        for_each_chunk_of_two((&mut centers, 64 * self.width), (&mut radii, 64), |chunk, centers, radii| {
            for (i, (center, radius)) in centers.chunks_exact_mut(self.width).zip(radii).enumerate() {
                let block = chunk * 64 + i;
                let columns = self.columns(block);
                for (center, column) in center.iter_mut().zip(columns.chunks_exact(BLOCK)) {
                    *center = column.iter().sum::<f64>() / BLOCK as f64;
                }
                let mut reduced = [0.0; BLOCK];
                Kernel::Euclidean.block(center, columns, &mut reduced);
                *radius = reduced.iter().fold(0.0, |m: f64, &v| m.max(v)).sqrt();
            }
        });
        Balls { centers, radii }
    }

    /// Nodes over the blocks: parents come before their children.
    fn grow(&mut self, middles: &[u32]) {
        let e = self.box_width;
        let mut parts = vec![Part { start: 0, end: self.n_blocks(), at: 0 }];
        while self.children.len() < parts.len() {
            let mut below = vec![parts[self.children.len()]];
            while let Some(largest) = (0..below.len()).rev().max_by_key(|&i| below[i].end - below[i].start)
                && below[largest].end - below[largest].start > 1
                && below.len() < 4
            {
                below.splice(largest..=largest, below[largest].halves(middles));
            }
            let mut children = [NO_CHILD; 4];
            for (child, part) in children.iter_mut().zip(below) {
                *child = if part.end - part.start == 1 {
                    LEAF | part.start as u32
                } else {
                    parts.push(part);
                    (parts.len() - 1) as u32
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

#[derive(Clone, Debug)]
struct Balls {
    centers: Vec<f64>,
    radii: Vec<f64>,
}

/// A range of blocks that is split at `middles[at]`; the middles of its first part follow, then those of
/// its second.
#[derive(Clone, Copy)]
struct Part {
    start: usize,
    end: usize,
    at: usize,
}

impl Part {
    fn halves(self, middles: &[u32]) -> [Part; 2] {
        let first = middles[self.at] as usize;
        let middle = self.start + first;
        [
            Part { start: self.start, end: middle, at: self.at + 1 },
            Part { start: middle, end: self.end, at: self.at + first },
        ]
    }
}

/// Orders the rows so that the parts of every part lie on two sides of its widest side, and notes how many
/// blocks the first part has.
fn split(points: &[f64], width: usize, rows: &mut [u32], middles: &mut [u32]) {
    if rows.len() <= PARALLEL_ROWS {
        return split_near(points, width, rows, middles);
    }
    let Some((first, middles)) = middles.split_first_mut() else { return };
    let blocks = part(points, width, rows, &mut Buffers::default());
    *first = blocks as u32;
    let (left, right) = rows.split_at_mut(blocks * BLOCK);
    let (left_middles, right_middles) = middles.split_at_mut(blocks - 1);
    in_parallel(|| split(points, width, left, left_middles), || split(points, width, right, right_middles));
}

/// The same on a copy of the points, which stays in the caches.
fn split_near(points: &[f64], width: usize, rows: &mut [u32], middles: &mut [u32]) {
    let near: Vec<f64> = rows
        .iter()
        .flat_map(|&row| &points[row as usize * width..(row as usize + 1) * width])
        .copied()
        .collect();
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    let mut buffers = Buffers::default();
    let mut open = vec![(&mut order[..], middles)];
    while let Some((order, middles)) = open.pop() {
        let Some((first, middles)) = middles.split_first_mut() else { continue };
        let blocks = part(&near, width, order, &mut buffers);
        *first = blocks as u32;
        let (left, right) = order.split_at_mut(blocks * BLOCK);
        let (left_middles, right_middles) = middles.split_at_mut(blocks - 1);
        open.extend([(right, right_middles), (left, left_middles)]);
    }
    let before = rows.to_vec();
    rows.iter_mut().zip(order).for_each(|(row, at)| *row = before[at as usize]);
}

#[derive(Default)]
struct Buffers {
    keys: Vec<(u64, u32)>,
    low: Vec<f64>,
    high: Vec<f64>,
    sample: Vec<f64>,
}

/// Brings the rows of the first part to the front; answers its blocks.
fn part(points: &[f64], width: usize, rows: &mut [u32], buffers: &mut Buffers) -> usize {
    let (side, share) = cut(points, width, rows, buffers);
    let blocks = rows.len().div_ceil(BLOCK);
    let first = ((share * blocks as f64).round() as usize).clamp(1, blocks - 1);
    let keys = &mut buffers.keys;
    keys.clear();
    keys.extend(rows.iter().map(|&row| (ordered(points[row as usize * width + side]), row)));
    keys.select_nth_unstable(first * BLOCK - 1);
    rows.iter_mut().zip(keys).for_each(|(row, (_, key_row))| *row = *key_row);
    first
}

/// The widest side of a part, and the share of rows that come before the cut: half, or the stray rows at one
/// end if the rest is much narrower. Boxes of clustered rows then stay small among scattered ones.
fn cut(points: &[f64], width: usize, rows: &[u32], buffers: &mut Buffers) -> (usize, f64) {
    let stride = rows.len().div_ceil(SAMPLE);
    let sample = || rows.iter().step_by(stride).map(|&row| row as usize * width);
    let Buffers { low, high, sample: values, .. } = buffers;
    low.clear();
    low.resize(width, f64::INFINITY);
    high.clear();
    high.resize(width, f64::NEG_INFINITY);
    for at in sample() {
        for ((low, high), &value) in low.iter_mut().zip(high.iter_mut()).zip(&points[at..at + width]) {
            *low = low.min(value);
            *high = high.max(value);
        }
    }
    let spread = |c: usize| high[c] - low[c];
    let side = (0..width).max_by(|&a, &b| spread(a).total_cmp(&spread(b)).then(b.cmp(&a))).unwrap_or(0);
    values.clear();
    values.extend(sample().map(|at| points[at + side]));
    values.sort_unstable_by(f64::total_cmp);
    let (n, eighth) = (values.len(), values.len() / 8);
    let (first, last) = (values[eighth], values[n - 1 - eighth]);
    let bulk = last - first;
    if bulk * STRAY >= spread(side) {
        return (side, 0.5);
    }
    let share = |stray: usize| stray as f64 / n as f64;
    if first - values[0] > values[n - 1] - last {
        (side, share(values.partition_point(|&v| v < first - bulk)))
    } else {
        (side, 1.0 - share(n - values.partition_point(|&v| v <= last + bulk)))
    }
}

/// Bits that order like the (finite) value.
fn ordered(value: f64) -> u64 {
    // Adding zero makes one of the two zeros.
    let bits = (value + 0.0).to_bits();
    bits ^ ((bits as i64 >> 63) as u64 | 1 << 63)
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
