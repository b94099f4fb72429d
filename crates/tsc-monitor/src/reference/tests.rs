use serde_json::Value;
use tsc_core::{Features, Load, MemoryArtifacts, Save, Schema};

use super::{Cells, FILE, Reference};

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn count(cells: &Cells, values: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; cells.counts.len()];
    values.iter().for_each(|&v| counts[cells.position(v)] += 1);
    counts
}

// numpy 2.1.3's type-7 quantiles, gen_univariate.py; columns without a repeated value.
#[test]
fn cells_without_atoms_are_the_quantile_cells_of_the_reference_vectors() {
    let Some(file) = tsc_testing::shared("conformance/drift/univariate.json") else { return };
    let stored: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut compared = 0;
    for case in stored["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let expected = floats(&case["frozen_q10"]["edges"]);
        if expected.len() != 11 {
            continue;
        }
        let cells = Cells::of_sorted(&sorted(&floats(&case["ref"])));
        assert_eq!(cells.edges.len(), 9, "{name}");
        for (edge, expected) in cells.edges.iter().zip(&expected[1..10]) {
            assert!((edge - expected).abs() <= 1e-12 * expected.abs(), "{name}: {edge} against {expected}");
        }
        let counts =
            |key: &str| floats(&case["frozen_q10"][key]).iter().map(|&n| n as u64).collect::<Vec<_>>();
        assert_eq!(cells.counts, counts("ref_counts"), "{name}");
        assert_eq!(count(&cells, &floats(&case["cur"])), counts("cur_counts"), "{name}");
        compared += 1;
    }
    assert_eq!(compared, 13);
}

/// Trap 8: a constant has a cell of its own, and its neighbours are in others.
#[test]
fn a_constant_that_moves_leaves_its_cell() {
    let cells = Cells::of_sorted(&[3.25; 50]);
    assert_eq!(cells.counts, [0, 50, 0]);
    assert_eq!(count(&cells, &[3.25, 3.5, 3.25_f64.next_up(), 3.25_f64.next_down()]), [1, 1, 2]);
    let difference = crate::divergence::compare(&cells.counts, &count(&cells, &[3.5; 40]), 1.0);
    assert!(difference.effect > 1.0 && difference.p_value < 1e-10, "{difference:?}");
}

#[test]
fn a_value_that_holds_a_twentieth_of_the_rows_has_a_cell_and_one_that_holds_less_has_none() {
    let mut values: Vec<f64> = (0..1_000).map(f64::from).collect();
    values[..50].fill(0.5);
    let cells = Cells::of_sorted(&sorted(&values));
    assert!(cells.edges.contains(&0.5) && cells.edges.contains(&0.5_f64.next_up()));
    values[0] = -1.0;
    let cells = Cells::of_sorted(&sorted(&values));
    assert!(!cells.edges.contains(&0.5_f64.next_up()), "{:?}", cells.edges);
}

#[test]
fn there_are_at_most_ten_cells_whatever_the_column() {
    let grid: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
    let extremes = [f64::MIN, f64::MIN, -0.0, 0.0, f64::MAX, f64::MAX];
    for values in [&grid[..], &extremes, &[1.0], &[1.0, 2.0]] {
        let cells = Cells::of_sorted(&sorted(values));
        assert!(cells.counts.len() <= 10);
        assert_eq!(cells.counts.iter().sum::<u64>(), values.len() as u64);
        assert!(cells.edges.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", cells.edges);
    }
}

fn fitted() -> Reference {
    let values: Vec<f64> = (0..600).map(|i| f64::from(i % 37) * f64::from(i % 11)).collect();
    let x = Features::new(&values, 3).unwrap();
    Reference::fit(x, &Schema::unnamed(3), 4, 0.125, 80, Some(0.3)).unwrap()
}

fn stored() -> MemoryArtifacts {
    let mut files = MemoryArtifacts::new();
    fitted().save(&mut files).unwrap();
    files
}

#[test]
fn a_stored_reference_is_the_same_reference() {
    let files = stored();
    assert_eq!(files.files().keys().collect::<Vec<_>>(), ["reference.postcard"]);
    let loaded = Reference::load(1, &files).unwrap();
    assert_eq!(loaded, fitted());
    assert_eq!(loaded.fingerprint(), fitted().fingerprint());
    assert_eq!((fitted().kind().name, fitted().kind().version), ("reference", 1));
}

#[test]
fn damaged_bytes_are_an_error_and_no_panic() {
    let bytes = stored().files()[FILE].clone();
    let load = |bytes: Vec<u8>| {
        let mut files = MemoryArtifacts::new();
        files.overwrite(FILE, bytes);
        Reference::load(1, &files)
    };
    assert!((0..bytes.len()).all(|cut| load(bytes[..cut].to_vec()).is_err()));
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(load(longer).is_err());
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(reference) = load(damaged) {
                // What is accepted is a reference that keeps every invariant.
                assert!(reference.cells.iter().all(|c| c.counts.iter().sum::<u64>() == reference.n_samples));
                assert!(reference.cells.iter().all(|c| c.edges.windows(2).all(|p| p[0] < p[1])));
                // By the fingerprint, which tells -0.0 from 0.0.
                assert_ne!(reference.fingerprint(), fitted().fingerprint());
            }
        }
    }
}

#[test]
fn a_fingerprint_names_one_reference() {
    let other = Reference { holdout_noise: 0.126, ..fitted() };
    assert_ne!(other.fingerprint(), fitted().fingerprint());
    let renamed = Reference { names: vec!["a".into(), "b".into(), "c".into()], ..fitted() };
    assert_ne!(renamed.fingerprint(), fitted().fingerprint());
}

#[test]
fn what_was_not_measured_on_held_out_rows_is_refused() {
    let x = Features::new(&[1.0, 2.0], 1).unwrap();
    let fit = |width, noise, n, rmse| {
        Reference::fit(x, &Schema::unnamed(width), 1, noise, n, rmse).map_err(|e| (e.code(), e.to_string()))
    };
    assert_eq!(fit(2, 0.1, 1, None).unwrap_err().1, "the schema has 2 features, the matrix has 1");
    assert_eq!(fit(1, 1.1, 1, None).unwrap_err().1, "holdout_noise is 1.1, must lie in 0..=1");
    assert_eq!(fit(1, f64::NAN, 1, None).unwrap_err().0, "TSC-MON-003");
    assert_eq!(
        fit(1, 0.1, 1, Some(-1.0)).unwrap_err().1,
        "holdout_rmse is -1, must be finite and not negative"
    );
    assert_eq!(fit(1, f64::NAN, 0, None).unwrap().holdout_noise(), 0.0);
}
