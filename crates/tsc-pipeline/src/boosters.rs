//! The LightGBM models that serve, each as a logged model that `mlflow.lightgbm` and `mlflow.pyfunc` load.

use rayon::prelude::*;
use tsc_core::{Clusterer, FittedRegressor, NoiseFallback, Regressor, Result};
use tsc_mlflow::packaging::write_lightgbm_model;
use tsc_models::{FittedPerCluster, FoldMean, GbdtModel};

use crate::bundle::Folder;
use crate::served::Models;
use crate::tracking::FitRuns;

/// Logs the pooled model and that of each cluster, of the target and of each resource, under the runs of their
/// stages.
pub(crate) fn log_boosters<C: Clusterer, R: Regressor, N: NoiseFallback>(
    runs: &mut FitRuns,
    models: &Models<C, R, N>,
) {
    let columns = models.schema.columns().iter().filter(|column| column.column_use.models());
    let names: Vec<String> = columns.map(|column| column.name.clone()).collect();
    log_head(runs, "TimeSeries-LGB", "timeseries", &models.target, &names);
    for head in models.resources.heads() {
        log_head(runs, "Resource-LGB", &format!("resource-{}", head.kind()), head.models(), &names);
    }
}

fn log_head<F: FittedRegressor>(
    runs: &mut FitRuns,
    child: &str,
    prefix: &str,
    head: &FittedPerCluster<F>,
    names: &[String],
) {
    let own = head
        .modelled()
        .filter_map(|cluster| Some((format!("{prefix}-cluster-{cluster}"), head.own(cluster)?)));
    let all: Vec<_> = std::iter::once((format!("{prefix}-pooled"), head.pooled())).chain(own).collect();
    let packages: Vec<_> = all.par_iter().map(|(name, model)| (name, package(model, names))).collect();
    for (name, package) in packages {
        runs.child(child, |run| match package? {
            Some(folder) => run.log_model(name, folder.path()).map(drop),
            None => Ok(()),
        });
    }
}

/// The model as MLflow keeps boosters; `None` if it is of another backend.
fn package<F: FittedRegressor>(model: &FoldMean<F>, names: &[String]) -> Result<Option<Folder>> {
    let Some(members) = boosters(model) else { return Ok(None) };
    let booster = GbdtModel::mean(&members)?;
    let folder = Folder::scratch()?;
    write_lightgbm_model(booster.text(), names, folder.path())?;
    Ok(Some(folder))
}

/// The models of the folds; `None` if they are of another backend.
fn boosters<F: FittedRegressor>(model: &FoldMean<F>) -> Option<Vec<&GbdtModel>> {
    model.members().iter().map(|member| (member as &dyn FittedRegressor).downcast_ref()).collect()
}
