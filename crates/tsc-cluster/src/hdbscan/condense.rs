//! Condensed tree: a split into two or more parts of `min_cluster_size` makes new clusters, smaller parts
//! are samples that leave.

use super::hierarchy::Hierarchy;

/// A cluster of the condensed tree. Densities (lambda) are 1 / distance.
#[derive(Clone, Debug, PartialEq)]
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
    /// Clusters it splits into.
    pub children: Vec<u32>,
}

/// The condensed tree: cluster 0 is the root, a child's id is above its parent's.
#[derive(Clone, Debug, PartialEq)]
pub struct CondensedTree {
    /// Clusters by id.
    pub clusters: Vec<CondensedCluster>,
    /// Last cluster that held each sample.
    pub row_parent: Vec<u32>,
    /// Lambda at which each sample left it; infinite for samples at distance 0.
    pub row_lambda: Vec<f64>,
    /// Largest edge weight: the distance at which all samples are together.
    pub root_distance: f64,
    own_starts: Vec<usize>,
    own_rows: Vec<u32>,
}

pub(crate) fn density(distance: f64) -> f64 {
    if distance > 0.0 { 1.0 / distance } else { f64::INFINITY }
}

impl CondensedTree {
    pub(crate) fn new(hierarchy: &Hierarchy, min_cluster_size: usize) -> Self {
        let n = hierarchy.n_samples();
        let root = CondensedCluster {
            parent: None,
            birth: 0.0,
            split: None,
            size: n as u32,
            low: 0,
            children: Vec::new(),
        };
        let mut tree = Self {
            clusters: vec![root],
            row_parent: vec![0; n],
            row_lambda: vec![0.0; n],
            root_distance: hierarchy.height(hierarchy.root()),
            own_starts: Vec::new(),
            own_rows: Vec::new(),
        };
        let is_big = |node: u32| hierarchy.size(node) as usize >= min_cluster_size;
        let mut open = vec![(hierarchy.root(), 0u32)];
        while let Some((node, cluster)) = open.pop() {
            let lambda = density(hierarchy.height(node));
            let mut big = Vec::new();
            for &part in hierarchy.children(node) {
                if is_big(part) {
                    big.push(part);
                } else {
                    tree.leave(hierarchy, part, cluster, lambda);
                }
            }
            if let [only] = big[..] {
                open.push((only, cluster));
                continue;
            }
            for part in big {
                let child = tree.clusters.len() as u32;
                tree.clusters.push(CondensedCluster {
                    parent: Some(cluster),
                    birth: lambda,
                    split: None,
                    size: hierarchy.size(part),
                    low: hierarchy.low(part),
                    children: Vec::new(),
                });
                let parent = &mut tree.clusters[cluster as usize];
                parent.split = Some(lambda);
                parent.children.push(child);
                open.push((part, child));
            }
        }
        tree.list_own_rows();
        tree
    }

    fn leave(&mut self, hierarchy: &Hierarchy, part: u32, cluster: u32, lambda: f64) {
        let mut open = vec![part];
        while let Some(node) = open.pop() {
            if hierarchy.is_sample(node) {
                self.row_parent[node as usize] = cluster;
                self.row_lambda[node as usize] = lambda;
            }
            open.extend_from_slice(hierarchy.children(node));
        }
    }

    /// Lists the rows of each cluster; to be called when `row_parent` changed.
    pub(crate) fn list_own_rows(&mut self) {
        let mut starts = vec![0; self.clusters.len() + 1];
        for &cluster in &self.row_parent {
            starts[cluster as usize + 1] += 1;
        }
        for c in 0..self.clusters.len() {
            starts[c + 1] += starts[c];
        }
        let mut next = starts.clone();
        self.own_rows = vec![0; self.row_parent.len()];
        for (row, &cluster) in self.row_parent.iter().enumerate() {
            self.own_rows[next[cluster as usize]] = row as u32;
            next[cluster as usize] += 1;
        }
        self.own_starts = starts;
    }

    /// Samples that left the cluster itself, not one of its children.
    #[must_use]
    pub fn own_rows(&self, cluster: u32) -> &[u32] {
        let c = cluster as usize;
        &self.own_rows[self.own_starts[c]..self.own_starts[c + 1]]
    }

    /// Largest lambda at which a sample or the split left the cluster itself.
    pub(crate) fn own_max(&self, cluster: u32) -> f64 {
        let rows = self.own_rows(cluster).iter().map(|&row| self.row_lambda[row as usize]);
        rows.chain(self.clusters[cluster as usize].split).fold(0.0, f64::max)
    }

    /// Largest lambda below each cluster.
    pub(crate) fn subtree_max(&self) -> Vec<f64> {
        let mut top: Vec<f64> = (0..self.clusters.len() as u32).map(|c| self.own_max(c)).collect();
        for c in (1..top.len()).rev() {
            if let Some(parent) = self.clusters[c].parent {
                top[parent as usize] = top[parent as usize].max(top[c]);
            }
        }
        top
    }

    /// Summed over distinct lambda in ascending order, so the bits do not depend on the row order.
    #[must_use]
    pub fn stability(&self, cluster: u32) -> f64 {
        let c = &self.clusters[cluster as usize];
        let mut lambdas: Vec<f64> =
            self.own_rows(cluster).iter().map(|&row| self.row_lambda[row as usize]).collect();
        lambdas.sort_unstable_by(f64::total_cmp);
        let mut sum = 0.0;
        for equal in lambdas.chunk_by(|a, b| a == b) {
            sum += (equal[0] - c.birth) * equal.len() as f64;
        }
        if let Some(split) = c.split {
            let below: u64 = c.children.iter().map(|&k| u64::from(self.clusters[k as usize].size)).sum();
            sum += (split - c.birth) * below as f64;
        }
        sum
    }
}
