//! The second implementation behind the trait, and an independent opinion on the first.
#![cfg(feature = "petal")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tsc_cluster::{
    Assignment, Clusterer, ClustererExt, Features, FittedClusterer, FittedClustererExt, FittedPetal, Hdbscan,
    HdbscanParams, Label, PetalHdbscan, PetalParams,
};
use tsc_core::{BoxClusterer, ErrorKind, Load, MemoryArtifacts, Save};
use tsc_testing::{blobs, clusterer, npy, npz, same_partition, shared, shuffled};

#[test]
fn the_adapter_and_its_boxed_form_keep_the_protocol() {
    let petal = PetalHdbscan::new(PetalParams { min_samples: 1, ..Default::default() }).unwrap();
    clusterer::suite(&petal);
    clusterer::suite::<BoxClusterer>(&petal.boxed());
}

/// The backend's count includes the sample: with one more neighbour it gives the partition of a
/// reference case without tied edges.
#[test]
fn both_implementations_agree_where_no_edges_are_tied() {
    let Some(folder) = shared("conformance/hdbscan") else { return };
    for name in ["gmm1500_d2", "gmm1500_d10", "circles600"] {
        let data = npy::read(folder.join(format!("data_{name}.npy")));
        let case = npz::read(folder.join(format!("{name}__ms1.npz")));
        let params = PetalParams { min_cluster_size: 10, min_samples: 1, alpha: 1.0 };
        let petal = PetalHdbscan::new(params).unwrap().fit(data.features()).unwrap();
        assert!(same_partition(petal.training_labels(), &case["canonical_labels"].labels()), "{name}");
        let params = HdbscanParams { min_cluster_size: 10, min_samples: Some(1), ..Default::default() };
        let own = Hdbscan::new(params).unwrap().fit(data.features()).unwrap();
        assert_eq!(own.training_labels(), petal.training_labels(), "{name}");
    }
}

/// Also where edges are tied, which the backend breaks by the order of the samples it is given.
#[test]
fn the_order_of_the_samples_does_not_decide() {
    let grid: Vec<f64> =
        (0..400).flat_map(|i| [f64::from(i % 20), f64::from(i / 20 + 30 * (i / 200))]).collect();
    let x = Features::new(&grid, 2).unwrap();
    let queries: Vec<f64> = (0..60).flat_map(|i| [f64::from(i) / 3.0, f64::from(i % 50) + 0.5]).collect();
    let queries = Features::new(&queries, 2).unwrap();
    let petal = PetalHdbscan::new(PetalParams::default()).unwrap();
    let fitted = petal.fit(x).unwrap();
    for seed in 0..4 {
        let order = shuffled(400, seed);
        let mut buffer = Vec::new();
        let permuted = petal.fit(x.gather(&order, &mut buffer)).unwrap();
        let expected: Vec<Label> = order.iter().map(|&row| fitted.training_labels()[row]).collect();
        assert!(same_partition(permuted.training_labels(), &expected), "seed {seed}");
        let (a, b) = (fitted.assign(queries).unwrap(), permuted.assign(queries).unwrap());
        let labels = |a: &[Assignment]| a.iter().map(|a| a.label).collect::<Vec<Label>>();
        assert!(same_partition(&labels(&a), &labels(&b)), "seed {seed}");
        assert!(a.iter().zip(&b).all(|(a, b)| a.strength == b.strength));
    }
}

/// The table's rule: the nearest training sample decides, up to its own core distance.
#[test]
fn new_samples_follow_the_nearest_training_sample_within_its_core_distance() {
    let x = [0.0, 1.0, 2.0, 3.0, 100.0, 101.0, 102.0, 103.0, 1000.0];
    let params = PetalParams { min_cluster_size: 3, min_samples: 2, alpha: 1.0 };
    let fitted = PetalHdbscan::new(params).unwrap().fit(Features::new(&x, 1).unwrap()).unwrap();
    assert_eq!(fitted.training_labels(), Label::from_ids(&[0, 0, 0, 0, 1, 1, 1, 1, -1]));
    let ask = |q: f64| fitted.assign(Features::new(&[q], 1).unwrap()).unwrap()[0];
    // The sample at 3 has its second nearest other sample 2 away, the one at 2 has it 1 away.
    assert_eq!((ask(4.5).label, ask(4.5).strength), (Label::from_ids(&[0])[0], 0.25));
    assert_eq!((ask(5.0).label, ask(5.0).strength), (Label::from_ids(&[0])[0], 0.0));
    assert!(ask(5.0 + 1e-9).label.is_noise());
    assert_eq!((ask(2.25).label, ask(2.25).strength), (Label::from_ids(&[0])[0], 0.75));
    assert_eq!(ask(102.0).strength, 1.0);
    // Near a noise sample is noise.
    assert!(ask(1000.0).label.is_noise() && ask(990.0).label.is_noise());
}

#[test]
fn samples_infinitely_far_away_are_noise() {
    let data = blobs(300, &[&[0.0, 0.0], &[50.0, 0.0]], 1.0, 5);
    let fitted = PetalHdbscan::new(PetalParams::default()).unwrap().fit(data.features()).unwrap();
    let far = Features::new(&[1e308, -1e308], 2).unwrap();
    assert_eq!(fitted.assign(far).unwrap(), [Assignment::NOISE]);
}

#[test]
fn too_few_samples_and_overflow_are_errors() {
    let petal = PetalHdbscan::new(PetalParams::default()).unwrap();
    let error = petal.fit(Features::new(&[0.0, 1.0], 1).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "2 samples are fewer than min_cluster_size 5");
    let error = petal.fit(Features::new(&[0.0, 1.0, 2.0, 1e200, -1e200], 1).unwrap()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidData, "TSC-NBR-004"));
}

#[test]
fn a_stored_model_that_contradicts_itself_is_refused() {
    let data = blobs(30, &[&[0.0, 0.0], &[9.0, 0.0]], 1.0, 5);
    let fitted = PetalHdbscan::new(PetalParams::default()).unwrap().fit(data.features()).unwrap();
    let mut files = MemoryArtifacts::new();
    fitted.save(&mut files).unwrap();
    let mut long = files.files().get("model.postcard").unwrap().clone();
    long.push(0);
    files.overwrite("model.postcard", long);
    let error = FittedPetal::load(1, &files).unwrap_err();
    assert!(error.to_string().contains("1 bytes follow the model"), "{error}");
}

#[test]
fn equal_samples_get_one_label() {
    let Some(folder) = shared("conformance/hdbscan") else { return };
    let data = npy::read(folder.join("data_duplicates600.npy"));
    let x = data.features();
    let fitted = PetalHdbscan::new(PetalParams::default()).unwrap().fit(x).unwrap();
    for a in 0..x.n_samples() {
        for b in (0..a).filter(|&b| x.row(a) == x.row(b)) {
            assert_eq!(fitted.training_labels()[a], fitted.training_labels()[b]);
        }
    }
}

#[test]
fn every_violation_is_named_at_once() {
    let bad = PetalParams { min_cluster_size: 1, min_samples: 0, alpha: -1.0 };
    assert_eq!(
        PetalHdbscan::new(bad).unwrap_err().to_string(),
        "alpha is -1, must be above 0; min_cluster_size is 1, must be at least 2; \
         min_samples is 0, must be at least 1"
    );
}
