//! One head on one split: the pipeline, one global model, and the pipeline with permuted segments, on rows that none
//! of them saw.

use anyhow::Result;
use tsc_pipeline::core::{
    Features, FittedRegressorExt, FoldSpec, GroupId, Intervals, Label, Millis, PredictionSource, Regressor,
    Split, Targets, Watch, folds,
};
use tsc_pipeline::models::{
    Measure, NoiseValue, Paired, PerCluster, PerClusterParams, SegmentedRows, permuted_labels,
};
use tsc_pipeline::prelude::*;
use tsc_pipeline::regressor;
use tsc_pipeline::series::FeatureMatrix;

/// Rows to train on and rows to judge on; targets in the form they are learnt in.
pub(crate) struct Case<'a> {
    pub(crate) train: &'a FeatureMatrix,
    pub(crate) train_targets: &'a [f64],
    pub(crate) test: &'a FeatureMatrix,
}

/// Predictions of the test rows, in the target's unit.
#[derive(Default)]
pub(crate) struct Judged {
    pub(crate) truth: Vec<f64>,
    pub(crate) pipeline: Vec<f64>,
    pub(crate) global: Vec<f64>,
    pub(crate) permuted: Vec<f64>,
    pub(crate) naive: Vec<(String, Vec<f64>)>,
    pub(crate) inside: Vec<Option<bool>>,
    pub(crate) groups: Vec<GroupId>,
    pub(crate) noise: Vec<f64>,
    pub(crate) segments: Vec<usize>,
}

impl Judged {
    /// Adds the rows of another split.
    pub(crate) fn extend(&mut self, more: Judged) {
        self.truth.extend(more.truth);
        self.pipeline.extend(more.pipeline);
        self.global.extend(more.global);
        self.permuted.extend(more.permuted);
        if self.naive.is_empty() {
            self.naive = more.naive;
        } else {
            self.naive.iter_mut().zip(more.naive).for_each(|(all, more)| all.1.extend(more.1));
        }
        self.inside.extend(more.inside);
        self.groups.extend(more.groups);
        self.noise.extend(more.noise);
        self.segments.extend(more.segments);
    }

    /// The rows for which `keep` holds.
    pub(crate) fn select(&self, keep: &dyn Fn(usize) -> bool) -> Judged {
        let rows: Vec<usize> = (0..self.truth.len()).filter(|&row| keep(row)).collect();
        let pick = |column: &[f64]| rows.iter().map(|&row| column[row]).collect::<Vec<f64>>();
        Judged {
            truth: pick(&self.truth),
            pipeline: pick(&self.pipeline),
            global: pick(&self.global),
            permuted: pick(&self.permuted),
            naive: self.naive.iter().map(|(name, column)| (name.clone(), pick(column))).collect(),
            inside: rows.iter().map(|&row| self.inside[row]).collect(),
            groups: rows.iter().map(|&row| self.groups[row]).collect(),
            noise: self.noise.clone(),
            segments: self.segments.clone(),
        }
    }

    /// Share of the rows with an interval whose truth lies inside.
    pub(crate) fn coverage(&self) -> Option<f64> {
        let known: Vec<bool> = self.inside.iter().copied().flatten().collect();
        let inside = known.iter().filter(|inside| **inside).count();
        (!known.is_empty()).then(|| inside as f64 / known.len() as f64)
    }

    /// Pipeline against the global model.
    pub(crate) fn against_global(&self, measure: Measure) -> Option<Paired> {
        Paired::of(measure, &self.truth, &self.pipeline, &self.global, &self.groups)
    }
}

/// Fits all three on the training rows and predicts the test rows; `truth` is in the target's unit.
pub(crate) fn judge(config: &PipelineConfig, case: &Case<'_>, truth: Vec<f64>) -> Result<Judged> {
    let Case { train, train_targets, test } = case;
    let mut config = config.clone();
    config.tracking.uri = Some("off".into());
    // The control below is judged on the test rows.
    config.models.permuted_control = false;
    let batch = train.batch().with_targets(train_targets)?;
    let (fitted, report) = Pipeline::from_config(&config)?.fit_initial(&batch)?;
    let models = fitted.models();
    let predicted = models.predict(test.features())?;

    let known: Vec<usize> = (0..train.n_samples()).filter(|&row| train_targets[row].is_finite()).collect();
    let y: Vec<f64> = known.iter().map(|&row| train_targets[row]).collect();
    let mut buffer = Vec::new();
    let columns: Vec<usize> = (0..train.schema().n_features())
        .filter(|&c| train.schema().columns()[c].column_use.models())
        .collect();
    let (all, tests) = (model_columns(train, &columns), model_columns(test, &columns));
    let x = Features::new(&all, columns.len())?;
    let x_test = Features::new(&tests, columns.len())?;
    let global =
        regressor(&config)?.fit(x.gather(&known, &mut buffer), Targets::new(&y)?)?.predict(x_test)?;

    let permuted = permuted(&config, case, &report.clustering.labels, &predicted.density_labels, x, x_test)?;
    let inside = coverage(test, &truth, predicted.intervals.as_ref());
    Ok(Judged {
        truth,
        pipeline: test.to_unit(&predicted.values),
        global: test.to_unit(&global),
        permuted: test.to_unit(&permuted),
        naive: test.references().iter().map(|r| (r.name.to_owned(), r.values.clone())).collect(),
        inside,
        groups: test.groups().to_vec(),
        noise: vec![report.clustering.holdout_noise_ratio],
        segments: vec![report.clustering.n_clusters],
    })
}

/// Whether the first interval of each row holds the truth; `None` without an interval or a known truth.
fn coverage(test: &FeatureMatrix, truth: &[f64], intervals: Option<&Intervals>) -> Vec<Option<bool>> {
    let Some(intervals) = intervals else { return vec![None; truth.len()] };
    let (lower, upper) = (test.to_unit(&intervals.lower[0]), test.to_unit(&intervals.upper[0]));
    let inside = |row: usize| {
        let known = truth[row].is_finite() && lower[row].is_finite() && upper[row].is_finite();
        known.then(|| (lower[row]..=upper[row]).contains(&truth[row]))
    };
    (0..truth.len()).map(inside).collect()
}

fn model_columns(matrix: &FeatureMatrix, columns: &[usize]) -> Vec<f64> {
    matrix.features().rows().flat_map(|row| columns.iter().map(|&c| row[c])).collect()
}

/// The models of the pipeline with the segments shuffled among patients or series, never among rows.
fn permuted(
    config: &PipelineConfig,
    case: &Case<'_>,
    labels: &[Label],
    test_labels: &[Label],
    x: Features<'_>,
    x_test: Features<'_>,
) -> Result<Vec<f64>> {
    let (groups, batch) = (case.train.groups(), case.train.batch());
    let n = x.n_samples();
    let training = &config.training;
    let spec = FoldSpec {
        split: training.split,
        holdout: training.validation_fraction,
        folds: training.folds_for(n),
        gap: training.gap,
        seed: config.random_state,
    };
    let split = folds(n, Some(groups), batch.times(), &spec)?;
    let labels = permuted_labels(labels, Some(groups), &[&split.fit, &split.holdout]);
    let n_clusters =
        labels.iter().filter_map(|label| label.cluster()).max().map_or(0, |last| last.0 as usize + 1);
    let rows = SegmentedRows {
        x,
        labels: &labels,
        n_clusters,
        groups: Some(groups),
        folds: &split,
        references: &[],
    };
    let params = PerClusterParams {
        min_cluster_rows: training.min_cluster_rows,
        selection_z: config.models.selection_z,
        permuted_control: false,
        ..PerClusterParams::default()
    };
    let heads = PerCluster::new(regressor(config)?, params)?;
    let (mut fitted, _) = heads.fit(&rows, case.train_targets, &Watch::NONE)?;
    if training.refit {
        let all = folds(n, Some(groups), batch.times(), &FoldSpec { holdout: 0.0, ..spec })?;
        fitted =
            heads.refit(&fitted, &SegmentedRows { folds: &all, ..rows }, case.train_targets, &Watch::NONE)?;
    }
    let test_rows: Vec<usize> = (0..x_test.n_samples()).collect();
    let test_labels = permuted_labels(test_labels, Some(case.test.groups()), &[&test_rows]);
    let mut values = vec![f64::NAN; test_rows.len()];
    let mut sources = vec![PredictionSource::Unavailable; test_rows.len()];
    let noise = NoiseValue::Pooled;
    fitted.predict_into(x_test, &test_labels, &test_labels, noise, &mut values, &mut sources)?;
    Ok(values)
}

/// Outer folds by patient or series, as `tsc_core::folds` makes them: row numbers of each fold.
pub(crate) fn outer_folds(groups: &[GroupId], count: usize, seed: u64) -> Result<Vec<Vec<usize>>> {
    let spec = FoldSpec { split: Split::Group, holdout: 0.0, folds: count, gap: Millis(0), seed };
    let split = folds(groups.len(), Some(groups), None, &spec)?;
    Ok(split.folds.into_iter().map(|fold| fold.held_out).collect())
}
