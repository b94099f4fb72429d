//! Minimum spanning tree of the mutual reachability distances: Borůvka's rounds, each row searching the
//! tree for the lightest edge that leaves its component.
//!
//! The weight of an edge is `max(core a, core b, distance / alpha)`. In every round each component but the
//! largest takes one lightest edge that leaves it. Any such choice is part of a minimum tree, so ties need
//! no order; that the choice is the same for every thread count follows from searching with limits that
//! are fixed before a pass starts.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use tsc_core::simd::{self, Work};

use crate::index::Edge;
use crate::kernel::{BLOCK, Euclidean, Kernel, Space, bits, lanes_up_to, squared_apart};
use crate::knn::{Surroundings, rows_of};
use crate::parallel::for_each_chunk;
use crate::search::push_sorted;
use crate::tree::{Child, NO_CHILD, Tree};

/// Blocks a thread takes at a time.
const CHUNK: usize = 16;
/// One block of so many is searched before the rest.
const PILOT: usize = 16;
const NOBODY: u32 = u32::MAX;
/// Covers the rounding of centers, radii, roots and of sums of up to 100,000 squares.
const MARGIN: f64 = 1e-10;
/// A node whose rows lie in several components.
const MIXED: u32 = u32::MAX;
/// Searching rows of several components: no component has this number.
const SEVERAL: u32 = u32::MAX - 1;

/// Core distances by position, and the n - 1 edges between positions in the order they were found.
pub(crate) fn spanning_tree(
    tree: &Tree,
    kernel: Kernel,
    around: Surroundings,
    alpha: f64,
) -> (Vec<f64>, Vec<Edge>) {
    if kernel == Kernel::Euclidean {
        Rounds::new(tree, Euclidean, around, alpha).finish()
    } else {
        Rounds::new(tree, kernel, around, alpha).finish()
    }
}

/// What a row knows of the edges that leave its component.
#[derive(Clone, Copy, Debug)]
struct Outlook {
    /// No edge that leaves the component weighs less; it never falls, because components only grow.
    bound: f64,
    /// End of an edge that weighs exactly `bound`, as long as it is outside.
    to: u32,
    /// Listed neighbours before this one are inside.
    next: u32,
}

struct Rounds<'a, S> {
    tree: &'a Tree,
    space: S,
    alpha: f64,
    core: Vec<f64>,
    /// Listed neighbours of each row, by ascending core distance.
    near: Vec<u32>,
    listed: usize,
    outlooks: Vec<Outlook>,
    component: Vec<u32>,
    n_components: usize,
    largest: u32,
    /// Least core distance below each node and in each block.
    node_core: Vec<f64>,
    block_core: Vec<f64>,
    node_component: Vec<u32>,
    block_component: Vec<u32>,
    edges: Vec<Edge>,
}

impl<'a, S: Space> Rounds<'a, S> {
    fn new(tree: &'a Tree, space: S, around: Surroundings, alpha: f64) -> Self {
        let Surroundings { kth: core, mut near, listed } = around;
        let n = tree.n();
        for_each_chunk(&mut near, CHUNK * BLOCK * listed.max(1), |_, near| {
            let mut keys = Vec::with_capacity(listed);
            for near in near.chunks_exact_mut(listed.max(1)) {
                keys.clear();
                // Weights are not negative, so their bits order like they do.
                keys.extend(near.iter().map(|&q| (core[q as usize].to_bits(), q)));
                keys.sort_unstable();
                near.iter_mut().zip(&keys).for_each(|(near, key)| *near = key.1);
            }
        });
        let least = |block: usize| tree.positions(block).fold(f64::INFINITY, |m, p| m.min(core[p]));
        let block_core: Vec<f64> = (0..tree.n_blocks()).map(least).collect();
        let node_core = fold_nodes(tree, &block_core, |a, b| a.min(b));
        let outlook = |&core: &f64| Outlook { bound: core, to: NOBODY, next: 0 };
        Self {
            outlooks: core.iter().map(outlook).collect(),
            component: (0..n as u32).collect(),
            n_components: n,
            largest: NOBODY,
            node_core,
            block_component: vec![MIXED; tree.n_blocks()],
            node_component: vec![MIXED; tree.n_nodes()],
            edges: Vec::with_capacity(n - 1),
            tree,
            space,
            alpha,
            core,
            near,
            listed,
            block_core,
        }
    }

    fn finish(mut self) -> (Vec<f64>, Vec<Edge>) {
        self.join_denser_neighbors();
        while self.n_components > 1 {
            self.round();
        }
        (self.core, self.edges)
    }

    /// First round: no edge of a row weighs less than its core distance, so an edge to a listed neighbour
    /// that is not sparser is a lightest one.
    fn join_denser_neighbors(&mut self) {
        let mut sets = Sets::new(self.core.len());
        for (p, near) in self.near.chunks_exact(self.listed.max(1)).enumerate() {
            let (q, core) = (near[0], self.core[p]);
            if self.core[q as usize] <= core && sets.join(p as u32, q) {
                self.edges.push(Edge { a: p as u32, b: q, weight: core });
            }
        }
        self.relabel(&mut sets);
    }

    fn round(&mut self) {
        let best: Vec<AtomicU64> =
            (0..self.n_components).map(|_| AtomicU64::new(f64::INFINITY.to_bits())).collect();
        let lowest: Vec<AtomicU64> =
            (0..self.n_components).map(|_| AtomicU64::new(f64::INFINITY.to_bits())).collect();
        self.offer_known_edges(&best, &lowest);
        // The most promising row of each component first, then some blocks, so that the others have a limit
        // to stay below. It does not move during a pass: what is found would depend on the threads.
        self.search(&best, |_, c, bound| bound == load(&lowest[c as usize]));
        self.search(&best, |block, _, _| block % PILOT == 0);
        self.search(&best, |_, _, _| true);
        self.join_winners(&best);
    }

    /// Every row offers its lightest known edge, and its bound.
    fn offer_known_edges(&mut self, best: &[AtomicU64], lowest: &[AtomicU64]) {
        let (component, core, near, listed) = (&self.component, &self.core, &self.near, self.listed);
        for_each_chunk(&mut self.outlooks, CHUNK * BLOCK, |first, outlooks| {
            for (p, outlook) in (first..).zip(outlooks) {
                let c = component[p];
                let near = &near[p * listed..(p + 1) * listed];
                while near.get(outlook.next as usize).is_some_and(|&q| component[q as usize] == c) {
                    outlook.next += 1;
                }
                if let Some((weight, _)) = known_edge(component, core, near, p, outlook) {
                    lower(&best[c as usize], weight);
                }
                lower(&lowest[c as usize], outlook.bound);
            }
        });
    }

    /// The rows that `takes` and that can beat their component's limit search the tree.
    fn search(&mut self, best: &[AtomicU64], takes: impl Fn(usize, u32, f64) -> bool + Sync) {
        let limits: Vec<f64> = best.iter().map(load).collect();
        let mut outlooks = std::mem::take(&mut self.outlooks);
        let this = &*self;
        for_each_chunk(&mut outlooks, CHUNK * BLOCK, |first, outlooks| {
            let mut search = BlockSearch::default();
            for (i, outlooks) in outlooks.chunks_mut(BLOCK).enumerate() {
                let block = first / BLOCK + i;
                search.start();
                for (lane, outlook) in outlooks.iter().enumerate() {
                    let c = this.component[block * BLOCK + lane];
                    let limit = limits[c as usize];
                    if c != this.largest && outlook.bound < limit && takes(block, c, outlook.bound) {
                        search.add(lane, c, limit, outlook.bound);
                    }
                }
                if search.lanes == 0 {
                    continue;
                }
                let asked = search.lanes;
                let shared = search.shared_component();
                simd::run(LeaveComponent { rounds: this, search: &mut search, block, shared });
                for (lane, outlook) in outlooks.iter_mut().enumerate().filter(|(l, _)| asked >> l & 1 == 1) {
                    outlook.bound = search.limits[lane];
                    outlook.to = search.to[lane];
                    if outlook.to != NOBODY {
                        lower(&best[search.components[lane] as usize], outlook.bound);
                    }
                }
            }
        });
        self.outlooks = outlooks;
    }

    /// Each component takes the edge of its first row that offers the lightest weight.
    fn join_winners(&mut self, best: &[AtomicU64]) {
        let winners: Vec<AtomicU32> = (0..self.n_components).map(|_| AtomicU32::new(NOBODY)).collect();
        let this = &*self;
        let known = |p: usize| {
            let near = &this.near[p * this.listed..(p + 1) * this.listed];
            known_edge(&this.component, &this.core, near, p, &this.outlooks[p])
        };
        let mut blocks: Vec<()> = vec![(); this.tree.n_blocks()];
        for_each_chunk(&mut blocks, CHUNK, |first, blocks| {
            for p in (first..first + blocks.len()).flat_map(|block| this.tree.positions(block)) {
                let c = this.component[p] as usize;
                if c as u32 != this.largest && known(p).is_some_and(|(weight, _)| weight == load(&best[c])) {
                    winners[c].fetch_min(p as u32, Relaxed);
                }
            }
        });
        let mut sets = Sets::new(self.n_components);
        let chosen = winners.iter().map(|w| w.load(Relaxed)).filter(|&p| p != NOBODY);
        let links: Vec<Edge> =
            chosen.filter_map(|p| known(p as usize).map(|(weight, b)| Edge { a: p, b, weight })).collect();
        for link in links {
            if sets.join(self.component[link.a as usize], self.component[link.b as usize]) {
                self.edges.push(link);
            }
        }
        self.relabel(&mut sets);
    }

    /// Numbers the components anew, and tells the nodes that lie in one of them.
    fn relabel(&mut self, sets: &mut Sets) {
        let (numbers, sizes) = sets.numbers();
        self.n_components = sizes;
        let mut rows = vec![0u32; sizes];
        for_each_chunk(&mut self.component, CHUNK * BLOCK, |_, component| {
            component.iter_mut().for_each(|c| *c = numbers[*c as usize]);
        });
        self.component.iter().for_each(|&c| rows[c as usize] += 1);
        self.largest = (0..sizes).rev().max_by_key(|&c| rows[c]).map_or(NOBODY, |c| c as u32);
        let (tree, component) = (self.tree, &self.component);
        for_each_chunk(&mut self.block_component, CHUNK, |first, blocks| {
            for (i, out) in blocks.iter_mut().enumerate() {
                let of = &component[tree.positions(first + i)];
                *out = if of.iter().all(|&c| c == of[0]) { of[0] } else { MIXED };
            }
        });
        self.node_component = fold_nodes(tree, &self.block_component, |a, b| if a == b { a } else { MIXED });
    }
}

/// The lightest edge that the row is known to have, if any: found by a search, or to a listed neighbour.
#[inline(always)]
fn known_edge(
    component: &[u32],
    core: &[f64],
    near: &[u32],
    p: usize,
    outlook: &Outlook,
) -> Option<(f64, u32)> {
    let outside = |q: u32| q != NOBODY && component[q as usize] != component[p];
    if outside(outlook.to) {
        return Some((outlook.bound, outlook.to));
    }
    let q = *near.get(outlook.next as usize)?;
    // Listed neighbours lie within the core distance.
    outside(q).then(|| (core[p].max(core[q as usize]), q))
}

fn load(of: &AtomicU64) -> f64 {
    f64::from_bits(of.load(Relaxed))
}

/// Weights are not negative, so their bits order like they do.
fn lower(of: &AtomicU64, weight: f64) {
    if weight < load(of) {
        of.fetch_min(weight.to_bits(), Relaxed);
    }
}

/// One value per node, made of its children's.
fn fold_nodes<T: Copy>(tree: &Tree, blocks: &[T], join: impl Fn(T, T) -> T) -> Vec<T> {
    let mut out = vec![blocks[0]; tree.n_nodes()];
    for node in (0..tree.n_nodes()).rev() {
        let values = tree.children(node).into_iter().filter_map(|child| match Tree::child(child)? {
            Child::Leaf(block) => Some(blocks[block]),
            Child::Node(below) => Some(out[below]),
        });
        if let Some(value) = values.reduce(&join) {
            out[node] = value;
        }
    }
    out
}

/// Rows of one block that look for an edge out of their component.
#[derive(Default)]
struct BlockSearch {
    /// One bit per row that searches.
    lanes: u32,
    /// What an edge has to stay below; in the end the weight of the edge found, or that there is none below.
    limits: [f64; BLOCK],
    /// The same as a reduced value, margin included.
    reduced: [f64; BLOCK],
    /// No edge of the row weighs less.
    floors: [f64; BLOCK],
    components: [u32; BLOCK],
    to: [u32; BLOCK],
    rows: Vec<f64>,
    row: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    open: Vec<(f64, u32)>,
}

impl BlockSearch {
    fn start(&mut self) {
        self.lanes = 0;
        self.to = [NOBODY; BLOCK];
        self.limits = [0.0; BLOCK];
        self.reduced = [0.0; BLOCK];
    }

    fn add(&mut self, lane: usize, component: u32, limit: f64, floor: f64) {
        self.lanes |= 1 << lane;
        self.limits[lane] = limit;
        self.floors[lane] = floor;
        self.components[lane] = component;
    }

    fn shared_component(&self) -> u32 {
        let first = self.components[self.lanes.trailing_zeros() as usize];
        if bits(self.lanes).all(|lane| self.components[lane] == first) { first } else { SEVERAL }
    }
}

struct LeaveComponent<'a, S> {
    rounds: &'a Rounds<'a, S>,
    search: &'a mut BlockSearch,
    block: usize,
    /// The component of all searching rows, if it is one.
    shared: u32,
}

impl<S: Space> Work for LeaveComponent<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let tree = self.rounds.tree;
        let search = &mut *self.search;
        rows_of(tree.columns(self.block), &mut search.rows);
        let (low, high) = tree.block_box(self.block);
        search.low.clear();
        search.low.extend_from_slice(low);
        search.high.clear();
        search.high.extend_from_slice(high);
        for lane in bits(search.lanes) {
            search.reduced[lane] = self.rounds.reduced_limit(search.limits[lane]);
        }
        if tree.n_nodes() == 0 {
            for block in 0..tree.n_blocks() {
                if self.rounds.block_component[block] != self.shared {
                    self.scan(block);
                }
            }
            return;
        }
        let mut open = std::mem::take(&mut self.search.open);
        open.clear();
        self.push_children(&mut open, 0);
        while let Some((bound, child)) = open.pop() {
            if bound > self.widest() {
                continue;
            }
            match Tree::child(child) {
                Some(Child::Leaf(block)) => self.scan(block),
                Some(Child::Node(node)) => self.push_children(&mut open, node),
                None => {}
            }
            if self.search.lanes == 0 {
                break;
            }
        }
        self.search.open = open;
    }
}

impl<S: Space> Rounds<'_, S> {
    #[inline(always)]
    fn reduced_limit(&self, weight: f64) -> f64 {
        // Dividing by alpha rounds once more.
        self.space.reduced_limit(weight * self.alpha * (1.0 + 1e-15))
    }
}

impl<S: Space> LeaveComponent<'_, S> {
    /// Rows that no longer search have limit 0.
    #[inline(always)]
    fn widest(&self) -> f64 {
        self.search.reduced.iter().fold(0.0, |m, &v| if v > m { v } else { m })
    }

    #[inline(always)]
    fn push_children(&self, open: &mut Vec<(f64, u32)>, node: usize) {
        let Self { rounds, search, shared, .. } = self;
        let tree = rounds.tree;
        let limit = search.limits.iter().fold(0.0, |m, &v| if v > m { v } else { m });
        let bounds = rounds.space.boxes(&search.low, &search.high, tree.boxes(node));
        let mut children = tree.children(node);
        for child in &mut children {
            let (core, component) = match Tree::child(*child) {
                Some(Child::Leaf(block)) => (rounds.block_core[block], rounds.block_component[block]),
                Some(Child::Node(node)) => (rounds.node_core[node], rounds.node_component[node]),
                None => (f64::INFINITY, MIXED),
            };
            if core >= limit || component == *shared {
                *child = NO_CHILD;
            }
        }
        push_sorted(open, bounds, children, self.widest());
    }

    /// Measures the searching rows against a block.
    #[inline(always)]
    fn scan(&mut self, block: usize) {
        let (rounds, tree) = (self.rounds, self.rounds.tree);
        let (own, columns) = (tree.columns(self.block), tree.columns(block));
        let others = tree.positions(block);
        let (mut lanes, mut near) = (self.search.lanes, u32::MAX >> (32 - others.len()));
        let mut reduced = [0.0; BLOCK];
        if let (Some((own_center, own_radius)), Some((center, radius))) =
            (tree.ball(self.block), tree.ball(block))
        {
            let reach = own_radius * (1.0 + MARGIN) + self.widest().sqrt();
            let apart = reach + radius * (1.0 + MARGIN);
            if squared_apart(own_center, center) * (1.0 - MARGIN) > apart * apart {
                return;
            }
            rounds.space.block(own_center, columns, &mut reduced);
            near &= lanes_up_to(&reduced, reach * reach * (1.0 + 4.0 * MARGIN));
        } else if tree.n_nodes() > 0 {
            let (low, high) = tree.block_box(block);
            rounds.space.block_to_box(own, low, high, &mut reduced);
            lanes &= lanes_below_each(&reduced, &self.search.reduced);
        }
        let limit = self.search.limits.iter().fold(0.0, |m, &v| if v > m { v } else { m });
        let (component, core) = (&rounds.component[others.clone()], &rounds.core[others.clone()]);
        for j in 0..others.len() {
            near &= !(u32::from(component[j] == self.shared || core[j] >= limit) << j);
        }
        let width = columns.len() / BLOCK;
        // From whichever side fewer rows are left.
        if near.count_ones() < lanes.count_ones() {
            let mut row = std::mem::take(&mut self.search.row);
            for j in bits(near) {
                row.clear();
                row.extend(columns.chunks_exact(BLOCK).map(|column| column[j]));
                rounds.space.block(&row, own, &mut reduced);
                for lane in bits(lanes & self.search.lanes & lanes_below_each(&reduced, &self.search.reduced))
                {
                    self.offer(lane, others.start + j, reduced[lane]);
                }
            }
            self.search.row = row;
        } else {
            let rows = std::mem::take(&mut self.search.rows);
            for lane in bits(lanes) {
                if near == 0 || self.search.lanes >> lane & 1 == 0 {
                    continue;
                }
                rounds.space.block(&rows[lane * width..(lane + 1) * width], columns, &mut reduced);
                for j in bits(near & lanes_up_to(&reduced, self.search.reduced[lane])) {
                    self.offer(lane, others.start + j, reduced[j]);
                }
            }
            self.search.rows = rows;
        }
    }

    /// Takes an edge from a searching row if it is the lightest so far.
    #[inline(always)]
    fn offer(&mut self, lane: usize, other: usize, reduced: f64) {
        let (rounds, search) = (self.rounds, &mut *self.search);
        let own = search.components[lane];
        if rounds.component[other] == own {
            return;
        }
        // A tiny alpha can leave the range of f64; the edge is then as heavy as a number can be.
        let distance = (rounds.space.finish(reduced) / rounds.alpha).min(f64::MAX);
        let weight = distance.max(rounds.core[other]).max(rounds.core[self.block * BLOCK + lane]);
        if weight >= search.limits[lane] {
            return;
        }
        search.to[lane] = other as u32;
        search.limits[lane] = weight;
        let reduced = rounds.reduced_limit(weight);
        // Rows of the same component need not look for heavier edges.
        for lane in bits(search.lanes) {
            if search.components[lane] == own && weight <= search.limits[lane] {
                if weight < search.limits[lane] {
                    search.to[lane] = NOBODY;
                }
                search.limits[lane] = weight;
                search.reduced[lane] = reduced;
                // A row that can have no lighter edge is done.
                if weight <= search.floors[lane] {
                    search.lanes &= !(1 << lane);
                    search.reduced[lane] = 0.0;
                }
            }
        }
    }
}

/// One bit per lane whose value is at most its own limit.
#[inline(always)]
fn lanes_below_each(values: &[f64; BLOCK], limits: &[f64; BLOCK]) -> u32 {
    (0..BLOCK).fold(0, |lanes, lane| lanes | u32::from(values[lane] <= limits[lane]) << lane)
}

/// Disjoint sets of components.
struct Sets {
    up: Vec<u32>,
}

impl Sets {
    fn new(n: usize) -> Self {
        Self { up: (0..n as u32).collect() }
    }

    fn find(&mut self, mut a: u32) -> u32 {
        while self.up[a as usize] != a {
            let above = self.up[self.up[a as usize] as usize];
            self.up[a as usize] = above;
            a = above;
        }
        a
    }

    /// Whether the two were apart. The smaller number becomes the root.
    fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        self.up[a.max(b) as usize] = a.min(b);
        a != b
    }

    /// New numbers without gaps, by first member, and how many there are.
    fn numbers(&mut self) -> (Vec<u32>, usize) {
        let mut next = 0;
        let mut numbers = vec![0; self.up.len()];
        for a in 0..self.up.len() as u32 {
            let root = self.find(a);
            if root == a {
                numbers[a as usize] = next;
                next += 1;
            } else {
                numbers[a as usize] = numbers[root as usize];
            }
        }
        (numbers, next as usize)
    }
}
