//! The LightGBM models that serve, each as a logged model that `mlflow.lightgbm` and `mlflow.pyfunc` load.

use rayon::prelude::*;
use tsc_core::{Clusterer, FittedRegressor, NoiseFallback, Regressor, Result};
use tsc_mlflow::packaging::write_lightgbm_model;
use tsc_models::{FittedPerCluster, FoldMean, GbdtModel};

use crate::bundle::Folder;
use crate::served::Models;
use crate::tracking::FitRuns;

/// Packages that are not logged yet: child run, name, folder.
#[derive(Debug, Default)]
pub(crate) struct Boosters(Vec<(&'static str, String, Result<Option<Folder>>)>);

impl Boosters {
    /// Packages the pooled model and that of each cluster, of the target and of each resource.
    pub(crate) fn package<C: Clusterer, R: Regressor, N: NoiseFallback>(models: &Models<C, R, N>) -> Self {
        let columns = models.schema.columns().iter().filter(|column| column.column_use.models());
        let names: Vec<String> = columns.map(|column| column.name.clone()).collect();
        let mut all = of_head("TimeSeries-LGB", "timeseries", &models.target);
        for head in models.resources.heads() {
            all.extend(of_head("Resource-LGB", &format!("resource-{}", head.kind()), head.models()));
        }
        Self(all.into_par_iter().map(|(child, name, model)| (child, name, package(model, &names))).collect())
    }

    /// Logs each under the run of its stage.
    pub(crate) fn log(self, runs: &mut FitRuns) {
        for (child, name, package) in self.0 {
            runs.child(child, |run| match package? {
                Some(folder) => run.log_model(&name, folder.path()).map(drop),
                None => Ok(()),
            });
        }
    }
}

fn of_head<'a, F: FittedRegressor>(
    child: &'static str,
    prefix: &str,
    head: &'a FittedPerCluster<F>,
) -> Vec<(&'static str, String, &'a FoldMean<F>)> {
    let own = |cluster| Some((child, format!("{prefix}-cluster-{cluster}"), head.own(cluster)?));
    let pooled = (child, format!("{prefix}-pooled"), head.pooled());
    std::iter::once(pooled).chain(head.modelled().filter_map(own)).collect()
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
