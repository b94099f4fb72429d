//! LightGBM models in safe Rust: text format, scoring, importance. No C++ is involved.

mod contributions;
mod masks;
mod objective;
mod parse;
mod predict;
mod text;
mod tree;

use std::borrow::Cow;
use std::sync::Arc;

use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Features, FittedRegressor, Importance, Load, Result, Save,
    Stage, check_width, damaged,
};

use crate::error::ModelsError;
use objective::Transform;
use tree::Forest;

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
    // Where each tree starts in the text, and where the last one ends.
    starts: Vec<usize>,
    n_features: usize,
    feature_names: Vec<String>,
    forest: Forest,
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
            .field("n_trees", &self.n_trees())
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
        self.0.forest.trees.len()
    }

    /// Whether any tree splits; a model that learned nothing is a constant.
    #[must_use]
    pub fn splits(&self) -> bool {
        self.splits_within(u32::MAX)
    }

    pub(crate) fn splits_within(&self, rounds: u32) -> bool {
        self.0.forest.trees.iter().take(rounds as usize).any(|tree| tree.depth > 0)
    }

    /// The model of the first `rounds` rounds, at least one; itself if it has no more.
    ///
    /// The text is the one LightGBM writes for that number of rounds. Meant for boosted models: the trees of
    /// `dart` are rescaled by later ones.
    #[must_use]
    pub fn truncated(&self, rounds: u32) -> Self {
        text::truncated(self, rounds)
    }

    /// One model whose raw score is the weighted sum of the models' raw scores.
    ///
    /// It holds the trees of all, in order, with their leaf values scaled, so contributions add up and
    /// LightGBM reads it; header and parameters are the first model's. With an objective whose raw score is
    /// the prediction, predictions are the weighted sum too, up to the rounding of the additions. With a log
    /// or logit link they are not: weights that sum to 1 then give the geometric mean, or the mean of logits.
    ///
    /// # Errors
    ///
    /// `InvalidData` without a model, for a weight that is not finite, and for models of other features or
    /// another objective than the first.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "lightgbm")] {
    /// use tsc_core::{Features, Regressor, Targets};
    /// use tsc_models::{GbdtModel, GbmParams, LightGbm};
    /// let cells: Vec<f64> = (0..200).map(f64::from).collect();
    /// let (x, y) = (Features::new(&cells, 1)?, Targets::new(&cells)?);
    /// let model = LightGbm::new(GbmParams::time_series())?.fit(x, y)?;
    /// let shorter = model.truncated(20);
    /// let blend = GbdtModel::blend(&[(0.25, &model), (0.75, &shorter)])?;
    /// assert_eq!(blend.n_trees(), 120);
    /// let expected = 0.25 * model.predict_one(&[7.0])? + 0.75 * shorter.predict_one(&[7.0])?;
    /// assert!((blend.predict_one(&[7.0])? - expected).abs() < 1e-12);
    /// # }
    /// # Ok::<(), tsc_core::Error>(())
    /// ```
    pub fn blend(parts: &[(f64, &Self)]) -> Result<Self> {
        Ok(text::blended(parts)?)
    }

    /// One model that predicts the mean of the models, up to the rounding of the additions; of one model itself.
    ///
    /// # Errors
    ///
    /// As [`GbdtModel::blend`]; also `InvalidData` for several models of an objective whose raw score is not the
    /// prediction, because no text holds their mean.
    pub fn mean(models: &[&Self]) -> Result<Self> {
        if let [one] = models {
            return Ok((*one).clone());
        }
        if models.iter().any(|model| model.0.transform != Transform::Identity) {
            let problem = "with an objective that transforms the raw score, a mean is no sum of trees";
            return Err(ModelsError::Blend(problem.into()).into());
        }
        let share = 1.0 / models.len() as f64;
        Self::blend(&models.iter().map(|&model| (share, model)).collect::<Vec<_>>())
    }

    pub(crate) fn followed_by(&self, added: &Self) -> Result<Self> {
        Ok(text::followed(self, added)?)
    }

    pub(crate) fn check_like(&self, other: &Self) -> Result<()> {
        Ok(text::check_like(&self.0, &other.0)?)
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
        Ok(self.0.output(predict::raw_of_row(&self.0.forest, row)))
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
        predict::raw(&self.0.forest, x, out);
        Ok(())
    }

    /// The leaf of each tree a sample ends in, by LightGBM's numbers: `n_samples x n_trees`.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width.
    ///
    /// # Panics
    ///
    /// If `out.len() != x.n_samples() * self.n_trees()`.
    pub fn leaves_into(&self, x: Features<'_>, out: &mut [u32]) -> Result<()> {
        check_width(x, self.0.n_features, Stage::TimeSeriesModel)?;
        assert_eq!(out.len(), x.n_samples() * self.n_trees(), "one leaf per sample and tree");
        let forest = &self.0.forest;
        for (row, leaves) in x.rows().zip(out.chunks_exact_mut(self.n_trees().max(1))) {
            for (tree, leaf) in forest.trees.iter().zip(leaves) {
                *leaf = forest.facts[forest.leaf_of(tree, row) as usize].leaf;
            }
        }
        Ok(())
    }
}

impl Inner {
    fn output(&self, raw: f64) -> f64 {
        let raw = if self.average { raw / self.forest.trees.len() as f64 } else { raw };
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

    /// Path-dependent TreeSHAP on the raw score, to the bits of LightGBM's `pred_contrib`; the base value is
    /// the mean raw score of the training rows.
    ///
    /// A sample's values add up to its raw score within 1e-9 relative (of a forest: to the sum of its trees).
    /// O(leaves x depth^2) per sample and tree, samples in parallel; memory per thread is quadratic in the
    /// depth.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width; `Prediction` for trees deeper than 1,024 splits and for texts that do
    /// not hold the training rows of each node.
    fn contributions_into(&self, x: Features<'_>, out: &mut [f64]) -> Result<()> {
        check_width(x, self.0.n_features, Stage::TimeSeriesModel)?;
        let width = self.0.n_features + 1;
        assert_eq!(out.len(), x.n_samples() * width, "one contribution per cell and a base value per sample");
        contributions::check(&self.0.forest)?;
        contributions::into(&self.0.forest, x, out);
        Ok(())
    }

    fn cut(&mut self, rounds: u32) {
        *self = self.truncated(rounds);
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
