//! One component of a mixture: its log density, by the Cholesky factor of its covariance.

/// Weight, mean and covariance of a component.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gaussian {
    pub(super) weight: f64,
    pub(super) mean: Vec<f64>,
    /// Lower triangle L of the covariance L Lᵀ, row by row, with its diagonal.
    pub(super) factor: Vec<f64>,
    /// `ln weight - (d ln 2 pi + ln det) / 2`.
    offset: f64,
}

/// Entries of a lower triangle of `d` rows; `None` if that is no number.
pub(super) fn triangle(d: usize) -> Option<usize> {
    d.checked_mul(d.checked_add(1)?).map(|twice| twice / 2)
}

impl Gaussian {
    /// `None` if the covariance, row-major, is not positive definite.
    pub(super) fn of(weight: f64, mean: Vec<f64>, covariance: &[f64]) -> Option<Self> {
        let d = mean.len();
        let mut factor: Vec<f64> = Vec::with_capacity(d * (d + 1) / 2);
        for i in 0..d {
            for j in 0..=i {
                let (a, b) = (i * (i + 1) / 2, j * (j + 1) / 2);
                let dot: f64 = (0..j).map(|c| factor[a + c] * factor[b + c]).sum();
                let rest = covariance[i * d + j] - dot;
                factor.push(if i == j { rest.sqrt() } else { rest / factor[b + j] });
            }
        }
        Self::from_factor(weight, mean, factor)
    }

    /// `None` unless the diagonal is above 0 and everything finite.
    pub(super) fn from_factor(weight: f64, mean: Vec<f64>, factor: Vec<f64>) -> Option<Self> {
        let d = mean.len();
        let ln_det: f64 = (0..d).map(|i| 2.0 * factor[i * (i + 3) / 2].ln()).sum();
        let offset = weight.ln() - (d as f64 * std::f64::consts::TAU.ln() + ln_det) / 2.0;
        let sound = offset.is_finite() && mean.iter().chain(&factor).all(|v| v.is_finite());
        sound.then_some(Self { weight, mean, factor, offset })
    }

    /// Logarithm of weight times density; negative infinity beyond the range of f64. `work` is scratch.
    pub(super) fn ln_density(&self, row: &[f64], work: &mut Vec<f64>) -> f64 {
        work.clear();
        let mut squares = 0.0;
        for (i, (value, mean)) in row.iter().zip(&self.mean).enumerate() {
            let factor = &self.factor[i * (i + 1) / 2..];
            let dot: f64 = factor.iter().zip(work.iter()).map(|(l, z)| l * z).sum();
            let z = (value - mean - dot) / factor[i];
            squares += z * z;
            work.push(z);
        }
        let ln = self.offset - squares / 2.0;
        if ln.is_nan() { f64::NEG_INFINITY } else { ln }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.multivariate_normal([1, -2], [[2, .6], [.6, .5]]).logpdf([0.5, -1]) + log(0.25)`.
    #[test]
    fn the_log_density_equals_scipys() {
        let g = Gaussian::of(0.25, vec![1.0, -2.0], &[2.0, 0.6, 0.6, 0.5]).unwrap();
        let got = g.ln_density(&[0.5, -1.0], &mut Vec::new());
        assert!((got - (-5.129934126215027)).abs() < 1e-12, "{got}");
        assert_eq!(g.ln_density(&[1e200, 0.0], &mut Vec::new()), f64::NEG_INFINITY);
        assert_eq!(g.ln_density(&[1e308, -1e308], &mut Vec::new()), f64::NEG_INFINITY);
    }

    #[test]
    fn a_covariance_that_is_not_positive_definite_has_no_factor() {
        assert_eq!(Gaussian::of(1.0, vec![0.0, 0.0], &[1.0, 1.0, 1.0, 1.0]), None);
        assert_eq!(Gaussian::of(1.0, vec![0.0], &[-1.0]), None);
        assert_eq!(Gaussian::of(0.0, vec![0.0], &[1.0]), None);
    }
}
