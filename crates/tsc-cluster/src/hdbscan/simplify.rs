//! Removes weak splits from a condensed tree, deepest first (`cluster_selection_persistence`).

use super::condense::{CondensedCluster, CondensedTree};

/// Where the samples of a cluster that goes away end up.
#[derive(Clone, Copy)]
enum Fate {
    Stays,
    /// Its samples join the parent and keep their lambda.
    Joins,
    /// Its samples leave the parent at the split.
    Leaves,
}

impl CondensedTree {
    /// A child is weak if its largest lambda minus its birth is below `threshold`.
    ///
    /// With two or more strong children the weak ones leave at the split. Otherwise the parent goes on as
    /// its strongest child, the heir: if that never splits, all rows of all children join the parent and
    /// keep their lambda; if it does, the rows of the others leave at the split.
    pub(crate) fn without_weak_splits(self, threshold: f64) -> Self {
        let m = self.clusters.len();
        let mut top: Vec<f64> = (0..m as u32).map(|c| self.own_max(c)).collect();
        let mut children: Vec<Vec<u32>> = (0..m as u32).map(|c| self.children(c).to_vec()).collect();
        let root_distance = self.root_distance;
        let (mut clusters, row_parent, row_lambda) = self.into_parts();
        let mut fate = vec![Fate::Stays; m];
        for c in (0..m).rev() {
            let below = std::mem::take(&mut children[c]);
            if below.is_empty() {
                continue;
            }
            let is_strong = |k: u32| top[k as usize] - clusters[k as usize].birth >= threshold;
            let strong: Vec<u32> = below.iter().copied().filter(|&k| is_strong(k)).collect();
            let highest = below.iter().fold(top[c], |m, &k| m.max(top[k as usize]));
            let heir = if strong.len() >= 2 { None } else { strongest(&below, &top, &clusters) };
            top[c] = highest;
            if strong.len() == below.len() {
                children[c] = below;
                continue;
            }
            let keeps_lambda = heir.is_some_and(|h| children[h as usize].is_empty());
            for &k in &below {
                let absorbed = heir.map_or_else(|| !strong.contains(&k), |heir| k != heir);
                if absorbed {
                    fate[k as usize] = if keeps_lambda { Fate::Joins } else { Fate::Leaves };
                }
            }
            let Some(heir) = heir else {
                children[c] = strong;
                continue;
            };
            fate[heir as usize] = Fate::Joins;
            children[c] = std::mem::take(&mut children[heir as usize]);
            for &k in &children[c] {
                clusters[k as usize].parent = Some(c as u32);
            }
            clusters[c].split = clusters[heir as usize].split;
        }
        for (cluster, below) in clusters.iter_mut().zip(&children) {
            if below.is_empty() {
                cluster.split = None;
            }
        }
        rebuilt(&clusters, &fate, row_parent, row_lambda, root_distance)
    }
}

/// Of the largest lambda; ties: of the smallest sample.
fn strongest(below: &[u32], top: &[f64], clusters: &[CondensedCluster]) -> Option<u32> {
    below.iter().copied().max_by(|&a, &b| {
        let low = |k: u32| clusters[k as usize].low;
        top[a as usize].total_cmp(&top[b as usize]).then(low(b).cmp(&low(a)))
    })
}

/// The tree of the clusters that stay.
fn rebuilt(
    clusters: &[CondensedCluster],
    fate: &[Fate],
    mut row_parent: Vec<u32>,
    mut row_lambda: Vec<f64>,
    root_distance: f64,
) -> CondensedTree {
    // By old id: the new id of the cluster that takes the rows, and the lambda at which they leave if it
    // is no longer their own. Parents come first, and a parent decides last.
    let mut home: Vec<(u32, Option<f64>)> = Vec::with_capacity(clusters.len());
    let mut kept = Vec::new();
    for (cluster, fate) in clusters.iter().zip(fate) {
        let above = |home: &[(u32, Option<f64>)]| cluster.parent.map_or((0, None), |p| home[p as usize]);
        let place = match fate {
            Fate::Stays => {
                let parent = cluster.parent.map(|_| above(&home).0);
                kept.push(CondensedCluster { parent, ..*cluster });
                ((kept.len() - 1) as u32, None)
            }
            Fate::Joins => above(&home),
            Fate::Leaves => {
                let (id, earlier) = above(&home);
                (id, earlier.or(Some(cluster.birth)))
            }
        };
        home.push(place);
    }
    for (parent, lambda) in row_parent.iter_mut().zip(&mut row_lambda) {
        let (id, leaves) = home[*parent as usize];
        *parent = id;
        *lambda = leaves.unwrap_or(*lambda);
    }
    let mut order: Vec<u32> = (0..row_lambda.len() as u32).collect();
    order
        .sort_unstable_by(|&a, &b| row_lambda[b as usize].total_cmp(&row_lambda[a as usize]).then(a.cmp(&b)));
    CondensedTree::assemble(kept, row_parent, row_lambda, order, root_distance)
}
