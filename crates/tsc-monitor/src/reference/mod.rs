//! What the batches are compared with: frozen at the fit, stored in the bundle.

mod cells;
#[cfg(test)]
mod tests;
mod wire;

use tsc_core::{ArtifactKind, ArtifactSink, ArtifactSource, Features, Load, Result, Save, Schema, damaged};

pub(crate) use cells::Cells;

use crate::error::MonitorError;

const FILE: &str = "reference.postcard";

/// The training rows as the monitor remembers them: cells and counts per feature, held-out noise and loss.
///
/// Immutable, and of one version with the models: a swap brings its own ([`crate::Monitor::rebase`]).
/// It holds counts over at most ten cells a feature and no row.
///
/// # Examples
///
/// ```
/// use tsc_core::{Features, Schema};
/// use tsc_monitor::Reference;
/// let x = Features::new(&[1.0, 2.0, 3.0, 4.0], 1)?;
/// let reference = Reference::fit(x, &Schema::unnamed(1), 2, 0.1, 50, None)?;
/// assert_eq!((reference.n_samples(), reference.holdout_noise()), (4, 0.1));
/// assert!(Reference::fit(x, &Schema::unnamed(1), 2, 1.5, 50, None).is_err());
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    pub(crate) names: Vec<String>,
    pub(crate) cells: Vec<Cells>,
    n_samples: u64,
    n_clusters: usize,
    holdout_noise: f64,
    n_holdout: u64,
    holdout_rmse: Option<f64>,
}

impl Reference {
    /// Cells and counts of `x`, the `(n_samples, n_features)` training rows in the units of the batches.
    ///
    /// `holdout_noise` is the noise share of the `n_holdout` rows the clusterer did not see, before the
    /// fallback; with 0 rows it is not tested against. `holdout_rmse` is the served loss on them, in the
    /// target's unit. O(n d log n).
    ///
    /// # Errors
    ///
    /// `InvalidData` if the schema has another width, a share lies outside 0..=1 (it may be NaN with 0
    /// rows), or the loss is negative or not finite.
    pub fn fit(
        x: Features<'_>,
        schema: &Schema,
        n_clusters: usize,
        holdout_noise: f64,
        n_holdout: u64,
        holdout_rmse: Option<f64>,
    ) -> Result<Self> {
        if schema.n_features() != x.n_features() {
            let (schema, matrix) = (schema.n_features(), x.n_features());
            return Err(MonitorError::SchemaWidth { schema, matrix }.into());
        }
        let unknown = n_holdout == 0 && holdout_noise.is_nan();
        let holdout_noise = if unknown { 0.0 } else { holdout_noise };
        if !(0.0..=1.0).contains(&holdout_noise) {
            return Err(MonitorError::HoldoutNoise { value: holdout_noise }.into());
        }
        if let Some(value) = holdout_rmse.filter(|v| !v.is_finite() || *v < 0.0) {
            return Err(MonitorError::HoldoutRmse { value }.into());
        }
        let mut column = Vec::with_capacity(x.n_samples());
        let cells = (0..x.n_features()).map(|feature| {
            column.clear();
            column.extend(x.rows().map(|row| row[feature]));
            column.sort_by(f64::total_cmp);
            Cells::of_sorted(&column)
        });
        Ok(Self {
            cells: cells.collect(),
            names: schema.names().map(str::to_owned).collect(),
            n_samples: x.n_samples() as u64,
            n_clusters,
            holdout_noise,
            n_holdout,
            holdout_rmse,
        })
    }

    /// Rows it was made from.
    #[must_use]
    pub fn n_samples(&self) -> u64 {
        self.n_samples
    }

    /// Number of features.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.cells.len()
    }

    /// Clusters of the models it belongs to.
    #[must_use]
    pub fn n_clusters(&self) -> usize {
        self.n_clusters
    }

    /// Noise share of held-out training rows, before the fallback.
    #[must_use]
    pub fn holdout_noise(&self) -> f64 {
        self.holdout_noise
    }

    /// Rows behind [`Reference::holdout_noise`].
    #[must_use]
    pub fn n_holdout(&self) -> u64 {
        self.n_holdout
    }

    /// Served loss on held-out rows, in the target's unit.
    #[must_use]
    pub fn holdout_rmse(&self) -> Option<f64> {
        self.holdout_rmse
    }

    /// 16 hex digits over everything in it (FNV-1a): a check for mix-ups, not for security.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
        for (name, cells) in self.names.iter().zip(&self.cells) {
            hash.take(name.len() as u64);
            name.bytes().for_each(|byte| hash.take(u64::from(byte)));
            hash.take(cells.edges.len() as u64);
            cells.edges.iter().for_each(|edge| hash.take(edge.to_bits()));
            cells.counts.iter().for_each(|&count| hash.take(count));
        }
        let rmse = self.holdout_rmse.map_or(u64::MAX, f64::to_bits);
        [self.n_samples, self.n_clusters as u64, self.holdout_noise.to_bits(), self.n_holdout, rmse]
            .into_iter()
            .for_each(|value| hash.take(value));
        format!("{:016x}", hash.0)
    }

    /// Noise among held-out rows, as counts (noise, rows).
    pub(crate) fn holdout_counts(&self) -> (u64, u64) {
        ((self.holdout_noise * self.n_holdout as f64).round() as u64, self.n_holdout)
    }
}

struct Fnv(u64);

impl Fnv {
    fn take(&mut self, value: u64) {
        for byte in value.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

impl Save for Reference {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        sink.put(FILE, &wire::encode(self).map_err(|e| damaged(FILE, e))?)
    }
}

impl Load for Reference {
    const KIND: ArtifactKind = ArtifactKind { name: "reference", version: 1 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        wire::decode(FILE, &source.get(FILE)?)
    }
}
