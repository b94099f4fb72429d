//! Two columns of counts over the same cells: how far apart, and how surely.

use tsc_core::stats::{chi_square_sf, ln_gamma};

use crate::statistics::Counts;

// Below this the chi-square law of the statistic is no longer close enough in the tail.
const MIN_EXPECTED: f64 = 5.0;
// A rare cell speaks for the effect only where its own test is this sure, so that the effect without
// drift stays 0 on average.
const RARE_LEVEL: f64 = 0.005;

/// Effect and p-value of one feature in one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Difference {
    /// PSI less what it is on average without drift, (B - 1)(1/n + 1/m).
    pub(crate) effect: f64,
    pub(crate) p_value: f64,
}

const NONE: Difference = Difference { effect: 0.0, p_value: 1.0 };

/// Compares `current` with `reference` over frozen cells; its rows are worth `1 / design_effect` rows each.
///
/// Neighbouring cells go together until the reference leads to expect 5 rows in each. That hides rows in
/// cells that are empty in the reference, such as all the rows of a constant that moved; so the rows in
/// rare cells are also tested on their own, exactly. p is twice the smaller of both.
pub(crate) fn compare(reference: &[u64], current: &[u64], design_effect: f64) -> Difference {
    let Ok(all) = Counts::new(reference, current) else { return NONE };
    let (m, n) = all.totals();
    let effective = n / design_effect;
    let common = |count: u64| {
        let count = count as f64;
        count >= MIN_EXPECTED && count * effective >= MIN_EXPECTED * m
    };
    let main = compare_merged(reference, current, &common, design_effect);
    let rare = |row: &[u64]| -> u64 {
        row.iter().zip(reference).filter(|(_, reference)| !common(**reference)).map(|(n, _)| n).sum()
    };
    let (rare_reference, rare_current) = (rare(reference), rare(current));
    // No rare cell, or nothing but rare cells: there is nothing to set them against.
    if !reference.iter().any(|&n| common(n)) || reference.iter().all(|&n| common(n)) {
        return main;
    }
    let scaled = |count: f64| (count / design_effect).floor();
    let p_rare = hypergeometric_sf(rare_reference as f64, m, scaled(rare_current as f64), scaled(n).max(1.0));
    let p_value = (2.0 * main.p_value.min(p_rare)).min(1.0);
    if p_rare >= RARE_LEVEL || p_rare >= main.p_value {
        return Difference { p_value, ..main };
    }
    let reference = [m as u64 - rare_reference, rare_reference];
    let current = [n as u64 - rare_current, rare_current];
    let effect = effect(&reference, &current, design_effect).max(main.effect);
    Difference { effect, p_value }
}

fn compare_merged(
    reference: &[u64],
    current: &[u64],
    common: &impl Fn(u64) -> bool,
    design_effect: f64,
) -> Difference {
    let (reference, current) = merged(reference, current, common);
    let Ok(counts) = Counts::new(&reference, &current) else { return NONE };
    let dof = counts.used_cells() - 1;
    if dof == 0 {
        return NONE;
    }
    // First-order correction of Rao and Scott: the statistic of repeated rows is too large by their
    // design effect.
    let statistic = counts.chi_square().statistic / design_effect;
    let effect = effect(&reference, &current, design_effect);
    Difference { effect, p_value: chi_square_sf(statistic, dof as f64) }
}

fn effect(reference: &[u64], current: &[u64], design_effect: f64) -> f64 {
    Counts::new(reference, current).map_or(0.0, |counts| counts.psi_corrected_for(design_effect))
}

// The reference and the number of rows decide, never the batch: a batch cannot choose its own test.
fn merged(reference: &[u64], current: &[u64], common: &impl Fn(u64) -> bool) -> (Vec<u64>, Vec<u64>) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let (mut a, mut b) = (0, 0);
    for (&x, &y) in reference.iter().zip(current) {
        a += x;
        b += y;
        if common(a) {
            left.push(a);
            right.push(b);
            (a, b) = (0, 0);
        }
    }
    match (left.last_mut(), right.last_mut()) {
        (Some(x), Some(y)) => {
            *x += a;
            *y += b;
        }
        _ => {
            left.push(a);
            right.push(b);
        }
    }
    (left, right)
}

/// Probability that of `n` rows at least `seen` are marked, where `marked` of `m` others and `seen` of
/// these are, drawn at random from all: Fisher's exact test, upwards.
fn hypergeometric_sf(marked: f64, m: f64, seen: f64, n: f64) -> f64 {
    if seen <= 0.0 {
        return 1.0;
    }
    let total = marked + seen;
    let ln_choose = |n: f64, k: f64| ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
    let whole = ln_choose(m + n, total);
    let most = total.min(n);
    // Terms fall from the mode on; they are summed from the one asked for, upwards.
    let term = |i: f64| (ln_choose(n, i) + ln_choose(m, total - i) - whole).exp();
    let (mut sum, mut i) = (0.0, seen.max(total - m));
    while i <= most {
        let next = term(i);
        sum += next;
        if next < sum * 1e-17 && i > total * n / (m + n) {
            break;
        }
        i += 1.0;
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests;
