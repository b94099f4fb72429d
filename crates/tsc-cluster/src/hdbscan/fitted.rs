use std::sync::Arc;

use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Assignment, Features, FittedClusterer, Label, Load, Result,
    Save, Stage, check_width, damaged,
};
use tsc_neighbors::{NeighborIndex, Scratch, for_each_chunk};

use super::extract::Extraction;
use super::membership::membership;
use super::params::{HdbscanParams, Selection};
use super::predict::{Attach, Detail};
use super::tree::ClusterTree;
use super::wire;
use crate::error::ClusterError;

/// Samples a thread takes at a time.
const CHUNK: usize = 64;
const FILE: &str = "model.postcard";

/// Something the fit did otherwise than asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FitNote {
    /// `min_samples` is more than the other samples there are.
    MinSamplesClipped {
        /// Neighbours asked for.
        asked: usize,
        /// Neighbours used.
        used: usize,
    },
}

/// Fitted clusters: training labels and scores, and the labels of new samples.
///
/// A training sample given again gets its training label, strength and score, to the bit.
#[derive(Clone, Debug)]
pub struct FittedHdbscan {
    params: HdbscanParams,
    n_features: usize,
    tree: Arc<ClusterTree>,
    extraction: Extraction,
    index: Option<Arc<NeighborIndex>>,
}

impl FittedHdbscan {
    pub(crate) fn assemble(
        params: HdbscanParams,
        n_features: usize,
        tree: Arc<ClusterTree>,
        index: Option<Arc<NeighborIndex>>,
    ) -> Result<Self> {
        let extraction = tree.extract(&params.selection())?;
        let index = index.filter(|_| params.prediction_data);
        Ok(Self { params, n_features, tree, extraction, index })
    }

    /// The parameters it was fitted with.
    #[must_use]
    pub fn params(&self) -> &HdbscanParams {
        &self.params
    }

    /// Core distances and spanning tree.
    #[must_use]
    pub fn tree(&self) -> &ClusterTree {
        &self.tree
    }

    /// Labels, strengths, scores and the condensed tree.
    #[must_use]
    pub fn extraction(&self) -> &Extraction {
        &self.extraction
    }

    /// What the fit did otherwise than asked.
    #[must_use]
    pub fn notes(&self) -> Vec<FitNote> {
        let (asked, used) = (self.params.asked_neighbors(), self.params.neighbors(self.tree.n_samples()));
        if asked == used { Vec::new() } else { vec![FitNote::MinSamplesClipped { asked, used }] }
    }

    /// Other clusters from the same tree, without measuring a distance again.
    ///
    /// # Errors
    ///
    /// As [`ClusterTree::extract`].
    pub fn with_selection(&self, selection: Selection) -> Result<Self> {
        let mut params = self.params.clone();
        params.set_selection(selection);
        Self::assemble(params, self.n_features, Arc::clone(&self.tree), self.index.clone())
    }

    /// Label, strength, outlier score and nearest training sample of one row.
    ///
    /// Core distance of the row: to its `min_samples`-th nearest training sample. It joins the sample of
    /// least mutual reachability and walks up the tree while clusters were born denser than it is.
    ///
    /// # Errors
    ///
    /// `Prediction` without prediction data; `InvalidData` on another width or a value that is not finite.
    pub fn assign_one(&self, row: &[f64], scratch: &mut Scratch) -> Result<Detail> {
        self.attach()?.detail(row, scratch)
    }

    /// [`assign_one`](Self::assign_one) for every sample of `x`, in parallel with feature `rayon`.
    ///
    /// # Errors
    ///
    /// `Prediction` without prediction data, `InvalidData` on another width; `out` is then untouched.
    ///
    /// # Panics
    ///
    /// If `out.len() != x.n_samples()`.
    pub fn assign_detailed_into(&self, x: Features<'_>, out: &mut [Detail]) -> Result<()> {
        assert_eq!(out.len(), x.n_samples(), "one detail per sample");
        let attach = self.checked(x)?;
        for_each_chunk(out, CHUNK, |first, out| {
            let mut scratch = Scratch::new();
            for (i, out) in out.iter_mut().enumerate() {
                *out = attach.detail(x.row(first + i), &mut scratch).expect(CHECKED);
            }
        });
        Ok(())
    }

    /// Soft memberships of new samples, `(n_samples, n_clusters)` row-major: entries at least 0, a row's
    /// sum is the strength of being in any cluster, at most 1.
    ///
    /// Not a probability of the label: the largest entry usually, not always, is the label's.
    ///
    /// # Errors
    ///
    /// As [`assign_detailed_into`](Self::assign_detailed_into).
    pub fn memberships(&self, x: Features<'_>) -> Result<Vec<f64>> {
        let attach = self.checked(x)?;
        let k = self.extraction.n_clusters();
        let mut out = vec![0.0; x.n_samples() * k];
        if k == 0 {
            return Ok(out);
        }
        let exemplars = self.extraction.exemplars();
        for_each_chunk(&mut out, CHUNK * k, |first, out| {
            let mut scratch = Scratch::new();
            for (i, out) in out.chunks_exact_mut(k).enumerate() {
                self.membership(&attach, &exemplars, x.row(first / k + i), &mut scratch, out);
            }
        });
        Ok(out)
    }

    fn membership(
        &self,
        attach: &Attach<'_>,
        exemplars: &[Vec<u32>],
        row: &[f64],
        scratch: &mut Scratch,
        out: &mut [f64],
    ) {
        let at = attach.attach(row, scratch).expect(CHECKED);
        let nearest = |rows: &Vec<u32>| {
            let distance = |&e: &u32| self.params.metric.distance(row, attach.index.row(e as usize));
            rows.iter().map(distance).fold(f64::INFINITY, f64::min)
        };
        let to_exemplars: Vec<f64> = exemplars.iter().map(nearest).collect();
        let row_lambda = self.extraction.condensed_tree().row_lambda[at.nearest as usize];
        membership(&self.extraction, at.nearest, at.lambda.min(row_lambda), &to_exemplars, out);
    }

    fn attach(&self) -> Result<Attach<'_>> {
        let index = self.index.as_deref().ok_or(ClusterError::NoPredictionData)?;
        let k = self.params.asked_neighbors().min(index.n_samples());
        let core = self.tree.core_distances();
        Ok(Attach { index, core, k, alpha: self.params.alpha, extraction: &self.extraction })
    }

    fn checked(&self, x: Features<'_>) -> Result<Attach<'_>> {
        check_width(x, self.n_features, Stage::Clustering)?;
        let attach = self.attach()?;
        attach.index.check_queries(x)?;
        Ok(attach)
    }
}

const CHECKED: &str = "width, values and direction of every row were checked";

impl FittedClusterer for FittedHdbscan {
    fn training_labels(&self) -> &[Label] {
        self.extraction.labels()
    }

    fn n_clusters(&self) -> usize {
        self.extraction.n_clusters()
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn assign_into(&self, x: Features<'_>, out: &mut [Assignment]) -> Result<()> {
        assert_eq!(out.len(), x.n_samples(), "one assignment per sample");
        let attach = self.checked(x)?;
        for_each_chunk(out, CHUNK, |first, out| {
            let mut scratch = Scratch::new();
            for (i, out) in out.iter_mut().enumerate() {
                let Detail { label, strength, .. } =
                    attach.detail(x.row(first + i), &mut scratch).expect(CHECKED);
                *out = Assignment { label, strength };
            }
        });
        Ok(())
    }
}

impl Save for FittedHdbscan {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        let rows = self.index.as_ref().map(|index| index.as_slice());
        sink.put(FILE, &wire::encode(FILE, &self.params, self.n_features, rows, &self.tree)?)
    }
}

impl Load for FittedHdbscan {
    const KIND: ArtifactKind = ArtifactKind { name: "hdbscan", version: 1 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let stored = wire::decode(FILE, &source.get(FILE)?)?;
        let index = match &stored.rows {
            Some(rows) => {
                let index = Features::new(rows, stored.n_features)
                    .and_then(|x| NeighborIndex::build(x, &stored.params.metric, stored.params.plan))
                    .map_err(|e| damaged(FILE, e))?;
                Some(Arc::new(index))
            }
            None => None,
        };
        Self::assemble(stored.params, stored.n_features, Arc::new(stored.tree), index)
    }
}
