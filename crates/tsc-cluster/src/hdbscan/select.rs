//! Which clusters of the condensed tree are chosen: the one path, for labels, prediction and exemplars.

use super::condense::{CondensedTree, density};
use super::params::{Method, Selection};

/// Whether each condensed cluster is chosen. Chosen clusters may be nested only through an epsilon; a
/// sample then belongs to the nearest one above it.
pub(crate) fn select(tree: &CondensedTree, selection: &Selection) -> Vec<bool> {
    let births = birth_distances(tree);
    let chosen = match selection.method {
        Method::Leaf => tree.clusters.iter().map(|c| c.parent.is_some() && c.children.is_empty()).collect(),
        Method::Eom => excess_of_mass(tree, selection, &births),
    };
    if selection.epsilon > 0.0 && !chosen[0] {
        return merge_below_epsilon(tree, selection, &births, &chosen);
    }
    chosen
}

/// The distance at which each cluster appears.
fn birth_distances(tree: &CondensedTree) -> Vec<f64> {
    let mut births: Vec<f64> = tree.clusters.iter().map(|c| density(c.birth)).collect();
    births[0] = tree.root_distance;
    births
}

/// Bottom up, a cluster is chosen unless its children are worth strictly more.
fn excess_of_mass(tree: &CondensedTree, selection: &Selection, births: &[f64]) -> Vec<bool> {
    let m = tree.clusters.len();
    let cap = selection.max_cluster_size.unwrap_or(usize::MAX);
    let epsilon_max = selection.epsilon_max.unwrap_or(f64::INFINITY);
    let mut value: Vec<f64> = (0..m as u32).map(|c| tree.stability(c)).collect();
    let mut wins = vec![false; m];
    let mut below_values = Vec::new();
    for c in (0..m).rev() {
        if c == 0 && !selection.allow_single_cluster {
            continue;
        }
        below_values.clear();
        below_values.extend(tree.clusters[c].children.iter().map(|&k| value[k as usize]));
        below_values.sort_unstable_by(f64::total_cmp);
        let below: f64 = below_values.iter().fold(0.0, |sum, v| sum + v);
        let too_large = tree.clusters[c].size as usize > cap || births[c] > epsilon_max;
        if below > value[c] || too_large {
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

/// A chosen cluster born below epsilon gives way to its nearest ancestor born above it.
fn merge_below_epsilon(
    tree: &CondensedTree,
    selection: &Selection,
    births: &[f64],
    chosen: &[bool],
) -> Vec<bool> {
    let mut out = vec![false; chosen.len()];
    for c in (0..chosen.len()).filter(|&c| chosen[c]) {
        let mut c = c;
        if births[c] < selection.epsilon {
            while let Some(parent) = tree.clusters[c].parent {
                if parent == 0 {
                    c = if selection.allow_single_cluster { 0 } else { c };
                    break;
                }
                c = parent as usize;
                if births[c] > selection.epsilon {
                    break;
                }
            }
        }
        out[c] = true;
    }
    out
}
