//! Removes weak splits from a condensed tree, deepest first (`cluster_selection_persistence`).

use super::condense::CondensedTree;

impl CondensedTree {
    /// A child is weak if its largest lambda minus its birth is below `threshold`.
    ///
    /// With two or more strong children the weak ones leave at the split. Otherwise the parent goes on as
    /// its strongest child, the heir: if that never splits, all rows of all children join the parent and
    /// keep their lambda; if it does, the rows of the others leave at the split.
    pub(crate) fn without_weak_splits(mut self, threshold: f64) -> Self {
        let m = self.clusters.len();
        let mut top: Vec<f64> = (0..m as u32).map(|c| self.own_max(c)).collect();
        let mut own: Vec<Vec<u32>> = (0..m as u32).map(|c| self.own_rows(c).to_vec()).collect();
        let mut alive = vec![true; m];
        for c in (0..m).rev() {
            let children = std::mem::take(&mut self.clusters[c].children);
            if children.is_empty() {
                continue;
            }
            let is_strong = |k: u32| top[k as usize] - self.clusters[k as usize].birth >= threshold;
            let strong: Vec<u32> = children.iter().copied().filter(|&k| is_strong(k)).collect();
            let highest = children.iter().fold(top[c], |m, &k| m.max(top[k as usize]));
            let heir = if strong.len() >= 2 {
                None
            } else {
                children.iter().copied().max_by(|&a, &b| {
                    let (low_a, low_b) = (self.clusters[a as usize].low, self.clusters[b as usize].low);
                    top[a as usize].total_cmp(&top[b as usize]).then(low_b.cmp(&low_a))
                })
            };
            top[c] = highest;
            if strong.len() == children.len() {
                self.clusters[c].children = children;
                continue;
            }
            let keep_lambda = heir.is_some_and(|h| self.clusters[h as usize].children.is_empty());
            for &k in &children {
                let absorbed = match heir {
                    None => !strong.contains(&k),
                    Some(heir) => k != heir,
                };
                if absorbed {
                    alive[k as usize] = false;
                    let rows = std::mem::take(&mut own[k as usize]);
                    if !keep_lambda {
                        let birth = self.clusters[k as usize].birth;
                        rows.iter().for_each(|&row| self.row_lambda[row as usize] = birth);
                    }
                    own[c].extend(rows);
                }
            }
            match heir {
                None => self.clusters[c].children = strong,
                Some(heir) => {
                    alive[heir as usize] = false;
                    let rows = std::mem::take(&mut own[heir as usize]);
                    own[c].extend(rows);
                    let grandchildren = std::mem::take(&mut self.clusters[heir as usize].children);
                    for &k in &grandchildren {
                        self.clusters[k as usize].parent = Some(c as u32);
                    }
                    self.clusters[c].split = self.clusters[heir as usize].split;
                    self.clusters[c].children = grandchildren;
                }
            }
        }
        self.keep(&alive, &own)
    }

    fn keep(mut self, alive: &[bool], own: &[Vec<u32>]) -> Self {
        let mut next = 0;
        let new: Vec<u32> = alive
            .iter()
            .map(|&alive| {
                next += u32::from(alive);
                next.saturating_sub(1)
            })
            .collect();
        let old = std::mem::take(&mut self.clusters);
        for (id, mut cluster) in old.into_iter().enumerate().filter(|(id, _)| alive[*id]) {
            own[id].iter().for_each(|&row| self.row_parent[row as usize] = new[id]);
            cluster.parent = cluster.parent.map(|p| new[p as usize]);
            cluster.children.iter_mut().for_each(|k| *k = new[*k as usize]);
            if cluster.children.is_empty() {
                cluster.split = None;
            }
            self.clusters.push(cluster);
        }
        self.list_own_rows();
        self
    }
}
