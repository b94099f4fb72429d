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
                        visit(&mut Walk { forest, row, shares }, tree.root, 0, path, start);
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
}

/// Goes through a node whose path so far are the first `length` elements, `added` comes last.
fn visit(walk: &mut Walk<'_>, node: u32, length: usize, path: &mut [Element], added: Element) {
    extend(path, length, added);
    let forest = walk.forest;
    if forest.is_leaf(node) {
        let value = forest.values[node as usize];
        for at in 1..=length {
            let Element { feature, without, with, .. } = path[at];
            walk.shares[feature as usize] += unwound_sum(&path[..=length], at) * (with - without) * value;
        }
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
        path[i + 1].weight += added.with * weight * (i + 1) as f64 / all;
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

/// Sum of the weights that taking out the element at `at` would leave.
fn unwound_sum(path: &[Element], at: usize) -> f64 {
    let length = path.len() - 1;
    let Element { without, with, .. } = path[at];
    let all = (length + 1) as f64;
    let mut portion = path[length].weight;
    let mut sum = 0.0;
    for i in (0..length).rev() {
        let share = (length - i) as f64 / all;
        if with != 0.0 {
            let taken = portion * all / ((i + 1) as f64 * with);
            sum += taken;
            portion = path[i].weight - taken * without * share;
        } else {
            sum += path[i].weight / without / share;
        }
    }
    sum
}
