use tsc_core::{Features, Result};

use super::linear::eigen;
use super::{enough, mean, scatter};
use crate::detectors::parameter;
use crate::error::MonitorError;

/// Principal components of a reference, and how well they describe other rows.
///
/// Columns are brought to mean 0 and deviation 1 (a constant column to 0), the components that explain
/// the wanted share of the variance are kept, and a row's error is the length of what they leave of it.
/// A change of the correlations shows here that no single column shows.
///
/// O(n d^2 + d^3) to fit, O(d k) a row; memory O(d^2).
///
/// # Examples
///
/// ```
/// use tsc_core::Features;
/// use tsc_monitor::statistics::PcaReconstruction;
/// let line = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]; // three rows on the diagonal
/// let pca = PcaReconstruction::fit(Features::new(&line, 2)?, 0.65)?;
/// assert_eq!(pca.n_components(), 1);
/// assert!(pca.mean_error(Features::new(&line, 2)?)? < 1e-7);
/// assert!(pca.mean_error(Features::new(&[2.0, 0.0], 2)?)? > 1.0);
/// # Ok::<(), tsc_core::Error>(())
/// ```
///
/// Source: as NannyML's data reconstruction (scikit-learn's StandardScaler and PCA).
#[derive(Clone, Debug, PartialEq)]
pub struct PcaReconstruction {
    mean: Vec<f64>,
    scale: Vec<f64>,
    /// One a row.
    components: Vec<f64>,
    explained: Vec<f64>,
}

impl PcaReconstruction {
    /// Components of the `(n_samples, n_features)` reference that explain `share` of the variance;
    /// NannyML's share is 0.65.
    ///
    /// # Errors
    ///
    /// `InvalidData` with fewer than two rows; `InvalidConfig` if `share` is not above 0 and at most 1.
    pub fn fit(reference: Features<'_>, share: f64) -> Result<Self> {
        enough("PCA reconstruction", reference, 2)?;
        parameter(share > 0.0 && share <= 1.0, "share", share, "be above 0 and at most 1")?;
        let (n, d) = (reference.n_samples() as f64, reference.n_features());
        let mean = mean(reference);
        let mut matrix = scatter(reference, &mean);
        let scale: Vec<f64> = (0..d)
            .map(|i| (matrix[i * d + i] / n).sqrt())
            .map(|deviation| if deviation > 0.0 { deviation } else { 1.0 })
            .collect();
        for i in 0..d {
            for j in 0..d {
                matrix[i * d + j] /= scale[i] * scale[j] * (n - 1.0);
            }
        }
        let (values, vectors) = eigen(matrix, d);
        let total: f64 = values.iter().sum();
        if total <= 0.0 {
            let problem = "every column of the reference is constant";
            return Err(MonitorError::Undefined { statistic: "PCA reconstruction", problem }.into());
        }
        let mut sum = 0.0;
        let explained: Vec<f64> = values
            .iter()
            .map(|v| v / total)
            // As scikit-learn: the component that crosses the share is the last.
            .take_while(|v| {
                let before = sum;
                sum += v;
                before == 0.0 || before <= share
            })
            .collect();
        let components = vectors[..explained.len() * d].to_vec();
        Ok(Self { mean, scale, components, explained })
    }

    /// Components kept.
    #[must_use]
    pub fn n_components(&self) -> usize {
        self.explained.len()
    }

    /// Share of the variance each component explains, falling.
    #[must_use]
    pub fn explained(&self) -> &[f64] {
        &self.explained
    }

    /// Error of each row: the length of what the components leave, in deviations of the reference.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the width is another one.
    pub fn errors(&self, x: Features<'_>) -> Result<Vec<f64>> {
        let d = self.mean.len();
        if x.n_features() != d {
            return Err(MonitorError::MatrixWidths { first: d, second: x.n_features() }.into());
        }
        let mut row = vec![0.0; d];
        Ok(x.rows()
            .map(|values| {
                for (i, v) in values.iter().enumerate() {
                    row[i] = (v - self.mean[i]) / self.scale[i];
                }
                // Components are orthogonal, so each may be taken off the rest of the one before.
                for component in self.components.chunks_exact(d) {
                    let along: f64 = row.iter().zip(component).map(|(r, c)| r * c).sum();
                    row.iter_mut().zip(component).for_each(|(r, c)| *r -= along * c);
                }
                row.iter().map(|r| r * r).sum::<f64>().sqrt()
            })
            .collect())
    }

    /// Mean of [`PcaReconstruction::errors`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn mean_error(&self, x: Features<'_>) -> Result<f64> {
        let errors = self.errors(x)?;
        Ok(errors.iter().sum::<f64>() / errors.len() as f64)
    }
}
