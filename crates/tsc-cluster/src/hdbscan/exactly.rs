//! Exactly n disjoint clusters of largest total stability, by dynamic programming over the tree.

use tsc_core::Result;

use super::condense::CondensedTree;
use crate::error::ClusterError;

/// Whether each condensed cluster is chosen; only candidates are, and none below another.
///
/// O(m n) time and 4 B for each of the m clusters and each count that its branch can give. Equal totals:
/// the cluster rather than those below it, then the clusters of smaller id.
///
/// # Errors
///
/// `Training` if fewer than `n_clusters` candidates are disjoint.
pub(crate) fn choose(tree: &CondensedTree, n_clusters: usize, candidate: &[bool]) -> Result<Vec<bool>> {
    let available = most_disjoint(tree, candidate);
    if available < n_clusters {
        return Err(ClusterError::TooFewClusters { n_clusters, available }.into());
    }
    let m = candidate.len();
    // By cluster: largest total stability of each number of clusters in its branch, while its parent waits.
    let mut best: Vec<Vec<f64>> = vec![Vec::new(); m];
    let mut alone = vec![false; m];
    // By cluster and number asked of it and its elder siblings: how many it gives.
    let mut share: Vec<Vec<u32>> = vec![Vec::new(); m];
    for c in (0..m).rev() {
        let mut totals = vec![0.0];
        for &k in tree.children(c as u32) {
            let below = std::mem::take(&mut best[k as usize]);
            (totals, share[k as usize]) = together(&totals, &below, n_clusters);
        }
        if candidate[c] {
            let stability = tree.stability(c as u32);
            match totals.get_mut(1) {
                Some(below) if *below > stability => {}
                Some(below) => {
                    *below = stability;
                    alone[c] = true;
                }
                None => {
                    totals.push(stability);
                    alone[c] = true;
                }
            }
        }
        best[c] = totals;
    }
    let mut chosen = vec![false; m];
    let mut open = vec![(0, n_clusters)];
    while let Some((c, mut wanted)) = open.pop() {
        if wanted == 1 && alone[c] {
            chosen[c] = true;
            continue;
        }
        for &k in tree.children(c as u32).iter().rev() {
            let given = share[k as usize][wanted] as usize;
            if given > 0 {
                open.push((k as usize, given));
            }
            wanted -= given;
        }
    }
    Ok(chosen)
}

fn most_disjoint(tree: &CondensedTree, candidate: &[bool]) -> usize {
    let mut most: Vec<usize> = vec![0; candidate.len()];
    for c in (0..candidate.len()).rev() {
        most[c] = most[c].max(usize::from(candidate[c]));
        if let Some(parent) = tree.clusters[c].parent {
            most[parent as usize] += most[c];
        }
    }
    most[0]
}

/// Best totals of two branches up to `most` clusters, and how many of them the second one gives.
fn together(first: &[f64], second: &[f64], most: usize) -> (Vec<f64>, Vec<u32>) {
    let length = (first.len() + second.len() - 1).min(most + 1);
    let (mut totals, mut given) = (vec![f64::NEG_INFINITY; length], vec![0u32; length]);
    for (i, a) in first.iter().enumerate() {
        for (j, b) in second.iter().enumerate().take(length.saturating_sub(i)) {
            // Equal totals: the last one, of which the first branch gives most.
            if a + b >= totals[i + j] {
                totals[i + j] = a + b;
                given[i + j] = j as u32;
            }
        }
    }
    (totals, given)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hdbscan::departures::Departures;
    use crate::hdbscan::mst::Edge;

    fn random_tree() -> impl Strategy<Value = CondensedTree> {
        prop::collection::vec((any::<u32>(), 0.1f64..9.0), 6..24).prop_map(|drawn| {
            let mut edges: Vec<Edge> =
                drawn.iter().zip(1u32..).map(|(&(a, weight), b)| Edge { a: a % b, b, weight }).collect();
            edges.sort_by(|x, y| x.weight.total_cmp(&y.weight));
            CondensedTree::new(Departures::new(&edges, edges.len() + 1, 2))
        })
    }

    proptest! {
        /// Against every set of candidates of which none is below another.
        #[test]
        fn the_total_is_the_largest_of_all_antichains(tree in random_tree(), allowed in any::<u32>()) {
            let m = tree.clusters.len();
            prop_assume!(m <= 12);
            let candidate: Vec<bool> = (0..m).map(|c| c > 0 && allowed >> c & 1 == 1).collect();
            let is_below = |mut c: u32, above: u32| loop {
                match tree.clusters[c as usize].parent {
                    Some(parent) if parent == above => return true,
                    Some(parent) => c = parent,
                    None => return false,
                }
            };
            let mut best: Vec<Option<f64>> = vec![None; m + 1];
            for set in 0u32..1 << m {
                let members: Vec<u32> = (0..m as u32).filter(|&c| set >> c & 1 == 1).collect();
                let allowed = members.iter().all(|&c| candidate[c as usize]);
                if allowed && !members.iter().any(|&a| members.iter().any(|&b| is_below(a, b))) {
                    let total: f64 = members.iter().map(|&c| tree.stability(c)).sum();
                    let known = &mut best[members.len()];
                    *known = Some(known.map_or(total, |k| k.max(total)));
                }
            }
            let available = (0..=m).rev().find(|&n| best[n].is_some()).unwrap_or(0);
            for (n, &expected) in best.iter().enumerate().skip(1) {
                match choose(&tree, n, &candidate) {
                    Ok(chosen) => {
                        let members: Vec<u32> = (0..m as u32).filter(|&c| chosen[c as usize]).collect();
                        prop_assert_eq!(members.len(), n);
                        prop_assert!(members.iter().all(|&c| candidate[c as usize]));
                        prop_assert!(!members.iter().any(|&a| members.iter().any(|&b| is_below(a, b))));
                        let total: f64 = members.iter().map(|&c| tree.stability(c)).sum();
                        let expected = expected.unwrap();
                        prop_assert!((total - expected).abs() <= 1e-12 * expected, "{} is not {}", total, expected);
                    }
                    Err(error) => {
                        prop_assert!(n > available, "{n} of {available}");
                        prop_assert_eq!(error.code(), "TSC-CLU-011");
                        let asked = format!("only {available} disjoint clusters can be chosen, n_clusters is {n}");
                        prop_assert_eq!(error.to_string(), asked);
                    }
                }
            }
        }
    }
}
