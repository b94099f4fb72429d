use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::{
    ArtifactKind, ArtifactSink, ArtifactSource, Assignment, Features, Label, Result, Save, StoredKind,
};

/// Description of a clustering method.
///
/// Implementors keep: `fit` is deterministic for any thread count; permuted samples give permuted
/// labels; zero or one cluster is a result, not an error; clusters are numbered without gaps by
/// their smallest member sample.
pub trait Clusterer: fmt::Debug + Send + Sync {
    /// The fitted form.
    type Fitted: FittedClusterer;

    /// Finds the clusters of `x`, `(n_samples, n_features)`.
    ///
    /// # Errors
    ///
    /// `Training` or `InvalidData` of stage `Clustering`, for instance with too few samples.
    fn fit(&self, x: Features<'_>) -> Result<Self::Fitted>;

    /// Reads what [`Save::save`] of the fitted form wrote; usually `tsc_core::restore(stored, source)`.
    ///
    /// # Errors
    ///
    /// `Artifact` if kind or version do not match, or a file is missing or damaged.
    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<Self::Fitted>;
}

/// Fitted clusters: labels of the training samples, and of new ones.
pub trait FittedClusterer: Any + Save + fmt::Debug + Send + Sync {
    /// Label of each training sample.
    fn training_labels(&self) -> &[Label];

    /// Number of clusters, 0 included.
    fn n_clusters(&self) -> usize;

    /// Width of the training matrix.
    fn n_features(&self) -> usize;

    /// Label and strength of each sample of `x`; a training sample gets its training label.
    ///
    /// A sample's result depends on that sample alone. `out` has one entry per sample.
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

impl dyn FittedClusterer {
    /// The clusterer as a type of its own, also from within boxes; `None` if it is another one.
    #[must_use]
    pub fn downcast_ref<T: FittedClusterer>(&self) -> Option<&T> {
        let any: &dyn Any = self;
        match any.downcast_ref::<Box<dyn FittedClusterer>>() {
            Some(boxed) => boxed.as_ref().downcast_ref(),
            None => any.downcast_ref(),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl FittedClusterer for Box<dyn FittedClusterer> {
    fn training_labels(&self) -> &[Label] {
        (**self).training_labels()
    }

    fn n_clusters(&self) -> usize {
        (**self).n_clusters()
    }

    fn n_features(&self) -> usize {
        (**self).n_features()
    }

    fn assign_into(&self, x: Features<'_>, out: &mut [Assignment]) -> Result<()> {
        (**self).assign_into(x, out)
    }
}

impl Save for Box<dyn FittedClusterer> {
    fn kind(&self) -> ArtifactKind {
        (**self).kind()
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        (**self).save(sink)
    }
}

/// Any clusterer behind one type; clones share the description.
#[derive(Clone, Debug)]
pub struct BoxClusterer(Arc<dyn Clusterer<Fitted = Box<dyn FittedClusterer>>>);

#[deny(clippy::missing_trait_methods)]
impl Clusterer for BoxClusterer {
    type Fitted = Box<dyn FittedClusterer>;

    fn fit(&self, x: Features<'_>) -> Result<Self::Fitted> {
        self.0.fit(x)
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<Self::Fitted> {
        self.0.restore(stored, source)
    }
}

#[derive(Debug)]
struct Erased<C>(C);

#[deny(clippy::missing_trait_methods)]
impl<C: Clusterer<Fitted: 'static>> Clusterer for Erased<C> {
    type Fitted = Box<dyn FittedClusterer>;

    fn fit(&self, x: Features<'_>) -> Result<Self::Fitted> {
        Ok(Box::new(self.0.fit(x)?))
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<Self::Fitted> {
        Ok(Box::new(self.0.restore(stored, source)?))
    }
}

/// Convenience for callers of [`Clusterer`].
pub trait ClustererExt: Clusterer + Sized {
    /// The same clusterer behind one type.
    fn boxed(self) -> BoxClusterer
    where
        Self: 'static,
    {
        BoxClusterer(Arc::new(Erased(self)))
    }
}

impl<C: Clusterer> ClustererExt for C {}

/// Convenience for callers of [`FittedClusterer`].
pub trait FittedClustererExt: FittedClusterer {
    /// Labels and strengths of `x`, in a new column.
    ///
    /// # Errors
    ///
    /// As [`FittedClusterer::assign_into`].
    fn assign(&self, x: Features<'_>) -> Result<Vec<Assignment>> {
        let mut out = vec![Assignment::NOISE; x.n_samples()];
        self.assign_into(x, &mut out)?;
        Ok(out)
    }
}

impl<C: FittedClusterer + ?Sized> FittedClustererExt for C {}

fn _dyn(_: &dyn FittedClusterer, _: &dyn Clusterer<Fitted = Box<dyn FittedClusterer>>) {}
