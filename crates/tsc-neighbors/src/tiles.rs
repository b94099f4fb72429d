//! Rows grouped into tiles that are stored by column, with a k-d tree over them where it helps.

use tsc_core::Features;

use crate::kernel::Kernel;

/// Rows per tile without a tree: the distances of one tile stay in the first-level cache.
const FLAT_TILE: usize = 128;
/// Most rows of a leaf.
const LEAF: usize = 24;

#[derive(Clone, Debug)]
pub(crate) struct Tiles {
    /// Original row of each position; tiles are ranges of positions.
    pub(crate) rows: Vec<u32>,
    columns: Vec<f64>,
    pub(crate) ranges: Vec<(usize, usize)>,
    n_features: usize,
    pub(crate) largest: usize,
    pub(crate) nodes: Vec<Node>,
    boxes: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Node {
    Leaf { tile: usize },
    Split { left: usize, right: usize },
}

impl Tiles {
    pub(crate) fn flat(x: Features<'_>) -> Self {
        let n = x.n_samples();
        let ranges = (0..n).step_by(FLAT_TILE).map(|a| (a, (a + FLAT_TILE).min(n))).collect();
        Self::store(x, (0..n as u32).collect(), ranges, Vec::new(), Vec::new())
    }

    /// Splits the widest side at the median until a leaf is small or holds equal rows only.
    pub(crate) fn tree(x: Features<'_>) -> Self {
        let d = x.n_features();
        let mut rows: Vec<u32> = (0..x.n_samples() as u32).collect();
        let (mut ranges, mut nodes, mut boxes) = (Vec::new(), vec![Node::Leaf { tile: 0 }], vec![0.0; 2 * d]);
        let mut open = vec![(0, 0, rows.len())];
        while let Some((node, start, end)) = open.pop() {
            let (low, high) = boxes[node * 2 * d..(node + 1) * 2 * d].split_at_mut(d);
            bounds(x, &rows[start..end], low, high);
            let widest = (0..d)
                .max_by(|&a, &b| (high[a] - low[a]).total_cmp(&(high[b] - low[b])).then(b.cmp(&a)))
                .expect("a feature matrix has at least one feature");
            if end - start <= LEAF || high[widest] <= low[widest] {
                nodes[node] = Node::Leaf { tile: ranges.len() };
                ranges.push((start, end));
                continue;
            }
            let middle = (end - start) / 2;
            rows[start..end].select_nth_unstable_by(middle, |&a, &b| {
                let value = |row: u32| x.row(row as usize)[widest];
                value(a).total_cmp(&value(b)).then(a.cmp(&b))
            });
            let left = nodes.len();
            nodes[node] = Node::Split { left, right: left + 1 };
            nodes.extend([Node::Leaf { tile: 0 }; 2]);
            boxes.resize(nodes.len() * 2 * d, 0.0);
            open.push((left + 1, start + middle, end));
            open.push((left, start, start + middle));
        }
        Self::store(x, rows, ranges, nodes, boxes)
    }

    fn store(
        x: Features<'_>,
        rows: Vec<u32>,
        ranges: Vec<(usize, usize)>,
        nodes: Vec<Node>,
        boxes: Vec<f64>,
    ) -> Self {
        let d = x.n_features();
        let mut columns = vec![0.0; rows.len() * d];
        for &(start, end) in &ranges {
            let tile = &mut columns[start * d..end * d];
            for (j, &row) in rows[start..end].iter().enumerate() {
                for (c, &value) in x.row(row as usize).iter().enumerate() {
                    tile[c * (end - start) + j] = value;
                }
            }
        }
        let largest = ranges.iter().map(|(a, b)| b - a).max().unwrap_or(0);
        Self { rows, columns, ranges, n_features: d, largest, nodes, boxes }
    }

    /// Reduced values of `q` and the rows of a tile, into the front of `out`.
    pub(crate) fn reduced<'o>(
        &self,
        kernel: Kernel,
        q: &[f64],
        tile: usize,
        out: &'o mut [f64],
    ) -> &'o [f64] {
        let (start, end) = self.ranges[tile];
        let d = self.n_features;
        let out = &mut out[..end - start];
        kernel.reduced_to_columns(q, &self.columns[start * d..end * d], end - start, out);
        out
    }

    pub(crate) fn bound(&self, kernel: Kernel, q: &[f64], node: usize) -> f64 {
        let d = self.n_features;
        let (low, high) = self.boxes[node * 2 * d..(node + 1) * 2 * d].split_at(d);
        kernel.box_bound(q, low, high)
    }
}

fn bounds(x: Features<'_>, rows: &[u32], low: &mut [f64], high: &mut [f64]) {
    low.fill(f64::INFINITY);
    high.fill(f64::NEG_INFINITY);
    for &row in rows {
        for ((low, high), &value) in low.iter_mut().zip(high.iter_mut()).zip(x.row(row as usize)) {
            *low = low.min(value);
            *high = high.max(value);
        }
    }
}
