//! The trees and the clusters as rows of plain tables, in JSON and CSV.

use std::fmt::Write as _;
use std::io;

use serde::{Deserialize, Serialize};
use tsc_core::Label;

use super::condense::density;
use super::disjoint_sets::DisjointSets;
use super::extract::Extraction;
use super::mst::Edge;
use super::tree::ClusterTree;

/// One row of the condensed tree: a sample or a cluster leaves its parent. hdbscan's layout and names.
///
/// Samples are numbered `0..n`, cluster `c` of the tree is `n + c`, so the root is `n`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CondensedRow {
    /// Cluster that is left.
    pub parent: u64,
    /// Sample or cluster that leaves it.
    pub child: u64,
    /// Density, 1 / distance, at which it does; infinite between identical samples (null in JSON).
    #[serde(with = "infinite_as_null")]
    pub lambda_val: f64,
    /// Samples that leave.
    pub child_size: u32,
}

/// One merge of the single linkage tree: SciPy's layout, a row of `Z`.
///
/// Samples are numbered `0..n`, the cluster that row `i` makes is `n + i`. Merges of equal distance come
/// by the rows of their edge.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkageRow {
    /// Of the two parts the one of smaller number.
    pub left: u64,
    /// The other part.
    pub right: u64,
    /// Mutual reachability distance; infinite between parts that no distance joins (null in JSON).
    #[serde(with = "infinite_as_null")]
    pub distance: f64,
    /// Samples of both.
    pub size: u32,
}

/// One edge of the minimum spanning tree, in hdbscan's names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EdgeRow {
    /// Smaller sample.
    pub from: u32,
    /// Larger sample.
    pub to: u32,
    /// Mutual reachability distance; infinite between parts that no distance joins (null in JSON).
    #[serde(with = "infinite_as_null")]
    pub distance: f64,
}

/// What is known of one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterRow {
    /// Its label.
    pub label: u32,
    /// Its number in the condensed tree as [`CondensedRow`] counts.
    pub node: u64,
    /// Samples of the label.
    pub size: u32,
    /// Stability relative to the densest sample.
    pub persistence: f64,
    /// Excess of mass; infinite with identical samples (null in JSON).
    #[serde(with = "infinite_as_null")]
    pub stability: f64,
    /// Distance at which it appears, the larger the more apart from others; the root's is that at which
    /// all samples are together. Infinite if no distance joins it to others (null in JSON).
    #[serde(with = "infinite_as_null")]
    pub birth_distance: f64,
    /// Density at which the last sample or part leaves it; infinite with identical samples (null in JSON).
    #[serde(with = "infinite_as_null")]
    pub max_lambda: f64,
    /// Mean strength of its samples.
    pub mean_strength: f64,
}

/// What the assignment of a new sample reads of the tree, column by column: for programs in other languages
/// that keep the training samples and core distances themselves.
///
/// `None` is infinite in a column of densities. [`FittedHdbscan::assign_one`](super::FittedHdbscan::assign_one)
/// says how they are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AssignmentTree {
    /// Last condensed cluster that held each sample.
    pub row_cluster: Vec<u32>,
    /// Density at which each sample left it.
    pub row_lambda: Vec<Option<f64>>,
    /// What each condensed cluster split from; `None` for the root.
    pub parent: Vec<Option<u32>>,
    /// Density at which each condensed cluster appears.
    pub birth: Vec<Option<f64>>,
    /// Density at which the last sample or part leaves each condensed cluster.
    pub top: Vec<Option<f64>>,
    /// Nearest chosen cluster at or above each condensed cluster, if there is one.
    pub holder: Vec<Option<u32>>,
    /// Label of each condensed cluster; noise if it was not chosen.
    pub label: Vec<Label>,
}

/// A row of an exported table.
pub trait ExportRow: Serialize {
    /// Names of the columns, in order.
    const COLUMNS: &'static [&'static str];

    /// Writes the cells of the row, separated by commas.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    fn write_cells(&self, out: &mut dyn std::fmt::Write) -> std::fmt::Result;
}

impl ExportRow for CondensedRow {
    const COLUMNS: &'static [&'static str] = &["parent", "child", "lambda_val", "child_size"];

    fn write_cells(&self, out: &mut dyn std::fmt::Write) -> std::fmt::Result {
        write!(out, "{},{},{},{}", self.parent, self.child, self.lambda_val, self.child_size)
    }
}

impl ExportRow for LinkageRow {
    const COLUMNS: &'static [&'static str] = &["left", "right", "distance", "size"];

    fn write_cells(&self, out: &mut dyn std::fmt::Write) -> std::fmt::Result {
        write!(out, "{},{},{},{}", self.left, self.right, self.distance, self.size)
    }
}

impl ExportRow for EdgeRow {
    const COLUMNS: &'static [&'static str] = &["from", "to", "distance"];

    fn write_cells(&self, out: &mut dyn std::fmt::Write) -> std::fmt::Result {
        write!(out, "{},{},{}", self.from, self.to, self.distance)
    }
}

impl ExportRow for ClusterRow {
    const COLUMNS: &'static [&'static str] = &[
        "label",
        "node",
        "size",
        "persistence",
        "stability",
        "birth_distance",
        "max_lambda",
        "mean_strength",
    ];

    fn write_cells(&self, out: &mut dyn std::fmt::Write) -> std::fmt::Result {
        write!(out, "{},{},{},{},", self.label, self.node, self.size, self.persistence)?;
        write!(out, "{},{},{},{}", self.stability, self.birth_distance, self.max_lambda, self.mean_strength)
    }
}

/// Writes a table as CSV: a line of column names, then a line per row. Infinity is `inf`.
///
/// Numbers are written so that reading them gives the same bits.
///
/// # Errors
///
/// Those of the writer.
///
/// # Examples
///
/// ```
/// use tsc_cluster::{EdgeRow, write_csv};
/// let mut out = Vec::new();
/// write_csv(&[EdgeRow { from: 0, to: 2, distance: 0.5 }], &mut out)?;
/// assert_eq!(out, b"from,to,distance\n0,2,0.5\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn write_csv<R: ExportRow>(rows: &[R], mut out: impl io::Write) -> io::Result<()> {
    let mut line = R::COLUMNS.join(",");
    line.push('\n');
    for row in rows {
        out.write_all(line.as_bytes())?;
        line.clear();
        row.write_cells(&mut line).and_then(|()| line.write_char('\n')).map_err(io::Error::other)?;
    }
    out.write_all(line.as_bytes())
}

/// Writes a table as JSON: an array of objects. Infinity is null.
///
/// # Errors
///
/// Those of the writer.
pub fn write_json<R: ExportRow>(rows: &[R], out: impl io::Write) -> io::Result<()> {
    serde_json::to_writer(out, rows).map_err(io::Error::from)
}

impl ClusterTree {
    /// The binary single linkage tree, `n - 1` merges by ascending distance; ties by the rows of the edge.
    /// O(n) but for finding sets.
    #[doc(alias = "single_linkage_tree_")]
    #[must_use]
    pub fn single_linkage(&self) -> Vec<LinkageRow> {
        let n = self.n_samples() as u64;
        let mut sets = DisjointSets::new(self.n_samples());
        let mut node: Vec<u64> = (0..n).collect();
        let merge = |(edge, made): (&Edge, u64)| {
            let (a, b) = (sets.find(edge.a), sets.find(edge.b));
            let (one, other) = (node[a as usize], node[b as usize]);
            let root = sets.link(a, b);
            node[root as usize] = made;
            let (left, right) = (one.min(other), one.max(other));
            LinkageRow { left, right, distance: edge.weight, size: sets.size_at(root) }
        };
        self.mst().edges().iter().zip(n..).map(merge).collect()
    }

    /// The minimum spanning tree, by ascending distance.
    #[doc(alias = "minimum_spanning_tree_")]
    #[must_use]
    pub fn spanning_edges(&self) -> Vec<EdgeRow> {
        let row = |e: &Edge| EdgeRow { from: e.a, to: e.b, distance: e.weight };
        self.mst().edges().iter().map(row).collect()
    }
}

impl Extraction {
    /// The condensed tree, a row for each sample and each cluster but the root, by (parent, child).
    #[doc(alias = "condensed_tree_")]
    #[must_use]
    pub fn condensed_rows(&self) -> Vec<CondensedRow> {
        let tree = self.condensed_tree();
        let n = tree.row_parent.len() as u64;
        let mut out = Vec::with_capacity(n as usize + tree.clusters.len() - 1);
        for c in 0..tree.clusters.len() as u32 {
            let parent = n + u64::from(c);
            let first = out.len();
            let own = tree.own_rows(c).iter();
            out.extend(own.map(|&child| {
                let lambda_val = tree.row_lambda[child as usize];
                CondensedRow { parent, child: child.into(), lambda_val, child_size: 1 }
            }));
            out[first..].sort_unstable_by_key(|row| row.child);
            out.extend(tree.children(c).iter().map(|&child| {
                let cluster = &tree.clusters[child as usize];
                let child = n + u64::from(child);
                CondensedRow { parent, child, lambda_val: cluster.birth, child_size: cluster.size }
            }));
        }
        out
    }

    /// What the assignment of a new sample reads of the tree.
    #[must_use]
    pub fn assignment_tree(&self) -> AssignmentTree {
        let tree = self.condensed_tree();
        let ids = || 0..tree.clusters.len() as u32;
        let known = |density: f64| density.is_finite().then_some(density);
        AssignmentTree {
            row_cluster: tree.row_parent.clone(),
            row_lambda: tree.row_lambda.iter().map(|&lambda| known(lambda)).collect(),
            parent: tree.clusters.iter().map(|cluster| cluster.parent).collect(),
            birth: tree.clusters.iter().map(|cluster| known(cluster.birth)).collect(),
            top: ids().map(|cluster| known(tree.own_max(cluster))).collect(),
            holder: ids().map(|cluster| self.holder(cluster)).collect(),
            label: ids().map(|cluster| self.label_of(cluster)).collect(),
        }
    }

    /// One row per cluster, by label.
    #[must_use]
    pub fn cluster_rows(&self) -> Vec<ClusterRow> {
        let tree = self.condensed_tree();
        let n = tree.row_parent.len() as u64;
        let mut strength = vec![0.0; self.n_clusters()];
        for (label, value) in self.labels().iter().zip(self.strengths()) {
            if let Some(id) = label.cluster() {
                strength[id.0 as usize] += value;
            }
        }
        let row = |(label, &cluster): (u32, &u32)| {
            let size = self.sizes()[label as usize];
            let birth_distance = match cluster {
                0 => tree.root_distance,
                _ => density(tree.clusters[cluster as usize].birth),
            };
            ClusterRow {
                label,
                node: n + u64::from(cluster),
                size: size as u32,
                persistence: self.persistence()[label as usize],
                stability: tree.stability(cluster),
                birth_distance,
                max_lambda: tree.own_max(cluster),
                mean_strength: strength[label as usize] / size as f64,
            }
        };
        (0..).zip(self.chosen_ids()).map(row).collect()
    }
}

mod infinite_as_null {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        value.is_finite().then_some(*value).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
    }
}
