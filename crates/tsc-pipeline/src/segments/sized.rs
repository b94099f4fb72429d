use tsc_cluster::{FittedHdbscan, Hdbscan, HdbscanParams};
use tsc_core::{ArtifactSource, Clusterer, Features, Result, StoredKind};

use super::SegmentParams;

/// HDBSCAN\* whose sizes follow the rows it is fitted on: a retrain on a larger window has larger segments.
#[derive(Clone, Debug)]
pub(crate) struct SizedHdbscan {
    pub(crate) hdbscan: HdbscanParams,
    pub(crate) segments: SegmentParams,
}

impl Clusterer for SizedHdbscan {
    type Fitted = FittedHdbscan;

    fn fit(&self, x: Features<'_>) -> Result<FittedHdbscan> {
        Hdbscan::new(self.segments.sized(&self.hdbscan, x.n_samples()))?.fit(x)
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedHdbscan> {
        tsc_core::restore(stored, source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sized_clusterer_keeps_the_protocol() {
        let clusterer = SizedHdbscan { hdbscan: HdbscanParams::default(), segments: SegmentParams::icu() };
        tsc_testing::clusterer::suite(&clusterer);
    }
}
