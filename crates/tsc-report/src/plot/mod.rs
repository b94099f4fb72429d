//! Plots of the report, as plain columns; how they are drawn is known to `draw` alone.

mod cluster_map;
mod condensed_tree;
mod draw;
mod importance;
mod noise_trend;
mod palette;
mod principal;

use serde::{Deserialize, Serialize};
use tsc_core::Result;

pub use cluster_map::ClusterMap;
pub use condensed_tree::{Branch, CondensedTree};
pub use importance::Importance;
pub use noise_trend::NoiseTrend;
pub(crate) use palette::colour;
pub use principal::{Principal, principal_axes};

use crate::error::ReportError;

/// Size of a plot in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Width, legend included.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Default for Style {
    fn default() -> Self {
        Self { width: 900, height: 420 }
    }
}

/// A plot of the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Plot {
    /// Samples in the plane of two axes, coloured by cluster.
    ClusterMap(ClusterMap),
    /// How clusters come apart as the distance shrinks.
    CondensedTree(CondensedTree),
    /// Noise per batch with threshold and retrains.
    NoiseTrend(NoiseTrend),
    /// Most important features of a model.
    Importance(Importance),
}

impl Plot {
    /// Which plot it is, as the report and its file names call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Plot::ClusterMap(_) => "cluster map",
            Plot::CondensedTree(_) => "condensed tree",
            Plot::NoiseTrend(_) => "noise trend",
            Plot::Importance(_) => "importance",
        }
    }

    /// Why it cannot be drawn; continues "not shown, because". `None` if it can.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        match self {
            Plot::ClusterMap(map) => map.missing(),
            Plot::CondensedTree(tree) => tree.missing(),
            Plot::NoiseTrend(trend) => trend.missing(),
            Plot::Importance(importance) => importance.missing(),
        }
    }

    /// One sentence under the plot: what is drawn, how much of it, in which unit.
    #[must_use]
    pub fn caption(&self) -> String {
        match self {
            Plot::ClusterMap(map) => map.caption(),
            Plot::CondensedTree(tree) => tree.caption(),
            Plot::NoiseTrend(trend) => trend.caption(),
            Plot::Importance(importance) => importance.caption(),
        }
    }

    /// The plot as one self-contained SVG with a title and a text alternative; same input, same bytes.
    ///
    /// # Errors
    ///
    /// `InvalidData` if [`Plot::missing`] says why there is nothing to draw.
    ///
    /// # Examples
    ///
    /// ```
    /// use tsc_report::{NoiseTrend, Plot, Style};
    /// let trend = NoiseTrend { batches: vec![1, 2], noise_ratios: vec![0.1, 0.4], ..NoiseTrend::default() };
    /// let svg = Plot::NoiseTrend(trend).to_svg(&Style::default())?;
    /// assert!(svg.starts_with("<svg") && svg.contains("<title"));
    /// assert!(Plot::NoiseTrend(NoiseTrend::default()).to_svg(&Style::default()).is_err());
    /// # Ok::<(), tsc_report::Error>(())
    /// ```
    pub fn to_svg(&self, style: &Style) -> Result<String> {
        if let Some(reason) = self.missing() {
            return Err(ReportError::NothingToPlot { plot: self.name(), reason }.into());
        }
        Ok(match self {
            Plot::ClusterMap(map) => draw::cluster_map(map, style, &self.caption()),
            Plot::CondensedTree(tree) => draw::condensed_tree(tree, style, &self.caption()),
            Plot::NoiseTrend(trend) => draw::noise_trend(trend, style, &self.caption()),
            Plot::Importance(importance) => draw::importance(importance, style, &self.caption()),
        })
    }
}

/// Beyond it, differences and sums on the way to pixels overflow.
const LARGEST: f64 = 1e100;

/// "there is no ..." or a position with a value that cannot be drawn.
fn check_columns(first: &str, columns: &[(&str, &[f64])], length: usize) -> Option<String> {
    if length == 0 {
        return Some(format!("there is no {first}"));
    }
    for (name, column) in columns {
        if column.len() != length {
            return Some(format!("{name} has {} entries for {length} of {first}", column.len()));
        }
        if let Some(at) = column.iter().position(|v| !v.is_finite()) {
            return Some(format!("{name} {at} is not finite"));
        }
        if let Some(at) = column.iter().position(|v| v.abs() > LARGEST) {
            return Some(format!("{name} {at} is beyond {LARGEST:e}"));
        }
    }
    None
}
