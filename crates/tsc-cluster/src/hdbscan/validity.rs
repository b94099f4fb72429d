//! Relative validity: an approximation of DBCV from the edges of the tree alone.

use tsc_core::{Label, Result};

use super::tree::ClusterTree;
use crate::error::ClusterError;

/// What the edges say of a cluster.
#[derive(Clone, Copy)]
struct Seen {
    size: usize,
    /// Heaviest edge inside.
    sparseness: f64,
    /// Lightest edge to another cluster.
    separation: f64,
}

impl ClusterTree {
    /// How well a labelling follows the density, -1 to 1: larger is better. `None` below two clusters.
    ///
    /// For each cluster (separation - sparseness) / max of both, weighted by its share of all samples,
    /// noise included. Sparseness is its heaviest edge of the spanning tree, separation the lightest edge
    /// to another cluster, twice the heaviest edge of all where there is none. O(n), so it serves to
    /// compare selections from one tree; it says little across trees of other data or `min_samples`.
    /// Where edges weigh the same it depends on which of the equal trees was found.
    ///
    /// # Errors
    ///
    /// `InvalidData` if there is not one label per sample.
    ///
    /// Source: `relative_validity_` of the Python package hdbscan, after Moulavi et al., SIAM SDM 2014.
    #[doc(alias = "relative_validity_")]
    pub fn relative_validity(&self, labels: &[Label]) -> Result<Option<f64>> {
        let n_samples = self.n_samples();
        if labels.len() != n_samples {
            return Err(ClusterError::LabelCount { labels: labels.len(), n_samples }.into());
        }
        let n_labels =
            labels.iter().filter_map(|l| l.cluster()).map(|id| id.0 as usize + 1).max().unwrap_or(0);
        let none = Seen { size: 0, sparseness: 0.0, separation: f64::INFINITY };
        let mut seen = vec![none; n_labels];
        for id in labels.iter().filter_map(|l| l.cluster()) {
            seen[id.0 as usize].size += 1;
        }
        if seen.iter().filter(|s| s.size > 0).count() < 2 {
            return Ok(None);
        }
        let mut heaviest = 0.0;
        for edge in self.mst().edges().iter().take_while(|e| e.weight.is_finite()) {
            // Edges come by ascending weight.
            heaviest = edge.weight;
            let ends = (labels[edge.a as usize].cluster(), labels[edge.b as usize].cluster());
            let (Some(a), Some(b)) = ends else { continue };
            let (a, b) = (a.0 as usize, b.0 as usize);
            if a == b {
                seen[a].sparseness = edge.weight;
            } else {
                seen[a].separation = seen[a].separation.min(edge.weight);
                seen[b].separation = seen[b].separation.min(edge.weight);
            }
        }
        let mut total = 0.0;
        for cluster in seen.iter().filter(|s| s.size > 0) {
            let apart = if cluster.separation.is_finite() { cluster.separation } else { 2.0 * heaviest };
            let larger = apart.max(cluster.sparseness);
            if larger > 0.0 {
                total += cluster.size as f64 / n_samples as f64 * ((apart - cluster.sparseness) / larger);
            }
        }
        Ok(Some(total))
    }
}
