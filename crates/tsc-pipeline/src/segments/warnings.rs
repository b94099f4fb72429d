use super::SegmentParams;
use crate::config::ConfigWarning;

/// What there is to judge a segmentation by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) n_clusters: usize,
    /// Of the clustered rows; 0 without a cluster.
    pub(crate) largest_share: f64,
    /// Of rows that were not fitted on.
    pub(crate) noise_ratio: f64,
    /// Where it was measured.
    pub(crate) agreement: Option<f64>,
}

/// Why a segmentation is of little use; empty if it is of some.
pub(crate) fn segment_warnings(seen: Seen, bar: &SegmentParams) -> Vec<ConfigWarning> {
    use ConfigWarning as W;
    let Seen { n_clusters, largest_share, noise_ratio, agreement } = seen;
    if n_clusters == 0 {
        // All is noise and nothing can agree: one fault, said once.
        return vec![W::NoSegments];
    }
    let mut found = Vec::new();
    if n_clusters == 1 || largest_share > bar.max_share {
        found.push(W::OneSegment { n_clusters, largest_share });
    }
    if noise_ratio > bar.max_noise {
        found.push(W::MostlyNoise { noise_ratio, max_noise: bar.max_noise });
    }
    if let Some(agreement) = agreement.filter(|&agreement| agreement < bar.min_agreement) {
        found.push(W::UnstableSegments { agreement, min_agreement: bar.min_agreement });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seen: Seen, expected: &[&str]) {
        let found = segment_warnings(seen, &SegmentParams::default());
        let kinds: Vec<String> = found
            .iter()
            .map(|w| serde_json::to_value(w).unwrap()["kind"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(kinds, expected);
    }

    const GOOD: Seen = Seen { n_clusters: 2, largest_share: 0.9, noise_ratio: 0.3, agreement: Some(0.6) };

    #[test]
    fn a_segmentation_on_the_bar_warns_of_nothing() {
        check(GOOD, &[]);
        check(Seen { agreement: None, ..GOOD }, &[]);
    }

    #[test]
    fn each_way_to_be_useless_has_a_warning_of_its_own() {
        check(
            Seen { n_clusters: 0, largest_share: 0.0, noise_ratio: 1.0, agreement: Some(0.0) },
            &["no_segments"],
        );
        check(Seen { n_clusters: 1, largest_share: 1.0, ..GOOD }, &["one_segment"]);
        check(Seen { largest_share: 0.901, ..GOOD }, &["one_segment"]);
        check(Seen { noise_ratio: 0.301, ..GOOD }, &["mostly_noise"]);
        check(Seen { agreement: Some(0.599), ..GOOD }, &["unstable_segments"]);
    }
}
