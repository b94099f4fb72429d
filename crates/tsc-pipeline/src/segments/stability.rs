use serde::{Deserialize, Serialize};
use tsc_cluster::{ClusterView, ViewParams};
use tsc_core::{
    Assignment, Clusterer, Features, FittedClusterer, FoldSpec, GroupId, Label, Millis, Result, Split, folds,
    noise_ratio,
};

use super::{Seen, SegmentParams, segment_warnings};
use crate::config::ConfigWarning;

/// What the segmentations of two separate thirds of the patients say about the remaining third.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Agreement {
    /// Seed of the cut.
    pub seed: u64,
    /// Rows that were judged.
    pub rows: usize,
    /// Clusters that each segmentation has.
    pub n_clusters: [usize; 2],
    /// Share of noise that each leaves among the judged rows.
    pub noise_ratios: [f64; 2],
    /// Share of its largest cluster among the judged rows it clusters; 0 if it clusters none.
    pub largest_shares: [f64; 2],
    /// Adjusted Rand index over all judged rows, noise as a group of its own; 0 where one of the two found no
    /// cluster, since two refusals are no agreement. 1 = the same segments, about 0 = chance.
    pub adjusted_rand: f64,
    /// The index over the rows that both cluster; absent if there is none.
    pub adjusted_rand_clustered: Option<f64>,
    /// Share of the judged rows that both cluster.
    pub both_clustered: f64,
}

impl Agreement {
    fn of(seed: u64, sides: [&Assigned; 2]) -> Self {
        let [a, b] = sides.map(|side| side.labels.as_slice());
        let both: Vec<usize> = (0..a.len()).filter(|&i| !a[i].is_noise() && !b[i].is_noise()).collect();
        let pick = |labels: &[Label]| both.iter().map(|&i| labels[i]).collect::<Vec<_>>();
        let found = sides.iter().all(|side| side.n_clusters > 0);
        let index = tsc_retrain::adjusted_rand(a, b).filter(|_| found).unwrap_or(0.0);
        Self {
            seed,
            rows: a.len(),
            n_clusters: sides.map(|side| side.n_clusters),
            noise_ratios: [noise_ratio(a), noise_ratio(b)],
            largest_shares: [largest_share(a), largest_share(b)],
            adjusted_rand: index,
            adjusted_rand_clustered: tsc_retrain::adjusted_rand(&pick(a), &pick(b)),
            both_clustered: both.len() as f64 / a.len() as f64,
        }
    }

    /// Whether both segmentations have at least 2 clusters, noise and largest share within `bar`, and they agree
    /// as well as it asks.
    #[must_use]
    pub fn meets(&self, bar: &SegmentParams) -> bool {
        self.n_clusters.iter().all(|&n| n >= 2)
            && self.noise_ratios.iter().all(|&noise| noise <= bar.max_noise)
            && self.largest_shares.iter().all(|&share| share <= bar.max_share)
            && self.adjusted_rand >= bar.min_agreement
    }
}

/// How far segments depend on which patients they were found in.
///
/// The patients are cut into thirds by a seeded hash of their group. View and clusterer are fitted on each third
/// alone, and each two of them assign the third they share not; so a cut gives three [`Agreement`]s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SegmentStability {
    /// Three for each cut.
    pub agreements: Vec<Agreement>,
}

impl SegmentStability {
    /// Median of the adjusted Rand index with noise as a group; NaN without an agreement.
    #[must_use]
    pub fn adjusted_rand(&self) -> f64 {
        self.median(|a| vec![a.adjusted_rand])
    }

    /// The worst of them.
    #[must_use]
    pub fn worst_adjusted_rand(&self) -> f64 {
        self.agreements.iter().map(|a| a.adjusted_rand).fold(f64::NAN, f64::min)
    }

    /// Median of the index over rows that both cluster; absent if no two segmentations cluster a row.
    #[must_use]
    pub fn adjusted_rand_clustered(&self) -> Option<f64> {
        Some(self.median(|a| a.adjusted_rand_clustered.into_iter().collect())).filter(|index| !index.is_nan())
    }

    /// Median share of noise among rows that were not fitted on.
    #[must_use]
    pub fn noise_ratio(&self) -> f64 {
        self.median(|a| a.noise_ratios.to_vec())
    }

    /// Median share of the largest cluster among clustered rows that were not fitted on.
    #[must_use]
    pub fn largest_share(&self) -> f64 {
        self.median(|a| a.largest_shares.to_vec())
    }

    /// Fewest and most clusters found.
    #[must_use]
    pub fn n_clusters(&self) -> [usize; 2] {
        let all = || self.agreements.iter().flat_map(|a| a.n_clusters);
        [all().min().unwrap_or(0), all().max().unwrap_or(0)]
    }

    /// Agreements that meet `bar`, of all.
    #[must_use]
    pub fn meeting(&self, bar: &SegmentParams) -> usize {
        self.agreements.iter().filter(|a| a.meets(bar)).count()
    }

    /// What the medians say against segments of a third of these patients; empty if they are of use.
    #[must_use]
    pub fn warnings(&self, bar: &SegmentParams) -> Vec<ConfigWarning> {
        let seen = Seen {
            n_clusters: self.median(|a| a.n_clusters.map(|n| n as f64).to_vec()) as usize,
            largest_share: self.largest_share(),
            noise_ratio: self.noise_ratio(),
            agreement: Some(self.adjusted_rand()),
        };
        segment_warnings(seen, bar)
    }

    /// The middle value, the lower one of two.
    fn median(&self, values: impl Fn(&Agreement) -> Vec<f64>) -> f64 {
        let mut all: Vec<f64> = self.agreements.iter().flat_map(values).collect();
        all.sort_unstable_by(f64::total_cmp);
        all.get(all.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    }
}

/// View and clusterer as a fit uses them, before either has seen a row.
#[derive(Debug)]
pub(crate) struct Segmenter<'a, C> {
    pub(crate) clusterer: &'a C,
    pub(crate) view: &'a ViewParams,
    pub(crate) columns: &'a [usize],
}

struct Assigned {
    n_clusters: usize,
    labels: Vec<Label>,
}

impl<C: Clusterer> Segmenter<'_, C> {
    /// Cuts the rows `cuts` times, with seeds from `seed` on.
    pub(crate) fn stability(
        &self,
        x: Features<'_>,
        groups: Option<&[GroupId]>,
        cuts: usize,
        seed: u64,
    ) -> Result<SegmentStability> {
        let mut agreements = Vec::with_capacity(3 * cuts);
        for seed in (0..cuts as u64).map(|cut| seed.wrapping_add(cut)) {
            let split = if groups.is_some() { Split::Group } else { Split::Auto };
            let spec = FoldSpec { split, holdout: 0.0, folds: 3, gap: Millis(0), seed };
            let cut = folds(x.n_samples(), groups, None, &spec)?;
            let thirds: Vec<&[usize]> = cut.folds.iter().map(|fold| fold.held_out.as_slice()).collect();
            // assigned[a][j] is what the segmentation of third a says about third (a + 1 + j) % 3.
            let assigned = (0..3)
                .map(|a| self.segment(x, thirds[a], [thirds[(a + 1) % 3], thirds[(a + 2) % 3]]))
                .collect::<Result<Vec<_>>>()?;
            for judged in 0..3 {
                let (a, b) = ((judged + 2) % 3, (judged + 1) % 3);
                agreements.push(Agreement::of(seed, [&assigned[a][0], &assigned[b][1]]));
            }
        }
        Ok(SegmentStability { agreements })
    }

    /// Fits on some rows and assigns others.
    fn segment(&self, x: Features<'_>, fitted: &[usize], others: [&[usize]; 2]) -> Result<[Assigned; 2]> {
        let (mut rows, mut seen) = (Vec::new(), Vec::new());
        let view = ClusterView::fit(x.gather(fitted, &mut rows), self.columns, self.view)?;
        let clusterer = self.clusterer.fit(view.apply_into(x.gather(fitted, &mut rows), &mut seen)?)?;
        let mut assign = |rows_of: &[usize]| -> Result<Assigned> {
            let mut out = vec![Assignment::NOISE; rows_of.len()];
            clusterer.assign_into(view.apply_into(x.gather(rows_of, &mut rows), &mut seen)?, &mut out)?;
            let labels = out.iter().map(|assignment| assignment.label).collect();
            Ok(Assigned { n_clusters: clusterer.n_clusters(), labels })
        };
        Ok([assign(others[0])?, assign(others[1])?])
    }
}

/// Share of the largest cluster among the labels that are not noise; 0 without one.
pub(crate) fn largest_share(labels: &[Label]) -> f64 {
    let mut clustered: Vec<Label> = labels.iter().copied().filter(|label| !label.is_noise()).collect();
    clustered.sort_unstable();
    let largest = clustered.chunk_by(|a, b| a == b).map(<[Label]>::len).max().unwrap_or(0);
    largest as f64 / clustered.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use tsc_cluster::{Hdbscan, HdbscanParams};

    use super::*;

    fn hdbscan() -> Hdbscan {
        Hdbscan::new(HdbscanParams { min_cluster_size: 10, min_samples: Some(3), ..Default::default() })
            .unwrap()
    }

    fn measure(x: Features<'_>, groups: Option<&[GroupId]>) -> Result<SegmentStability> {
        let columns: Vec<usize> = (0..x.n_features()).collect();
        let view = ViewParams::default();
        let clusterer = hdbscan();
        Segmenter { clusterer: &clusterer, view: &view, columns: &columns }.stability(x, groups, 3, 42)
    }

    fn of(labels: &[i32], n_clusters: usize) -> Assigned {
        Assigned { n_clusters, labels: Label::from_ids(labels) }
    }

    #[test]
    fn separated_groups_are_found_again_by_every_third() {
        let data = tsc_testing::blobs(300, &[&[0.0, 0.0], &[40.0, 0.0], &[0.0, 40.0]], 1.0, 7);
        let stability = measure(data.features(), None).unwrap();
        assert_eq!((stability.agreements.len(), stability.n_clusters()), (9, [3, 3]));
        assert!(stability.worst_adjusted_rand() > 0.9, "{stability:?}");
        assert_eq!(stability.adjusted_rand_clustered(), Some(1.0));
        let bar = SegmentParams::default();
        assert_eq!((stability.meeting(&bar), stability.warnings(&bar)), (9, vec![]));
    }

    #[test]
    fn each_row_is_judged_once_a_cut() {
        let data = tsc_testing::blobs(90, &[&[0.0], &[40.0]], 1.0, 7);
        let stability = measure(data.features(), None).unwrap();
        let judged: usize = stability.agreements[..3].iter().map(|a| a.rows).sum();
        assert_eq!(judged, 180);
    }

    /// Every third holds a copy of the same rows, so the two segmentations are one.
    #[test]
    fn identical_halves_agree_fully() {
        let data = tsc_testing::blobs(60, &[&[0.0, 0.0], &[30.0, 5.0]], 2.0, 3);
        let x = data.features();
        let (mut rows, mut groups) = (Vec::new(), Vec::new());
        // A cut by hash into exact copies cannot be asked for; a third of this one is.
        for copy in 0..3 {
            for row in x.rows() {
                rows.extend_from_slice(row);
                groups.push(GroupId(copy));
            }
        }
        let x = Features::new(&rows, 2).unwrap();
        let stability = measure(x, Some(&groups)).unwrap();
        assert!(stability.agreements.iter().all(|a| a.adjusted_rand == 1.0 && a.both_clustered > 0.5));
        assert!(stability.agreements.iter().all(|a| a.noise_ratios[0] == a.noise_ratios[1]));
    }

    #[test]
    fn one_gaussian_warns() {
        let data = tsc_testing::blobs(240, &[&[0.0, 0.0, 0.0, 0.0, 0.0]], 1.0, 11);
        let stability = measure(data.features(), None).unwrap();
        let warnings = stability.warnings(&SegmentParams::default());
        assert!(!warnings.is_empty(), "{stability:?}");
        assert_eq!(stability.meeting(&SegmentParams::default()), 0);
    }

    #[test]
    fn a_third_too_small_for_the_clusterer_is_an_error() {
        let data = tsc_testing::blobs(12, &[&[0.0], &[40.0]], 1.0, 7);
        assert_eq!(measure(data.features(), None).unwrap_err().code(), "TSC-CLU-001");
        let two = Features::new(&[1.0, 2.0], 1).unwrap();
        assert_eq!(measure(two, None).unwrap_err().code(), "TSC-DAT-015");
    }

    #[test]
    fn two_refusals_are_no_agreement() {
        let all_noise = Agreement::of(0, [&of(&[-1; 4], 0), &of(&[-1; 4], 0)]);
        assert_eq!((all_noise.adjusted_rand, all_noise.adjusted_rand_clustered), (0.0, None));
        assert_eq!((all_noise.noise_ratios, all_noise.largest_shares), ([1.0; 2], [0.0; 2]));
        assert!(!all_noise.meets(&SegmentParams::default()));
    }

    /// scikit-learn 1.9 `adjusted_rand_score([0, 0, 1, 2], [0, 0, 1, 1])` is 4/7.
    #[test]
    fn noise_counts_as_a_group_and_is_left_out_of_the_second_index() {
        let a = Agreement::of(0, [&of(&[0, 0, 1, -1], 2), &of(&[0, 0, 1, 1], 2)]);
        assert!((a.adjusted_rand - 4.0 / 7.0).abs() < 1e-12);
        assert_eq!(a.adjusted_rand_clustered, Some(1.0));
        assert_eq!((a.both_clustered, a.noise_ratios), (0.75, [0.25, 0.0]));
        assert_eq!(a.largest_shares, [2.0 / 3.0, 0.5]);
    }

    #[test]
    fn medians_are_of_the_lower_middle() {
        let one = |adjusted_rand| Agreement {
            adjusted_rand,
            ..Agreement::of(0, [&of(&[0, 1], 2), &of(&[0, 1], 2)])
        };
        let stability = SegmentStability { agreements: [0.9, 0.1, 0.5, 0.7].map(one).to_vec() };
        assert_eq!((stability.adjusted_rand(), stability.worst_adjusted_rand()), (0.5, 0.1));
    }
}
