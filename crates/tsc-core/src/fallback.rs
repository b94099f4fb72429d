use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::{
    ArtifactKind, ArtifactSink, ArtifactSource, Assignment, Features, Label, Result, Save, StoredKind,
};

/// Description of a method that labels noise samples.
///
/// It learns from the samples that are not noise, and names no cluster outside its training labels.
pub trait NoiseFallback: fmt::Debug + Send + Sync {
    /// The fitted form.
    type Fitted: FittedFallback;

    /// Learns from the non-noise samples of `x`; `labels` has one entry per sample.
    ///
    /// # Errors
    ///
    /// `Training` of stage `Fallback` if no sample has a cluster.
    ///
    /// # Panics
    ///
    /// If `labels.len() != x.n_samples()`.
    fn fit(&self, x: Features<'_>, labels: &[Label]) -> Result<Self::Fitted>;

    /// Reads what [`Save::save`] of the fitted form wrote; usually `tsc_core::restore(stored, source)`.
    ///
    /// # Errors
    ///
    /// `Artifact` if kind or version do not match, or a file is missing or damaged.
    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<Self::Fitted>;
}

/// A fitted fallback. It may answer noise: too far, too unsure.
pub trait FittedFallback: Any + Save + fmt::Debug + Send + Sync {
    /// Width of the training matrix.
    fn n_features(&self) -> usize;

    /// Label and strength of each sample of `x`; a sample's result depends on that sample alone.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width; `out` is then untouched.
    ///
    /// # Panics
    ///
    /// If `out.len() != x.n_samples()`.
    fn assign_into(&self, x: Features<'_>, out: &mut [Assignment]) -> Result<()>;
}

impl dyn FittedFallback {
    /// The fallback as a type of its own, also from within boxes; `None` if it is another one.
    #[must_use]
    pub fn downcast_ref<T: FittedFallback>(&self) -> Option<&T> {
        let any: &dyn Any = self;
        match any.downcast_ref::<Box<dyn FittedFallback>>() {
            Some(boxed) => boxed.as_ref().downcast_ref(),
            None => any.downcast_ref(),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl FittedFallback for Box<dyn FittedFallback> {
    fn n_features(&self) -> usize {
        (**self).n_features()
    }

    fn assign_into(&self, x: Features<'_>, out: &mut [Assignment]) -> Result<()> {
        (**self).assign_into(x, out)
    }
}

impl Save for Box<dyn FittedFallback> {
    fn kind(&self) -> ArtifactKind {
        (**self).kind()
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        (**self).save(sink)
    }
}

/// Any fallback behind one type; clones share the description.
#[derive(Clone, Debug)]
pub struct BoxFallback(Arc<dyn NoiseFallback<Fitted = Box<dyn FittedFallback>>>);

#[deny(clippy::missing_trait_methods)]
impl NoiseFallback for BoxFallback {
    type Fitted = Box<dyn FittedFallback>;

    fn fit(&self, x: Features<'_>, labels: &[Label]) -> Result<Self::Fitted> {
        self.0.fit(x, labels)
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<Self::Fitted> {
        self.0.restore(stored, source)
    }
}

#[derive(Debug)]
struct Erased<N>(N);

#[deny(clippy::missing_trait_methods)]
impl<N: NoiseFallback<Fitted: 'static>> NoiseFallback for Erased<N> {
    type Fitted = Box<dyn FittedFallback>;

    fn fit(&self, x: Features<'_>, labels: &[Label]) -> Result<Self::Fitted> {
        Ok(Box::new(self.0.fit(x, labels)?))
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<Self::Fitted> {
        Ok(Box::new(self.0.restore(stored, source)?))
    }
}

/// Convenience for callers of [`NoiseFallback`].
pub trait NoiseFallbackExt: NoiseFallback + Sized {
    /// The same fallback behind one type.
    fn boxed(self) -> BoxFallback
    where
        Self: 'static,
    {
        BoxFallback(Arc::new(Erased(self)))
    }
}

impl<N: NoiseFallback> NoiseFallbackExt for N {}

fn _dyn(_: &dyn FittedFallback, _: &dyn NoiseFallback<Fitted = Box<dyn FittedFallback>>) {}
