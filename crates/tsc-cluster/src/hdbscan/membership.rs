//! Soft membership: one formula for training and new samples.

use tsc_core::Features;
use tsc_neighbors::{NeighborIndex, Plan, Scratch};

use super::condense::CondensedCluster;
use super::extract::Extraction;
use super::predict::Attachment;

const NONE: u32 = u32::MAX;

/// What memberships need beside the extraction, made once.
///
/// Labels stand in the order of the tree, so that those below a cluster are neighbours.
#[derive(Debug)]
pub(crate) struct Memberships {
    /// Exemplars of each label.
    exemplars: Vec<NeighborIndex>,
    /// Label at each position.
    labels: Vec<u32>,
    /// Per condensed cluster: the first position below it, and how many there are.
    first: Vec<u32>,
    count: Vec<u32>,
    /// Per condensed cluster: itself or the nearest above it whose parent holds more labels.
    widens: Vec<u32>,
}

/// One number per label, for one sample at a time.
#[derive(Debug)]
pub(crate) struct Buffers {
    heights: Vec<f64>,
    to_exemplars: Vec<f64>,
    scratch: Scratch,
}

impl Buffers {
    pub(crate) fn new(n_clusters: usize) -> Self {
        Self { heights: vec![0.0; n_clusters], to_exemplars: vec![0.0; n_clusters], scratch: Scratch::new() }
    }

    pub(crate) fn scratch(&mut self) -> &mut Scratch {
        &mut self.scratch
    }
}

impl Memberships {
    pub(crate) fn new(e: &Extraction, index: &NeighborIndex, plan: Plan) -> Self {
        let d = index.n_features();
        let one = |rows: &Vec<u32>| {
            let values: Vec<f64> = rows.iter().flat_map(|&row| index.row(row as usize)).copied().collect();
            Features::new(&values, d)
                .and_then(|x| NeighborIndex::build(x, index.metric(), plan))
                .expect("rows of an index can be indexed")
        };
        let exemplars = e.exemplars().iter().map(one).collect();
        let clusters = &e.condensed_tree().clusters;
        let m = clusters.len();
        let parent = |c: usize| clusters[c].parent.map(|p| p as usize);
        let mut count = vec![0u32; m];
        for c in (0..m).rev() {
            count[c] += u32::from(!e.label_of(c as u32).is_noise());
            if let Some(p) = parent(c) {
                count[p] += count[c];
            }
        }
        let (mut first, mut next, mut widens) = (vec![0; m], vec![0; m], vec![NONE; m]);
        let mut labels = vec![0; e.n_clusters()];
        for c in 0..m {
            if let Some(p) = parent(c) {
                first[c] = next[p];
                next[p] += count[c];
                widens[c] = if count[p] == count[c] { widens[p] } else { c as u32 };
            }
            next[c] = first[c];
            if let Some(label) = e.label_of(c as u32).cluster() {
                labels[first[c] as usize] = label.0;
                next[c] += 1;
            }
        }
        Self { exemplars, labels, first, count, widens }
    }

    fn positions(&self, cluster: u32) -> std::ops::Range<usize> {
        let first = self.first[cluster as usize] as usize;
        first..first + self.count[cluster as usize] as usize
    }

    /// Lambda at which the branches of `cluster` and of each label part; `lambda` for a label at, above or
    /// below it. O(number of labels).
    fn heights(&self, e: &Extraction, cluster: u32, lambda: f64, heights: &mut [f64]) {
        let mut fill = |positions: std::ops::Range<usize>, height| {
            self.labels[positions].iter().for_each(|&label| heights[label as usize] = height);
        };
        let clusters = &e.condensed_tree().clusters;
        let mut inside = self.positions(cluster);
        fill(inside.clone(), lambda);
        let mut at = cluster;
        while let Some(child) = Some(self.widens[at as usize]).filter(|&c| c != NONE) {
            let CondensedCluster { parent: Some(parent), birth, .. } = clusters[child as usize] else {
                return;
            };
            let all = self.positions(parent);
            fill(all.start..inside.start, birth);
            fill(inside.end..all.end, birth);
            if !e.label_of(parent).is_noise() {
                fill(all.start..all.start + 1, lambda);
            }
            (inside, at) = (all, parent);
        }
    }

    /// Cluster shares of the sample `row`, which sits at the training sample of `at` with the lambda of `at`.
    /// The sum is the strength of being in any cluster.
    pub(crate) fn write(
        &self,
        e: &Extraction,
        row: &[f64],
        at: Attachment,
        buffers: &mut Buffers,
        out: &mut [f64],
    ) {
        let tree = e.condensed_tree();
        let cluster = tree.row_parent[at.nearest as usize];
        let lambda = at.lambda.min(tree.row_lambda[at.nearest as usize]);
        let Buffers { heights, to_exemplars, scratch } = buffers;
        for (distance, exemplars) in to_exemplars.iter_mut().zip(&self.exemplars) {
            let near = exemplars.query_one(row, 1, scratch).expect("the row was asked for before");
            *distance = near[0].distance;
        }
        self.heights(e, cluster, lambda, heights);
        // Inverse distances, relative to the least: no quotient overflows.
        let least = to_exemplars.iter().copied().fold(f64::INFINITY, f64::min);
        let nearness = |d: f64| match least > 0.0 {
            // Both may be infinite.
            true if d == least => 1.0,
            true => least / d,
            false => f64::from(u8::from(d == 0.0)),
        };
        let all_near: f64 = to_exemplars.iter().map(|&d| nearness(d)).sum();
        let top = tree.own_max(cluster);
        let score = |height: f64| {
            let share = match (top > 0.0, height.is_finite()) {
                (false, _) | (_, false) => 1.0,
                _ if top.is_infinite() => 0.0,
                _ => height / top,
            };
            1.0 / (1.0 - share).max(1e-8)
        };
        let highest = heights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Scores grow with the heights.
        let largest = score(highest);
        for (out, &height) in out.iter_mut().zip(heights.iter()) {
            *out = (score(height) - largest).exp();
        }
        let total: f64 = out.iter().sum();
        for (out, &d) in out.iter_mut().zip(to_exemplars.iter()) {
            let weight = *out / total;
            *out = (nearness(d) / all_near).sqrt() * weight * weight;
        }
        let sum: f64 = out.iter().sum();
        let Some(closest) = (0..heights.len())
            .filter(|&i| heights[i] == highest)
            .min_by(|&a, &b| to_exemplars[a].total_cmp(&to_exemplars[b]).then(a.cmp(&b)))
        else {
            return;
        };
        let whole = lambda.max(tree.own_max(e.chosen_ids()[closest]));
        let inside = if highest >= whole {
            1.0
        } else if whole.is_finite() {
            highest / whole
        } else {
            0.0
        };
        if sum > 0.0 {
            out.iter_mut().for_each(|v| *v = *v / sum * inside);
        } else {
            // Every product underflowed.
            out[closest] = inside;
        }
    }
}
