//! Path-dependent TreeSHAP: the share of each feature in a raw score, with LightGBM's bits.
//!
//! Lundberg, Erion, Lee, "Consistent Individualized Feature Attribution for Tree Ensembles" (2018),
//! algorithm 2. A row walks every path; on the way to a leaf the path keeps, for each feature once, the
//! share of training rows that go this way (`without`, the feature unknown) and whether the row does
//! (`with`), and the weights of all subsets by size. The order of every operation is LightGBM's, because
//! another one changes the last bits.

use rayon::prelude::*;
use tsc_core::Features;

use super::tree::Forest;
use crate::error::ModelsError;

/// Depth up to which a tree is explained; the paths of a row take memory quadratic in it.
const DEEPEST: u32 = 1_024;
/// Rows of a parallel task.
const TASK: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Element {
    feature: u32,
    without: f64,
    with: f64,
    weight: f64,
}

/// Stands for the root, which belongs to no feature.
const NO_FEATURE: u32 = u32::MAX;

/// Refuses models that cannot be explained.
pub(super) fn check(forest: &Forest) -> Result<(), ModelsError> {
    for (number, tree) in forest.trees.iter().enumerate() {
        if tree.depth > DEEPEST {
            let problem =
                format!("tree {number} is {} splits deep, at most {DEEPEST} are explained", tree.depth);
            return Err(ModelsError::Unexplained(problem));
        }
        if tree.depth > 0 && forest.nodes(number).any(|node| forest.facts[node].rows == 0) {
            return Err(ModelsError::Unexplained(format!("tree {number} has a node without training rows")));
        }
    }
    Ok(())
}

/// `n_samples x (n_features + 1)`, the expected raw score last.
pub(super) fn into(forest: &Forest, x: Features<'_>, out: &mut [f64]) {
    let width = x.n_features();
    // Each level of a path is a copy of the one above with one element more.
    let longest = forest.trees.iter().map(|tree| tree.depth as usize).max().unwrap_or(0) + 2;
    let room = longest * (longest + 1) / 2;
    let blank = Element { feature: NO_FEATURE, without: 0.0, with: 0.0, weight: 0.0 };
    let expected: Vec<f64> = (0..forest.trees.len()).map(|tree| expected(forest, tree)).collect();
    let ratio = |length: usize, place: usize| (length - place) as f64 / (length + 1) as f64;
    let ratios: Vec<Vec<f64>> =
        (0..longest).map(|length| (0..length).map(|place| ratio(length, place)).collect()).collect();
    let tasks = x.as_slice().par_chunks(TASK * width).zip(out.par_chunks_mut(TASK * (width + 1)));
    tasks.for_each_init(
        || vec![blank; room],
        |path, (rows, out)| {
            for (row, shares) in rows.chunks_exact(width).zip(out.chunks_exact_mut(width + 1)) {
                shares.fill(0.0);
                for (tree, expected) in forest.trees.iter().zip(&expected) {
                    shares[width] += expected;
                    if tree.depth > 0 {
                        let start = Element { without: 1.0, with: 1.0, ..blank };
                        visit(&mut Walk { forest, row, shares, ratios: &ratios }, tree.root, 0, path, start);
                    }
                }
            }
        },
    );
}

/// Mean leaf value over the training rows, the leaves in LightGBM's order.
fn expected(forest: &Forest, tree: usize) -> f64 {
    let mut leaves: Vec<usize> = forest.nodes(tree).filter(|&node| forest.is_leaf(node as u32)).collect();
    if let [only] = leaves.as_slice() {
        return forest.values[*only];
    }
    leaves.sort_by_key(|&node| forest.facts[node].leaf);
    let all = f64::from(forest.facts[forest.trees[tree].root as usize].rows);
    leaves.iter().fold(0.0, |sum, &leaf| sum + f64::from(forest.facts[leaf].rows) / all * forest.values[leaf])
}

struct Walk<'a> {
    forest: &'a Forest,
    row: &'a [f64],
    shares: &'a mut [f64],
    /// By the length of a path: (length - place) / (length + 1) for each place.
    ratios: &'a [Vec<f64>],
}

/// Goes through a node whose path so far are the first `length` elements, `added` comes last.
fn visit(walk: &mut Walk<'_>, node: u32, length: usize, path: &mut [Element], added: Element) {
    extend(path, length, added);
    let forest = walk.forest;
    if forest.is_leaf(node) {
        let value = forest.values[node as usize];
        share_out(&path[..=length], &walk.ratios[length], value, walk.shares);
        return;
    }
    let left = forest.steps[node as usize].left;
    let hot = forest.child_of(node, walk.row);
    let cold = if hot == left { left + 1 } else { left };
    let feature = forest.steps[node as usize].feature;
    let rows = |node: u32| f64::from(forest.facts[node as usize].rows);
    let (mut without, mut with, mut last) = (1.0, 1.0, length);
    // A feature that was split on before is taken back, so that each stands on the path once.
    if let Some(at) = path[..=length].iter().position(|element| element.feature == feature) {
        Element { without, with, .. } = path[at];
        unwind(&mut path[..=length], at);
        last -= 1;
    }
    let hot_without = rows(hot) / rows(node) * without;
    let cold_without = rows(cold) / rows(node) * without;
    let (here, below) = path.split_at_mut(last + 1);
    for (child, without, with) in [(hot, hot_without, with), (cold, cold_without, 0.0)] {
        below[..=last].copy_from_slice(here);
        visit(walk, child, last + 1, below, Element { feature, without, with, weight: 0.0 });
    }
}

fn extend(path: &mut [Element], length: usize, added: Element) {
    let path = &mut path[..=length];
    path[length] = Element { weight: if length == 0 { 1.0 } else { 0.0 }, ..added };
    let all = (length + 1) as f64;
    for i in (0..length).rev() {
        let weight = path[i].weight;
        if added.with != 0.0 {
            path[i + 1].weight += weight * (i + 1) as f64 / all;
        }
        path[i].weight = added.without * weight * (length - i) as f64 / all;
    }
}

/// Takes the element at `at` out of a path and its weights; the last place is free afterwards.
fn unwind(path: &mut [Element], at: usize) {
    let length = path.len() - 1;
    let Element { without, with, .. } = path[at];
    let all = (length + 1) as f64;
    let mut portion = path[length].weight;
    for i in (0..length).rev() {
        let weight = path[i].weight;
        if with != 0.0 {
            path[i].weight = portion * all / ((i + 1) as f64 * with);
            portion = weight - path[i].weight * without * (length - i) as f64 / all;
        } else {
            path[i].weight = weight * all / (without * (length - i) as f64);
        }
    }
    for i in at..length {
        path[i] = Element { weight: path[i].weight, ..path[i + 1] };
    }
}

/// Adds up what the features of a finished path get from its leaf.
///
/// For each feature that is the sum of the weights that taking it out would leave. A sum is one long chain of
/// divisions, so several features are summed side by side (bench `contributions`).
fn share_out(path: &[Element], ratios: &[f64], value: f64, shares: &mut [f64]) {
    for (with, sums) in [(1.0, hot_sums as fn(&Group, &[Element], &[f64]) -> Lanes), (0.0, cold_sums)] {
        let mut group = Group::default();
        for (at, element) in path.iter().enumerate().skip(1).filter(|(_, element)| element.with == with) {
            group.push(at, element.without);
            if group.members == SIDE_BY_SIDE {
                settle(&group, path, value, shares, sums(&group, path, ratios));
                group = Group::default();
            }
        }
        if group.members > 0 {
            settle(&group, path, value, shares, sums(&group, path, ratios));
        }
    }
}

fn settle(group: &Group, path: &[Element], value: f64, shares: &mut [f64], sums: Lanes) {
    for (&at, sum) in group.at[..group.members].iter().zip(sums) {
        let Element { feature, without, with, .. } = path[at];
        shares[feature as usize] += sum * (with - without) * value;
    }
}

const SIDE_BY_SIDE: usize = 4;

type Lanes = [f64; SIDE_BY_SIDE];

/// Places on a path whose sums are taken together; unused lanes divide by 1.
struct Group {
    members: usize,
    at: [usize; SIDE_BY_SIDE],
    without: Lanes,
}

impl Default for Group {
    fn default() -> Self {
        Self { members: 0, at: [0; SIDE_BY_SIDE], without: [1.0; SIDE_BY_SIDE] }
    }
}

impl Group {
    fn push(&mut self, at: usize, without: f64) {
        self.at[self.members] = at;
        self.without[self.members] = without;
        self.members += 1;
    }
}

// `with` is 0 or 1 all along, so a factor of it is left out.
fn hot_sums(group: &Group, path: &[Element], ratios: &[f64]) -> Lanes {
    let length = path.len() - 1;
    let all = (length + 1) as f64;
    let mut portions = [path[length].weight; SIDE_BY_SIDE];
    let mut sums = [0.0; SIDE_BY_SIDE];
    for (i, (element, ratio)) in path[..length].iter().zip(ratios).enumerate().rev() {
        let place = (i + 1) as f64;
        for lane in 0..SIDE_BY_SIDE {
            let taken = portions[lane] * all / place;
            sums[lane] += taken;
            portions[lane] = element.weight - taken * group.without[lane] * ratio;
        }
    }
    sums
}

fn cold_sums(group: &Group, path: &[Element], ratios: &[f64]) -> Lanes {
    let length = path.len() - 1;
    let mut sums = [0.0; SIDE_BY_SIDE];
    for (element, ratio) in path[..length].iter().zip(ratios).rev() {
        for (sum, without) in sums.iter_mut().zip(group.without) {
            *sum += element.weight / without / ratio;
        }
    }
    sums
}
