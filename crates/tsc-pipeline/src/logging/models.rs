use tsc_core::{Clusterer, Curve, NoiseFallback, Regressor, Result, Run, Save};
use tsc_models::{ModelReport, ModelsReport, ResourceReport};

use super::{cell, log_scores};
use crate::config::PipelineConfig;
use crate::served::Models;

/// Most points of a curve: more do not show more, and each is a row in the store.
const CURVE_POINTS: usize = 100;

pub(super) fn log_target<C: Clusterer, R: Regressor, N: NoiseFallback>(
    run: &mut dyn Run,
    config: &PipelineConfig,
    models: &Models<C, R, N>,
    report: &ModelsReport,
) -> Result<()> {
    log_about(run, config, models.target.pooled().members().first())?;
    log_models(run, "", report)?;
    let mut table = importance_header();
    add_importance(&mut table, "", &model_names(models), report);
    run.log_artifact("models/importance.csv", table.as_bytes())
}

pub(super) fn log_resources<C: Clusterer, R: Regressor, N: NoiseFallback>(
    run: &mut dyn Run,
    config: &PipelineConfig,
    models: &Models<C, R, N>,
    resources: &[ResourceReport],
) -> Result<()> {
    let Some(first) = models.resources.heads().first() else {
        return run.set_tags(&[("tsc.skipped", "no resource column was supplied")]);
    };
    log_about(run, config, first.models().pooled().members().first())?;
    let mut table = importance_header();
    let names = model_names(models);
    for resource in resources {
        let name = resource.kind.name();
        run.set_tags(&[(&format!("unit/{name}"), &resource.unit.to_string())])?;
        log_models(run, name, &resource.models)?;
        add_importance(&mut table, name, &names, &resource.models);
    }
    run.log_artifact("models/importance.csv", table.as_bytes())
}

fn log_about(run: &mut dyn Run, config: &PipelineConfig, model: Option<&impl Save>) -> Result<()> {
    let training = &config.training;
    run.log_params(&[
        ("split", &serde_json::json!(training.split).as_str().unwrap_or_default()),
        ("validation_fraction", &training.validation_fraction),
    ])?;
    model.map_or(Ok(()), |model| run.set_tags(&[("tsc.backend", model.kind().name)]))
}

/// Scores and curves of every model of a head; `head` is empty for the target.
fn log_models(run: &mut dyn Run, head: &str, report: &ModelsReport) -> Result<()> {
    let named = |model: &str, rest: &str| -> String {
        [model, head, rest].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    };
    for (key, value) in &report.pooled.params {
        run.log_params(&[(&named("pooled", key), value)])?;
    }
    log_scores(run, &named("", "holdout"), &report.holdout.served)?;
    log_scores(run, &named("", "train"), &report.fit.served)?;
    log_scores(run, &named("pooled", "holdout"), &report.holdout.pooled)?;
    log_scores(run, &named("pooled", "train"), &report.fit.pooled)?;
    log_model(run, &report.pooled, |rest| named("pooled", rest))?;
    for cluster in &report.clusters {
        let model = format!("cluster_{}", cluster.cluster);
        log_scores(run, &named(&model, "holdout"), &cluster.holdout.served)?;
        log_scores(run, &named(&model, "train"), &cluster.fit.served)?;
        run.log_metrics(0, &[(&named(&model, "weight"), cluster.weight.value)])?;
        log_model(run, &cluster.model, |rest| named(&model, rest))?;
    }
    Ok(())
}

fn log_model(run: &mut dyn Run, model: &ModelReport, named: impl Fn(&str) -> String) -> Result<()> {
    run.log_metrics(
        0,
        &[(&named("rows"), model.rows as f64), (&named("best_iteration"), f64::from(model.best_round))],
    )?;
    for (metric, points) in mean_curves(&model.curves) {
        let name = named(&format!("eval/{metric}"));
        for (round, value) in points {
            run.log_metrics(round as i64, &[(&name, value)])?;
        }
    }
    Ok(())
}

/// Mean over the folds of each metric after each round that all of them reached, thinned; rounds count from 1.
fn mean_curves(folds: &[Vec<Curve>]) -> Vec<(String, Vec<(usize, f64)>)> {
    let Some(first) = folds.first() else { return Vec::new() };
    let of_metric = |metric: &String| {
        let curves: Vec<&[f64]> = folds
            .iter()
            .filter_map(|fold| fold.iter().find(|c| c.metric == *metric))
            .map(|c| &c.values[..])
            .collect();
        let rounds = curves.iter().map(|values| values.len()).min().unwrap_or(0);
        let stride = rounds.div_ceil(CURVE_POINTS).max(1);
        let mean = |at: usize| curves.iter().map(|values| values[at]).sum::<f64>() / curves.len() as f64;
        let shown = (0..rounds).filter(|at| at % stride == 0 || at + 1 == rounds);
        (metric.clone(), shown.map(|at| (at + 1, mean(at))).collect())
    };
    first.iter().map(|curve| of_metric(&curve.metric)).collect()
}

fn model_names<C: Clusterer, R: Regressor, N: NoiseFallback>(models: &Models<C, R, N>) -> Vec<String> {
    let columns = models.schema.columns().iter().filter(|column| column.column_use.models());
    columns.map(|column| column.name.clone()).collect()
}

fn importance_header() -> String {
    "model,feature,gain,split\n".into()
}

/// A line per model and feature that it uses.
fn add_importance(table: &mut String, head: &str, names: &[String], report: &ModelsReport) {
    let pooled = std::iter::once(("pooled".to_owned(), &report.pooled));
    let own = report.clusters.iter().map(|c| (format!("cluster_{}", c.cluster), &c.model));
    for (model, report) in pooled.chain(own) {
        let model = if head.is_empty() { model } else { format!("{model}/{head}") };
        let Some(importance) = &report.importance else { continue };
        for (name, (gain, split)) in names.iter().zip(importance.gain.iter().zip(&importance.split)) {
            if *split > 0.0 || *gain > 0.0 {
                table.push_str(&format!("{},{},{gain},{split}\n", cell(&model), cell(name)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_the_mean_of_the_folds_as_far_as_all_went() {
        let fold = |values: &[f64]| vec![Curve { metric: "rmse".into(), values: values.to_vec() }];
        let curves = mean_curves(&[fold(&[4.0, 2.0, 1.0]), fold(&[2.0, 1.0])]);
        assert_eq!(curves, [("rmse".to_owned(), vec![(1, 3.0), (2, 1.5)])]);
        assert!(mean_curves(&[]).is_empty());
    }

    #[test]
    fn a_long_curve_is_thinned_and_keeps_both_ends() {
        let values: Vec<f64> = (1..=950).map(f64::from).collect();
        let curves = mean_curves(&[vec![Curve { metric: "l1".into(), values }]]);
        let points = &curves[0].1;
        assert_eq!((points[0], points[1], *points.last().unwrap()), ((1, 1.0), (11, 11.0), (950, 950.0)));
        assert!(points.len() <= CURVE_POINTS + 1);
    }
}
