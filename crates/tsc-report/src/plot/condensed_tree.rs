use serde::{Deserialize, Serialize};
use tsc_core::{ClusterId, Label};

use crate::text::count;

/// The condensed tree of a density-based clustering: which samples stay together as the distance shrinks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CondensedTree {
    /// The root first, and each branch after the one it split from.
    pub branches: Vec<Branch>,
    /// Branches of the tree of which the shown ones are a part.
    pub n_branches: u64,
}

/// Samples that stay together over a range of distances.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Branch {
    /// Position of the branch it split from; `None` for the root.
    pub parent: Option<u32>,
    /// The cluster it was chosen as.
    pub cluster: Option<ClusterId>,
    /// Distances at which its number of samples changes, descending, above 0; the first is its birth.
    pub distances: Vec<f64>,
    /// Samples that are left from that distance on; the first is its size.
    pub samples: Vec<u32>,
}

const MAX_BRANCHES: usize = 400;

/// What one branch covers: abscissa, and the two edges.
pub(super) struct Band {
    pub(super) label: Option<Label>,
    pub(super) density: Vec<f64>,
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
}

impl CondensedTree {
    pub(super) fn missing(&self) -> Option<String> {
        if self.branches.is_empty() {
            return Some("there is no branch".into());
        }
        if self.branches.len() > MAX_BRANCHES {
            return Some(format!("{} branches are too many to draw", self.branches.len()));
        }
        for (at, branch) in self.branches.iter().enumerate() {
            let known = branch.distances.iter().all(|d| *d > 0.0 && d.is_finite());
            let placed = match branch.parent {
                Some(parent) => (parent as usize) < at,
                None => at == 0,
            };
            if !known
                || !placed
                || branch.distances.is_empty()
                || branch.distances.len() != branch.samples.len()
            {
                return Some(format!("branch {at} is not a branch of a tree"));
            }
        }
        None
    }

    pub(super) fn caption(&self) -> String {
        let chosen = self.branches.iter().filter(|branch| branch.cluster.is_some()).count() as u64;
        let shown = self.branches.len() as u64;
        let of = if shown < self.n_branches {
            format!(", {} of {} branches of the condensed tree", count(shown), count(self.n_branches))
        } else {
            String::new()
        };
        format!(
            "Samples that stay together as the distance between neighbours shrinks from left to right{of}. \
             Chosen clusters in colour: {}.",
            count(chosen)
        )
    }

    /// Each branch as a band around the middle of its share of its parent's height.
    pub(super) fn bands(&self) -> Vec<Band> {
        let size = |branch: &Branch| f64::from(branch.samples.first().copied().unwrap_or(0));
        let mut below = vec![0.0; self.branches.len()];
        for branch in &self.branches {
            if let Some(parent) = branch.parent {
                below[parent as usize] += size(branch);
            }
        }
        // Where the next child of each branch begins.
        let mut next = vec![0.0; self.branches.len()];
        let mut bands = Vec::with_capacity(self.branches.len());
        for (at, branch) in self.branches.iter().enumerate() {
            let own = size(branch);
            let bottom = branch.parent.map_or(0.0, |parent| {
                let start = next[parent as usize];
                next[parent as usize] += own;
                start
            });
            next[at] = bottom + (own - below[at]) / 2.0;
            let middle = bottom + own / 2.0;
            bands.push(Band {
                label: branch.cluster.map(Label::of),
                density: branch.distances.iter().map(|distance| -distance.log10()).collect(),
                lower: branch.samples.iter().map(|&n| middle - f64::from(n) / 2.0).collect(),
                upper: branch.samples.iter().map(|&n| middle + f64::from(n) / 2.0).collect(),
            });
        }
        bands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> CondensedTree {
        let branch = |parent, cluster: Option<u32>, distances: &[f64], samples: &[u32]| Branch {
            parent,
            cluster: cluster.map(ClusterId),
            distances: distances.to_vec(),
            samples: samples.to_vec(),
        };
        CondensedTree {
            branches: vec![
                branch(None, None, &[10.0, 1.0], &[100, 90]),
                branch(Some(0), Some(0), &[1.0, 0.1], &[60, 20]),
                branch(Some(0), Some(1), &[1.0, 0.5], &[30, 30]),
            ],
            n_branches: 3,
        }
    }

    #[test]
    fn children_share_the_height_of_their_parent_and_lose_samples_on_both_sides() {
        let bands = tree().bands();
        let edges = |band: &Band| (band.lower.clone(), band.upper.clone());
        assert_eq!(edges(&bands[0]), (vec![0.0, 5.0], vec![100.0, 95.0]));
        assert_eq!(edges(&bands[1]), (vec![5.0, 25.0], vec![65.0, 45.0]));
        assert_eq!(edges(&bands[2]), (vec![65.0, 65.0], vec![95.0, 95.0]));
        assert_eq!(bands[1].density, [0.0, 1.0]);
    }

    #[test]
    fn a_tree_that_cannot_be_drawn_says_why() {
        assert_eq!(tree().missing(), None);
        assert_eq!(CondensedTree::default().missing().unwrap(), "there is no branch");
        let with = |change: fn(&mut Branch)| {
            let mut tree = tree();
            change(&mut tree.branches[1]);
            tree.missing()
        };
        let reason = Some("branch 1 is not a branch of a tree".to_owned());
        assert_eq!(with(|branch| branch.parent = Some(1)), reason);
        assert_eq!(with(|branch| branch.parent = None), reason);
        assert_eq!(with(|branch| branch.distances[1] = 0.0), reason);
        assert_eq!(with(|branch| branch.samples.truncate(1)), reason);
        let many = CondensedTree { branches: vec![Branch::default(); 401], n_branches: 401 };
        assert_eq!(many.missing().unwrap(), "401 branches are too many to draw");
    }
}
