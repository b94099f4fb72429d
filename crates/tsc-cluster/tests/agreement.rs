//! External scores against scikit-learn 1.9.1, and relative validity against hdbscan 0.8.44.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tsc_cluster::{
    Clusterer, FittedClusterer, Hdbscan, HdbscanParams, Label, adjusted_mutual_information,
    adjusted_rand_index, relative_validity,
};
use tsc_testing::{ari, npy, shared, shuffled};

#[track_caller]
fn check(a: &[i32], b: &[i32], rand: f64, information: f64) {
    let (a, b) = (Label::from_ids(a), Label::from_ids(b));
    for (a, b) in [(&a, &b), (&b, &a)] {
        let got = (adjusted_rand_index(a, b).unwrap(), adjusted_mutual_information(a, b).unwrap());
        assert!((got.0 - rand).abs() < 1e-12, "rand index is {}, not {rand}", got.0);
        assert!((got.1 - information).abs() < 1e-12, "information is {}, not {information}", got.1);
        assert_eq!(got.0, ari(a, b));
    }
}

fn each(n: i32, label: impl Fn(i32) -> i32) -> Vec<i32> {
    (0..n).map(label).collect()
}

/// `adjusted_rand_score(a, b), adjusted_mutual_info_score(a, b)`.
#[test]
fn agreement_equals_scikit_learn() {
    check(&[0, 0, 1, 2], &[0, 0, 1, 1], 0.5714285714285714, 0.5714285714285714);
    check(&[0, 0, 1, 1], &[0, 1, 0, 1], -0.5, -0.5);
    let (a, b) = ([0, 0, 0, 1, 1, 1, 2, 2, -1, -1], [0, 0, 1, 1, 2, 2, 2, 2, -1, 0]);
    check(&a, &b, 0.16923076923076924, 0.23858391007234975);
    let (a, b) = (each(300, |i| i % 7), each(300, |i| i * i % 11));
    check(&a, &b, -0.017612125780525817, -0.02809011146891026);
    let (a, b) = (each(2000, |i| i / 100), each(2000, |i| (i + 17) / 150));
    check(&a, &b, 0.5909114715978988, 0.8019544578411678);
}

#[test]
fn agreement_is_1_for_one_partition_and_0_where_nothing_is_told_apart() {
    check(&[0, 0, 1, 1, -1], &[4, 4, 2, 2, 9], 1.0, 1.0);
    check(&[0, 0, 0], &[7, 7, 7], 1.0, 1.0);
    check(&[0, 1, 2], &[2, 0, 1], 1.0, 1.0);
    check(&[], &[], 1.0, 1.0);
    check(&[3], &[-1], 1.0, 1.0);
    check(&[0, 0, 0, 0], &[0, 1, 2, 3], 0.0, 0.0);
    check(&[0, 1, 2, 3], &[0, 0, 1, 1], 0.0, 0.0);
}

/// Both are corrected for chance: over random labelings of uneven sizes their mean is 0.
#[test]
fn agreement_of_random_labelings_is_0_on_average() {
    let sizes = each(200, |i| if i < 150 { i % 2 } else { 2 + i % 9 });
    let labels = Label::from_ids(&sizes);
    let (mut rand, mut information) = (0.0, 0.0);
    for seed in 0..400 {
        let other: Vec<Label> = shuffled(200, seed).into_iter().map(|i| labels[i]).collect();
        rand += adjusted_rand_index(&labels, &other).unwrap() / 400.0;
        information += adjusted_mutual_information(&labels, &other).unwrap() / 400.0;
    }
    // Single values spread by about 0.015, so the mean of 400 by less than 0.001.
    assert!(rand.abs() < 0.004 && information.abs() < 0.004, "{rand} {information}");
}

/// `HDBSCAN(min_cluster_size=10, min_samples=1, gen_min_span_tree=True,
/// approx_min_span_tree=False).fit(x).relative_validity_`, on data where no two tree edges are equal.
#[test]
fn relative_validity_equals_hdbscan_where_the_tree_is_unique() {
    let Some(folder) = shared("conformance/hdbscan") else { return };
    let expected = [
        ("hdbscan_tests_blobs200", 0.6333148530252537),
        ("clusterable2309", 0.10953960088670642),
        ("circles600", 0.25492547247656705),
        ("cancer569", 0.0018313846084355109),
        ("gmm1500_d1", 0.26917816186045446),
        ("gmm1500_d2", 0.47580702849245105),
        ("gmm1500_d10", 0.5355499525071254),
        ("gmm1500_d24", 0.481158258588687),
        ("gmm1500_d64", 0.8107453252047652),
        ("uniform500", 0.2074560309333407),
        ("single_gauss500", 0.16760482019543116),
        ("large_offset600", 0.3389148164439605),
    ];
    for (name, expected) in expected {
        let data = npy::read(folder.join(format!("data_{name}.npy")));
        let params = HdbscanParams { min_cluster_size: 10, min_samples: Some(1), ..Default::default() };
        let fitted = Hdbscan::new(params).unwrap().fit(data.features()).unwrap();
        let got = relative_validity(fitted.tree().mst(), fitted.training_labels()).unwrap().unwrap();
        assert!((got - expected).abs() < 1e-9, "{name}: {got}, not {expected}");
    }
}

#[test]
fn relative_validity_of_fewer_than_two_clusters_is_none() {
    let x = tsc_cluster::Features::new(&[0.0, 1.0, 2.5, 5.0], 1).unwrap();
    let params = HdbscanParams { min_cluster_size: 2, min_samples: Some(1), ..Default::default() };
    let tree = Hdbscan::new(params).unwrap().fit(x).unwrap();
    let score = |ids: &[i32]| relative_validity(tree.tree().mst(), &Label::from_ids(ids));
    assert_eq!(score(&[-1, -1, -1, -1]).unwrap(), None);
    assert_eq!(score(&[0, 0, 0, -1]).unwrap(), None);
    // Edges 1, 1.5 and 2.5: pairs as sparse as 1 and 2.5, 1.5 apart; a positive and a negative half.
    assert_eq!(score(&[0, 0, 1, 1]).unwrap(), Some(0.5 * (0.5 / 1.5) - 0.5 * (1.0 / 2.5)));
    // An island: noise separates the clusters, so twice the heaviest edge (2.5) stands for the distance.
    assert_eq!(score(&[0, 0, -1, 1]).unwrap(), Some(0.5 * (4.0 / 5.0) + 0.25));
    let error = score(&[0, 1]).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), ("TSC-CLU-009", "2 labels for 4 samples"));
}

#[test]
fn labelings_of_different_lengths_are_an_error() {
    let (a, b) = (Label::from_ids(&[0, 0]), Label::from_ids(&[0]));
    for error in [adjusted_rand_index(&a, &b).unwrap_err(), adjusted_mutual_information(&a, &b).unwrap_err()]
    {
        assert_eq!((error.code(), error.to_string().as_str()), ("TSC-CLU-009", "1 labels for 2 samples"));
    }
}
