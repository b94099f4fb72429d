use serde::{Deserialize, Serialize};
use tsc_cluster::HdbscanParams;
use tsc_core::Violation;

/// How segments are sized and judged: table `[segments]`.
///
/// # Examples
///
/// ```
/// use tsc_pipeline::SegmentParams;
/// use tsc_pipeline::cluster::HdbscanParams;
/// let segments = SegmentParams { auto_size: true, ..Default::default() };
/// let sized = segments.sized(&HdbscanParams::default(), 1000);
/// assert_eq!((sized.min_cluster_size, sized.min_samples), (100, Some(20))); // 1000^(2/3), a fifth of it
/// let kept = SegmentParams::default().sized(&HdbscanParams::default(), 1000);
/// assert_eq!((kept.min_cluster_size, kept.min_samples), (5, Some(3)));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentParams {
    /// `min_cluster_size` and `min_samples` follow the rows that are clustered; default false.
    ///
    /// For n rows the size is n^(2/3), at least 5, and the samples a fifth of it, at least 2.
    pub auto_size: bool,
    /// How often a fit cuts the patients into thirds to see whether segments of two agree on the remaining one;
    /// default 0 = it does not look. Each cut costs three fits of a third of the rows.
    pub stability_cuts: usize,
    /// A segmentation whose adjusted Rand index between thirds is below it warns; default 0.6.
    pub min_agreement: f64,
    /// A share of noise among rows not fitted on above it warns; default 0.3.
    pub max_noise: f64,
    /// A largest segment with a larger share of the clustered rows warns; default 0.9.
    pub max_share: f64,
    /// Most clustered rows for which a fit computes DBCV, whose time grows with their square; default 20,000.
    pub dbcv_max_rows: usize,
}

impl Default for SegmentParams {
    fn default() -> Self {
        Self {
            auto_size: false,
            stability_cuts: 0,
            min_agreement: 0.6,
            max_noise: 0.3,
            max_share: 0.9,
            dbcv_max_rows: 20_000,
        }
    }
}

impl SegmentParams {
    /// What `[series] preset = "icu"` sets: sizes that follow the rows, and a look at the stability in 5 cuts.
    #[must_use]
    pub fn icu() -> Self {
        Self { auto_size: true, stability_cuts: 5, ..Self::default() }
    }

    /// The settings of a fit on `n_samples` rows.
    ///
    /// A segment gets models of its own, so its size must grow with the rows; n^(2/3) is the order at which a
    /// nearest-neighbour density of two dimensions converges fastest. docs/SEGMENTS.md has the measurements.
    ///
    /// Source: Mack and Rosenblatt, J. Multivariate Anal. 9 (1979), 1-15: k of order n^(4/(d+4)).
    #[must_use]
    pub fn sized(&self, hdbscan: &HdbscanParams, n_samples: usize) -> HdbscanParams {
        if !self.auto_size {
            return hdbscan.clone();
        }
        let n = n_samples as f64;
        let min_cluster_size = ((n * n).cbrt().round() as usize).max(5);
        let min_samples = Some(((min_cluster_size as f64 / 5.0).round() as usize).max(2));
        HdbscanParams { min_cluster_size, min_samples, ..hdbscan.clone() }
    }

    /// All violations, sorted by key; empty if the parameters can be used.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for (key, value, low) in [
            ("max_noise", self.max_noise, 0.0),
            ("max_share", self.max_share, 0.0),
            ("min_agreement", self.min_agreement, -1.0),
        ] {
            if !(low..=1.0).contains(&value) {
                found.push(Violation::new(key, format!("is {value}, must be in {low}..=1")));
            }
        }
        if self.stability_cuts > 1000 {
            let message = format!("is {}, must be at most 1000", self.stability_cuts);
            found.push(Violation::new("stability_cuts", message));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn automatic_sizes_follow_the_rows() {
        let sizes = |n: usize| {
            let sized = SegmentParams::icu().sized(&HdbscanParams::default(), n);
            (sized.min_cluster_size, sized.min_samples)
        };
        // 8 = 2^3, 1000 = 10^3, 8000 = 20^3: their 2/3 powers are whole.
        assert_eq!(sizes(1), (5, Some(2)));
        assert_eq!(sizes(8), (5, Some(2)));
        assert_eq!(sizes(27), (9, Some(2)));
        assert_eq!(sizes(1000), (100, Some(20)));
        assert_eq!(sizes(8000), (400, Some(80)));
    }

    #[test]
    fn each_broken_rule_names_key_value_and_bound() {
        let params = SegmentParams {
            max_noise: 1.5,
            min_agreement: f64::NAN,
            stability_cuts: 2000,
            ..Default::default()
        };
        let found: Vec<String> = params.check().iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "max_noise is 1.5, must be in 0..=1",
                "min_agreement is NaN, must be in -1..=1",
                "stability_cuts is 2000, must be at most 1000"
            ]
        );
    }
}
