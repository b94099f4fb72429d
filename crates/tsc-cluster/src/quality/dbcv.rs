use tsc_core::{Features, Label, Result};
use tsc_neighbors::{ColumnSet, Metric};

use super::Groups;

/// Density-based cluster validity, -1 to 1; `None` below two clusters.
///
/// Noise counts in the total, so more noise lowers the score. Euclidean; powers are taken as
/// logarithms, so no width overflows. The tree inside a cluster is far from unique; ties are broken by
/// weight, then the denser end, then the distance, then the rows, so values of other implementations
/// differ. O(n² d) time, O(n) memory.
///
/// # Errors
///
/// `InvalidData` if `labels.len() != x.n_samples()`, or a distance would overflow.
///
/// Source: Moulavi et al., SIAM SDM 2014.
pub fn dbcv(x: Features<'_>, labels: &[Label]) -> Result<Option<f64>> {
    let groups = Groups::of(x, labels)?;
    if groups.sizes.len() < 2 {
        return Ok(None);
    }
    let d = groups.n_features;
    let mut clusters = Vec::new();
    for range in groups.starts().windows(2) {
        clusters.push(Inside::of(Features::new(&groups.values[range[0] * d..range[1] * d], d)?)?);
    }
    let separation = separations(&clusters, d)?;
    let mut total = 0.0;
    for ((cluster, &size), &apart) in clusters.iter().zip(&groups.sizes).zip(&separation) {
        let larger = f64::max(apart, cluster.sparseness);
        let score = if larger > 0.0 { (apart - cluster.sparseness) / larger } else { 0.0 };
        total += size as f64 / labels.len() as f64 * score;
    }
    Ok(Some(total))
}

/// Inner rows of a cluster's tree, and its weakest inner edge.
struct Inside {
    /// Rows with more than one edge, row-major; the densest row if there is none.
    values: Vec<f64>,
    core: Vec<f64>,
    sparseness: f64,
}

#[derive(Clone, Copy, PartialEq)]
struct Edge {
    weight: f64,
    denser: f64,
    distance: f64,
    low: u32,
    high: u32,
}

impl Edge {
    const NONE: Edge = Edge {
        weight: f64::INFINITY,
        denser: f64::INFINITY,
        distance: f64::INFINITY,
        low: u32::MAX,
        high: u32::MAX,
    };

    /// A total order, so that exactly one tree is the least.
    fn below(&self, other: &Edge) -> bool {
        let keys = |e: &Edge| (e.weight, e.denser, e.distance);
        keys(self)
            .partial_cmp(&keys(other))
            .is_none_or(|o| o.then((self.low, self.high).cmp(&(other.low, other.high))).is_lt())
    }
}

impl Inside {
    fn of(x: Features<'_>) -> Result<Self> {
        let n = x.n_samples();
        if n == 1 {
            return Ok(Self { values: x.as_slice().to_vec(), core: vec![0.0], sparseness: 0.0 });
        }
        let core = core_distances(x)?;
        let edges = least_tree(x, &core)?;
        let mut degree = vec![0u32; n];
        for e in &edges {
            degree[e.low as usize] += 1;
            degree[e.high as usize] += 1;
        }
        let mut inner: Vec<usize> = (0..n).filter(|&i| degree[i] > 1).collect();
        if inner.is_empty() {
            let densest = (0..n).min_by(|&a, &b| core[a].total_cmp(&core[b]).then(a.cmp(&b)));
            inner.extend(densest);
        }
        let is_inner = |e: &&Edge| degree[e.low as usize] > 1 && degree[e.high as usize] > 1;
        let heaviest = |edges: &mut dyn Iterator<Item = &Edge>| {
            edges.map(|e| e.weight).fold(None, |m: Option<f64>, w| Some(m.map_or(w, |m| m.max(w))))
        };
        let sparseness =
            heaviest(&mut edges.iter().filter(is_inner)).or(heaviest(&mut edges.iter())).unwrap_or(0.0);
        Ok(Self {
            values: inner.iter().flat_map(|&i| x.row(i).iter().copied()).collect(),
            core: inner.iter().map(|&i| core[i]).collect(),
            sparseness,
        })
    }
}

/// All-points core distance: `(mean of distance^-d)^(-1/d)`, zero distances left out of the sum.
fn core_distances(x: Features<'_>) -> Result<Vec<f64>> {
    let (n, d) = (x.n_samples(), x.n_features() as f64);
    let columns = ColumnSet::new(x, &Metric::Euclidean)?;
    let mut logs = vec![0.0; n];
    let one = |row: &[f64]| {
        columns.distances_into(row, &mut logs);
        logs.iter_mut().for_each(|v| *v = if *v > 0.0 { -d * v.ln() } else { f64::NEG_INFINITY });
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return 0.0;
        }
        let sum: f64 = logs.iter().map(|v| (v - largest).exp()).sum();
        (-(sum.ln() + largest - (n as f64 - 1.0).ln()) / d).exp()
    };
    Ok(x.rows().map(one).collect())
}

/// Prim on the total order of edges.
fn least_tree(x: Features<'_>, core: &[f64]) -> Result<Vec<Edge>> {
    let n = x.n_samples();
    let mut columns = ColumnSet::new(x, &Metric::Euclidean)?;
    let mut best = vec![Edge::NONE; n];
    let mut distances = vec![0.0; n];
    let (mut current, mut position) = (0u32, 0);
    let mut edges = Vec::with_capacity(n - 1);
    for rest in (1..n).rev() {
        let values = columns.take(position);
        best.swap_remove(position);
        let distances = &mut distances[..rest];
        columns.distances_into(&values, distances);
        position = 0;
        for (j, (&row, &distance)) in columns.rows().iter().zip(distances.iter()).enumerate() {
            let (a, b) = (core[current as usize], core[row as usize]);
            let edge = Edge {
                weight: a.max(b).max(distance),
                denser: a.min(b),
                distance,
                low: current.min(row),
                high: current.max(row),
            };
            if edge.below(&best[j]) {
                best[j] = edge;
            }
            if best[j].below(&best[position]) {
                position = j;
            }
        }
        current = columns.rows()[position];
        edges.push(best[position]);
    }
    Ok(edges)
}

/// Least mutual reachability of each cluster's inner rows to those of any other.
fn separations(clusters: &[Inside], d: usize) -> Result<Vec<f64>> {
    let mut least = vec![f64::INFINITY; clusters.len()];
    let mut distances = Vec::new();
    for (b, other) in clusters.iter().enumerate() {
        let columns = ColumnSet::new(Features::new(&other.values, d)?, &Metric::Euclidean)?;
        distances.resize(other.core.len(), 0.0);
        for (a, cluster) in clusters[..b].iter().enumerate() {
            for (row, &core) in cluster.values.chunks_exact(d).zip(&cluster.core) {
                columns.distances_into(row, &mut distances);
                for (&distance, &other_core) in distances.iter().zip(&other.core) {
                    let apart = distance.max(core).max(other_core);
                    least[a] = least[a].min(apart);
                    least[b] = least[b].min(apart);
                }
            }
        }
    }
    Ok(least)
}
