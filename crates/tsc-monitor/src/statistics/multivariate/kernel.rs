use fastrand::Rng;
use serde::{Deserialize, Serialize};
use tsc_core::{Features, Result};

use super::{enough, same_width};
use crate::detectors::parameter;

/// Squared maximum mean discrepancy with the kernel exp(-gamma |x - y|^2).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mmd {
    /// With each row beside itself; at least 0.
    pub biased: f64,
    /// Without; 0 on average without a change, and may be negative.
    pub unbiased: f64,
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

fn pairs(first: Features<'_>, second: Features<'_>, value: impl Fn(f64) -> f64) -> f64 {
    let mut sum = 0.0;
    for a in first.rows() {
        sum += second.rows().map(|b| value(squared_distance(a, b))).sum::<f64>();
    }
    sum
}

/// Squared maximum mean discrepancy of two matrices.
///
/// `gamma` is usually 1 / (2 median^2) with [`median_distance`]. O((n + m)^2 d) time, no memory.
///
/// # Errors
///
/// `InvalidData` if the widths differ or a matrix has fewer than two rows; `InvalidConfig` if `gamma` is
/// not finite and above 0.
///
/// # Examples
///
/// ```
/// use tsc_core::Features;
/// let (a, b) = ([0.0, 0.0], [1.0, 1.0]);
/// let mmd = tsc_monitor::statistics::mmd(Features::new(&a, 1)?, Features::new(&b, 1)?, 1.0)?;
/// assert!((mmd.unbiased - (2.0 - 2.0 * (-1.0_f64).exp())).abs() < 1e-12);
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: Gretton et al., J. Mach. Learn. Res. 13 (2012), 723-773.
pub fn mmd(first: Features<'_>, second: Features<'_>, gamma: f64) -> Result<Mmd> {
    same_width(first, second)?;
    enough("maximum mean discrepancy", first, 2)?;
    enough("maximum mean discrepancy", second, 2)?;
    parameter(gamma > 0.0 && gamma.is_finite(), "gamma", gamma, "be finite and above 0")?;
    let kernel = |square: f64| (-gamma * square).exp();
    let (n, m) = (first.n_samples() as f64, second.n_samples() as f64);
    let own = [pairs(first, first, kernel), pairs(second, second, kernel)];
    let between = 2.0 * pairs(first, second, kernel) / (n * m);
    Ok(Mmd {
        biased: own[0] / (n * n) + own[1] / (m * m) - between,
        unbiased: (own[0] - n) / (n * (n - 1.0)) + (own[1] - m) / (m * (m - 1.0)) - between,
    })
}

/// p-value of the unbiased [`mmd`] under exchange of blocks of rows: (1 + exceeded) / (1 + permutations).
///
/// Rows are cut into blocks of `block` neighbours, so that rows of one patient, or of one time, move
/// together; 1 exchanges single rows. Seeded. O((n + m)^2 (d + permutations)) time, O((n + m)^2)
/// memory for the kernel.
///
/// # Errors
///
/// As [`mmd`]; `InvalidConfig` if `block` is 0 or leaves fewer than four blocks, or `permutations` lies
/// outside 1..=100,000.
///
/// # Examples
///
/// ```
/// use tsc_core::Features;
/// use tsc_monitor::statistics::mmd_permutation_p;
/// let a: Vec<f64> = (0..20).map(|i| f64::from(i % 5)).collect();
/// let b: Vec<f64> = a.iter().map(|v| v + 3.0).collect();
/// let p = mmd_permutation_p(Features::new(&a, 1)?, Features::new(&b, 1)?, 0.1, 1, 99, 7)?;
/// assert_eq!(p, 0.01);
/// # Ok::<(), tsc_core::Error>(())
/// ```
pub fn mmd_permutation_p(
    first: Features<'_>,
    second: Features<'_>,
    gamma: f64,
    block: usize,
    permutations: usize,
    seed: u64,
) -> Result<f64> {
    mmd(first, second, gamma)?;
    let (n, m) = (first.n_samples(), second.n_samples());
    let total = n + m;
    let blocks = total.checked_div(block).map_or(0, |_| n.div_ceil(block) + m.div_ceil(block));
    parameter(blocks >= 4, "block", block as f64, "be at least 1 and leave four blocks")?;
    let usable = (1..=100_000).contains(&permutations);
    parameter(usable, "permutations", permutations as f64, "lie in 1..=100,000")?;
    let rows: Vec<&[f64]> = first.rows().chain(second.rows()).collect();
    let mut kernel = vec![0.0; total * total];
    for i in 0..total {
        for j in 0..i {
            let value = (-gamma * squared_distance(rows[i], rows[j])).exp();
            kernel[i * total + j] = value;
            kernel[j * total + i] = value;
        }
    }
    let statistic = |is_first: &[bool]| {
        let count = is_first.iter().filter(|it| **it).count() as f64;
        let (mut own, mut other, mut between) = (0.0, 0.0, 0.0);
        for i in 0..total {
            for j in 0..i {
                match (is_first[i], is_first[j]) {
                    (true, true) => own += kernel[i * total + j],
                    (false, false) => other += kernel[i * total + j],
                    _ => between += kernel[i * total + j],
                }
            }
        }
        let rest = total as f64 - count;
        2.0 * own / (count * (count - 1.0)) + 2.0 * other / (rest * (rest - 1.0))
            - 2.0 * between / (count * rest)
    };
    let cut = |from: usize, to: usize| (from..to).step_by(block).map(move |i| i..(i + block).min(to));
    let mut order: Vec<_> = cut(0, n).chain(cut(n, total)).collect();
    let mut is_first = vec![false; total];
    is_first[..n].fill(true);
    let seen = statistic(&is_first);
    let mut rng = Rng::with_seed(seed);
    let mut exceeded = 0;
    for _ in 0..permutations {
        rng.shuffle(&mut order);
        is_first.fill(false);
        let mut taken = 0;
        for rows in &order {
            // The last block may be cut, so that both sides keep their sizes.
            let rows = rows.start..rows.end.min(rows.start + (n - taken));
            taken += rows.len();
            is_first[rows].fill(true);
            if taken == n {
                break;
            }
        }
        exceeded += usize::from(statistic(&is_first) >= seen);
    }
    Ok((1 + exceeded) as f64 / (1 + permutations) as f64)
}

/// Median distance between distinct rows of both matrices together. O((n + m)^2 (d + log)) time,
/// O((n + m)^2) memory.
///
/// # Errors
///
/// `InvalidData` if the widths differ.
///
/// # Examples
///
/// ```
/// use tsc_core::Features;
/// let (a, b) = ([0.0, 1.0], [3.0]);
/// let median = tsc_monitor::statistics::median_distance(Features::new(&a, 1)?, Features::new(&b, 1)?)?;
/// assert_eq!(median, 2.0); // of 1, 2, 3
/// # Ok::<(), tsc_core::Error>(())
/// ```
pub fn median_distance(first: Features<'_>, second: Features<'_>) -> Result<f64> {
    same_width(first, second)?;
    let rows: Vec<&[f64]> = first.rows().chain(second.rows()).collect();
    let mut distances = Vec::with_capacity(rows.len() * (rows.len() - 1) / 2);
    for (i, a) in rows.iter().enumerate() {
        distances.extend(rows[..i].iter().map(|b| squared_distance(a, b).sqrt()));
    }
    distances.sort_unstable_by(f64::total_cmp);
    let half = distances.len() / 2;
    Ok(if distances.len() % 2 == 1 {
        distances[half]
    } else {
        f64::midpoint(distances[half - 1], distances[half])
    })
}

/// Energy distance of two matrices: twice the mean distance between them less the mean within each.
///
/// With each row beside itself, so at least 0. O((n + m)^2 d) time, no memory.
///
/// # Errors
///
/// `InvalidData` if the widths differ.
///
/// # Examples
///
/// ```
/// use tsc_core::Features;
/// let (a, b) = ([0.0], [3.0]);
/// let energy = tsc_monitor::statistics::energy_multivariate(Features::new(&a, 1)?, Features::new(&b, 1)?)?;
/// assert_eq!(energy, 6.0);
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: Szekely, Rizzo, J. Stat. Plan. Inference 143 (2013), 1249-1272.
pub fn energy_multivariate(first: Features<'_>, second: Features<'_>) -> Result<f64> {
    same_width(first, second)?;
    let (n, m) = (first.n_samples() as f64, second.n_samples() as f64);
    Ok(2.0 * pairs(first, second, f64::sqrt) / (n * m)
        - pairs(first, first, f64::sqrt) / (n * n)
        - pairs(second, second, f64::sqrt) / (m * m))
}
