//! Removes weak splits before the tree is put together, deepest first (`cluster_selection_persistence`).

use super::condense::CondensedCluster;
use super::departures::{Departure, Departures};

/// Where the samples of a cluster that goes away end up.
#[derive(Clone, Copy)]
enum Fate {
    Stays,
    /// Its samples join the parent and keep their lambda.
    Joins,
    /// Its samples leave the parent at the split.
    Leaves,
}

impl Departures {
    /// A child is weak if its largest lambda minus its birth is below `threshold`.
    ///
    /// With two or more strong children the weak ones leave at the split. Otherwise the parent goes on as
    /// its strongest child, the heir: if that never splits, all rows of all children join the parent and
    /// keep their lambda; if it does, the rows of the others leave at the split.
    pub(crate) fn without_weak_splits(self, threshold: f64) -> Self {
        let Self { mut clusters, all, of_row, root_distance } = self;
        let m = clusters.len();
        let mut top: Vec<f64> = clusters.iter().map(|c| c.split.unwrap_or(0.0)).collect();
        for d in &all {
            let top = &mut top[d.cluster as usize];
            *top = top.max(d.lambda);
        }
        let mut children: Vec<Vec<u32>> = vec![Vec::new(); m];
        for (c, cluster) in (0..).zip(&clusters) {
            if let Some(parent) = cluster.parent {
                children[parent as usize].push(c);
            }
        }
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
        let (clusters, moved) = kept(&clusters, &fate, all);
        let (all, of_row) = sorted(moved, of_row);
        Self { clusters, all, of_row, root_distance }
    }
}

/// Of the largest lambda; ties: of the smallest sample.
fn strongest(below: &[u32], top: &[f64], clusters: &[CondensedCluster]) -> Option<u32> {
    below.iter().copied().max_by(|&a, &b| {
        let low = |k: u32| clusters[k as usize].low;
        top[a as usize].total_cmp(&top[b as usize]).then(low(b).cmp(&low(a)))
    })
}

/// The clusters that stay, and the departures from them.
fn kept(
    clusters: &[CondensedCluster],
    fate: &[Fate],
    mut all: Vec<Departure>,
) -> (Vec<CondensedCluster>, Vec<Departure>) {
    // By old id: the new id of the cluster that takes the rows, and the lambda at which they leave if it
    // is no longer their own. A parent comes first and has the last word.
    let mut home: Vec<(u32, Option<f64>)> = Vec::with_capacity(clusters.len());
    let mut stay = Vec::new();
    for (cluster, fate) in clusters.iter().zip(fate) {
        let above = cluster.parent.map_or((0, None), |p| home[p as usize]);
        home.push(match fate {
            Fate::Stays => {
                stay.push(CondensedCluster { parent: cluster.parent.map(|_| above.0), ..*cluster });
                ((stay.len() - 1) as u32, None)
            }
            Fate::Joins => above,
            Fate::Leaves => (above.0, above.1.or(Some(cluster.birth))),
        });
    }
    for departure in &mut all {
        let (id, lambda) = home[departure.cluster as usize];
        departure.cluster = id;
        departure.lambda = lambda.unwrap_or(departure.lambda);
    }
    (stay, all)
}

/// By falling lambda again, those of one cluster and lambda made one.
fn sorted(moved: Vec<Departure>, mut of_row: Vec<u32>) -> (Vec<Departure>, Vec<u32>) {
    let mut order: Vec<u32> = (0..moved.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| {
        let (x, y) = (&moved[a as usize], &moved[b as usize]);
        y.lambda.total_cmp(&x.lambda).then(x.cluster.cmp(&y.cluster))
    });
    let mut place = vec![0; moved.len()];
    let mut all: Vec<Departure> = Vec::with_capacity(moved.len());
    for &old in &order {
        let Departure { lambda, cluster, count } = moved[old as usize];
        match all.last_mut() {
            Some(last) if last.lambda == lambda && last.cluster == cluster => last.count += count,
            _ => all.push(moved[old as usize]),
        }
        place[old as usize] = (all.len() - 1) as u32;
    }
    of_row.iter_mut().for_each(|departure| *departure = place[*departure as usize]);
    (all, of_row)
}
