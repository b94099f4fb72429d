//! Which cluster of one version is which of another: a refit numbers them anew.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::{ClusterId, Label, Result};

use crate::error::RetrainError;

/// Two clusters that are the same one in two versions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatchedClusters {
    /// Its number in the old version.
    pub old: ClusterId,
    /// Its number in the new version.
    pub new: ClusterId,
    /// Euclidean distance of the centres.
    pub distance: f64,
}

/// Old and new clusters, matched one to one so that the sum of distances is smallest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterMatching {
    /// Pairs, by old number.
    pub matched: Vec<MatchedClusters>,
    /// Old clusters without a partner.
    pub vanished: Vec<ClusterId>,
    /// New clusters without a partner.
    pub born: Vec<ClusterId>,
}

/// Matches clusters by their centres, `(n_clusters, n_features)` row-major, both in the same units.
///
/// As many pairs as the smaller side has clusters; the sum of their distances is the smallest possible
/// (Hungarian method, O(k³)). No side may hold a non-finite value; either may be empty.
///
/// # Errors
///
/// `InvalidData` if a length is no multiple of `n_features`, or a centre is not finite.
///
/// # Examples
///
/// ```
/// use tsc_core::ClusterId;
/// let matching = tsc_retrain::match_clusters(&[0.0, 10.0], &[9.0, 50.0, 1.0], 1)?;
/// let pairs: Vec<_> = matching.matched.iter().map(|m| (m.old.0, m.new.0)).collect();
/// assert_eq!(pairs, [(0, 2), (1, 0)]);
/// assert_eq!(matching.born, [ClusterId(1)]);
/// # Ok::<(), tsc_core::Error>(())
/// ```
pub fn match_clusters(old: &[f64], new: &[f64], n_features: usize) -> Result<ClusterMatching> {
    for centres in [old, new] {
        if n_features == 0 || !centres.len().is_multiple_of(n_features) {
            return Err(RetrainError::CentreShape { values: centres.len(), n_features }.into());
        }
        if let Some(position) = centres.iter().position(|v| !v.is_finite()) {
            return Err(RetrainError::CentreValue { position }.into());
        }
    }
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let cost: Vec<Vec<f64>> = old
        .chunks_exact(n_features)
        .map(|a| new.chunks_exact(n_features).map(|b| distance(a, b)).collect())
        .collect();
    let n_new = new.len() / n_features;
    let partners = cheapest_assignment(&cost, n_new);
    let matched: Vec<MatchedClusters> = partners
        .iter()
        .enumerate()
        .filter_map(|(i, partner)| {
            partner.map(|j| MatchedClusters { old: id(i), new: id(j), distance: cost[i][j] })
        })
        .collect();
    let vanished = (0..cost.len()).filter(|&i| partners[i].is_none()).map(id).collect();
    let born = (0..n_new).filter(|j| !partners.contains(&Some(*j))).map(id).collect();
    Ok(ClusterMatching { matched, vanished, born })
}

pub(crate) fn id(index: usize) -> ClusterId {
    ClusterId(u32::try_from(index).expect("clusters are counted in u32"))
}

/// For each row of `cost` its column, so that the sum is smallest; `None` for rows too many.
///
/// Source: Kuhn, Naval Res. Logist. Q. 2 (1955), 83-97, in the form with potentials and shortest
/// augmenting paths.
pub(crate) fn cheapest_assignment(cost: &[Vec<f64>], n_columns: usize) -> Vec<Option<usize>> {
    if cost.len() > n_columns {
        let transposed: Vec<Vec<f64>> =
            (0..n_columns).map(|j| cost.iter().map(|row| row[j]).collect()).collect();
        let rows_of = cheapest_assignment(&transposed, cost.len());
        return (0..cost.len()).map(|i| rows_of.iter().position(|row| *row == Some(i))).collect();
    }
    // Column 0 is a place for the row being added, so rows and columns count from 1.
    let mut row_potential = vec![0.0; cost.len() + 1];
    let mut column_potential = vec![0.0; n_columns + 1];
    let mut row_of = vec![0; n_columns + 1];
    for row in 1..=cost.len() {
        row_of[0] = row;
        let mut column = 0;
        let mut shortest = vec![f64::INFINITY; n_columns + 1];
        let mut visited = vec![false; n_columns + 1];
        let mut previous = vec![0; n_columns + 1];
        while row_of[column] != 0 {
            visited[column] = true;
            let here = row_of[column];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for j in (1..=n_columns).filter(|&j| !visited[j]) {
                let reduced = cost[here - 1][j - 1] - row_potential[here] - column_potential[j];
                if reduced < shortest[j] {
                    (shortest[j], previous[j]) = (reduced, column);
                }
                if shortest[j] < step {
                    (step, next) = (shortest[j], j);
                }
            }
            for j in 0..=n_columns {
                if visited[j] {
                    row_potential[row_of[j]] += step;
                    column_potential[j] -= step;
                } else {
                    shortest[j] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            row_of[column] = row_of[previous[column]];
            column = previous[column];
        }
    }
    (1..=cost.len()).map(|row| row_of[1..].iter().position(|r| *r == row)).collect()
}

/// Adjusted Rand index of two labelings, 1 for the same partition, about 0 for unrelated ones.
///
/// Noise counts as a cluster of its own. `None` if the lengths differ or there is no sample.
///
/// # Examples
///
/// ```
/// use tsc_core::Label;
/// let a = Label::from_ids(&[0, 0, 1, 1]);
/// assert_eq!(tsc_retrain::adjusted_rand(&a, &Label::from_ids(&[1, 1, 0, 0])), Some(1.0));
/// ```
///
/// Source: Hubert, Arabie, J. Classif. 2 (1985), 193-218.
#[must_use]
pub fn adjusted_rand(a: &[Label], b: &[Label]) -> Option<f64> {
    if a.len() != b.len() || a.is_empty() {
        return None;
    }
    let pairs = |count: &u64| (*count as f64) * (*count as f64 - 1.0) / 2.0;
    let mut both: BTreeMap<(Label, Label), u64> = BTreeMap::new();
    let mut first: BTreeMap<Label, u64> = BTreeMap::new();
    let mut second: BTreeMap<Label, u64> = BTreeMap::new();
    for (&x, &y) in a.iter().zip(b) {
        *both.entry((x, y)).or_default() += 1;
        *first.entry(x).or_default() += 1;
        *second.entry(y).or_default() += 1;
    }
    let together: f64 = both.values().map(pairs).sum();
    let in_first: f64 = first.values().map(pairs).sum();
    let in_second: f64 = second.values().map(pairs).sum();
    let all = pairs(&(a.len() as u64));
    let expected = if all > 0.0 { in_first * in_second / all } else { 0.0 };
    let largest = f64::midpoint(in_first, in_second);
    // Both one cluster, or both all single: the same partition, for which the formula is 0 / 0.
    Some(if largest == expected { 1.0 } else { (together - expected) / (largest - expected) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unequal_numbers_of_clusters_leave_the_far_ones_over() {
        let matching = match_clusters(&[0.0, 5.0, 10.0], &[10.5, 0.5], 1).unwrap();
        let pairs: Vec<_> = matching.matched.iter().map(|m| (m.old.0, m.new.0)).collect();
        assert_eq!(pairs, [(0, 1), (2, 0)]);
        assert_eq!(matching.vanished, [ClusterId(1)]);
        assert!(matching.born.is_empty());
    }

    #[test]
    fn no_cluster_on_a_side_matches_nothing() {
        let matching = match_clusters(&[], &[1.0, 2.0], 1).unwrap();
        assert_eq!((matching.matched.len(), matching.born.len()), (0, 2));
        let matching = match_clusters(&[1.0, 2.0], &[], 2).unwrap();
        assert_eq!(matching.vanished, [ClusterId(0)]);
    }

    #[test]
    fn ragged_or_non_finite_centres_are_refused() {
        assert_eq!(match_clusters(&[1.0], &[1.0, 2.0], 2).unwrap_err().code(), "TSC-RTR-007");
        let error = match_clusters(&[1.0], &[f64::NAN], 1).unwrap_err();
        assert_eq!(error.to_string(), "centre value 0 is not finite");
    }

    #[test]
    fn one_sample_or_one_cluster_is_the_same_partition() {
        let noise = Label::from_ids(&[-1]);
        assert_eq!(adjusted_rand(&noise, &Label::from_ids(&[3])), Some(1.0));
        let one = Label::from_ids(&[0, 0, 0]);
        assert_eq!(adjusted_rand(&one, &one), Some(1.0));
        assert_eq!(adjusted_rand(&[], &[]), None);
        assert_eq!(adjusted_rand(&one, &noise), None);
    }

    fn smallest_sum(cost: &[Vec<f64>], row: usize, used: &mut Vec<usize>, n_columns: usize) -> f64 {
        if row == cost.len() {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        for j in (0..n_columns).filter(|j| !used.contains(j)).collect::<Vec<_>>() {
            used.push(j);
            best = best.min(cost[row][j] + smallest_sum(cost, row + 1, used, n_columns));
            used.pop();
        }
        best
    }

    proptest! {
        #[test]
        fn the_assignment_is_as_cheap_as_the_best_of_all_permutations(
            cells in prop::collection::vec(0..20_u8, 30), rows in 1..6_usize, columns in 1..6_usize
        ) {
            let cost: Vec<Vec<f64>> =
                (0..rows).map(|i| (0..columns).map(|j| f64::from(cells[i * 6 % 25 + j])).collect()).collect();
            let partners = cheapest_assignment(&cost, columns);
            let sum: f64 = partners.iter().enumerate().filter_map(|(i, p)| p.map(|j| cost[i][j])).sum();
            let wide = if rows <= columns { cost.clone() } else {
                (0..columns).map(|j| cost.iter().map(|row| row[j]).collect()).collect()
            };
            prop_assert_eq!(partners.iter().flatten().count(), rows.min(columns));
            prop_assert_eq!(sum, smallest_sum(&wide, 0, &mut Vec::new(), rows.max(columns)));
        }
    }
}
