use std::cmp::Ordering;

use tsc_core::{ClusterId, Features, Label};

/// Rows by their values, feature by feature; equal rows by position.
pub(crate) fn order(x: Features<'_>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..x.n_samples()).collect();
    order.sort_unstable_by(|&a, &b| compare(x.row(a), x.row(b)).then(a.cmp(&b)));
    order
}

/// Both zeros are equal, as they are to every distance.
pub(crate) fn compare(a: &[f64], b: &[f64]) -> Ordering {
    let differs = |(a, b): (&f64, &f64)| a.partial_cmp(b).filter(|order| order.is_ne());
    a.iter().zip(b).find_map(differs).unwrap_or(Ordering::Equal)
}

/// Label of each sample by smallest member, and the group that each label stands for. `groups` has a
/// number below `n_groups` for each sample, `None` for noise.
pub(crate) fn numbered(groups: &[Option<usize>], n_groups: usize) -> (Vec<Label>, Vec<usize>) {
    let mut numbers: Vec<Option<ClusterId>> = vec![None; n_groups];
    let mut found = Vec::new();
    let labels = groups
        .iter()
        .map(|group| {
            group.map_or(Label::NOISE, |group| {
                Label::of(*numbers[group].get_or_insert_with(|| {
                    found.push(group);
                    ClusterId(found.len() as u32 - 1)
                }))
            })
        })
        .collect();
    (labels, found)
}
