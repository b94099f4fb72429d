use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Assignment, ClusterId, Clusterer, Error, ErrorKind, Features,
    FittedClusterer, Label, Load, Result, Save, Stage, StoredKind, check_width, restore,
};

use super::bytes;

/// Groups samples by the intervals into which thresholds cut the first feature.
///
/// Samples further than `reach` below the first or above the last threshold, and samples of an
/// interval that held no training sample, are noise. The strength is 1.
#[derive(Clone, Debug, PartialEq)]
pub struct ToyClusterer {
    thresholds: Vec<f64>,
    reach: f64,
}

impl ToyClusterer {
    /// Cuts at `thresholds`, in any order; the reach is 10.
    #[must_use]
    pub fn new(thresholds: &[f64]) -> Self {
        let mut thresholds = thresholds.to_vec();
        thresholds.sort_by(f64::total_cmp);
        Self { thresholds, reach: 10.0 }
    }

    /// Another reach.
    #[must_use]
    pub fn with_reach(mut self, reach: f64) -> Self {
        self.reach = reach;
        self
    }

    fn interval(&self, value: f64) -> Option<usize> {
        let (first, last) = (self.thresholds.first()?, self.thresholds.last()?);
        let inside = value >= first - self.reach && value <= last + self.reach;
        inside.then(|| self.thresholds.partition_point(|t| *t <= value))
    }
}

/// Fitted form of [`ToyClusterer`].
#[derive(Clone, Debug, PartialEq)]
pub struct FittedToyClusterer {
    description: ToyClusterer,
    n_features: usize,
    intervals: Vec<Option<ClusterId>>,
    labels: Vec<Label>,
}

impl FittedToyClusterer {
    fn label(&self, value: f64) -> Label {
        let interval = self.description.interval(value);
        interval.and_then(|i| self.intervals[i]).map_or(Label::NOISE, Label::of)
    }
}

impl Clusterer for ToyClusterer {
    type Fitted = FittedToyClusterer;

    fn fit(&self, x: Features<'_>) -> Result<FittedToyClusterer> {
        if self.thresholds.iter().any(|t| !t.is_finite()) || !self.reach.is_finite() {
            let message = "a threshold or the reach is not finite";
            return Err(Error::new(ErrorKind::InvalidConfig, Stage::Clustering, "TSC-TST-001", message));
        }
        let mut intervals = vec![None; self.thresholds.len() + 1];
        let mut next = 0;
        for row in x.rows() {
            if let Some(slot @ None) = self.interval(row[0]).map(|i| &mut intervals[i]) {
                *slot = Some(ClusterId(next));
                next += 1;
            }
        }
        let mut fitted = FittedToyClusterer {
            description: self.clone(),
            n_features: x.n_features(),
            intervals,
            labels: Vec::new(),
        };
        fitted.labels = x.rows().map(|row| fitted.label(row[0])).collect();
        Ok(fitted)
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedToyClusterer> {
        restore(stored, source)
    }
}

impl FittedClusterer for FittedToyClusterer {
    fn training_labels(&self) -> &[Label] {
        &self.labels
    }

    fn n_clusters(&self) -> usize {
        self.intervals.iter().flatten().count()
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn assign_into(&self, x: Features<'_>, out: &mut [Assignment]) -> Result<()> {
        assert_eq!(out.len(), x.n_samples(), "one assignment per sample");
        check_width(x, self.n_features, Stage::Clustering)?;
        for (slot, row) in out.iter_mut().zip(x.rows()) {
            let label = self.label(row[0]);
            *slot = Assignment { label, strength: if label.is_noise() { 0.0 } else { 1.0 } };
        }
        Ok(())
    }
}

impl Save for FittedToyClusterer {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        let mut words = vec![self.n_features as u64, self.description.thresholds.len() as u64];
        words.push(self.description.reach.to_bits());
        words.extend(self.description.thresholds.iter().map(|t| t.to_bits()));
        words.extend(self.intervals.iter().map(|i| i.map_or(u64::MAX, |c| u64::from(c.0))));
        words.extend(self.labels.iter().map(|l| u64::from(l.id().cast_unsigned())));
        bytes::put(sink, &words)
    }
}

impl Load for FittedToyClusterer {
    const KIND: ArtifactKind = ArtifactKind { name: "toy_clusterer", version: 2 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let words = bytes::get(source)?;
        let parse = || {
            let (header, rest) = words.split_at_checked(3)?;
            let (thresholds, rest) = rest.split_at_checked(usize::try_from(header[1]).ok()?)?;
            let (intervals, labels) = rest.split_at_checked(thresholds.len() + 1)?;
            let cluster = |&w: &u64| {
                if w == u64::MAX { Some(None) } else { Some(Some(ClusterId(u32::try_from(w).ok()?))) }
            };
            let label = |&w: &u64| Some(Label::from_ids(&[u32::try_from(w).ok()?.cast_signed()])[0]);
            Some(Self {
                n_features: usize::try_from(header[0]).ok()?,
                description: ToyClusterer {
                    reach: f64::from_bits(header[2]),
                    thresholds: thresholds.iter().map(|&t| f64::from_bits(t)).collect(),
                },
                intervals: intervals.iter().map(cluster).collect::<Option<_>>()?,
                labels: labels.iter().map(label).collect::<Option<_>>()?,
            })
        };
        parse().ok_or_else(bytes::wrong_content)
    }
}
