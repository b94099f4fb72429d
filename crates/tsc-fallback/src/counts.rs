use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::Label;

use crate::detail::{Detail, Reason};

/// What a fallback did with the samples of one batch.
///
/// # Examples
///
/// ```
/// use tsc_fallback::{CentroidParams, FallbackCounts, Features, Label, NearestCentroid, NoiseFallback};
/// let labels = Label::from_ids(&[0, 0, 1, 1]);
/// let fitted = NearestCentroid::new(CentroidParams::default())?
///     .fit(Features::new(&[0.0, 2.0, 10.0, 12.0], 1)?, &labels)?;
/// let counts = FallbackCounts::of(&fitted.assign_detailed(Features::new(&[2.0, 1.0, 500.0], 1)?)?);
/// assert_eq!((counts.asked, counts.assigned, counts.too_far, counts.too_unsure), (3, 2, 1, 0));
/// assert_eq!((counts.mean_strength, counts.least_strength), (Some(0.95), Some(0.9)));
/// assert_eq!(counts.per_label, [(labels[0], 2)]);
/// # Ok::<(), tsc_fallback::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FallbackCounts {
    /// Samples.
    pub asked: usize,
    /// Samples that got a cluster.
    pub assigned: usize,
    /// Samples left noise because they are beyond the cap.
    pub too_far: usize,
    /// Samples left noise because of `min_strength`.
    pub too_unsure: usize,
    /// Mean strength of the assigned samples; `None` without one.
    pub mean_strength: Option<f64>,
    /// Least strength of the assigned samples; `None` without one.
    pub least_strength: Option<f64>,
    /// Assigned samples of each label that got one, ascending.
    pub per_label: Vec<(Label, usize)>,
}

impl FallbackCounts {
    /// Counts the answers of one batch.
    #[must_use]
    pub fn of(details: &[Detail]) -> Self {
        let mut out = Self { asked: details.len(), ..Self::default() };
        let mut per_label: BTreeMap<Label, usize> = BTreeMap::new();
        let (mut sum, mut least) = (0.0, f64::INFINITY);
        for detail in details {
            match detail.reason {
                Some(Reason::TooFar) => out.too_far += 1,
                Some(Reason::TooUnsure) => out.too_unsure += 1,
                None if detail.label.is_noise() => {}
                None => {
                    out.assigned += 1;
                    sum += detail.strength;
                    least = least.min(detail.strength);
                    *per_label.entry(detail.label).or_default() += 1;
                }
            }
        }
        if out.assigned > 0 {
            out.mean_strength = Some(sum / out.assigned as f64);
            out.least_strength = Some(least);
        }
        out.per_label = per_label.into_iter().collect();
        out
    }
}
