//! Multiway dendrogram: all edges of one weight are merged at once.

use super::mst::Edge;

/// Nodes `0..n` are samples, the rest are merges in ascending height; the last one is the root.
#[derive(Clone, Debug)]
pub(crate) struct Hierarchy {
    n: usize,
    height: Vec<f64>,
    size: Vec<u32>,
    low: Vec<u32>,
    starts: Vec<usize>,
    children: Vec<u32>,
}

impl Hierarchy {
    /// `edges` span `n >= 2` samples and are sorted by weight.
    pub(crate) fn new(edges: &[Edge], n: usize) -> Self {
        let mut tree = Self {
            n,
            height: Vec::new(),
            size: Vec::new(),
            low: Vec::new(),
            starts: vec![0],
            children: Vec::new(),
        };
        let mut sets = DisjointSets::new(n);
        let mut node: Vec<u32> = (0..n as u32).collect();
        let (mut touched, mut groups) = (Vec::new(), Vec::new());
        for level in edges.chunk_by(|x, y| x.weight == y.weight) {
            touched.clear();
            touched.extend(level.iter().flat_map(|e| [sets.find(e.a), sets.find(e.b)]));
            touched.sort_unstable();
            touched.dedup();
            let before: Vec<u32> = touched.iter().map(|&root| node[root as usize]).collect();
            for edge in level {
                sets.join(edge.a, edge.b);
            }
            groups.clear();
            groups.extend(
                touched.iter().zip(&before).map(|(&root, &part)| (sets.find(root), tree.low(part), part)),
            );
            groups.sort_unstable();
            for group in groups.chunk_by(|x, y| x.0 == y.0) {
                node[group[0].0 as usize] = (n + tree.height.len()) as u32;
                let size = group.iter().map(|&(_, _, part)| tree.size(part)).sum();
                tree.children.extend(group.iter().map(|&(_, _, part)| part));
                tree.starts.push(tree.children.len());
                tree.height.push(level[0].weight);
                tree.low.push(group[0].1);
                tree.size.push(size);
            }
        }
        tree
    }

    pub(crate) fn n_samples(&self) -> usize {
        self.n
    }

    pub(crate) fn root(&self) -> u32 {
        (self.n + self.height.len() - 1) as u32
    }

    fn merge(&self, node: u32) -> Option<usize> {
        (node as usize).checked_sub(self.n)
    }

    pub(crate) fn is_sample(&self, node: u32) -> bool {
        (node as usize) < self.n
    }

    pub(crate) fn height(&self, node: u32) -> f64 {
        self.merge(node).map_or(0.0, |m| self.height[m])
    }

    pub(crate) fn size(&self, node: u32) -> u32 {
        self.merge(node).map_or(1, |m| self.size[m])
    }

    /// Smallest sample below.
    pub(crate) fn low(&self, node: u32) -> u32 {
        self.merge(node).map_or(node, |m| self.low[m])
    }

    /// Parts that were merged, by smallest sample.
    pub(crate) fn children(&self, node: u32) -> &[u32] {
        self.merge(node).map_or(&[], |m| &self.children[self.starts[m]..self.starts[m + 1]])
    }
}

/// Union by size with path halving.
#[derive(Clone, Debug)]
pub(crate) struct DisjointSets {
    up: Vec<u32>,
    size: Vec<u32>,
}

impl DisjointSets {
    pub(crate) fn new(n: usize) -> Self {
        Self { up: (0..n as u32).collect(), size: vec![1; n] }
    }

    pub(crate) fn find(&mut self, mut a: u32) -> u32 {
        while self.up[a as usize] != a {
            let above = self.up[self.up[a as usize] as usize];
            self.up[a as usize] = above;
            a = above;
        }
        a
    }

    /// Whether the two were apart.
    pub(crate) fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return false;
        }
        let (small, large) = if self.size[a as usize] < self.size[b as usize] { (a, b) } else { (b, a) };
        self.up[small as usize] = large;
        self.size[large as usize] += self.size[small as usize];
        true
    }

    pub(crate) fn size(&mut self, a: u32) -> u32 {
        let root = self.find(a);
        self.size[root as usize]
    }
}
