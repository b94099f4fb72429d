//! Assigning new samples: nearest in mutual reachability, then up the tree while the sample is too sparse.

use tsc_core::{Label, Result};
use tsc_neighbors::{Neighbor, NeighborIndex, Scratch};

use super::extract::Extraction;

/// What is known of an assigned sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detail {
    /// Cluster or noise.
    pub label: Label,
    /// How firmly it belongs, 0..=1; 0 for noise.
    pub strength: f64,
    /// GLOSH score at the cluster it joins, 0..=1.
    pub outlier_score: f64,
    /// The training sample it attaches to.
    pub nearest: u32,
}

impl Detail {
    /// Noise: strength 0, outlier score 1, nearest sample 0. Fills a column before it is assigned.
    pub const NOISE: Detail = Detail { label: Label::NOISE, strength: 0.0, outlier_score: 1.0, nearest: 0 };
}

/// Where a new sample enters the tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Attachment {
    pub(crate) nearest: u32,
    pub(crate) cluster: u32,
    pub(crate) lambda: f64,
}

/// Training samples as new samples see them.
pub(crate) struct Attach<'a> {
    pub(crate) index: &'a NeighborIndex,
    pub(crate) core: &'a [f64],
    pub(crate) k: usize,
    pub(crate) alpha: f64,
    pub(crate) extraction: &'a Extraction,
}

impl Attach<'_> {
    pub(crate) fn detail(&self, row: &[f64], scratch: &mut Scratch) -> Result<Detail> {
        let at = self.attach(row, scratch)?;
        let held = self.extraction.held(at.cluster, at.lambda);
        let tree = self.extraction.condensed_tree();
        let nearest = at.nearest as usize;
        let leaves = if at.cluster == tree.row_parent[nearest] {
            at.lambda.min(tree.row_lambda[nearest])
        } else {
            at.lambda
        };
        let label = self.extraction.label(held);
        Ok(Detail {
            label,
            strength: if label.is_noise() { 0.0 } else { self.extraction.strength(held, at.lambda) },
            outlier_score: self.extraction.outlier_score(at.cluster, leaves),
            nearest: at.nearest,
        })
    }

    pub(crate) fn attach(&self, row: &[f64], scratch: &mut Scratch) -> Result<Attachment> {
        let tree = self.extraction.condensed_tree();
        let near = self.index.query_one(row, self.k, scratch)?;
        let (first, core_row) = (near[0], near[near.len() - 1].distance);
        if first.distance == 0.0 {
            let same = self.equal_row(row, first.row, scratch)?;
            let (cluster, lambda) = (tree.row_parent[same as usize], tree.row_lambda[same as usize]);
            return Ok(Attachment { nearest: same, cluster, lambda });
        }
        let best = self.lightest(near, core_row).expect("an index holds at least one row");
        // No weight is below the sample's own core distance, and rows outside the list are not nearer.
        let settled = best.weight == core_row && best.distance < core_row;
        let best = if settled { best } else { self.lightest_within(row, core_row, best, scratch)? };
        let lambda = 1.0 / best.weight;
        let mut cluster = tree.row_parent[best.row as usize];
        if tree.row_lambda[best.row as usize] > lambda {
            while let (Some(parent), true) =
                (tree.clusters[cluster as usize].parent, tree.clusters[cluster as usize].birth >= lambda)
            {
                cluster = parent;
            }
        }
        Ok(Attachment { nearest: best.row, cluster, lambda })
    }

    /// Different rows can be at distance 0 when their squares underflow; the equal one decides.
    fn equal_row(&self, row: &[f64], first: u32, scratch: &mut Scratch) -> Result<u32> {
        if self.index.row(first as usize) == row {
            return Ok(first);
        }
        let zeros = self.index.within_one(row, 0.0, scratch)?;
        Ok(zeros.iter().map(|n| n.row).find(|&r| self.index.row(r as usize) == row).unwrap_or(first))
    }

    /// Training sample of least mutual reachability; ties: nearer, denser, smaller.
    fn lightest(&self, near: &[Neighbor], core_row: f64) -> Option<Link> {
        let link = |n: &Neighbor| {
            let core = self.core[n.row as usize];
            let weight = (n.distance / self.alpha).max(core).max(core_row);
            Link { weight, distance: n.distance, core, row: n.row }
        };
        near.iter().map(link).min_by(Link::order)
    }

    /// The same among all rows that can weigh as little as `best`.
    fn lightest_within(&self, row: &[f64], core_row: f64, best: Link, scratch: &mut Scratch) -> Result<Link> {
        let radius = best.weight * self.alpha * (1.0 + 4.0 * f64::EPSILON);
        let within = self.index.within_one(row, radius, scratch)?;
        Ok(self.lightest(within, core_row).unwrap_or(best))
    }
}

/// A candidate edge from a new sample.
#[derive(Clone, Copy)]
struct Link {
    weight: f64,
    distance: f64,
    core: f64,
    row: u32,
}

impl Link {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.weight
            .total_cmp(&other.weight)
            .then(self.distance.total_cmp(&other.distance))
            .then(self.core.total_cmp(&other.core))
            .then(self.row.cmp(&other.row))
    }
}
