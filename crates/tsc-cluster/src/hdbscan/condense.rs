//! Condensed tree: a split into two or more parts of `min_cluster_size` makes new clusters, smaller parts
//! are samples that leave.
//!
//! Built bottom up in one pass over the edges. A set of samples below `min_cluster_size` is only a list;
//! one that is large enough is a cluster that still grows. A list that joins a cluster leaves it, seen
//! from above, at that weight; where two or more clusters meet, they are the children of a new one.

use super::disjoint_sets::DisjointSets;
use super::jump;
use super::mst::Edge;

#[cfg(test)]
mod tests;

/// Not a cluster yet, or no parent.
const NONE: u32 = u32::MAX;

/// A cluster of the condensed tree. Densities (lambda) are 1 / distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CondensedCluster {
    /// The cluster it split from; `None` for the root.
    pub parent: Option<u32>,
    /// Lambda at which it appears; 0 for the root.
    pub birth: f64,
    /// Lambda at which it splits into its children, if it does.
    pub split: Option<f64>,
    /// Samples at its birth.
    pub size: u32,
    /// Smallest sample below.
    pub(crate) low: u32,
}

/// The condensed tree: cluster 0 is the root, a child's id is above its parent's.
///
/// Clusters are numbered by the distance at which they are complete, the largest first; equal ones by
/// their smallest sample. Memory: 16 B per sample and about 100 B per cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct CondensedTree {
    /// Clusters by id.
    pub clusters: Vec<CondensedCluster>,
    /// Last cluster that held each sample.
    pub row_parent: Vec<u32>,
    /// Lambda at which each sample left it; infinite for samples at distance 0, 0 for samples that no
    /// finite distance joins to the others.
    pub row_lambda: Vec<f64>,
    /// Largest edge weight: the distance at which all samples are together.
    pub root_distance: f64,
    child_starts: Vec<u32>,
    children: Vec<u32>,
    own_starts: Vec<u32>,
    own_rows: Vec<u32>,
    own_max: Vec<f64>,
    stability: Vec<f64>,
    jumps: Vec<u32>,
}

pub(crate) fn density(distance: f64) -> f64 {
    if distance > 0.0 { 1.0 / distance } else { f64::INFINITY }
}

impl CondensedTree {
    /// `edges` span `n >= min_cluster_size >= 2` samples and are sorted by weight. O(n) beside the finds.
    pub(crate) fn new(edges: &[Edge], n: usize, min_cluster_size: usize) -> Self {
        let mut growth = Growth::new(n, min_cluster_size);
        let (mut touched, mut groups) = (Vec::new(), Vec::new());
        for level in edges.chunk_by(|x, y| x.weight == y.weight) {
            if let [edge] = level {
                let (a, b) = (growth.sets.find(edge.a), growth.sets.find(edge.b));
                let root = growth.sets.link(a, b);
                growth.merge(&[(root, a), (root, b)], edge.weight);
                continue;
            }
            touched.clear();
            touched.extend(level.iter().flat_map(|e| [growth.sets.find(e.a), growth.sets.find(e.b)]));
            touched.sort_unstable();
            touched.dedup();
            for edge in level {
                growth.sets.join(edge.a, edge.b);
            }
            groups.clear();
            groups.extend(touched.iter().map(|&part| (growth.sets.find(part), part)));
            groups.sort_unstable();
            for group in groups.chunk_by(|x, y| x.0 == y.0) {
                growth.merge(group, level[0].weight);
            }
        }
        growth.finish(edges.last().map_or(0.0, |e| e.weight))
    }

    /// From clusters and where each sample left; `order` lists the samples by falling lambda.
    pub(crate) fn assemble(
        mut clusters: Vec<CondensedCluster>,
        row_parent: Vec<u32>,
        row_lambda: Vec<f64>,
        order: Vec<u32>,
        root_distance: f64,
    ) -> Self {
        let m = clusters.len();
        let parents = || clusters.iter().map(|c| c.parent.unwrap_or(NONE));
        let (child_starts, children) = grouped(m, parents().zip(0..).filter(|&(parent, _)| parent != NONE));
        let jumps = jump::pointers(parents());
        let (own_starts, mut own_rows) = grouped(m, order.iter().map(|&row| (row_parent[row as usize], row)));
        drop(order);
        let (mut own_max, mut stability) = (vec![0.0; m], vec![0.0; m]);
        for c in 0..m {
            let own = &mut own_rows[own_starts[c] as usize..own_starts[c + 1] as usize];
            let lambda = |row: u32| row_lambda[row as usize];
            own_max[c] = own.first().map_or(0.0, |&row| lambda(row)).max(clusters[c].split.unwrap_or(0.0));
            let below = &children[child_starts[c] as usize..child_starts[c + 1] as usize];
            let below: u64 = below.iter().map(|&k| u64::from(clusters[k as usize].size)).sum();
            stability[c] = settle(own, lambda, &clusters[c], below);
        }
        clusters.shrink_to_fit();
        Self {
            clusters,
            row_parent,
            row_lambda,
            root_distance,
            child_starts,
            children,
            own_starts,
            own_rows,
            own_max,
            stability,
            jumps,
        }
    }

    /// Clusters it splits into, by id.
    ///
    /// # Panics
    ///
    /// If there is no cluster of that id.
    #[must_use]
    pub fn children(&self, cluster: u32) -> &[u32] {
        let c = cluster as usize;
        &self.children[self.child_starts[c] as usize..self.child_starts[c + 1] as usize]
    }

    /// Samples that left the cluster itself, not one of its children: the last to leave first, those that
    /// left together by their number.
    ///
    /// # Panics
    ///
    /// If there is no cluster of that id.
    #[must_use]
    pub fn own_rows(&self, cluster: u32) -> &[u32] {
        let c = cluster as usize;
        &self.own_rows[self.own_starts[c] as usize..self.own_starts[c + 1] as usize]
    }

    /// Largest lambda at which a sample or the split left the cluster itself.
    ///
    /// # Panics
    ///
    /// If there is no cluster of that id.
    #[must_use]
    pub fn own_max(&self, cluster: u32) -> f64 {
        self.own_max[cluster as usize]
    }

    /// Excess of mass: (lambda at which a sample leaves - lambda of birth), summed over the samples.
    ///
    /// Summed over distinct lambda in ascending order, so the bits do not depend on the row order.
    /// Infinite for a cluster with identical samples.
    ///
    /// # Panics
    ///
    /// If there is no cluster of that id.
    #[must_use]
    pub fn stability(&self, cluster: u32) -> f64 {
        self.stability[cluster as usize]
    }

    /// Largest lambda below each cluster.
    pub(crate) fn subtree_max(&self) -> Vec<f64> {
        let mut top = self.own_max.clone();
        for c in (1..top.len()).rev() {
            if let Some(parent) = self.clusters[c].parent {
                top[parent as usize] = top[parent as usize].max(top[c]);
            }
        }
        top
    }

    /// The nearest cluster at or above `cluster` that was born below `lambda`; O(log depth).
    pub(crate) fn holding(&self, cluster: u32, lambda: f64) -> u32 {
        jump::climb(cluster, &self.jumps, |c| {
            let at = &self.clusters[c as usize];
            at.parent.filter(|_| at.birth >= lambda)
        })
    }

    pub(crate) fn into_parts(self) -> (Vec<CondensedCluster>, Vec<u32>, Vec<f64>) {
        (self.clusters, self.row_parent, self.row_lambda)
    }
}

/// Sorts the samples that left together and sums the stability, from the smallest lambda on.
fn settle(own: &mut [u32], lambda: impl Fn(u32) -> f64, cluster: &CondensedCluster, below: u64) -> f64 {
    let mut sum = 0.0;
    let mut end = own.len();
    while end > 0 {
        let leaves = lambda(own[end - 1]);
        let mut start = end - 1;
        while start > 0 && lambda(own[start - 1]) == leaves {
            start -= 1;
        }
        own[start..end].sort_unstable();
        sum += (leaves - cluster.birth) * (end - start) as f64;
        end = start;
    }
    match cluster.split {
        Some(split) => sum + (split - cluster.birth) * below as f64,
        None => sum,
    }
}

/// Items by group, in the order they came: where each of `m` groups starts, and all items.
pub(crate) fn grouped(m: usize, items: impl Iterator<Item = (u32, u32)> + Clone) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; m + 1];
    for (group, _) in items.clone() {
        starts[group as usize + 1] += 1;
    }
    for g in 0..m {
        starts[g + 1] += starts[g];
    }
    let mut next = starts.clone();
    let mut out = vec![0; starts[m] as usize];
    for (group, item) in items {
        let at = &mut next[group as usize];
        out[*at as usize] = item;
        *at += 1;
    }
    (starts, out)
}

/// The tree while it grows; clusters are numbered as they appear.
struct Growth {
    min_cluster_size: usize,
    sets: DisjointSets,
    /// Cluster of a set, by what stands for the set; [`NONE`] while it is too small.
    cluster: Vec<u32>,
    /// Of a sample that left: its cluster. Until then the next sample of its set, in a ring.
    row_parent: Vec<u32>,
    row_lambda: Vec<f64>,
    /// Samples in the order they left: the densest first.
    order: Vec<u32>,
    clusters: Vec<CondensedCluster>,
    /// Weight at which each cluster appeared.
    complete: Vec<f64>,
}

impl Growth {
    fn new(n: usize, min_cluster_size: usize) -> Self {
        Self {
            min_cluster_size,
            sets: DisjointSets::new(n),
            cluster: vec![NONE; n],
            row_parent: (0..n as u32).collect(),
            row_lambda: vec![0.0; n],
            order: Vec::with_capacity(n),
            clusters: Vec::new(),
            complete: Vec::new(),
        }
    }

    /// `parts` became one set at `weight`: pairs of what stands for it now, and what stood for the part.
    fn merge(&mut self, parts: &[(u32, u32)], weight: f64) {
        let root = parts[0].0;
        if (self.sets.size_at(root) as usize) < self.min_cluster_size {
            // Exchanging the successors of two rings joins them.
            parts.windows(2).for_each(|w| self.row_parent.swap(w[0].1 as usize, w[1].1 as usize));
            return;
        }
        let lambda = density(weight);
        let mut meeting = parts.iter().map(|part| self.cluster[part.1 as usize]).filter(|&c| c != NONE);
        let grows = match (meeting.next(), meeting.next()) {
            (Some(only), None) => only,
            (None, _) => self.appear(None, weight),
            (Some(_), Some(_)) => {
                let parent = self.appear(Some(lambda), weight);
                for part in parts {
                    if let Some(child) = self.clusters.get_mut(self.cluster[part.1 as usize] as usize) {
                        child.parent = Some(parent);
                        child.birth = lambda;
                    }
                }
                parent
            }
        };
        for &(_, part) in parts {
            if self.cluster[part as usize] == NONE {
                self.leave(part, grows, lambda);
            }
        }
        self.cluster[root as usize] = grows;
    }

    fn appear(&mut self, split: Option<f64>, weight: f64) -> u32 {
        self.clusters.push(CondensedCluster { parent: None, birth: 0.0, split, size: 0, low: NONE });
        self.complete.push(weight);
        (self.clusters.len() - 1) as u32
    }

    fn leave(&mut self, first: u32, cluster: u32, lambda: f64) {
        let mut row = first;
        loop {
            let next = std::mem::replace(&mut self.row_parent[row as usize], cluster);
            self.row_lambda[row as usize] = lambda;
            self.order.push(row);
            row = next;
            if row == first {
                return;
            }
        }
    }

    fn finish(self, root_distance: f64) -> CondensedTree {
        let Self { sets, cluster, mut row_parent, row_lambda, order, mut clusters, complete, .. } = self;
        drop((sets, cluster));
        for (row, &parent) in row_parent.iter().enumerate() {
            let cluster = &mut clusters[parent as usize];
            cluster.size += 1;
            cluster.low = cluster.low.min(row as u32);
        }
        // A parent appears after its children.
        for c in 0..clusters.len() {
            let CondensedCluster { parent, size, low, .. } = clusters[c];
            if let Some(parent) = parent.map(|p| &mut clusters[p as usize]) {
                parent.size += size;
                parent.low = parent.low.min(low);
            }
        }
        let mut by_id: Vec<u32> = (0..clusters.len() as u32).rev().collect();
        by_id.sort_by(|&a, &b| {
            let low = |c: u32| clusters[c as usize].low;
            complete[b as usize].total_cmp(&complete[a as usize]).then(low(a).cmp(&low(b)))
        });
        let mut id = vec![0; by_id.len()];
        by_id.iter().enumerate().for_each(|(new, &old)| id[old as usize] = new as u32);
        row_parent.iter_mut().for_each(|parent| *parent = id[*parent as usize]);
        let renamed = |&old: &u32| {
            let cluster = clusters[old as usize];
            CondensedCluster { parent: cluster.parent.map(|p| id[p as usize]), ..cluster }
        };
        let clusters = by_id.iter().map(renamed).collect();
        CondensedTree::assemble(clusters, row_parent, row_lambda, order, root_distance)
    }
}
