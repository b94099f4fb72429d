use tsc_core::{Label, Result};

use crate::Mst;
use crate::error::ClusterError;

/// An island of the tree counts as this many times the heaviest edge away from all other clusters.
const ISLAND: f64 = 2.0;

/// Density-based validity read off a minimum spanning tree, -1 to 1; `None` below two clusters.
///
/// An estimate of [`dbcv`](crate::dbcv) in O(n), for comparing parameters on the same data: a cluster's
/// sparseness is its heaviest edge, its separation the lightest edge to another cluster, and twice the
/// heaviest edge of all if there is none. Noise counts in the total. `mst` is of the samples that `labels`
/// names, as in [`ClusterTree::mst`](crate::ClusterTree::mst).
///
/// Equals hdbscan's `relative_validity_` where the tree is unique; where edges of equal weight leave a
/// choice, the value depends on the tree.
///
/// # Errors
///
/// `InvalidData` unless the tree has one edge fewer than there are labels.
///
/// # Examples
///
/// ```
/// use tsc_cluster::{Clusterer, Features, FittedClusterer, Hdbscan, HdbscanParams, relative_validity};
/// let x = [0.0, 1.0, 2.0, 9.0, 10.0, 11.0];
/// let params = HdbscanParams { min_cluster_size: 3, min_samples: Some(1), ..Default::default() };
/// let fitted = Hdbscan::new(params)?.fit(Features::new(&x, 1)?)?;
/// let validity = relative_validity(fitted.tree().mst(), fitted.training_labels())?;
/// assert_eq!(validity, Some(6.0 / 7.0)); // (7 - 1) / 7: edges of 1 inside, of 7 between
/// # Ok::<(), tsc_cluster::Error>(())
/// ```
///
/// Source: Moulavi et al., SIAM SDM 2014, on the tree that the fit has.
pub fn relative_validity(mst: &Mst, labels: &[Label]) -> Result<Option<f64>> {
    let n_samples = mst.edges().len() + 1;
    if labels.len() != n_samples {
        return Err(ClusterError::LabelCount { labels: labels.len(), n_samples }.into());
    }
    let mut ids: Vec<Label> = labels.iter().copied().filter(|l| !l.is_noise()).collect();
    ids.sort_unstable();
    let sizes: Vec<usize> = ids.chunk_by(|a, b| a == b).map(<[Label]>::len).collect();
    ids.dedup();
    if ids.len() < 2 {
        return Ok(None);
    }
    let mut sparseness = vec![0.0; ids.len()];
    let mut separation = vec![f64::INFINITY; ids.len()];
    let mut heaviest = 0.0;
    // Edges ascend; an infinite one joins what nothing else does, so it says nothing about a distance.
    for edge in mst.edges().iter().take_while(|e| e.weight.is_finite()) {
        heaviest = edge.weight;
        let cluster = |row: u32| ids.binary_search(&labels[row as usize]);
        let (Ok(a), Ok(b)) = (cluster(edge.a), cluster(edge.b)) else { continue };
        if a == b {
            sparseness[a] = edge.weight.max(sparseness[a]);
        } else {
            separation[a] = edge.weight.min(separation[a]);
            separation[b] = edge.weight.min(separation[b]);
        }
    }
    let mut total = 0.0;
    for ((&sparse, &apart), &size) in sparseness.iter().zip(&separation).zip(&sizes) {
        let apart = if apart.is_finite() { apart } else { ISLAND * heaviest };
        let larger = f64::max(apart, sparse);
        let validity = if larger > 0.0 { (apart - sparse) / larger } else { 0.0 };
        total += size as f64 / n_samples as f64 * validity;
    }
    Ok(total.is_finite().then_some(total))
}
