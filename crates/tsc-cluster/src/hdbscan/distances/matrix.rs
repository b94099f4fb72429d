//! A matrix that is there: Prim's algorithm on its rows, without a copy.

use tsc_core::Result;
use tsc_neighbors::for_each_chunk;

use super::super::mst::{DistanceRows, Mst, prim};
use super::super::params::HdbscanParams;
use super::{bad_value, differ};
use crate::error::ClusterError;

/// Rows a thread takes at a time.
const CHUNK: usize = 16;
/// Width of a tile: it and its mirror image stay in cache.
const TILE: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    values: &'a [f64],
    n: usize,
    layout: Layout,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    /// All of it, both triangles with the same bits: a row lies together.
    Symmetric,
    /// All of it, of which the upper triangle decides.
    Upper,
    /// The upper triangle alone.
    Triangle,
}

/// What a stretch of rows has to tell: the first bad cell, and whether the triangles have the same bits.
#[derive(Clone, Copy)]
struct Seen {
    bad: Option<(usize, usize, &'static str)>,
    symmetric: bool,
}

impl<'a> Matrix<'a> {
    pub(crate) fn square(values: &'a [f64], n: usize) -> Result<Self> {
        check_count(values, n, n.checked_mul(n))?;
        let mut seen = vec![Seen { bad: None, symmetric: true }; n.div_ceil(TILE)];
        for_each_chunk(&mut seen, 1, |first, seen| seen[0] = see_square(values, n, first * TILE));
        let symmetric = seen.iter().all(|s| s.symmetric);
        first_bad(&seen)?;
        Ok(Self { values, n, layout: if symmetric { Layout::Symmetric } else { Layout::Upper } })
    }

    pub(crate) fn triangle(values: &'a [f64], n: usize) -> Result<Self> {
        check_count(values, n, n.checked_mul(n.saturating_sub(1)).map(|v| v / 2))?;
        let out = Self { values, n, layout: Layout::Triangle };
        let bad = |(at, &v): (usize, &f64)| bad_value(v).map(|problem| (at, problem));
        if let Some((at, problem)) = values.iter().enumerate().find_map(bad) {
            let row = (0..n).rev().find(|&row| out.start(row) <= at).unwrap_or(0);
            return Err(ClusterError::Distance { row, column: at - out.start(row) + row + 1, problem }.into());
        }
        Ok(out)
    }

    /// Position of the first distance of a row in the upper triangle.
    fn start(&self, row: usize) -> usize {
        row * self.n - row * (row + 1) / 2
    }

    /// Distance between two different samples.
    fn between(&self, a: usize, b: usize) -> f64 {
        let (low, high) = (a.min(b), a.max(b));
        match self.layout {
            Layout::Symmetric => self.values[a * self.n + b],
            Layout::Upper => self.values[low * self.n + high],
            Layout::Triangle => self.values[self.start(low) + (high - low - 1)],
        }
    }

    pub(crate) fn measure(&self, params: &HdbscanParams) -> Result<(Vec<f64>, Mst)> {
        params.check_samples(self.n)?;
        let core = self.core_distances(params.neighbors(self.n));
        let mut rows = Rows { matrix: *self, rows: (0..self.n as u32).collect(), taken: 0 };
        let mst = prim(&mut rows, &core, params.alpha);
        Ok((core, mst))
    }

    fn core_distances(&self, k: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.n];
        for_each_chunk(&mut out, CHUNK, |first, out| {
            let (mut above, mut least) = (Vec::with_capacity(self.n), Vec::with_capacity(2 * k));
            for (a, out) in (first..).zip(out) {
                let (before, after) = self.row(a, &mut above);
                *out = kth_smallest(before.iter().chain(after).copied(), k, &mut least);
            }
        });
        out
    }

    /// Distances of a sample to those before and after it; `above` holds what does not lie together.
    fn row<'r>(&'r self, a: usize, above: &'r mut Vec<f64>) -> (&'r [f64], &'r [f64]) {
        let n = self.n;
        if self.layout == Layout::Symmetric {
            let own = &self.values[a * n..(a + 1) * n];
            return (&own[..a], &own[a + 1..]);
        }
        above.clear();
        above.extend((0..a).map(|b| self.between(b, a)));
        let first = match self.layout {
            Layout::Triangle => self.start(a),
            _ => a * n + a + 1,
        };
        (above, &self.values[first..first + (n - a - 1)])
    }
}

/// In one pass: what is above the k-th smallest of those seen so far is left out.
fn kth_smallest(values: impl Iterator<Item = f64>, k: usize, least: &mut Vec<f64>) -> f64 {
    least.clear();
    let mut bound = f64::INFINITY;
    for value in values {
        if value <= bound {
            least.push(value);
            if least.len() == 2 * k {
                bound = *least.select_nth_unstable_by(k - 1, f64::total_cmp).1;
                least.truncate(k);
            }
        }
    }
    *least.select_nth_unstable_by(k - 1, f64::total_cmp).1
}

fn check_count(values: &[f64], n: usize, expected: Option<usize>) -> Result<()> {
    if expected == Some(values.len()) && n < u32::MAX as usize {
        return Ok(());
    }
    let expected = expected.unwrap_or(usize::MAX);
    Err(ClusterError::DistanceCount { got: values.len(), n_samples: n, expected }.into())
}

fn first_bad(seen: &[Seen]) -> Result<()> {
    match seen.iter().find_map(|s| s.bad) {
        Some((row, column, problem)) => Err(ClusterError::Distance { row, column, problem }.into()),
        None => Ok(()),
    }
}

/// Looks at the rows of one tile and all columns from the diagonal on.
fn see_square(values: &[f64], n: usize, top: usize) -> Seen {
    let mut seen = Seen { bad: None, symmetric: true };
    let rows = top..n.min(top + TILE);
    for left in (top..n).step_by(TILE) {
        for row in rows.clone() {
            for column in left.max(row)..n.min(left + TILE) {
                let (above, below) = (values[row * n + column], values[column * n + row]);
                let problem = if row == column {
                    (above != 0.0).then_some("not 0 on the diagonal")
                } else {
                    let problem = bad_value(above).or(bad_value(below));
                    problem.or(differ(above, below).then_some("not the same in both triangles"))
                };
                seen.symmetric &= above.to_bits() == below.to_bits();
                if let Some(problem) =
                    problem.filter(|_| seen.bad.is_none_or(|(r, c, _)| (row, column) < (r, c)))
                {
                    seen.bad = Some((row, column, problem));
                }
            }
        }
    }
    seen
}

/// A matrix read in the order Prim visits the samples.
#[derive(Debug)]
struct Rows<'a> {
    matrix: Matrix<'a>,
    rows: Vec<u32>,
    taken: usize,
}

impl DistanceRows for Rows<'_> {
    fn rows(&self) -> &[u32] {
        &self.rows
    }

    fn take(&mut self, position: usize) {
        self.taken = self.rows.swap_remove(position) as usize;
    }

    fn distances_from_taken(&self, out: &mut [f64]) {
        let matrix = self.matrix;
        if matrix.layout == Layout::Symmetric {
            let own = &matrix.values[self.taken * matrix.n..(self.taken + 1) * matrix.n];
            out.iter_mut().zip(&self.rows).for_each(|(out, &row)| *out = own[row as usize]);
            return;
        }
        for (out, &row) in out.iter_mut().zip(&self.rows) {
            *out = matrix.between(self.taken, row as usize);
        }
    }
}
