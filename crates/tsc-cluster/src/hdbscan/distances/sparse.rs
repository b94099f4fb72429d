//! A sparse matrix: Kruskal's algorithm on the distances that are known.

use tsc_core::Result;

use super::super::disjoint_sets::DisjointSets;
use super::super::mst::{Edge, Mst};
use super::super::params::HdbscanParams;
use super::{bad_value, differ};
use crate::error::ClusterError;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sparse<'a> {
    starts: &'a [usize],
    columns: &'a [u32],
    values: &'a [f64],
}

impl<'a> Sparse<'a> {
    pub(crate) fn new(starts: &'a [usize], columns: &'a [u32], values: &'a [f64]) -> Result<Self> {
        let out = Self { starts, columns, values };
        if let Some(problem) = out.bad_layout() {
            return Err(ClusterError::SparseLayout { problem }.into());
        }
        for row in 0..out.n() {
            for (column, value) in out.row(row) {
                if let Some(problem) = out.bad_cell(row, column, value) {
                    return Err(ClusterError::Distance { row, column, problem }.into());
                }
            }
        }
        Ok(out)
    }

    fn n(&self) -> usize {
        self.starts.len() - 1
    }

    fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.starts[row]..self.starts[row + 1];
        self.columns[range.clone()].iter().map(|&c| c as usize).zip(self.values[range].iter().copied())
    }

    fn bad_layout(&self) -> Option<String> {
        let (starts, columns, values) = (self.starts, self.columns.len(), self.values.len());
        if columns != values {
            return Some(format!("{columns} columns for {values} values"));
        }
        if starts.first() != Some(&0) || starts.last() != Some(&values) {
            return Some(format!("starts must run from 0 to the number of values, {values}"));
        }
        let n = self.n();
        if n >= u32::MAX as usize {
            return Some(format!("{n} samples are more than {}", u32::MAX - 1));
        }
        if let Some(row) = (0..n).find(|&row| starts[row] > starts[row + 1]) {
            return Some(format!("row {row} ends before it starts"));
        }
        for row in 0..n {
            let columns = &self.columns[starts[row]..starts[row + 1]];
            if let Some(c) = columns.iter().find(|&&c| c as usize >= n) {
                return Some(format!("row {row} names sample {c} of {n}"));
            }
            if let Some(pair) = columns.windows(2).find(|w| w[0] >= w[1]) {
                return Some(format!("row {row} names sample {} after {}, must ascend", pair[1], pair[0]));
            }
        }
        None
    }

    fn bad_cell(&self, row: usize, column: usize, value: f64) -> Option<&'static str> {
        if row == column {
            return (value != 0.0).then_some("not 0 on the diagonal");
        }
        let range = self.starts[column]..self.starts[column + 1];
        let mirrored = self.columns[range.clone()].binary_search(&(row as u32)).ok();
        let differs = mirrored.is_none_or(|at| differ(value, self.values[range.start + at]));
        bad_value(value).or(differs.then_some("not the same in both triangles"))
    }

    /// O(m log m) time for m distances, 8 B for each, and 16 B for each edge.
    pub(crate) fn measure(&self, params: &HdbscanParams) -> Result<(Vec<f64>, Mst)> {
        let n = self.n();
        params.check_samples(n)?;
        let core = self.core_distances(params.neighbors(n));
        let mut edges = Vec::with_capacity(self.values.len() / 2);
        for a in 0..n {
            for (b, distance) in self.row(a).filter(|&(b, _)| b > a) {
                let weight = (distance / params.alpha).max(core[a]).max(core[b]);
                if weight.is_finite() {
                    edges.push(Edge { a: a as u32, b: b as u32, weight });
                }
            }
        }
        edges.sort_unstable_by(|x, y| x.weight.total_cmp(&y.weight).then((x.a, x.b).cmp(&(y.a, y.b))));
        let mut sets = DisjointSets::new(n);
        edges.retain(|edge| sets.join(edge.a, edge.b));
        edges.shrink_to_fit();
        let apart = (1..n as u32).filter(|&b| sets.join(0, b));
        edges.extend(apart.map(|b| Edge { a: 0, b, weight: f64::INFINITY }));
        Ok((core, Mst::from_edges(edges)))
    }

    /// Infinite where fewer than `k` distances are known. Of a pair the upper triangle decides, so that
    /// both samples see one distance.
    fn core_distances(&self, k: usize) -> Vec<f64> {
        let mut known = Vec::new();
        let mut core = |row: usize| {
            known.clear();
            known.extend(self.row(row).filter(|&(c, _)| c != row).map(|(c, v)| self.deciding(row, c, v)));
            if known.len() < k {
                return f64::INFINITY;
            }
            *known.select_nth_unstable_by(k - 1, f64::total_cmp).1
        };
        (0..self.n()).map(&mut core).collect()
    }

    fn deciding(&self, row: usize, column: usize, value: f64) -> f64 {
        if row < column {
            return value;
        }
        let range = self.starts[column]..self.starts[column + 1];
        let at = self.columns[range.clone()].binary_search(&(row as u32));
        at.map_or(value, |at| self.values[range.start + at])
    }
}
