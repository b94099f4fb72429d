//! Many small models, and models per cluster with a pooled one behind them.

use anyhow::{Context, Result};
use rayon::prelude::*;
use tsc_peers::{Arguments, Report, Spent, measure};
use tsc_pipeline::{
    core::{Features, FittedRegressorExt, RegressionScores, Regressor, Targets, Watch},
    models::{GbdtModel, GbmParams, LightGbm, PerCluster, PerClusterParams, SegmentedRows},
};
use tsc_testing::npy;

use crate::{digest, input::row_folds};

/// Rows and targets, one group after the other.
#[derive(Debug)]
pub(crate) struct Cohort {
    pub(crate) values: Vec<f64>,
    pub(crate) targets: Vec<f64>,
    pub(crate) d: usize,
}

impl Cohort {
    /// Rows of the benchmark's mixture with a target that bends, interacts, and has a slope of each group's own.
    pub(crate) fn made(groups: usize, rows: usize, d: usize) -> Self {
        let values = tsc_testing::mixture(groups * rows, d, d as u64).values;
        let target = |(number, row): (usize, &[f64])| {
            let slope = ((number / rows) as f64).sin();
            // The last column takes part in nothing else: its fast wave is noise to a tree.
            let noise = 10.0 * (1e4 * row[d - 1]).sin();
            slope * row[0] + row[1].abs() + row[2] * row[3] / 20.0 + noise
        };
        let targets = values.chunks_exact(d).enumerate().map(target).collect();
        Self { values, targets, d }
    }

    fn read(arguments: &Arguments, rows: &str, targets: &str) -> Result<Self> {
        let rows = npy::read(arguments.file(rows)?);
        let targets = npy::read(arguments.file(targets)?).f64().to_vec();
        Ok(Self { values: rows.f64().to_vec(), targets, d: rows.n_columns() })
    }

    /// The rows and targets of each group.
    fn groups(&self, groups: usize) -> Result<Vec<(Features<'_>, Targets<'_>)>> {
        let rows = self.targets.len() / groups;
        let values = self.values.chunks_exact(rows * self.d);
        let group = |(x, y)| Ok((Features::new(x, self.d)?, Targets::new(y)?));
        values.zip(self.targets.chunks_exact(rows)).map(group).collect()
    }
}

/// What every program of the training cases uses.
pub(crate) fn params(arguments: &Arguments) -> Result<GbmParams> {
    Ok(GbmParams {
        num_iterations: Some(u32::try_from(arguments.number("rounds")?).context("rounds")?),
        num_leaves: Some(u32::try_from(arguments.number("leaves")?).context("leaves")?),
        learning_rate: Some(0.1),
        feature_fraction: Some(1.0),
        bagging_fraction: Some(1.0),
        bagging_freq: Some(0),
        seed: Some(i32::try_from(arguments.number("seed")?).context("seed")?),
        ..GbmParams::time_series().with_auto_size(false)
    })
}

/// A model for each group, one thread a model.
pub(crate) fn train(arguments: &Arguments) -> Result<Report> {
    let (models, spent) = models_of_groups(arguments, params(arguments)?)?;
    Ok(Report::new(spent).with("check", digest::of_trees(models.iter().map(GbdtModel::text))))
}

/// The same with sizes that follow the rows; the loss on held-out rows tells what that costs.
pub(crate) fn train_sized(arguments: &Arguments) -> Result<Report> {
    let sized = GbmParams { num_leaves: None, ..params(arguments)?.with_auto_size(true) };
    let (models, spent) = models_of_groups(arguments, sized)?;
    let held_out = Cohort::read(arguments, "held_out.npy", "held_out_targets.npy")?;
    let mut predicted = Vec::new();
    for (model, (x, _)) in models.iter().zip(held_out.groups(models.len())?) {
        predicted.extend(model.predict(x)?);
    }
    let rmse = RegressionScores::of(&held_out.targets, &predicted).rmse;
    Ok(Report::new(spent).with_known([("check", rmse)]))
}

fn models_of_groups(arguments: &Arguments, params: GbmParams) -> Result<(Vec<GbdtModel>, Spent)> {
    let cohort = Cohort::read(arguments, "rows.npy", "targets.npy")?;
    let groups = cohort.groups(arguments.number("groups")?)?;
    let lightgbm = LightGbm::new(params)?;
    let (models, spent) = measure(|| {
        let models = groups.par_iter().with_max_len(1).map(|(x, y)| lightgbm.fit(*x, *y));
        models.collect::<Result<Vec<_>, _>>()
    });
    Ok((models?, spent))
}

/// Folds, early stopping, pooled and own models, weights and scores of the whole fit of a head.
pub(crate) fn per_cluster(arguments: &Arguments) -> Result<Report> {
    let cohort = Cohort::read(arguments, "rows.npy", "targets.npy")?;
    let labels = npy::read(arguments.file("labels.npy")?).labels();
    let split = row_folds(labels.len(), arguments)?;
    let rows = SegmentedRows {
        x: Features::new(&cohort.values, cohort.d)?,
        labels: &labels,
        n_clusters: arguments.number("groups")?,
        groups: None,
        folds: &split,
    };
    let head = PerCluster::new(LightGbm::new(params(arguments)?)?, PerClusterParams::default())?;
    let (fitted, spent) = measure(|| head.fit(&rows, &cohort.targets, &Watch::NONE));
    let (_, report) = fitted?;
    Ok(Report::new(spent).with_known([("check", report.holdout.served.rmse)]))
}
