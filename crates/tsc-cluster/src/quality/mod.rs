//! Scores of a clustering on the samples that are not noise.

mod agreement;
mod centers;
mod dbcv;
mod distance_sums;
mod groups;
mod lanes;
mod relative_validity;
mod silhouette;
mod strata;

pub use agreement::{adjusted_mutual_information, adjusted_rand_index};
pub use dbcv::dbcv;
pub use relative_validity::relative_validity;
use serde::{Deserialize, Serialize};
use tsc_core::{Features, Label, Result};

use groups::Groups;

/// Settings of [`quality`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QualityParams {
    /// Most samples whose silhouette is computed, default 10,000; above it that many are drawn, each
    /// cluster by its share but two at least, and measured against all.
    pub silhouette_max_rows: usize,
    /// Most clustered samples for which DBCV is computed, default 20,000; its time grows with their
    /// square.
    pub dbcv_max_rows: usize,
    /// Decides which samples are drawn, default 42.
    pub random_state: u64,
}

impl Default for QualityParams {
    fn default() -> Self {
        Self { silhouette_max_rows: 10_000, dbcv_max_rows: 20_000, random_state: 42 }
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
    /// Standard error of a sampled silhouette; `None` if it was computed for every sample.
    pub silhouette_standard_error: Option<f64>,
    /// Spread between over spread within clusters; larger is better. Calinski and Harabasz 1974.
    pub calinski_harabasz: Option<f64>,
    /// Mean likeness of each cluster to its most similar one; smaller is better. Davies and Bouldin 1979.
    pub davies_bouldin: Option<f64>,
    /// Density-based validity, -1 to 1, see [`dbcv`]; also `None` above `dbcv_max_rows`.
    pub dbcv: Option<f64>,
}

/// Scores of a clustering: silhouette, Calinski-Harabasz, Davies-Bouldin, DBCV.
///
/// Noise is left out; DBCV alone counts it in its total. All are `None` below two clusters, or if every
/// sample is its own cluster. For n clustered samples of d features the silhouette takes O(m n d) time,
/// m being `silhouette_max_rows` or n, DBCV O(n² d), the others O(n d); memory is a copy of the
/// clustered samples and O(n) beside. The same bits for any number of threads.
///
/// # Errors
///
/// `InvalidData` if `labels.len() != x.n_samples()`, or a squared distance would overflow.
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
#[doc(alias = "silhouette_score")]
#[doc(alias = "calinski_harabasz_score")]
#[doc(alias = "davies_bouldin_score")]
pub fn quality(x: Features<'_>, labels: &[Label], params: &QualityParams) -> Result<Quality> {
    let groups = Groups::of(x, labels)?;
    let (k, n) = (groups.sizes().len(), groups.n());
    let mut out = Quality {
        n_clusters: k,
        n_clustered: n,
        silhouette: None,
        silhouette_rows: 0,
        silhouette_standard_error: None,
        calinski_harabasz: None,
        davies_bouldin: None,
        dbcv: None,
    };
    if k < 2 || k == n {
        return Ok(out);
    }
    let silhouette = silhouette::silhouette(&groups, params.silhouette_max_rows, params.random_state);
    out.silhouette = Some(silhouette.mean);
    out.silhouette_rows = silhouette.n_samples;
    out.silhouette_standard_error = silhouette.standard_error;
    (out.calinski_harabasz, out.davies_bouldin) = centers::scores(&groups);
    if n <= params.dbcv_max_rows {
        out.dbcv = dbcv::of_groups(&groups, x.n_samples());
    }
    Ok(out)
}
