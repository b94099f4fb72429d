//! What the clusterer sees of a sample: chosen columns, standardised, clipped, projected.

mod eigen;
mod params;
mod projection;
mod wire;

pub use params::{Reduce, ViewParams};
pub use projection::Projection;
use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Features, Load, Result, Save, Stage, all_valid, check_width,
};

use crate::error::ClusterError;
use crate::scaler::{Scaler, StandardScaler};

const FILE: &str = "scaler.json";

/// The cluster view of a feature matrix: select, standardise, clip, project.
///
/// Fitted on training samples only, and the only place where scaling happens. Deterministic: every
/// component's largest loading is positive.
///
/// # Examples
///
/// ```
/// use tsc_cluster::{ClusterView, Features, ViewParams};
/// let x = Features::new(&[1.0, 9.0, 3.0, 9.0, 5.0, 8.0], 2)?;
/// let view = ClusterView::fit(x, &[0], &ViewParams::default())?;
/// let mut buffer = Vec::new();
/// let seen = view.apply_into(Features::new(&[3.0, 0.0, 1e9, 0.0], 2)?, &mut buffer)?;
/// assert_eq!(seen.as_slice(), [0.0, 5.0]); // the mean, and the clip at 5 deviations
/// # Ok::<(), tsc_cluster::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterView {
    n_in: usize,
    columns: Vec<usize>,
    scaler: Scaler,
    clip: f64,
    projection: Option<Projection>,
}

impl ClusterView {
    /// Fits mean, scale and components on `columns` of `x`, in the order given.
    ///
    /// Time O(n c² + c³) for c columns if they are reduced.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` of stage `Scaling` naming every violation of [`ViewParams::check`], or a column
    /// that is missing, given twice, or fewer components than asked for; `InvalidData` naming a feature
    /// whose squares overflow.
    pub fn fit(x: Features<'_>, columns: &[usize], params: &ViewParams) -> Result<Self> {
        all_valid(&params.check(), Stage::Scaling, "TSC-CLU-010")?;
        check_columns(columns, x.n_features())?;
        let selected: Vec<f64> = x.rows().flat_map(|row| columns.iter().map(|&c| row[c])).collect();
        let scaler = StandardScaler::fit(Features::new(&selected, columns.len())?)?;
        let mut view = Self {
            n_in: x.n_features(),
            columns: columns.to_vec(),
            scaler,
            clip: params.clip,
            projection: None,
        };
        if let Some(components) = params.reduce.components(x.n_samples(), columns.len())? {
            let mut scaled = Vec::new();
            view.scale_and_clip(x, &mut scaled);
            view.projection = Some(Projection::fit(Features::new(&scaled, columns.len())?, components));
        }
        Ok(view)
    }

    /// The view of `x`, in `out`.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width.
    pub fn apply_into<'o>(&self, x: Features<'_>, out: &'o mut Vec<f64>) -> Result<Features<'o>> {
        check_width(x, self.n_in, Stage::Scaling)?;
        self.scale_and_clip(x, out);
        if let Some(projection) = &self.projection {
            *out = projection.apply(out);
        }
        Features::new(out, self.n_out())
    }

    fn scale_and_clip(&self, x: Features<'_>, out: &mut Vec<f64>) {
        out.clear();
        out.reserve(x.n_samples() * self.columns.len());
        for row in x.rows() {
            let cell = |(i, &c): (usize, &usize)| self.scaler.scaled(i, row[c]).clamp(-self.clip, self.clip);
            out.extend(self.columns.iter().enumerate().map(cell));
        }
    }

    /// Features it reads.
    #[must_use]
    pub fn n_in(&self) -> usize {
        self.n_in
    }

    /// Features it gives.
    #[must_use]
    pub fn n_out(&self) -> usize {
        self.projection.as_ref().map_or(self.columns.len(), Projection::n_components)
    }

    /// Columns it selects.
    #[must_use]
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Mean and scale of the selected columns; its constant features are positions in [`columns`](Self::columns).
    #[must_use]
    pub fn scaler(&self) -> &Scaler {
        &self.scaler
    }

    /// Components, if it reduces.
    #[must_use]
    pub fn projection(&self) -> Option<&Projection> {
        self.projection.as_ref()
    }
}

fn check_columns(columns: &[usize], n_features: usize) -> Result<()> {
    if columns.is_empty() {
        return Err(ClusterError::NoColumn.into());
    }
    if let Some(&column) = columns.iter().find(|&&c| c >= n_features) {
        return Err(ClusterError::NoSuchColumn { column, n_features }.into());
    }
    let mut sorted = columns.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|w| w[0] == w[1]) {
        Some(twice) => Err(ClusterError::ColumnTwice { column: twice[0] }.into()),
        None => Ok(()),
    }
}

impl Save for ClusterView {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        sink.put(FILE, &wire::encode(FILE, self)?)
    }
}

impl Load for ClusterView {
    const KIND: ArtifactKind = ArtifactKind { name: "cluster_view", version: 1 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        wire::decode(FILE, &source.get(FILE)?)
    }
}
