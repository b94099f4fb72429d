use serde_json::Value;
use tsc_core::stats::chi_square_sf;

use super::{chi_square, compare, merged, psi};

fn counts(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect()
}

#[track_caller]
fn close(name: &str, actual: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    let scale = expected.abs().max(1e-300);
    assert!(
        (actual - expected).abs() / scale <= tolerance || actual == expected,
        "{name}: {actual} against {expected}"
    );
}

// scipy 1.14.1 and the formula of the specification, gen_univariate.py.
#[test]
fn psi_and_chi_square_equal_the_reference_vectors() {
    let Some(folder) = tsc_testing::shared("conformance/drift") else { return };
    let read =
        |name: &str| -> Value { serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap() };
    let categorical = read("categorical.json");
    let cases = categorical["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let (reference, current) = (counts(&case["ref"]), counts(&case["cur"]));
        close(name, psi(&reference, &current), &case["psi_jeffreys"], 1e-12);
        let (statistic, dof) = chi_square(&reference, &current);
        close(name, statistic, &case["chi2"]["stat"], 1e-12);
        assert_eq!(dof, case["chi2"]["dof"].as_u64().unwrap(), "{name}");
        close(name, chi_square_sf(statistic, dof as f64), &case["chi2"]["p"], 1e-9);
    }
    let univariate = read("univariate.json");
    for case in univariate["cases"].as_array().unwrap() {
        for bins in ["frozen_q10", "frozen_q20"] {
            let stored = &case[bins];
            let actual = psi(&counts(&stored["ref_counts"]), &counts(&stored["cur_counts"]));
            close(case["name"].as_str().unwrap(), actual, &stored["psi"], 1e-12);
        }
    }
}

/// Trap 9: one row more or less in an empty cell is no drift.
#[test]
fn empty_cells_do_not_make_a_large_effect() {
    let difference = compare(&[5, 0, 2], &[3, 1, 1]);
    assert!(difference.effect < 0.05 && difference.p_value > 0.5, "{difference:?}");
}

#[test]
fn cells_are_merged_until_five_rows_are_expected_on_the_smaller_side() {
    // 50 of 150 rows are the smaller side: a merged cell needs 15 rows of both together.
    assert_eq!(merged(&[10, 10, 40, 40], &[4, 6, 20, 20]), (vec![20, 40, 40], vec![10, 20, 20]));
    // What is left over joins the last cell.
    assert_eq!(merged(&[50, 45, 5], &[25, 25, 0]), (vec![50, 50], vec![25, 25]));
    assert_eq!(merged(&[3], &[2]), (vec![3], vec![2]));
    assert_eq!(compare(&[3], &[2]).p_value, 1.0);
}
