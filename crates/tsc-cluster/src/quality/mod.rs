//! Scores of a clustering on the samples that are not noise.

mod dbcv;
mod silhouette;

pub use dbcv::dbcv;
use serde::{Deserialize, Serialize};
use tsc_core::{Features, Label, Result};

use crate::error::ClusterError;

/// Settings of [`quality`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QualityParams {
    /// Most samples whose silhouette is computed, default 10,000; above it every n-th is taken, and
    /// measured against all.
    pub silhouette_max_rows: usize,
    /// Decides where the sample starts, default 42.
    pub random_state: u64,
}

impl Default for QualityParams {
    fn default() -> Self {
        Self { silhouette_max_rows: 10_000, random_state: 42 }
    }
}

/// Scores of a clustering, euclidean; `None` where a score is not defined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quality {
    /// Clusters that were scored.
    pub n_clusters: usize,
    /// Samples that are not noise.
    pub n_clustered: usize,
    /// Mean silhouette, -1 (wrong cluster) to 1 (well separated). Rousseeuw 1987.
    pub silhouette: Option<f64>,
    /// Samples the silhouette was computed for; fewer than `n_clustered` means a sample.
    pub silhouette_rows: usize,
    /// Spread between over spread within clusters; larger is better. Calinski and Harabasz 1974.
    pub calinski_harabasz: Option<f64>,
    /// Mean likeness of each cluster to its most similar one; smaller is better. Davies and Bouldin 1979.
    pub davies_bouldin: Option<f64>,
}

/// Silhouette, Calinski-Harabasz and Davies-Bouldin of the samples that are not noise.
///
/// All are `None` below two clusters, or if every sample is its own cluster. The silhouette takes
/// O(n² d) time and O(n) memory up to `silhouette_max_rows`; the others O(n d). The same bits for any
/// number of threads.
///
/// # Errors
///
/// `InvalidData` if `labels.len() != x.n_samples()`, or a distance would overflow.
///
/// # Examples
///
/// ```
/// use tsc_cluster::{Features, Label, QualityParams, quality};
/// let x = Features::new(&[0.0, 1.0, 10.0, 11.0, 99.0], 1)?;
/// let q = quality(x, &Label::from_ids(&[0, 0, 1, 1, -1]), &QualityParams::default())?;
/// assert!((q.silhouette.unwrap() - 0.8997).abs() < 1e-4);
/// assert_eq!(q.calinski_harabasz, Some(200.0)); // (4 * 25 / 1) / (4 * 0.25 / 2)
/// assert_eq!(q.davies_bouldin, Some(0.1)); // (0.5 + 0.5) / 10
/// let one = quality(x, &Label::from_ids(&[0, 0, 0, 0, -1]), &QualityParams::default())?;
/// assert_eq!(one.silhouette, None);
/// # Ok::<(), tsc_cluster::Error>(())
/// ```
pub fn quality(x: Features<'_>, labels: &[Label], params: &QualityParams) -> Result<Quality> {
    let groups = Groups::of(x, labels)?;
    let (k, n) = (groups.sizes.len(), groups.n());
    let mut out = Quality {
        n_clusters: k,
        n_clustered: n,
        silhouette: None,
        silhouette_rows: 0,
        calinski_harabasz: None,
        davies_bouldin: None,
    };
    if k < 2 || k == n {
        return Ok(out);
    }
    let (value, rows) = silhouette::silhouette(&groups, params)?;
    out.silhouette = finite(value);
    out.silhouette_rows = rows;
    let centers = groups.centers();
    out.calinski_harabasz = calinski_harabasz(&groups, &centers);
    out.davies_bouldin = davies_bouldin(&groups, &centers);
    Ok(out)
}

/// Samples that are not noise, a cluster after the other.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) values: Vec<f64>,
    pub(crate) n_features: usize,
    pub(crate) sizes: Vec<usize>,
}

impl Groups {
    pub(crate) fn of(x: Features<'_>, labels: &[Label]) -> Result<Self> {
        if labels.len() != x.n_samples() {
            return Err(ClusterError::LabelCount { labels: labels.len(), n_samples: x.n_samples() }.into());
        }
        let mut rows: Vec<usize> = (0..labels.len()).filter(|&row| !labels[row].is_noise()).collect();
        rows.sort_by_key(|&row| labels[row]);
        let sizes = rows.chunk_by(|&a, &b| labels[a] == labels[b]).map(<[usize]>::len).collect();
        let values = rows.iter().flat_map(|&row| x.row(row).iter().copied()).collect();
        Ok(Self { values, n_features: x.n_features(), sizes })
    }

    pub(crate) fn n(&self) -> usize {
        self.sizes.iter().sum()
    }

    pub(crate) fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.n_features..(i + 1) * self.n_features]
    }

    /// First sample of each cluster, and one past the last of all.
    pub(crate) fn starts(&self) -> Vec<usize> {
        let mut starts = vec![0];
        for size in &self.sizes {
            starts.push(starts[starts.len() - 1] + size);
        }
        starts
    }

    fn centers(&self) -> Vec<Vec<f64>> {
        let starts = self.starts();
        let one = |range: &[usize]| mean((range[0]..range[1]).map(|i| self.row(i)), self.n_features);
        starts.windows(2).map(one).collect()
    }
}

fn mean<'a>(rows: impl Iterator<Item = &'a [f64]>, d: usize) -> Vec<f64> {
    let (mut sum, mut n) = (vec![0.0; d], 0.0);
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
        n += 1.0;
    }
    sum.iter_mut().for_each(|s| *s /= n);
    sum
}

fn squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn finite(v: f64) -> Option<f64> {
    v.is_finite().then_some(v)
}

fn calinski_harabasz(groups: &Groups, centers: &[Vec<f64>]) -> Option<f64> {
    let (n, k) = (groups.n() as f64, groups.sizes.len() as f64);
    let overall = mean((0..groups.n()).map(|i| groups.row(i)), groups.n_features);
    let between: f64 =
        centers.iter().zip(&groups.sizes).map(|(c, &size)| size as f64 * squared(c, &overall)).sum();
    let starts = groups.starts();
    let spread = |(c, range): (&Vec<f64>, &[usize])| {
        (range[0]..range[1]).map(|i| squared(groups.row(i), c)).sum::<f64>()
    };
    let within: f64 = centers.iter().zip(starts.windows(2)).map(spread).sum();
    finite((between / (k - 1.0)) / (within / (n - k)))
}

fn davies_bouldin(groups: &Groups, centers: &[Vec<f64>]) -> Option<f64> {
    let starts = groups.starts();
    let spread = |(c, range): (&Vec<f64>, &[usize])| {
        let sum: f64 = (range[0]..range[1]).map(|i| squared(groups.row(i), c).sqrt()).sum();
        sum / (range[1] - range[0]) as f64
    };
    let spreads: Vec<f64> = centers.iter().zip(starts.windows(2)).map(spread).collect();
    let k = centers.len();
    let mut total = 0.0;
    for a in 0..k {
        let likeness = |b: usize| (spreads[a] + spreads[b]) / squared(&centers[a], &centers[b]).sqrt();
        total += (0..k).filter(|&b| b != a).map(likeness).fold(0.0, f64::max);
    }
    finite(total / k as f64)
}
