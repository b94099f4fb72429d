//! The tree against its slow definition: a dendrogram with all merges of one weight at once, cut from
//! the top.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::hdbscan::mst::Edge;

/// A cluster of the definition.
#[derive(Clone, Debug, PartialEq)]
struct Slow {
    birth: f64,
    split: Option<f64>,
    size: usize,
    rows: Vec<u32>,
    own: Vec<(u32, f64)>,
    parent: Option<usize>,
}

/// All samples of the component of `of` after joining the edges of weight at most, or below, `weight`.
fn component(edges: &[Edge], of: u32, n: usize, joined: impl Fn(f64) -> bool) -> Vec<u32> {
    let mut inside = vec![false; n];
    let mut open = vec![of];
    inside[of as usize] = true;
    while let Some(row) = open.pop() {
        for edge in edges.iter().filter(|e| joined(e.weight) && (e.a == row || e.b == row)) {
            let other = edge.a ^ edge.b ^ row;
            if !inside[other as usize] {
                inside[other as usize] = true;
                open.push(other);
            }
        }
    }
    (0..n as u32).filter(|&row| inside[row as usize]).collect()
}

fn slow(edges: &[Edge], n: usize, min_cluster_size: usize) -> Vec<Slow> {
    let all: Vec<u32> = (0..n as u32).collect();
    let root = Slow { birth: 0.0, split: None, size: n, rows: all.clone(), own: vec![], parent: None };
    let mut clusters = vec![root];
    let mut open = vec![(all, 0)];
    while let Some((rows, c)) = open.pop() {
        let within = |e: &&Edge| rows.contains(&e.a) && rows.contains(&e.b);
        let Some(weight) = edges.iter().filter(within).map(|e| e.weight).reduce(f64::max) else { continue };
        let mut parts: Vec<Vec<u32>> = Vec::new();
        for &row in &rows {
            if !parts.iter().any(|p| p.contains(&row)) {
                parts.push(component(edges, row, n, |w| w < weight));
            }
        }
        let lambda = density(weight);
        let (big, small): (Vec<_>, Vec<_>) = parts.into_iter().partition(|p| p.len() >= min_cluster_size);
        clusters[c].own.extend(small.iter().flatten().map(|&row| (row, lambda)));
        if let [only] = &big[..] {
            open.push((only.clone(), c));
            continue;
        }
        for part in big {
            clusters[c].split = Some(lambda);
            let (size, rows) = (part.len(), part.clone());
            clusters.push(Slow { birth: lambda, split: None, size, rows, own: vec![], parent: Some(c) });
            open.push((part, clusters.len() - 1));
        }
    }
    clusters
}

fn slow_stability(clusters: &[Slow], c: usize) -> f64 {
    let mut counts: BTreeMap<u64, f64> = BTreeMap::new();
    for (_, lambda) in &clusters[c].own {
        *counts.entry(lambda.to_bits()).or_default() += 1.0;
    }
    let birth = clusters[c].birth;
    // Bits of numbers that are not negative have their order.
    let sum = counts.iter().fold(0.0, |sum, (&bits, count)| sum + (f64::from_bits(bits) - birth) * count);
    let below: usize = clusters.iter().filter(|k| k.parent == Some(c)).map(|k| k.size).sum();
    clusters[c].split.map_or(sum, |split| sum + (split - birth) * below as f64)
}

/// A random tree with few different weights, zero and infinity among them.
fn tied_tree() -> impl Strategy<Value = Vec<Edge>> {
    let weight = prop_oneof![
        8 => (1u32..9).prop_map(|w| f64::from(w) / 4.0),
        1 => Just(0.0),
        1 => Just(f64::INFINITY),
        4 => 0.1f64..3.0,
    ];
    prop::collection::vec((any::<u32>(), weight), 4..40).prop_map(|drawn| {
        let mut edges: Vec<Edge> =
            drawn.iter().zip(1u32..).map(|(&(a, weight), b)| Edge { a: a % b, b, weight }).collect();
        edges.sort_by(|x, y| x.weight.total_cmp(&y.weight));
        edges
    })
}

proptest! {
    #[test]
    fn one_pass_gives_the_tree_that_cutting_from_the_top_gives(edges in tied_tree(), m in 2usize..6) {
        let n = edges.len() + 1;
        prop_assume!(n >= m);
        let tree = CondensedTree::new(Departures::new(&edges, n, m));
        let expected = slow(&edges, n, m);
        prop_assert_eq!(tree.clusters.len(), expected.len());
        let below = |c: u32| {
            let (mut rows, mut open) = (Vec::new(), vec![c]);
            while let Some(c) = open.pop() {
                rows.extend_from_slice(tree.own_rows(c));
                open.extend_from_slice(tree.children(c));
            }
            rows.sort_unstable();
            rows
        };
        for (c, cluster) in tree.clusters.iter().enumerate() {
            let rows = below(c as u32);
            let (at, same) = expected.iter().enumerate().find(|(_, s)| s.rows == rows).unwrap();
            prop_assert_eq!((cluster.birth, cluster.split), (same.birth, same.split));
            prop_assert_eq!((cluster.size as usize, cluster.low), (same.size, rows[0]));
            prop_assert_eq!(cluster.parent.map(below), same.parent.map(|p| expected[p].rows.clone()));
            prop_assert!(cluster.parent.is_none_or(|p| (p as usize) < c));
            let own: Vec<(u32, f64)> =
                tree.own_rows(c as u32).iter().map(|&row| (row, tree.row_lambda[row as usize])).collect();
            let mut sorted = same.own.clone();
            sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            prop_assert_eq!(own, sorted);
            prop_assert_eq!(tree.stability(c as u32).to_bits(), slow_stability(&expected, at).to_bits());
        }
    }
}

/// C-06: a stability is summed over distinct lambda, and two weights can have one.
#[test]
fn weights_of_one_lambda_are_one_departure() {
    let mut low = 1.5f64;
    while density(low) != density(low.next_up()) {
        low = low.next_up();
    }
    let edge = |a, b, weight| Edge { a, b, weight };
    let edges = [edge(0, 1, 1.0), edge(0, 3, low), edge(1, 2, low.next_up())];
    let tree = CondensedTree::new(Departures::new(&edges, 4, 2));
    assert_eq!(tree.own_rows(0), [0, 1, 2, 3]);
    assert_eq!(tree.stability(0), density(low) * 2.0 + 2.0);
}
