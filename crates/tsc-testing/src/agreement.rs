use std::collections::BTreeMap;

use tsc_core::Label;

/// How far two numbers may be apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// At most this much.
    Absolute(f64),
    /// At most this share of the expected value.
    Relative(f64),
}

/// Panics at the first pair that is further apart than `tolerance`, naming it.
///
/// NaN agrees with NaN, an infinity with itself.
#[track_caller]
pub fn assert_close(actual: &[f64], expected: &[f64], tolerance: Tolerance) {
    assert_eq!(actual.len(), expected.len(), "{} values, expected {}", actual.len(), expected.len());
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let bound = match tolerance {
            Tolerance::Absolute(bound) => bound,
            Tolerance::Relative(share) => share * e.abs(),
        };
        let agree = a == e || (a.is_nan() && e.is_nan()) || (a - e).abs() <= bound;
        assert!(agree, "value {i} is {a}, expected {e} (off by {:e}, {tolerance:?})", (a - e).abs());
    }
}

/// Adjusted Rand index of two labelings: 1 = the same partition, about 0 = chance.
///
/// Noise counts as one more group. Two labelings that both have one group agree: 1.
///
/// # Panics
///
/// If the lengths differ.
///
/// Source: Hubert and Arabie, J. Classification 2 (1985), 193-218.
#[must_use]
#[track_caller]
pub fn ari(a: &[Label], b: &[Label]) -> f64 {
    assert_eq!(a.len(), b.len(), "one label per sample in both labelings");
    let pairs =
        |counts: &mut dyn Iterator<Item = u64>| counts.map(|n| n * n.saturating_sub(1) / 2).sum::<u64>();
    let mut table: BTreeMap<(Label, Label), u64> = BTreeMap::new();
    let (mut rows, mut columns) = (BTreeMap::<Label, u64>::new(), BTreeMap::<Label, u64>::new());
    for (&x, &y) in a.iter().zip(b) {
        *table.entry((x, y)).or_default() += 1;
        *rows.entry(x).or_default() += 1;
        *columns.entry(y).or_default() += 1;
    }
    let together = pairs(&mut table.into_values()) as f64;
    let (in_a, in_b) = (pairs(&mut rows.into_values()) as f64, pairs(&mut columns.into_values()) as f64);
    let all = pairs(&mut std::iter::once(a.len() as u64)) as f64;
    let expected = if all == 0.0 { 0.0 } else { in_a * in_b / all };
    let most = f64::midpoint(in_a, in_b);
    if most == expected { 1.0 } else { (together - expected) / (most - expected) }
}

/// Whether two labelings name the same groups and the same noise, whatever the numbers.
#[must_use]
pub fn same_partition(a: &[Label], b: &[Label]) -> bool {
    let (mut forth, mut back) = (BTreeMap::new(), BTreeMap::new());
    a.len() == b.len()
        && a.iter().zip(b).all(|(&x, &y)| {
            x.is_noise() == y.is_noise()
                && *forth.entry(x).or_insert(y) == y
                && *back.entry(y).or_insert(x) == x
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ari_equals_the_published_values() {
        let check = |a: &[i32], b: &[i32], expected: f64| {
            let got = ari(&Label::from_ids(a), &Label::from_ids(b));
            assert!((got - expected).abs() < 1e-12, "{got} != {expected}");
        };
        // The examples in the documentation of scikit-learn's adjusted_rand_score.
        check(&[0, 0, 1, 1], &[1, 1, 0, 0], 1.0);
        check(&[0, 0, 1, 2], &[0, 0, 1, 1], 4.0 / 7.0);
        check(&[0, 0, 0, 0], &[0, 1, 2, 3], 0.0);
        check(&[0, 0, 1, 1], &[0, 1, 0, 1], -0.5);
    }

    #[test]
    fn partitions_ignore_numbers_but_not_noise() {
        let same = |a: &[i32], b: &[i32]| same_partition(&Label::from_ids(a), &Label::from_ids(b));
        assert!(same(&[0, 0, 1, -1], &[1, 1, 0, -1]));
        assert!(!same(&[0, 0, -1], &[0, 0, 1]));
        assert!(!same(&[0, 1], &[0, 0]));
        assert!(!same(&[0, 0], &[0, 1]));
    }

    #[test]
    #[should_panic(expected = "value 1 is 2.1, expected 2")]
    fn a_value_outside_the_tolerance_is_named() {
        assert_close(&[f64::NAN, 2.1], &[f64::NAN, 2.0], Tolerance::Relative(0.01));
    }
}
