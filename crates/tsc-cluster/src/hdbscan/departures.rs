//! From the spanning tree to who leaves which cluster when, bottom up in one pass over the edges.
//!
//! A set of samples below `min_cluster_size` is only a set; one that is large enough is a cluster that
//! still grows. A set that joins a cluster leaves it, seen from above, at that weight; where two or more
//! clusters meet, they are the children of a new one. Sets never grow past `min_cluster_size`, so a sample
//! is found in a step or two, and clusters are few enough to stay in cache.

use super::condense::{CondensedCluster, density};
use super::mst::Edge;

/// No sample.
const NONE: u32 = u32::MAX;
/// Edges whose samples are read ahead of their turn: their memory is then fetched at the same time.
/// Choosing clusters among 1,000,000 samples in random order takes 0.17 s with it and 0.26 s without.
const AHEAD: usize = 32;

/// Samples that leave one cluster at one density.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Departure {
    pub(crate) lambda: f64,
    pub(crate) cluster: u32,
    pub(crate) count: u32,
}

/// The clusters of the condensed tree, and the departure of every sample.
#[derive(Clone, Debug)]
pub(crate) struct Departures {
    pub(crate) clusters: Vec<CondensedCluster>,
    /// By falling lambda, one for each cluster and lambda.
    pub(crate) all: Vec<Departure>,
    /// Departure of each sample.
    pub(crate) of_row: Vec<u32>,
    pub(crate) root_distance: f64,
}

impl Departures {
    /// `edges` span `n >= min_cluster_size >= 2` samples and are sorted by weight. O(n) but for ties, which
    /// are sorted within their weight.
    pub(crate) fn new(edges: &[Edge], n: usize, min_cluster_size: usize) -> Self {
        let mut growth = Growth::new(n, min_cluster_size);
        let mut level = Level::default();
        let mut ahead = 0;
        let mut at = 0;
        while at < edges.len() {
            if ahead < at + AHEAD {
                let end = edges.len().min(ahead + AHEAD);
                edges[ahead..end].iter().for_each(|e| growth.read_ahead(e));
                ahead = end;
            }
            let Edge { a, b, weight } = edges[at];
            let (a, b) = (growth.part(a), growth.part(b));
            at += 1;
            if edges.get(at).is_none_or(|next| next.weight != weight) {
                growth.merge(&[a, b], weight);
                continue;
            }
            level.start(a, b);
            while let Some(edge) = edges.get(at).filter(|e| e.weight == weight) {
                level.add(growth.part(edge.a), growth.part(edge.b));
                at += 1;
            }
            level.for_each_group(|parts| growth.merge(parts, weight));
        }
        growth.finish(edges.last().map_or(0.0, |e| e.weight))
    }
}

/// What a sample is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// A set that is too small for a cluster, by its smallest sample.
    Small(u32),
    Cluster(u32),
}

/// A sample in the forest of small sets.
#[derive(Clone, Copy)]
struct Node {
    /// A smaller sample of the set; itself for the smallest.
    up: u32,
    /// Of the smallest: the size of the set, below `min_cluster_size`; once the set has left, the number
    /// of its cluster counted down from `u32::MAX`.
    state: u32,
}

/// The tree while it grows; clusters are numbered as they appear.
struct Growth {
    min_cluster_size: u32,
    nodes: Vec<Node>,
    /// Departure of a set that left, by its smallest sample.
    left: Vec<u32>,
    all: Vec<Departure>,
    clusters: Vec<CondensedCluster>,
    /// A cluster that holds each cluster; itself for those that still grow.
    holds: Vec<u32>,
    /// Weight at which each cluster appeared.
    complete: Vec<f64>,
    /// Last departure from each cluster.
    last: Vec<u32>,
}

impl Growth {
    fn new(n: usize, min_cluster_size: usize) -> Self {
        Self {
            min_cluster_size: min_cluster_size as u32,
            nodes: (0..n as u32).map(|up| Node { up, state: 1 }).collect(),
            left: vec![0; n],
            all: Vec::new(),
            clusters: Vec::new(),
            holds: Vec::new(),
            complete: Vec::new(),
            last: Vec::new(),
        }
    }

    /// Halves the paths of both ends without a branch, so that the reads of many edges overlap.
    fn read_ahead(&mut self, edge: &Edge) {
        for row in [edge.a, edge.b] {
            let one = self.nodes[row as usize].up;
            let two = self.nodes[one as usize].up;
            let three = self.nodes[two as usize].up;
            self.nodes[row as usize].up = two;
            self.nodes[one as usize].up = three;
        }
    }

    /// Smallest sample of the small set that holds, or held, `row`.
    fn smallest(&mut self, mut row: u32) -> u32 {
        loop {
            let up = self.nodes[row as usize].up;
            if up == row {
                return row;
            }
            let above = self.nodes[up as usize].up;
            self.nodes[row as usize].up = above;
            row = above;
        }
    }

    fn part(&mut self, row: u32) -> Part {
        let smallest = self.smallest(row);
        let state = self.nodes[smallest as usize].state;
        if state < self.min_cluster_size {
            return Part::Small(smallest);
        }
        let mut cluster = u32::MAX - state;
        loop {
            let holder = self.holds[cluster as usize];
            if holder == cluster {
                return Part::Cluster(cluster);
            }
            let above = self.holds[holder as usize];
            self.holds[cluster as usize] = above;
            cluster = above;
        }
    }

    /// `parts` become one at `weight`.
    fn merge(&mut self, parts: &[Part], weight: f64) {
        let (mut count, mut low) = (0, NONE);
        let (mut meeting, mut grows) = (0, 0);
        for &part in parts {
            match part {
                Part::Small(smallest) => {
                    count += self.nodes[smallest as usize].state;
                    low = low.min(smallest);
                }
                Part::Cluster(cluster) => {
                    meeting += 1;
                    grows = cluster;
                }
            }
        }
        if meeting == 0 && count < self.min_cluster_size {
            for &part in parts {
                let Part::Small(smallest) = part else { continue };
                self.nodes[smallest as usize].up = low;
            }
            self.nodes[low as usize].state = count;
            return;
        }
        let lambda = density(weight);
        if meeting != 1 {
            grows = self.appear((meeting > 1).then_some(lambda), weight);
            for &part in parts {
                let Part::Cluster(child) = part else { continue };
                self.holds[child as usize] = grows;
                let child = &mut self.clusters[child as usize];
                (child.parent, child.birth) = (Some(grows), lambda);
                let (size, low) = (child.size, child.low);
                self.clusters[grows as usize].take(size, low);
            }
        }
        if count > 0 {
            let departure = self.depart(grows, lambda, count);
            self.clusters[grows as usize].take(count, low);
            for &part in parts {
                let Part::Small(smallest) = part else { continue };
                self.nodes[smallest as usize].state = u32::MAX - grows;
                self.left[smallest as usize] = departure;
            }
        }
    }

    fn appear(&mut self, split: Option<f64>, weight: f64) -> u32 {
        let id = self.clusters.len() as u32;
        self.clusters.push(CondensedCluster { parent: None, birth: 0.0, split, size: 0, low: NONE });
        self.holds.push(id);
        self.complete.push(weight);
        self.last.push(NONE);
        id
    }

    /// Different weights can have one lambda.
    fn depart(&mut self, cluster: u32, lambda: f64, count: u32) -> u32 {
        let last = &mut self.last[cluster as usize];
        match self.all.get_mut(*last as usize) {
            Some(same) if same.lambda == lambda => same.count += count,
            _ => {
                *last = self.all.len() as u32;
                self.all.push(Departure { lambda, cluster, count });
            }
        }
        *last
    }

    /// Numbers the clusters from the top: by falling weight, then by smallest sample.
    fn finish(self, root_distance: f64) -> Departures {
        let Self { nodes, left: mut of_row, clusters, mut all, complete, .. } = self;
        // A path leads to smaller samples, and theirs are known by then.
        for (row, node) in nodes.iter().enumerate() {
            of_row[row] = of_row[node.up as usize];
        }
        drop(nodes);
        let mut by_id: Vec<u32> = (0..clusters.len() as u32).rev().collect();
        by_id.sort_by(|&a, &b| {
            let low = |c: u32| clusters[c as usize].low;
            complete[b as usize].total_cmp(&complete[a as usize]).then(low(a).cmp(&low(b)))
        });
        let mut id = vec![0; by_id.len()];
        by_id.iter().zip(0..).for_each(|(&old, new)| id[old as usize] = new);
        all.iter_mut().for_each(|d| d.cluster = id[d.cluster as usize]);
        let renamed = |&old: &u32| {
            let cluster = clusters[old as usize];
            CondensedCluster { parent: cluster.parent.map(|p| id[p as usize]), ..cluster }
        };
        let clusters = by_id.iter().map(renamed).collect();
        Departures { clusters, all, of_row, root_distance }
    }
}

/// The parts that edges of one weight join.
#[derive(Default)]
struct Level {
    edges: Vec<(Part, Part)>,
    parts: Vec<Part>,
    /// By position in `parts`: an earlier one of its group, itself for the first.
    up: Vec<usize>,
    members: Vec<(usize, usize)>,
    group: Vec<Part>,
}

impl Level {
    fn start(&mut self, a: Part, b: Part) {
        self.edges.clear();
        self.edges.push((a, b));
    }

    fn add(&mut self, a: Part, b: Part) {
        self.edges.push((a, b));
    }

    fn for_each_group(&mut self, mut work: impl FnMut(&[Part])) {
        let Self { edges, parts, up, members, group } = self;
        parts.clear();
        parts.extend(edges.iter().flat_map(|&(a, b)| [a, b]));
        parts.sort_unstable();
        parts.dedup();
        up.clear();
        up.extend(0..parts.len());
        let first = |up: &mut [usize], mut at: usize| {
            while up[at] != at {
                up[at] = up[up[at]];
                at = up[at];
            }
            at
        };
        for &(a, b) in edges.iter() {
            let [a, b] = [a, b].map(|part| first(up, parts.partition_point(|p| *p < part)));
            up[a.max(b)] = a.min(b);
        }
        // Positions in the order of their groups; groups by their first part.
        members.clear();
        members.extend((0..parts.len()).map(|at| (first(up, at), at)));
        members.sort_unstable();
        for same in members.chunk_by(|x, y| x.0 == y.0) {
            group.clear();
            group.extend(same.iter().map(|&(_, at)| parts[at]));
            work(group);
        }
    }
}
