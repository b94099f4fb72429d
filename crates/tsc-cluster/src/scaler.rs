use serde::{Deserialize, Serialize};
use tsc_core::{Features, Result, Stage, check_width};

use crate::error::ClusterError;

/// Description of standardising: mean 0, deviation 1 per feature.
///
/// # Examples
///
/// ```
/// use tsc_cluster::{Features, StandardScaler};
/// let x = Features::new(&[1.0, 7.0, 3.0, 7.0], 2)?;
/// let scaler = StandardScaler::fit(x)?;
/// assert_eq!((scaler.mean(), scaler.scale()), (&[2.0, 7.0][..], &[1.0, 1.0][..]));
/// assert_eq!(scaler.constant_features(), [1]); // the second feature never changes
/// # Ok::<(), tsc_cluster::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct StandardScaler;

impl StandardScaler {
    /// Mean and population deviation of each feature, in two passes.
    ///
    /// # Errors
    ///
    /// `InvalidData` naming the first feature whose sum or squares overflow.
    pub fn fit(x: Features<'_>) -> Result<Scaler> {
        let (n, d) = (x.n_samples() as f64, x.n_features());
        let mut mean = vec![0.0; d];
        let (mut low, mut high) = (x.row(0).to_vec(), x.row(0).to_vec());
        for row in x.rows() {
            for (c, &v) in row.iter().enumerate() {
                mean[c] += v;
                low[c] = low[c].min(v);
                high[c] = high[c].max(v);
            }
        }
        mean.iter_mut().for_each(|m| *m /= n);
        // The sum of differences corrects the rounding of the mean.
        let (mut squares, mut sums) = (vec![0.0; d], vec![0.0; d]);
        for row in x.rows() {
            for (c, &v) in row.iter().enumerate() {
                let t = v - mean[c];
                squares[c] += t * t;
                sums[c] += t;
            }
        }
        let mut constant_features = Vec::new();
        let mut scale = Vec::with_capacity(d);
        for c in 0..d {
            let deviation = ((squares[c] - sums[c] * sums[c] / n).max(0.0) / n).sqrt();
            if !deviation.is_finite() || !mean[c].is_finite() {
                return Err(ClusterError::Spread { feature: c }.into());
            }
            // Squares of a tiny range may vanish; then the feature is as good as constant.
            let constant = low[c] == high[c] || deviation == 0.0;
            if constant {
                constant_features.push(c);
                mean[c] = low[c];
            }
            scale.push(if constant { 1.0 } else { deviation });
        }
        Ok(Scaler { mean, scale, constant_features })
    }
}

/// Mean and scale of each feature.
///
/// Written as JSON by serde, and read back to the same bits.
///
/// # Examples
///
/// ```
/// use tsc_cluster::{Features, Scaler, StandardScaler};
/// let scaler = StandardScaler::fit(Features::new(&[1.0, 3.0], 1)?)?;
/// let json = serde_json::to_string(&scaler).unwrap();
/// assert_eq!(json, r#"{"mean":[2.0],"scale":[1.0],"constant_features":[]}"#);
/// assert_eq!(serde_json::from_str::<Scaler>(&json).unwrap(), scaler);
/// # Ok::<(), tsc_cluster::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Scaler {
    mean: Vec<f64>,
    scale: Vec<f64>,
    constant_features: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    mean: Vec<f64>,
    scale: Vec<f64>,
    constant_features: Vec<usize>,
}

impl TryFrom<Stored> for Scaler {
    type Error = &'static str;

    fn try_from(stored: Stored) -> std::result::Result<Self, Self::Error> {
        Self::from_parts(stored.mean, stored.scale, stored.constant_features)
            .ok_or("a scaler has one finite mean and one finite scale above 0 per feature")
    }
}

impl From<Scaler> for Stored {
    fn from(scaler: Scaler) -> Self {
        Self { mean: scaler.mean, scale: scaler.scale, constant_features: scaler.constant_features }
    }
}

impl Scaler {
    /// `None` unless there is one finite mean, and one finite scale above 0, per feature.
    pub(crate) fn from_parts(mean: Vec<f64>, scale: Vec<f64>, constant_features: Vec<usize>) -> Option<Self> {
        let sound = mean.len() == scale.len()
            && !mean.is_empty()
            && mean.iter().all(|v| v.is_finite())
            && scale.iter().all(|&v| v > 0.0 && v.is_finite())
            && constant_features.iter().all(|&c| c < mean.len());
        sound.then_some(Self { mean, scale, constant_features })
    }

    /// Mean of each feature.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Deviation of each feature; 1 for a constant one.
    #[must_use]
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// Features that had one value only: a note for the report.
    #[must_use]
    pub fn constant_features(&self) -> &[usize] {
        &self.constant_features
    }

    /// Standardised value of one cell. May overflow to infinity, never NaN.
    pub(crate) fn scaled(&self, feature: usize, value: f64) -> f64 {
        (value - self.mean[feature]) / self.scale[feature]
    }

    /// Standardises `x` into `out`, row-major.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width.
    ///
    /// # Panics
    ///
    /// If `out` is not as long as the values of `x`.
    pub fn transform_into(&self, x: Features<'_>, out: &mut [f64]) -> Result<()> {
        self.each(x, out, |c, v| self.scaled(c, v))
    }

    /// The way back: `x` holds standardised values.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width.
    ///
    /// # Panics
    ///
    /// If `out` is not as long as the values of `x`.
    pub fn inverse_into(&self, x: Features<'_>, out: &mut [f64]) -> Result<()> {
        self.each(x, out, |c, v| v * self.scale[c] + self.mean[c])
    }

    fn each(&self, x: Features<'_>, out: &mut [f64], cell: impl Fn(usize, f64) -> f64) -> Result<()> {
        assert_eq!(out.len(), x.as_slice().len(), "one value out per value in");
        check_width(x, self.mean.len(), Stage::Scaling)?;
        for (row, out) in x.rows().zip(out.chunks_exact_mut(self.mean.len())) {
            for (c, (&v, out)) in row.iter().zip(out).enumerate() {
                *out = cell(c, v);
            }
        }
        Ok(())
    }
}
