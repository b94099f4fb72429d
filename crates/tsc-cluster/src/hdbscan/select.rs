//! Which clusters of the condensed tree are chosen: the one path, for labels, prediction and exemplars.

use tsc_core::Result;

use super::condense::{CondensedTree, density};
use super::exactly;
use super::params::{Method, Selection};

/// Whether each condensed cluster is chosen. Chosen clusters may be nested only through an epsilon; a
/// sample then belongs to the nearest one above it.
pub(crate) fn select(tree: &CondensedTree, selection: &Selection) -> Result<Vec<bool>> {
    let births = birth_distances(tree);
    if let Some(n_clusters) = selection.n_clusters {
        return exactly::choose(tree, n_clusters, &candidates(tree, selection, &births));
    }
    let chosen = match selection.method {
        Method::Leaf => {
            (0..tree.clusters.len() as u32).map(|c| c > 0 && tree.children(c).is_empty()).collect()
        }
        Method::Eom => excess_of_mass(tree, selection, &births),
    };
    if selection.epsilon > 0.0 && !chosen[0] {
        return Ok(merge_below_epsilon(tree, selection, &births, &chosen));
    }
    Ok(chosen)
}

/// The distance at which each cluster appears.
fn birth_distances(tree: &CondensedTree) -> Vec<f64> {
    let mut births: Vec<f64> = tree.clusters.iter().map(|c| density(c.birth)).collect();
    births[0] = tree.root_distance;
    births
}

fn fits(tree: &CondensedTree, selection: &Selection, births: &[f64], c: usize) -> bool {
    let cap = selection.max_cluster_size.unwrap_or(usize::MAX);
    tree.clusters[c].size as usize <= cap && births[c] <= selection.epsilon_max.unwrap_or(f64::INFINITY)
}

/// Clusters that a given number is chosen among: those within the limits that an epsilon leaves as they are.
fn candidates(tree: &CondensedTree, selection: &Selection, births: &[f64]) -> Vec<bool> {
    let single = selection.allow_single_cluster;
    let one = |c: usize| {
        let stays = match tree.clusters[c].parent {
            None => single,
            Some(0) => !single || births[c] >= selection.epsilon,
            Some(_) => births[c] >= selection.epsilon,
        };
        stays && fits(tree, selection, births, c)
    };
    (0..births.len()).map(one).collect()
}

/// Bottom up, a cluster is chosen unless its children are worth strictly more.
fn excess_of_mass(tree: &CondensedTree, selection: &Selection, births: &[f64]) -> Vec<bool> {
    let m = tree.clusters.len();
    let mut value: Vec<f64> = (0..m as u32).map(|c| tree.stability(c)).collect();
    let mut wins = vec![false; m];
    let mut below_values = Vec::new();
    for c in (0..m).rev() {
        if c == 0 && !selection.allow_single_cluster {
            continue;
        }
        below_values.clear();
        below_values.extend(tree.children(c as u32).iter().map(|&k| value[k as usize]));
        below_values.sort_unstable_by(f64::total_cmp);
        let below: f64 = below_values.iter().fold(0.0, |sum, v| sum + v);
        if below > value[c] || !fits(tree, selection, births, c) {
            value[c] = below;
        } else {
            wins[c] = true;
        }
    }
    // The topmost winner of each branch: children have larger ids than their parent.
    let mut covered = vec![false; m];
    for c in 1..m {
        let parent = tree.clusters[c].parent.map_or(0, |p| p as usize);
        covered[c] = covered[parent] || wins[parent];
    }
    (0..m).map(|c| wins[c] && !covered[c]).collect()
}

/// A chosen cluster born below epsilon gives way to its nearest ancestor born above it, or the topmost
/// below the root; the root only if it may be a cluster.
fn merge_below_epsilon(
    tree: &CondensedTree,
    selection: &Selection,
    births: &[f64],
    chosen: &[bool],
) -> Vec<bool> {
    let m = chosen.len();
    // What each cluster gives way to. A parent's is known before its children's.
    let mut heir: Vec<usize> = vec![0; m];
    for c in 1..m {
        heir[c] = match tree.clusters[c].parent.map_or(0, |p| p as usize) {
            0 if selection.allow_single_cluster => 0,
            0 => c,
            parent if births[parent] > selection.epsilon => parent,
            parent => heir[parent],
        };
    }
    let mut out = vec![false; m];
    for c in (0..m).filter(|&c| chosen[c]) {
        out[if births[c] < selection.epsilon { heir[c] } else { c }] = true;
    }
    out
}
