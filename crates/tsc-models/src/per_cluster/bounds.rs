//! Bounds of predictions: quantile models or the prediction itself, widened by what out-of-fold rows say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::{Features, FittedRegressor, Intervals, Label, Result, Stage, check_width};

use super::fitted::{FittedPerCluster, NoiseValue, Stored, blend, score};
use super::mean::FoldMean;
use crate::interval::{Correction, IntervalMethod};

/// How the bounds of a head are made; part of its stored form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bounds {
    pub(super) method: IntervalMethod,
    /// One per level, rising.
    pub(super) corrections: Vec<Correction>,
}

impl<F: FittedRegressor> FittedPerCluster<F> {
    /// Nominal coverages of the intervals, rising; none for models fitted without intervals.
    pub fn interval_levels(&self) -> impl Iterator<Item = f64> + '_ {
        self.bounds.iter().flat_map(|bounds| bounds.corrections.iter().map(|correction| correction.level))
    }

    /// Bounds of predictions that [`FittedPerCluster::predict_into`] made of the same rows and labels; `None` for
    /// models fitted without intervals.
    ///
    /// A bound is NaN where the value is, and where calibration had too few rows for its level. Lower never lies
    /// above upper; the value need not lie between. Coverage is nominal for rows exchangeable with the training
    /// rows, and only about so for several rows of one patient: read the held-out coverage of the report.
    ///
    /// # Errors
    ///
    /// `InvalidData` on another width.
    pub fn intervals(
        &self,
        x: Features<'_>,
        density: &[Label],
        labels: &[Label],
        noise: NoiseValue,
        values: &[f64],
    ) -> Result<Option<Intervals>> {
        let Some(bounds) = &self.bounds else { return Ok(None) };
        check_width(x, self.n_features, Stage::TimeSeriesModel)?;
        let mut intervals = Intervals { levels: Vec::new(), lower: Vec::new(), upper: Vec::new() };
        for (number, correction) in bounds.corrections.iter().enumerate() {
            let side = |quantile: usize| match bounds.method {
                IntervalMethod::Residual => values.to_vec(),
                IntervalMethod::Cqr => {
                    self.served(x, (density, labels), noise, &|stored| stored.quantiles.get(quantile))
                }
            };
            let (mut lower, mut upper) = (side(2 * number), side(2 * number + 1));
            for (row, (lower, upper)) in lower.iter_mut().zip(&mut upper).enumerate() {
                let by =
                    correction.for_row(density[row]).filter(|_| values[row].is_finite()).unwrap_or(f64::NAN);
                let (low, high) = (lower.min(*upper) - by, lower.max(*upper) + by);
                // A correction below 0 can turn narrow bounds around.
                (*lower, *upper) = (low.min(high), low.max(high));
            }
            intervals.levels.push(correction.level);
            intervals.lower.push(lower);
            intervals.upper.push(upper);
        }
        Ok(Some(intervals))
    }

    /// The blend that serves each row, of the models that `pick` takes; NaN where one of them fails.
    fn served(
        &self,
        x: Features<'_>,
        (density, labels): (&[Label], &[Label]),
        noise: NoiseValue,
        pick: &dyn Fn(&Stored<F>) -> Option<&FoldMean<F>>,
    ) -> Vec<f64> {
        let n = x.n_samples();
        let all: Vec<usize> = (0..n).collect();
        // A model that fails here has failed, and was reported, when values were predicted.
        let mut faults = Vec::new();
        let mut values = match pick(&self.pooled) {
            Some(model) => score(model, None, x, &all, &mut faults),
            None => vec![f64::NAN; n],
        };
        let mut by_own: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for row in all {
            if let Some((cluster, _)) = self.serving(density[row], labels[row], noise) {
                by_own.entry(cluster).or_default().push(row);
            }
        }
        for (cluster, rows) in by_own {
            let own = &self.clusters[&cluster];
            let Some(model) = pick(&own.stored) else { continue };
            for (&row, value) in rows.iter().zip(score(model, Some(cluster), x, &rows, &mut faults)) {
                values[row] = blend(own.weight, values[row], value);
            }
        }
        values
    }
}
