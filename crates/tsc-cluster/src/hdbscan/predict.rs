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

impl Extraction {
    /// At a training sample: where that one is.
    pub(crate) fn at(&self, row: u32) -> Attachment {
        let tree = self.condensed_tree();
        let (cluster, lambda) = (tree.row_parent[row as usize], tree.row_lambda[row as usize]);
        Attachment { nearest: row, cluster, lambda }
    }

    /// At density `lambda` beside training sample `nearest`: up the tree while clusters were born at or
    /// above that density, unless the training sample left its cluster before.
    fn beside(&self, nearest: u32, lambda: f64) -> Attachment {
        let at = self.at(nearest);
        let cluster =
            if at.lambda > lambda { self.condensed_tree().holding(at.cluster, lambda) } else { at.cluster };
        Attachment { nearest, cluster, lambda }
    }

    fn detail(&self, at: Attachment, held: Option<u32>) -> Detail {
        let tree = self.condensed_tree();
        let nearest = at.nearest as usize;
        let leaves = if at.cluster == tree.row_parent[nearest] {
            at.lambda.min(tree.row_lambda[nearest])
        } else {
            at.lambda
        };
        let label = self.label(held);
        Detail {
            label,
            strength: if label.is_noise() { 0.0 } else { self.strength(held, at.lambda) },
            outlier_score: self.outlier_score(at.cluster, leaves),
            nearest: at.nearest,
        }
    }
}

/// The rule of assignment: training samples attract by their core distance, `k` neighbours make that of
/// a new sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule<'a> {
    pub(crate) core: &'a [f64],
    pub(crate) k: usize,
    pub(crate) alpha: f64,
}

impl Rule<'_> {
    fn link(&self, row: u32, distance: f64, own_core: f64) -> Link {
        let core = self.core[row as usize];
        Link { weight: (distance / self.alpha).max(core).max(own_core), distance, core, row }
    }

    /// Training sample of least mutual reachability; ties: nearer, denser, smaller.
    fn lightest(&self, near: impl Iterator<Item = (u32, f64)>, own_core: f64) -> Option<Link> {
        near.map(|(row, distance)| self.link(row, distance, own_core)).min_by(Link::order)
    }

    /// From the distances of a sample to all training samples, at least one. O(n).
    pub(crate) fn assign_distances(&self, e: &Extraction, to_training: &[f64]) -> Detail {
        if let Some(same) = to_training.iter().position(|&d| d == 0.0) {
            let at = e.at(same as u32);
            return e.detail(at, e.held(at.cluster, at.lambda));
        }
        let mut sorted = to_training.to_vec();
        let kth = self.k.clamp(1, sorted.len()) - 1;
        let own_core = *sorted.select_nth_unstable_by(kth, f64::total_cmp).1;
        let all = (0..).zip(to_training.iter().copied());
        let best = self.lightest(all, own_core).expect("there is at least one training sample");
        let at = e.beside(best.row, 1.0 / best.weight);
        e.detail(at, e.held(at.cluster, at.lambda))
    }
}

/// Training samples as new samples see them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attach<'a> {
    pub(crate) index: &'a NeighborIndex,
    pub(crate) rule: Rule<'a>,
    /// Core distances of hdbscan's own rule, if that is asked for.
    pub(crate) reference_core: Option<&'a [f64]>,
    pub(crate) extraction: &'a Extraction,
}

impl Attach<'_> {
    pub(crate) fn detail(&self, row: &[f64], scratch: &mut Scratch) -> Result<Detail> {
        let e = self.extraction;
        if let Some(core) = self.reference_core {
            let at = self.attach_as_reference(core, row, scratch)?;
            return Ok(e.detail(at, e.holder(at.cluster)));
        }
        let at = self.attach(row, scratch)?;
        Ok(e.detail(at, e.held(at.cluster, at.lambda)))
    }

    pub(crate) fn attach(&self, row: &[f64], scratch: &mut Scratch) -> Result<Attachment> {
        let near = self.index.query_one(row, self.rule.k, scratch)?;
        let (first, own_core) = (near[0], near[near.len() - 1].distance);
        if first.distance == 0.0 {
            return Ok(self.extraction.at(self.equal_row(row, first.row, scratch)?));
        }
        let best = self.lightest(near, own_core).expect("an index holds at least one row");
        // No weight is below the sample's own core distance, and rows outside the list are not nearer.
        let settled = best.weight == own_core && best.distance < own_core;
        let best = if settled { best } else { self.lightest_within(row, own_core, best, scratch)? };
        Ok(self.extraction.beside(best.row, 1.0 / best.weight))
    }

    /// `approximate_predict` of hdbscan 0.8: one neighbour less for training samples, one more for the new
    /// one, twice as many candidates, no alpha, and no rule for a sample that is known.
    fn attach_as_reference(&self, core: &[f64], row: &[f64], scratch: &mut Scratch) -> Result<Attachment> {
        let near = self.index.query_one(row, self.rule.k.saturating_mul(2), scratch)?;
        let own_core = near[self.rule.k.min(near.len() - 1)].distance;
        let weight = |n: &Neighbor| n.distance.max(core[n.row as usize]).max(own_core);
        let best = near.iter().min_by(|a, b| weight(a).total_cmp(&weight(b)));
        let best = best.expect("an index holds at least one row");
        let weight = weight(best);
        Ok(self.extraction.beside(best.row, if weight > 0.0 { 1.0 / weight } else { f64::MAX }))
    }

    /// Different rows can be at distance 0 when their squares underflow; the equal one decides.
    fn equal_row(&self, row: &[f64], first: u32, scratch: &mut Scratch) -> Result<u32> {
        if self.index.row(first as usize) == row {
            return Ok(first);
        }
        let zeros = self.index.within_one(row, 0.0, scratch)?;
        Ok(zeros.iter().map(|n| n.row).find(|&r| self.index.row(r as usize) == row).unwrap_or(first))
    }

    fn lightest(&self, near: &[Neighbor], own_core: f64) -> Option<Link> {
        self.rule.lightest(near.iter().map(|n| (n.row, n.distance)), own_core)
    }

    /// The same among all rows that can weigh as little as `best`.
    fn lightest_within(&self, row: &[f64], own_core: f64, best: Link, scratch: &mut Scratch) -> Result<Link> {
        let radius = best.weight * self.rule.alpha * (1.0 + 4.0 * f64::EPSILON);
        let within = self.index.within_one(row, radius, scratch)?;
        Ok(self.lightest(within, own_core).unwrap_or(best))
    }
}

/// A candidate edge from a new sample.
#[derive(Clone, Copy, Debug)]
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
