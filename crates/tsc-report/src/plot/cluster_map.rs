use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::{Features, Label};

use super::{check_columns, principal_axes};
use crate::text::{count, percent};

/// Samples in the plane of two axes, coloured by cluster; noise is grey and drawn first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterMap {
    /// First coordinate of each shown sample.
    pub x: Vec<f64>,
    /// Second coordinate.
    pub y: Vec<f64>,
    /// Label of each shown sample.
    pub labels: Vec<Label>,
    /// Share of the variance along each axis, where the axes are principal components.
    pub explained: Option<[f64; 2]>,
    /// Samples of which the shown ones are a part.
    pub n_samples: u64,
}

/// More points do not show more and make the file large.
const MAX_POINTS: usize = 2000;

impl ClusterMap {
    /// The map of `x`, which the clusterer saw: first two principal components of at most 2,000 samples.
    ///
    /// Of more samples a seeded choice is taken in equal shares of every cluster and of noise, at least
    /// one each; axes and explained variance are those of the shown samples.
    ///
    /// # Panics
    ///
    /// If `labels.len() != x.n_samples()`.
    #[must_use]
    pub fn of(x: Features<'_>, labels: &[Label], seed: u64) -> Self {
        assert_eq!(labels.len(), x.n_samples(), "one label per sample");
        let rows = chosen(labels, seed);
        let mut buffer = Vec::new();
        let axes = principal_axes(x.gather(&rows, &mut buffer));
        Self {
            x: axes.x,
            y: axes.y,
            labels: rows.iter().map(|&row| labels[row]).collect(),
            explained: Some(axes.explained),
            n_samples: labels.len() as u64,
        }
    }

    pub(super) fn missing(&self) -> Option<String> {
        if self.labels.len() > MAX_POINTS + 1000 {
            return Some(format!("{} samples are too many to draw", self.labels.len()));
        }
        check_columns("sample", &[("x", &self.x), ("y", &self.y)], self.labels.len())
    }

    pub(super) fn caption(&self) -> String {
        let shown = self.labels.len() as u64;
        let noise = self.labels.iter().filter(|l| l.is_noise()).count() as u64;
        let mut text = if shown < self.n_samples {
            let share = percent(Some(shown as f64 / self.n_samples as f64));
            format!("{} of {} samples ({share}), chosen in equal shares", count(shown), count(self.n_samples))
        } else {
            format!("All {} samples", count(shown))
        };
        text.push_str(&format!("; {} of them are noise (grey).", count(noise)));
        if let Some([first, second]) = self.explained {
            let (first, second) = (percent(Some(first)), percent(Some(second)));
            text.push_str(&format!(
                " The axes are the first two principal components, with {first} and {second} of the variance."
            ));
        }
        text
    }
}

/// At most 2,000 positions in order, in equal shares of each label, at least one each.
fn chosen(labels: &[Label], seed: u64) -> Vec<usize> {
    if labels.len() <= MAX_POINTS {
        return (0..labels.len()).collect();
    }
    let mut groups: BTreeMap<Label, Vec<usize>> = BTreeMap::new();
    for (row, &label) in labels.iter().enumerate() {
        groups.entry(label).or_default().push(row);
    }
    let share = MAX_POINTS as f64 / labels.len() as f64;
    let mut rows = Vec::with_capacity(MAX_POINTS + groups.len());
    for group in groups.values_mut() {
        // Order by a hash of the position: uniform, and the same on every machine.
        group.sort_by_key(|&row| tsc_core::GroupId(row as u64).seeded(seed));
        let take = ((group.len() as f64 * share).floor() as usize).max(1);
        rows.extend_from_slice(&group[..take]);
    }
    rows.sort_unstable();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_samples_are_drawn_in_equal_shares_and_small_clusters_stay() {
        let mut labels = vec![Label::from_ids(&[0])[0]; 30_000];
        labels.extend(vec![Label::from_ids(&[1])[0]; 10_000]);
        labels.push(Label::from_ids(&[2])[0]);
        let values: Vec<f64> = (0..labels.len()).map(|i| i as f64).collect();
        let x = Features::new(&values, 1).unwrap();
        let map = ClusterMap::of(x, &labels, 7);
        let of = |id: i32| map.labels.iter().filter(|l| l.id() == id).count();
        assert_eq!((of(0), of(1), of(2)), (1499, 499, 1));
        assert_eq!(map, ClusterMap::of(x, &labels, 7));
        assert_ne!(map.x, ClusterMap::of(x, &labels, 8).x);
        assert!(
            map.caption().starts_with("1\u{202f}999 of 40\u{202f}001 samples (5\u{202f}%)"),
            "{}",
            map.caption()
        );
    }

    #[test]
    fn a_map_that_cannot_be_drawn_says_why() {
        let reason = |map: ClusterMap| map.missing().unwrap();
        assert_eq!(reason(ClusterMap::default()), "there is no sample");
        let labels = Label::from_ids(&[0, -1]);
        let nan = ClusterMap { x: vec![0.0, f64::NAN], y: vec![0.0; 2], labels, ..ClusterMap::default() };
        assert_eq!(reason(nan.clone()), "x 1 is not finite");
        assert_eq!(reason(ClusterMap { x: vec![0.0], ..nan }), "x has 1 entries for 2 of sample");
    }
}
