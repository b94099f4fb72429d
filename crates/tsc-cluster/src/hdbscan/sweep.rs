use std::sync::Arc;

use tsc_core::{Features, Result, Stage, Violation, all_valid};
use tsc_neighbors::NeighborIndex;

use super::fitted::FittedHdbscan;
use super::params::HdbscanParams;
use super::{Hdbscan, measure};

impl Hdbscan {
    /// A fit for each of several settings, in their order, that shares what they have in common.
    ///
    /// Settings of one metric and plan share the index; those that also agree in the neighbours and alpha
    /// share the spanning tree, so that each further one costs only a choice of clusters. The results are
    /// those of single fits.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation as `[position].key`; else that of the first fit that fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use tsc_cluster::{Features, FittedClusterer, Hdbscan, HdbscanParams};
    /// let values = [0.0, 0.1, 0.2, 0.3, 9.0, 9.1, 9.2, 9.3, 50.0];
    /// let three = HdbscanParams { min_cluster_size: 3, min_samples: Some(2), ..Default::default() };
    /// let five = HdbscanParams { min_cluster_size: 5, ..three.clone() };
    /// let fits = Hdbscan::sweep(Features::new(&values, 1)?, &[three, five])?;
    /// assert_eq!((fits[0].n_clusters(), fits[1].n_clusters()), (2, 0));
    /// # Ok::<(), tsc_cluster::Error>(())
    /// ```
    pub fn sweep(x: Features<'_>, settings: &[HdbscanParams]) -> Result<Vec<FittedHdbscan>> {
        let violations: Vec<Violation> = (0..)
            .zip(settings)
            .flat_map(|(i, p)| p.check().into_iter().map(move |v| (i, v)))
            .map(|(i, v): (usize, Violation)| Violation::new(format!("[{i}].{}", v.path), v.message))
            .collect();
        all_valid(&violations, Stage::Clustering, "TSC-CLU-002")?;
        let mut indexes: Vec<Arc<NeighborIndex>> = Vec::with_capacity(settings.len());
        let mut out: Vec<FittedHdbscan> = Vec::with_capacity(settings.len());
        for p in settings {
            p.check_samples(x.n_samples())?;
            let same_index = |q: &HdbscanParams| q.metric == p.metric && q.plan == p.plan;
            let index = match out.iter().position(|f| same_index(f.params())) {
                Some(i) => Arc::clone(&indexes[i]),
                None => Arc::new(NeighborIndex::build(x, &p.metric, p.plan)?),
            };
            let same_tree = |q: &HdbscanParams| {
                same_index(q) && q.asked_neighbors() == p.asked_neighbors() && q.alpha == p.alpha
            };
            let tree = match out.iter().find(|f| same_tree(f.params())) {
                Some(fitted) => Arc::clone(fitted.shared_tree()),
                None => Arc::new(measure(&index, p)),
            };
            out.push(FittedHdbscan::assemble(p.clone(), x.n_features(), tree, Some(Arc::clone(&index)))?);
            indexes.push(index);
        }
        Ok(out)
    }
}
