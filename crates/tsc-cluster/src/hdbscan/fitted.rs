use std::sync::{Arc, OnceLock};

use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Assignment, Error, ErrorKind, Features, FittedClusterer,
    Label, Load, Result, Save, Stage, check_width, damaged,
};
use tsc_neighbors::{NeighborIndex, Scratch, for_each_chunk};

use super::extract::Extraction;
use super::membership::{Buffers, Memberships};
use super::notes::FitNote;
use super::params::{HdbscanParams, Prediction, Selection};
use super::predict::{Attach, Attachment, Detail};
use super::tree::ClusterTree;
use super::{representatives, wire};
use crate::error::ClusterError;

/// Samples a thread takes at a time.
const CHUNK: usize = 64;
const FILE: &str = "model.postcard";

/// Fitted clusters: training labels and scores, and the labels of new samples.
///
/// With [`Prediction::Consistent`] a training sample given again gets its training label, strength and
/// score, to the bit.
#[derive(Clone, Debug)]
pub struct FittedHdbscan {
    params: HdbscanParams,
    n_features: usize,
    tree: Arc<ClusterTree>,
    extraction: Extraction,
    known: Option<Known>,
    memberships: OnceLock<Arc<Memberships>>,
}

/// The training samples, kept for new ones.
#[derive(Clone, Debug)]
struct Known {
    index: Arc<NeighborIndex>,
    /// Core distances of hdbscan's own rule, where that is asked for.
    reference_core: Option<Arc<[f64]>>,
}

impl FittedHdbscan {
    pub(crate) fn assemble(
        params: HdbscanParams,
        n_features: usize,
        tree: Arc<ClusterTree>,
        index: Option<Arc<NeighborIndex>>,
    ) -> Result<Self> {
        let known = index.filter(|_| params.prediction_data).map(|index| {
            let reference_core = (params.prediction == Prediction::Hdbscan)
                .then(|| index.kth_distances(params.asked_neighbors() - 1).into());
            Known { index, reference_core }
        });
        Self::choose(params, n_features, tree, known)
    }

    fn choose(
        params: HdbscanParams,
        n_features: usize,
        tree: Arc<ClusterTree>,
        known: Option<Known>,
    ) -> Result<Self> {
        let extraction = tree.extract(&params.selection())?;
        Ok(Self { params, n_features, tree, extraction, known, memberships: OnceLock::new() })
    }

    pub(crate) fn shared_tree(&self) -> &Arc<ClusterTree> {
        &self.tree
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

    /// What the fit did otherwise than asked, and what is odd about its result.
    #[must_use]
    pub fn notes(&self) -> Vec<FitNote> {
        let n = self.tree.n_samples();
        let (asked, used) = (self.params.asked_neighbors(), self.params.neighbors(n));
        let clipped = (asked != used).then_some(FitNote::MinSamplesClipped { asked, used });
        clipped.into_iter().chain(FitNote::of_sizes(n, self.extraction.sizes())).collect()
    }

    /// Other clusters from the same tree, without measuring a distance again; shares tree and index.
    ///
    /// # Errors
    ///
    /// As [`ClusterTree::extract`].
    pub fn with_selection(&self, selection: Selection) -> Result<Self> {
        let mut params = self.params.clone();
        params.set_selection(selection);
        Self::choose(params, self.n_features, Arc::clone(&self.tree), self.known.clone())
    }

    /// Mean of each cluster's samples, `(n_clusters, n_features)` row-major; the mean of the features
    /// whatever the metric. O(n d).
    ///
    /// # Errors
    ///
    /// `Prediction` without prediction data.
    pub fn centroids(&self) -> Result<Vec<f64>> {
        let x = self.training_rows()?;
        Ok(representatives::centroids(&self.extraction, x, |_| 1.0))
    }

    /// [`centroids`](Self::centroids) weighted by strength, as hdbscan's `weighted_cluster_centroid`.
    ///
    /// # Errors
    ///
    /// `Prediction` without prediction data.
    #[doc(alias = "weighted_cluster_centroid")]
    pub fn weighted_centroids(&self) -> Result<Vec<f64>> {
        let x = self.training_rows()?;
        Ok(representatives::centroids(&self.extraction, x, |row| self.extraction.strengths()[row]))
    }

    /// The sample of each cluster with the least sum of distances to its samples, the smaller row of two.
    ///
    /// O(size² d) time for a cluster, clusters in parallel with feature `rayon`; memory O(size d).
    ///
    /// # Errors
    ///
    /// `Prediction` without prediction data.
    pub fn medoids(&self) -> Result<Vec<u32>> {
        Ok(representatives::medoids(&self.extraction, self.training_rows()?, &self.params.metric))
    }

    fn training_rows(&self) -> Result<Features<'_>> {
        Features::new(self.known()?.index.as_slice(), self.n_features)
    }

    fn known(&self) -> Result<&Known> {
        Ok(self.known.as_ref().ok_or(ClusterError::NoPredictionData)?)
    }

    /// Label, strength, outlier score and nearest training sample of one row.
    ///
    /// Core distance of the row: to its `min_samples`-th nearest training sample. It joins the sample of
    /// least mutual reachability and walks up the tree while clusters were born denser than it is. A row
    /// at distance 0 from a training sample is that sample. [`Prediction::Hdbscan`] does otherwise.
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
        let mut out = vec![0.0; x.n_samples() * self.extraction.n_clusters()];
        self.membership_into(x, &mut out)?;
        Ok(out)
    }

    /// [`memberships`](Self::memberships) in a column of the caller's; a row costs O(n_clusters) beside the
    /// search of its neighbours and of the nearest exemplar of each cluster. In parallel with feature
    /// `rayon`. The first call makes an index of the exemplars.
    ///
    /// # Errors
    ///
    /// As [`assign_detailed_into`](Self::assign_detailed_into).
    ///
    /// # Panics
    ///
    /// If `out.len() != x.n_samples() * n_clusters`.
    pub fn membership_into(&self, x: Features<'_>, out: &mut [f64]) -> Result<()> {
        let attach = self.checked(x)?;
        self.write_memberships(x, out, |row, scratch| attach.attach(x.row(row), scratch).expect(CHECKED))
    }

    /// Memberships of the training samples: what [`memberships`](Self::memberships) gives for them, to the
    /// bit, without searching neighbours.
    ///
    /// # Errors
    ///
    /// `Prediction` without prediction data.
    #[doc(alias = "all_points_membership_vectors")]
    pub fn training_memberships(&self) -> Result<Vec<f64>> {
        let x = self.training_rows()?;
        let mut out = vec![0.0; x.n_samples() * self.extraction.n_clusters()];
        self.write_memberships(x, &mut out, |row, _| self.extraction.at(row as u32))?;
        Ok(out)
    }

    fn write_memberships(
        &self,
        x: Features<'_>,
        out: &mut [f64],
        attach: impl Fn(usize, &mut Scratch) -> Attachment + Sync,
    ) -> Result<()> {
        let k = self.extraction.n_clusters();
        assert_eq!(out.len(), x.n_samples() * k, "one entry per sample and cluster");
        if k == 0 {
            return Ok(());
        }
        let index = &self.known()?.index;
        let memberships = self
            .memberships
            .get_or_init(|| Arc::new(Memberships::new(&self.extraction, index, self.params.plan)));
        for_each_chunk(out, CHUNK * k, |first, out| {
            let mut buffers = Buffers::new(k);
            for (row, out) in (first / k..).zip(out.chunks_exact_mut(k)) {
                let at = attach(row, buffers.scratch());
                memberships.write(&self.extraction, x.row(row), at, &mut buffers, out);
            }
        });
        Ok(())
    }

    fn attach(&self) -> Result<Attach<'_>> {
        let Known { index, reference_core } = self.known()?;
        let (rule, extraction) = (self.tree.rule(), &self.extraction);
        Ok(Attach { index, rule, reference_core: reference_core.as_deref(), extraction })
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
        let rows = self.known.as_ref().map(|known| known.index.as_slice());
        sink.put(FILE, &wire::encode(FILE, &self.params, self.n_features, rows, &self.tree)?)
    }
}

impl Load for FittedHdbscan {
    const KIND: ArtifactKind = ArtifactKind { name: "hdbscan", version: 2 };

    fn load(version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let ArtifactKind { name, version: own } = Self::KIND;
        if version != own {
            let message = format!("stored model is {name} v{version}, this build reads {name} v{own}");
            return Err(Error::new(ErrorKind::Artifact, Stage::Storage, "TSC-ART-001", message)
                .with_help("fit again, or load with the version that wrote the bundle"));
        }
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
            .map_err(|e| damaged(FILE, e))
    }
}
