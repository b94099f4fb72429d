//! LightGBM models in safe Rust: text format, scoring, importance. No C++ is involved.

mod objective;
mod parse;
mod predict;
mod tree;

use std::borrow::Cow;
use std::sync::Arc;

use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Features, FittedRegressor, Importance, Load, Result, Save,
    Stage, check_width, damaged,
};

use crate::error::ModelsError;
use objective::Transform;
use tree::Tree;

const FILE: &str = "model.txt";

/// A LightGBM model: its text, and the trees made from it.
///
/// Immutable, cheap to clone, scored from any thread. Predictions have the bits of LightGBM's own
/// (`Booster.predict`): the same decisions, the same order of additions. Numeric and categorical splits,
/// the missing types none, zero and NaN, random forests, and the output transforms of the regression
/// and binary objectives.
#[derive(Clone)]
pub struct GbdtModel(Arc<Inner>);

struct Inner {
    text: String,
    n_features: usize,
    feature_names: Vec<String>,
    trees: Vec<Tree>,
    transform: Transform,
    // A random forest divides the sum of its trees by their number.
    average: bool,
    split: Vec<f64>,
    gain: Vec<f64>,
}

impl std::fmt::Debug for GbdtModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GbdtModel")
            .field("n_features", &self.0.n_features)
            .field("n_trees", &self.0.trees.len())
            .finish_non_exhaustive()
    }
}

impl GbdtModel {
    /// Reads the text of a LightGBM 4 model, written here, by Python or by the command line.
    ///
    /// Linear in the text; counts, indices, sizes and tree shape are checked before anything is used.
    ///
    /// # Errors
    ///
    /// `Artifact` naming the line: damaged text, or a model this crate does not score (linear leaves,
    /// several classes, another objective, another format version).
    pub fn parse(text: &str) -> Result<Self> {
        Ok(parse::model(text).map(|inner| Self(Arc::new(inner)))?)
    }

    /// The text, byte for byte as it was read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Number of trees.
    #[must_use]
    pub fn n_trees(&self) -> usize {
        self.0.trees.len()
    }

    /// Whether any tree splits; a model that learned nothing is a constant.
    #[must_use]
    pub fn splits(&self) -> bool {
        self.0.trees.iter().any(|tree| tree.nodes.len() > 1)
    }

    /// Feature names of the text; `Column_0`, .. for models trained here.
    #[must_use]
    pub fn feature_names(&self) -> &[String] {
        &self.0.feature_names
    }

    /// Prediction of one row; unlike in `Features`, a cell may be NaN and is then missing.
    ///
    /// # Errors
    ///
    /// `Prediction` if the row has another width.
    pub fn predict_one(&self, row: &[f64]) -> Result<f64> {
        if row.len() != self.0.n_features {
            return Err(ModelsError::RowWidth { have: row.len(), need: self.0.n_features }.into());
        }
        let raw = self.0.trees.iter().fold(0.0, |sum, tree| sum + tree.value_of(row));
        Ok(self.0.output(raw))
    }

    /// Sum of the trees before averaging and output transform: one value per sample.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width.
    ///
    /// # Panics
    ///
    /// If `out.len() != x.n_samples()`.
    pub fn raw_into(&self, x: Features<'_>, out: &mut [f64]) -> Result<()> {
        check_width(x, self.0.n_features, Stage::TimeSeriesModel)?;
        assert_eq!(out.len(), x.n_samples(), "one prediction per sample");
        predict::raw(&self.0.trees, x, out);
        Ok(())
    }
}

impl Inner {
    fn output(&self, raw: f64) -> f64 {
        let raw = if self.average { raw / self.trees.len() as f64 } else { raw };
        self.transform.apply(raw)
    }
}

impl FittedRegressor for GbdtModel {
    fn n_features(&self) -> usize {
        self.0.n_features
    }

    fn predict_into(&self, x: Features<'_>, out: &mut [f64]) -> Result<()> {
        self.raw_into(x, out)?;
        for value in out {
            *value = self.0.output(*value);
        }
        Ok(())
    }

    /// Counts and gains as the text holds them (gains with six digits).
    fn feature_importance(&self) -> Option<Importance<'_>> {
        Some(Importance { split: Cow::Borrowed(&self.0.split), gain: Cow::Borrowed(&self.0.gain) })
    }
}

impl Save for GbdtModel {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        sink.put(FILE, self.0.text.as_bytes())
    }
}

impl Load for GbdtModel {
    const KIND: ArtifactKind = ArtifactKind { name: "lightgbm", version: 1 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let bytes = source.get(FILE)?;
        let text = String::from_utf8(bytes).map_err(|_| damaged(FILE, "the text is not UTF-8"))?;
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests;
