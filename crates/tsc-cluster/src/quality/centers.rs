//! Scores from the distances of samples to their cluster's mean: O(n d).

use super::groups::Groups;

/// Calinski-Harabasz and Davies-Bouldin; `None` where a quotient has no value.
pub(crate) fn scores(groups: &Groups) -> (Option<f64>, Option<f64>) {
    let spreads = spreads(groups);
    (calinski_harabasz(groups, &spreads), davies_bouldin(&spreads))
}

/// A cluster's mean, and how far its samples are from it.
struct Spread {
    center: Vec<f64>,
    squares: f64,
    mean_distance: f64,
}

fn spreads(groups: &Groups) -> Vec<Spread> {
    let one = |range: std::ops::Range<usize>| {
        let center = mean(range.clone().map(|i| (groups.row(i), 1.0)), groups.row(0));
        let (mut squares, mut distances) = (0.0, 0.0);
        for i in range.clone() {
            let square = squared(groups.row(i), &center);
            squares += square;
            distances += square.sqrt();
        }
        Spread { center, squares, mean_distance: distances / range.len() as f64 }
    };
    groups.ranges().into_iter().map(one).collect()
}

/// Weighted mean, as a sum of differences from `origin`: no digit is lost far from zero.
fn mean<'a>(rows: impl Iterator<Item = (&'a [f64], f64)>, origin: &[f64]) -> Vec<f64> {
    let (mut sum, mut total) = (vec![0.0; origin.len()], 0.0);
    for (row, weight) in rows {
        for ((sum, value), origin) in sum.iter_mut().zip(row).zip(origin) {
            *sum += weight * (value - origin);
        }
        total += weight;
    }
    sum.iter().zip(origin).map(|(sum, origin)| origin + sum / total).collect()
}

fn squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn calinski_harabasz(groups: &Groups, spreads: &[Spread]) -> Option<f64> {
    let (n, k) = (groups.n() as f64, spreads.len() as f64);
    let sized = || spreads.iter().zip(groups.sizes()).map(|(s, &size)| (s, size as f64));
    let overall = mean(sized().map(|(s, size)| (&s.center[..], size)), groups.row(0));
    let between: f64 = sized().map(|(s, size)| size * squared(&s.center, &overall)).sum();
    let within: f64 = spreads.iter().map(|s| s.squares).sum();
    finite((between / (k - 1.0)) / (within / (n - k)))
}

fn davies_bouldin(spreads: &[Spread]) -> Option<f64> {
    let likeness =
        |a: &Spread, b: &Spread| (a.mean_distance + b.mean_distance) / squared(&a.center, &b.center).sqrt();
    let most = |(i, a): (usize, &Spread)| {
        let others = spreads.iter().enumerate().filter(|&(j, _)| j != i);
        // Two clusters around one point, each of one place only: not a number, so no score.
        others.map(|(_, b)| likeness(a, b)).fold(0.0, |most, v| if v > most || v.is_nan() { v } else { most })
    };
    finite(spreads.iter().enumerate().map(most).sum::<f64>() / spreads.len() as f64)
}
