use std::fmt;
use std::sync::OnceLock;

use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Assignment, Features, FittedFallback, Label, Load, Result,
    Save, Stage, check_width,
};
use tsc_neighbors::{Neighbor, NeighborIndex, Scratch, for_each_chunk};

use super::params::{KnnParams, Weights};
use super::reach::reach;
use super::wire;
use crate::detail::Detail;
use crate::evaluation::{FallbackEvaluation, tally};
use crate::labelled::Labelled;

/// Samples a thread takes at a time.
const CHUNK: usize = 64;
/// Most samples of the leave-one-out evaluation; above it every n-th is asked.
const EVALUATION_ROWS: usize = 10_000;
const FILE: &str = "model.postcard";

/// Training samples with their labels and each label's cap.
#[derive(Clone)]
pub struct FittedKnn {
    params: KnnParams,
    index: NeighborIndex,
    codes: Vec<u32>,
    labels: Vec<Label>,
    caps: Vec<f64>,
    /// Found when first asked for.
    evaluation: OnceLock<Option<FallbackEvaluation>>,
}

/// Without the samples.
impl fmt::Debug for FittedKnn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FittedKnn")
            .field("params", &self.params)
            .field("n_samples", &self.codes.len())
            .field("labels", &self.labels)
            .field("max_distances", &self.caps)
            .finish_non_exhaustive()
    }
}

/// The label with the most weight among some neighbours.
struct Vote {
    code: usize,
    share: f64,
    kth_distance: f64,
}

impl FittedKnn {
    pub(crate) fn fit(params: &KnnParams, x: Features<'_>, labels: &[Label]) -> Result<Self> {
        let training = Labelled::of(x, labels)?;
        let d = x.n_features();
        let (metric, plan) = (&params.metric, params.algorithm.plan());
        let index = NeighborIndex::build(Features::new(&training.values, d)?, metric, plan)
            .map_err(|e| e.at_stage(Stage::Fallback))?;
        let caps = params.max_distance.caps(training.labels.len(), |code| {
            let own = training.of_code(code, d);
            let own = Features::new(&own, d).expect("part of a feature matrix");
            reach(own, metric, plan, params.n_neighbors).expect("part of a matrix that was indexed")
        });
        let Labelled { codes, labels, .. } = training;
        Ok(Self::assemble(params.clone(), index, codes, labels, caps))
    }

    pub(crate) fn assemble(
        params: KnnParams,
        index: NeighborIndex,
        codes: Vec<u32>,
        labels: Vec<Label>,
        caps: Vec<f64>,
    ) -> Self {
        Self { params, index, codes, labels, caps, evaluation: OnceLock::new() }
    }

    /// The parameters it was fitted with.
    #[must_use]
    pub fn params(&self) -> &KnnParams {
        &self.params
    }

    /// Labels it can answer, ascending.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Distance cap of each of [`labels`](Self::labels); infinite without a cap.
    #[must_use]
    pub fn max_distances(&self) -> &[f64] {
        &self.caps
    }

    /// Leave-one-out scores on the training samples: each is asked with itself left out.
    ///
    /// `None` if `evaluate` was off or there is one training sample only. Above 10,000 samples every
    /// n-th is asked. Found at the first call, which takes as long as assigning so many samples.
    #[must_use]
    pub fn evaluation(&self) -> Option<&FallbackEvaluation> {
        self.evaluation.get_or_init(|| self.leave_one_out()).as_ref()
    }

    /// Scores on samples with known labels; noise and labels it never saw are left out. `None` if none
    /// is left.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width.
    ///
    /// # Panics
    ///
    /// If `labels.len() != x.n_samples()`.
    pub fn evaluate(&self, x: Features<'_>, labels: &[Label]) -> Result<Option<FallbackEvaluation>> {
        assert_eq!(labels.len(), x.n_samples(), "one label per sample");
        self.check(x)?;
        let known = |label: &Label| self.labels.binary_search(label).ok();
        let mut outcomes: Vec<(usize, usize, bool)> = Vec::new();
        let mut rows = Vec::new();
        for (row, code) in labels.iter().enumerate().filter_map(|(row, label)| Some((row, known(label)?))) {
            outcomes.push((code, 0, false));
            rows.push(row);
        }
        for_each_chunk(&mut outcomes, CHUNK, |first, outcomes| {
            let (mut scratch, mut weights) = (Scratch::new(), Vec::new());
            for (&row, outcome) in rows[first..].iter().zip(outcomes) {
                let near = self.nearest(x.row(row), &mut scratch);
                let vote = self.vote(near, &mut weights);
                (outcome.1, outcome.2) = (vote.code, self.decide(&vote).reason.is_some());
            }
        });
        Ok(tally(&self.labels, &outcomes, 1))
    }

    /// Label, strength, distance and reason of each sample of `x`.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width.
    pub fn assign_detailed(&self, x: Features<'_>) -> Result<Vec<Detail>> {
        let mut out = vec![Detail::NOISE; x.n_samples()];
        self.assign_detailed_into(x, &mut out)?;
        Ok(out)
    }

    /// [`assign_detailed`](Self::assign_detailed) into the caller's slice.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width; `out` is then untouched.
    ///
    /// # Panics
    ///
    /// If `out.len() != x.n_samples()`.
    pub fn assign_detailed_into(&self, x: Features<'_>, out: &mut [Detail]) -> Result<()> {
        self.each(x, out, |detail| detail)
    }

    fn each<T: Send>(&self, x: Features<'_>, out: &mut [T], give: impl Fn(Detail) -> T + Sync) -> Result<()> {
        assert_eq!(out.len(), x.n_samples(), "one answer per sample");
        self.check(x)?;
        for_each_chunk(out, CHUNK, |first, out| {
            let (mut scratch, mut weights) = (Scratch::new(), Vec::new());
            for (i, out) in out.iter_mut().enumerate() {
                let near = self.nearest(x.row(first + i), &mut scratch);
                *out = give(self.decide(&self.vote(near, &mut weights)));
            }
        });
        Ok(())
    }

    fn check(&self, x: Features<'_>) -> Result<()> {
        check_width(x, self.index.n_features(), Stage::Fallback)?;
        self.index.check_queries(x).map_err(|e| e.at_stage(Stage::Fallback))
    }

    fn nearest<'s>(&self, row: &[f64], scratch: &'s mut Scratch) -> &'s [Neighbor] {
        self.index
            .query_one(row, self.params.n_neighbors, scratch)
            .expect("width, values and direction of every row were checked")
    }

    fn leave_one_out(&self) -> Option<FallbackEvaluation> {
        let n = self.index.n_samples();
        if n < 2 || !self.params.evaluate {
            return None;
        }
        let stride = n.div_ceil(EVALUATION_ROWS);
        let mut outcomes = vec![(0, 0, false); n.div_ceil(stride)];
        for_each_chunk(&mut outcomes, CHUNK, |first, out| {
            let (mut scratch, mut weights) = (Scratch::new(), Vec::new());
            for (i, out) in out.iter_mut().enumerate() {
                let row = (first + i) * stride;
                let near = self.index.query_others(row, self.params.n_neighbors, &mut scratch);
                let vote = self.vote(near, &mut weights);
                *out = (self.codes[row] as usize, vote.code, self.decide(&vote).reason.is_some());
            }
        });
        tally(&self.labels, &outcomes, stride)
    }

    /// Ties go to the smaller label.
    fn vote(&self, near: &[Neighbor], weights: &mut Vec<f64>) -> Vote {
        weights.clear();
        weights.resize(self.labels.len(), 0.0);
        // A distance whose reciprocal overflows counts as 0, and one that is infinite says nothing.
        let infinite = |n: &Neighbor| (1.0 / n.distance).is_infinite();
        let uniform =
            self.params.weights == Weights::Uniform || near.iter().all(|n| n.distance.is_infinite());
        let only_exact = !uniform && near.iter().any(infinite);
        for n in near {
            let weight = match (uniform, only_exact) {
                (true, _) => 1.0,
                (false, true) => f64::from(u8::from(infinite(n))),
                (false, false) => 1.0 / n.distance,
            };
            weights[self.codes[n.row as usize] as usize] += weight;
        }
        let total: f64 = weights.iter().sum();
        let mut code = 0;
        for (i, &weight) in weights.iter().enumerate() {
            if weight > weights[code] {
                code = i;
            }
        }
        let share = (weights[code] / total).min(1.0);
        Vote { code, share, kth_distance: near.last().map_or(f64::INFINITY, |n| n.distance) }
    }

    fn decide(&self, vote: &Vote) -> Detail {
        let (label, cap) = (self.labels[vote.code], self.caps[vote.code]);
        Detail::decide(label, vote.share, vote.kth_distance, cap, self.params.min_strength)
    }
}

impl FittedFallback for FittedKnn {
    fn n_features(&self) -> usize {
        self.index.n_features()
    }

    fn assign_into(&self, x: Features<'_>, out: &mut [Assignment]) -> Result<()> {
        self.each(x, out, Assignment::from)
    }
}

impl Save for FittedKnn {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        let model = wire::Borrowed {
            params: &self.params,
            index: &self.index,
            codes: &self.codes,
            labels: &self.labels,
            caps: &self.caps,
        };
        sink.put(FILE, &wire::encode(FILE, &model)?)
    }
}

impl Load for FittedKnn {
    const KIND: ArtifactKind = ArtifactKind { name: "knn", version: 1 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        wire::decode(FILE, &source.get(FILE)?)
    }
}
