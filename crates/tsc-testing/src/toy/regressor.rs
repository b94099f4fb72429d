use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Features, FittedRegressor, Load, Regressor, Result, Save,
    Stage, StoredKind, Targets, check_lengths, check_width, restore,
};

use super::bytes;

/// Predicts the mean of the training targets for every sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToyRegressor;

/// Fitted form of [`ToyRegressor`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FittedToyRegressor {
    /// The mean of the training targets.
    pub mean: f64,
    n_features: usize,
}

impl Regressor for ToyRegressor {
    type Fitted = FittedToyRegressor;

    fn fit(&self, x: Features<'_>, y: Targets<'_>) -> Result<FittedToyRegressor> {
        check_lengths(x, y)?;
        let mean = y.as_slice().iter().sum::<f64>() / y.len() as f64;
        Ok(FittedToyRegressor { mean, n_features: x.n_features() })
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedToyRegressor> {
        restore(stored, source)
    }
}

impl FittedRegressor for FittedToyRegressor {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn predict_into(&self, x: Features<'_>, out: &mut [f64]) -> Result<()> {
        assert_eq!(out.len(), x.n_samples(), "one value per sample");
        check_width(x, self.n_features, Stage::TimeSeriesModel)?;
        out.fill(self.mean);
        Ok(())
    }
}

impl Save for FittedToyRegressor {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        bytes::put(sink, &[self.n_features as u64, self.mean.to_bits()])
    }
}

impl Load for FittedToyRegressor {
    const KIND: ArtifactKind = ArtifactKind { name: "toy_regressor", version: 2 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let [n_features, mean] = bytes::get(source)?.try_into().map_err(|_| bytes::wrong_content())?;
        let n_features = usize::try_from(n_features).map_err(|_| bytes::wrong_content())?;
        Ok(Self { mean: f64::from_bits(mean), n_features })
    }
}
