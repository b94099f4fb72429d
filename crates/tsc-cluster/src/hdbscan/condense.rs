//! Condensed tree: a split into two or more parts of `min_cluster_size` makes new clusters, smaller parts
//! are samples that leave.

use tsc_neighbors::for_each_chunk;

use super::departures::{Departure, Departures};
use super::jump;

#[cfg(test)]
mod tests;

/// Samples a thread takes at a time.
const CHUNK: usize = 1 << 14;

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

impl CondensedCluster {
    /// Takes in samples of which `low` is the smallest.
    pub(crate) fn take(&mut self, size: u32, low: u32) {
        self.size += size;
        self.low = self.low.min(low);
    }
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
    pub(crate) fn new(departures: Departures) -> Self {
        let Departures { clusters, all, of_row, root_distance } = departures;
        let m = clusters.len();
        let with_parents = || (0..).zip(&clusters).filter_map(|(c, k)| Some((k.parent?, c)));
        let (child_starts, children) = grouped(m, with_parents());
        let jumps = jump::pointers(clusters.iter().map(|c| c.parent));
        let mut own_max: Vec<f64> = clusters.iter().map(|c| c.split.unwrap_or(0.0)).collect();
        let mut stability = vec![0.0; m];
        let mut own_starts = vec![0u32; m + 1];
        // From the smallest lambda on.
        for d in all.iter().rev() {
            let c = d.cluster as usize;
            own_max[c] = own_max[c].max(d.lambda);
            stability[c] += (d.lambda - clusters[c].birth) * f64::from(d.count);
            own_starts[c + 1] += d.count;
        }
        let mut below = vec![0u64; m];
        for (parent, child) in with_parents() {
            below[parent as usize] += u64::from(clusters[child as usize].size);
        }
        for c in 0..m {
            if let Some(split) = clusters[c].split {
                stability[c] += (split - clusters[c].birth) * below[c] as f64;
            }
            own_starts[c + 1] += own_starts[c];
        }
        let row_parent = by_departure(&of_row, |d| all[d as usize].cluster);
        let row_lambda = by_departure(&of_row, |d| all[d as usize].lambda);
        // Place of a departure's next sample.
        let mut next = own_starts.clone();
        let of_departure = |d: Departure| {
            let place = &mut next[d.cluster as usize];
            *place += d.count;
            *place - d.count
        };
        let mut places: Vec<u32> = all.into_iter().map(of_departure).collect();
        let mut own_rows = vec![0; of_row.len()];
        for (row, &departure) in (0..).zip(&of_row) {
            let place = &mut places[departure as usize];
            own_rows[*place as usize] = row;
            *place += 1;
        }
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
}

/// A number for each sample, by its departure.
fn by_departure<T: Copy + Default + Send>(of_row: &[u32], value: impl Fn(u32) -> T + Sync) -> Vec<T> {
    let mut out = vec![T::default(); of_row.len()];
    for_each_chunk(&mut out, CHUNK, |first, out| {
        out.iter_mut().zip(&of_row[first..]).for_each(|(out, &departure)| *out = value(departure));
    });
    out
}

/// Items by group, in the order they came: where each of `m` groups starts, and all items.
fn grouped(m: usize, items: impl Iterator<Item = (u32, u32)> + Clone) -> (Vec<u32>, Vec<u32>) {
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
