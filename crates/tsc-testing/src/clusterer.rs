//! What every [`Clusterer`] keeps.

use tsc_core::{
    Assignment, ClusterId, Clusterer, ErrorKind, Features, FittedClusterer, FittedClustererExt, Label,
};

use crate::generators::{Labelled, blobs, shuffled};
use crate::unwinding::must_panic;
use crate::{same_partition, stored};

/// Runs all checks on three groups with stray samples, on one group, and on uniform samples.
///
/// # Panics
///
/// At the first broken promise, naming it.
pub fn suite<C: Clusterer>(clusterer: &C) {
    suite_on(clusterer, three_groups().features());
    let single = blobs(120, &[&[3.0, -2.0]], 1.0, 5);
    let uniform = uniform(120);
    for (data, what) in [(&single, "one group"), (&uniform, "uniform samples")] {
        let fitted = clusterer
            .fit(data.features())
            .unwrap_or_else(|e| panic!("zero or one cluster is a result, not an error ({what}): {e:?}"));
        labels_are_numbered(&fitted, 120);
    }
}

/// Runs all checks on samples of the caller's choice.
///
/// # Panics
///
/// At the first broken promise, naming it.
pub fn suite_on<C: Clusterer>(clusterer: &C, x: Features<'_>) {
    let fitted = clusterer.fit(x).unwrap_or_else(|e| panic!("the suite's samples can be fitted: {e:?}"));
    assert_eq!(fitted.n_features(), x.n_features(), "n_features is the training width");
    labels_are_numbered(&fitted, x.n_samples());

    let again = clusterer.fit(x).expect("what was fitted once is fitted again");
    assert_eq!(again.training_labels(), fitted.training_labels(), "two fits give the same labels");
    assert_eq!(stored::files(&again), stored::files(&fitted), "two fits give the same bits");

    permuted_samples_give_permuted_labels(clusterer, x, fitted.training_labels());
    training_samples_get_their_training_labels(&fitted, x);
    assigning_keeps_the_protocol(&fitted, x);
    stored::suite(&fitted, &|kind, files| clusterer.restore(kind, files), &|f| {
        let mut bits: Vec<u64> = f.training_labels().iter().map(|l| l.id() as u64).collect();
        bits.extend([f.n_clusters() as u64, f.n_features() as u64]);
        // A damaged file may declare another width; then there is nothing to ask.
        if f.n_features() == x.n_features() {
            bits.extend(f.assign(x).iter().flatten().flat_map(|&a| assignment_bits(a)));
        }
        bits
    });
}

fn labels_are_numbered(fitted: &impl FittedClusterer, n_samples: usize) {
    let labels = fitted.training_labels();
    assert_eq!(labels.len(), n_samples, "one training label per sample");
    let mut next = 0;
    for cluster in labels.iter().filter_map(|l| l.cluster()) {
        assert!(cluster.0 <= next, "clusters are numbered by their smallest member sample, without gaps");
        next = next.max(cluster.0 + 1);
    }
    assert_eq!(fitted.n_clusters(), next as usize, "n_clusters counts the training labels");
}

fn permuted_samples_give_permuted_labels<C: Clusterer>(clusterer: &C, x: Features<'_>, labels: &[Label]) {
    let mut buffer = Vec::new();
    for seed in 0..3 {
        let order = shuffled(x.n_samples(), seed);
        let permuted = clusterer.fit(x.gather(&order, &mut buffer)).expect("permuted samples are fitted");
        let expected: Vec<Label> = order.iter().map(|&row| labels[row]).collect();
        assert!(
            same_partition(permuted.training_labels(), &expected),
            "permuted samples give permuted labels"
        );
    }
}

fn training_samples_get_their_training_labels(fitted: &impl FittedClusterer, x: Features<'_>) {
    let assigned = fitted.assign(x).expect("training samples have the training width");
    for (row, (a, &label)) in assigned.iter().zip(fitted.training_labels()).enumerate() {
        assert_eq!(a.label, label, "a training sample gets its training label (sample {row})");
    }
}

fn assigning_keeps_the_protocol(fitted: &impl FittedClusterer, x: Features<'_>) {
    let n_clusters = fitted.n_clusters();
    each_sample_stands_alone(x, &|chunk, out| fitted.assign_into(chunk, out), &|a| {
        assert!(
            a.label.cluster().is_none_or(|c| (c.0 as usize) < n_clusters),
            "a sample gets a cluster below n_clusters, not {}",
            a.label
        );
    });
}

/// Shared with the fallback, whose `assign_into` has the same protocol.
pub(crate) fn each_sample_stands_alone(
    training: Features<'_>,
    assign_into: &dyn Fn(Features<'_>, &mut [Assignment]) -> tsc_core::Result<()>,
    check_one: &dyn Fn(Assignment),
) {
    let queries = queries(training);
    let x = Features::new(&queries, training.n_features()).expect("queries are finite");
    let untouched = Assignment { label: Label::of(ClusterId(77)), strength: 0.123 };
    let mut whole = vec![untouched; x.n_samples()];
    assign_into(x, &mut whole).expect("queries have the training width");
    for &a in &whole {
        assert!((0.0..=1.0).contains(&a.strength), "a strength lies in 0..=1, not {}", a.strength);
        assert!(!a.label.is_noise() || a.strength == 0.0, "noise has strength 0, not {}", a.strength);
        check_one(a);
    }
    for size in [1, 7] {
        for start in (0..x.n_samples()).step_by(size) {
            let end = (start + size).min(x.n_samples());
            let mut part = vec![untouched; end - start];
            assign_into(x.slice(start..end), &mut part).expect("a chunk is assigned like the whole");
            let same =
                part.iter().zip(&whole[start..end]).all(|(&a, &b)| assignment_bits(a) == assignment_bits(b));
            assert!(same, "a sample's result depends on that sample alone (samples {start}..{end})");
        }
    }

    let wide = vec![0.5; 3 * (x.n_features() + 1)];
    let wide = Features::new(&wide, x.n_features() + 1).expect("a finite matrix");
    let mut out = vec![untouched; 3];
    let error = assign_into(wide, &mut out).expect_err("another width is an error");
    assert_eq!(error.kind(), ErrorKind::InvalidData, "another width is an InvalidData error: {error:?}");
    assert!(out.iter().all(|&a| a == untouched), "an error leaves `out` untouched");

    for length in [x.n_samples() - 1, x.n_samples() + 1] {
        must_panic("an `out` of another length panics", || assign_into(x, &mut vec![untouched; length]));
    }
}

fn assignment_bits(a: Assignment) -> [u64; 2] {
    [a.label.id() as u64, a.strength.to_bits()]
}

/// Some training samples, moved by amounts from nothing to far away.
pub(crate) fn queries(x: Features<'_>) -> Vec<f64> {
    let steps = [0.0, 1e-3, 0.1, 1.0, 25.0, 1e6];
    let step = (x.n_samples() / 40).max(1);
    let rows = x.rows().step_by(step).enumerate();
    rows.flat_map(|(i, row)| row.iter().map(move |v| v + steps[i % steps.len()])).collect()
}

/// Three groups of 60 in the plane, and twelve samples far from all.
pub(crate) fn three_groups() -> Labelled {
    let mut data = blobs(60, &[&[0.0, 0.0], &[10.0, 0.0], &[20.0, 1.0]], 0.6, 11);
    for i in 0..12 {
        let angle = 0.5 + f64::from(i);
        data.values.extend([10.0 + 60.0 * angle.cos(), 70.0 * angle.sin()]);
        data.labels.push(Label::NOISE);
    }
    data
}

fn uniform(n: usize) -> Labelled {
    let mut rng = fastrand::Rng::with_seed(9);
    let values = (0..2 * n).map(|_| 100.0 * rng.f64()).collect();
    Labelled { values, n_features: 2, labels: vec![Label::NOISE; n] }
}

#[cfg(test)]
mod tests;
