use tsc_core::Features;
use tsc_neighbors::for_each_chunk;

use super::eigen::symmetric_eigen;

/// Principal components of a standardised, clipped view.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    pub(crate) mean: Vec<f64>,
    /// A component a row, `(n_components, n_columns)`.
    pub(crate) components: Vec<f64>,
    pub(crate) explained_variance: Vec<f64>,
    pub(crate) explained_variance_ratio: Vec<f64>,
}

impl Projection {
    /// `n_components` is at least 1 and at most the width of `x`.
    pub(crate) fn fit(x: Features<'_>, n_components: usize) -> Self {
        let (n, d) = (x.n_samples(), x.n_features());
        let mut mean = vec![0.0; d];
        for row in x.rows() {
            mean.iter_mut().zip(row).for_each(|(m, v)| *m += v);
        }
        mean.iter_mut().for_each(|m| *m /= n as f64);
        let covariance = covariance(x, &mean);
        let total: f64 = (0..d).map(|c| covariance[c * d + c]).sum();
        let eigen = symmetric_eigen(covariance, d);
        let mut components = eigen.vectors[..n_components * d].to_vec();
        components.chunks_exact_mut(d).for_each(turn_largest_positive);
        // Rounding may leave an eigenvalue of a singular matrix just below 0.
        let explained_variance: Vec<f64> = eigen.values[..n_components].iter().map(|v| v.max(0.0)).collect();
        let ratio = |v: &f64| if total > 0.0 { v / total } else { 0.0 };
        let explained_variance_ratio = explained_variance.iter().map(ratio).collect();
        Self { mean, components, explained_variance, explained_variance_ratio }
    }

    pub(crate) fn apply(&self, values: &[f64]) -> Vec<f64> {
        let d = self.mean.len();
        let mut out = Vec::with_capacity(values.len() / d * self.n_components());
        for row in values.chunks_exact(d) {
            for component in self.components.chunks_exact(d) {
                let terms = row.iter().zip(&self.mean).zip(component);
                out.push(terms.fold(0.0, |sum, ((v, m), w)| sum + (v - m) * w));
            }
        }
        out
    }

    /// Number of components.
    #[must_use]
    pub fn n_components(&self) -> usize {
        self.explained_variance.len()
    }

    /// Components, one a row, of unit length; the largest loading of each is positive.
    #[must_use]
    pub fn components(&self) -> &[f64] {
        &self.components
    }

    /// Variance along each component, with n - 1 in the denominator as in scikit-learn; descending.
    #[must_use]
    pub fn explained_variance(&self) -> &[f64] {
        &self.explained_variance
    }

    /// Share of the total variance along each component, 0..=1.
    #[must_use]
    pub fn explained_variance_ratio(&self) -> &[f64] {
        &self.explained_variance_ratio
    }
}

/// Each cell is summed over the samples in their order, whichever thread does it.
fn covariance(x: Features<'_>, mean: &[f64]) -> Vec<f64> {
    let (n, d) = (x.n_samples(), x.n_features());
    let mut centred = vec![0.0; n * d];
    for (row, out) in x.rows().zip(centred.chunks_exact_mut(d)) {
        for ((out, v), m) in out.iter_mut().zip(row).zip(mean) {
            *out = v - m;
        }
    }
    let mut out = vec![0.0; d * d];
    for_each_chunk(&mut out, d, |first, out| {
        let a = first / d;
        for row in centred.chunks_exact(d) {
            for (out, v) in out.iter_mut().zip(row) {
                *out += row[a] * v;
            }
        }
    });
    let divisor = (n as f64 - 1.0).max(1.0);
    out.iter_mut().for_each(|v| *v /= divisor);
    out
}

fn turn_largest_positive(component: &mut [f64]) {
    let mut largest = 0;
    for (i, v) in component.iter().enumerate() {
        if v.abs() > component[largest].abs() {
            largest = i;
        }
    }
    if component[largest] < 0.0 {
        component.iter_mut().for_each(|v| *v = -*v);
    }
}
