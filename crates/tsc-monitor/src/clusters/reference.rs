use serde::{Deserialize, Serialize};
use tsc_core::{Features, Label, Result};

use super::moments::Moments;
use crate::error::MonitorError;

/// One cluster as its held-out rows show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Cluster {
    /// Of each feature.
    pub(super) features: Vec<Moments>,
    /// Of the squared distance of a row, each feature in its own deviation.
    pub(super) distance: Moments,
    /// Of the strengths.
    pub(super) strength: Moments,
    /// Sum of squared correlations between the features: how many of them move on their own.
    pub(super) correlation: f64,
}

impl Cluster {
    /// Squared distance of a row from `mean`, each feature in its deviation here.
    pub(super) fn squared_distance(&self, row: &[f64], mean: impl Fn(usize) -> f64) -> f64 {
        let part = |(i, (v, m)): (usize, (&f64, &Moments))| (v - mean(i)).powi(2) / scale(m);
        row.iter().zip(&self.features).enumerate().map(part).sum()
    }

    pub(super) fn rows(&self) -> f64 {
        self.features.first().map_or(0.0, |m| m.n)
    }

    /// Root of the summed variances, in the unit of the features.
    pub(super) fn radius(&self) -> f64 {
        self.features.iter().map(Moments::variance).sum::<f64>().sqrt()
    }
}

// A feature that is constant in a cluster has no deviation: any other value is far away.
pub(super) fn scale(moments: &Moments) -> f64 {
    moments.variance().max(1e-18 * moments.mean * moments.mean).max(1e-200)
}

/// Mass, centres, scales, strengths and noise of a clustering on rows its fit did not see.
///
/// The rows a clusterer was fitted on are closer to its centres and less often noise than any other: with
/// them as reference every chart alarms. So the label of a row has to come from a fit without it, usually
/// by five folds, renumbered to the clusters of the fit on all rows.
///
/// O(n d^2) time; memory O(K d).
///
/// # Examples
///
/// ```
/// use tsc_core::{Features, Label};
/// use tsc_monitor::ClusterReference;
/// let x = [0.0, 0.2, 0.1, 9.0, 9.1, 9.2, 50.0];
/// let labels = Label::from_ids(&[0, 0, 0, 1, 1, 1, -1]);
/// let reference = ClusterReference::fit(Features::new(&x, 1)?, &labels, None, 2)?;
/// assert_eq!((reference.n_clusters(), reference.mass()), (2, &[3, 3, 1][..]));
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterReference {
    n_features: usize,
    /// Rows in each cluster; noise comes last.
    mass: Vec<u64>,
    pub(super) clusters: Vec<Cluster>,
}

impl ClusterReference {
    /// From `x`, `(n_samples, n_features)` in the units the clusterer sees, and the held-out label of each
    /// row, before the fallback; `strengths` lie in 0..=1.
    ///
    /// # Errors
    ///
    /// `InvalidData` if a column has another length, a label names a cluster outside `0..n_clusters`, or
    /// a strength is not finite.
    pub fn fit(
        x: Features<'_>,
        labels: &[Label],
        strengths: Option<&[f64]>,
        n_clusters: usize,
    ) -> Result<Self> {
        let d = x.n_features();
        check(x, labels, strengths, n_clusters)?;
        let empty = Cluster { features: vec![Moments::default(); d], ..Cluster::default() };
        let mut reference =
            Self { n_features: d, mass: vec![0; n_clusters + 1], clusters: vec![empty; n_clusters] };
        for (i, (row, label)) in x.rows().zip(labels).enumerate() {
            let at = label.cluster().map_or(n_clusters, |id| id.0 as usize);
            reference.mass[at] += 1;
            if let Some(cluster) = reference.clusters.get_mut(at) {
                cluster.features.iter_mut().zip(row).for_each(|(m, v)| m.push(*v));
                strengths.into_iter().for_each(|s| cluster.strength.push(s[i]));
            }
        }
        for at in 0..n_clusters {
            let rows: Vec<&[f64]> = x
                .rows()
                .zip(labels)
                .filter(|(_, l)| l.cluster().is_some_and(|id| id.0 as usize == at))
                .map(|it| it.0)
                .collect();
            let cluster = &mut reference.clusters[at];
            for row in &rows {
                let distance = cluster.squared_distance(row, |i| cluster.features[i].mean);
                cluster.distance.push(distance);
            }
            cluster.correlation = correlation(&rows, &cluster.features);
        }
        Ok(reference)
    }

    /// Number of clusters.
    #[must_use]
    pub fn n_clusters(&self) -> usize {
        self.clusters.len()
    }

    /// Number of features.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Rows in each cluster, then noise.
    #[must_use]
    pub fn mass(&self) -> &[u64] {
        &self.mass
    }
}

/// Columns of the same rows, labels inside the clusters.
pub(super) fn check(
    x: Features<'_>,
    labels: &[Label],
    strengths: Option<&[f64]>,
    n_clusters: usize,
) -> Result<()> {
    let n_samples = x.n_samples();
    let columns = [("labels", labels.len()), ("strengths", strengths.map_or(n_samples, <[f64]>::len))];
    if let Some((column, got)) = columns.into_iter().find(|&(_, got)| got != n_samples) {
        return Err(MonitorError::PredictionCount { column, got, n_samples }.into());
    }
    let outside = |label: &&Label| label.cluster().is_some_and(|id| id.0 as usize >= n_clusters);
    if let Some(label) = labels.iter().find(outside) {
        return Err(MonitorError::UnknownCluster { id: label.id(), n_clusters }.into());
    }
    if let Some(at) = strengths.and_then(|s| s.iter().position(|v| !v.is_finite())) {
        return Err(MonitorError::SampleValue { at }.into());
    }
    Ok(())
}

// tr(R^2), less what chance adds to it, (d (d - 1) / n). At least d, where all are independent.
fn correlation(rows: &[&[f64]], features: &[Moments]) -> f64 {
    let d = features.len();
    let mut sum = d as f64;
    for i in 0..d {
        for j in 0..i {
            let products: f64 =
                rows.iter().map(|row| (row[i] - features[i].mean) * (row[j] - features[j].mean)).sum();
            let both = features[i].squares() * features[j].squares();
            if both > 0.0 {
                sum += 2.0 * products * products / both;
            }
        }
    }
    let chance = (d * (d - 1)) as f64 / (rows.len().max(1) as f64);
    (sum - chance).clamp(d as f64, (d * d) as f64)
}
