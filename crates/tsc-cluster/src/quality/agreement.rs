//! How far two labelings of the same samples agree.

use std::collections::BTreeMap;

use tsc_core::{Label, Result};

use crate::error::ClusterError;

/// Adjusted Rand index of two labelings: 1 = the same partition, about 0 = chance, at least -0.5.
///
/// The numbers of the clusters do not matter. Noise counts as one more cluster. Labelings without a pair
/// to tell apart agree: 1. O(n log k) time.
///
/// # Errors
///
/// `InvalidData` if the lengths differ.
///
/// # Examples
///
/// ```
/// use tsc_cluster::{Label, adjusted_rand_index};
/// let (old, new) = (Label::from_ids(&[0, 0, 1, 2]), Label::from_ids(&[5, 5, 3, 3]));
/// assert!((adjusted_rand_index(&old, &new)? - 4.0 / 7.0).abs() < 1e-12);
/// # Ok::<(), tsc_cluster::Error>(())
/// ```
///
/// Source: Hubert and Arabie, J. Classification 2 (1985), 193-218.
#[doc(alias = "adjusted_rand_score")]
pub fn adjusted_rand_index(a: &[Label], b: &[Label]) -> Result<f64> {
    let table = Table::of(a, b)?;
    let pairs = |counts: &[usize]| counts.iter().map(|&n| n as f64 * (n as f64 - 1.0) / 2.0).sum::<f64>();
    let together: Vec<usize> = table.cells.iter().map(|cell| cell.2).collect();
    let (in_a, in_b, in_both) = (pairs(&table.rows), pairs(&table.columns), pairs(&together));
    let all = pairs(&[a.len()]);
    let by_chance = if all > 0.0 { in_a * in_b / all } else { 0.0 };
    let most = f64::midpoint(in_a, in_b);
    Ok(if most == by_chance { 1.0 } else { (in_both - by_chance) / (most - by_chance) })
}

/// Adjusted mutual information of two labelings: 1 = the same partition, about 0 = chance.
///
/// Normalised by the arithmetic mean of the entropies. Noise counts as one more cluster. Unlike the
/// [adjusted Rand index](adjusted_rand_index) it gives small clusters as much say as large ones.
/// O(n k) time for k clusters, O(n) memory.
///
/// # Errors
///
/// `InvalidData` if the lengths differ.
///
/// # Examples
///
/// ```
/// use tsc_cluster::{Label, adjusted_mutual_information};
/// let old = Label::from_ids(&[0, 0, 1, 1]);
/// assert_eq!(adjusted_mutual_information(&old, &Label::from_ids(&[1, 1, 0, 0]))?, 1.0);
/// assert_eq!(adjusted_mutual_information(&old, &Label::from_ids(&[0, 0, 0, 0]))?, 0.0);
/// # Ok::<(), tsc_cluster::Error>(())
/// ```
///
/// Source: Vinh, Epps and Bailey, JMLR 11 (2010), 2837-2854.
#[doc(alias = "adjusted_mutual_info_score")]
pub fn adjusted_mutual_information(a: &[Label], b: &[Label]) -> Result<f64> {
    let table = Table::of(a, b)?;
    // As many cells as clusters on both sides: the same partition.
    if table.cells.len() == table.rows.len() && table.cells.len() == table.columns.len() {
        return Ok(1.0);
    }
    let n = a.len() as f64;
    let information: f64 = table
        .cells
        .iter()
        .map(|&(i, j, count)| {
            let count = count as f64;
            count / n * (n * count / (table.rows[i] as f64 * table.columns[j] as f64)).ln()
        })
        .sum();
    let by_chance = expected_information(&table.rows, &table.columns, a.len());
    let most = f64::midpoint(entropy(&table.rows, n), entropy(&table.columns, n));
    let room = most - by_chance;
    // Both vanish together, for instance with one cluster on one side.
    Ok(if room.abs() < 1e-15 { 0.0 } else { (information - by_chance) / room })
}

/// Sizes of the clusters of both sides, and of what they share.
struct Table {
    rows: Vec<usize>,
    columns: Vec<usize>,
    /// (row, column, shared samples), none empty.
    cells: Vec<(usize, usize, usize)>,
}

impl Table {
    fn of(a: &[Label], b: &[Label]) -> Result<Self> {
        if a.len() != b.len() {
            return Err(ClusterError::LabelCount { labels: b.len(), n_samples: a.len() }.into());
        }
        let (a_numbers, rows) = numbered(a);
        let (b_numbers, columns) = numbered(b);
        let mut shared: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for cell in a_numbers.into_iter().zip(b_numbers) {
            *shared.entry(cell).or_default() += 1;
        }
        let cells = shared.into_iter().map(|((i, j), count)| (i, j, count)).collect();
        Ok(Self { rows, columns, cells })
    }
}

/// Position of each label among the distinct ones, and how many samples each of those has.
fn numbered(labels: &[Label]) -> (Vec<usize>, Vec<usize>) {
    let mut sizes: BTreeMap<Label, usize> = BTreeMap::new();
    for &label in labels {
        *sizes.entry(label).or_default() += 1;
    }
    let distinct: Vec<Label> = sizes.keys().copied().collect();
    let number = |label| distinct.partition_point(|other| other < label);
    (labels.iter().map(number).collect(), sizes.into_values().collect())
}

fn entropy(sizes: &[usize], n: f64) -> f64 {
    -sizes.iter().map(|&size| size as f64 / n * (size as f64 / n).ln()).sum::<f64>()
}

/// Mean information of two labelings with these sizes whose samples are matched at random.
fn expected_information(rows: &[usize], columns: &[usize], n: usize) -> f64 {
    let mut ln_factorial = vec![0.0; n + 1];
    for i in 1..=n {
        ln_factorial[i] = ln_factorial[i - 1] + (i as f64).ln();
    }
    let total = n as f64;
    let mut sum = 0.0;
    for &a in rows {
        for &b in columns {
            let fixed = ln_factorial[a] + ln_factorial[b] + ln_factorial[n - a] + ln_factorial[n - b]
                - ln_factorial[n];
            for shared in (a + b).saturating_sub(n).max(1)..=a.min(b) {
                let ways = ln_factorial[shared]
                    + ln_factorial[a - shared]
                    + ln_factorial[b - shared]
                    + ln_factorial[n + shared - a - b];
                let share = shared as f64 / total;
                sum += share * (share * total * total / (a as f64 * b as f64)).ln() * (fixed - ways).exp();
            }
        }
    }
    sum
}
