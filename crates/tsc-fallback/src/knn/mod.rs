mod fitted;
mod params;
mod reach;
mod wire;

pub use fitted::FittedKnn;
pub use params::{Algorithm, KnnParams, Weights};
use tsc_core::{ArtifactSource, Features, Label, NoiseFallback, Result, Stage, StoredKind, all_valid};

/// Labels noise samples by their nearest training samples, and abstains beyond a distance cap.
///
/// Where the seed's model always answers, this one leaves a sample noise if it is far from every
/// cluster or its neighbours disagree.
///
/// # Examples
///
/// ```
/// use tsc_fallback::{Features, FittedFallback, KnnFallback, KnnParams, Label, NoiseFallback, Reason};
/// let x = [0.0, 0.1, 0.2, 0.3, 5.0, 5.1, 5.2, 5.3];
/// let labels = Label::from_ids(&[0, 0, 0, 0, 1, 1, 1, 1]);
/// let knn = KnnFallback::new(KnnParams { n_neighbors: 3, ..Default::default() })?;
/// let fitted = knn.fit(Features::new(&x, 1)?, &labels)?;
/// let near = fitted.assign_detailed(Features::new(&[0.35, 1000.0], 1)?)?;
/// assert_eq!(near[0].label, labels[0]);
/// assert_eq!(near[1].reason, Some(Reason::TooFar));
/// # Ok::<(), tsc_fallback::Error>(())
/// ```
#[doc(alias = "KNNFallbackModel")]
#[derive(Clone, Debug)]
pub struct KnnFallback {
    params: KnnParams,
}

impl KnnFallback {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation of [`KnnParams::check`].
    pub fn new(params: KnnParams) -> Result<Self> {
        all_valid(&params.check(), Stage::Fallback, "TSC-FBK-002")?;
        Ok(Self { params })
    }

    /// The checked parameters.
    #[must_use]
    pub fn params(&self) -> &KnnParams {
        &self.params
    }
}

impl NoiseFallback for KnnFallback {
    type Fitted = FittedKnn;

    fn fit(&self, x: Features<'_>, labels: &[Label]) -> Result<FittedKnn> {
        FittedKnn::fit(&self.params, x, labels)
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedKnn> {
        tsc_core::restore(stored, source)
    }
}
