//! The second implementation behind the trait, and an independent opinion on the first.
#![cfg(feature = "petal")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tsc_cluster::{
    Clusterer, ClustererExt, FittedClusterer, Hdbscan, HdbscanParams, PetalHdbscan, PetalParams,
};
use tsc_core::BoxClusterer;
use tsc_testing::{clusterer, npy, npz, same_partition, shared};

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
