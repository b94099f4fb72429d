use std::f64::consts::TAU;

use fastrand::Rng;
use tsc_core::{Features, Label, Targets};

/// Samples with the group each was drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// `(n_samples, n_features)`, row-major, finite.
    pub values: Vec<f64>,
    /// Width.
    pub n_features: usize,
    /// Group of each sample, noise for background samples.
    pub labels: Vec<Label>,
}

impl Labelled {
    /// The samples.
    #[must_use]
    pub fn features(&self) -> Features<'_> {
        Features::new(&self.values, self.n_features).expect("generators give finite, non-empty matrices")
    }
}

/// Samples with a target that depends on the group.
#[derive(Clone, Debug, PartialEq)]
pub struct Segmented {
    /// Samples and groups.
    pub data: Labelled,
    /// Target of each sample.
    pub targets: Vec<f64>,
}

impl Segmented {
    /// The samples.
    #[must_use]
    pub fn features(&self) -> Features<'_> {
        self.data.features()
    }

    /// The targets.
    #[must_use]
    pub fn targets(&self) -> Targets<'_> {
        Targets::new(&self.targets).expect("generators give finite targets")
    }
}

/// Gaussian groups of `n_per_group` samples around `centers`, standard deviation `sd`, rows shuffled.
///
/// # Panics
///
/// If there is no center, or the centers differ in width.
#[must_use]
#[track_caller]
pub fn blobs(n_per_group: usize, centers: &[&[f64]], sd: f64, seed: u64) -> Labelled {
    let n_features = centers.first().expect("at least one center").len();
    let mut rng = Rng::with_seed(seed);
    let mut rows = Vec::with_capacity(n_per_group * centers.len());
    for (group, center) in centers.iter().enumerate() {
        assert_eq!(center.len(), n_features, "center {group} has another width");
        for _ in 0..n_per_group {
            rows.push((label(group), center.iter().map(|c| c + sd * normal(&mut rng)).collect::<Vec<_>>()));
        }
    }
    rng.shuffle(&mut rows);
    labelled(rows, n_features)
}

/// The benchmark's mixture: 20 Gaussians with a uniform background of 10 % (labelled noise).
///
/// Centres uniform in [-40, 40]^d, deviations uniform in [0.5, 2.5], weights Dirichlet(5), background
/// uniform in [-50, 50]^d, rows shuffled.
#[must_use]
pub fn mixture(n: usize, d: usize, seed: u64) -> Labelled {
    let mut rng = Rng::with_seed(seed);
    let between = |rng: &mut Rng, low: f64, high: f64| low + (high - low) * rng.f64();
    let components: Vec<(Vec<f64>, f64, f64)> = (0..20)
        .map(|_| {
            let center = (0..d).map(|_| between(&mut rng, -40.0, 40.0)).collect();
            let sd = between(&mut rng, 0.5, 2.5);
            // Dirichlet(5): Gamma(5) is the sum of five exponentials, normalised below.
            let weight = (0..5).map(|_| -(1.0 - rng.f64()).ln()).sum();
            (center, sd, weight)
        })
        .collect();
    let total: f64 = components.iter().map(|c| c.2).sum();
    let mut rows = Vec::with_capacity(n);
    for row in 0..n {
        if row < n / 10 {
            rows.push((Label::NOISE, (0..d).map(|_| between(&mut rng, -50.0, 50.0)).collect()));
            continue;
        }
        let mut left = rng.f64() * total;
        let mut chosen = components.len() - 1;
        for (i, component) in components.iter().enumerate() {
            left -= component.2;
            if left < 0.0 {
                chosen = i;
                break;
            }
        }
        let (center, sd, _) = &components[chosen];
        rows.push((label(chosen), center.iter().map(|c| c + sd * normal(&mut rng)).collect()));
    }
    rng.shuffle(&mut rows);
    labelled(rows, d)
}

/// Groups in the plane of the first two features whose target follows the third with a slope of their own.
///
/// Group g lies at (12 g, 6 (g mod 2)) with deviation 0.5; the third feature is uniform in [-1, 1];
/// target = 10 g + slope x third + noise, the slope being g + 1 with alternating sign. One straight
/// line over all groups cannot fit it, one per group can: the residual is then `noise_sd`.
#[must_use]
pub fn segmented_regression(n_per_group: usize, n_groups: usize, noise_sd: f64, seed: u64) -> Segmented {
    let mut rng = Rng::with_seed(seed);
    let mut rows = Vec::with_capacity(n_per_group * n_groups);
    for group in 0..n_groups {
        let slope = (group as f64 + 1.0) * if group % 2 == 0 { 1.0 } else { -1.0 };
        for _ in 0..n_per_group {
            let x = vec![
                12.0 * group as f64 + 0.5 * normal(&mut rng),
                6.0 * (group % 2) as f64 + 0.5 * normal(&mut rng),
                2.0 * rng.f64() - 1.0,
            ];
            let target = 10.0 * group as f64 + slope * x[2] + noise_sd * normal(&mut rng);
            rows.push((label(group), x, target));
        }
    }
    rng.shuffle(&mut rows);
    let targets = rows.iter().map(|row| row.2).collect();
    let data = labelled(rows.into_iter().map(|(label, x, _)| (label, x)).collect(), 3);
    Segmented { data, targets }
}

/// Positions `0..n` in a seeded random order.
#[must_use]
pub fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    Rng::with_seed(seed).shuffle(&mut order);
    order
}

fn labelled(rows: Vec<(Label, Vec<f64>)>, n_features: usize) -> Labelled {
    let labels = rows.iter().map(|row| row.0).collect();
    let values = rows.into_iter().flat_map(|row| row.1).collect();
    Labelled { values, n_features, labels }
}

pub(crate) fn label(group: usize) -> Label {
    Label::from_ids(&[i32::try_from(group).expect("groups are few")])[0]
}

// Box-Muller; the second value is thrown away, so each draw takes two uniforms and streams are easy to follow.
pub(crate) fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (TAU * rng.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_have_their_centers_deviation_and_counts() {
        let data = blobs(4000, &[&[0.0, 5.0], &[10.0, -5.0]], 0.5, 3);
        assert_eq!(data, blobs(4000, &[&[0.0, 5.0], &[10.0, -5.0]], 0.5, 3));
        assert_ne!(data.labels, blobs(4000, &[&[0.0, 5.0], &[10.0, -5.0]], 0.5, 4).labels);
        for (group, center) in [(0, [0.0, 5.0]), (1, [10.0, -5.0])] {
            let rows: Vec<&[f64]> = data
                .features()
                .rows()
                .zip(&data.labels)
                .filter(|(_, l)| l.id() == group)
                .map(|(row, _)| row)
                .collect();
            assert_eq!(rows.len(), 4000);
            for feature in 0..2 {
                let mean = rows.iter().map(|r| r[feature]).sum::<f64>() / 4000.0;
                let var = rows.iter().map(|r| (r[feature] - mean).powi(2)).sum::<f64>() / 4000.0;
                // Five standard errors of a mean and of a deviation.
                assert!((mean - center[feature]).abs() < 5.0 * 0.5 / 4000f64.sqrt());
                assert!((var.sqrt() - 0.5).abs() < 5.0 * 0.5 / 8000f64.sqrt());
            }
        }
    }

    #[test]
    fn the_mixture_has_a_tenth_of_background_inside_its_box() {
        let data = mixture(10_000, 2, 2);
        assert_eq!(data.labels.iter().filter(|l| l.is_noise()).count(), 1000);
        assert_eq!(data.labels.iter().map(|l| l.id()).max(), Some(19));
        let background = data.features().rows().zip(&data.labels).filter(|(_, l)| l.is_noise());
        let inside = background.flat_map(|(row, _)| row).filter(|v| v.abs() <= 50.0).count();
        assert_eq!(inside, 2000);
    }

    #[test]
    fn groups_of_the_mixture_have_one_deviation_each_and_centers_inside_theirs() {
        let d = 10;
        let data = mixture(40_000, d, d as u64);
        for group in 0..20 {
            let members = || data.features().rows().zip(&data.labels).filter(|(_, l)| l.id() == group);
            let n = members().count() as f64;
            // Shares of Dirichlet(5): mean 0.05, deviation 0.022; five deviations above.
            assert!((100.0..0.16 * 36_000.0).contains(&n), "group {group} has {n} rows");
            let mut deviations = Vec::new();
            for feature in 0..d {
                let mean = members().map(|(row, _)| row[feature]).sum::<f64>() / n;
                assert!(mean.abs() < 40.5, "group {group} lies at {mean}");
                let var = members().map(|(row, _)| (row[feature] - mean).powi(2)).sum::<f64>() / n;
                deviations.push(var.sqrt());
            }
            // The same in all directions, within five standard errors.
            let mean = deviations.iter().sum::<f64>() / d as f64;
            assert!((0.45..2.6).contains(&mean), "group {group} has the deviation {mean}");
            assert!(
                deviations.iter().all(|it| (it / mean - 1.0).abs() < 5.0 / (2.0 * n).sqrt()),
                "{deviations:?}"
            );
        }
    }

    #[test]
    fn each_segment_follows_its_own_slope() {
        let segmented = segmented_regression(50, 3, 0.0, 1);
        for ((row, label), target) in
            segmented.features().rows().zip(&segmented.data.labels).zip(&segmented.targets)
        {
            let expected = [row[2], 10.0 - 2.0 * row[2], 20.0 + 3.0 * row[2]][label.id() as usize];
            assert!((target - expected).abs() < 1e-12);
        }
    }
}
