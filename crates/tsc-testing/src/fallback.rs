//! What every [`NoiseFallback`] keeps.

use std::collections::BTreeSet;

use tsc_core::{ErrorKind, Features, FittedFallback, Label, NoiseFallback, Stage};

use crate::clusterer::{each_sample_stands_alone, three_groups};
use crate::generators::shuffled;
use crate::stored;
use crate::unwinding::must_panic;

/// Runs all checks on three groups with stray samples, and on cluster numbers with a gap.
///
/// # Panics
///
/// At the first broken promise, naming it.
pub fn suite<N: NoiseFallback>(fallback: &N) {
    let data = three_groups();
    suite_on(fallback, data.features(), &data.labels);
    // Clusters 0 and 2 only: the fallback must not invent cluster 1.
    let gap: Vec<Label> = data.labels.iter().map(|&l| if l.id() == 1 { Label::NOISE } else { l }).collect();
    suite_on(fallback, data.features(), &gap);
}

/// Runs all checks on samples of the caller's choice; the groups must be far apart.
///
/// # Panics
///
/// At the first broken promise, naming it.
pub fn suite_on<N: NoiseFallback>(fallback: &N, x: Features<'_>, labels: &[Label]) {
    let fitted =
        fallback.fit(x, labels).unwrap_or_else(|e| panic!("the suite's samples can be fitted: {e:?}"));
    assert_eq!(fitted.n_features(), x.n_features(), "n_features is the training width");
    let again = fallback.fit(x, labels).expect("what was fitted once is fitted again");
    assert_eq!(stored::files(&again), stored::files(&fitted), "two fits give the same bits");

    let known: BTreeSet<Label> = labels.iter().copied().collect();
    each_sample_stands_alone(x, &|chunk, out| fitted.assign_into(chunk, out), &|a| {
        assert!(
            a.label.is_noise() || known.contains(&a.label),
            "a fallback names no cluster outside its training labels, not {}",
            a.label
        );
    });
    let assigned = answers(&fitted, x);
    for (row, (&got, &label)) in assigned.iter().zip(labels).enumerate() {
        assert!(
            got.is_noise() || label.is_noise() || got == label,
            "a training sample of a far group gets that group or abstains (sample {row})"
        );
    }
    let named = assigned.iter().filter(|l| !l.is_noise()).count();
    assert!(named > 0, "a fallback names a cluster for some training sample");

    learns_from_samples_in_any_order(fallback, x, labels, &assigned);
    refuses_noise_alone(fallback, x);
    must_panic("labels of another length panic", || fallback.fit(x, &labels[1..]));
    stored::suite(&fitted, &|kind, files| fallback.restore(kind, files), &|f| {
        let mut bits = vec![f.n_features() as u64];
        // A damaged file may declare another width; then there is nothing to ask.
        if f.n_features() == x.n_features() {
            let mut out = vec![tsc_core::Assignment::NOISE; x.n_samples()];
            if f.assign_into(x, &mut out).is_ok() {
                bits.extend(out.iter().flat_map(|a| [a.label.id() as u64, a.strength.to_bits()]));
            }
        }
        bits
    });
}

fn answers(fitted: &impl FittedFallback, x: Features<'_>) -> Vec<Label> {
    let mut out = vec![tsc_core::Assignment::NOISE; x.n_samples()];
    fitted.assign_into(x, &mut out).expect("training samples have the training width");
    out.iter().map(|a| a.label).collect()
}

fn learns_from_samples_in_any_order<N: NoiseFallback>(
    fallback: &N,
    x: Features<'_>,
    labels: &[Label],
    assigned: &[Label],
) {
    let order = shuffled(x.n_samples(), 4);
    let permuted_labels: Vec<Label> = order.iter().map(|&row| labels[row]).collect();
    let mut buffer = Vec::new();
    let permuted =
        fallback.fit(x.gather(&order, &mut buffer), &permuted_labels).expect("permuted samples are fitted");
    assert!(answers(&permuted, x) == assigned, "the order of the training samples does not matter");
}

fn refuses_noise_alone<N: NoiseFallback>(fallback: &N, x: Features<'_>) {
    let noise = vec![Label::NOISE; x.n_samples()];
    let error = fallback.fit(x, &noise).expect_err("training labels without a cluster are an error");
    assert_eq!(
        (error.kind(), error.stage()),
        (ErrorKind::Training, Stage::Fallback),
        "labels without a cluster are a Training error of the fallback: {error:?}"
    );
}

#[cfg(test)]
mod tests;
