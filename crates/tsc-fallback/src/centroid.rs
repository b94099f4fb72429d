use serde::{Deserialize, Serialize};
use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Assignment, Features, FittedFallback, Label, Load,
    MaxDistance, NoiseFallback, Result, Save, Stage, StoredKind, Violation, all_valid, check_width, damaged,
};
use tsc_neighbors::{Metric, NeighborIndex, Plan, Scratch, for_each_chunk};

use crate::detail::Detail;
use crate::error::FallbackError;
use crate::labelled::Labelled;
use crate::stored::{CapV1, MetricV1, check_codes};

/// Samples a thread takes at a time.
const CHUNK: usize = 64;
const FILE: &str = "model.postcard";

/// Settings of [`NearestCentroid`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CentroidParams {
    /// Distance, default euclidean. Centroids are means, for manhattan medians.
    pub metric: Metric,
    /// How far a sample may be from the centroid, default `auto`. Smaller leaves more samples noise.
    pub max_distance: MaxDistance,
    /// Least strength, 0..=1, default 0; 0.5 is a sample as near to the second centroid.
    pub min_strength: f64,
}

impl CentroidParams {
    /// All violations, sorted by key; empty if the parameters can be used.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut out: Vec<Violation> = self.max_distance.violation().into_iter().collect();
        if let Some(message) = self.metric.violation() {
            out.push(Violation::new("metric", message));
        }
        if !(0.0..=1.0).contains(&self.min_strength) {
            out.push(Violation::new("min_strength", format!("is {}, must be in 0..=1", self.min_strength)));
        }
        out
    }
}

/// Labels noise samples by the nearest cluster centre, and abstains beyond a distance cap.
///
/// Small and fast; wrong for clusters that are not round, where [`KnnFallback`](crate::KnnFallback) is not.
///
/// # Examples
///
/// ```
/// use tsc_fallback::{CentroidParams, Features, Label, NearestCentroid, NoiseFallback};
/// let labels = Label::from_ids(&[0, 0, 1, 1, -1]);
/// let fitted = NearestCentroid::new(CentroidParams::default())?
///     .fit(Features::new(&[0.0, 2.0, 10.0, 12.0, 99.0], 1)?, &labels)?;
/// let answer = fitted.assign_detailed(Features::new(&[2.0], 1)?)?[0];
/// assert_eq!((answer.label, answer.strength), (labels[0], 0.9)); // distances 1 and 9
/// # Ok::<(), tsc_fallback::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NearestCentroid {
    params: CentroidParams,
}

impl NearestCentroid {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every violation of [`CentroidParams::check`].
    pub fn new(params: CentroidParams) -> Result<Self> {
        all_valid(&params.check(), Stage::Fallback, "TSC-FBK-002")?;
        Ok(Self { params })
    }

    /// The checked parameters.
    #[must_use]
    pub fn params(&self) -> &CentroidParams {
        &self.params
    }
}

impl NoiseFallback for NearestCentroid {
    type Fitted = FittedCentroid;

    fn fit(&self, x: Features<'_>, labels: &[Label]) -> Result<FittedCentroid> {
        let training = Labelled::of(x, labels)?;
        let d = x.n_features();
        let mut centers = Vec::with_capacity(training.labels.len() * d);
        for (code, &label) in training.labels.iter().enumerate() {
            let center = center(&training.of_code(code, d), d, &self.params.metric);
            if let Some(feature) = center.iter().position(|v| !v.is_finite()) {
                return Err(FallbackError::Overflow { feature, label }.into());
            }
            if self.params.metric == Metric::Cosine && center.iter().all(|&v| v == 0.0) {
                return Err(FallbackError::NoDirection { label }.into());
            }
            centers.extend(center);
        }
        let index = build(&centers, d, &self.params.metric).map_err(|e| e.at_stage(Stage::Fallback))?;
        let distance = |row: &[f64], code: usize| self.params.metric.distance(row, index.row(code));
        let caps = self.params.max_distance.caps(training.labels.len(), |code| {
            let own: Vec<f64> =
                training.of_code(code, d).chunks_exact(d).map(|row| distance(row, code)).collect();
            MaxDistance::reach(own.len(), own)
        });
        Ok(FittedCentroid { params: self.params.clone(), index, labels: training.labels, caps })
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedCentroid> {
        tsc_core::restore(stored, source)
    }
}

/// Mean, or for manhattan median, of each feature. Summed in ascending order, so the bits do not
/// depend on the order of the samples.
fn center(rows: &[f64], d: usize, metric: &Metric) -> Vec<f64> {
    let one = |feature: usize| {
        let mut values: Vec<f64> = rows.iter().skip(feature).step_by(d).copied().collect();
        values.sort_unstable_by(f64::total_cmp);
        let n = values.len();
        match metric {
            Metric::Manhattan if n % 2 == 1 => values[n / 2],
            Metric::Manhattan => values[n / 2 - 1] / 2.0 + values[n / 2] / 2.0,
            _ => values.iter().sum::<f64>() / n as f64,
        }
    };
    (0..d).map(one).collect()
}

fn build(centers: &[f64], d: usize, metric: &Metric) -> Result<NeighborIndex> {
    NeighborIndex::build(Features::new(centers, d)?, metric, Plan::Tiled)
}

/// A centre per label with its cap.
#[derive(Clone, Debug)]
pub struct FittedCentroid {
    params: CentroidParams,
    /// Row i is the centre of the i-th label, so ties go to the smaller label.
    index: NeighborIndex,
    labels: Vec<Label>,
    caps: Vec<f64>,
}

impl FittedCentroid {
    /// Labels it can answer, ascending.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Centre of each of [`labels`](Self::labels), row-major.
    #[must_use]
    pub fn centroids(&self) -> &[f64] {
        self.index.as_slice()
    }

    /// Distance cap of each of [`labels`](Self::labels); infinite without a cap.
    #[must_use]
    pub fn max_distances(&self) -> &[f64] {
        &self.caps
    }

    /// Label, strength, distance and reason of each sample of `x`.
    ///
    /// Strength is `d2 / (d1 + d2)` of the two nearest centres, 1 with one label.
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
        check_width(x, self.index.n_features(), Stage::Fallback)?;
        self.index.check_queries(x).map_err(|e| e.at_stage(Stage::Fallback))?;
        for_each_chunk(out, CHUNK, |first, out| {
            let mut scratch = Scratch::new();
            for (i, out) in out.iter_mut().enumerate() {
                let near = self
                    .index
                    .query_one(x.row(first + i), 2, &mut scratch)
                    .expect("width, values and direction of every row were checked");
                let code = near[0].row as usize;
                let strength = match near {
                    [_] => 1.0,
                    // Far beyond the range of f64 both are infinite, and neither is nearer.
                    [a, b, ..] if a.distance == b.distance => 0.5,
                    [_, b, ..] if b.distance.is_infinite() => 1.0,
                    // Halves, because the sum of two distances may overflow.
                    [a, b, ..] => (b.distance / 2.0) / (a.distance / 2.0 + b.distance / 2.0),
                    [] => 0.0,
                };
                let min_strength = self.params.min_strength;
                let (label, distance) = (self.labels[code], near[0].distance);
                *out = give(Detail::decide(label, strength, distance, self.caps[code], min_strength));
            }
        });
        Ok(())
    }
}

impl FittedFallback for FittedCentroid {
    fn n_features(&self) -> usize {
        self.index.n_features()
    }

    fn assign_into(&self, x: Features<'_>, out: &mut [Assignment]) -> Result<()> {
        self.each(x, out, Assignment::from)
    }
}

/// Stored form, version 1.
#[derive(Serialize, Deserialize)]
struct ModelV1 {
    metric: MetricV1,
    max_distance: CapV1,
    min_strength: f64,
    n_features: u64,
    labels: Vec<i32>,
    caps: Vec<f64>,
    centers: Vec<f64>,
}

impl Save for FittedCentroid {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        let metric = MetricV1::of(&self.params.metric);
        let model = ModelV1 {
            metric: metric.ok_or_else(|| damaged(FILE, "its metric has no stored form"))?,
            max_distance: CapV1::of(self.params.max_distance),
            min_strength: self.params.min_strength,
            n_features: self.index.n_features() as u64,
            labels: self.labels.iter().map(|l| l.id()).collect(),
            caps: self.caps.clone(),
            centers: self.index.as_slice().to_vec(),
        };
        sink.put(FILE, &postcard::to_stdvec(&model).map_err(|e| damaged(FILE, e))?)
    }
}

impl Load for FittedCentroid {
    const KIND: ArtifactKind = ArtifactKind { name: "nearest_centroid", version: 1 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let bytes = source.get(FILE)?;
        let (m, rest) = postcard::take_from_bytes::<ModelV1>(&bytes).map_err(|e| damaged(FILE, e))?;
        if !rest.is_empty() {
            return Err(damaged(FILE, format!("{} bytes follow the model", rest.len())));
        }
        let params = CentroidParams {
            metric: m.metric.metric(),
            max_distance: m.max_distance.into(),
            min_strength: m.min_strength,
        };
        if let Some(violation) = params.check().first() {
            return Err(damaged(FILE, violation));
        }
        let labels = check_codes(FILE, &m.labels, &[], &m.caps)?;
        let n_features = usize::try_from(m.n_features).map_err(|e| damaged(FILE, e))?;
        if Some(m.centers.len()) != labels.len().checked_mul(n_features) {
            return Err(damaged(FILE, format!("{} values for {} labels", m.centers.len(), labels.len())));
        }
        let index = build(&m.centers, n_features, &params.metric).map_err(|e| damaged(FILE, e))?;
        Ok(Self { params, index, labels, caps: m.caps })
    }
}
