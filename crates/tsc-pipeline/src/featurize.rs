//! Series to rows, so that nothing held out is learnt from.

use tsc_core::{
    Clusterer, Error, ErrorKind, NoiseFallback, Regressor, Result, Split, Stage, Timestamp, folds,
};
use tsc_series::{FeatureMatrix, Featurizer, PatientIx, SeriesTable};

use crate::fit::spec;
use crate::pipeline::Pipeline;

impl<C: Clusterer, R: Regressor, N: NoiseFallback> Pipeline<C, R, N> {
    /// The rows of a table by the configuration's `series`, for [`Pipeline::fit_initial`].
    ///
    /// Medians, columns and scales are learnt from the patients that the fit will not hold out, or, with a split by
    /// time, from values before the first row that it will. The featurizer is kept, as by
    /// [`Pipeline::with_featurizer`].
    ///
    /// # Errors
    ///
    /// `InvalidConfig` without `series`, and for the reasons of [`Featurizer::fit`] and [`folds`].
    pub fn featurize(self, table: &SeriesTable) -> Result<(Self, FeatureMatrix)> {
        let params = self.config.series.clone().ok_or_else(no_series)?;
        let featurizer = Featurizer::new(params)?;
        let (patients, known_at): (Vec<PatientIx>, Vec<Timestamp>) =
            featurizer.row_keys(table)?.into_iter().unzip();
        let of_patients = table.groups();
        let groups: Vec<_> = patients.iter().map(|patient| of_patients[patient.0]).collect();
        let spec = spec(&self.config, groups.len());
        let split = folds(groups.len(), Some(&groups), Some(&known_at), &spec)?;
        let known = match spec.split {
            Split::Auto | Split::Group => {
                let mut kept: Vec<PatientIx> = split.fit.iter().map(|&row| patients[row]).collect();
                kept.dedup();
                table.select(&kept)
            }
            _ => {
                let first = split.holdout.iter().map(|&row| known_at[row].0).min();
                table.before(first.unwrap_or(i64::MAX))
            }
        };
        let fitted = featurizer.fit(&known)?;
        let matrix = fitted.transform(table)?;
        Ok((self.with_featurizer(fitted), matrix))
    }
}

#[cold]
fn no_series() -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        Stage::Preprocessing,
        "TSC-CFG-012",
        "the configuration has no [series], so it says nothing of how rows are made of patient series",
    )
    .with_help("add [series] with a preset, or pass a feature matrix to fit_initial")
}
