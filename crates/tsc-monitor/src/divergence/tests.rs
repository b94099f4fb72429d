use serde_json::Value;
use tsc_core::stats::chi_square_sf;

use super::{compare, hypergeometric_sf, merged};
use crate::reference::Cells;
use crate::{CellCounts, FeatureRule, FeatureVerdict};

/// Trap 9: one row more or less in an empty cell is no drift.
#[test]
fn empty_cells_do_not_make_a_large_effect() {
    let difference = compare(&[5, 0, 2], &[3, 1, 1], 1.0);
    assert!(difference.effect < 0.05 && difference.p_value > 0.5, "{difference:?}");
}

#[test]
fn cells_are_merged_by_the_reference_and_the_number_of_rows_alone() {
    // 50 rows against 100: a cell expects 5 from 10 reference rows on.
    let common = |count: u64| count >= 5 && count * 50 >= 5 * 100;
    let reference = [4, 6, 40, 45, 5];
    assert_eq!(merged(&reference, &[1, 2, 20, 25, 2], &common), (vec![10, 40, 50], vec![3, 20, 27]));
    // The same cells, whatever the batch holds.
    assert_eq!(merged(&reference, &[50, 0, 0, 0, 0], &common), (vec![10, 40, 50], vec![50, 0, 0]));
    assert_eq!(merged(&[3], &[2], &common), (vec![3], vec![2]));
    assert_eq!(compare(&[3], &[2], 1.0).p_value, 1.0);
}

// scipy.stats.hypergeom.sf(k - 1, m + n, K, n), 1.17.1.
#[test]
fn the_exact_tail_equals_scipy() {
    // sf(2, 1000, 30, 100) and sf(9, 1000, 30, 100): at least 3, and 10, of 100 drawn from 1,000.
    for (seen, want) in [(3.0, 0.591_888_789_217_912_5), (10.0, 0.000_351_171_840_185_994_8)] {
        let got = hypergeometric_sf(30.0 - seen, 900.0, seen, 100.0);
        assert!((got / want - 1.0).abs() < 1e-10, "{got} against {want}");
    }
    assert_eq!(hypergeometric_sf(3.0, 10.0, 0.0, 5.0), 1.0);
    // All five of five, none of five: one of C(10, 5) draws.
    assert!((hypergeometric_sf(0.0, 5.0, 5.0, 5.0) - 1.0 / 252.0).abs() < 1e-14);
}

fn verdict(reference: &[u64], current: &[u64]) -> FeatureVerdict {
    FeatureRule::default().judge(&[CellCounts { reference, current, design_effect: 1.0 }])[0]
}

fn drifted(reference: &[u64], current: &[u64]) -> bool {
    matches!(verdict(reference, current), FeatureVerdict::Drifted { .. })
}

#[test]
fn a_feature_that_turns_into_another_constant_is_found_from_fifty_rows_on() {
    for n in [50, 60, 100, 500, 10_000] {
        for m in [300, 2_000, 100_000] {
            assert!(drifted(&[0, m, 0], &[0, 0, n]), "{m} {n}");
            assert!(!drifted(&[0, m, 0], &[0, n, 0]), "{m} {n}");
            // A rare event that becomes the rule, and one that stays rare.
            let rare = m / 250;
            assert!(drifted(&[m - rare, rare], &[0, n]), "{m} {n}");
            assert!(!drifted(&[m - rare, rare], &[n - 1, 1]), "{m} {n}");
        }
    }
    assert!(matches!(verdict(&[0, 300, 0], &[0, 0, 49]), FeatureVerdict::Insufficient { rows: 49.0 }));
}

/// Trap 8 on the stored pair: NannyML and plain quantile cells score 0.
#[test]
fn constant_diff_of_the_reference_vectors_is_drift_and_constant_same_is_none() {
    let Some(file) = tsc_testing::shared("conformance/drift/univariate.json") else { return };
    let stored: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut seen = 0;
    for case in stored["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let column = |key: &str| -> Vec<f64> {
            case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
        };
        let (mut reference, current) = (column("ref"), column("cur"));
        reference.sort_by(f64::total_cmp);
        let cells = Cells::of_sorted(&reference);
        let mut counts = vec![0; cells.counts.len()];
        current.iter().for_each(|v| counts[cells.position(*v)] += 1);
        // Forty rows: the stored pair is below the default of 50.
        let rule = FeatureRule { min_rows: 40, ..FeatureRule::default() };
        let pair = CellCounts { reference: &cells.counts, current: &counts, design_effect: 1.0 };
        let is_drift = matches!(rule.judge(&[pair])[0], FeatureVerdict::Drifted { .. });
        let expected = match name {
            "constant_diff" | "disjoint" | "shift_1.0" => true,
            "constant_same" | "null_200_150" | "one_point" | "exact_boundary_10000" => false,
            _ => continue,
        };
        assert_eq!(is_drift, expected, "{name}");
        seen += 1;
    }
    assert_eq!(seen, 7);
}

/// Trap 14: the same feature drifts alone and is left alone among 24.
#[test]
fn p_values_of_a_window_are_adjusted_together() {
    let (reference, shifted, same): (&[u64], &[u64], &[u64]) = (&[1_000, 1_000], &[39, 71], &[55, 55]);
    let pair = |current| CellCounts { reference, current, design_effect: 1.0 };
    let rule = FeatureRule::default();
    let alone = rule.judge(&[pair(shifted)]);
    let FeatureVerdict::Drifted { p_value, .. } = alone[0] else { panic!("{alone:?}") };
    // (39 - 55)^2 / 55 twice, and as much on the other side of 2,110 rows.
    let expected: [(f64, f64); 4] = [(39.0, 110.0), (71.0, 110.0), (1_000.0, 2_000.0), (1_000.0, 2_000.0)];
    let shares = [1_039.0 / 2_110.0, 1_071.0 / 2_110.0, 1_039.0 / 2_110.0, 1_071.0 / 2_110.0];
    let statistic: f64 =
        expected.iter().zip(shares).map(|((seen, n), share)| (seen - n * share).powi(2) / (n * share)).sum();
    assert!((p_value / chi_square_sf(statistic, 1.0) - 1.0).abs() < 1e-12);
    let mut all = vec![pair(same); 24];
    all[3] = pair(shifted);
    let among = rule.judge(&all);
    assert!(
        matches!(among[3], FeatureVerdict::Stable { p_value: p, .. } if (p / p_value - 24.0).abs() < 1e-9)
    );
    for (adjustment, factor) in [
        (crate::Adjustment::Holm, 24.0),
        (crate::Adjustment::BenjaminiYekutieli, 24.0 * (1..=24).map(|i| 1.0 / f64::from(i)).sum::<f64>()),
    ] {
        let verdicts = FeatureRule { adjustment, ..rule }.judge(&all);
        let FeatureVerdict::Stable { p_value: p, .. } = verdicts[3] else { panic!("{verdicts:?}") };
        assert!((p / p_value / factor - 1.0).abs() < 1e-9, "{adjustment:?}");
    }
}

#[test]
fn every_number_of_the_rule_changes_a_verdict_and_has_a_bound() {
    let pair = CellCounts { reference: &[1_000, 1_000], current: &[200, 300], design_effect: 1.0 };
    let is_drift = |rule: FeatureRule, pair| matches!(rule.judge(&[pair])[0], FeatureVerdict::Drifted { .. });
    let rule = FeatureRule { min_effect: 0.03, ..FeatureRule::default() };
    assert!(is_drift(rule, pair));
    assert!(!is_drift(FeatureRule { min_effect: 0.05, ..rule }, pair));
    assert!(!is_drift(FeatureRule { alpha: 1e-6, ..rule }, pair));
    assert!(!is_drift(FeatureRule { min_rows: 501, ..rule }, pair));
    assert!(!is_drift(rule, CellCounts { design_effect: 10.0, ..pair }));
    assert_eq!(FeatureRule { alpha: 0.0, ..rule }.check().unwrap_err().code(), "TSC-MON-008");
    assert!(FeatureRule { min_effect: f64::NAN, ..rule }.check().is_err());
    assert!(FeatureRule { min_rows: 0, ..rule }.check().is_err() && rule.check().is_ok());
    let torn = CellCounts { reference: &[1], current: &[200, 300], design_effect: 1.0 };
    assert!(matches!(rule.judge(&[torn])[0], FeatureVerdict::Insufficient { .. }));
}
