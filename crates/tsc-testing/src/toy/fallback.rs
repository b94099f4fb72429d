use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Assignment, Error, ErrorKind, Features, FittedFallback,
    Label, Load, NoiseFallback, Result, Save, Stage, StoredKind, check_width, restore,
};

use super::bytes;

/// Takes the label of the nearest clustered training sample, or abstains beyond `reach`.
///
/// Equal distances go to the smaller label. The strength falls from 1 to 0 at the reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToyFallback {
    /// Euclidean distance beyond which it abstains, in the units of the samples.
    pub reach: f64,
}

impl Default for ToyFallback {
    fn default() -> Self {
        Self { reach: 5.0 }
    }
}

/// Fitted form of [`ToyFallback`].
#[derive(Clone, Debug, PartialEq)]
pub struct FittedToyFallback {
    reach: f64,
    n_features: usize,
    values: Vec<f64>,
    labels: Vec<Label>,
}

impl NoiseFallback for ToyFallback {
    type Fitted = FittedToyFallback;

    fn fit(&self, x: Features<'_>, labels: &[Label]) -> Result<FittedToyFallback> {
        assert_eq!(labels.len(), x.n_samples(), "one label per sample");
        let clustered = || x.rows().zip(labels).filter(|(_, label)| !label.is_noise());
        if clustered().next().is_none() {
            let message = format!("none of {} training samples has a cluster", labels.len());
            return Err(Error::new(ErrorKind::Training, Stage::Fallback, "TSC-TST-002", message));
        }
        Ok(FittedToyFallback {
            reach: self.reach,
            n_features: x.n_features(),
            values: clustered().flat_map(|(row, _)| row.iter().copied()).collect(),
            labels: clustered().map(|(_, &label)| label).collect(),
        })
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedToyFallback> {
        restore(stored, source)
    }
}

impl FittedToyFallback {
    fn nearest(&self, row: &[f64]) -> Assignment {
        let distance =
            |other: &[f64]| row.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let candidates =
            self.values.chunks_exact(self.n_features).map(distance).zip(self.labels.iter().copied());
        match candidates.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))) {
            Some((distance, label)) if distance < self.reach => {
                Assignment { label, strength: 1.0 - distance / self.reach }
            }
            _ => Assignment::NOISE,
        }
    }
}

impl FittedFallback for FittedToyFallback {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn assign_into(&self, x: Features<'_>, out: &mut [Assignment]) -> Result<()> {
        assert_eq!(out.len(), x.n_samples(), "one assignment per sample");
        check_width(x, self.n_features, Stage::Fallback)?;
        for (slot, row) in out.iter_mut().zip(x.rows()) {
            *slot = self.nearest(row);
        }
        Ok(())
    }
}

impl Save for FittedToyFallback {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        let mut words = vec![self.n_features as u64, self.reach.to_bits()];
        words.extend(self.labels.iter().map(|l| u64::from(l.id().cast_unsigned())));
        words.extend(self.values.iter().map(|v| v.to_bits()));
        bytes::put(sink, &words)
    }
}

impl Load for FittedToyFallback {
    const KIND: ArtifactKind = ArtifactKind { name: "toy_fallback", version: 2 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let words = bytes::get(source)?;
        let parse = || {
            let (header, body) = words.split_at_checked(2)?;
            let n_features = usize::try_from(header[0]).ok().filter(|&n| n > 0)?;
            let stride = n_features.checked_add(1)?;
            let (labels, values) = body.split_at_checked(body.len() / stride)?;
            let label = |&w: &u64| Some(Label::from_ids(&[u32::try_from(w).ok()?.cast_signed()])[0]);
            body.len().is_multiple_of(stride).then_some(())?;
            Some(Self {
                reach: f64::from_bits(header[1]),
                n_features,
                labels: labels.iter().map(label).collect::<Option<_>>()?,
                values: values.iter().map(|&v| f64::from_bits(v)).collect(),
            })
        };
        parse().ok_or_else(bytes::wrong_content)
    }
}
