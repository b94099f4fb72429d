//! T-06: what users of other packages complained about, one test for each row of the list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tsc_cluster::{
    Assignment, Clusterer, Distances, Edge, Features, FittedClusterer, FittedClustererExt, FittedHdbscan,
    Hdbscan, HdbscanParams, Label, Method, Metric, Plan, dbcv,
};
use tsc_core::{ArtifactSource, MemoryArtifacts, Save, StoredKind};
use tsc_testing::{blobs, mixture, same_partition, shuffled};

fn fit(x: Features<'_>, params: HdbscanParams) -> FittedHdbscan {
    Hdbscan::new(params).unwrap().fit(x).unwrap()
}

fn base() -> HdbscanParams {
    HdbscanParams { min_cluster_size: 15, min_samples: Some(5), ..Default::default() }
}

/// scikit-learn-contrib/hdbscan#361, #375, #381, #392, #445, #593.
#[test]
fn prediction_gives_the_training_labels_whatever_the_selection() {
    let data = mixture(900, 2, 9);
    let x = data.features();
    let settings = [
        base(),
        HdbscanParams { cluster_selection_epsilon: 5.0, ..base() },
        HdbscanParams { cluster_selection_epsilon: 5.0, cluster_selection_method: Method::Leaf, ..base() },
        HdbscanParams { max_cluster_size: Some(30), ..base() },
        HdbscanParams { cluster_selection_epsilon_max: Some(1.5), ..base() },
        HdbscanParams { cluster_selection_persistence: 0.6, ..base() },
        HdbscanParams { n_clusters: Some(5), ..base() },
        HdbscanParams { allow_single_cluster: true, cluster_selection_epsilon: 60.0, ..base() },
        HdbscanParams { allow_single_cluster: true, ..base() },
        HdbscanParams { min_samples: Some(1), ..base() },
    ];
    let mut partitions = Vec::new();
    for params in settings {
        let fitted = fit(x, params);
        let again: Vec<Label> = fitted.assign(x).unwrap().iter().map(|a| a.label).collect();
        assert_eq!(again, fitted.training_labels(), "{:?}", fitted.params());
        partitions.push(again);
    }
    // The settings do something: epsilon and size are not ignored.
    let same: Vec<usize> = (1..7).filter(|&i| partitions[i] == partitions[0]).collect();
    assert!(same.is_empty(), "settings {same:?} change nothing");
}

/// hdbscan#265, #259, #241, #409, #326; scikit-learn#27829.
#[test]
fn the_order_of_the_rows_does_not_matter() {
    // A grid with a gap: nearly every distance is tied.
    let values: Vec<f64> = (0..400)
        .flat_map(|i| [f64::from(i % 20), f64::from(i / 20) + if i < 200 { 0.0 } else { 2.0 }])
        .collect();
    let x = Features::new(&values, 2).unwrap();
    let expected = fit(x, base());
    assert_eq!(expected.n_clusters(), 2);
    for seed in 0..10 {
        let order = shuffled(400, seed);
        let mut buffer = Vec::new();
        let fitted = fit(x.gather(&order, &mut buffer), base());
        let moved: Vec<Label> = order.iter().map(|&r| expected.training_labels()[r]).collect();
        assert!(same_partition(fitted.training_labels(), &moved));
        let strengths: Vec<f64> = order.iter().map(|&r| expected.extraction().strengths()[r]).collect();
        assert_eq!(fitted.extraction().strengths(), strengths);
    }
}

/// hdbscan#729, #404, #393; petabi/petal-clustering#69; fast_hdbscan#45.
#[test]
fn the_spanning_tree_is_minimal() {
    let data = mixture(500, 3, 2);
    let x = data.features();
    for (metric, alpha) in [(Metric::Euclidean, 1.0), (Metric::Manhattan, 0.7), (Metric::Chebyshev, 1.3)] {
        let mut expected = None;
        for plan in [Plan::KdTree, Plan::Tiled] {
            let tree = fit(x, HdbscanParams { metric: metric.clone(), alpha, plan, ..base() });
            let core = tree.tree().core_distances();
            // Kruskal over all pairs.
            let mut edges: Vec<(f64, usize, usize)> = (0..500)
                .flat_map(|a| (0..a).map(move |b| (a, b)))
                .map(|(a, b)| ((metric.distance(x.row(a), x.row(b)) / alpha).max(core[a]).max(core[b]), a, b))
                .collect();
            edges.sort_by(|x, y| x.0.total_cmp(&y.0));
            let mut group: Vec<usize> = (0..500).collect();
            let mut least = Vec::new();
            for (weight, a, b) in edges {
                if group[a] != group[b] {
                    let (keep, gone) = (group[a], group[b]);
                    group.iter_mut().filter(|g| **g == gone).for_each(|g| *g = keep);
                    least.push(weight);
                }
            }
            let ours: Vec<f64> = tree.tree().mst().edges().iter().map(|e| e.weight).collect();
            assert_eq!(ours, least, "{metric:?}, {plan:?}");
            assert_eq!(expected.get_or_insert_with(|| ours.clone()), &ours);
        }
    }
}

/// hdbscan#370, #383; scikit-learn#33219.
#[test]
fn no_epsilon_crashes() {
    let data = blobs(60, &[&[0.0, 0.0], &[9.0, 0.0]], 1.0, 4);
    let one = blobs(60, &[&[0.0, 0.0]], 1.0, 4);
    let equal = [1.0; 120];
    let equal = Features::new(&equal, 2).unwrap();
    for x in [data.features(), one.features(), equal] {
        for epsilon in [0.0, 1e-300, 0.3, 1.0, 5.0, 20.0, 1e300] {
            for allow_single_cluster in [false, true] {
                for cluster_selection_method in [Method::Eom, Method::Leaf] {
                    let params = HdbscanParams {
                        cluster_selection_epsilon: epsilon,
                        allow_single_cluster,
                        cluster_selection_method,
                        ..base()
                    };
                    let fitted = fit(x, params);
                    let e = fitted.extraction();
                    assert!(e.persistence().iter().chain(e.strengths()).all(|v| v.is_finite()));
                    let again = fitted.assign(x).unwrap();
                    assert!(again.iter().zip(e.labels()).all(|(a, l)| a.label == *l), "{epsilon}");
                }
            }
        }
    }
    // An epsilon above every distance joins everything, where that is allowed.
    let wide = |allow_single_cluster| HdbscanParams {
        cluster_selection_epsilon: 1e300,
        allow_single_cluster,
        ..base()
    };
    assert_eq!(fit(data.features(), wide(true)).n_clusters(), 1);
    assert_eq!(fit(data.features(), wide(false)).n_clusters(), 2);
}

/// hdbscan#637, #733.
#[test]
fn minkowski_uses_its_p_and_cosine_predicts() {
    let data = blobs(80, &[&[3.0, 1.0, 0.5], &[1.0, 3.0, 0.5]], 0.2, 6);
    let x = data.features();
    let weights = |metric: Metric| -> Vec<f64> {
        fit(x, HdbscanParams { metric, ..base() }).tree().mst().edges().iter().map(|e| e.weight).collect()
    };
    assert_eq!(weights(Metric::Minkowski(2.0)), weights(Metric::Euclidean));
    assert_eq!(weights(Metric::Minkowski(1.0)), weights(Metric::Manhattan));
    // The p-norm falls with p, so every weight of the tree does.
    let (two, three) = (weights(Metric::Euclidean), weights(Metric::Minkowski(3.0)));
    assert!(two.iter().zip(&three).all(|(two, three)| three < two));
    let cosine = fit(x, HdbscanParams { metric: Metric::Cosine, ..base() });
    assert_eq!(cosine.n_clusters(), 2);
    // Length does not matter to the angle.
    let long: Vec<f64> = x.row(0).iter().map(|v| v * 1000.0).collect();
    let assigned = cosine.assign(Features::new(&long, 3).unwrap()).unwrap()[0];
    assert_eq!(assigned.label, cosine.training_labels()[0]);
}

/// Dynamic time warping of two series, by its definition.
fn dtw(a: &[f64], b: &[f64]) -> f64 {
    let mut before = vec![f64::INFINITY; b.len() + 1];
    before[0] = 0.0;
    for x in a {
        let mut now = vec![f64::INFINITY; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            now[j + 1] = (x - y).abs() + before[j].min(before[j + 1]).min(now[j]);
        }
        before = now;
    }
    before[b.len()]
}

/// hdbscan#481, #180.
#[test]
fn series_are_clustered_and_predicted_by_dtw() {
    // Bumps and steps at different times: apart as points, near by warping.
    let bump = |at: usize, height: f64| -> Vec<f64> {
        (0..30).map(|t| height * if t / 4 == at / 4 { 1.0 } else { 0.0 }).collect()
    };
    let step = |at: usize, height: f64| -> Vec<f64> {
        (0..30).map(|t| height * if t >= at { 1.0 } else { 0.0 }).collect()
    };
    let series: Vec<Vec<f64>> = (0..24)
        .map(|i| {
            let height = 1.0 + 0.01 * f64::from(i as u8);
            if i < 12 { bump(4 + i, height) } else { step(4 + i / 2, height) }
        })
        .collect();
    let pairs = |a: usize, b: usize| dtw(&series[a], &series[b]);
    let hdbscan = Hdbscan::new(HdbscanParams { min_cluster_size: 6, ..base() }).unwrap();
    let tree = hdbscan.fit_distances(Distances::Pairs { n_samples: 24, pairs: &pairs }).unwrap();
    let e = tree.extract(&hdbscan.params().selection()).unwrap();
    assert_eq!(e.labels(), Label::from_ids(&[[0; 12], [1; 12]].concat()));
    let assign = |new: &[f64]| {
        let distances: Vec<f64> = series.iter().map(|s| dtw(new, s)).collect();
        tree.assign_distances(&e, &distances).unwrap().label.id()
    };
    assert_eq!((assign(&bump(20, 1.1)), assign(&step(9, 1.1))), (0, 1));
    assert_eq!(assign(&vec![100.0; 30]), -1);
    for (row, label) in series.iter().zip(e.labels()) {
        assert_eq!(assign(row), label.id());
    }
}

/// hdbscan#53, #94, #129; petal-clustering#70.
#[test]
fn duplicates_give_no_nan() {
    let blob = blobs(40, &[&[0.0, 0.0], &[9.0, 1.0]], 1.0, 3);
    let mut values = blob.values.clone();
    // A pile in each group, and a group that is nothing but a pile.
    for (row, copies) in [(0, 30), (1, 30)] {
        values.extend(blob.values[2 * row..2 * row + 2].repeat(copies));
    }
    values.extend([40.0, 40.0].repeat(30));
    let x = Features::new(&values, 2).unwrap();
    for cluster_selection_method in [Method::Eom, Method::Leaf] {
        let fitted = fit(x, HdbscanParams { cluster_selection_method, ..base() });
        let e = fitted.extraction();
        let unit = |v: &f64| (0.0..=1.0).contains(v);
        assert!(e.strengths().iter().all(unit) && e.outlier_scores().iter().all(unit));
        assert!(e.persistence().iter().all(unit), "{:?}", e.persistence());
        assert!(fitted.training_memberships().unwrap().iter().all(unit));
        assert!(fitted.assign(x).unwrap().iter().all(|a| unit(&a.strength)));
        let pile = &e.labels()[x.n_samples() - 30..];
        assert!(!pile[0].is_noise() && pile.iter().all(|l| l == &pile[0]));
    }
}

/// fast_hdbscan#18, #19; hdbscan#149.
#[test]
fn a_million_samples_in_a_row_overflow_no_stack() {
    let n = 1_200_000u32;
    let forth = (1..n).map(|b| Edge { a: b - 1, b, weight: f64::from(b) }).collect();
    // Every merge gives the set another smallest sample.
    let back = (1..n).map(|b| Edge { a: n - 1 - b, b: n - b, weight: f64::from(b) }).collect();
    let run = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
        let clusters = |edges: Vec<Edge>, min_cluster_size: usize| {
            let hdbscan = Hdbscan::new(HdbscanParams { min_cluster_size, ..base() }).unwrap();
            let tree = hdbscan.fit_edges(vec![0.0; n as usize], edges).unwrap();
            tree.extract(&hdbscan.params().selection()).unwrap().n_clusters()
        };
        (clusters(forth, 15), clusters(back, n as usize / 2))
    });
    assert_eq!(run.unwrap().join().unwrap(), (0, 0));
}

/// hdbscan#27, #300, #345; #487.
#[test]
fn prediction_of_one_row_is_that_of_a_batch() {
    let data = mixture(1200, 4, 7);
    let fitted = fit(data.features(), base());
    let queries: Vec<f64> = data.values.iter().map(|v| v + 0.2).collect();
    let q = Features::new(&queries, 4).unwrap();
    let whole = fitted.assign(q).unwrap();
    for chunk in [1, 7, 64, 1000] {
        let mut parts = vec![Assignment::NOISE; 1200];
        for first in (0..1200).step_by(chunk) {
            let end = 1200.min(first + chunk);
            fitted.assign_into(q.slice(first..end), &mut parts[first..end]).unwrap();
        }
        assert_eq!(parts, whole, "chunks of {chunk}");
    }
}

/// hdbscan#127, #337, #484, #576.
#[test]
fn dbcv_neither_overflows_nor_is_nan() {
    let centers: [Vec<f64>; 2] = [vec![0.0; 400], vec![2.0; 400]];
    let data = blobs(40, &[&centers[0], &centers[1]], 1.0, 8);
    let score = dbcv(data.features(), &data.labels).unwrap().unwrap();
    assert!(score.is_finite() && (-1.0..=1.0).contains(&score), "{score}");
    let piles: Vec<f64> = [0.0, 0.0, 0.0, 5.0, 5.0, 5.0].to_vec();
    let labels = Label::from_ids(&[0, 0, 0, 1, 1, 1]);
    let score = dbcv(Features::new(&piles, 1).unwrap(), &labels).unwrap().unwrap();
    assert_eq!(score, 1.0);
}

/// hdbscan#134, #38; cuml#4986.
#[test]
fn a_stored_model_is_small_and_loads() {
    let data = mixture(2000, 3, 1);
    let fitted = fit(data.features(), base());
    let mut files = MemoryArtifacts::new();
    fitted.save(&mut files).unwrap();
    let bytes: usize = files.files().values().map(Vec::len).sum();
    assert!(bytes <= 2000 * (3 * 8 + 64), "{bytes}");
    let source: &dyn ArtifactSource = &files;
    let loaded: FittedHdbscan = tsc_core::restore(&StoredKind::from(fitted.kind()), source).unwrap();
    assert_eq!(loaded.extraction(), fitted.extraction());
    assert_eq!(loaded.assign(data.features()).unwrap(), fitted.assign(data.features()).unwrap());
}
