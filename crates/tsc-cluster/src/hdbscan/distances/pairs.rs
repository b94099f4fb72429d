//! A function of pairs: as few calls as bounds allow, each at most once while the results fit in memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tsc_core::Result;
use tsc_neighbors::for_each_chunk;

use super::super::mst::{Edge, Mst};
use super::super::params::HdbscanParams;
use super::{bad_value, differ};
use crate::error::ClusterError;

/// Pairs that are asked for in both orders, to see that the function is symmetric.
const SAMPLED: usize = 64;
/// Apart from each other by a prime, so that the columns of sampled pairs are spread.
const STRIDE: usize = 7919;
/// Open samples a thread takes at a time.
const CHUNK: usize = 32;
/// Bits of a distance that was not asked for; the function may not give NaN.
const UNKNOWN: u64 = u64::MAX;

/// Distance between two samples given by their numbers, such as DTW between series.
///
/// Closures of two `usize` are distances without a bound.
pub trait PairDistance: Sync {
    /// Distance between two different samples: symmetric, finite, at least 0. Called with `a < b`, but
    /// for the pairs that are asked for in both orders.
    fn distance(&self, a: usize, b: usize) -> f64;

    /// A cheaper number that is never above [`distance`](Self::distance): pairs are left out by it.
    fn lower_bound(&self, _a: usize, _b: usize) -> f64 {
        0.0
    }
}

impl<F: Fn(usize, usize) -> f64 + Sync> PairDistance for F {
    fn distance(&self, a: usize, b: usize) -> f64 {
        self(a, b)
    }
}

pub(crate) fn measure(n: usize, pairs: &dyn PairDistance, params: &HdbscanParams) -> Result<(Vec<f64>, Mst)> {
    params.check_samples(n)?;
    if n >= u32::MAX as usize {
        return Err(ClusterError::DistanceCount { got: 0, n_samples: n, expected: u32::MAX as usize }.into());
    }
    let asked = Asked::new(n, pairs, params.max_matrix_bytes);
    asked.look_at_some()?;
    let core = asked.core_distances(params.neighbors(n))?;
    let mst = asked.spanning_tree(&core, params.alpha)?;
    Ok((core, mst))
}

/// A pair with something wrong about its distance.
type Fault = (usize, usize, &'static str);

struct Asked<'a> {
    n: usize,
    pairs: &'a dyn PairDistance,
    /// Bits of the distances known so far, the upper triangle row by row; empty if they would not fit.
    known: Vec<AtomicU64>,
    fault: Mutex<Option<Fault>>,
}

impl<'a> Asked<'a> {
    fn new(n: usize, pairs: &'a dyn PairDistance, max_bytes: usize) -> Self {
        let cells = n.checked_mul(n - 1).map(|v| v / 2);
        let kept = cells.filter(|&c| c.checked_mul(size_of::<AtomicU64>()).is_some_and(|b| b <= max_bytes));
        let known = (0..kept.unwrap_or(0)).map(|_| AtomicU64::new(UNKNOWN)).collect();
        Self { n, pairs, known, fault: Mutex::new(None) }
    }

    fn known(&self, low: usize, high: usize) -> Option<&AtomicU64> {
        self.known.get(low * self.n - low * (low + 1) / 2 + (high - low - 1))
    }

    /// The distance of two different samples; a bad one is noted and counts as 0.
    fn distance(&self, a: usize, b: usize) -> f64 {
        let (low, high) = (a.min(b), a.max(b));
        let known = self.known(low, high);
        if let Some(bits) = known.map(|k| k.load(Ordering::Relaxed)).filter(|&bits| bits != UNKNOWN) {
            return f64::from_bits(bits);
        }
        let mut distance = self.pairs.distance(low, high);
        if let Some(problem) = bad_value(distance) {
            self.note((low, high, problem));
            distance = 0.0;
        }
        if let Some(known) = known {
            known.store(distance.to_bits(), Ordering::Relaxed);
        }
        distance
    }

    fn note(&self, fault: Fault) {
        let mut first = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none_or(|f| (fault.0, fault.1) < (f.0, f.1)) {
            *first = Some(fault);
        }
    }

    fn checked(&self) -> Result<()> {
        match *self.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((row, column, problem)) => Err(ClusterError::Distance { row, column, problem }.into()),
            None => Ok(()),
        }
    }

    /// Pairs of different samples, spread over the triangle.
    fn look_at_some(&self) -> Result<()> {
        let last = self.n - 1;
        let count = SAMPLED.min(last);
        for i in 0..count {
            // Different rows, so no pair twice.
            let row = i * last / count;
            let column = row + 1 + (i * STRIDE) % (last - row);
            let (forth, back) = (self.distance(row, column), self.pairs.distance(column, row));
            self.checked()?;
            let problem = bad_value(back)
                .map(|problem| (column, row, problem))
                .or(differ(forth, back).then_some((row, column, "not the same in both orders")))
                .or((self.pairs.lower_bound(row, column) > forth).then_some((
                    row,
                    column,
                    "below its lower bound",
                )));
            if let Some(fault) = problem {
                self.note(fault);
                return self.checked();
            }
        }
        Ok(())
    }

    /// Distance of each sample to its `k`-th nearest other.
    fn core_distances(&self, k: usize) -> Result<Vec<f64>> {
        let nearest: Vec<Nearest> = (0..self.n).map(|_| Nearest::new(k)).collect();
        let mut core = vec![0.0; self.n];
        // Each pair belongs to its smaller sample, so no two threads ask for it.
        for_each_chunk(&mut core, 1, |a, _| {
            for b in a + 1..self.n {
                let far = nearest[a].farthest().max(nearest[b].farthest());
                if self.pairs.lower_bound(a, b) >= far {
                    continue;
                }
                let distance = self.distance(a, b);
                nearest[a].add(distance);
                nearest[b].add(distance);
            }
        });
        self.checked()?;
        core.iter_mut().zip(&nearest).for_each(|(core, nearest)| *core = nearest.farthest());
        Ok(core)
    }

    /// Prim's algorithm; a pair is asked for only if it could weigh less than what is known.
    fn spanning_tree(&self, core: &[f64], alpha: f64) -> Result<Mst> {
        struct Open {
            row: u32,
            from: u32,
            best: f64,
        }
        let mut open: Vec<Open> =
            (1..self.n as u32).map(|row| Open { row, from: 0, best: f64::INFINITY }).collect();
        let mut edges = Vec::with_capacity(open.len());
        let mut taken = 0u32;
        while !open.is_empty() {
            for_each_chunk(&mut open, CHUNK, |_, open| {
                for open in open {
                    let (a, b) = (taken as usize, open.row as usize);
                    let floor = core[a].max(core[b]);
                    if floor >= open.best || self.pairs.lower_bound(a.min(b), a.max(b)) / alpha >= open.best {
                        continue;
                    }
                    let weight = (self.distance(a, b) / alpha).max(floor);
                    if weight < open.best {
                        (open.best, open.from) = (weight, taken);
                    }
                }
            });
            let lightest = (0..open.len())
                .min_by(|&i, &j| open[i].best.total_cmp(&open[j].best).then(open[i].row.cmp(&open[j].row)));
            let Open { row, from, best } = open.swap_remove(lightest.unwrap_or(0));
            edges.push(Edge { a: row.min(from), b: row.max(from), weight: best });
            taken = row;
        }
        self.checked()?;
        Ok(Mst::from_edges(edges))
    }
}

/// The `k` least distances of a sample.
struct Nearest {
    k: usize,
    sorted: Mutex<Vec<f64>>,
    /// Bits of the largest of them, infinite while there are fewer.
    farthest: AtomicU64,
}

impl Nearest {
    fn new(k: usize) -> Self {
        let farthest = AtomicU64::new(f64::INFINITY.to_bits());
        Self { k, sorted: Mutex::new(Vec::with_capacity(k)), farthest }
    }

    fn farthest(&self) -> f64 {
        f64::from_bits(self.farthest.load(Ordering::Relaxed))
    }

    fn add(&self, distance: f64) {
        // It only falls, so a distance that is refused by an old one is refused rightly.
        if distance >= self.farthest() {
            return;
        }
        let mut sorted = self.sorted.lock().unwrap_or_else(PoisonError::into_inner);
        let at = sorted.partition_point(|&d| d <= distance);
        if sorted.len() == self.k {
            if at == self.k {
                return;
            }
            sorted.pop();
        }
        sorted.insert(at, distance);
        if sorted.len() == self.k {
            self.farthest.store(sorted[self.k - 1].to_bits(), Ordering::Relaxed);
        }
    }
}
