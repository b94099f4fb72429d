//! Adapters to linfa: the protocol, scikit-learn 1.9.1 as a second opinion, definitions, refused input.
#![cfg(feature = "linfa")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tsc_cluster::{
    Clusterer, ClustererExt, Dbscan, DbscanParams, Error, Features, FittedClusterer, FittedClustererExt,
    GaussianMixture, GaussianMixtureParams, KMeans, KMeansParams, Label, MaxDistance,
};
use tsc_core::{BoxClusterer, ErrorKind, Load, MemoryArtifacts, Save};
use tsc_testing::{Tolerance, assert_close, blobs, clusterer, mixture, npy, shared, shuffled};

fn kmeans(n_clusters: usize) -> KMeansParams {
    KMeansParams { n_clusters, ..Default::default() }
}

fn dbscan(eps: f64, min_points: usize) -> Dbscan {
    Dbscan::new(DbscanParams { eps, min_points }).unwrap()
}

fn gaussians(n_components: usize) -> GaussianMixtureParams {
    GaussianMixtureParams { n_components, max_iter: 500, ..Default::default() }
}

fn ids(labels: &[Label]) -> Vec<i32> {
    labels.iter().map(|l| l.id()).collect()
}

fn line(x: &[f64]) -> Features<'_> {
    Features::new(x, 1).unwrap()
}

#[test]
fn all_adapters_and_their_boxed_forms_keep_the_protocol() {
    fn both<C: Clusterer<Fitted: 'static> + 'static>(clusterer: C) {
        clusterer::suite(&clusterer);
        clusterer::suite::<BoxClusterer>(&clusterer.boxed());
    }
    both(KMeans::new(kmeans(3)).unwrap());
    both(KMeans::new(KMeansParams { max_distance: MaxDistance::Auto, ..kmeans(4) }).unwrap());
    both(KMeans::new(KMeansParams { max_distance: MaxDistance::Value(1.0), ..kmeans(6) }).unwrap());
    both(dbscan(1.0, 5));
    both(dbscan(0.3, 3));
    both(GaussianMixture::new(gaussians(2)).unwrap());
    both(GaussianMixture::new(GaussianMixtureParams { min_strength: 0.9, ..gaussians(3) }).unwrap());
}

#[test]
fn fitted_forms_are_send_sync_and_debug() {
    fn check<T: Send + Sync + Unpin + std::fmt::Debug>() {}
    check::<tsc_cluster::FittedKMeans>();
    check::<tsc_cluster::FittedDbscan>();
    check::<tsc_cluster::FittedGaussianMixture>();
}

#[test]
fn results_are_the_same_bits_for_any_number_of_threads() {
    let data = mixture(1500, 4, 3);
    let files = |fitted: &dyn Save| {
        let mut files = MemoryArtifacts::new();
        fitted.save(&mut files).unwrap();
        files
    };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let x = data.features();
            [
                files(&KMeans::new(kmeans(20)).unwrap().fit(x).unwrap()),
                files(&dbscan(4.0, 8).fit(x).unwrap()),
                files(&GaussianMixture::new(gaussians(5)).unwrap().fit(x).unwrap()),
            ]
        })
    };
    let one = run(1);
    assert_eq!(run(2), one);
    assert_eq!(run(4), one);
}

/// `KMeans(3, n_init=50, tol=0, max_iter=1000, random_state=0).fit(iris)`.
#[test]
fn kmeans_finds_scikit_learns_centres_of_iris() {
    let Some(folder) = shared("conformance/hdbscan") else { return };
    let data = npy::read(folder.join("data_iris150.npy"));
    // The movement per step falls by a constant factor, so the centre is about as near as the last step.
    let params = KMeansParams { tol: 1e-12, max_iter: 2000, ..kmeans(3) };
    let fitted = KMeans::new(params).unwrap().fit(data.features()).unwrap();
    let expected = [
        [5.006, 3.428, 1.462, 0.246],
        [5.901612903225806, 2.7483870967741937, 4.393548387096774, 1.4338709677419355],
        [6.85, 3.0736842105263156, 5.742105263157894, 2.0710526315789473],
    ];
    assert_close(&fitted.centroids(), expected.as_flattened(), Tolerance::Absolute(1e-9));
    let size = |id: i32| fitted.training_labels().iter().filter(|l| l.id() == id).count();
    assert_eq!([size(0), size(1), size(2)], [50, 62, 38]);
    assert!(fitted.is_converged());
    let hasty = KMeansParams { max_iter: 1, n_init: 1, ..kmeans(3) };
    assert!(!KMeans::new(hasty).unwrap().fit(data.features()).unwrap().is_converged());
}

#[test]
fn kmeans_strength_is_the_share_of_the_second_distance() {
    let fitted = KMeans::new(kmeans(2)).unwrap().fit(line(&[0.0, 2.0, 10.0, 12.0])).unwrap();
    let (a, b) = (fitted.centroids()[0], fitted.centroids()[1]);
    for q in [2.0, 5.0, 6.5, -100.0] {
        let got = fitted.assign(line(&[q])).unwrap()[0];
        let (near, far) = ((q - a).abs().min((q - b).abs()), (q - a).abs().max((q - b).abs()));
        assert!((got.strength - far / (near + far)).abs() < 1e-12);
        assert_eq!(got.label.id(), i32::from((q - a).abs() > (q - b).abs()));
    }
    // One centre: nothing else it could be.
    let one = KMeans::new(kmeans(1)).unwrap().fit(line(&[0.0, 2.0])).unwrap();
    assert_eq!(one.assign(line(&[1e9])).unwrap()[0].strength, 1.0);
    // Beyond the range of f64 no centre is nearer than another.
    let far = fitted.assign(line(&[1e308])).unwrap()[0];
    assert_eq!((far.label.id(), far.strength), (0, 0.5));
}

#[test]
fn kmeans_leaves_no_noise_without_a_cap_and_caps_training_samples_too() {
    let data = blobs(200, &[&[0.0, 0.0], &[20.0, 0.0]], 1.0, 5);
    let mut values = data.values.clone();
    values.extend([0.0, 9.0]);
    let x = Features::new(&values, 2).unwrap();
    let free = KMeans::new(kmeans(2)).unwrap().fit(x).unwrap();
    assert!(free.training_labels().iter().all(|l| !l.is_noise()));
    // 0.99 quantile of a radius with deviation 1 is 3.03; 1.5 times that is 4.6, and the stray is 9 away.
    let capped = KMeansParams { max_distance: MaxDistance::Auto, ..kmeans(2) };
    let capped = KMeans::new(capped).unwrap().fit(x).unwrap();
    assert_eq!(ids(&capped.training_labels()[400..]), [-1]);
    assert_eq!(capped.training_labels().iter().filter(|l| l.is_noise()).count(), 1);
    let got = capped.assign(Features::new(&[0.0, 4.0, 0.0, 5.5, 20.0, -4.0], 2).unwrap()).unwrap();
    assert_eq!(got.iter().map(|a| a.label.is_noise()).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(got[1].strength, 0.0);
}

#[test]
fn kmeans_of_repeated_samples_finds_fewer_clusters() {
    let fitted = KMeans::new(kmeans(4)).unwrap().fit(line(&[1.0, 1.0, 7.0, 7.0, 7.0])).unwrap();
    assert_eq!((fitted.n_clusters(), ids(fitted.training_labels())), (2, vec![0, 0, 1, 1, 1]));
    // A cap so small that a cluster keeps no sample: its samples are noise, now and later.
    let tight = KMeansParams { max_distance: MaxDistance::Value(0.1), ..kmeans(2) };
    let fitted = KMeans::new(tight).unwrap().fit(line(&[0.0, 1.0, 50.0, 50.0])).unwrap();
    assert_eq!((fitted.n_clusters(), ids(fitted.training_labels())), (1, vec![-1, -1, 0, 0]));
    assert_eq!(fitted.centroids().len(), 1);
    let again = fitted.assign(line(&[0.0, 1.0, 0.5, 50.05])).unwrap();
    assert_eq!(ids(&again.iter().map(|a| a.label).collect::<Vec<_>>()), [-1, -1, -1, 0]);
}

/// `DBSCAN(eps, min_samples).fit(x)`: clusters, core samples and noise do not depend on who reaches a
/// border sample first.
#[test]
fn dbscan_counts_equal_scikit_learn() {
    let Some(folder) = shared("conformance/hdbscan") else { return };
    for (name, eps, min_points, clusters, core, noise) in [
        ("clusterable2309", 0.02, 8, 14, 1462, 632),
        ("circles600", 0.1, 5, 9, 527, 11),
        ("gmm1500_d2", 1.0, 10, 6, 1203, 208),
        ("gmm1500_d10", 6.0, 10, 8, 1299, 156),
        ("iris150", 0.5, 5, 2, 117, 17),
        ("grid_ties400", 1.0, 5, 1, 324, 4),
        ("duplicates600", 0.3, 4, 3, 18, 582),
    ] {
        let data = npy::read(folder.join(format!("data_{name}.npy")));
        let fitted = dbscan(eps, min_points).fit(data.features()).unwrap();
        let left = fitted.training_labels().iter().filter(|l| l.is_noise()).count();
        assert_eq!((fitted.n_clusters(), fitted.n_core_samples(), left), (clusters, core, noise), "{name}");
    }
}

/// By the definition: core samples, components of core samples, border samples by the nearest core one.
#[test]
fn dbscan_labels_equal_their_definition() {
    for (seed, eps, min_points) in [(1, 2.0, 4), (2, 3.0, 9), (3, 1.0, 2), (4, 0.01, 2)] {
        let data = mixture(400, 2, seed);
        let x = data.features();
        let n = x.n_samples();
        let distance = |a: usize, b: usize| {
            x.row(a).iter().zip(x.row(b)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
        };
        let core: Vec<usize> =
            (0..n).filter(|&i| (0..n).filter(|&j| distance(i, j) <= eps).count() >= min_points).collect();
        let mut group: Vec<usize> = (0..n).collect();
        // Spreads the smallest number until nothing changes.
        loop {
            let mut changed = false;
            for &i in &core {
                for &j in core.iter().filter(|&&j| distance(i, j) <= eps) {
                    let least = group[i].min(group[j]);
                    changed |= group[i] != least || group[j] != least;
                    (group[i], group[j]) = (least, least);
                }
            }
            if !changed {
                break;
            }
        }
        let near = |i: usize| core.iter().copied().min_by(|&a, &b| distance(i, a).total_cmp(&distance(i, b)));
        let groups: Vec<Option<usize>> =
            (0..n).map(|i| near(i).filter(|&c| distance(i, c) <= eps).map(|c| group[c])).collect();
        let mut first: Vec<usize> = Vec::new();
        let expected: Vec<i32> = groups
            .iter()
            .map(|g| {
                g.map_or(-1, |g| {
                    first.iter().position(|&f| f == g).unwrap_or_else(|| {
                        first.push(g);
                        first.len() - 1
                    }) as i32
                })
            })
            .collect();
        let fitted = dbscan(eps, min_points).fit(x).unwrap();
        assert_eq!(ids(fitted.training_labels()), expected, "seed {seed}");
        assert_eq!(fitted.n_core_samples(), core.len());
    }
}

/// The backend's `min_points` counts the sample itself, and its `eps` is inside: of three in a row only
/// the middle one has three within 1.
#[test]
fn dbscan_min_points_counts_the_sample_itself_and_eps_is_inclusive() {
    let x = [0.0, 1.0, 2.0];
    let fitted = dbscan(1.0, 3).fit(line(&x)).unwrap();
    assert_eq!((fitted.n_core_samples(), ids(fitted.training_labels())), (1, vec![0, 0, 0]));
    let fitted = dbscan(1.0, 4).fit(line(&x)).unwrap();
    assert_eq!((fitted.n_core_samples(), ids(fitted.training_labels())), (0, vec![-1, -1, -1]));
    assert!(fitted.assign(line(&[1.0])).unwrap()[0].label.is_noise());
    let fitted = dbscan(0.999, 2).fit(line(&x)).unwrap();
    assert_eq!(fitted.n_core_samples(), 0);
    // More neighbours asked for than there are samples.
    assert_eq!(dbscan(10.0, 4).fit(line(&x)).unwrap().n_core_samples(), 0);
    assert_eq!(dbscan(10.0, 3).fit(line(&x)).unwrap().n_core_samples(), 3);
}

#[test]
fn samples_infinitely_far_away_are_noise_to_dbscan() {
    let data = blobs(300, &[&[0.0, 0.0], &[50.0, 0.0]], 1.0, 5);
    let fitted = dbscan(1.0, 4).fit(data.features()).unwrap();
    assert!(fitted.n_core_samples() > 300);
    let far = Features::new(&[1e308, -1e308], 2).unwrap();
    assert_eq!(fitted.assign(far).unwrap(), [tsc_cluster::Assignment::NOISE]);
}

/// A border sample as far from one cluster as from another: the order of the samples does not decide.
#[test]
fn dbscan_border_samples_do_not_depend_on_the_order() {
    let x: Vec<f64> = [0.0, 0.25, 0.5, 2.5, 2.75, 3.0, 1.5].to_vec();
    let label_of_border = |order: &[usize]| {
        let rows: Vec<f64> = order.iter().map(|&i| x[i]).collect();
        let fitted = dbscan(1.0, 4).fit(line(&rows)).unwrap();
        let place = |i: usize| order.iter().position(|&o| o == i).unwrap();
        let labels = fitted.training_labels();
        assert_eq!(fitted.n_clusters(), 2);
        (labels[place(6)] == labels[place(0)], labels[place(6)] == labels[place(5)])
    };
    let first = label_of_border(&[0, 1, 2, 3, 4, 5, 6]);
    assert_ne!(first.0, first.1);
    for seed in 0..10 {
        assert_eq!(label_of_border(&shuffled(7, seed)), first);
    }
}

/// `GaussianMixture(3, tol=1e-13, max_iter=20000, reg_covar=1e-6, random_state=0).fit(iris)`, the optimum
/// that all five seeds tried reach.
#[test]
fn gaussian_mixture_finds_scikit_learns_optimum_of_iris() {
    let Some(folder) = shared("conformance/hdbscan") else { return };
    let data = npy::read(folder.join("data_iris150.npy"));
    let params = GaussianMixtureParams { tol: 1e-13, max_iter: 20_000, ..gaussians(3) };
    let fitted = GaussianMixture::new(params).unwrap().fit(data.features()).unwrap();
    let means = [
        [5.006, 3.428, 1.462, 0.246],
        [5.914972009771011, 2.777843665886123, 4.201556771719324, 1.2969683962779128],
        [6.544549941311438, 2.9486620198573075, 5.47955717236701, 1.9846072605157525],
    ];
    assert_close(&fitted.means(), means.as_flattened(), Tolerance::Absolute(1e-5));
    let size = |id: i32| fitted.training_labels().iter().filter(|l| l.id() == id).count();
    assert_eq!([size(0), size(1), size(2)], [50, 45, 55]);
    let queries = [6.2, 2.8, 4.9, 1.7, 5.0, 3.4, 1.5, 0.2, 6.0, 2.8, 4.9, 1.5, 6.3, 2.6, 5.0, 1.6];
    let got = fitted.assign(Features::new(&queries, 4).unwrap()).unwrap();
    let likeliest = [(2, 0.9880825127038977), (0, 1.0), (2, 0.602740645176753), (2, 0.9924329762784698)];
    for (got, (label, strength)) in got.iter().zip(likeliest) {
        assert_eq!(got.label.id(), label);
        assert!((got.strength - strength).abs() < 1e-5, "{} is not {strength}", got.strength);
    }
}

#[test]
fn gaussian_mixture_below_min_strength_is_noise_in_training_too() {
    let data = blobs(200, &[&[0.0], &[3.0]], 1.0, 5);
    let fit = |min_strength| {
        GaussianMixture::new(GaussianMixtureParams { min_strength, ..gaussians(2) })
            .unwrap()
            .fit(data.features())
            .unwrap()
    };
    let all = fit(0.0);
    assert!(all.training_labels().iter().all(|l| !l.is_noise()));
    let posteriors = all.assign(data.features()).unwrap();
    let sure = fit(0.9);
    for (posterior, label) in posteriors.iter().zip(sure.training_labels()) {
        assert_eq!(posterior.strength < 0.9, label.is_noise());
    }
    assert!(sure.training_labels().iter().any(|l| l.is_noise()));
    // Far outside, one component has all the posterior; beyond the range of f64 none has a density.
    assert_eq!(all.assign(line(&[1e6])).unwrap()[0].strength, 1.0);
    assert!(all.assign(line(&[1e308])).unwrap()[0].label.is_noise());
}

#[test]
fn every_violation_is_named_at_once() {
    #[track_caller]
    fn check(error: Error, message: &str) {
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidConfig, "TSC-CLU-002"));
        assert_eq!(error.to_string(), message);
    }
    let bad = KMeansParams {
        n_clusters: 0,
        n_init: 0,
        max_iter: 0,
        tol: f64::NAN,
        max_distance: MaxDistance::Value(0.0),
        random_state: 1,
    };
    check(
        KMeans::new(bad).unwrap_err(),
        "max_distance is 0, must be above 0 and finite, auto or none; max_iter is 0, must be at least 1; \
         n_clusters is 0, must be at least 1; n_init is 0, must be at least 1; \
         tol is NaN, must be above 0 and finite",
    );
    let bad = DbscanParams { eps: 0.0, min_points: 1 };
    check(
        Dbscan::new(bad).unwrap_err(),
        "eps is 0, must be above 0 and finite; min_points is 1, must be at least 2: it counts the sample itself",
    );
    let bad = GaussianMixtureParams {
        n_components: 0,
        tol: 0.0,
        reg_covar: -1.0,
        max_iter: 0,
        min_strength: 2.0,
        random_state: 1,
    };
    check(
        GaussianMixture::new(bad).unwrap_err(),
        "max_iter is 0, must be at least 1; min_strength is 2, must be in 0..=1; \
         n_components is 0, must be at least 1; reg_covar is -1, must be at least 0 and finite; \
         tol is 0, must be above 0 and finite",
    );
}

#[test]
fn unknown_settings_are_refused_and_absent_ones_have_defaults() {
    assert_eq!(serde_json::from_str::<KMeansParams>("{}").unwrap(), KMeansParams::default());
    assert_eq!(serde_json::from_str::<DbscanParams>("{}").unwrap(), DbscanParams::default());
    let read = serde_json::from_str::<GaussianMixtureParams>;
    assert_eq!(read("{}").unwrap(), GaussianMixtureParams::default());
    assert!(read(r#"{"n_component": 2}"#).is_err());
    assert!(serde_json::from_str::<DbscanParams>(r#"{"min_samples": 2}"#).is_err());
    let kmeans: KMeansParams = serde_json::from_str(r#"{"max_distance": "auto"}"#).unwrap();
    assert_eq!(kmeans.max_distance, MaxDistance::Auto);
    assert!(serde_json::from_str::<KMeansParams>(r#"{"k": 2}"#).is_err());
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: tsc_core::Result<T>, code: &str, message: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (code, message));
    assert!(error.help().is_some());
}

#[test]
fn more_clusters_than_samples_are_an_error() {
    let x = line(&[0.0, 1.0]);
    let message = "3 clusters are more than the 2 samples";
    refused(KMeans::new(kmeans(3)).unwrap().fit(x), "TSC-CLU-021", message);
    refused(GaussianMixture::new(gaussians(3)).unwrap().fit(x), "TSC-CLU-021", message);
    assert_eq!(KMeans::new(kmeans(2)).unwrap().fit(x).unwrap().n_clusters(), 2);
}

#[test]
fn a_mixture_that_cannot_be_fitted_says_why() {
    let flat = GaussianMixtureParams { reg_covar: 0.0, ..gaussians(1) };
    refused(
        GaussianMixture::new(flat).unwrap().fit(line(&[4.0, 4.0, 4.0])),
        "TSC-CLU-023",
        "the gaussian mixture cannot be fitted: a covariance is singular",
    );
    // Two components for one place: the second never has a sample.
    refused(
        GaussianMixture::new(gaussians(2)).unwrap().fit(line(&[4.0, 4.0, 4.0])),
        "TSC-CLU-023",
        "the gaussian mixture cannot be fitted: a component has no sample left",
    );
    let hasty = GaussianMixtureParams { max_iter: 1, ..gaussians(2) };
    refused(
        GaussianMixture::new(hasty).unwrap().fit(blobs(50, &[&[0.0], &[2.0]], 1.0, 5).features()),
        "TSC-CLU-022",
        "the gaussian mixture did not converge in 1 iterations",
    );
    // One sample so far out that its density is 0 in f64, although it belongs to the only component.
    let mut values: Vec<f64> = (0..4000).map(|i| f64::from(i % 7)).collect();
    values.push(1e9);
    refused(
        GaussianMixture::new(gaussians(1)).unwrap().fit(line(&values)),
        "TSC-CLU-023",
        "the gaussian mixture cannot be fitted: a sample is too far from every component to have a likelihood",
    );
}

#[test]
fn distances_that_overflow_are_an_error_naming_the_feature() {
    let x = Features::new(&[0.0, 1e200, 1.0, -1e200], 2).unwrap();
    let message = "the range of feature 1 makes squared distances overflow";
    refused(KMeans::new(kmeans(1)).unwrap().fit(x), "TSC-CLU-020", message);
    refused(GaussianMixture::new(gaussians(1)).unwrap().fit(x), "TSC-CLU-020", message);
    let error = dbscan(1.0, 2).fit(x).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

/// Random changes of stored bytes are the suite's; these are whole lies.
#[test]
fn stored_models_that_contradict_themselves_are_refused() {
    fn check<F: Load + std::fmt::Debug>(fitted: &impl Save, other: &impl Save) {
        let (mut files, mut wrong) = (MemoryArtifacts::new(), MemoryArtifacts::new());
        fitted.save(&mut files).unwrap();
        other.save(&mut wrong).unwrap();
        assert!(F::load(1, &files).is_ok());
        // A model of another method, and one with a byte too many.
        assert_eq!(F::load(1, &wrong).unwrap_err().kind(), ErrorKind::Artifact);
        let mut long = files.files().get("model.postcard").unwrap().clone();
        long.push(0);
        files.overwrite("model.postcard", long);
        let error = F::load(1, &files).unwrap_err();
        assert!(error.to_string().contains("1 bytes follow the model"), "{error}");
    }
    let x = [0.0, 1.0, 2.0, 10.0, 11.0, 12.0];
    let k = KMeans::new(kmeans(2)).unwrap().fit(line(&x)).unwrap();
    let d = dbscan(1.0, 2).fit(line(&x)).unwrap();
    let g = GaussianMixture::new(gaussians(2)).unwrap().fit(line(&x)).unwrap();
    check::<tsc_cluster::FittedKMeans>(&k, &d);
    check::<tsc_cluster::FittedDbscan>(&d, &g);
    check::<tsc_cluster::FittedGaussianMixture>(&g, &k);
}
