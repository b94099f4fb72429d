use tsc_core::{Features, Label, Result};
use tsc_neighbors::for_each_chunk;

use super::groups::Groups;
use super::lanes::{LANES, Lanes};

/// Samples a thread takes at a time.
const BLOCK: usize = 32;

/// Density-based cluster validity, -1 to 1; `None` below two clusters.
///
/// Noise counts in the total, so more noise lowers the score. Euclidean; powers of the distance are taken
/// relative to the nearest neighbour, so no width overflows. The tree inside a cluster is far from unique;
/// ties are broken by weight, then the denser end, then the distance, then the rows, so the value does not
/// depend on the order of the samples, and those of other implementations differ.
/// O(n² d) time for n clustered samples, O(n) memory; [`quality`](crate::quality) leaves it out above
/// `dbcv_max_rows`.
///
/// # Errors
///
/// `InvalidData` if `labels.len() != x.n_samples()`, or a squared distance would overflow.
///
/// # Examples
///
/// ```
/// use tsc_cluster::{Features, Label, dbcv};
/// // Two pairs: each is as sparse as its pair is wide (1), and 9 from the other.
/// let x = Features::new(&[0.0, 1.0, 10.0, 11.0], 1)?;
/// let score = dbcv(x, &Label::from_ids(&[0, 0, 1, 1]))?.unwrap();
/// assert!((score - 0.9).abs() < 1e-12); // (10 - 1) / 10: of each pair, the first sample stands for it
/// # Ok::<(), tsc_cluster::Error>(())
/// ```
///
/// Source: Moulavi et al., SIAM SDM 2014.
#[doc(alias = "validity_index")]
pub fn dbcv(x: Features<'_>, labels: &[Label]) -> Result<Option<f64>> {
    Ok(of_groups(&Groups::of(x, labels)?, labels.len()))
}

/// The score of samples that were grouped already; `n_samples` counts noise too.
pub(crate) fn of_groups(groups: &Groups, n_samples: usize) -> Option<f64> {
    if groups.sizes().len() < 2 {
        return None;
    }
    let ranges = groups.ranges();
    let mut clusters: Vec<Option<Inside>> = vec![None; ranges.len()];
    for_each_chunk(&mut clusters, 1, |first, clusters| {
        for (cluster, range) in clusters.iter_mut().zip(&ranges[first..]) {
            *cluster = Some(Inside::of(groups.rows(range.clone()), groups.n_features()));
        }
    });
    let clusters: Vec<Inside> = clusters.into_iter().flatten().collect();
    let separations = separations(&clusters);
    let mut total = 0.0;
    for ((cluster, &size), &apart) in clusters.iter().zip(groups.sizes()).zip(&separations) {
        let larger = f64::max(apart, cluster.sparseness);
        let score = if larger > 0.0 { (apart - cluster.sparseness) / larger } else { 0.0 };
        total += size as f64 / n_samples as f64 * score;
    }
    Some(total)
}

/// Inner rows of a cluster's tree, and its weakest inner edge.
#[derive(Clone, Debug)]
struct Inside {
    /// Rows with more than one edge, row-major; the densest row if there is none.
    values: Vec<f64>,
    core: Vec<f64>,
    sparseness: f64,
    n_features: usize,
}

#[derive(Clone, Copy, Debug)]
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
        if self.weight != other.weight {
            return self.weight < other.weight;
        }
        let order = self.denser.total_cmp(&other.denser).then(self.distance.total_cmp(&other.distance));
        order.then((self.low, self.high).cmp(&(other.low, other.high))).is_lt()
    }
}

impl Inside {
    fn of(values: &[f64], n_features: usize) -> Self {
        let n = values.len() / n_features;
        if n == 1 {
            return Self { values: values.to_vec(), core: vec![0.0], sparseness: 0.0, n_features };
        }
        let lanes = Lanes::of(values, n_features);
        let core = core_distances(values, &lanes, n_features);
        let edges = least_tree(values, lanes, &core, n_features);
        let mut degree = vec![0u32; n];
        for e in &edges {
            degree[e.low as usize] += 1;
            degree[e.high as usize] += 1;
        }
        let mut inner: Vec<usize> = (0..n).filter(|&i| degree[i] > 1).collect();
        if inner.is_empty() {
            inner.extend((0..n).min_by(|&a, &b| core[a].total_cmp(&core[b]).then(a.cmp(&b))));
        }
        let heaviest = |edges: &mut dyn Iterator<Item = &Edge>| edges.map(|e| e.weight).reduce(f64::max);
        let is_inner = |e: &&Edge| degree[e.low as usize] > 1 && degree[e.high as usize] > 1;
        let sparseness =
            heaviest(&mut edges.iter().filter(is_inner)).or(heaviest(&mut edges.iter())).unwrap_or(0.0);
        let row = |i: usize| &values[i * n_features..(i + 1) * n_features];
        Self {
            values: inner.iter().flat_map(|&i| row(i).iter().copied()).collect(),
            core: inner.iter().map(|&i| core[i]).collect(),
            sparseness,
            n_features,
        }
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.n_features..(i + 1) * self.n_features]
    }
}

/// All-points core distance: `(mean of distance^-d)^(-1/d)`, zero distances left out of the sum.
fn core_distances(values: &[f64], lanes: &Lanes, d: usize) -> Vec<f64> {
    let n = lanes.n_rows();
    let mut core = vec![0.0; n];
    for_each_chunk(&mut core, BLOCK, |first, core| {
        let mut squares = vec![0.0; lanes.n_chunks() * LANES];
        for (row, core) in values[first * d..].chunks_exact(d).zip(core) {
            for (chunk, out) in squares.as_chunks_mut().0.iter_mut().enumerate() {
                *out = lanes.squares(chunk, row);
            }
            *core = core_distance(&squares[..n], d);
        }
    });
    core
}

/// From the squared distances to all rows of the cluster, itself among them.
fn core_distance(squares: &[f64], d: usize) -> f64 {
    let nearest = squares.iter().copied().filter(|&s| s > 0.0).fold(f64::INFINITY, f64::min);
    if nearest == f64::INFINITY {
        return 0.0;
    }
    let n = squares.len();
    // Whole numbers add up to the same sum in any order, so the order of the samples has no say. The
    // largest term is 1, and n of them fit.
    let unit = 2f64.powi(62 - n.ilog2() as i32);
    let mut sum = 0u64;
    for squares in squares.chunks(LANES) {
        // A distance of 0 gives an infinite ratio, which is left out; a filled up lane likewise.
        let mut ratios = [0.0; LANES];
        for (ratio, &square) in ratios.iter_mut().zip(squares) {
            *ratio = if square > 0.0 { nearest / square } else { 0.0 };
        }
        for power in half_powers(ratios, d) {
            sum += (power * unit) as u64;
        }
    }
    let mean = sum as f64 / unit / (n - 1) as f64;
    nearest.sqrt() * mean.powf(-1.0 / d as f64)
}

/// `ratio^(d / 2)` of eight ratios, by squaring.
fn half_powers(ratios: [f64; LANES], d: usize) -> [f64; LANES] {
    let mut powers = if d % 2 == 1 { ratios.map(f64::sqrt) } else { [1.0; LANES] };
    let mut squared = ratios;
    let mut left = d / 2;
    while left > 0 {
        if left % 2 == 1 {
            powers.iter_mut().zip(squared).for_each(|(power, s)| *power *= s);
        }
        squared.iter_mut().for_each(|s| *s *= *s);
        left /= 2;
    }
    powers
}

/// Prim on the total order of edges.
fn least_tree(values: &[f64], mut lanes: Lanes, core: &[f64], d: usize) -> Vec<Edge> {
    let n = core.len();
    let mut rows: Vec<u32> = (0..n as u32).collect();
    let mut best = vec![Edge::NONE; n];
    let mut position = 0;
    let mut edges = Vec::with_capacity(n - 1);
    while rows.len() > 1 {
        let current = rows.swap_remove(position);
        best.swap_remove(position);
        lanes.swap_remove(position);
        let row = &values[current as usize * d..(current as usize + 1) * d];
        position = 0;
        let mut least = Edge::NONE;
        for (chunk, (rows, best)) in rows.chunks(LANES).zip(best.chunks_mut(LANES)).enumerate() {
            let squares = lanes.squares(chunk, row);
            for (lane, (&other, best)) in rows.iter().zip(best).enumerate() {
                let (a, b, distance) = (core[current as usize], core[other as usize], squares[lane].sqrt());
                let edge = Edge {
                    weight: a.max(b).max(distance),
                    denser: a.min(b),
                    distance,
                    low: current.min(other),
                    high: current.max(other),
                };
                if edge.below(best) {
                    *best = edge;
                }
                if best.below(&least) {
                    (least, position) = (*best, chunk * LANES + lane);
                }
            }
        }
        edges.push(least);
    }
    edges
}

/// Least mutual reachability of each cluster's inner rows to those of any other.
fn separations(clusters: &[Inside]) -> Vec<f64> {
    let lanes: Vec<Lanes> = clusters.iter().map(|c| Lanes::of(&c.values, c.n_features)).collect();
    let inner: Vec<(usize, usize)> =
        clusters.iter().enumerate().flat_map(|(a, c)| (0..c.core.len()).map(move |i| (a, i))).collect();
    let mut blocks = vec![vec![f64::INFINITY; clusters.len()]; inner.len().div_ceil(BLOCK)];
    for_each_chunk(&mut blocks, 1, |first, blocks| {
        for (least, block) in blocks.iter_mut().zip(inner[first * BLOCK..].chunks(BLOCK)) {
            for &(a, i) in block {
                for b in a + 1..clusters.len() {
                    let apart = reach(&lanes[b], &clusters[b].core, clusters[a].row(i));
                    let apart = apart.max(clusters[a].core[i]);
                    least[a] = least[a].min(apart);
                    least[b] = least[b].min(apart);
                }
            }
        }
    });
    let least = |cluster: usize| blocks.iter().map(|b| b[cluster]).fold(f64::INFINITY, f64::min);
    (0..clusters.len()).map(least).collect()
}

/// Least of `max(distance, core)` over the rows of a cluster.
fn reach(lanes: &Lanes, core: &[f64], row: &[f64]) -> f64 {
    let mut least = [f64::INFINITY; LANES];
    for (chunk, core) in core.chunks(LANES).enumerate() {
        let squares = lanes.squares(chunk, row);
        for ((least, square), &core) in least.iter_mut().zip(squares).zip(core) {
            *least = least.min(square.sqrt().max(core));
        }
    }
    least.into_iter().fold(f64::INFINITY, f64::min)
}
