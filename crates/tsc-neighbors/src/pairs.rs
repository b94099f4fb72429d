//! Searches with a distance of the caller's: every pair is measured unless its lower bound excludes it.

use crate::index::{Edge, Rows, SpanningTree};
use crate::metric::Distance;
use crate::neighborhoods::Neighbor;
use crate::{error::NeighborError, for_each_chunk};

/// Rows a thread takes at a time.
const CHUNK: usize = 16;
/// Pairs that are tried before anything is built.
const TRIED: usize = 256;

/// Tries a distance on pairs spread over the rows.
pub(crate) fn check(distance: &dyn Distance, rows: Rows<'_>) -> tsc_core::Result<()> {
    let n = rows.n();
    let stride = (n / TRIED).max(1);
    for a in (0..n).step_by(stride).take(TRIED) {
        for b in [a, (a + 1) % n, (a + n / 2) % n] {
            let (there, back) =
                (distance.distance(rows.row(a), rows.row(b)), distance.distance(rows.row(b), rows.row(a)));
            let valid = there.is_finite() && there >= 0.0 && there.to_bits() == back.to_bits();
            if !valid || (a == b && there != 0.0) {
                return Err(NeighborError::BadDistance { a, b, distance: there, back }.into());
            }
        }
    }
    Ok(())
}

/// What is no number is as far as can be; only some pairs were tried.
fn measured(distance: &dyn Distance, a: &[f64], b: &[f64]) -> f64 {
    let distance = distance.distance(a, b);
    if distance.is_nan() { f64::INFINITY } else { distance }
}

/// The k nearest rows of `q` but for `leave_out`, by (distance, row).
pub(crate) fn nearest(
    distance: &dyn Distance,
    rows: Rows<'_>,
    q: &[f64],
    k: usize,
    leave_out: Option<u32>,
    found: &mut Vec<Neighbor>,
) {
    found.clear();
    if k == 0 {
        return;
    }
    for row in (0..rows.n() as u32).filter(|&row| Some(row) != leave_out) {
        let limit = if found.len() < k { f64::INFINITY } else { found[k - 1].distance };
        let values = rows.row(row as usize);
        if distance.lower_bound(q, values) > limit {
            continue;
        }
        let new = Neighbor { row, distance: measured(distance, q, values) };
        // Rows come in ascending order, so one at the limit is behind those found.
        if found.len() < k || new.distance < limit {
            found.truncate(k - 1);
            let at = found.partition_point(|n| n.order(&new).is_lt());
            found.insert(at, new);
        }
    }
}

/// All rows at most `radius` away, by (distance, row).
pub(crate) fn within(
    distance: &dyn Distance,
    rows: Rows<'_>,
    q: &[f64],
    radius: f64,
    found: &mut Vec<Neighbor>,
) {
    found.clear();
    for row in 0..rows.n() as u32 {
        let values = rows.row(row as usize);
        if distance.lower_bound(q, values) <= radius {
            found.push(Neighbor { row, distance: measured(distance, q, values) });
        }
    }
    found.retain(|n| n.distance <= radius);
    found.sort_unstable_by(Neighbor::order);
}

/// Distance of every row to its k-th nearest other row.
pub(crate) fn kth_distances(distance: &dyn Distance, rows: Rows<'_>, k: usize) -> Vec<f64> {
    let mut out = vec![0.0; rows.n()];
    for_each_chunk(&mut out, CHUNK, |first, out| {
        let mut found = Vec::new();
        for (row, out) in (first..).zip(out) {
            nearest(distance, rows, rows.row(row), k, Some(row as u32), &mut found);
            *out = found.last().map_or(0.0, |n| n.distance);
        }
    });
    out
}

/// A row that is not in the tree yet, and its lightest edge into it.
#[derive(Clone, Copy)]
struct Outside {
    row: u32,
    from: u32,
    weight: f64,
}

/// Prim's algorithm: each pair at most once, O(n) memory.
pub(crate) fn spanning_tree(distance: &dyn Distance, rows: Rows<'_>, k: usize, alpha: f64) -> SpanningTree {
    let core = kth_distances(distance, rows, k);
    let n = rows.n();
    let mut outside: Vec<Outside> =
        (1..n as u32).map(|row| Outside { row, from: 0, weight: f64::INFINITY }).collect();
    let mut edges = Vec::with_capacity(n - 1);
    let mut current = 0u32;
    while !outside.is_empty() {
        let (values, own_core) = (rows.row(current as usize), core[current as usize]);
        for_each_chunk(&mut outside, CHUNK * 16, |_, outside| {
            for end in outside {
                let least = own_core.max(core[end.row as usize]);
                let other = rows.row(end.row as usize);
                if least < end.weight && distance.lower_bound(values, other) / alpha < end.weight {
                    let weight = least.max(measured(distance, values, other) / alpha);
                    if weight < end.weight {
                        (end.weight, end.from) = (weight, current);
                    }
                }
            }
        });
        let lightest = (0..outside.len())
            .reduce(|a, b| if outside[b].weight < outside[a].weight { b } else { a })
            .unwrap_or(0);
        let Outside { row, from, weight } = outside.swap_remove(lightest);
        edges.push(Edge { a: row.min(from), b: row.max(from), weight });
        current = row;
    }
    SpanningTree { core_distances: core, edges }
}
