use tsc_core::{ClusterId, Label, Result};
use tsc_neighbors::for_each_chunk;

use super::condense::CondensedTree;
use super::params::Selection;
use super::select::select;

/// Samples a thread takes at a time.
const CHUNK: usize = 1 << 14;

/// Labels and scores of the training samples, and what assigning new ones needs.
///
/// Memory: 36 B per sample and about 150 B per condensed cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Extraction {
    tree: CondensedTree,
    chosen: Vec<bool>,
    /// Nearest chosen cluster at or above each condensed cluster.
    holder: Vec<Option<u32>>,
    /// Lambda from which a sample belongs to the root, if the root is chosen.
    root_floor: Option<f64>,
    subtree_max: Vec<f64>,
    /// Condensed cluster of each label.
    clusters: Vec<u32>,
    number: Vec<Option<ClusterId>>,
    labels: Vec<Label>,
    strengths: Vec<f64>,
    outlier_scores: Vec<f64>,
    persistence: Vec<f64>,
    sizes: Vec<usize>,
}

impl Extraction {
    pub(crate) fn new(tree: CondensedTree, selection: &Selection) -> Result<Self> {
        let chosen = select(&tree, selection)?;
        let m = tree.clusters.len();
        let n = tree.row_parent.len();
        let mut holder = vec![None; m];
        for c in 0..m {
            let above = tree.clusters[c].parent.and_then(|p| holder[p as usize]);
            holder[c] = if chosen[c] { Some(c as u32) } else { above };
        }
        let root_floor = chosen[0]
            .then(|| if selection.epsilon > 0.0 { 1.0 / selection.epsilon } else { tree.own_max(0) });
        let mut out = Self {
            subtree_max: tree.subtree_max(),
            number: vec![None; m],
            tree,
            chosen,
            holder,
            root_floor,
            clusters: Vec::new(),
            labels: Vec::with_capacity(n),
            strengths: Vec::new(),
            outlier_scores: Vec::new(),
            persistence: Vec::new(),
            sizes: Vec::new(),
        };
        for row in 0..n {
            let held = out.held(out.tree.row_parent[row], out.tree.row_lambda[row]);
            // Numbered by smallest member sample.
            if let Some(c) = held.filter(|&c| out.number[c as usize].is_none()) {
                out.number[c as usize] = Some(ClusterId(out.clusters.len() as u32));
                out.clusters.push(c);
                out.sizes.push(0);
            }
            let label = out.label(held);
            if let Some(id) = label.cluster() {
                out.sizes[id.0 as usize] += 1;
            }
            out.labels.push(label);
        }
        out.strengths = out.by_row(|parent, lambda| out.strength(out.held(parent, lambda), lambda));
        out.outlier_scores = out.by_row(|parent, lambda| out.outlier_score(parent, lambda));
        out.persistence = out.persistences();
        Ok(out)
    }

    /// A number for each sample, from the cluster it left and the lambda at which it did.
    fn by_row(&self, value: impl Fn(u32, f64) -> f64 + Sync) -> Vec<f64> {
        let (parents, lambdas) = (&self.tree.row_parent, &self.tree.row_lambda);
        let mut out = vec![0.0; parents.len()];
        for_each_chunk(&mut out, CHUNK, |first, out| {
            let rows = parents[first..].iter().zip(&lambdas[first..]);
            out.iter_mut().zip(rows).for_each(|(out, (&parent, &lambda))| *out = value(parent, lambda));
        });
        out
    }

    fn persistences(&self) -> Vec<f64> {
        let largest = self.subtree_max[0];
        let one = |(&c, &size): (&u32, &usize)| {
            if largest.is_finite() && largest > 0.0 {
                self.tree.stability(c) / (size as f64 * largest)
            } else {
                1.0
            }
        };
        self.clusters.iter().zip(&self.sizes).map(one).collect()
    }

    /// The chosen cluster that holds a sample which left `cluster` at `lambda`.
    pub(crate) fn held(&self, cluster: u32, lambda: f64) -> Option<u32> {
        match self.root_floor {
            // Lambda 0: no finite distance joins the sample to any other.
            Some(floor) => (lambda >= floor && lambda > 0.0).then_some(0),
            None => self.holder[cluster as usize],
        }
    }

    /// Nearest chosen cluster at or above, whatever the density.
    pub(crate) fn holder(&self, cluster: u32) -> Option<u32> {
        self.holder[cluster as usize]
    }

    /// A chosen cluster without a training sample has no number, so nothing is assigned to it.
    pub(crate) fn label(&self, held: Option<u32>) -> Label {
        held.map_or(Label::NOISE, |c| self.label_of(c))
    }

    /// Label of a condensed cluster itself; noise if it was not chosen.
    pub(crate) fn label_of(&self, cluster: u32) -> Label {
        self.number[cluster as usize].map_or(Label::NOISE, Label::of)
    }

    /// Share of the cluster's own largest lambda, 0..=1.
    pub(crate) fn strength(&self, held: Option<u32>, lambda: f64) -> f64 {
        let Some(c) = held else { return 0.0 };
        let largest = self.tree.own_max(c);
        if largest == 0.0 || lambda.is_infinite() {
            1.0
        } else if largest.is_infinite() {
            0.0
        } else {
            lambda.min(largest) / largest
        }
    }

    /// GLOSH: how far `lambda` is below the densest sample under `cluster`, 0..=1.
    pub(crate) fn outlier_score(&self, cluster: u32, lambda: f64) -> f64 {
        let largest = self.subtree_max[cluster as usize];
        if lambda.is_infinite() {
            0.0
        } else if lambda == 0.0 || largest.is_infinite() {
            1.0
        } else {
            ((largest - lambda) / largest).max(0.0)
        }
    }

    /// Label of each training sample, numbered by smallest member.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// How firmly each training sample belongs, 0..=1; 0 for noise.
    #[doc(alias = "probabilities_")]
    #[must_use]
    pub fn strengths(&self) -> &[f64] {
        &self.strengths
    }

    /// GLOSH score of each training sample, 0 (dense) to 1 (outlier).
    #[doc(alias = "outlier_scores_")]
    #[must_use]
    pub fn outlier_scores(&self) -> &[f64] {
        &self.outlier_scores
    }

    /// How stable each cluster is, relative to the densest sample, by label.
    #[doc(alias = "cluster_persistence_")]
    #[must_use]
    pub fn persistence(&self) -> &[f64] {
        &self.persistence
    }

    /// Samples of each cluster, by label.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Number of clusters.
    #[must_use]
    pub fn n_clusters(&self) -> usize {
        self.clusters.len()
    }

    /// The condensed tree the clusters were chosen from.
    #[must_use]
    pub fn condensed_tree(&self) -> &CondensedTree {
        &self.tree
    }

    /// Whether each cluster of the condensed tree was chosen.
    #[must_use]
    pub fn chosen(&self) -> &[bool] {
        &self.chosen
    }

    /// Condensed cluster of each label.
    #[must_use]
    pub fn chosen_ids(&self) -> &[u32] {
        &self.clusters
    }

    /// Training samples of each cluster by label, ascending.
    #[must_use]
    pub fn members(&self) -> Vec<Vec<u32>> {
        let mut out: Vec<Vec<u32>> = self.sizes.iter().map(|&size| Vec::with_capacity(size)).collect();
        for (label, row) in self.labels.iter().zip(0..) {
            if let Some(id) = label.cluster() {
                out[id.0 as usize].push(row);
            }
        }
        out
    }

    /// Per label, the samples that leave each leaf below the cluster last, ascending.
    #[doc(alias = "exemplars_")]
    #[must_use]
    pub fn exemplars(&self) -> Vec<Vec<u32>> {
        let one = |&cluster: &u32| {
            let (mut rows, mut open) = (Vec::new(), vec![cluster]);
            while let Some(c) = open.pop() {
                let children = self.tree.children(c);
                open.extend_from_slice(children);
                if children.is_empty() {
                    let last = |&&row: &&u32| self.tree.row_lambda[row as usize] == self.tree.own_max(c);
                    rows.extend(self.tree.own_rows(c).iter().take_while(last));
                }
            }
            rows.sort_unstable();
            rows
        };
        self.clusters.iter().map(one).collect()
    }
}
